//! A transport that says what a test wants, and what follows from it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use muji_core::media::{
    IceRole, LocalTransport, MediaCommand, MediaReport, OpenContent, RemoteTransport, Sending, TransportFailure,
};
use muji_core::{CallId, Media};
use muji_jingle::{SessionId, TransportId};
use muji_xep::Secret;
use muji_xep::ice::Candidate;
use muji_xep::rtp::PayloadType;

use super::{Peers, PeersOutput};
use crate::codec::encoding::VideoEncoding;
use crate::gather::candidate::LocalCandidate;
use crate::gather::hosts;
use crate::rtp::{ReceivedRtp, RtpPacket};
use crate::transport::{MakeTransport, NegotiatedContent, Transport, TransportOutput};
use crate::video::packetized::PacketizedFrame;

/// What the transports do.
type Script = Arc<Mutex<Scene>>;

#[derive(Default)]
struct Scene {
    /// What each says next; all of them are always due.
    says: VecDeque<(TransportId, TransportOutput)>,
    /// The contents that were added to those that were there.
    added: Vec<String>,
}

struct Scripted(TransportId, Script);

impl Transport for Scripted {
    fn local(&self) -> LocalTransport {
        let (ufrag, pwd) = ("scripted".to_owned(), Secret::new("scripted"));
        LocalTransport { ufrag, pwd, fingerprint: Vec::new(), candidates: Vec::new() }
    }

    fn poll_output(&mut self) -> Option<TransportOutput> {
        let says = &mut self.1.lock().unwrap().says;
        let mine = says.front().is_some_and(|(id, _)| *id == self.0);
        mine.then(|| says.pop_front()).flatten().map(|(_, output)| output)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let script = self.1.lock().unwrap();
        script.says.front().filter(|(id, _)| *id == self.0).map(|_| Instant::now())
    }

    fn restart(&mut self) {}
    fn set_remote(&mut self, _: Instant, _: &RemoteTransport) {}
    fn add_local_candidate(&mut self, _: Instant, _: &LocalCandidate) {}
    fn remove_local_candidate(&mut self, _: Instant, _: &LocalCandidate) {}
    fn add_remote_candidate(&mut self, _: Instant, _: &Candidate) {}
    fn add_content(&mut self, content: &OpenContent) {
        self.1.lock().unwrap().added.push(content.name.clone());
    }
    fn set_negotiated(&mut self, _: &NegotiatedContent) {}
    fn remove_content(&mut self, _: &str) {}
    fn send(&mut self, _: Instant, _: Instant, _: &str, _: &[RtpPacket]) {}
    fn send_as(&mut self, _: Instant, _: Option<Instant>, _: &str, _: u8, _: &RtpPacket) {}
    fn request_key_frame(&mut self, _: Instant, _: &str) {}
    fn accepts(&self, _: Instant, _: SocketAddr, _: SocketAddr, _: &[u8]) -> bool {
        false
    }
    fn handle_datagram(&mut self, _: Instant, _: SocketAddr, _: SocketAddr, _: &[u8]) {}
    fn handle_timeout(&mut self, _: Instant) {}
    fn round_trip(&self) -> Option<Duration> {
        Some(ROUND_TRIP)
    }
}

const ROUND_TRIP: Duration = Duration::from_millis(100);

const SESSION: SessionId = SessionId(1);
const NAMES: [&str; 2] = ["audio", "video"];

fn id(index: u32) -> TransportId {
    TransportId { session: SESSION, index }
}

/// A session with a transport for each content, and their script.
fn session() -> (Peers, Script) {
    session_with(None)
}

/// The same; peers with RSA certificates get other transports, if there are others.
fn session_with(for_rsa: Option<Box<MakeTransport>>) -> (Peers, Script) {
    let script = Script::default();
    let own = script.clone();
    let make = move |_, params: crate::transport::TransportParams| {
        Box::new(Scripted(params.id, own.clone())) as Box<dyn Transport>
    };
    let mut peers = Peers::new(MakeTransport { make: Box::new(make), transport_cc: true, for_rsa });
    for port in [1, 2] {
        peers.add_socket_set(hosts(&[([10, 0, 0, 1], port).into()]));
    }
    peers.execute(Instant::now(), &opening(SESSION));
    NAMES.iter().for_each(|name| expect(&mut peers, name, true));
    while peers.poll_output().is_some() {}
    (peers, script)
}

/// A session with Juliet begins, with a transport for each content.
fn opening(session: SessionId) -> MediaCommand {
    opening_of(session, vec![content(session, 0), content(session, 1)])
}

