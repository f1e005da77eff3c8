//! Two transports that talk to each other, before, during and after the handshake, while datagrams are forged, changed, lost and repeated,
//! and while the other end sends payloads that no decoder takes.
//!
//! Nothing is received that was not sent, a datagram has a bound of answers, and what was connected goes on.
//!
//! Certificates, credentials and keys are random in each process, so an input that fails once need not fail again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::CallId;
use muji_core::media::{DtlsRole, IceRole, LocalTransport, OpenContent, RemoteTransport};
use muji_jingle::{SessionId, TransportId};
use muji_media::parts::codec::{opus, video, vp8};
use muji_media::transport::str0m::Str0m;
#[cfg(feature = "webrtc-ice")]
use muji_media::transport::webrtc_ice::WebrtcIce;
use muji_media::transport::{
    MakeTransport, NegotiatedContent, RtpPacket, Transport, TransportOutput, TransportParams, hosts,
};
use muji_xep::rtp::{AnnouncedStream, HeaderExtension, Media, PayloadType};

use crate::choices::Choices;

/// What one end gives for one thing that happens, at most: a handshake flight with its repetition, and each packet that was asked for
/// again.
const MAX_OUTPUTS: usize = 512;

const FRAME: Duration = Duration::from_millis(20);
const RTX: u8 = 125;

pub(super) fn str0m(bytes: &[u8]) {
    thread_local! {
        // A certificate costs more than a handshake.
        static MAKER: std::cell::RefCell<MakeTransport> =
            std::cell::RefCell::new(Str0m::new().expect("the system has random numbers").maker());
    }
    MAKER.with_borrow_mut(|maker| run(bytes, maker));
}

#[cfg(feature = "webrtc-ice")]
pub(super) fn webrtc_ice(bytes: &[u8]) {
    thread_local! {
        static MAKER: std::cell::RefCell<MakeTransport> =
            std::cell::RefCell::new(WebrtcIce::new().expect("the system has random numbers").maker());
    }
    MAKER.with_borrow_mut(|maker| run(bytes, maker));
}

struct End {
    transport: Box<dyn Transport>,
    address: SocketAddr,
    connected: bool,
    failed: bool,
    /// Payloads that came.
    received: BTreeSet<Arc<[u8]>>,
    sent: BTreeSet<Arc<[u8]>>,
}

struct Pair {
    now: Instant,
    ends: [End; 2],
    /// Datagrams so far, and who sent them.
    wire: Vec<(usize, Vec<u8>)>,
}

fn run(bytes: &[u8], maker: &mut MakeTransport) {
    let mut choices = Choices::new(bytes);
    let mut pair = Pair::new(maker);
    // Sixteen datagrams are about a handshake; the highest choice is a whole one, and some sound.
    let stage = choices.below(20);
    if stage == 19 {
        pair.run(Duration::from_secs(3));
        assert!(pair.ends.iter().all(|end| end.connected), "without disturbance they connect");
        (0..3).for_each(|number| pair.sound(number));
    } else {
        for _ in 0..stage {
            pair.carry(1);
        }
    }
    while !choices.is_over() {
        pair.step(&mut choices);
    }
    pair.end(stage == 19);
}

/// The address of one of two ends.
pub(super) fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number + 1], 5_000))
}

/// What one of two ends is opened with: sound, and pictures with RTX, by three SSRCs in a row.
pub(super) fn params(number: u8) -> TransportParams {
    let id = TransportId { session: SessionId(u64::from(number)), index: 0 };
    let role = if number == 0 { IceRole::Controlling } else { IceRole::Controlled };
    let content = |name: &str, media, ssrc, rtx_ssrc, payload_types| OpenContent {
        name: name.to_owned(),
        media,
        ssrc,
        rtx_ssrc,
        transport: id,
        payload_types,
        extensions: video::extensions(),
    };
    let ssrc = ssrc(number);
    let frames = vec![vp8::payload_type(), PayloadType::rtx(RTX, &vp8::payload_type())];
    let contents = vec![
        content("audio", Media::Audio, ssrc, None, vec![opus::payload_type()]),
        content("video", Media::Video, ssrc + 1, Some(ssrc + 2), frames),
    ];
    TransportParams { call: CallId(1), id, role, contents, candidates: hosts(&[address(number)]) }
}

