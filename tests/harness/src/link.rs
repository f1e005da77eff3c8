//! A link of limited capacity: two real transports, video or audio from the first to the second, in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::CallId;
use muji_core::media::{DtlsRole, IceRole, OpenContent, RemoteTransport};
use muji_jingle::{SessionId, TransportId};
use muji_media::parts::codec::{opus, red, video, vp8};
use muji_media::transport::str0m::Str0m;
use muji_media::transport::{
    Congestion, NegotiatedContent, ReceivedRtp, RtpPacket, Transport, TransportOutput, TransportParams, hosts,
};
use muji_xep::rtp::{HeaderExtension, Media, PayloadType};

use super::impairment::{Impairment, RtpPath};
use muji_simulation::seeded_random::SeededRandom;

const CONTENT: &str = "media";

/// The payload type by which lost packets of video are sent again.
const RTX: u8 = 127;

/// Bytes that IP and UDP add to a datagram.
const HEADERS: usize = 28;

/// How long the queue before the link may become: more than 300 ms of it is dropped, as a home router does.
const QUEUE: Duration = Duration::from_millis(300);

/// From the end of the link to the other side.
const DELAY: Duration = Duration::from_millis(20);

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Sends video.
    Sender,
    /// Receives it.
    Receiver,
}

struct Direction {
    /// Bits a second; without it as much as comes.
    rate: Option<u32>,
    /// When the link is free again.
    free: Instant,
    /// The share of datagrams that is lost, each independently.
    lost: f64,
    /// From the end of the link to the other side.
    delay: Duration,
    /// The path, if RTP packets are impaired by their number.
    impaired: Option<RtpPath>,
    under_way: VecDeque<(Instant, SocketAddr, SocketAddr, Vec<u8>)>,
    dropped: usize,
}

/// Two ends and what is between.
pub struct Link {
    now: Instant,
    ends: [Box<dyn Transport>; 2],
    /// From each to the other.
    directions: [Direction; 2],
    connected: [bool; 2],
    /// Until when each end gets no processor.
    stalled: [Instant; 2],
    /// What the first was to send meanwhile, and when it was captured.
    kept: Vec<(Instant, Vec<RtpPacket>)>,
    random: SeededRandom,
    estimate: Option<u32>,
    /// It has changed since it was last taken.
    estimated: bool,
    lost: Vec<f32>,
    overflowed: Vec<Congestion>,
    received: Vec<ReceivedRtp>,
    asked: usize,
    sent: u64,
}

impl Link {
    /// A link without a limit, its ends connected.
    ///
    /// # Panics
    /// If they do not connect.
    #[must_use]
    pub fn new() -> Self {
        Self::with(&Media::Video, &video::extensions())
    }

    /// The same between ends of which one, as Dino, does not count packets for the other (no TWCC).
    ///
    /// # Panics
    /// If they do not connect.
    #[must_use]
    pub fn without_counting() -> Self {
        Self::with(&Media::Video, &[])
    }

    /// A link for audio.
    ///
    /// # Panics
    /// If its ends do not connect.
    #[must_use]
    pub fn for_audio() -> Self {
        Self::with(&Media::Audio, &video::extensions())
    }

    fn with(media: &Media, extensions: &[HeaderExtension]) -> Self {
        let now = Instant::now();
        let direction = || Direction {
            rate: None,
            free: now,
            lost: 0.0,
            delay: DELAY,
            impaired: None,
            under_way: VecDeque::new(),
            dropped: 0,
        };
        let mut this = Self {
            now,
            ends: [end(now, 0, media), end(now, 1, media)],
            directions: [direction(), direction()],
            connected: [false; 2],
            stalled: [now; 2],
            kept: Vec::new(),
            random: SeededRandom::new(7),
            estimate: None,
            estimated: false,
            lost: Vec::new(),
            overflowed: Vec::new(),
            received: Vec::new(),
            asked: 0,
            sent: 0,
        };
        for (one, other) in [(1, 0), (0, 1)] {
            let local = this.ends[other].local();
            let dtls = if one == 1 { DtlsRole::Client } else { DtlsRole::Server };
            let (fingerprint, extensions) = (local.fingerprint, extensions.to_vec());
            let remote = RemoteTransport { ufrag: local.ufrag, pwd: local.pwd, fingerprint, dtls, extensions };
            let end = &mut this.ends[one];
            local.candidates.iter().for_each(|candidate| end.add_remote_candidate(now, candidate));
            end.set_remote(now, &remote);
            let (content, send) = (CONTENT.to_owned(), (one == 0).then(|| payload_type(media)));
            let rtx = (*media == Media::Video).then_some(RTX);
            end.set_negotiated(&NegotiatedContent { content, send, rtx, receive: one == 1, streams: Vec::new() });
        }
        this.run(Duration::from_secs(2));
        assert_eq!(this.connected, [true; 2], "the ends connect");
        this
    }

