//! The jitter buffer: packets arrive unevenly, and a frame is needed every 20 ms.
//!
//! Its delay is how late packets have been lately, and no more. It measures how much longer or shorter packets wait than that, as
//! [`JitterBuffer::excess`], and the receiver resamples the difference away; so the sender's clock may drift. A burst leaves too much for
//! that: of it the receiver leaves out whole periods of the sound. What neither can do in time is done in whole packets: one that has been
//! too full for a second leaves a packet out.
//!
//! What is missing when its turn comes is made up, once: that much is left out of what comes for the same time, be it the late packet
//! or its copy in the packet behind it. It stays in only as far as packets should wait longer from now on.
//!
//! ```text
//!   sent     |── 7 ──|── 8 ──|── 9 ──|        8 is lost
//!   played   |── 7 ──|made up|8 |── 9 ──|     8 from what 9 says about it, without what was made up of it
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::frame::{FRAME, FRAME_TIME, SAMPLE_RATE};
use crate::codec::encoding::AudioEncoding;
use crate::codec::red::RedFault;
use crate::rtp::{ReceivedRtp, RtpPacket};
use crate::stats::PacketCounts;

/// The shortest delay: one packet, so that the usual jitter of the scheduler is not heard.
const MIN_DELAY: Duration = FRAME_TIME;
/// The longest delay. ITU-T G.114 calls 400 ms one way the limit of a conversation.
const MAX_DELAY: Duration = Duration::from_millis(400);
/// The size of the buffer: a second. More would only be discarded later.
const MAX_PACKETS: usize = 50;
/// By this share lateness is forgotten with each packet: half of it in seven seconds. Faster, the delay would shrink between two bursts,
/// and each would be heard; slower, one burst would delay a call for long.
const FORGET: f64 = 0.002;
/// A packet this far from its time begins a new stream: the sender started again with another timestamp.
const JUMP_MICROS: i64 = 5_000_000;
/// For how many packets the buffer may be too full before one is left out: a second.
const PATIENCE: u32 = 50;
/// So many packets above the delay are not too many: resampling gets rid of them.
const SLACK: usize = 2;
/// Packets that would wait so much longer than they should, behind missing ones, come sooner: less is made up for those.
const TOO_LATE: f64 = 0.010 * SAMPLE_RATE as f64;
/// So much longer packets wait while some are lost: the packet behind a lost one, which may say what was in it, is then there in time.
/// Shorter by what [`MIN_DELAY`] and [`SPARE`] have already.
const FOR_RECOVERY: Duration = Duration::from_millis(13);
/// Loss of which more is waited for, and below which no longer.
const LOSSY: f64 = 0.01;
const LOSSLESS: f64 = 0.004;
/// The weight of a packet in the measured loss: the mean over about four seconds.
const LOSS_SMOOTH: f64 = 0.005;
/// Pictures may be shown so much later than their sound is played: ITU-R BT.1359 finds 90 ms acceptable.
const BEHIND: Duration = Duration::from_millis(90);
/// If they are later, packets wait longer, and no longer when they are not: by so much with each report, one a second, which is how fast the
/// resampling follows. Below so much less than [`BEHIND`] they wait less again.
const STEP: Duration = Duration::from_millis(5);
const AHEAD: Duration = Duration::from_millis(20);
/// Samples of a packet before the first two have told: 20 ms, which nearly all senders make.
const USUAL_LENGTH: u32 = FRAME as u32;
/// The longest packet: 120 ms, as Opus has it.
const LONGEST: u32 = 6 * USUAL_LENGTH;
/// Packets should wait so much beyond the delay. With a sender whose clock runs slow a packet comes after its turn before resampling has
/// reacted; it can only be waited for while part of another is still to be played.
const SPARE: Duration = Duration::from_millis(5);
/// The weight of a packet in the measured excess: the mean over about a second.
const SMOOTH: f64 = 0.02;
/// The weight of a packet in the interarrival jitter (RFC 3550 section 6.4.1).
const JITTER: f64 = 1.0 / 16.0;