/// These contents begin.
fn opening_of(session: SessionId, contents: Vec<OpenContent>) -> MediaCommand {
    MediaCommand::Open {
        call: CallId(1),
        session,
        peer: "juliet@x.example".parse().expect("a bare JID"),
        name: "juliet".to_owned(),
        role: IceRole::Controlling,
        contents,
    }
}

/// A content that has a transport of its own.
fn content(session: SessionId, index: u32) -> OpenContent {
    OpenContent {
        name: NAMES[index as usize].to_owned(),
        media: Media::Audio,
        ssrc: 1,
        rtx_ssrc: None,
        transport: TransportId { session, index },
        payload_types: Vec::new(),
        extensions: Vec::new(),
    }
}

/// The peer may send a content, or may not.
fn expect(peers: &mut Peers, content: &str, receive: bool) {
    let (content, streams) = (content.to_owned(), vec![1.into()]);
    peers.execute(Instant::now(), &MediaCommand::Content { session: SESSION, content, send: None, receive, streams });
}

fn packet(index: u32) -> (TransportId, TransportOutput) {
    let packet = RtpPacket { timestamp: 0, marker: false, payload: Arc::from(&b"sound"[..]) };
    let received = ReceivedRtp {
        ssrc: 1,
        payload_type: 111,
        sequence: 1,
        arrived: Instant::now(),
        captured: None,
        turns: None,
        packet,
    };
    (id(index), TransportOutput::Rtp { content: NAMES[index as usize].into(), received })
}

/// Lets the transports say this; the contents that are reported to flow.
fn flowing(
    peers: &mut Peers,
    script: &Script,
    says: impl IntoIterator<Item = (TransportId, TransportOutput)>,
) -> Vec<String> {
    for said in says {
        script.lock().unwrap().says.push_back(said);
        peers.handle_timeout(Instant::now() + Duration::from_secs(1));
    }
    let outputs = std::iter::from_fn(|| peers.poll_output());
    let flowing = outputs.filter_map(|output| match output {
        PeersOutput::Report(MediaReport::Flowing { content, .. }) => Some(content),
        PeersOutput::Report(_) | PeersOutput::Transport { .. } => None,
    });
    flowing.collect()
}

#[test]
fn that_a_content_flows_is_reported_once_and_again_for_all_of_the_session_after_a_reconnection() {
    let (mut peers, script) = session();
    let first = flowing(&mut peers, &script, [packet(0), packet(0), packet(1), packet(0)]);
    assert_eq!(first, ["audio", "video"]);
    let again = [(id(1), TransportOutput::Connected), packet(0), packet(1), packet(0), packet(1)];
    assert_eq!(flowing(&mut peers, &script, again), ["audio", "video"]);
}

#[test]
fn media_are_settled_when_all_transports_are_connected_and_until_one_fails() {
    let (mut peers, script) = session();
    flowing(&mut peers, &script, [(id(0), TransportOutput::Connected)]);
    assert!(!peers.are_settled());
    flowing(&mut peers, &script, [(id(1), TransportOutput::Connected)]);
    assert!(peers.are_settled());
    flowing(&mut peers, &script, [(id(0), TransportOutput::Interrupted)]);
    assert!(peers.are_settled(), "it may come back, and nothing is made for it");
    flowing(&mut peers, &script, [(id(0), TransportOutput::WrongCertificate)]);
    assert!(!peers.are_settled());
}

/// A session fails because of Juliet's certificate, and another begins: why the first failed, and what makes the ends of the second.
fn after_an_rsa_certificate(for_rsa: Option<Box<MakeTransport>>) -> (TransportFailure, Vec<String>) {
    let (mut peers, script) = session_with(for_rsa);
    script.lock().unwrap().says.push_back((id(0), TransportOutput::Failed(TransportFailure::RsaCertificate)));
    peers.handle_timeout(Instant::now() + Duration::from_secs(1));
    let failed = std::iter::from_fn(|| peers.poll_output()).find_map(|output| match output {
        PeersOutput::Transport { output: TransportOutput::Failed(why), .. } => Some(why),
        PeersOutput::Transport { .. } | PeersOutput::Report(_) => None,
    });
    peers.execute(Instant::now(), &MediaCommand::Close { session: SESSION });
    peers.execute(Instant::now(), &opening(SessionId(2)));
    let ends = std::iter::from_fn(|| peers.poll_output()).filter_map(|output| match output {
        PeersOutput::Report(MediaReport::Described { local, .. }) => Some(local.ufrag[..4].to_owned()),
        PeersOutput::Transport { .. } | PeersOutput::Report(_) => None,
    });
    let ends = ends.collect();
    (failed.expect("it was told"), ends)
}

