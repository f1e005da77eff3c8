//! Two transports that talk to each other in virtual time: no socket, no clock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use muji_core::CallId;
use muji_core::media::{DtlsRole, IceRole, OpenContent, RemoteTransport, TransportFailure};
use muji_jingle::{SessionId, TransportId};
use muji_media::parts::codec::{opus, video, vp8};
use muji_media::transport::str0m::{Dtls, Str0m};
#[cfg(feature = "webrtc-ice")]
use muji_media::transport::webrtc_ice::WebrtcIce;
use muji_media::transport::{
    Contributor, MakeTransport, NegotiatedContent, RtpPacket, Transport, TransportOutput, TransportParams, hosts,
    loopback,
};
use muji_xep::rtp::{AnnouncedStream, HeaderExtension, Media, PayloadType};

/// Which transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With the newest DTLS that both know.
    Str0m,
    /// With DTLS 1.2, as Dino speaks it.
    Str0m12,
    #[cfg(feature = "webrtc-ice")]
    WebrtcIce,
    /// Without ICE and without cryptography.
    Loopback,
}

impl Kind {
    fn maker(self) -> MakeTransport {
        let str0m = |dtls| Str0m::with_dtls(dtls).expect("there is chance").maker();
        match self {
            Self::Str0m => str0m(Dtls::Auto),
            Self::Str0m12 => str0m(Dtls::V12),
            #[cfg(feature = "webrtc-ice")]
            Self::WebrtcIce => WebrtcIce::new().expect("there is chance").maker(),
            Self::Loopback => loopback::maker(),
        }
    }

    /// It needs no fixed time for anything, and finds out what the path carries.
    pub(crate) fn is_str0m(self) -> bool {
        matches!(self, Self::Str0m | Self::Str0m12)
    }
}

/// The header extensions that both know.
fn extensions(kinds: [Kind; 2]) -> Vec<HeaderExtension> {
    let mut known = video::extensions();
    known
        .retain(|extension| extension.uri != video::TRANSPORT_CC || kinds.iter().all(|kind| kind.maker().transport_cc));
    known
}

/// All that are for networks, each with itself and with each other.
pub(crate) fn secure() -> Vec<[Kind; 2]> {
    vec![
        [Kind::Str0m, Kind::Str0m],
        [Kind::Str0m12, Kind::Str0m12],
        #[cfg(feature = "webrtc-ice")]
        [Kind::WebrtcIce, Kind::WebrtcIce],
        #[cfg(feature = "webrtc-ice")]
        [Kind::Str0m, Kind::WebrtcIce],
        #[cfg(feature = "webrtc-ice")]
        [Kind::WebrtcIce, Kind::Str0m],
    ]
}

/// And that for tests.
pub(crate) fn all() -> Vec<[Kind; 2]> {
    [secure(), vec![[Kind::Loopback; 2]]].concat()
}

/// One end, its address and what came out of it.
pub(crate) struct End {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) address: SocketAddr,
    pub(crate) connected: bool,
    pub(crate) interrupted: bool,
    pub(crate) failed: Option<TransportFailure>,
    pub(crate) wrong_certificate: bool,
    /// How often a key frame was asked for.
    pub(crate) asked: usize,
    pub(crate) received: Vec<RtpPacket>,
    /// The content of each of those, and its SSRC.
    pub(crate) sources: Vec<(String, u32)>,
    /// Who was heard in those that say it.
    pub(crate) contributors: Vec<Vec<Contributor>>,
    /// When each of those was captured, by the sender's clock.
    pub(crate) captured: Vec<Option<SystemTime>>,
}

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) ends: [End; 2],
    pub(crate) datagrams: usize,
    /// What each sent.
    pub(crate) wire: Vec<(usize, Vec<u8>)>,
    /// Of the packets of the first with sound or frames, whether each arrives: by its number among them.
    pub(crate) arrives: fn(usize) -> bool,
    pub(crate) packets: usize,
    /// Answers to checks come from this address instead of the true one.
    pub(crate) answers_from: Option<SocketAddr>,
    /// Who opens the handshake.
    pub(crate) client: usize,
    /// Each learns the other's addresses with its passwords.
    pub(crate) names: bool,
    /// Header extensions that both know.
    pub(crate) extensions: Vec<HeaderExtension>,
    /// What the network does to the order of datagrams.
    pub(crate) disorder: Option<Disorder>,
    /// After so many datagrams nobody hears the other any more.
    pub(crate) goes: Option<usize>,
    /// Nothing of DTLS arrives that the second sends.
    pub(crate) mute_dtls: bool,
    /// Both take lost frames by an SSRC of their own.
    pub(crate) rtx: bool,
}