/// What is to be played next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Playout {
    /// The next packet.
    Packet {
        /// The timestamp of its first sample, in samples of ours.
        timestamp: u32,
        /// How it is encoded.
        encoding: AudioEncoding,
        /// What the codec made.
        payload: Arc<[u8]>,
        /// So many of its first samples were made up already.
        made_up: usize,
    },
    /// The next packet is lost; this is the one behind it, from which Opus may recover it.
    Lost {
        /// The timestamp of the first sample of the lost one, in samples of ours.
        timestamp: u32,
        /// How the one behind it is encoded.
        encoding: AudioEncoding,
        /// What the codec made of that.
        following: Arc<[u8]>,
        /// So many of the first samples were made up already.
        made_up: usize,
    },
    /// There is no packet: the stream has not begun, has run dry, or the sender pauses.
    Empty,
}

#[derive(Debug)]
struct Timing {
    arrived: Instant,
    timestamp: u32,
    /// The lateness of the earliest packet, in microseconds relative to the reference.
    earliest: i64,
    /// How late packets have been lately at worst, in microseconds after the earliest.
    late: f64,
    /// Interarrival jitter in microseconds (RFC 3550 section 6.4.1).
    jitter: f64,
}

#[derive(Debug)]
struct BufferedPacket {
    /// When it would have come if it were as early as the earliest.
    due: Instant,
    timestamp: u32,
    encoding: AudioEncoding,
    payload: Arc<[u8]>,
    /// It is a copy that came with a later packet.
    copied: bool,
}

/// The packets of one stream, in order.
#[derive(Debug, Default)]
pub(crate) struct JitterBuffer {
    packets: BTreeMap<u64, BufferedPacket>,
    next: Option<u64>,
    /// False while the stream has not begun or pauses: its first packet waits for its time.
    begun: bool,
    /// Samples that were made up for the next packet and those behind it.
    made_up: usize,
    /// Samples of a packet; `None` before two in a row have told.
    length: Option<u32>,
    /// The number and the timestamp of the last packet that was taken.
    last: Option<(u64, u32)>,
    /// The share of packets lost lately.
    loss: f64,
    /// Packets wait longer because of it.
    lossy: bool,
    /// The shortest delay, because of the pictures.
    least: Duration,
    timing: Option<Timing>,
    /// How much longer packets have waited lately than they should, in samples.
    excess: f64,
    full: u32,
    counts: PacketCounts,
}

impl JitterBuffer {
    /// The sender goes on with another source, of which nothing is known.
    pub(crate) fn start_again(&mut self) {
        let discarded = self.counts.discarded + self.packets.len() as u64;
        *self = Self { counts: PacketCounts { discarded, ..self.counts }, ..Self::default() };
    }

    /// A packet came.
    pub(crate) fn insert(&mut self, mut received: ReceivedRtp, encoding: AudioEncoding) {
        // Timestamps wrap, and so do their multiples.
        received.packet.timestamp = received.packet.timestamp.wrapping_mul(SAMPLE_RATE / encoding.clock_rate());
        self.counts.received += 1;
        self.counts.bytes += received.packet.payload.len() as u64;
        let due = self.clock(&received);
        // A packet behind its turn was concealed already; playing it now would repeat the moment.
        let late = self.next.is_some_and(|next| received.sequence < next);
        let known = self.packets.get(&received.sequence);
        let full = known.is_none() && self.packets.len() == MAX_PACKETS;
        if late || full || known.is_some_and(|known| !known.copied) {
            self.counts.discarded += 1;
            return;
        }
        let RtpPacket { timestamp, payload, .. } = received.packet;
        self.packets.insert(received.sequence, BufferedPacket { due, timestamp, encoding, payload, copied: false });
    }

    /// The packet with this number, which has just come, has a copy of what was sent so many samples before it: that takes the place of the
    /// packet in which it was sent, if that did not come.
    ///
    /// # Errors
    /// If no packet can have begun there.
    pub(crate) fn insert_copy(&mut self, sequence: u64, offset: u32, payload: &[u8]) -> Result<(), RedFault> {
        self.counts.bytes += payload.len() as u64;
        if offset == 0 || !offset.is_multiple_of(self.length()) {
            return Err(RedFault::NoPacket(offset));
        }
        let place = sequence.saturating_sub(u64::from(offset / self.length()));
        let (Some(next), Some(carrier)) = (self.next, self.packets.get(&sequence)) else { return Ok(()) };
        if place < next || self.packets.contains_key(&place) {
            return Ok(()); // Mostly: the packet itself came.
        }
        let timestamp = carrier.timestamp.wrapping_sub(offset);
        if self.packets.len() == MAX_PACKETS || !self.is_at(place, timestamp) {
            return Ok(());
        }
        let early = Duration::from_secs_f64(f64::from(offset) / f64::from(SAMPLE_RATE));
        let due = carrier.due.checked_sub(early).unwrap_or(carrier.due);
        let (encoding, payload) = (carrier.encoding, Arc::from(payload));
        self.packets.insert(place, BufferedPacket { due, timestamp, encoding, payload, copied: true });
        Ok(())
    }

