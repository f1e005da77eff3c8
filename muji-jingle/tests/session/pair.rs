//! Two sessions with made-up ends for media, and all that they gave.

use std::time::Instant;

use jid::FullJid;
use muji_jingle::media::{LocalTransport, MediaCommand, MediaReport};
use muji_jingle::{
    CallId, ContentSpec, Ids, Session, SessionEvent, SessionId, SessionOutput, SessionParams, SessionQuirks,
    TransportAbilities, TransportId,
};
use muji_xep::jingle::{Jingle, ReasonElement};
use muji_xep::rtp::{Media, PayloadType};
use muji_xep::{Secret, Skipped};
use xmpp_parsers::iq::Iq;

pub(crate) fn opus() -> PayloadType {
    PayloadType::new(111, "opus", 48_000, 2)
}

pub(crate) fn wanted(payload_types: Vec<PayloadType>) -> Vec<ContentSpec> {
    vec![ContentSpec {
        publication: "audio".to_owned(),
        sends: true,
        media: Media::Audio,
        ssrc: 7,
        rtx_ssrc: None,
        payload_types,
        extensions: Vec::new(),
    }]
}

/// A media layer that can all.
pub(crate) const ABLE: TransportAbilities = TransportAbilities { ice_restart: true, bundling: true };

pub(crate) fn parties(us: &str, peer: &str) -> SessionParams {
    let jid = |name: &str| -> FullJid { format!("{name}@x.example/1").parse().expect("a full JID") };
    let room = Some("r@conf.example".parse().expect("a room"));
    let session = SessionId(1);
    SessionParams {
        call: CallId(1),
        session,
        us: jid(us),
        peer: jid(peer),
        name: peer.to_owned(),
        room,
        quirks: SessionQuirks::default(),
        able: ABLE,
        certificates: Vec::new(),
        bound_only: false,
    }
}

pub(crate) fn end(name: &str) -> MediaReport {
    end_of(0, name)
}

/// Our end of the transport with this number.
pub(crate) fn end_of(index: u32, name: &str) -> MediaReport {
    let local = LocalTransport {
        ufrag: name.to_owned(),
        pwd: Secret::new(format!("the password of {name}, long enough")),
        fingerprint: vec![u8::try_from(name.len()).expect("names are short"); 32],
        candidates: Vec::new(),
    };
    MediaReport::Described { transport: TransportId { index, ..transport() }, local }
}

pub(crate) const fn transport() -> TransportId {
    TransportId { session: SessionId(1), index: 0 }
}

/// What a session gave, sorted.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) requests: Vec<(String, Jingle)>,
    pub(crate) answers: Vec<Iq>,
    pub(crate) media: Vec<MediaCommand>,
    pub(crate) events: Vec<SessionEvent>,
}

impl Given {
    /// Why something ended or is refused, as the peer is told.
    pub(crate) fn told(&self) -> Option<&ReasonElement> {
        self.requests.iter().find_map(|(_, jingle)| jingle.why.as_ref())
    }
}

pub(crate) fn drain(session: &mut Session) -> Given {
    let mut given = Given::default();
    while let Some(output) = session.poll_output() {
        match output {
            SessionOutput::Send(iq) => match *iq {
                Iq::Set { id, payload, .. } => {
                    let mut skipped = Skipped::default();
                    let jingle = Jingle::read(&payload, &mut skipped).expect("what we write can be read");
                    assert!(skipped.is_empty(), "what we write is understood: {skipped}");
                    given.requests.push((id, jingle));
                }
                answer => given.answers.push(answer),
            },
            SessionOutput::Media(command) => given.media.push(command),
            SessionOutput::Event(event) => given.events.push(event),
        }
    }
    given
}

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) ids: Ids,
    pub(crate) caller: Session,
    pub(crate) callee: Session,
    /// What the caller offered.
    pub(crate) offer: Jingle,
}

/// A caller whose offer lies before a callee, who has not decided.
pub(crate) fn offered() -> Pair {
    offered_between([ABLE, ABLE])
}