/// Every so many datagrams are lost, come twice, or come behind the next; the same with the same beginning.
pub(crate) struct Disorder {
    pub(crate) state: u32,
    /// One that waits for the next.
    pub(crate) held: Option<Flight>,
}

/// By whom, from where, to where, and what.
pub(crate) type Flight = (usize, SocketAddr, SocketAddr, Vec<u8>);

impl Disorder {
    /// What arrives now that this was sent.
    fn passes(&mut self, flight: Flight) -> Vec<Flight> {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut arrives = match self.state >> 24 {
            0..26 => Vec::new(),
            26..52 => vec![flight.clone(), flight],
            52..104 if self.held.is_none() => {
                self.held = Some(flight);
                return Vec::new();
            }
            _ => vec![flight],
        };
        arrives.extend(self.held.take());
        arrives
    }
}

pub(crate) const SSRCS: [u32; 2] = [1_000, 2_000];

/// An SSRC of frames is so far from that of sound.
pub(crate) const OF_FRAMES: u32 = 100;

/// And one by which frames are sent again is so far from it.
pub(crate) const OF_RTX: u32 = 150;

/// The payload type by which they are.
pub(crate) const RTX: u8 = 125;

/// Sound as telephones encode it.
pub(crate) fn pcmu() -> PayloadType {
    PayloadType::new(0, "PCMU", 8_000, 1)
}

/// An end in the role that its number has: the first controls.
pub(crate) fn end(now: Instant, number: u8, kind: Kind) -> End {
    let role = if number == 0 { IceRole::Controlling } else { IceRole::Controlled };
    end_as(now, number, kind, role)
}

/// An end in this role of ICE.
pub(crate) fn end_as(now: Instant, number: u8, kind: Kind, role: IceRole) -> End {
    end_with(now, number, kind, role, &vp8::payload_type(), |_| true)
}

/// The same with this encoding of frames, and with those contents whose names are wanted.
fn end_with(
    now: Instant,
    number: u8,
    kind: Kind,
    role: IceRole,
    frames: &PayloadType,
    wanted: fn(&str) -> bool,
) -> End {
    let address = SocketAddr::from(([10, 0, 0, number + 1], 5_000));
    let id = TransportId { session: SessionId(u64::from(number)), index: 0 };
    let ssrc = SSRCS[usize::from(number % 2)];
    let content = |name: &str, media, ssrc, payload_type| OpenContent {
        name: name.to_owned(),
        media,
        ssrc,
        rtx_ssrc: None,
        transport: id,
        payload_types: vec![payload_type],
        extensions: video::extensions(),
    };
    let mut contents = vec![
        content("audio", Media::Audio, ssrc, opus::payload_type()),
        content("video", Media::Video, ssrc + OF_FRAMES, frames.clone()),
    ];
    contents[0].payload_types.push(pcmu());
    contents[1].rtx_ssrc = Some(ssrc + OF_RTX);
    contents[1].payload_types.push(PayloadType::rtx(RTX, frames));
    contents.retain(|content| wanted(&content.name));
    let params = TransportParams { call: CallId(1), id, role, contents, candidates: hosts(&[address]) };
    let transport = kind.maker().open(now, params);
    End {
        transport,
        address,
        connected: false,
        interrupted: false,
        failed: None,
        wrong_certificate: false,
        asked: 0,
        received: Vec::new(),
        sources: Vec::new(),
        contributors: Vec::new(),
        captured: Vec::new(),
    }
}

impl Pair {
    /// Two ends that know nothing of each other.
    pub(crate) fn new(kinds: [Kind; 2]) -> Self {
        println!("{kinds:?}"); // For the reader of a failure.
        let now = Instant::now();
        Self {
            now,
            start: now,
            ends: [end(now, 0, kinds[0]), end(now, 1, kinds[1])],
            datagrams: 0,
            wire: Vec::new(),
            arrives: |_| true,
            packets: 0,
            answers_from: None,
            client: 1,
            names: true,
            extensions: extensions(kinds),
            disorder: None,
            goes: None,
            mute_dtls: false,
            rtx: false,
        }
    }

    /// Tells each of the other; `fingerprint` may change what the first expects of the second.
    pub(crate) fn introduce(&mut self, announced: bool, fingerprint: impl Fn(&mut Vec<u8>)) {
        self.introduce_with(announced, fingerprint, |_| vp8::payload_type());
    }

    fn introduce_with(
        &mut self,
        announced: bool,
        fingerprint: impl Fn(&mut Vec<u8>),
        frames: impl Fn(usize) -> PayloadType,
    ) {
        self.tell(1, announced, |_| (), frames(0));
        self.tell(0, announced, fingerprint, frames(1));
    }