/// The SSRC of an end's sound; those of its pictures and of their RTX follow.
pub(super) fn ssrc(number: u8) -> u32 {
    1_000 * (u32::from(number) + 1)
}

/// Tells an end of the other, the first or the second, which begins the handshake with it if it is the first.
pub(super) fn tell(
    now: Instant,
    transport: &mut dyn Transport,
    other: u8,
    local: LocalTransport,
    extensions: Vec<HeaderExtension>,
) {
    let dtls = if other == 0 { DtlsRole::Client } else { DtlsRole::Server };
    let LocalTransport { ufrag, pwd, fingerprint, candidates } = local;
    candidates.iter().for_each(|candidate| transport.add_remote_candidate(now, candidate));
    let agreed = |content: &str, send, rtx, ssrc, by| NegotiatedContent {
        content: content.to_owned(),
        send: Some(send),
        rtx,
        receive: true,
        streams: vec![AnnouncedStream { ssrc, rtx: by }],
    };
    let ssrc = ssrc(other);
    transport.set_negotiated(&agreed("audio", opus::payload_type(), None, ssrc, None));
    transport.set_negotiated(&agreed("video", vp8::payload_type(), Some(RTX), ssrc + 1, Some(ssrc + 2)));
    transport.set_remote(now, &RemoteTransport { ufrag, pwd, fingerprint, dtls, extensions });
}

fn end(now: Instant, number: u8, maker: &mut MakeTransport) -> End {
    let transport = maker.open(now, params(number));
    let (received, sent) = (BTreeSet::new(), BTreeSet::new());
    End { transport, address: address(number), connected: false, failed: false, received, sent }
}