    /// The time of the link.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// From now on so many bits a second pass from the first to the second.
    pub fn limit(&mut self, bits: u32) {
        self.directions[0].rate = Some(bits);
    }

    /// From now on this share of what leaves either end is lost, each datagram independently: as on bad Wi-Fi, without a queue.
    pub fn lose(&mut self, share: f64) {
        self.directions.iter_mut().for_each(|direction| direction.lost = share);
    }

    /// From now on RTP packets from the first to the second take this path ([`RtpPath`]); back everything is as long under way.
    pub fn impair(&mut self, kind: Impairment, seed: u64) {
        self.directions.iter_mut().for_each(|direction| direction.delay = kind.delay);
        self.directions[0].impaired = Some(RtpPath::new(self.now, kind, seed));
    }

    /// One end gets no processor for so long. What it sends at this moment leaves afterwards, although its clock was read before; what comes
    /// meanwhile it reads afterwards, and takes it for just arrived.
    pub fn stall(&mut self, end: End, time: Duration) {
        self.stalled[end as usize] = self.now + time;
    }

    /// True while it gets none.
    #[must_use]
    pub fn is_stalled(&self, end: End) -> bool {
        self.stalled[end as usize] > self.now
    }

    /// The first sends packets, or will if it gets no processor now.
    pub fn send(&mut self, packets: &[RtpPacket]) {
        if self.is_stalled(End::Sender) {
            return self.kept.push((self.now, packets.to_vec()));
        }
        self.ends[0].send(self.now, self.now, CONTENT, packets);
        self.take();
    }

    /// The first sends a packet of audio with copies of earlier frames.
    pub fn send_redundant(&mut self, payload_type: u8, packet: &RtpPacket) {
        self.ends[0].send_as(self.now, Some(self.now), CONTENT, payload_type, packet);
        self.take();
    }

    /// The first sends what it was to send while it got no processor.
    fn send_kept(&mut self) {
        if !self.is_stalled(End::Sender) {
            for (captured, packets) in std::mem::take(&mut self.kept) {
                self.ends[0].send(self.now, captured, CONTENT, &packets);
            }
        }
    }

    /// The second asks for a key frame.
    pub fn request_key_frame(&mut self) {
        self.ends[1].request_key_frame(self.now, CONTENT);
        self.take();
    }

    /// How often the first was asked for one, since it was last looked at.
    pub fn asked(&mut self) -> usize {
        std::mem::take(&mut self.asked)
    }

    /// What the direction to the second carries, as the first sees it, in bits a second.
    #[must_use]
    pub fn estimate(&self) -> Option<u32> {
        self.estimate
    }

    /// The same, if it has changed since it was last taken.
    pub fn take_estimate(&mut self) -> Option<u32> {
        self.estimate.filter(|_| std::mem::take(&mut self.estimated))
    }

