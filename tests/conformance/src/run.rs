//! Plays every case with one client and judges the results.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;

use crate::cases::{Case, GROUPS};
use crate::faulty_clients::ClientFault;
use crate::play::{Fault, Play};
use crate::report;
use crate::subjects::client::{MujiCall, Shim};
use crate::subjects::engine::Virtual;
use crate::subjects::person::ENOUGH;
use crate::subjects::real_server::OnRealServer;
use crate::subjects::server::Loopback;
use crate::subjects::watched_room::Visit;
use crate::subjects::{Cannot, Testbed, dino};

/// Cases in real time mostly wait.
const AT_ONCE: usize = 8;

/// Dinos with their desktops on one machine.
const DINOS_AT_ONCE: usize = 3;

/// Worlds in virtual time repeat with this.
const SEED: u64 = 1;

/// Over what server a program is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Over {
    /// The suite's own server on loopback, which sees every stanza
    Loopback,
    /// A Prosody for each case, started by the suite
    Prosody,
}

/// Who is judged.
pub(crate) enum Subject {
    /// Our Engine.
    Engine,
    /// Our Engine, spoiled.
    Wrong(ClientFault),
    /// Our program.
    MujiCall(Over),
    /// A real one.
    Dino(Over),
    /// A client that a command moves.
    Shim(String, Over),
    /// A client that a person operates in a room of a real server.
    Present(Visit),
}

impl Subject {
    pub(crate) fn parse(text: &str, over: Option<Over>) -> Result<Self, String> {
        let of_its_own = text == "engine" || text.starts_with("wrong:");
        if of_its_own && over.is_some() {
            return Err(format!("{text} has no connection; --over is for programs"));
        }
        let over = over.unwrap_or(Over::Loopback);
        match text {
            "engine" => return Ok(Self::Engine),
            "muji-call" => return Ok(Self::MujiCall(over)),
            "dino" => return Ok(Self::Dino(over)),
            _ => {}
        }
        if let Some(name) = text.strip_prefix("wrong:") {
            let named = ClientFault::ALL.into_iter().find(|fault| fault.name() == name).map(Self::Wrong);
            let all = || ClientFault::ALL.map(|fault| fault.name()).join(", ");
            return named.ok_or_else(|| format!("there is no fault {name}; there are: {}", all()));
        }
        Ok(Self::Shim(text.to_owned(), over))
    }

    fn testbed(&self) -> io::Result<Box<dyn Testbed>> {
        Ok(match self {
            Self::Engine => Box::new(Virtual::new(SEED, None)),
            Self::Wrong(fault) => Box::new(Virtual::new(SEED, Some(fault.interceptor()))),
            Self::MujiCall(Over::Loopback) => Box::new(Loopback::new(MujiCall::start)?),
            Self::MujiCall(Over::Prosody) => Box::new(OnRealServer::over_prosody(MujiCall::start)?),
            Self::Dino(Over::Loopback) => Box::new(dino::start()?),
            Self::Dino(Over::Prosody) => Box::new(dino::over_prosody()?),
            Self::Shim(command, Over::Loopback) => Box::new(Loopback::new(|account| Shim::start(command, &account))?),
            Self::Shim(command, Over::Prosody) => {
                Box::new(OnRealServer::over_prosody(|account| Shim::start(command, &account))?)
            }
            Self::Present(visit) => Box::new(OnRealServer::with_person(visit)?),
        })
    }

    /// How many cases are played at once.
    fn at_once(&self) -> usize {
        match self {
            Self::Engine | Self::Wrong(_) | Self::MujiCall(_) | Self::Shim(..) => AT_ONCE,
            Self::Dino(_) => DINOS_AT_ONCE,
            Self::Present(_) => 1,
        }
    }
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// Why, and what was said and heard: a line each.
    Fail(String, Vec<String>),
    Skipped(&'static str),
    NotImplemented,
}

impl Verdict {
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Fail(..))
    }
}