#[test]
fn a_peer_with_an_rsa_certificate_gets_the_transport_that_can_do_it_from_its_next_session_on() {
    let other = Some(Box::new(crate::transport::loopback::maker()));
    let expected = vec!["loop".to_owned(); 2];
    assert_eq!(after_an_rsa_certificate(other), (TransportFailure::OtherTransport, expected));
    let expected = vec!["scri".to_owned(); 2];
    assert_eq!(after_an_rsa_certificate(None), (TransportFailure::RsaCertificate, expected), "there is no other");
}

#[test]
fn nothing_is_taken_of_a_content_that_is_not_to_be_received_though_its_source_was_announced() {
    let (mut peers, script) = session();
    for receive in [false, true] {
        expect(&mut peers, NAMES[0], receive);
        script.lock().unwrap().says.push_back(packet(0));
        peers.handle_timeout(Instant::now() + Duration::from_secs(1));
        let outputs = std::iter::from_fn(|| peers.poll_output());
        let taken =
            |output: &PeersOutput| matches!(output, PeersOutput::Transport { output: TransportOutput::Rtp { .. }, .. });
        assert_eq!(outputs.filter(taken).count(), usize::from(receive));
    }
}

#[test]
fn nothing_is_taken_and_nothing_reported_of_a_content_that_is_gone_while_its_transport_goes_on() {
    let (mut peers, script) = session();
    flowing(&mut peers, &script, [(id(0), TransportOutput::Connected)]);
    let second = OpenContent { name: "slides".to_owned(), transport: id(0), ..content(SESSION, 1) };
    peers.execute(Instant::now(), &opening_of(SESSION, vec![second]));
    let slides = || {
        let (_, mut output) = packet(0);
        if let TransportOutput::Rtp { content, .. } = &mut output {
            *content = "slides".into();
        }
        (id(0), output)
    };
    expect(&mut peers, "slides", true);
    assert_eq!(flowing(&mut peers, &script, [packet(0), slides()]), ["audio", "slides"]);
    peers.execute(Instant::now(), &MediaCommand::RemoveContent { session: SESSION, content: "slides".to_owned() });
    assert_eq!(flowing(&mut peers, &script, [slides(), packet(0)]), [""; 0], "it came late");
    peers.handle_timeout(Instant::now() + Duration::from_secs(60));
    let reports = std::iter::from_fn(|| peers.poll_output());
    let silent = reports.filter_map(|output| match output {
        PeersOutput::Report(MediaReport::Silent { content, .. }) => Some(content),
        PeersOutput::Report(_) | PeersOutput::Transport { .. } => None,
    });
    assert_eq!(silent.collect::<Vec<_>>(), ["audio"]);
}

#[test]
fn a_content_of_another_transport_between_two_of_one_makes_neither_of_them_open_twice() {
    let (mut peers, script) = session();
    peers.execute(Instant::now(), &MediaCommand::Close { session: SESSION });
    let slides = OpenContent { name: "slides".to_owned(), ..content(SESSION, 0) };
    peers.execute(Instant::now(), &opening_of(SESSION, vec![content(SESSION, 0), content(SESSION, 1), slides]));
    assert_eq!(script.lock().unwrap().added, [""; 0], "each transport is made with all that use it");
}

#[test]
fn a_key_frame_answers_those_who_asked_before_they_can_have_got_it() {
    let (mut peers, _) = session();
    let camera = OpenContent { name: "camera".to_owned(), media: Media::Video, ..content(SESSION, 0) };
    peers.execute(Instant::now(), &opening_of(SESSION, vec![camera]));
    let publication = "camera".to_owned();
    let send = Some(Sending {
        publication: publication.clone(),
        payload_type: PayloadType::new(98, "VP8", 90_000, 1),
        red: None,
        rtx: None,
    });
    let content = publication.clone();
    let begun = Instant::now();
    peers.execute(
        begun,
        &MediaCommand::Content { session: SESSION, content, send, receive: false, streams: Vec::new() },
    );
    let mut frame = |key, at| {
        let frame = PacketizedFrame { encoding: VideoEncoding::Vp8, layer: 0, key, packets: Vec::new() };
        peers.publish_video(at, at, CallId(1), &publication, &frame);
        let after = [0, 99, 100].map(|ms| at + Duration::from_millis(ms));
        after.map(|asked| peers.key_frame_is_under_way(asked, id(0)))
    };
    assert_eq!(frame(false, begun), [false; 3]);
    assert_eq!(frame(true, begun), [true, true, false]);
    assert_eq!(frame(false, begun + ROUND_TRIP), [false; 3]);
    frame(true, begun + ROUND_TRIP);
    peers.pause_video(begun + ROUND_TRIP, id(0));
    assert!(!peers.key_frame_is_under_way(begun + ROUND_TRIP, id(0)), "the path is too narrow for what is under way");
}
