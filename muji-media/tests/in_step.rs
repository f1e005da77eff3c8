//! Two media layers on this machine, in real time: what flashes and beeps at once is seen and heard at once, though sound takes a
//! longer way than frames.
#![cfg(feature = "vp8")]

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use muji_core::media::{
    DtlsRole, IceRole, LocalTransport, MediaBackend, MediaCommand, MediaReport, OpenContent, RemoteTransport, Sending,
};
use muji_core::{CallId, SessionId};
use muji_jingle::TransportId;
use muji_media::backend::{Backend, Devices};
use muji_media::device::{
    AudioFrame, AudioSink, AudioSource, DeviceError, FRAME, FRAME_TIME, VideoFrame, VideoInput, VideoOrigin, VideoSink,
    VideoSource,
};
use muji_media::parts::codec::{opus, vp8};
use muji_media::transport::str0m::Str0m;
use muji_media::transport::{
    LocalCandidate, MakeTransport, NegotiatedContent, RtpPacket, Transport, TransportOutput, TransportParams,
};
use muji_xep::ice::Candidate;
use muji_xep::rtp::Media;

/// How often it flashes and beeps, and how long.
const PERIOD: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_millis(150);

/// How much longer sound is under way than frames.
const DETOUR: Duration = Duration::from_millis(150);

/// Sound and frames apart by more than this are noticed (EBU R37 has 40 ms for frames that are late, 60 for early ones).
const SKEW: Duration = Duration::from_millis(45);

/// Until the first reports have come.
const BEGINNING: Duration = Duration::from_secs(2);
const DURATION: Duration = Duration::from_secs(7);

fn is_on(begun: Instant, at: Instant) -> bool {
    let since = at.saturating_duration_since(begun).as_micros();
    since % PERIOD.as_micros() < LONG.as_micros()
}

/// A microphone and a camera before the same lamp and horn.
struct Stage(Instant);

impl AudioSource for Stage {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        let first = Instant::now() - FRAME_TIME;
        for (number, sample) in (0u32..).zip(frame) {
            let on = is_on(self.0, first + FRAME_TIME * number / FRAME as u32);
            *sample = if !on {
                0
            } else if number / 24 % 2 == 0 {
                8_000
            } else {
                -8_000
            };
        }
        Ok(())
    }
}

impl VideoSource for Stage {
    fn size(&self) -> [usize; 2] {
        [160, 96]
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let brightness = if is_on(self.0, Instant::now()) { 255 } else { 0 };
        Ok(VideoFrame::filled(160, 96, [brightness; 3]))
    }
}

/// The moments at which it became loud, or bright.
#[derive(Clone, Default)]
struct Audience(Arc<Mutex<(bool, Vec<Instant>)>>);

impl Audience {
    fn notices(&self, on: bool, at: Instant) {
        let (was, onsets) = &mut *self.0.lock().unwrap();
        if on && !std::mem::replace(was, on) {
            onsets.push(at);
        }
        *was = on;
    }

    fn onsets(&self) -> Vec<Instant> {
        self.0.lock().unwrap().1.clone()
    }
}

impl AudioSink for Audience {
    fn put(&mut self, frame: &AudioFrame) -> Result<(), DeviceError> {
        let first = frame.iter().position(|sample| sample.unsigned_abs() > 2_000).unwrap_or(0) as u32;
        let loud = frame.iter().any(|sample| sample.unsigned_abs() > 2_000);
        self.notices(loud, Instant::now() + FRAME_TIME * first / FRAME as u32);
        Ok(())
    }
}

impl VideoSink for Audience {
    fn show(&mut self, whose: &VideoOrigin, frame: VideoFrame) {
        if *whose != VideoOrigin::Local(Media::Video) {
            self.notices(frame.mean()[1] > 128, Instant::now());
        }
    }

    fn end(&mut self, _: &VideoOrigin) {}
}