/// A case, and what came of it.
pub(crate) struct Judged {
    pub(crate) group: &'static str,
    pub(crate) case: &'static Case,
    pub(crate) verdict: Verdict,
    /// As the client saw it.
    pub(crate) took: Duration,
}

/// The cases that are asked for.
pub(crate) fn chosen(only: Option<&str>) -> impl Iterator<Item = (&'static str, &'static Case)> {
    let all = GROUPS.iter().flat_map(|(group, cases)| cases.iter().map(|case| (*group, case)));
    all.filter(move |(group, case)| {
        only.is_none_or(|only| {
            group.contains(only) || case.name.contains(only) || case.ids.iter().any(|id| id.contains(only))
        })
    })
}

/// Plays them, several at a time; in order.
pub(crate) fn judge(subject: &Subject, only: Option<&str>) -> Vec<Judged> {
    let cases: Vec<_> = chosen(only).collect();
    let (next, judged) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..subject.at_once() {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((group, case)) = cases.get(index) else { return };
                    if let Subject::Present(_) = subject {
                        println!("Case {} of {}: {}", index + 1, cases.len(), case.name);
                    }
                    let (verdict, took) = play(subject, case);
                    if let Subject::Present(_) = subject {
                        println!("  {}", report::said(&verdict));
                    }
                    let one = Judged { group, case, verdict, took };
                    judged.lock().unwrap_or_else(PoisonError::into_inner).insert(index, one);
                }
            });
        }
    });
    judged.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// What comes of one, and how long it takes.
