//! Who may call a bridge, and how often somebody may try.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use jid::BareJid;
use muji_xep::Secret;

/// Callers of a bridge who are let in by default; more than this is a choice.
pub const USUAL_CALLERS: usize = 8;

/// Callers of a bridge at most: one machine decodes and encodes for all of them.
pub const MAX_CALLERS: usize = 32;

/// Callers who wait to be let in at once: each holds a transport open.
pub const MAX_LOBBY: usize = 4;

/// Wrong PINs in one call; then it ends.
pub const MAX_TRIES: u32 = 3;

/// Wrong PINs of one account, and of one domain, in an hour; after that its calls are not taken for as long. A PIN of six digits is then
/// guessed by one account in a hundred thousand hours.
pub const MAX_FAILURES: usize = 5;
/// The same of a domain, as who runs one has any number of accounts.
pub const MAX_DOMAIN_FAILURES: usize = 20;
const FAILURES_IN: Duration = Duration::from_secs(3_600);

/// Calls in a minute: of one account, of one domain, and of all. Nobody redials faster, and each costs a transport.
pub const MAX_CALLS_OF_ACCOUNT: usize = 6;
/// The same of a domain.
pub const MAX_CALLS_OF_DOMAIN: usize = 20;
/// The same of all.
pub const MAX_CALLS_OF_ALL: usize = 60;
const CALLS_IN: Duration = Duration::from_secs(60);

/// Domains and accounts of whom something is remembered; of more the first is forgotten.
const MAX_REMEMBERED: usize = 1_024;

/// Digits of a PIN.
const PIN_DIGITS: std::ops::RangeInclusive<usize> = 6..=32;

/// What callers enter to be let in.
#[derive(Debug, Clone)]
pub struct Pin(Secret);

impl Pin {
    /// A PIN of 6 to 32 digits; `None` if it is another text.
    #[must_use]
    pub fn new(digits: &str) -> Option<Self> {
        let fits = PIN_DIGITS.contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        fits.then(|| Self(Secret::new(digits)))
    }

    /// Takes as long whichever digits are wrong.
    pub(super) fn is(&self, entered: &str) -> bool {
        let pin = self.0.expose().bytes();
        let differs = pin.len() != entered.len();
        let entered = entered.bytes().chain(std::iter::repeat(0));
        pin.zip(entered).fold(u8::from(differs), |sum, (digit, entered)| sum | (digit ^ entered)) == 0
    }
}

/// Who may call a bridge.
#[derive(Debug, Clone, Default)]
pub struct AdmissionPolicy {
    /// They are let in without a PIN.
    pub admitted: BTreeSet<BareJid>,
    /// Others enter this. Without it contacts of the account are let in, and strangers learn nothing.
    pub pin: Option<Pin>,
    /// Callers at once, those included who wait and who are called: [`USUAL_CALLERS`] if 0, [`MAX_CALLERS`] at most.
    pub max_callers: usize,
}

/// What becomes of somebody who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It takes part.
    Admitted,
    /// It waits until it has entered the PIN.
    Lobby,
    /// It is declined.
    Declined,
    /// It learns nothing.
    Ignored,
}

impl AdmissionPolicy {
    pub(super) fn places(&self) -> usize {
        if self.max_callers == 0 { USUAL_CALLERS } else { self.max_callers.min(MAX_CALLERS) }
    }

    /// Whether somebody may see that the account is there: who may call it.
    pub(super) fn may_subscribe(&self, who: &BareJid) -> bool {
        self.admitted.contains(who) || self.pin.is_some()
    }

    /// What becomes of a call, whatever others there are.
    pub(super) fn of(&self, who: &BareJid, is_contact: bool) -> Admission {
        match &self.pin {
            _ if self.admitted.contains(who) => Admission::Admitted,
            Some(_) => Admission::Lobby,
            None if is_contact => Admission::Admitted,
            None => Admission::Ignored,
        }
    }
}

/// What accounts and domains did lately.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempts {
    calls: Recent,
    failures: Recent,
    /// Who is banned from the room.
    banned: VecDeque<BareJid>,
}

impl Attempts {
    /// An account was banned from the room, or is not any more.
    pub(super) fn banned(&mut self, who: &BareJid, banned: bool) {
        self.banned.retain(|known| known != who);
        if banned {
            if self.banned.len() == MAX_REMEMBERED {
                self.banned.pop_front();
            }
            self.banned.push_back(who.clone());
        }
    }

    /// True if it is banned from the room.
    pub(super) fn is_banned(&self, who: &BareJid) -> bool {
        self.banned.contains(who)
    }

    /// True if one more call of this account is taken; it is counted.
    pub(super) fn may_call(&mut self, now: Instant, who: &BareJid) -> bool {
        if self.is_banned(who) {
            return false;
        }
        let domain = domain(who);
        let failed = self.failures.count(now, FAILURES_IN, who.as_str()) >= MAX_FAILURES
            || self.failures.count(now, FAILURES_IN, &domain) >= MAX_DOMAIN_FAILURES;
        let often = self.calls.count(now, CALLS_IN, who.as_str()) >= MAX_CALLS_OF_ACCOUNT
            || self.calls.count(now, CALLS_IN, &domain) >= MAX_CALLS_OF_DOMAIN
            || self.calls.count(now, CALLS_IN, ALL) >= MAX_CALLS_OF_ALL;
        if failed || often {
            return false;
        }
        [who.as_str(), &domain, ALL].iter().for_each(|of| self.calls.add(now, of, MAX_CALLS_OF_ALL));
        true
    }