    /// A packet, or a copy in it, was not what its headers say.
    pub(crate) fn malformed(&mut self) {
        self.counts.malformed += 1;
    }

    /// The packet with this number has this timestamp, as far as the one before it tells: behind a pause of the sender timestamps jump.
    fn is_at(&self, sequence: u64, timestamp: u32) -> bool {
        let waiting = self.packets.range(..sequence).next_back().map(|(before, packet)| (*before, packet.timestamp));
        waiting.or(self.last).is_some_and(|(before, then)| {
            let apart = (sequence - before).wrapping_mul(u64::from(self.length()));
            timestamp.wrapping_sub(then) == apart as u32
        })
    }

    /// Learns how late packets are; gives when this one was due.
    fn clock(&mut self, received: &ReceivedRtp) -> Instant {
        let Some(timing) = &mut self.timing else { return self.restart(received) };
        let ticks = i64::from(received.packet.timestamp.wrapping_sub(timing.timestamp).cast_signed());
        let due = ticks * 1_000_000 / i64::from(SAMPLE_RATE);
        let since = received.arrived.saturating_duration_since(timing.arrived).as_micros();
        let lateness = i64::try_from(since).unwrap_or(i64::MAX).saturating_sub(due);
        // A sender that begins again does so with a random timestamp (RFC 3550 section 5.1), which may also lie before the last.
        if lateness.abs_diff(timing.earliest) > JUMP_MICROS.unsigned_abs() {
            return self.restart(received);
        }
        // The worst lateness counts, not a mean: a packet that misses its turn is heard, one that waits is not.
        timing.earliest = timing.earliest.min(lateness);
        timing.late = (timing.late * (1.0 - FORGET)).max((lateness - timing.earliest) as f64);
        // The reference moves along with each packet, so that neither differences nor a drifting clock overflow in a long call.
        timing.earliest += ((lateness - timing.earliest) as f64 * FORGET) as i64;
        timing.earliest -= lateness;
        // RFC 3550 compares each packet with the one before, and the reference is the packet before.
        timing.jitter += (lateness.unsigned_abs() as f64 - timing.jitter) * JITTER;
        timing.arrived = received.arrived;
        timing.timestamp = received.packet.timestamp;
        let late = Duration::from_micros(timing.earliest.min(0).unsigned_abs());
        received.arrived.checked_sub(late).unwrap_or(received.arrived)
    }

    fn restart(&mut self, received: &ReceivedRtp) -> Instant {
        let (arrived, timestamp) = (received.arrived, received.packet.timestamp);
        self.timing = Some(Timing { arrived, timestamp, earliest: 0, late: 0.0, jitter: 0.0 });
        self.counts.discarded += self.packets.len() as u64;
        self.packets.clear();
        self.next = None;
        self.begun = false;
        self.made_up = 0;
        self.last = None;
        self.excess = 0.0;
        arrived
    }

    /// How much longer packets have waited lately than they should, in samples; negative if they come too late.
    #[must_use]
    pub(crate) fn excess(&self) -> f64 {
        self.excess
    }

    /// So many samples of what has waited too long were left out: what follows waits less.
    pub(crate) fn shortened(&mut self, samples: usize) {
        self.excess -= samples as f64;
    }

    /// The next packet is there, and none before it is missing.
    #[must_use]
    pub(crate) fn has_next(&self) -> bool {
        self.next.is_some_and(|next| self.packets.contains_key(&next))
    }

    /// Interarrival jitter (RFC 3550 section 6.4.1).
    #[must_use]
    pub(crate) fn jitter(&self) -> Duration {
        Duration::from_micros(self.timing.as_ref().map_or(0.0, |timing| timing.jitter) as u64)
    }

    /// How long packets should wait.
    #[must_use]
    pub(crate) fn delay(&self) -> Duration {
        let late = self.timing.as_ref().map_or(0.0, |timing| timing.late);
        let recovery = if self.lossy { FOR_RECOVERY } else { Duration::ZERO };
        (Duration::from_micros(late as u64) + MIN_DELAY + recovery).max(self.least).min(MAX_DELAY)
    }

