//! Telling the other's client who takes part besides it, if it can show that (XEP-0298): for a bridge, whose callers know nothing of the room.
//!
//! ```text
//!  Unknown ── guests to tell ──► Asked ── it has the feature ──► Reads ── a document at most each second
//!                                  └── it has not, an error, no answer ──► DoesNotRead ◄── it refuses a document
//! ```
//!
//! Nothing waits for an answer: the call goes on whatever its client does with it.

use std::time::{Duration, Instant};

use jid::FullJid;
use muji_jingle::pending::PendingRequests;
use muji_xep::{Element, disco, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::StanzaError;

use crate::context::Context;
use crate::guest::{self, Guest};

/// From one document to the next: people who come and go together are told together, and each document is whole.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the other's client reads documents about a conference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reader {
    #[default]
    Unknown,
    Asked,
    Reads,
    DoesNotRead,
}

/// What we asked its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Features,
    ToRead,
}

/// Who takes part besides the other, and what of it its client was told.
#[derive(Debug, Clone, Default)]
pub(super) struct GuestList {
    reader: Reader,
    guests: Vec<Guest>,
    /// It rises with each document.
    version: u32,
    /// The guests are others than those of the last document.
    untold: bool,
    /// When the next document may be sent.
    next: Option<Instant>,
    asked: PendingRequests<Asked>,
}

impl GuestList {
    /// The other is on another device now, whose client is another one.
    pub(super) fn moved(&mut self) {
        self.reader = Reader::Unknown;
        self.untold = self.version > 0 || self.untold;
        self.asked.clear();
    }

    /// These people take part besides the other. False if they do already.
    pub(super) fn set(&mut self, guests: Vec<Guest>) -> bool {
        let changed = self.guests != guests;
        if changed {
            self.guests = guests;
            self.untold = true;
        }
        changed
    }

    /// Asks whether the other's client reads it, or tells it, if something is to be told. We are connected.
    pub(super) fn tell(&mut self, cx: &mut Context<'_>, us: &FullJid, peer: &FullJid) {
        let due = self.next.is_none_or(|next| next <= cx.now);
        match self.reader {
            Reader::Unknown if self.untold => {
                self.reader = Reader::Asked;
                let id = self.ask(cx, Asked::Features);
                let payload = Element::bare("query", ns::DISCO_INFO);
                cx.send(Iq::Get { from: None, to: Some(peer.clone().into()), id, payload });
            }
            Reader::Reads if self.untold && due => {
                self.untold = false;
                self.version = self.version.saturating_add(1);
                self.next = Some(cx.now + PAUSE);
                let id = self.ask(cx, Asked::ToRead);
                let payload = guest::document(Some(us.to_bare()), self.version, &self.guests).write();
                cx.send(Iq::Set { from: None, to: Some(peer.clone().into()), id, payload });
            }
            Reader::Unknown | Reader::Asked | Reader::Reads | Reader::DoesNotRead => {}
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>, asked: Asked) -> String {
        let id = cx.ids.token();
        self.asked.asked(cx.now, &id, asked);
        id
    }

    /// An answer comes. False if we did not ask for it.
    pub(super) fn answered(&mut self, id: &str, answer: Result<Option<&Element>, &StanzaError>) -> bool {
        let Some(asked) = self.asked.answered(id) else { return false };
        let reads = match (asked, answer) {
            (Asked::Features, Ok(Some(info))) => disco::has_feature(info, ns::COIN),
            (Asked::Features, Ok(None)) | (_, Err(_)) => false,
            (Asked::ToRead, Ok(_)) => return true,
        };
        self.reader = if reads { Reader::Reads } else { Reader::DoesNotRead };
        true
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.asked.expired(now).contains(&Asked::Features) {
            self.reader = Reader::DoesNotRead;
        }
    }

    pub(super) fn poll_timeout(&self, connected: bool) -> Option<Instant> {
        let waits = connected && self.untold && self.reader == Reader::Reads;
        self.next.filter(|_| waits).into_iter().chain(self.asked.poll_timeout()).min()
    }
}

#[cfg(test)]
mod tests {
    use muji_jingle::Ids;
    use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType};

    use super::*;
    use crate::config::Config;
    use crate::context::Shared;
    use crate::guest::EndpointStatus;
    use crate::media::Capabilities;
    use crate::output::Output;