/// What comes by it comes later.
struct Detour {
    transport: Box<dyn Transport>,
    delay: Duration,
    under_way: VecDeque<(Instant, SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Transport for Detour {
    fn local(&self) -> LocalTransport {
        self.transport.local()
    }
    fn restart(&mut self) {
        self.transport.restart();
    }
    fn set_remote(&mut self, now: Instant, remote: &RemoteTransport) {
        self.transport.set_remote(now, remote);
    }
    fn add_remote_candidate(&mut self, now: Instant, candidate: &Candidate) {
        self.transport.add_remote_candidate(now, candidate);
    }
    fn add_local_candidate(&mut self, now: Instant, candidate: &LocalCandidate) {
        self.transport.add_local_candidate(now, candidate);
    }
    fn remove_local_candidate(&mut self, now: Instant, candidate: &LocalCandidate) {
        self.transport.remove_local_candidate(now, candidate);
    }
    fn add_content(&mut self, content: &OpenContent) {
        self.transport.add_content(content);
    }
    fn set_negotiated(&mut self, negotiated: &NegotiatedContent) {
        self.transport.set_negotiated(negotiated);
    }
    fn remove_content(&mut self, name: &str) {
        self.transport.remove_content(name);
    }
    fn send(&mut self, now: Instant, captured: Instant, content: &str, packets: &[RtpPacket]) {
        self.transport.send(now, captured, content, packets);
    }
    fn send_as(
        &mut self,
        now: Instant,
        captured: Option<Instant>,
        content: &str,
        payload_type: u8,
        packet: &RtpPacket,
    ) {
        self.transport.send_as(now, captured, content, payload_type, packet);
    }
    fn request_key_frame(&mut self, now: Instant, content: &str) {
        self.transport.request_key_frame(now, content);
    }
    fn accepts(&self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        self.transport.accepts(now, local, from, bytes)
    }
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        self.under_way.push_back((now + self.delay, local, from, bytes.to_vec()));
        self.handle_timeout(now);
    }
    fn handle_timeout(&mut self, now: Instant) {
        while self.under_way.front().is_some_and(|(due, ..)| *due <= now) {
            let (due, local, from, bytes) = self.under_way.pop_front().expect("it was there");
            self.transport.handle_datagram(due, local, from, &bytes);
        }
        self.transport.handle_timeout(now);
    }
    fn poll_output(&mut self) -> Option<TransportOutput> {
        self.transport.poll_output()
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.under_way.front().map(|(due, ..)| *due).into_iter().chain(self.transport.poll_timeout()).min()
    }
    fn round_trip(&self) -> Option<Duration> {
        self.transport.round_trip()
    }
}

/// Transports of which those that carry sound have a detour.
fn maker() -> MakeTransport {
    let mut make = Str0m::new().expect("there is chance").maker();
    let detoured = move |now, opening: TransportParams| {
        let sound = opening.contents.iter().any(|content| content.media == Media::Audio);
        let delay = if sound { DETOUR } else { Duration::ZERO };
        let transport = make.open(now, opening);
        Box::new(Detour { transport, delay, under_way: VecDeque::new() }) as Box<dyn Transport>
    };
    MakeTransport { make: Box::new(detoured), transport_cc: true, for_rsa: None }
}

fn devices() -> Devices {
    Devices { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Devices::default() }
}

fn contents(session: SessionId) -> [OpenContent; 2] {
    let content = |index: u32, name: &str, media, payload_type| OpenContent {
        name: name.to_owned(),
        media,
        ssrc: 1 + index,
        rtx_ssrc: None,
        transport: TransportId { session, index },
        payload_types: vec![payload_type],
        extensions: Vec::new(),
    };
    [content(0, "audio", Media::Audio, opus::payload_type()), content(1, "video", Media::Video, vp8::payload_type())]
}

/// Lets two know each other, and the first send.
async fn introduce(all: &mut [Backend; 2]) {
    let call = CallId(1);
    for (number, backend) in all.iter_mut().enumerate() {
        let session = SessionId(number as u64);
        let role = if number == 0 { IceRole::Controlling } else { IceRole::Controlled };
        let (peer, name) = ("juliet@example.org".parse().expect("a bare JID"), "juliet".to_owned());
        backend.execute(MediaCommand::Open { call, session, peer, name, role, contents: contents(session).to_vec() });
    }
    let mut described = Vec::new();
    for (number, backend) in all.iter_mut().enumerate() {
        for _ in 0..2 {
            let report = std::future::poll_fn(|cx| backend.poll_report(cx)).await;
            let Some(MediaReport::Described { transport, local }) = report else { panic!("{report:?}") };
            described.push((1 - number, transport.index, local));
        }
    }
    for (number, index, local) in described {
        let transport = TransportId { session: SessionId(number as u64), index };
        let dtls = if number == 0 { DtlsRole::Client } else { DtlsRole::Server };
        for candidate in local.candidates {
            all[number].execute(MediaCommand::Candidate { transport, candidate });
        }
        let (fingerprint, extensions) = (local.fingerprint, Vec::new());
        let remote = RemoteTransport { ufrag: local.ufrag, pwd: local.pwd, fingerprint, dtls, extensions };
        all[number].execute(MediaCommand::Remote { transport, remote });
    }
    for (number, backend) in all.iter_mut().enumerate() {
        let session = SessionId(number as u64);
        for OpenContent { name, media, payload_types, .. } in contents(session) {
            let (publication, payload_type) = (name.clone(), payload_types[0].clone());
            let send =
                (number == 0).then(|| Sending { publication: publication.clone(), payload_type, red: None, rtx: None });
            if number == 0 {
                backend.execute(MediaCommand::Publish { call, publication, media });
            }
            let receive = number == 1;
            backend.execute(MediaCommand::Content { session, content: name, send, receive, streams: Vec::new() });
        }
    }
}

// Shows rtp-sync-01.
#[tokio::test]
async fn what_flashes_and_beeps_at_once_is_seen_and_heard_at_once() {
    let (begun, ears, eyes) = (Instant::now(), Audience::default(), Audience::default());
    let stage = Devices {
        audio_source: Some(Box::new(Stage(begun))),
        video_source: Some(VideoInput::Raw(Box::new(Stage(begun)))),
        ..devices()
    };
    let audience =
        Devices { audio_sink: Some(Box::new(ears.clone())), video_sink: Some(Box::new(eyes.clone())), ..devices() };
    let start = |devices| Backend::start_with(maker(), devices).expect("a media layer").0;
    let mut all = [start(stage), start(audience)];
    introduce(&mut all).await;
    tokio::time::sleep(DURATION).await;
    let (heard, seen) = (ears.onsets(), eyes.onsets());
    let late = |at: &&Instant| at.duration_since(begun) > BEGINNING;
    let skews = seen.iter().filter(late).map(|seen| {
        let apart = heard.iter().map(|heard| seen.max(heard).duration_since(*seen.min(heard)));
        apart.min().expect("it was heard")
    });
    let mut skews: Vec<Duration> = skews.collect();
    skews.sort();
    println!("apart: {skews:?}");
    assert!(skews.len() >= 5, "it flashed {} times", skews.len());
    // One that the machine was too busy for is no lack of step.
    assert!(skews[skews.len() * 3 / 4] <= SKEW, "{skews:?}");
}