    /// Pictures are shown so much later than their sound is played. Called once a second.
    pub(crate) fn pictures_behind(&mut self, behind: Duration) {
        if behind > BEHIND {
            self.least = (self.delay() + STEP).min(MAX_DELAY);
        } else if behind + AHEAD < BEHIND {
            self.least = self.least.saturating_sub(STEP);
        }
    }

    /// So many samples were made up because there was no packet.
    pub(crate) fn made_up(&mut self, samples: usize) {
        self.made_up += samples;
    }

    /// Nothing is made up any longer: the sender pauses, or the network is interrupted.
    pub(crate) fn pause(&mut self) {
        self.begun = false;
        self.made_up = 0;
    }

    /// What is to be played now, or, if some is decoded already, after so much time.
    pub(crate) fn take(&mut self, now: Instant, ahead: Duration) -> Playout {
        let Some((first, BufferedPacket { due, .. })) = self.packets.first_key_value() else { return Playout::Empty };
        let (first, due) = (*first, *due);
        if !self.begun {
            // The first packet waits for its delay, give or take half a frame; as many wait behind it then as their lateness asks for.
            if due + self.delay() + SPARE > now + FRAME_TIME / 2 {
                return Playout::Empty;
            }
            self.begun = true;
            self.skip_to(first);
        }
        let missing = first - self.next.unwrap_or(first);
        let left_out = self.left_out(missing, due, now + ahead);
        let passed = missing.min(left_out / u64::from(self.length()));
        self.skip_to(first - missing + passed);
        // Less than a packet of those that are missing, or what was made up for the first one.
        self.made_up = (left_out - passed * u64::from(self.length())) as usize;
        match missing - passed {
            0 => self.take_first(now + ahead),
            1 => self.take_lost(),
            _ => Playout::Empty,
        }
    }

    fn length(&self) -> u32 {
        self.length.unwrap_or(USUAL_LENGTH)
    }

    /// Packets before this one are lost.
    fn skip_to(&mut self, sequence: u64) {
        let lost = sequence - self.next.unwrap_or(sequence);
        self.counts.lost += lost;
        (0..lost.min(MAX_PACKETS as u64)).for_each(|_| self.learn_loss(1.0));
        self.next = Some(sequence);
    }

    fn learn_loss(&mut self, lost: f64) {
        self.loss += (lost - self.loss) * LOSS_SMOOTH;
        self.lossy = self.loss > if self.lossy { LOSSLESS } else { LOSSY };
    }

    /// How much longer than it should a packet waits that was due then and is played then, in samples.
    fn beyond(&self, due: Instant, play_at: Instant) -> f64 {
        let waited = play_at.saturating_duration_since(due).as_secs_f64();
        (waited - (self.delay() + SPARE).as_secs_f64()) * f64::from(SAMPLE_RATE)
    }

    /// How many samples of the `missing` packets, and of the first that is there, are not to be played: they were made up, or nothing is
    /// to wait for them.
    fn left_out(&self, missing: u64, due: Instant, play_at: Instant) -> u64 {
        let (gap, made_up) = (missing as f64 * f64::from(self.length()), self.made_up as f64);
        let beyond = gap - made_up + self.beyond(due, play_at);
        if beyond > TOO_LATE && gap > made_up {
            return (made_up + beyond).min(gap).round() as u64;
        }
        // If it should wait longer, what was made up makes the time for that.
        (made_up + beyond.min(0.0)).round() as u64 // Not below zero.
    }

    fn take_lost(&mut self) -> Playout {
        let made_up = std::mem::take(&mut self.made_up);
        self.skip_to(self.next.map_or(0, |next| next + 1));
        let (_, following) = self.packets.first_key_value().expect("the packet behind it is there");
        let timestamp = following.timestamp.wrapping_sub(self.length());
        Playout::Lost { timestamp, encoding: following.encoding, following: following.payload.clone(), made_up }
    }

