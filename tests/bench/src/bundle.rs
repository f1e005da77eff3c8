//! What a call with pictures costs in transports, handshakes and sockets: with a peer that bundles its contents, and with one that does not.
//!
//! Two sessions and two media layers over loopback, from the offer to the connection.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use muji_core::Media;
use muji_core::media::{MediaBackend, MediaCommand, MediaReport};
use muji_jingle::{
    CallId, ContentSpec, Ids, Session, SessionId, SessionOutput, SessionParams, SessionQuirks, TransportAbilities,
};
use muji_media::backend::Backend;
use muji_xep::Skipped;
use muji_xep::jingle::{Action, Jingle};
use xmpp_parsers::iq::Iq;

use crate::Goals;
use crate::seeing::{devices, start};

const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn measure(goals: &mut Goals) {
    println!("## A call of two with pictures\n");
    println!(
        "| the peer | transports | DTLS handshakes | sockets at each end | from the offer to the connection | goal | met |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut row = |name: &str, bundles: bool, goal: usize| {
        let cost = call(bundles);
        let met = cost.transports == goal && cost.handshakes == goal && cost.sockets == goal;
        let met = goals.check(met, || format!("transports to a peer that {name}"));
        let Cost { transports, handshakes, sockets, took } = cost;
        println!(
            "| {name} | {transports} | {handshakes} | {sockets} | {:.0} ms | {goal} of each | {met} |",
            took.as_secs_f64() * 1e3
        );
    };
    row("bundles", true, 1);
    row("does not, as Dino", false, 2);
    println!();
}

struct Cost {
    transports: usize,
    handshakes: usize,
    sockets: usize,
    took: Duration,
}

/// One end: its session, its media layer, and how many transports it opened for good and connected.
struct End {
    session: Session,
    backend: Backend,
    transports: BTreeSet<u32>,
    handshakes: usize,
}

impl End {
    fn new(session: Session) -> Self {
        Self { session, backend: start(devices()).0, transports: BTreeSet::new(), handshakes: 0 }
    }

    /// What the session says to the other end.
    fn said(&mut self) -> Vec<Iq> {
        let mut said = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                SessionOutput::Send(iq) => said.push(*iq),
                SessionOutput::Media(command) => {
                    if let MediaCommand::Remote { transport, .. } = &command {
                        self.transports.insert(transport.index);
                    }
                    self.backend.execute(command);
                }
                SessionOutput::Event(_) => {}
            }
        }
        said
    }

    fn report(&mut self, ids: &mut Ids) {
        while let Poll::Ready(Some(report)) = self.backend.poll_report(&mut Context::from_waker(Waker::noop())) {
            self.handshakes += usize::from(matches!(report, MediaReport::Connected { .. }));
            self.session.handle_media(Instant::now(), ids, report);
        }
    }
}

fn call(bundles: bool) -> Cost {
    let mut ids = Ids::new([1; 32]);
    std::thread::sleep(Duration::from_secs(1)); // The calls before this one close their sockets.
    let before = sockets();
    let begun = Instant::now();
    let mut caller = End::new(Session::outgoing(begun, parties("romeo", "juliet"), "s1".to_owned(), specs(&mut ids)));
    caller.session.permit_offer(begun, &mut ids);
    let mut callee: Option<End> = None;
    while !(caller.session.is_connected() && callee.as_ref().is_some_and(|callee| callee.session.is_connected())) {
        assert!(begun.elapsed() < LIMIT, "it does not connect");
        caller.report(&mut ids);
        for iq in caller.said() {
            match (&mut callee, request(&iq)) {
                (None, Some((id, mut offer))) if offer.action == Action::SessionInitiate => {
                    offer.group = offer.group.filter(|_| bundles);
                    let session = Session::incoming(parties("juliet", "romeo"), &offer, &specs(&mut ids));
                    let mut end = End::new(session.expect("it fits"));
                    end.session.accept(Instant::now(), &mut ids);
                    caller.session.handle_answer(Instant::now(), &mut ids, &id, Ok(()));
                    callee = Some(end);
                }
                (Some(callee), _) => carry(iq, &mut callee.session, &mut ids),
                (None, _) => {}
            }
        }
        if let Some(callee) = &mut callee {
            callee.report(&mut ids);
            callee.said().into_iter().for_each(|iq| carry(iq, &mut caller.session, &mut ids));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = begun.elapsed();
    caller.said();
    std::thread::sleep(Duration::from_millis(100)); // What is not needed is closed.
    let sockets = sockets().saturating_sub(before) / 2;
    Cost { transports: caller.transports.len(), handshakes: caller.handshakes, sockets, took }
}

fn request(iq: &Iq) -> Option<(String, Jingle)> {
    let Iq::Set { id, payload, .. } = iq else { return None };
    Some((id.clone(), Jingle::read(payload, &mut Skipped::default())?))
}

/// Brings a stanza to the other end.
fn carry(iq: Iq, to: &mut Session, ids: &mut Ids) {
    let now = Instant::now();
    if let Some((id, jingle)) = request(&iq) {
        to.handle_request(now, ids, &id, &jingle, &[]).expect("our own requests are in order");
    } else if let Iq::Result { id, .. } = iq {
        to.handle_answer(now, ids, &id, Ok(()));
    }
}

fn parties(us: &str, peer: &str) -> SessionParams {
    let jid = |name: &str| format!("{name}@x.example/1").parse().expect("a full JID");
    SessionParams {
        call: CallId(1),
        session: SessionId(1),
        us: jid(us),
        peer: jid(peer),
        name: peer.to_owned(),
        room: None,
        quirks: SessionQuirks::default(),
        able: TransportAbilities { ice_restart: true, bundling: true },
        certificates: Vec::new(),
        bound_only: false,
    }
}

/// What each offers: all that the media layer can.
fn specs(ids: &mut Ids) -> Vec<ContentSpec> {
    let can = start(devices()).0.capabilities();
    let specs = [Media::Audio, Media::Video].map(|media| ContentSpec {
        publication: media.to_string(),
        sends: true,
        ssrc: ids.ssrc(),
        rtx_ssrc: None,
        payload_types: can.of(&media).to_vec(),
        extensions: can.extensions(&media).to_vec(),
        media,
    });
    specs.into()
}

/// The UDP sockets of this process.
fn sockets() -> usize {
    let udp = std::fs::read_to_string("/proc/self/net/udp").unwrap_or_default();
    let of_system: BTreeSet<&str> = udp.lines().filter_map(|line| line.split_whitespace().nth(9)).collect();
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let targets = open.filter_map(|file| Some(std::fs::read_link(file.path()).ok()?.to_string_lossy().into_owned()));
    targets.filter(|target| is_udp(target, &of_system)).count()
}

/// Whether an open file, such as `socket:[4711]`, is one of these sockets.
fn is_udp(target: &str, udp: &BTreeSet<&str>) -> bool {
    let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
    inode.is_some_and(|inode| udp.contains(inode))
}
