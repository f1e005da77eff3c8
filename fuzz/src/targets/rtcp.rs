//! What a peer says by RTCP, protected by the peer itself: reports, what it misses and what comes to it, in one packet or several, with lengths
//! and counts that are wrong, cut short, about streams that there are not. The end that reads it sends sound and pictures meanwhile.
//!
//! What is sent again has a bound for each packet that was new, estimates and targets have theirs, and what was connected goes on.
//!
//! Certificates, credentials and keys are random in each process, so an input that fails once need not fail again.

use std::time::{Duration, Instant};

use muji_jingle::{SessionId, TransportId};
use muji_media::backend::BandwidthPolicy;
use muji_media::parts::PathBandwidths;
use muji_media::parts::codec::video;
use muji_media::transport::str0m::Str0m;
use muji_media::transport::webrtc_ice::{WebrtcIce, WebrtcIceTransport};
use muji_media::transport::{MakeTransport, RtpPacket, Transport, TransportOutput};

use super::transport::{address, params, ssrc, tell};
use crate::choices::Choices;

const FRAME: Duration = Duration::from_millis(20);

/// Packets of a picture, of which there is one with each frame of sound.
const PICTURE: u32 = 4;

/// One packet may be sent again for so many that were new, as the reader of NACKs says, and on a long path with a copy.
const NEW_FOR_EACH: usize = 4;
const COPIES: usize = 2;

/// And so many at once after a time without losses.
const SAVED: usize = 24;

/// The end that reads may say so much besides: reports, checks of the path, and probes of the bandwidth.
const BESIDES_A_SECOND: usize = 400;

/// The lowest target of an encoder, in bits a second; the highest is what is of use.
const LEAST: u32 = 50_000;

/// Kinds of RTCP (RFC 3550 section 12.1, RFC 4585 section 6.1, RFC 3611 section 2).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const APPLICATION: u8 = 204;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

pub(super) fn run(bytes: &[u8]) {
    thread_local! {
        // A certificate costs more than a handshake.
        static STR0M: std::cell::RefCell<MakeTransport> =
            std::cell::RefCell::new(Str0m::new().expect("the system has random numbers").maker());
        static WEBRTC_ICE: std::cell::RefCell<WebrtcIce> =
            std::cell::RefCell::new(WebrtcIce::new().expect("the system has random numbers"));
    }
    let mut choices = Choices::new(bytes);
    let now = Instant::now();
    let reader: Box<dyn Transport> = if choices.below(2) == 0 {
        STR0M.with_borrow_mut(|maker| maker.open(now, params(0)))
    } else {
        WEBRTC_ICE.with_borrow_mut(|maker| Box::new(maker.open(now, params(0))))
    };
    let peer = WEBRTC_ICE.with_borrow_mut(|maker| maker.open(now, params(1)));
    let mut call = Call::new(now, reader, peer);
    call.run(Duration::from_secs(3));
    assert_eq!(call.connected, [true; 2], "without disturbance they connect");
    call.flow(5);
    while !choices.is_over() {
        match choices.below(8) {
            0 => call.flow(*choices.one_of(&[1, 10, 100])),
            _ => {
                let packets = compound(&mut choices);
                let now = call.now;
                call.peer.send_rtcp(now, &packets);
                call.carry();
            }
        }
        call.check();
    }
    call.flow(10);
    call.check();
    assert_eq!(call.heard, [call.number; 2], "what was connected does not go on");
}

/// One end that reads RTCP, and one that says it.
struct Call {
    begun: Instant,
    now: Instant,
    reader: Box<dyn Transport>,
    peer: WebrtcIceTransport,
    connected: [bool; 2],
    /// The number of the last frame of sound, and of those that each end heard.
    number: u32,
    heard: [u32; 2],
    /// Packets that the reader was told to send, and datagrams that it sent.
    new: usize,
    sent: usize,
    bandwidths: PathBandwidths,
}

impl Call {
    /// Two ends that know of each other.
    fn new(now: Instant, reader: Box<dyn Transport>, peer: WebrtcIceTransport) -> Self {
        let bandwidths = PathBandwidths::new(BandwidthPolicy::default());
        let (connected, heard) = ([false; 2], [0; 2]);
        let mut call = Self { begun: now, now, reader, peer, connected, number: 0, heard, new: 0, sent: 0, bandwidths };
        let [local, remote] = [0, 1].map(|index| call.end(index).local());
        // The peer takes no note of the numbers for transport-wide feedback; it says what it wants of them.
        tell(now, call.end(0), 1, remote, video::extensions());
        tell(now, call.end(1), 0, local, Vec::new());
        call
    }