    fn take_first(&mut self, play_at: Instant) -> Playout {
        let (sequence, packet) = self.packets.pop_first().expect("the caller has seen it");
        let BufferedPacket { due, timestamp, encoding, payload, copied } = packet;
        self.learn_length(sequence, timestamp);
        self.learn_loss(f64::from(u8::from(copied)));
        self.next = Some(sequence + 1);
        // Smoothed, or the jitter of single packets would be heard as a trembling pitch.
        self.excess += (self.beyond(due, play_at) - self.made_up as f64 - self.excess) * SMOOTH;
        // More than this packet may have been made up.
        let made_up = self.made_up.min(self.length() as usize);
        self.made_up -= made_up;
        self.catch_up();
        Playout::Packet { timestamp, encoding, payload, made_up }
    }

    fn learn_length(&mut self, sequence: u64, timestamp: u32) {
        let last = self.last.replace((sequence, timestamp)).filter(|(last, _)| last + 1 == sequence);
        let length = last.map(|(_, last)| timestamp.wrapping_sub(last));
        // Behind a pause of the sender the timestamp jumps.
        if let Some(length) = length.filter(|length| (1..=LONGEST).contains(length)) {
            self.length = Some(length);
        }
    }

    fn catch_up(&mut self) {
        let wait = usize::try_from(self.delay().as_millis() / FRAME_TIME.as_millis()).unwrap_or(MAX_PACKETS);
        self.full = if self.packets.len() > wait + SLACK { self.full + 1 } else { 0 };
        if self.full > PATIENCE {
            self.full = PATIENCE - 10; // Not again for 200 ms: several packets in a row would be heard as a jump.
            if let Some((sequence, _)) = self.packets.pop_first() {
                self.counts.skipped += 1;
                self.next = Some(sequence + 1);
            }
        }
    }

    /// What became of the packets so far.
    #[must_use]
    pub(crate) fn counts(&self) -> PacketCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_wait_for_pictures_that_are_much_later_and_no_longer_than_for_those() {
        let mut buffer = JitterBuffer::default();
        let delay = buffer.delay();
        buffer.pictures_behind(BEHIND);
        assert_eq!(buffer.delay(), delay);
        (0..20).for_each(|_| buffer.pictures_behind(ms(200)));
        assert_eq!(buffer.delay(), delay + 20 * STEP);
        buffer.pictures_behind(BEHIND - AHEAD);
        assert_eq!(buffer.delay(), delay + 20 * STEP);
        (0..200).for_each(|_| buffer.pictures_behind(ms(500)));
        assert_eq!(buffer.delay(), MAX_DELAY);
        (0..200).for_each(|_| buffer.pictures_behind(ms(0)));
        assert_eq!(buffer.delay(), delay);
    }

    fn packet(start: Instant, sequence: u64, arrives_after: Duration) -> ReceivedRtp {
        let timestamp = (sequence * 960) as u32; // RTP timestamps wrap.
        let packet = RtpPacket { timestamp, marker: false, payload: Arc::from(sequence.to_be_bytes().as_slice()) };
        ReceivedRtp {
            ssrc: 1,
            payload_type: 111,
            sequence,
            arrived: start + arrives_after,
            captured: None,
            turns: None,
            packet,
        }
    }