    /// An account entered a wrong PIN.
    pub(super) fn failed(&mut self, now: Instant, who: &BareJid) {
        [who.as_str(), &domain(who)].iter().for_each(|of| self.failures.add(now, of, MAX_DOMAIN_FAILURES));
    }
}

/// No account and no domain has this name.
const ALL: &str = "";

/// A domain, which no account has as its name: those without a node are one with theirs.
fn domain(who: &BareJid) -> String {
    format!("@{}", who.domain())
}

/// When something happened last, by a name.
#[derive(Debug, Clone, Default)]
struct Recent(BTreeMap<String, VecDeque<Instant>>);

impl Recent {
    fn count(&mut self, now: Instant, within: Duration, of: &str) -> usize {
        let Some(times) = self.0.get_mut(of) else { return 0 };
        times.retain(|at| *at + within > now);
        let count = times.len();
        if count == 0 {
            self.0.remove(of);
        }
        count
    }

    fn add(&mut self, now: Instant, of: &str, most: usize) {
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(of) {
            let oldest = self.0.iter().min_by_key(|(_, times)| times.back().copied()).map(|(name, _)| name.clone());
            oldest.iter().for_each(|name| drop(self.0.remove(name)));
        }
        let times = self.0.entry(of.to_owned()).or_default();
        if times.len() >= most {
            times.pop_front();
        }
        times.push_back(now);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]
mod tests {
    use super::*;

    fn jid(text: &str) -> BareJid {
        text.parse().expect("a JID")
    }

    #[test]
    fn a_pin_has_six_digits_or_more_and_only_all_of_them_open() {
        assert!(Pin::new("12345").is_none() && Pin::new("12345x").is_none() && Pin::new(&"1".repeat(33)).is_none());
        let pin = Pin::new("493021").expect("six digits");
        let right: Vec<&str> = ["493021", "493020", "49302", "4930210", "", "593021"]
            .into_iter()
            .filter(|entered| pin.is(entered))
            .collect();
        assert_eq!(right, ["493021"]);
    }

    #[test]
    fn who_is_let_in_depends_on_the_list_the_pin_and_the_contacts() {
        let admitted = BTreeSet::from([jid("dan@x.example")]);
        let open = AdmissionPolicy { admitted, ..AdmissionPolicy::default() };
        let with_pin = AdmissionPolicy { pin: Pin::new("493021"), ..open.clone() };
        let of = |policy: &AdmissionPolicy, who, contact| policy.of(&jid(who), contact);
        assert_eq!(of(&open, "dan@x.example", false), Admission::Admitted);
        assert_eq!(of(&open, "eve@x.example", true), Admission::Admitted);
        assert_eq!(of(&open, "eve@x.example", false), Admission::Ignored);
        assert_eq!(of(&with_pin, "dan@x.example", false), Admission::Admitted);
        assert_eq!(of(&with_pin, "eve@x.example", true), Admission::Lobby);
        assert_eq!(of(&with_pin, "eve@x.example", false), Admission::Lobby);
    }

    // Shows brg-adm-03.
    #[test]
    fn calls_are_counted_by_account_by_domain_and_in_all_for_a_minute() {
        let (start, mut attempts) = (Instant::now(), Attempts::default());
        let mut calls = |at: u64, who: &str, times: usize| {
            (0..times).filter(|_| attempts.may_call(start + Duration::from_secs(at), &jid(who))).count()
        };
        assert_eq!(calls(0, "dan@x.example", 10), MAX_CALLS_OF_ACCOUNT);
        let of_domain: usize = (0..10).map(|number| calls(0, &format!("u{number}@x.example"), 5)).sum();
        assert_eq!(of_domain, MAX_CALLS_OF_DOMAIN - MAX_CALLS_OF_ACCOUNT);
        let of_all: usize = (0..100).map(|number| calls(1, &format!("dan@x{number}.example"), 1)).sum();
        assert_eq!(of_all, MAX_CALLS_OF_ALL - MAX_CALLS_OF_DOMAIN);
        assert_eq!(calls(62, "dan@x.example", 1), 1, "a minute later");
    }

    #[test]
    fn who_enters_wrong_pins_is_not_taken_for_an_hour() {
        let (start, mut attempts) = (Instant::now(), Attempts::default());
        let dan = jid("dan@x.example");
        (0..MAX_FAILURES).for_each(|_| attempts.failed(start, &dan));
        assert!(!attempts.may_call(start + Duration::from_secs(3_599), &dan));
        assert!(attempts.may_call(start + Duration::from_secs(3_599), &jid("eve@x.example")));
        assert!(attempts.may_call(start + Duration::from_secs(3_600), &dan));
        for number in 0..MAX_DOMAIN_FAILURES {
            attempts.failed(start, &jid(&format!("u{number}@y.example")));
        }
        assert!(!attempts.may_call(start, &jid("new@y.example")), "another account of that domain");
    }

    // Shows brg-adm-03.
    #[test]
    fn what_is_remembered_is_bounded() {
        let (now, mut attempts) = (Instant::now(), Attempts::default());
        (0..5_000).for_each(|number| attempts.failed(now, &jid(&format!("u@x{number}.example"))));
        assert_eq!(attempts.failures.0.len(), MAX_REMEMBERED);
    }
}
