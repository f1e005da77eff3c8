//! One stream of the peer: its sequence numbers, its jitter, and what is missing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use rtcp::reception_report::ReceptionReport;
use webrtc_srtp::context::Context;

use crate::transport::interface::captured;

/// Numbers asked for again: what is older than so many is not missed any more, and a jump beyond is no loss.
const MISSED: u64 = 256;

/// A number is asked for again when the answer should have come: after a round trip and so much more, or, as long as none was measured, after
/// the usual one; but not more often than senders look. As str0m does.
const MARGIN: Duration = Duration::from_millis(5);
const USUAL_ROUND_TRIP: Duration = Duration::from_millis(100);
const LEAST: Duration = Duration::from_millis(40);

/// How often a number is asked for: after that nobody waits for it.
const TIMES: u8 = 5;

/// What comes by one SSRC of the peer.
pub(super) struct Incoming {
    pub(super) stream: usize,
    /// Decrypts it. Each SSRC has its own, because a context of webrtc-srtp never forgets one.
    pub(super) cipher: Context,
    /// The highest number, extended beyond 16 bits, and the first.
    pub(super) highest: Option<u64>,
    first: u64,
    packets: u64,
    /// Of the last report: what was expected until then, and what had come.
    reported: (u64, u64),
    /// RFC 3550 section 6.4.1, in ticks.
    jitter: f64,
    transit: Option<f64>,
    /// The last sender report: its time, its timestamp, and when it came.
    pub(super) sender_report: Option<(SystemTime, u32, u32, Instant)>,
    /// Numbers that did not come: when they were asked for last, and how often.
    missed: BTreeMap<u64, (Instant, u8)>,
}

impl Incoming {
    pub(super) fn new(stream: usize, cipher: Context) -> Self {
        Self {
            stream,
            cipher,
            highest: None,
            first: 0,
            packets: 0,
            reported: (0, 0),
            jitter: 0.0,
            transit: None,
            sender_report: None,
            missed: BTreeMap::new(),
        }
    }

    /// The number of a packet beyond 16 bits; `nack` if what is missing before it is asked for.
    pub(super) fn number(&mut self, now: Instant, number: u16, nack: bool) -> u64 {
        self.packets += 1;
        let Some(highest) = self.highest else {
            // Room for what comes before it.
            let first = u64::from(number) + (1 << 16);
            self.highest = Some(first);
            self.first = first;
            return first;
        };
        let ahead = number.wrapping_sub(highest as u16).cast_signed();
        let sequence = highest.saturating_add_signed(i64::from(ahead));
        if sequence <= highest {
            self.missed.remove(&sequence);
            return sequence;
        }
        if nack && sequence - highest <= MISSED {
            self.missed.extend((highest + 1..sequence).map(|missed| (missed, (now, 0))));
        }
        self.missed.retain(|missed, _| missed + MISSED > sequence);
        self.highest = Some(sequence);
        sequence
    }

    /// What to ask for now.
    pub(super) fn ask(&mut self, now: Instant, round_trip: Option<Duration>) -> Vec<u16> {
        let again = (round_trip.unwrap_or(USUAL_ROUND_TRIP) + MARGIN).max(LEAST);
        self.missed.retain(|_, (_, asked)| *asked < TIMES);
        let due = self.missed.iter_mut().filter(|(_, (at, _))| *at <= now);
        let ask = due.map(|(number, (at, asked))| {
            *at = now + again;
            *asked += 1;
            *number as u16
        });
        ask.collect()
    }

    pub(super) fn asks_at(&self) -> Option<Instant> {
        self.missed.values().map(|(at, _)| *at).min()
    }

    pub(super) fn measure(&mut self, arrived: f64, timestamp: u32) {
        // Timestamps wrap; so do their differences, which are what counts.
        let transit = arrived - f64::from(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let apart = (transit - before).abs();
            if apart < f64::from(u32::MAX / 2) {
                self.jitter += (apart - self.jitter) / 16.0;
            }
        }
    }

    /// When a packet was captured, by what the sender reported last (RFC 3550 section 6.4.1).
    pub(super) fn captured(&self, timestamp: u32, clock_rate: u32) -> Option<SystemTime> {
        let (sender_report, at, ..) = self.sender_report?;
        captured(sender_report, timestamp.wrapping_sub(at).cast_signed(), clock_rate)
    }

    pub(super) fn account(&mut self, now: Instant, ssrc: u32) -> ReceptionReport {
        let highest = self.highest.unwrap_or(self.first);
        let expected = highest - self.first + 1;
        let (expected_before, came_before) = std::mem::replace(&mut self.reported, (expected, self.packets));
        let lately = expected - expected_before;
        let lost = lately.saturating_sub(self.packets - came_before);
        let (last_sender_report, delay) = match self.sender_report {
            Some((_, _, middle, at)) => (middle, (now.saturating_duration_since(at).as_secs_f64() * 65_536.0) as u32),
            None => (0, 0),
        };
        ReceptionReport {
            ssrc,
            fraction_lost: (lost * 256).checked_div(lately).unwrap_or_default().min(255) as u8,
            total_lost: expected.saturating_sub(self.packets).min(0x7F_FFFF) as u32,
            last_sequence_number: highest.wrapping_sub(1 << 16) as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay,
        }
    }
}