    fn end(&mut self, index: usize) -> &mut dyn Transport {
        if index == 0 { &mut *self.reader } else { &mut self.peer }
    }

    /// Frames of sound go both ways, and a picture goes to the peer with each.
    fn flow(&mut self, frames: u32) {
        for _ in 0..frames {
            self.number += 1;
            let (now, number) = (self.now, self.number);
            let sound = packet(number * 960, true, number);
            for index in 0..2 {
                self.end(index).send(now, now, "audio", std::slice::from_ref(&sound));
            }
            let picture: Vec<RtpPacket> =
                (1..=PICTURE).map(|part| packet(number * 1_800, part == PICTURE, number)).collect();
            self.end(0).send(now, now, "video", &picture);
            self.new += 1 + picture.len();
            self.run(FRAME);
            self.now = now + FRAME;
        }
    }

    /// Carries datagrams and lets time pass.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..10_000 {
            if self.carry() {
                continue;
            }
            let next = [0, 1].into_iter().filter_map(|index| self.end(index).poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else { return };
            self.now = self.now.max(next);
            let now = self.now;
            for index in 0..2 {
                if self.end(index).poll_timeout().is_some_and(|at| at <= now) {
                    self.end(index).handle_timeout(now);
                }
            }
        }
        panic!("something is always due");
    }

    /// True if something was carried.
    fn carry(&mut self) -> bool {
        let mut carried = false;
        for index in 0..2 {
            while let Some(output) = self.end(index).poll_output() {
                match output {
                    TransportOutput::Datagram { bytes, .. } => {
                        carried = true;
                        self.sent += usize::from(index == 0);
                        let (now, other) = (self.now, 1 - index);
                        let [from, to] = [address(index as u8), address(other as u8)];
                        if self.end(other).accepts(now, to, from, &bytes) {
                            self.end(other).handle_datagram(now, to, from, &bytes);
                        }
                    }
                    other => self.told(index, other),
                }
            }
        }
        carried
    }

    fn told(&mut self, index: usize, output: TransportOutput) {
        let path = TransportId { session: SessionId(0), index: 0 };
        match output {
            TransportOutput::Rtp { content, received } if &*content == "audio" => {
                let number = received.packet.payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
                self.heard[index] = self.heard[index].max(number.unwrap_or_default());
            }
            TransportOutput::Connected => self.connected[index] = true,
            TransportOutput::Interrupted | TransportOutput::Failed(_) | TransportOutput::WrongCertificate => {
                panic!("what was connected ended: {output:?}");
            }
            TransportOutput::BandwidthEstimate(bits) => self.bandwidths.estimated(self.now, path, bits),
            TransportOutput::Loss(share) => {
                assert!((0.0..=1.0).contains(&share), "{share} of the pictures are lost");
                self.bandwidths.lost(path, share);
            }
            TransportOutput::AudioLoss(share) => assert!((0.0..=1.0).contains(&share), "{share} of the sound is lost"),
            TransportOutput::Congestion(congestion) => {
                assert!((0.0..=1.0).contains(&congestion.lost), "{congestion:?}");
                self.bandwidths.congested(self.now, path, congestion);
            }
            TransportOutput::Rtp { .. }
            | TransportOutput::Contributors { .. }
            | TransportOutput::KeyFrameRequested
            | TransportOutput::Datagram { .. } => {}
        }
    }

    /// What must hold at any time.
    fn check(&mut self) {
        let seconds = (self.now - self.begun).as_secs() as usize + 1;
        let most = self.new + COPIES * (self.new / NEW_FOR_EACH + SAVED) + BESIDES_A_SECOND * seconds;
        assert!(self.sent <= most, "{} datagrams of {} packets in {seconds} s", self.sent, self.new);
        if let Some(target) = self.bandwidths.changed(self.now) {
            assert!((LEAST..=self.bandwidths.desired()).contains(&target.bits), "{target:?}");
        }
    }
}

/// A packet of sound or of a picture, with its number in front.
fn packet(timestamp: u32, marker: bool, number: u32) -> RtpPacket {
    let payload = [&number.to_be_bytes()[..], &[0; 96]].concat();
    RtpPacket { timestamp, marker, payload: payload.into() }
}