    fn at(frame: u64) -> Duration {
        FRAME_TIME * u32::try_from(frame).unwrap()
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Plays a stream whose packets arrive as `arrival` says, as the receiver does; how many frames of a kind came out.
    fn play(frames: u64, arrival: impl Fn(u64) -> Option<Duration>) -> (u64, u64, u64, JitterBuffer) {
        let start = Instant::now();
        let mut arrivals: Vec<(Duration, u64)> = (0..frames).filter_map(|n| Some((arrival(n)?, n))).collect();
        arrivals.sort();
        let mut arrivals = arrivals.into_iter().peekable();
        let (mut buffer, mut packets, mut lost, mut empty) = (JitterBuffer::default(), 0, 0, 0);
        let mut in_a_row = 0;
        for frame in 0..frames + 50 {
            while let Some((time, sequence)) = arrivals.next_if(|(time, _)| *time <= at(frame)) {
                buffer.insert(packet(start, sequence, time), AudioEncoding::Opus);
            }
            let taken = buffer.take(start + at(frame), Duration::ZERO);
            in_a_row = if taken == Playout::Empty { in_a_row + 1 } else { 0 };
            match taken {
                Playout::Packet { .. } => packets += 1,
                Playout::Lost { .. } => lost += 1,
                Playout::Empty if packets > 0 && in_a_row <= 5 => buffer.made_up(FRAME),
                Playout::Empty => buffer.pause(),
            }
            empty += u64::from(in_a_row > 0);
        }
        (packets, lost, empty, buffer)
    }

    /// A buffer from which packets 0 to 9 were played, each as soon as it should be; the next turn is that of packet 10.
    fn in_the_midst(start: Instant) -> JitterBuffer {
        let mut buffer = JitterBuffer::default();
        (0..10).for_each(|n| buffer.insert(packet(start, n, at(n)), AudioEncoding::Opus));
        for n in 0..10 {
            assert!(matches!(buffer.take(start + at(n) + ms(25), Duration::ZERO), Playout::Packet { made_up: 0, .. }));
        }
        buffer
    }

    #[test]
    fn a_steady_stream_is_played_without_a_gap_and_with_little_delay() {
        let (packets, lost, _, buffer) = play(500, |n| Some(at(n)));
        assert_eq!((packets, lost), (500, 0));
        assert_eq!(buffer.delay(), MIN_DELAY);
    }

    #[test]
    fn a_lost_packet_is_told_with_the_one_behind_it() {
        let (packets, lost, _, buffer) = play(500, |n| (n % 10 != 5).then(|| at(n) + at(n % 3)));
        // Until the unrest is known a few come too late.
        let counts = buffer.counts();
        assert_eq!((counts.received, counts.lost), (450, 50 + counts.discarded));
        assert_eq!(packets + counts.discarded + counts.skipped, 450);
        assert!(lost >= 45 && counts.discarded < 5, "{lost} {counts:?}");
    }

    #[test]
    fn what_was_made_up_of_a_lost_packet_is_left_out_of_its_copy() {
        let start = Instant::now();
        let mut buffer = in_the_midst(start);
        assert_eq!(buffer.take(start + at(10) + ms(25), Duration::ZERO), Playout::Empty);
        buffer.made_up(480);
        buffer.insert(packet(start, 11, at(11)), AudioEncoding::Opus);
        let taken = buffer.take(start + at(10) + ms(35), Duration::ZERO);
        assert!(matches!(taken, Playout::Lost { timestamp: 9_600, made_up: 480, .. }), "{taken:?}");
        let taken = buffer.take(start + at(11) + ms(25), Duration::ZERO);
        assert!(matches!(taken, Playout::Packet { timestamp: 10_560, made_up: 0, .. }), "{taken:?}");
    }

    #[test]
    fn a_lost_packet_that_was_made_up_as_a_whole_is_not_made_up_again() {
        let start = Instant::now();
        let mut buffer = in_the_midst(start);
        buffer.made_up(FRAME);
        buffer.insert(packet(start, 11, at(11)), AudioEncoding::Opus);
        let taken = buffer.take(start + at(11) + ms(25), Duration::ZERO);
        assert!(matches!(taken, Playout::Packet { timestamp: 10_560, made_up: 0, .. }), "{taken:?}");
        assert_eq!(buffer.counts().lost, 1);
    }

    #[test]
    fn what_was_made_up_for_a_late_packet_stays_as_far_as_packets_should_wait_longer() {
        let start = Instant::now();
        let mut buffer = in_the_midst(start);
        buffer.made_up(FRAME);
        // 32 ms late: they should wait for 32 + 25 ms from now on.
        buffer.insert(packet(start, 10, at(10) + ms(32)), AudioEncoding::Opus);
        let taken = buffer.take(start + at(10) + ms(45), Duration::ZERO);
        assert!(matches!(taken, Playout::Packet { made_up: 0, .. }), "{taken:?}");
        // 37 ms late: of what was made up 17 ms stay, so that it waits for 62 ms and not for 65.
        buffer.made_up(FRAME);
        buffer.insert(packet(start, 11, at(11) + ms(37)), AudioEncoding::Opus);
        let taken = buffer.take(start + at(11) + ms(65), Duration::ZERO);
        let Playout::Packet { made_up, .. } = taken else { panic!("{taken:?}") };
        assert!(made_up.abs_diff(3 * 48) < 10, "{made_up} samples");
    }

    #[test]
    fn of_a_burst_only_the_last_packet_has_a_copy_behind_it() {
        let start = Instant::now();
        let mut buffer = in_the_midst(start);
        buffer.insert(packet(start, 13, at(13)), AudioEncoding::Opus);
        let kinds = (0..4).map(|turn| match buffer.take(start + at(10 + turn) + ms(25), Duration::ZERO) {
            Playout::Empty => {
                buffer.made_up(FRAME);
                "made up"
            }
            Playout::Lost { .. } => "recovered",
            Playout::Packet { .. } => "played",
        });
        assert_eq!(kinds.collect::<Vec<_>>(), ["made up", "made up", "recovered", "played"]);
        assert_eq!(buffer.counts().lost, 3);
    }

    /// The packet with this number, which has a copy of the one so many before it.
    fn insert_with_copy(buffer: &mut JitterBuffer, start: Instant, sequence: u64, before: u64) -> Result<(), RedFault> {
        buffer.insert(packet(start, sequence, at(sequence)), AudioEncoding::Opus);
        buffer.insert_copy(sequence, before as u32 * 960, b"copy")
    }

    #[test]
    fn a_copy_takes_the_place_of_the_packet_that_is_lost_and_of_no_other() {
        let start = Instant::now();
        let mut buffer = in_the_midst(start);
        insert_with_copy(&mut buffer, start, 10, 1).unwrap();
        insert_with_copy(&mut buffer, start, 12, 1).unwrap();
        insert_with_copy(&mut buffer, start, 13, 1).unwrap();
        let played = (10..14).map(|turn| match buffer.take(start + at(turn) + ms(25), Duration::ZERO) {
            Playout::Packet { timestamp, payload, .. } => (timestamp / 960, *payload == *b"copy"),
            other => panic!("{other:?}"),
        });
        assert_eq!(played.collect::<Vec<_>>(), [(10, false), (11, true), (12, false), (13, false)]);
        assert_eq!((buffer.counts().lost, buffer.counts().discarded), (0, 0));
        assert!(buffer.loss > LOSS_SMOOTH / 2.0, "the packet was lost all the same: the next copy must be waited for");
    }

    #[test]
    fn a_packet_that_its_copy_has_overtaken_takes_its_place() {
        let start = Instant::now();
        let mut buffer = in_the_midst(start);
        insert_with_copy(&mut buffer, start, 11, 1).unwrap();
        buffer.insert(packet(start, 10, at(11)), AudioEncoding::Opus);
        let taken = buffer.take(start + at(10) + ms(25), Duration::ZERO);
        assert!(matches!(&taken, Playout::Packet { payload, .. } if **payload == 10u64.to_be_bytes()), "{taken:?}");
        assert_eq!(buffer.counts().discarded, 0);
    }

    #[test]
    fn a_copy_of_what_was_sent_before_a_pause_or_where_no_packet_began_is_not_played() {
        let start = Instant::now();
        let mut buffer = in_the_midst(start);
        // The sender paused for a second before packet 11, so packet 10 was sent long before it.
        let mut behind = packet(start, 11, at(61));
        behind.packet.timestamp = 61 * 960;
        buffer.insert(behind, AudioEncoding::Opus);
        assert_eq!(buffer.insert_copy(11, 960, b"copy"), Ok(()));
        assert_eq!(buffer.packets.len(), 1);
        for offset in [0, 1, 959, 961, 16_383] {
            assert_eq!(buffer.insert_copy(11, offset, b"copy"), Err(RedFault::NoPacket(offset)));
        }
        assert_eq!(buffer.insert_copy(11, 16_320, b"copy"), Ok(()), "it is too late, as most are");
        assert_eq!(buffer.packets.len(), 1);
    }

    #[test]
    fn while_packets_get_lost_they_wait_for_the_ones_behind_them() {
        let (_, _, _, buffer) = play(1_000, |n| (n % 50 != 49).then(|| at(n)));
        assert_eq!(buffer.delay(), MIN_DELAY + FOR_RECOVERY, "2 %");
        let (_, _, _, buffer) = play(1_000, |n| (n % 300 != 299).then(|| at(n)));
        assert_eq!(buffer.delay(), MIN_DELAY, "0.3 %");
        let (_, _, _, buffer) = play(2_000, |n| (n % 50 != 49 || n > 1_000).then(|| at(n)));
        assert_eq!(buffer.delay(), MIN_DELAY, "no longer any");
    }

    #[test]
    fn after_a_pause_of_the_sender_its_first_packet_waits_for_its_time() {
        let start = Instant::now();
        let mut buffer = in_the_midst(start);
        buffer.pause();
        let mut resumed = packet(start, 10, at(100));
        resumed.packet.timestamp = 100 * 960;
        buffer.insert(resumed, AudioEncoding::Opus);
        assert_eq!(buffer.take(start + at(100), Duration::ZERO), Playout::Empty);
        assert!(matches!(buffer.take(start + at(101), Duration::ZERO), Playout::Packet { .. }));
        assert_eq!(buffer.counts().lost, 0);
    }

    #[test]
    fn after_an_outage_sound_is_played_as_soon_as_it_comes() {
        for outage in [5, 50, 120, 1_500, 20_000] {
            let (packets, lost, empty, buffer) =
                play(outage + 1_000, |n| (n < 200 || n >= 200 + outage).then(|| at(n)));
            let counts = buffer.counts();
            assert!(packets >= 997, "{packets} of 1000 are played after {outage} lost ones: {counts:?}");
            assert!(lost + empty <= outage + 54, "{lost} and {empty} frames are made up for {outage}");
            assert_eq!(counts.lost, outage);
        }
    }

    #[test]
    fn the_wait_follows_the_unrest_and_packets_in_another_order_are_no_loss() {
        let (packets, lost, _, buffer) = play(2_000, |n| Some(at(n) + Duration::from_millis((n * 37) % 60)));
        assert!(lost < 20 && packets > 1_970, "{packets} {lost}");
        assert!(buffer.delay() > Duration::from_millis(50) && buffer.delay() < Duration::from_millis(100));
    }

    #[test]
    fn after_a_burst_the_delay_shrinks_again() {
        let hold = |n: u64| if (100..120).contains(&n) { at(120) } else { at(n) };
        let (packets, _, _, buffer) = play(6_000, |n| Some(hold(n)));
        assert!(buffer.counts().skipped > 10, "{:?}", buffer.counts());
        assert_eq!(packets + buffer.counts().skipped + buffer.counts().discarded, 6_000);
        assert!(buffer.delay() < Duration::from_millis(40), "{:?}", buffer.delay());
    }

    #[test]
    fn a_sender_whose_clock_runs_fast_does_not_pile_up() {
        let fast = |n: u64| Duration::from_micros(n * 19_980);
        let (_, lost, _, buffer) = play(100_000, |n| Some(fast(n)));
        assert_eq!(lost, 0);
        assert!(buffer.counts().skipped > 80 && buffer.packets.len() < 6, "{:?}", buffer.counts());
    }

    #[test]
    fn a_sender_that_starts_again_is_heard_at_once() {
        let start = Instant::now();
        let mut buffer = JitterBuffer::default();
        buffer.insert(packet(start, 1_000_000, Duration::ZERO), AudioEncoding::Opus);
        assert!(matches!(buffer.take(start + FRAME_TIME, Duration::ZERO), Playout::Packet { .. }));
        buffer.insert(packet(start, 5, at(2)), AudioEncoding::Opus);
        assert!(matches!(buffer.take(start + at(3), Duration::ZERO), Playout::Packet { .. }));
    }

    #[test]
    fn a_flood_is_kept_to_the_bound() {
        let start = Instant::now();
        let mut buffer = JitterBuffer::default();
        (0..10_000).for_each(|n| buffer.insert(packet(start, n, Duration::from_micros(n)), AudioEncoding::Opus));
        assert!(buffer.packets.len() <= MAX_PACKETS);
        buffer.insert(packet(start, u64::MAX >> 20, Duration::ZERO), AudioEncoding::Opus);
    }

    #[test]
    fn timestamps_that_wrap_at_2_to_the_32_cause_no_loss() {
        // At 2^31 the sign changes.
        for limit in [1u64 << 31, 1 << 32] {
            let (start, first) = (Instant::now(), limit / 960 - 100);
            let mut buffer = JitterBuffer::default();
            let mut played = 0;
            for frame in 0..200 {
                // Packets arrive swapped in pairs, also the two at the limit.
                buffer.insert(packet(start, first + (frame ^ 1), at(frame)), AudioEncoding::Opus);
                let taken = buffer.take(start + at(frame), Duration::ZERO);
                played += u64::from(matches!(taken, Playout::Packet { .. }));
            }
            assert_eq!(
                buffer.counts(),
                PacketCounts { received: 200, bytes: 1_600, ..PacketCounts::default() },
                "{limit}"
            );
            assert_eq!(played, 200 - buffer.packets.len() as u64, "{limit}");
            assert!(played >= 195, "{played} of 200, {limit}");
        }
    }
}