    /// The shares that the second said it misses, since they were last looked at.
    pub fn lost(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.lost)
    }

    /// What the first noticed at once of congestion, since it was last looked at.
    pub fn overflowed(&mut self) -> Vec<Congestion> {
        std::mem::take(&mut self.overflowed)
    }

    /// What the second got since it was last looked at.
    pub fn received(&mut self) -> Vec<ReceivedRtp> {
        std::mem::take(&mut self.received)
    }

    /// Datagrams that found no room before the link, since it was last looked at.
    pub fn dropped(&mut self) -> usize {
        std::mem::take(&mut self.directions[0].dropped)
    }

    /// Bytes that the first has sent in all, with the headers of IP and UDP.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        self.take();
        loop {
            let arrivals = (0..2).filter_map(|from| self.arrives(from));
            let timeouts = self
                .ends
                .iter()
                .zip(self.stalled)
                .filter_map(|(end, stalled)| end.poll_timeout().map(|at| at.max(stalled)));
            let kept = (!self.kept.is_empty()).then_some(self.stalled[0]);
            let next = arrivals.chain(timeouts).chain(kept).min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.send_kept();
            self.arrive();
            for (end, stalled) in self.ends.iter_mut().zip(self.stalled) {
                if stalled <= self.now && end.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.handle_timeout(self.now);
                }
            }
            self.take();
        }
        self.now = until;
    }

    /// When the next datagram of an end is read by the other.
    fn arrives(&self, from: usize) -> Option<Instant> {
        self.directions[from].under_way.front().map(|(at, ..)| (*at).max(self.stalled[1 - from]))
    }

    fn arrive(&mut self) {
        for from in 0..2 {
            while let Some(at) = self.arrives(from).filter(|at| *at <= self.now) {
                let (_, source, to, bytes) = self.directions[from].under_way.pop_front().expect("it was there");
                let end = &mut self.ends[1 - from];
                if end.accepts(at, to, source, &bytes) {
                    end.handle_datagram(at, to, source, &bytes);
                }
            }
        }
    }

    /// Takes what the ends give.
    fn take(&mut self) {
        for index in 0..2 {
            while let Some(output) = self.ends[index].poll_output() {
                match output {
                    TransportOutput::Datagram { from, to, bytes } => self.leaves(index, from, to, bytes),
                    TransportOutput::Rtp { received, .. } => self.received.push(received),
                    TransportOutput::Connected => self.connected[index] = true,
                    TransportOutput::KeyFrameRequested => self.asked += 1,
                    TransportOutput::BandwidthEstimate(bits) if index == 0 => {
                        self.estimate = Some(bits);
                        self.estimated = true;
                    }
                    TransportOutput::Loss(share) | TransportOutput::AudioLoss(share) if index == 0 => {
                        self.lost.push(share)
                    }
                    TransportOutput::Congestion(congestion) if index == 0 => self.overflowed.push(congestion),
                    TransportOutput::BandwidthEstimate(_)
                    | TransportOutput::Loss(_)
                    | TransportOutput::AudioLoss(_)
                    | TransportOutput::Contributors { .. }
                    | TransportOutput::Congestion(_) => {} // It sends nothing.
                    TransportOutput::Interrupted | TransportOutput::Failed(_) | TransportOutput::WrongCertificate => {
                        self.connected[index] = false;
                    }
                }
            }
        }
    }

    fn leaves(&mut self, index: usize, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let (now, length) = (self.now.max(self.stalled[index]), (bytes.len() + HEADERS) as u64);
        if index == 0 {
            self.sent += length;
        }
        let direction = &mut self.directions[index];
        if let Some(impaired) = &mut direction.impaired {
            match impaired.takes(now, &bytes) {
                Some(time) => direction.carry(now + time, from, to, bytes),
                None => direction.dropped += 1,
            }
            return;
        }
        if self.random.happens(direction.lost) {
            return;
        }
        let begins = direction.free.max(now);
        if begins.duration_since(now) > QUEUE {
            direction.dropped += 1;
            return;
        }
        let takes = direction.rate.map_or(0, |rate| length * 8 * 1_000_000 / u64::from(rate));
        direction.free = begins + Duration::from_micros(takes);
        direction.carry(direction.free + direction.delay, from, to, bytes);
    }
}

impl Direction {
    /// A datagram arrives then. With jitter it may overtake others.
    fn carry(&mut self, at: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let place = self.under_way.partition_point(|(before, ..)| *before <= at);
        self.under_way.insert(place, (at, from, to, bytes));
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

fn payload_type(media: &Media) -> PayloadType {
    if *media == Media::Audio { opus::payload_type() } else { vp8::payload_type() }
}

fn payload_types(media: &Media) -> Vec<PayloadType> {
    let codec = payload_type(media);
    let further = if *media == Media::Audio { red::payload_type(codec.id) } else { PayloadType::rtx(RTX, &codec) };
    vec![codec, further]
}

fn end(now: Instant, number: u8, media: &Media) -> Box<dyn Transport> {
    let id = TransportId { session: SessionId(u64::from(number)), index: 0 };
    let content = OpenContent {
        name: CONTENT.to_owned(),
        media: media.clone(),
        ssrc: 1_000 + u32::from(number),
        rtx_ssrc: (*media == Media::Video).then(|| 2_000 + u32::from(number)),
        transport: id,
        payload_types: payload_types(media),
        extensions: video::extensions(),
    };
    let role = if number == 0 { IceRole::Controlling } else { IceRole::Controlled };
    let candidates = hosts(&[SocketAddr::from(([10, 0, 0, number + 1], 5_000))]);
    let opening = TransportParams { call: CallId(1), id, role, contents: vec![content], candidates };
    Str0m::new().expect("the system has random numbers").maker().open(now, opening)
}

/// A packet of so many bytes.
#[must_use]
pub fn packet(number: u32, marker: bool, length: usize) -> RtpPacket {
    RtpPacket { timestamp: number * 3_000, marker, payload: Arc::from(vec![0; length]) }
}
