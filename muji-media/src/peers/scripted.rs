//! A transport that says what a test wants, and what follows from it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use muji_core::media::{IceRole, LocalTransport, MediaCommand, MediaReport, OpenContent, RemoteTransport};
use muji_core::{CallId, Media};
use muji_jingle::{SessionId, TransportId};
use muji_xep::Secret;
use muji_xep::ice::Candidate;

use super::{Peers, PeersOutput};
use crate::gather::candidate::LocalCandidate;
use crate::gather::hosts;
use crate::rtp::{ReceivedRtp, RtpPacket};
use crate::transport::{MakeTransport, NegotiatedContent, Transport, TransportOutput};

/// What each transport says next; all of them are always due.
type Script = Arc<Mutex<VecDeque<(TransportId, TransportOutput)>>>;

struct Scripted(TransportId, Script);

impl Transport for Scripted {
    fn local(&self) -> LocalTransport {
        let (ufrag, pwd) = ("scripted".to_owned(), Secret::new("scripted"));
        LocalTransport { ufrag, pwd, fingerprint: Vec::new(), candidates: Vec::new() }
    }

    fn poll_output(&mut self) -> Option<TransportOutput> {
        let mut script = self.1.lock().unwrap();
        let mine = script.front().is_some_and(|(id, _)| *id == self.0);
        mine.then(|| script.pop_front()).flatten().map(|(_, output)| output)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let script = self.1.lock().unwrap();
        script.front().filter(|(id, _)| *id == self.0).map(|_| Instant::now())
    }

    fn restart(&mut self) {}
    fn set_remote(&mut self, _: Instant, _: &RemoteTransport) {}
    fn add_local_candidate(&mut self, _: Instant, _: &LocalCandidate) {}
    fn remove_local_candidate(&mut self, _: Instant, _: &LocalCandidate) {}
    fn add_remote_candidate(&mut self, _: Instant, _: &Candidate) {}
    fn add_content(&mut self, _: &OpenContent) {}
    fn set_negotiated(&mut self, _: &NegotiatedContent) {}
    fn send(&mut self, _: Instant, _: Instant, _: &str, _: &[RtpPacket]) {}
    fn request_key_frame(&mut self, _: Instant, _: &str) {}
    fn accepts(&self, _: Instant, _: SocketAddr, _: SocketAddr, _: &[u8]) -> bool {
        false
    }
    fn handle_datagram(&mut self, _: Instant, _: SocketAddr, _: SocketAddr, _: &[u8]) {}
    fn handle_timeout(&mut self, _: Instant) {}
    fn round_trip(&self) -> Option<Duration> {
        None
    }
}

const SESSION: SessionId = SessionId(1);
const NAMES: [&str; 2] = ["audio", "video"];

fn id(index: u8) -> TransportId {
    TransportId { session: SESSION, index }
}

/// A session with a transport for each content, and their script.
fn session() -> (Peers, Script) {
    let script = Script::default();
    let own = script.clone();
    let make = move |_, params: crate::transport::TransportParams| {
        Box::new(Scripted(params.id, own.clone())) as Box<dyn Transport>
    };
    let mut peers = Peers::new(MakeTransport { make: Box::new(make), transport_cc: true, for_rsa: None });
    for port in [1, 2] {
        peers.add_socket_set(hosts(&[([10, 0, 0, 1], port).into()]));
    }
    let content = |(index, name): (u8, &str)| OpenContent {
        name: name.to_owned(),
        media: Media::Audio,
        ssrc: 1,
        transport: id(index),
        payload_types: Vec::new(),
        extensions: Vec::new(),
    };
    let open = MediaCommand::Open {
        call: CallId(1),
        session: SESSION,
        peer: "juliet@x.example".parse().expect("a bare JID"),
        name: "juliet".to_owned(),
        role: IceRole::Controlling,
        contents: (0..).zip(NAMES).map(content).collect(),
    };
    peers.execute(Instant::now(), &open);
    while peers.poll_output().is_some() {}
    (peers, script)
}

fn packet(index: u8) -> (TransportId, TransportOutput) {
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
    (id(index), TransportOutput::Rtp { content: NAMES[usize::from(index)].into(), received })
}

/// Lets the transports say this; the contents that are reported to flow.
fn flowing(
    peers: &mut Peers,
    script: &Script,
    says: impl IntoIterator<Item = (TransportId, TransportOutput)>,
) -> Vec<String> {
    for said in says {
        script.lock().unwrap().push_back(said);
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

#[test]
fn nothing_is_taken_of_a_content_that_is_not_to_be_received_though_its_source_was_announced() {
    let (mut peers, script) = session();
    for receive in [false, true] {
        let content = NAMES[0].to_owned();
        let agreed = MediaCommand::Content { session: SESSION, content, send: None, receive, ssrcs: vec![1] };
        peers.execute(Instant::now(), &agreed);
        script.lock().unwrap().push_back(packet(0));
        peers.handle_timeout(Instant::now() + Duration::from_secs(1));
        let outputs = std::iter::from_fn(|| peers.poll_output());
        let taken =
            |output: &PeersOutput| matches!(output, PeersOutput::Transport { output: TransportOutput::Rtp { .. }, .. });
        assert_eq!(outputs.filter(taken).count(), usize::from(receive));
    }
}