    struct Caller {
        shared: Shared,
        now: Instant,
        list: GuestList,
    }

    fn guests(names: &[&str]) -> Vec<Guest> {
        let guest = |name: &&str| Guest {
            id: (*name).to_owned(),
            name: (*name).to_owned(),
            jid: None,
            status: EndpointStatus::Connected,
            muted: false,
            source: None,
        };
        names.iter().map(guest).collect()
    }

    fn features(of: &str) -> Element {
        format!("<query xmlns='{}'><feature var='{of}'/></query>", ns::DISCO_INFO).parse().expect("it is well-formed")
    }

    impl Caller {
        #[expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]
        fn new() -> Self {
            let shared = Shared::new(Ids::new([7; 32]), Capabilities::default(), Config::default());
            Self { shared, now: Instant::now(), list: GuestList::default() }
        }

        /// Guests are set, and what is sent then.
        fn told(&mut self, names: &[&str]) -> Vec<Element> {
            assert!(self.list.set(guests(names)));
            self.sent()
        }

        fn sent(&mut self) -> Vec<Element> {
            let [us, peer] = ["bridge@x.example/b", "dan@x.example/phone"].map(|jid| jid.parse().expect("a full JID"));
            self.list.tell(&mut self.shared.context(self.now), &us, &peer);
            let out = self.shared.out.drain(..);
            out.filter_map(|it| if let Output::Send(stanza) = it { stanza.to_xml().parse().ok() } else { None })
                .collect()
        }

        fn answers(&mut self, request: &Element, answer: Result<Option<&Element>, &StanzaError>) {
            assert!(self.list.answered(request.attr("id").expect("it has one"), answer));
        }

        /// Its client reads documents, and got one.
        fn reading() -> (Self, Element) {
            let mut caller = Self::new();
            let [query] = &caller.told(&["ada"])[..] else { panic!("one question") };
            caller.answers(query, Ok(Some(&features(ns::COIN))));
            let [document] = &caller.sent()[..] else { panic!("one document") };
            (caller, document.clone())
        }

        fn passes(&mut self, time: Duration) {
            self.now += time;
            self.list.handle_timeout(self.now);
        }
    }

    fn version(document: &Element) -> Option<&str> {
        document.get_child("conference-info", ns::CONFERENCE_INFO)?.attr("version")
    }

    #[test]
    fn a_client_is_asked_once_and_told_nothing_without_the_feature() {
        let mut caller = Caller::new();
        assert_eq!(caller.sent(), [], "nobody to tell of");
        let [query] = &caller.told(&["ada"])[..] else { panic!("one question") };
        assert_eq!(caller.told(&["ada", "bo"]), []);
        caller.answers(query, Ok(Some(&features(ns::JINGLE))));
        assert_eq!(caller.told(&["bo"]), []);
        assert_eq!(caller.list.poll_timeout(true), None);
        let mut silent = Caller::new();
        silent.told(&["ada"]);
        silent.passes(Duration::from_secs(15));
        assert_eq!((silent.told(&["bo"]), silent.list.poll_timeout(true)), (Vec::new(), None));
    }

    #[test]
    fn documents_come_a_second_apart_with_the_last_state_and_nothing_waits_for_answers() {
        let (mut caller, first) = Caller::reading();
        assert_eq!(version(&first), Some("1"));
        assert_eq!(caller.told(&["ada", "bo"]), []);
        assert_eq!(caller.told(&["bo"]), []);
        assert_eq!(caller.list.poll_timeout(true), Some(caller.now + PAUSE));
        caller.passes(PAUSE);
        let [second] = &caller.sent()[..] else { panic!("one document") };
        assert_eq!((version(second), String::from(second).matches("<user ").count()), (Some("2"), 1));
        assert_eq!(caller.sent(), []);
        caller.list.moved();
        let [query] = &caller.sent()[..] else { panic!("its other device is asked") };
        assert!(query.has_child("query", ns::DISCO_INFO));
    }

    #[test]
    fn a_client_that_refuses_a_document_gets_no_other() {
        let (mut caller, first) = Caller::reading();
        let refused = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "");
        caller.answers(&first, Err(&refused));
        caller.passes(2 * PAUSE);
        assert_eq!(caller.told(&["bo"]), []);
    }
}