fn play(subject: &Subject, case: &Case) -> (Verdict, Duration) {
    if let Subject::Present(visit) = subject
        && visit.is_over()
    {
        return (Verdict::Skipped(ENOUGH), Duration::ZERO);
    }
    // A whole desktop now and then does not start at once.
    let testbed = match subject.testbed().or_else(|_| subject.testbed()) {
        Ok(testbed) => testbed,
        Err(why) => return (Verdict::Fail(format!("the client does not start: {why}"), Vec::new()), Duration::ZERO),
    };
    if let Some((_, why)) = testbed.lacks().iter().find(|(id, _)| case.ids.contains(id)) {
        return (Verdict::Skipped(why), Duration::ZERO);
    }
    let mut play = Play::new(testbed);
    // The Engine runs in this process: if it dies, that is its fault and not the end of the suite.
    let played = catch_unwind(AssertUnwindSafe(|| (case.play)(&mut play)));
    let verdict = match played.unwrap_or_else(|_| Err(Cannot::Gone("it panicked".to_owned()).into())) {
        Ok(()) => Verdict::Pass,
        Err(Fault::Wrong(why)) => Verdict::Fail(why, play.ladder()),
        Err(Fault::Cannot(Cannot::NotImplemented)) => Verdict::NotImplemented,
        Err(Fault::Cannot(Cannot::Here(why))) => Verdict::Skipped(why),
        Err(Fault::Cannot(Cannot::Gone(why))) => Verdict::Fail(format!("it is gone: {why}"), play.ladder()),
    };
    (verdict, play.age())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use muji_core::xmpp::{self, Account};
    use muji_harness::register::Register;
    use muji_harness::room::Rules;
    use muji_harness::server::{MAX_LOGGED, Server};
    use muji_harness::world::{Intercepted, Interceptor};
    use muji_xep::Secret;
    use xmpp_parsers::stanza::Stanza;

    use super::*;
    use crate::subjects::Order;
    use crate::subjects::client::Account as Credentials;
    use crate::subjects::person::{Desk, HELP};

    fn failures(subject: &Subject) -> BTreeSet<&'static str> {
        let judged = judge(subject, None);
        judged.iter().filter(|judged| judged.verdict.is_failure()).map(|judged| judged.case.name).collect()
    }

    #[test]
    fn the_engine_passes_every_case_but_that_of_its_client() {
        for Judged { case, verdict, .. } in judge(&Subject::Engine, None) {
            let clients = case.ids.contains(&"ping-08") && matches!(verdict, Verdict::Skipped(_));
            assert!(clients || verdict == Verdict::Pass, "{}: {verdict:?}", case.name);
        }
    }

    #[test]
    fn each_fault_made_on_purpose_fails_the_cases_that_name_it_and_no_others() {
        for fault in ClientFault::ALL {
            let failed = failures(&Subject::Wrong(fault));
            assert_eq!(failed, fault.cases().iter().copied().collect(), "{}", fault.name());
        }
    }

    /// It swallows all that a client says.
    struct Gag;

    impl Interceptor for Gag {
        fn says(&mut self, _: Stanza) -> Vec<Stanza> {
            Vec::new()
        }

        fn hears(&mut self, stanza: Stanza) -> Intercepted {
            Intercepted { heard: vec![stanza], said: Vec::new() }
        }
    }

    #[test]
    fn a_client_that_says_nothing_passes_no_case() {
        let passed = |(_, case): &(&str, &'static Case)| {
            let mut play = Play::new(Box::new(Virtual::new(SEED, Some(Box::new(Gag)))));
            (case.play)(&mut play).is_ok()
        };
        let passed: Vec<&str> = chosen(None).filter(passed).map(|(_, case)| case.name).collect();
        assert_eq!(passed, [""; 0]);
    }

    /// What becomes of the first case with this shim.
    fn with_shim(command: &str) -> Verdict {
        let [judged] =
            &mut judge(&Subject::Shim(command.to_owned(), Over::Loopback), Some("it says first that it prepares"))[..]
        else {
            panic!("one case has this name")
        };
        std::mem::replace(&mut judged.verdict, Verdict::Pass)
    }

    #[test]
    fn a_client_that_ends_or_dies_fails_and_that_is_said() {
        for (command, word) in
            [("exit 3", "exit status: 3"), ("kill -9 $$", "signal: 9"), ("no-such-program-at-all", "127")]
        {
            let Verdict::Fail(why, _) = with_shim(command) else { panic!("{command} does not fail") };
            assert!(why.starts_with("it is gone") && why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_shim_says_by_89_that_its_client_cannot_do_something() {
        assert_eq!(with_shim("read order; read order; exit 89"), Verdict::NotImplemented);
    }

    #[test]
    fn a_client_that_hangs_or_talks_nonsense_fails_in_bounded_time_and_is_ended() {
        let mark = format!("{}.5", 4_000 + std::process::id() % 1_000);
        for command in [format!("sleep {mark} & sleep {mark}"), "while read order; do echo '<<<'; done".to_owned()] {
            let Verdict::Fail(why, _) = with_shim(&command) else { panic!("{command} does not fail") };
            assert_eq!(why, "it does not say anything of the call within 5 s");
        }
        let still = std::process::Command::new("pgrep").args(["-f", &format!("^sleep {mark}")]).output();
        assert!(still.expect("there is pgrep").stdout.is_empty(), "what a shim started has ended with it");
    }

    /// What somebody does with `muji-call` when he reads this, if it is to be done.
    fn read(text: &str) -> Option<Order> {
        let after = |words: &str| text.strip_prefix(words).and_then(|rest| rest.split([' ', ',']).next());
        Some(match (after("Join the call in "), after("Call ")) {
            (Some(room), _) => Order::Join(room.parse().expect("a room"), None),
            (_, Some(whom)) => Order::Call(whom.parse().expect("a person")),
            _ if text.starts_with("Leave") => Order::Leave,
            _ if text.starts_with("Mute") => Order::Mute,
            _ if text.starts_with("Unmute") => Order::Unmute,
            _ if text == HELP => return None,
            _ => panic!("{text}"),
        })
    }

    #[test]
    fn a_client_that_comes_to_a_room_is_judged_when_a_person_does_each_step() {
        const PASSWORD: &str = "of all";
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("there is a runtime");
        let server = runtime.block_on(Server::start("localhost", PASSWORD, Rules::default())).expect("a port is free");
        let (jid, address) = ("romeo@localhost".to_owned(), server.address());
        let client = MujiCall::start(Credentials { jid, password: PASSWORD.to_owned(), server: address });
        let client = Mutex::new(client.expect("it is not told to begin"));
        let obeys = move |text: &str| {
            let mut client = client.lock().expect("nobody panicked");
            read(text)
                .map_or(Ok(()), |order| client.order(&order))
                .expect("muji-call is built: cargo build -p muji-call");
        };
        let account = Account {
            server: xmpp::Server::Plaintext(address),
            ..Account::new("juliet@localhost".parse().expect("a JID"), Secret::new(PASSWORD))
        };
        let room = server.with_service(|service| service.room("balcony"));
        let desk = Desk::new(obeys, std::sync::mpsc::channel().1);
        let visit = Visit::begin(account, room, desk).expect("somebody comes");
        assert_eq!(visit.subject().as_str(), "romeo@localhost");
        let subject = Subject::Present(visit);
        for (only, verdict) in [
            ("it publishes before it calls", Verdict::Pass),
            ("its offer names the room", Verdict::Pass),
            ("it takes back what it said before it ends its sessions", Verdict::Pass),
            ("it says that it is muted", Verdict::Pass),
            ("it asks for no history", Verdict::Skipped("only its server hears it")),
        ] {
            let [judged] = &judge(&subject, Some(only))[..] else { panic!("one case has this name") };
            assert_eq!(judged.verdict, verdict, "{only}");
        }
    }

    #[test]
    fn a_client_that_logs_in_twice_fails() {
        let mut twice = None;
        let testbed = Loopback::new(|credentials| {
            twice = Some(credentials.clone());
            MujiCall::start(credentials)
        });
        let (testbed, Credentials { jid, password, server }) =
            (testbed.expect("a port is free"), twice.expect("it is told"));
        let account = Account {
            server: xmpp::Server::Plaintext(server),
            ..Account::new(jid.parse().expect("a JID"), Secret::new(password))
        };
        let runtime = tokio::runtime::Runtime::new().expect("there is a runtime");
        let connections = [0; 2].map(|_| runtime.block_on(xmpp::Connection::open(account.clone())));
        assert!(connections.iter().all(Result::is_ok));
        let why = Play::new(Box::new(testbed)).pause(Duration::from_secs(1)).expect_err("it cannot be judged");
        let Fault::Cannot(Cannot::Gone(why)) = why else { panic!("{why:?}") };
        assert_eq!(why, "it is logged in twice, and of two none can be judged");
    }

    #[test]
    fn a_client_that_talks_without_end_fails() {
        let mut testbed = Loopback::new(MujiCall::start).expect("it is not told to begin");
        let chatterbox = testbed.log_in("subject").expect("anybody may");
        for _ in 0..MAX_LOGGED + 1 {
            testbed.say(&chatterbox, "<presence xmlns='jabber:client'/>".parse().expect("it is well-formed"));
        }
        let mut play = Play::new(Box::new(testbed));
        let why = play.pause(Duration::from_secs(1)).expect_err("nobody listens to so much");
        assert_eq!(why, Fault::Cannot(Cannot::Gone(format!("{MAX_LOGGED} stanzas are too many for a case"))));
    }

    #[test]
    fn no_two_cases_have_one_name_and_none_shows_more_than_three_requirements() {
        let register = Register::of_this_repository().expect("it can be read");
        let mut names = BTreeSet::new();
        for (_, case) in chosen(None) {
            assert!(names.insert(case.name), "{} stands twice", case.name);
            assert!((1..=3).contains(&case.ids.len()), "{}", case.name);
            let unknown: Vec<_> = case.ids.iter().filter(|id| !register.contains(id)).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", case.name);
        }
    }
}