impl Pair {
    /// Two ends that know of each other.
    fn new(maker: &mut MakeTransport) -> Self {
        let now = Instant::now();
        let ends = [end(now, 0, maker), end(now, 1, maker)];
        let mut pair = Self { now, ends, wire: Vec::new() };
        for (one, other) in [(1, 0), (0, 1)] {
            let local = pair.ends[usize::from(other)].transport.local();
            let extensions = if maker.transport_cc { video::extensions() } else { Vec::new() };
            tell(now, &mut *pair.ends[one].transport, other, local, extensions);
        }
        pair
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let side = choices.below(2);
        match choices.below(8) {
            0 => {
                let most = choices.below(8);
                self.carry(most);
            }
            1 => self.run(*choices.one_of(&[FRAME, FRAME * 10, Duration::from_secs(2)])),
            2 => {
                let bytes = choices.bytes();
                self.throw(side, bytes);
            }
            3 | 4 => {
                // Something that was on the wire, changed.
                let Some((_, mut bytes)) = self.recent(choices) else { return };
                for _ in 0..choices.below(4) {
                    let at = choices.below(bytes.len());
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= choices.byte();
                    }
                }
                bytes.truncate(bytes.len() - choices.below(bytes.len().min(64)));
                self.throw(side, &bytes);
            }
            5 => {
                let Some((from, bytes)) = self.recent(choices) else { return };
                self.throw(1 - from, &bytes);
            }
            6 => {
                let (payload, content) = (choices.bytes(), *choices.one_of(&["audio", "video"]));
                let payload_type = *choices.one_of(&[0, opus::payload_type().id, vp8::payload_type().id, RTX, 127]);
                self.send(side, content, payload_type, payload, choices);
            }
            _ => {
                let now = self.now;
                self.ends[side].transport.request_key_frame(now, "video");
            }
        }
        self.carry(0);
    }

    fn recent(&self, choices: &mut Choices<'_>) -> Option<(usize, Vec<u8>)> {
        let back = self.wire.len().checked_sub(1 + choices.below(64))?;
        self.wire.get(back).cloned()
    }

    /// A datagram comes as if from the other end.
    fn throw(&mut self, to: usize, bytes: &[u8]) {
        self.arrive(to, bytes);
    }

    fn arrive(&mut self, to: usize, bytes: &[u8]) {
        let (now, from) = (self.now, self.ends[1 - to].address);
        let end = &mut self.ends[to];
        if end.transport.accepts(now, end.address, from, bytes) {
            end.transport.handle_datagram(now, end.address, from, bytes);
        }
    }

    /// An end that has the keys sends a payload that no decoder takes.
    fn send(&mut self, by: usize, content: &str, payload_type: u8, payload: &[u8], choices: &mut Choices<'_>) {
        let payload: Arc<[u8]> = Arc::from(payload);
        let end = &mut self.ends[by];
        end.sent.insert(payload.clone());
        let packet = RtpPacket { timestamp: choices.word(), marker: choices.below(2) == 1, payload };
        if choices.below(2) == 0 {
            end.transport.send(self.now, self.now, content, &[packet]);
        } else {
            end.transport.send_as(self.now, Some(self.now), content, payload_type, &packet);
        }
    }

    /// Twenty milliseconds of sound go both ways.
    fn sound(&mut self, number: u32) {
        for by in 0..2 {
            let payload: Arc<[u8]> = Arc::from(format!("sound {number}").as_bytes());
            self.ends[by].sent.insert(payload.clone());
            let packet = RtpPacket { timestamp: number * 960, marker: false, payload };
            self.ends[by].transport.send(self.now, self.now, "audio", &[packet]);
        }
        let until = self.now + FRAME;
        self.run(FRAME);
        self.now = until;
    }

    /// Carries datagrams and lets time pass.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..10_000 {
            if self.carry(usize::MAX) > 0 {
                continue;
            }
            let next = self.ends.iter().filter_map(|end| end.transport.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else { return };
            self.now = self.now.max(next);
            for end in &mut self.ends {
                if end.transport.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.transport.handle_timeout(self.now);
                }
            }
        }
        panic!("something is always due");
    }

    /// Takes what the ends give and carries so many datagrams of it; the others are lost, but on the wire. How many there were.
    fn carry(&mut self, most: usize) -> usize {
        let mut carried = 0;
        for index in 0..2 {
            let mut outputs = 0;
            while let Some(output) = self.ends[index].transport.poll_output() {
                outputs += 1;
                assert!(outputs <= MAX_OUTPUTS, "{outputs} outputs");
                let end = &mut self.ends[index];
                match output {
                    TransportOutput::Datagram { bytes, .. } => {
                        carried += 1;
                        self.wire.push((index, bytes.clone()));
                        if carried <= most {
                            self.arrive(1 - index, &bytes);
                        }
                    }
                    TransportOutput::Rtp { received, .. } => drop(end.received.insert(received.packet.payload)),
                    TransportOutput::Connected => end.connected = true,
                    TransportOutput::Failed(_) | TransportOutput::WrongCertificate => end.failed = true,
                    TransportOutput::Interrupted
                    | TransportOutput::KeyFrameRequested
                    | TransportOutput::BandwidthEstimate(_)
                    | TransportOutput::Loss(_)
                    | TransportOutput::AudioLoss(_)
                    | TransportOutput::Contributors { .. }
                    | TransportOutput::Congestion(_) => {}
                }
            }
        }
        carried
    }

    fn end(&mut self, was_connected: bool) {
        if was_connected {
            (1_000..1_010).for_each(|number| self.sound(number));
            let last: Arc<[u8]> = Arc::from(&b"sound 1009"[..]);
            for end in &self.ends {
                assert!(!end.failed, "what was connected ended");
                assert!(end.received.contains(&last), "what was connected does not go on");
            }
        }
        for (one, other) in [(0, 1), (1, 0)] {
            let sent = &self.ends[other].sent;
            // A payload that is sent as RTX loses its first two bytes, the number of the packet that it repeats (RFC 4588 section 4).
            let was_sent =
                |payload: &Arc<[u8]>| sent.iter().any(|sent| sent == payload || sent.get(2..) == Some(&payload[..]));
            assert!(self.ends[one].received.iter().all(was_sent), "something was received that was never sent");
        }
    }
}