/// The same with the media layers of caller and callee.
fn offered_between([of_caller, of_callee]: [TransportAbilities; 2]) -> Pair {
    let (now, mut ids) = (Instant::now(), Ids::new([7; 32]));
    let caller = SessionParams { able: of_caller, ..parties("romeo", "juliet") };
    let callee = SessionParams { able: of_callee, ..parties("juliet", "romeo") };
    let mut caller = Session::outgoing(now, caller, "s1".to_owned(), wanted(vec![opus()]));
    caller.permit_offer(now, &mut ids);
    let opening = drain(&mut caller);
    assert!(matches!(&opening.media[..], [MediaCommand::Open { .. }]) && opening.requests.is_empty());
    caller.handle_media(now, &mut ids, end("romeo"));
    let offer = drain(&mut caller);
    assert_eq!(offer.events, [SessionEvent::Offered]);
    let [(id, offer)] = &offer.requests[..] else { panic!("one offer") };
    let mut callee = Session::incoming(callee, offer, &wanted(vec![opus()])).expect("it fits");
    assert!(callee.poll_output().is_none(), "nothing happens before the user decides");
    assert!(caller.handle_answer(now, &mut ids, id, Ok(())));
    Pair { now, ids, caller, callee, offer: offer.clone() }
}

/// Another caller that offers this to Juliet: its session, and the request.
pub(crate) fn offer_of(now: Instant, ids: &mut Ids, specs: Vec<ContentSpec>) -> (Session, (String, Jingle)) {
    let mut caller = Session::outgoing(now, parties("romeo", "juliet"), "s1".to_owned(), specs);
    caller.permit_offer(now, ids);
    caller.handle_media(now, ids, end("romeo"));
    let offer = drain(&mut caller).requests.remove(0);
    (caller, offer)
}

/// The callee's answer.
pub(crate) fn answer(pair: &mut Pair) -> (String, Jingle) {
    pair.callee.accept(pair.now, &mut pair.ids);
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    drain(&mut pair.callee).requests[0].clone()
}

/// Both have agreed; transports connect.
pub(crate) fn agreed() -> Pair {
    agreed_with(offered(), |_| ())
}

/// The same, with an answer that is changed before the caller gets it.
fn agreed_with(mut pair: Pair, change: impl FnOnce(&mut Jingle)) -> Pair {
    pair.callee.accept(pair.now, &mut pair.ids);
    let start = drain(&mut pair.callee);
    assert!(matches!(
        &start.media[..],
        [MediaCommand::Open { .. }, MediaCommand::Content { .. }, MediaCommand::Remote { .. }]
    ));
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let [(id, accept)] = &mut drain(&mut pair.callee).requests[..] else { panic!("one answer") };
    change(accept);
    pair.caller.handle_request(pair.now, &mut pair.ids, id, accept, &[]).expect("it is in order");
    let accepted = drain(&mut pair.caller);
    assert_eq!(accepted.events, [SessionEvent::Accepted]);
    assert!(matches!(&accepted.media[..], [MediaCommand::Content { .. }, MediaCommand::Remote { .. }]));
    assert!(pair.callee.handle_answer(pair.now, &mut pair.ids, id, Ok(())));
    pair
}

pub(crate) fn up() -> Pair {
    connected(agreed())
}

/// The same with a callee that does not bundle: what the caller adds has a transport of its own.
pub(crate) fn up_without_bundle() -> Pair {
    connected(agreed_with(offered(), |accept| accept.group = None))
}

/// The same with the media layers of caller and callee.
pub(crate) fn up_between(able: [TransportAbilities; 2]) -> Pair {
    connected(agreed_with(offered_between(able), |_| ()))
}

fn connected(mut pair: Pair) -> Pair {
    for session in [&mut pair.caller, &mut pair.callee] {
        session.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: transport() });
        assert_eq!(drain(session).events, [SessionEvent::Connected]);
        assert!(session.is_connected());
    }
    pair
}
