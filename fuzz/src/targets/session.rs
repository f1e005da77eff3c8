//! Two Jingle sessions that talk to each other, while what they say is changed, lost and repeated, users act, and their media layers fail.
//!
//! Each request has one answer, what is written can be read, each input has a bound of outputs, and what is over says and asks nothing
//! more.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use muji_harness::instant_backend;
use muji_jingle::media::{DtlsRole, MediaCommand, MediaReport, NetworkFailure, PathFailure, TransportFailure};
use muji_jingle::{
    CallId, ContentSpec, Hold, Ids, Mute, Session, SessionEvent, SessionId, SessionOutput, SessionParams,
    SessionQuirks, TransportAbilities, TransportId,
};
use muji_xep::dtmf::Digit;
use muji_xep::jingle::{Action, Jingle, MAX_CONTENTS, Reason};
use muji_xep::rtp::{Media, PayloadType};
use muji_xep::{Element, Skipped, guard};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::choices::Choices;
use crate::stanza::{NAMES, change, request};

const SID: &str = NAMES.sid;
const PEOPLE: [&str; 2] = ["romeo@capulet.example/1", NAMES.peer];

/// What follows from one thing that happens, at most: an end has outputs for each content.
const MAX_OUTPUTS: usize = 8 * MAX_CONTENTS;

/// Moments at which something may be due behind the end: each request that was not answered has one.
const MAX_DUE: usize = 512;

/// Requests that wait for a side at most; the oldest are lost.
const MAX_WAITING: usize = 16;

/// One side.
struct Side {
    session: Session,
    opened: bool,
    closed: bool,
    ended: bool,
}

struct Pair {
    now: Instant,
    ids: Ids,
    /// The caller, and the callee once an offer reached it.
    sides: [Option<Side>; 2],
    /// What the other side said, with its answers.
    inboxes: [VecDeque<Iq>; 2],
    made: u32,
}

pub(super) fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut pair = Pair::new(choices.byte());
    for _ in 0..choices.below(16) {
        (0..2).for_each(|side| pair.deliver(side, None));
        pair.act(1, 0, &mut Choices::new(&[])); // She accepts.
    }
    while !choices.is_over() {
        pair.step(&mut choices);
    }
    pair.end();
}

fn spec(media: Media, payload_types: Vec<PayloadType>) -> ContentSpec {
    let publication = media.as_str().to_owned();
    let ssrc = if media == Media::Audio { 7 } else { 9 };
    ContentSpec { publication, sends: true, media, ssrc, rtx_ssrc: None, payload_types, extensions: Vec::new() }
}

fn audio() -> ContentSpec {
    spec(Media::Audio, vec![PayloadType::new(111, "opus", 48_000, 2), PayloadType::new(0, "PCMU", 8_000, 1)])
}

fn video() -> ContentSpec {
    spec(Media::Video, vec![PayloadType::new(98, "VP8", 90_000, 1)])
}

fn params(side: usize, flags: u8) -> SessionParams {
    let jid = |side: usize| PEOPLE[side].parse().expect("a full JID");
    SessionParams {
        call: CallId(1),
        session: SessionId(1),
        us: jid(side),
        peer: jid(1 - side),
        name: "a peer".to_owned(),
        room: (flags & 1 != 0).then(|| NAMES.room.parse().expect("a room")),
        quirks: SessionQuirks { wants_full_accept: flags & 2 != 0, restarts_ice: flags & 4 != 0 },
        able: TransportAbilities { ice_restart: flags & 64 == 0, bundling: flags & 128 == 0 },
        certificates: if flags & 8 != 0 { vec![[9; 32]] } else { Vec::new() },
        bound_only: flags & 24 == 24,
    }
}

impl Side {
    fn new(session: Session) -> Self {
        Self { session, opened: false, closed: false, ended: false }
    }
}

impl Pair {
    fn new(flags: u8) -> Self {
        let (now, ids) = (Instant::now(), Ids::new([7; 32]));
        let specs = if flags & 32 != 0 { vec![audio(), video()] } else { vec![audio()] };
        let caller = Session::outgoing(now, params(0, flags), SID.to_owned(), specs);
        let mut pair = Self { now, ids, sides: [Some(Side::new(caller)), None], inboxes: Default::default(), made: 0 };
        if let Some(caller) = &mut pair.sides[0] {
            caller.session.permit_offer(now, &mut pair.ids);
        }
        pair.drain(0, None);
        pair
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let side = choices.below(2);
        match choices.below(8) {
            0 | 1 => self.deliver(side, None),
            2 => self.deliver(side, Some(choices)),
            3 => {
                let element = request(choices, NAMES);
                self.requested(side, &element);
            }
            4 => self.report(side, choices),
            5 => self.wait(choices.below(4)),
            6 => {
                let deed = choices.below(12);
                self.act(side, deed, choices);
            }
            _ => {
                let inbox = &mut self.inboxes[side];
                let first = inbox.front().cloned();
                match choices.below(2) {
                    0 => drop(inbox.pop_front()), // It is lost.
                    _ => inbox.extend(first),     // It comes twice.
                }
            }
        }
    }