    /// Tells one end of the other; `fingerprint` may change what it expects of that.
    pub(crate) fn tell(
        &mut self,
        one: usize,
        announced: bool,
        fingerprint: impl Fn(&mut Vec<u8>),
        frames: PayloadType,
    ) {
        let other = 1 - one;
        let local = self.ends[other].transport.local();
        let mut expected = local.fingerprint;
        fingerprint(&mut expected);
        let dtls = if one == self.client { DtlsRole::Client } else { DtlsRole::Server };
        let extensions = self.extensions.clone();
        let remote = RemoteTransport { ufrag: local.ufrag, pwd: local.pwd, fingerprint: expected, dtls, extensions };
        let agreed = |content: &str, ssrc, payload_type| NegotiatedContent {
            content: content.to_owned(),
            send: Some(payload_type),
            rtx: None,
            receive: true,
            streams: if announced { vec![AnnouncedStream { ssrc, rtx: None }] } else { Vec::new() },
        };
        let audio = agreed("audio", SSRCS[other], opus::payload_type());
        let mut video = agreed("video", SSRCS[other] + OF_FRAMES, frames);
        if self.rtx {
            video.rtx = Some(RTX);
            video.streams.iter_mut().for_each(|stream| stream.rtx = Some(SSRCS[other] + OF_RTX));
        }
        let now = self.now;
        let transport = &mut self.ends[one].transport;
        if self.names {
            local.candidates.iter().for_each(|candidate| transport.add_remote_candidate(now, candidate));
        }
        [audio, video].iter().for_each(|agreed| transport.set_negotiated(agreed));
        transport.set_remote(now, &remote);
    }

    /// Tells each the credentials that the other has after a restart.
    pub(crate) fn renew(&mut self) {
        for (one, other) in [(1, 0), (0, 1)] {
            let local = self.ends[other].transport.local();
            let dtls = if one == self.client { DtlsRole::Client } else { DtlsRole::Server };
            let (ufrag, pwd, fingerprint) = (local.ufrag, local.pwd, local.fingerprint);
            let remote = RemoteTransport { ufrag, pwd, fingerprint, dtls, extensions: self.extensions.clone() };
            let (now, transport) = (self.now, &mut self.ends[one].transport);
            transport.set_remote(now, &remote);
            local.candidates.iter().for_each(|candidate| transport.add_remote_candidate(now, candidate));
        }
    }

