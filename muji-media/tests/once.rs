//! A frame is encoded and packetised once, whatever the number of those who see it.
#![cfg(feature = "vp8")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use muji_core::media::{IceRole, LocalTransport, MediaBackend, MediaCommand, OpenContent, RemoteTransport, Sending};
use muji_core::{CallId, Media, SessionId};
use muji_jingle::TransportId;
use muji_media::backend::{Backend, Devices};
use muji_media::device::pattern::Pattern;
use muji_media::device::{DeviceError, VideoFrame, VideoInput, VideoSource};
use muji_media::parts::codec::vp8;
use muji_media::transport::{
    LocalCandidate, MakeTransport, NegotiatedContent, RtpPacket, Transport, TransportOutput, TransportParams,
};
use muji_xep::Secret;
use muji_xep::ice::Candidate;

/// Frames until the test has seen enough, and how long it waits for each.
const ENOUGH: usize = 20;
const LIMIT: Duration = Duration::from_secs(20);

/// A pattern that counts how often it was asked.
struct Counted(Pattern, Arc<AtomicUsize>);

impl VideoSource for Counted {
    fn size(&self) -> [usize; 2] {
        self.0.size()
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.capture()
    }
}

/// Tells what it is given to send, and sends nothing.
struct Tap(SessionId, Sender<(SessionId, Vec<RtpPacket>)>);

impl Transport for Tap {
    fn local(&self) -> LocalTransport {
        LocalTransport {
            ufrag: "tap".to_owned(),
            pwd: Secret::new("tap"),
            fingerprint: vec![0; 32],
            candidates: Vec::new(),
        }
    }

    fn send(&mut self, _now: Instant, _captured: Instant, _content: &str, packets: &[RtpPacket]) {
        let _test_over = self.1.send((self.0, packets.to_vec())).is_err();
    }

    fn restart(&mut self) {}
    fn set_remote(&mut self, _now: Instant, _remote: &RemoteTransport) {}
    fn add_remote_candidate(&mut self, _now: Instant, _candidate: &Candidate) {}
    fn add_local_candidate(&mut self, _now: Instant, _candidate: &LocalCandidate) {}
    fn remove_local_candidate(&mut self, _now: Instant, _candidate: &LocalCandidate) {}
    fn add_content(&mut self, _content: &OpenContent) {}
    fn remove_content(&mut self, _name: &str) {}
    fn set_negotiated(&mut self, _negotiated: &NegotiatedContent) {}
    fn send_as(&mut self, _: Instant, _: Option<Instant>, _: &str, _: u8, _: &RtpPacket) {}
    fn request_key_frame(&mut self, _now: Instant, _content: &str) {}
    fn accepts(&self, _now: Instant, _local: SocketAddr, _from: SocketAddr, _bytes: &[u8]) -> bool {
        false
    }
    fn handle_datagram(&mut self, _now: Instant, _local: SocketAddr, _from: SocketAddr, _bytes: &[u8]) {}
    fn handle_timeout(&mut self, _now: Instant) {}
    fn poll_output(&mut self) -> Option<TransportOutput> {
        None
    }
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    fn round_trip(&self) -> Option<Duration> {
        None
    }
}

/// A call that shows frames to three; what each was sent, frame by frame.
fn three(sent: &Receiver<(SessionId, Vec<RtpPacket>)>) -> BTreeMap<SessionId, Vec<Vec<RtpPacket>>> {
    let mut frames: BTreeMap<SessionId, Vec<Vec<RtpPacket>>> = BTreeMap::new();
    while frames.len() < 3 || frames.values().any(|frames| frames.len() < ENOUGH) {
        let (session, packets) = sent.recv_timeout(LIMIT).expect("frames are sent");
        frames.entry(session).or_default().push(packets);
    }
    frames
}

// Shows muji-model-03.
#[test]
fn three_who_look_get_the_very_bytes_of_one_encoding() {
    let (taken, (tell, sent)) = (Arc::new(AtomicUsize::new(0)), channel());
    let camera = Counted(Pattern::new("romeo", [40, 160, 40]), taken.clone());
    let video_source = Some(VideoInput::Raw(Box::new(camera)));
    let make = move |_, opening: TransportParams| Box::new(Tap(opening.id.session, tell.clone())) as Box<dyn Transport>;
    let devices = Devices { video_source, addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Devices::default() };
    let make = MakeTransport { make: Box::new(make), transport_cc: true, for_rsa: None };
    let (mut backend, _observations) = Backend::start_with(make, devices).expect("a media layer");
    let (call, publication) = (CallId(1), "video".to_owned());
    for number in 0..3 {
        let session = SessionId(number);
        let content = OpenContent {
            name: publication.clone(),
            media: Media::Video,
            ssrc: 1,
            rtx_ssrc: None,
            transport: TransportId { session, index: 0 },
            payload_types: vec![vp8::payload_type()],
            extensions: Vec::new(),
        };
        let (peer, name) = (format!("p{number}@example.org").parse().expect("a bare JID"), "somebody".to_owned());
        let role = IceRole::Controlling;
        backend.execute(MediaCommand::Open { call, session, peer, name, role, contents: vec![content] });
        let send =
            Some(Sending { publication: publication.clone(), payload_type: vp8::payload_type(), red: None, rtx: None });
        let content = publication.clone();
        backend.execute(MediaCommand::Content { session, content, send, receive: false, streams: Vec::new() });
    }
    backend.execute(MediaCommand::Publish { call, publication, media: Media::Video });
    let frames = three(&sent);
    drop(backend);
    let all: Vec<&[Vec<RtpPacket>]> = frames.values().map(|frames| &frames[..ENOUGH]).collect();
    assert!(all[0].iter().flatten().count() >= ENOUGH, "a frame has a packet at least");
    for (first, others) in all[0].iter().zip(all[1].iter().zip(all[2])) {
        for other in [others.0, others.1] {
            assert_eq!(first, other);
            // Not only alike: the same, made once.
            assert!(first.iter().zip(other).all(|(one, two)| Arc::ptr_eq(&one.payload, &two.payload)));
        }
    }
    let (taken, shown) = (taken.load(Ordering::Relaxed), frames[&SessionId(0)].len());
    assert!(taken <= shown + 10, "{taken} frames were taken for {shown} that were sent to each");
}