    /// A side gets the next thing that the other said, changed if there is a choice.
    fn deliver(&mut self, to: usize, choices: Option<&mut Choices<'_>>) {
        let Some(iq) = self.inboxes[to].pop_front() else { return };
        match iq {
            Iq::Set { id, mut payload, .. } => {
                if let Some(choices) = choices {
                    change(choices, &mut payload, NAMES);
                }
                self.request_with(to, &id, &payload);
            }
            Iq::Result { id, .. } => self.answered(to, &id, Ok(())),
            Iq::Error { id, error, .. } => self.answered(to, &id, Err(&error)),
            Iq::Get { .. } => {}
        }
    }

    fn answered(&mut self, to: usize, id: &str, outcome: Result<(), &StanzaError>) {
        if let Some(side) = &mut self.sides[to] {
            let _known = side.session.handle_answer(self.now, &mut self.ids, id, outcome);
        }
        self.drain(to, None);
    }

    fn requested(&mut self, to: usize, element: &Element) {
        self.made += 1;
        let id = format!("made{}", self.made);
        self.request_with(to, &id, element);
    }

    fn request_with(&mut self, to: usize, id: &str, element: &Element) {
        if guard::check(element).is_err() {
            return;
        }
        let Some(jingle) = Jingle::read(element, &mut Skipped::default()) else { return };
        let specs = [audio(), video()];
        let Some(side) = &mut self.sides[to] else {
            if jingle.action == Action::SessionInitiate && jingle.sid == SID {
                self.sides[to] = Session::incoming(params(to, 0), &jingle, &specs).ok().map(Side::new);
                self.answer_of(1 - to, id);
                self.drain(to, None);
            }
            return;
        };
        if jingle.sid != SID {
            return; // It is for another session.
        }
        let outcome = side.session.handle_request(self.now, &mut self.ids, id, &jingle, &specs);
        self.drain(to, Some((id, outcome.is_ok())));
    }

    /// The offer is confirmed by who made the session of it.
    fn answer_of(&mut self, to: usize, id: &str) {
        if let Some(side) = &mut self.sides[to] {
            let _known = side.session.handle_answer(self.now, &mut self.ids, id, Ok(()));
        }
        self.drain(to, None);
    }

    fn report(&mut self, to: usize, choices: &mut Choices<'_>) {
        let Some(side) = &mut self.sides[to] else { return };
        let session = SessionId(1);
        let transport = TransportId { session, index: u32::try_from(choices.below(4)).unwrap_or_default() };
        let content = side.session.contents().first().map_or_else(String::new, |(name, _)| name.clone());
        let failure =
            |why| PathFailure { why, network: vec![NetworkFailure::Server { server: "s".into(), error: "e".into() }] };
        let handshake = TransportFailure::Handshake { role: DtlsRole::Client, error: "no".to_owned() };
        let report = match choices.below(8) {
            0 => MediaReport::Connected { transport },
            1 => MediaReport::Interrupted { transport },
            2 => MediaReport::Moved { transport },
            3 => MediaReport::Failed { transport, failure: failure(handshake) },
            4 => MediaReport::WrongCertificate { transport },
            5 => MediaReport::Flowing { session, content },
            6 => MediaReport::Silent { session, content },
            _ => MediaReport::Digit { session, digit: Digit::of_event(1).expect("a key") },
        };
        side.session.handle_media(self.now, &mut self.ids, report);
        self.drain(to, None);
    }

    /// Time passes, until something is due or not.
    fn wait(&mut self, how: usize) {
        let due = self.sides.iter().flatten().filter_map(|side| side.session.poll_timeout()).min();
        match (how, due) {
            (0, _) | (_, None) => self.now += Duration::from_secs(1),
            (_, Some(due)) => self.now = self.now.max(due),
        }
        for number in 0..2 {
            let Some(side) = &mut self.sides[number] else { continue };
            let due = side.session.poll_timeout();
            if due.is_some_and(|at| at <= self.now) {
                side.session.handle_timeout(self.now, &mut self.ids);
                let next = side.session.poll_timeout();
                assert!(next.is_none_or(|at| at > self.now), "what was due is done: {due:?}, {next:?}");
            }
            self.drain(number, None);
        }
    }