/// Up to four packets in one, which may be cut short.
fn compound(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut all: Vec<u8> = (0..=choices.below(4)).flat_map(|_| one(choices)).collect();
    let cut = if choices.below(4) == 0 { choices.below(32) } else { 0 };
    all.truncate(all.len().saturating_sub(cut));
    all.resize(all.len().max(8), 0); // What protects it reads the head of the first, and its sender.
    all
}

/// A packet of some kind, whose count, length and padding may be wrong.
fn one(choices: &mut Choices<'_>) -> Vec<u8> {
    let (kind, count, body) = body(choices);
    let lies = choices.below(4) == 0;
    let count = if lies { choices.byte() & 0x1F } else { count };
    let padded = if lies && choices.below(2) == 1 { 0x20 } else { 0 };
    let words = if lies && choices.below(2) == 1 { choices.short() } else { (body.len() / 4) as u16 };
    [&[0x80 | padded | count, kind], &words.to_be_bytes()[..], &body].concat()
}

/// The kind of a packet, the number in its head, and what is behind it, in whole words.
fn body(choices: &mut Choices<'_>) -> (u8, u8, Vec<u8>) {
    let sender = stream(choices);
    let (kind, count, rest) = match choices.below(12) {
        0 => {
            let head: Vec<u8> = (0..5).flat_map(|_| choices.word().to_be_bytes()).collect();
            let (count, blocks) = blocks(choices);
            (SENDER_REPORT, count, [head, blocks].concat())
        }
        1 => {
            let (count, blocks) = blocks(choices);
            (RECEIVER_REPORT, count, blocks)
        }
        2 => (DESCRIPTION, 1, [&[1], choices.bytes(), &[0]].concat()),
        3 => (BYE, 1, choices.bytes().to_vec()),
        4 => (APPLICATION, 0, choices.bytes().to_vec()),
        5 | 6 => {
            // What is missed: first numbers, and the sixteen behind each. Ours begin low.
            let mut nack = stream(choices).to_be_bytes().to_vec();
            for _ in 0..choices.below(64) {
                nack.extend([0, choices.byte(), choices.byte(), choices.byte()]);
            }
            (TRANSPORT_FEEDBACK, 1, nack)
        }
        7 => (TRANSPORT_FEEDBACK, 15, [stream(choices).to_be_bytes().to_vec(), transport_wide(choices)].concat()),
        8 => (PAYLOAD_FEEDBACK, 1, stream(choices).to_be_bytes().to_vec()),
        9 => {
            (PAYLOAD_FEEDBACK, 4, [0, stream(choices), choices.word()].iter().flat_map(|it| it.to_be_bytes()).collect())
        }
        10 => {
            let mut remb = [&[0; 4], &b"REMB"[..], &[choices.below(4) as u8]].concat();
            remb.extend([choices.byte(), choices.byte(), choices.byte()]);
            (PAYLOAD_FEEDBACK, 15, [remb, stream(choices).to_be_bytes().to_vec()].concat())
        }
        _ => (EXTENDED_REPORT, 0, choices.bytes().to_vec()),
    };
    let mut body = [&sender.to_be_bytes()[..], &rest].concat();
    body.resize(body.len().next_multiple_of(4), 0);
    (kind, count, body)
}

/// One of the streams of both ends, or another.
fn stream(choices: &mut Choices<'_>) -> u32 {
    let [ours, theirs] = [ssrc(0), ssrc(1)];
    let known = [ours, ours + 1, ours + 2, theirs, theirs + 1, theirs + 2, 0];
    match choices.below(8) {
        7 => choices.word(),
        known_one => known[known_one],
    }
}

/// Blocks of a report, and how many: whose packets, lost so many, up to which number, and times.
fn blocks(choices: &mut Choices<'_>) -> (u8, Vec<u8>) {
    let count = choices.below(4) as u8;
    let block = |choices: &mut Choices<'_>| {
        let highest = if choices.below(2) == 0 { u32::from(choices.short()) } else { choices.word() };
        [stream(choices), choices.word(), highest, choices.word(), choices.word(), choices.word()]
    };
    (count, (0..count).flat_map(|_| block(choices)).flat_map(u32::to_be_bytes).collect())
}

/// What came of a run of packets and when (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
fn transport_wide(choices: &mut Choices<'_>) -> Vec<u8> {
    let (base, count) = (choices.byte(), choices.short());
    let head =
        [0, base, (count >> 8) as u8, count as u8, choices.byte(), choices.byte(), choices.byte(), choices.byte()];
    [&head[..], choices.bytes()].concat()
}