    /// Carries datagrams and lets time pass until `done` or the limit.
    pub(crate) fn run(&mut self, limit: Duration, done: impl Fn(&[End; 2]) -> bool) {
        let until = self.now + limit;
        while !done(&self.ends) {
            if self.carry() {
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
    }

    pub(crate) fn carry(&mut self) -> bool {
        let mut carried = false;
        for index in 0..2 {
            while let Some(output) = self.ends[index].transport.poll_output() {
                carried = true;
                match output {
                    TransportOutput::Datagram { from, to, bytes } => {
                        self.datagrams += 1;
                        let is_dtls = bytes.first().is_some_and(|first| (20..=63).contains(first));
                        if is_dtls && index == 1 && self.mute_dtls {
                            continue;
                        }
                        if self.goes.is_some_and(|after| self.datagrams > after) {
                            continue;
                        }
                        self.wire.push((index, bytes.clone()));
                        if index == 0 && is_rtp(&bytes) {
                            self.packets += 1;
                            if !(self.arrives)(self.packets) {
                                continue;
                            }
                        }
                        let from = self.answers_from.filter(|_| bytes.starts_with(&[1, 1])).unwrap_or(from);
                        let flight = (index, from, to, bytes);
                        let arrives = match &mut self.disorder {
                            Some(disorder) => disorder.passes(flight),
                            None => vec![flight],
                        };
                        arrives.into_iter().for_each(|flight| self.arrive(flight));
                    }
                    TransportOutput::Rtp { content, received } => {
                        self.ends[index].sources.push((content.to_string(), received.ssrc));
                        self.ends[index].captured.push(received.captured);
                        self.ends[index].received.push(received.packet);
                    }
                    TransportOutput::Contributors { contributors, .. } => {
                        self.ends[index].contributors.push(contributors);
                    }
                    TransportOutput::Connected => {
                        (self.ends[index].connected, self.ends[index].interrupted) = (true, false);
                    }
                    TransportOutput::Interrupted => self.ends[index].interrupted = true,
                    TransportOutput::Failed(why) => self.ends[index].failed = Some(why),
                    TransportOutput::WrongCertificate => self.ends[index].wrong_certificate = true,
                    TransportOutput::KeyFrameRequested => self.ends[index].asked += 1,
                    // The scenarios look at these.
                    TransportOutput::BandwidthEstimate(_)
                    | TransportOutput::Loss(_)
                    | TransportOutput::AudioLoss(_)
                    | TransportOutput::Congestion(_) => {}
                }
            }
        }
        carried
    }

    pub(crate) fn arrive(&mut self, (index, from, to, bytes): Flight) {
        let peer = &mut self.ends[1 - index];
        if peer.address == to && peer.transport.accepts(self.now, to, from, &bytes) {
            peer.transport.handle_datagram(self.now, to, from, &bytes);
        }
    }

    /// Both, connected; `announced` if each knows the other's sources.
    pub(crate) fn connected(kinds: [Kind; 2], announced: bool) -> Self {
        Self::connected_with(kinds, announced, extensions(kinds))
    }

    /// Connected, made for sound alone, and both know these header extensions.
    pub(crate) fn of_sound(kinds: [Kind; 2], extensions: Vec<HeaderExtension>) -> Self {
        let mut pair = Self { extensions, ..Self::new(kinds) };
        for (number, role) in [(0, IceRole::Controlling), (1, IceRole::Controlled)] {
            let kind = kinds[usize::from(number)];
            let frames = vp8::payload_type();
            pair.ends[usize::from(number)] = end_with(pair.now, number, kind, role, &frames, |name| name == "audio");
        }
        pair.introduce(true, |_| ());
        pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
        pair
    }

    /// Connected, and the second has this number for frames, which is not that of the first.
    pub(crate) fn numbered(kinds: [Kind; 2], number: u8) -> Self {
        let mut pair = Self::new(kinds);
        let theirs = PayloadType { id: number, ..vp8::payload_type() };
        pair.ends[1] = end_with(pair.now, 1, kinds[1], IceRole::Controlled, &theirs, |_| true);
        let of = |end| if end == 1 { theirs.clone() } else { vp8::payload_type() };
        pair.introduce_with(true, |_| (), of);
        pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
        pair
    }

    /// Connected, and both know these header extensions of those that were offered.
    pub(crate) fn connected_with(kinds: [Kind; 2], announced: bool, extensions: Vec<HeaderExtension>) -> Self {
        Self { extensions, ..Self::new(kinds) }.connect(announced)
    }

    /// Connected, without header extensions, and lost frames come again by an SSRC of their own.
    pub(crate) fn with_rtx(kinds: [Kind; 2], announced: bool) -> Self {
        Self { extensions: Vec::new(), rtx: true, ..Self::new(kinds) }.connect(announced)
    }

    fn connect(mut self, announced: bool) -> Self {
        self.introduce(announced, |_| ());
        self.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
        assert!(self.ends.iter().all(|end| end.connected));
        self
    }
}

pub(crate) fn is_rtp(bytes: &[u8]) -> bool {
    (128..=191).contains(&bytes[0]) && !(64..=95).contains(&(bytes[1] & 0x7F))
}

pub(crate) fn packet(number: u32) -> RtpPacket {
    RtpPacket { timestamp: number * 960, marker: number == 1, payload: Arc::from(&b"sound"[..]) }
}

/// Sounds go both ways; how many of the packets arrive.
pub(crate) fn flow(pair: &mut Pair, numbers: std::ops::Range<u32>) -> [usize; 2] {
    let before = pair.ends.each_ref().map(|end| end.received.len());
    for number in numbers {
        for index in 0..2 {
            pair.ends[index].transport.send(pair.now, pair.now, "audio", &[packet(number)]);
        }
        let until = pair.now + Duration::from_millis(20);
        pair.run(Duration::from_millis(20), |_| false);
        pair.now = until;
    }
    let after = pair.ends.each_ref().map(|end| end.received.len());
    [after[0] - before[0], after[1] - before[1]]
}

pub(crate) const BINDING: u16 = 0x0001;
pub(crate) const BINDING_SUCCESS: u16 = 0x0101;
pub(crate) const USERNAME: u16 = 0x0006;
pub(crate) const PRIORITY: u16 = 0x0024;
pub(crate) const ICE_CONTROLLED: u16 = 0x8029;
pub(crate) const ICE_CONTROLLING: u16 = 0x802A;

/// Each by its kind.
pub(crate) type Attributes = Vec<(u16, Vec<u8>)>;

/// The kind and the attributes of a STUN message (RFC 8489 section 5).
pub(crate) fn stun(bytes: &[u8]) -> Option<(u16, Attributes)> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    if bytes.get(4..8)? != [0x21, 0x12, 0xA4, 0x42] {
        return None;
    }
    let (mut at, mut attributes) = (20, Vec::new());
    while let (Some(kind), Some(length)) = (word(at), word(at + 2)) {
        let length = usize::from(length);
        attributes.push((kind, bytes.get(at + 4..at + 4 + length)?.to_vec()));
        at += 4 + length.next_multiple_of(4);
    }
    Some((word(0)?, attributes))
}