    fn act(&mut self, who: usize, deed: usize, choices: &mut Choices<'_>) {
        let Some(side) = &mut self.sides[who] else { return };
        let (session, now, ids) = (&mut side.session, self.now, &mut self.ids);
        match deed {
            0 if who == 1 => session.accept(now, ids),
            0 => session.permit_offer(now, ids),
            1 => session.announce_ringing(now, ids),
            2 => session.add(now, ids, video()),
            // An owner takes contents out of what both have accepted.
            3 | 8 if !session.is_active() => {}
            3 => session.remove(now, ids, "video"),
            4 => session.set_hold(now, ids, Hold::On),
            5 => session.set_hold(now, ids, Hold::Off),
            6 => session.announce_mute(now, ids, "audio", Mute::On),
            7 => {
                let _sent = session.send_digits(&[Digit::of_event(3).expect("a key")]);
            }
            8 => session.remove(now, ids, "audio"),
            9 => session.sends_only(&[Media::Video]),
            10 => {
                let refused = StanzaError::new(
                    ErrorType::Cancel,
                    DefinedCondition::ServiceUnavailable,
                    "en",
                    "an error of the server",
                );
                let id = format!("made{}", choices.byte());
                let _known = session.handle_answer(now, ids, &id, Err(&refused));
            }
            _ => session.end(now, ids, Reason::Success),
        }
        self.drain(who, None);
    }

    /// Takes what a side gives; media layers that answer at once are part of it. `asked` is the request that it was given before, and
    /// whether it was in order.
    fn drain(&mut self, of: usize, asked: Option<(&str, bool)>) {
        let Some(mut side) = self.sides[of].take() else { return };
        let (was_over, mut outputs, mut answers) = (side.ended, 0, 0);
        while let Some(output) = side.session.poll_output() {
            outputs += 1;
            assert!(outputs <= MAX_OUTPUTS, "{outputs} outputs of one input");
            match output {
                SessionOutput::Send(iq) => {
                    assert!(!was_over || !matches!(*iq, Iq::Set { .. }), "what is over asks nothing");
                    answers += usize::from(self.said(of, *iq, asked));
                }
                SessionOutput::Media(command) => self.obeyed(&mut side, &command),
                SessionOutput::Event(event) => {
                    assert!(!side.ended, "an event behind the end: {event:?}");
                    side.ended = matches!(event, SessionEvent::Ended(_));
                }
            }
        }
        if let Some((id, _)) = asked {
            assert_eq!(answers, 1, "answers to the request {id}");
        }
        if side.session.is_over() {
            assert!(side.ended, "an end is reported");
            assert!(side.closed || !side.opened, "what was opened is closed");
        }
        assert!(side.session.contents().len() <= 2 * MAX_CONTENTS);
        self.sides[of] = Some(side);
    }

    /// True if it answers what was asked.
    fn said(&mut self, of: usize, iq: Iq, asked: Option<(&str, bool)>) -> bool {
        let is_answer = match &iq {
            Iq::Set { payload, .. } => {
                assert_eq!(guard::check(payload), Ok(()), "what we write is not too large");
                let mut skipped = Skipped::default();
                Jingle::read(payload, &mut skipped).expect("what we write can be read");
                assert!(skipped.is_empty(), "what we write is understood: {skipped}");
                false
            }
            Iq::Result { id, .. } => asked.is_some_and(|(asked, in_order)| asked == id && in_order),
            Iq::Error { id, .. } => asked.is_some_and(|(asked, in_order)| asked == id && !in_order),
            Iq::Get { .. } => false,
        };
        let inbox = &mut self.inboxes[1 - of];
        inbox.push_back(iq);
        if inbox.len() > MAX_WAITING {
            inbox.pop_front();
        }
        is_answer
    }

    fn obeyed(&mut self, side: &mut Side, command: &MediaCommand) {
        assert!(!side.closed, "a command behind the end: {command:?}");
        match command {
            MediaCommand::Open { .. } => side.opened = true,
            MediaCommand::Close { .. } => side.closed = true,
            _ => assert!(side.opened, "a command before anything is opened: {command:?}"),
        }
        for report in instant_backend::obey(command) {
            side.session.handle_media(self.now, &mut self.ids, report);
        }
    }

    /// Each side ends, and reports it once.
    fn end(&mut self) {
        for number in 0..2 {
            let Some(side) = &mut self.sides[number] else { continue };
            side.session.end(self.now, &mut self.ids, Reason::Success);
            assert!(side.session.is_over());
            self.drain(number, None);
        }
        for _ in 0..MAX_DUE {
            if self.sides.iter().flatten().all(|side| side.session.poll_timeout().is_none()) {
                return;
            }
            self.wait(1);
        }
        panic!("something is always due");
    }
}
