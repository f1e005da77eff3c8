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

mod delay;
#[cfg(test)]
mod tests;
mod timing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::frame::{FRAME, FRAME_TIME, SAMPLE_RATE};
use crate::codec::encoding::AudioEncoding;
use crate::codec::red::RedFault;
use crate::rtp::{ReceivedRtp, RtpPacket};
use crate::stats::PacketCounts;
use delay::PlayoutDelay;
use timing::Timing;

/// The size of the buffer: a second. More would only be discarded later.
const MAX_PACKETS: usize = 50;
/// For how many packets the buffer may be too full before one is left out: a second.
const PATIENCE: u32 = 50;
/// So many packets above the delay are not too many: resampling gets rid of them.
const SLACK: usize = 2;
/// Packets that would wait so much longer than they should, behind missing ones, come sooner: less is made up for those.
const TOO_LATE: f64 = 0.010 * SAMPLE_RATE as f64;
/// Samples of a packet before the first two have told: 20 ms, which nearly all senders make.
const USUAL_LENGTH: u32 = FRAME as u32;
/// The longest packet: 120 ms, as Opus has it.
const LONGEST: u32 = 6 * USUAL_LENGTH;
/// Packets should wait so much beyond the delay. With a sender whose clock runs slow a packet comes after its turn before resampling has
/// reacted; it can only be waited for while part of another is still to be played.
const SPARE: Duration = Duration::from_millis(5);
/// The weight of a packet in the measured excess: the mean over about a second.
const SMOOTH: f64 = 0.02;

/// What is to be played next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Playout {
    /// The next packet.
    Packet {
        /// The timestamp of its first sample, in samples at 48 kHz.
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
        /// The timestamp of the first sample of the lost one, in samples at 48 kHz.
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
    delay: PlayoutDelay,
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
        let due = self.timing.as_mut().and_then(|timing| timing.packet(&received));
        let due = due.unwrap_or_else(|| self.restart(&received));
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

    fn restart(&mut self, received: &ReceivedRtp) -> Instant {
        self.timing = Some(Timing::begin(received));
        self.counts.discarded += self.packets.len() as u64;
        self.packets.clear();
        self.next = None;
        self.begun = false;
        self.made_up = 0;
        self.last = None;
        self.excess = 0.0;
        received.arrived
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

    /// The timestamp of the next packet, if it is there.
    #[must_use]
    pub(crate) fn next_timestamp(&self) -> Option<u32> {
        Some(self.packets.get(&self.next?)?.timestamp)
    }

    /// Interarrival jitter (RFC 3550 section 6.4.1).
    #[must_use]
    pub(crate) fn jitter(&self) -> Duration {
        self.timing.as_ref().map_or(Duration::ZERO, Timing::jitter)
    }

    /// How long packets should wait.
    #[must_use]
    pub(crate) fn delay(&self) -> Duration {
        self.delay.of(self.timing.as_ref().map_or(Duration::ZERO, Timing::late))
    }

    /// Pictures are shown so much later than their sound is played. Called once a second.
    pub(crate) fn pictures_behind(&mut self, behind: Duration) {
        self.delay.pictures_behind(behind, self.delay());
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
        (0..lost.min(MAX_PACKETS as u64)).for_each(|_| self.delay.learn_loss(true));
        self.next = Some(sequence);
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
        self.delay.learn_loss(copied);
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
