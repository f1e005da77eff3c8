//! How late the packets of a stream are.

use std::time::{Duration, Instant};

use crate::audio::frame::SAMPLE_RATE;
use crate::rtp::ReceivedRtp;

/// By this share lateness is forgotten with each packet: half of it in seven seconds. Faster, the delay would shrink between two bursts,
/// and each would be heard; slower, one burst would delay a call for long.
const FORGET: f64 = 0.002;
/// A packet this far from its time begins a new stream: the sender started again with another timestamp.
const JUMP_MICROS: i64 = 5_000_000;
/// The weight of a packet in the interarrival jitter (RFC 3550 section 6.4.1).
const JITTER: f64 = 1.0 / 16.0;

/// The arrival of one packet, and how late those before it were.
#[derive(Debug)]
pub(super) struct Timing {
    arrived: Instant,
    timestamp: u32,
    /// The lateness of the earliest packet, in microseconds relative to the reference.
    earliest: i64,
    /// How late packets have been lately at worst, in microseconds after the earliest.
    late: f64,
    /// Interarrival jitter in microseconds (RFC 3550 section 6.4.1).
    jitter: f64,
}

impl Timing {
    /// A stream begins with this packet.
    pub(super) fn begin(received: &ReceivedRtp) -> Self {
        let (arrived, timestamp) = (received.arrived, received.packet.timestamp);
        Self { arrived, timestamp, earliest: 0, late: 0.0, jitter: 0.0 }
    }

    /// Learns from one more packet; gives when it would have come if it were as early as the earliest. `None` if a new stream begins with it.
    pub(super) fn packet(&mut self, received: &ReceivedRtp) -> Option<Instant> {
        let ticks = i64::from(received.packet.timestamp.wrapping_sub(self.timestamp).cast_signed());
        let due = ticks * 1_000_000 / i64::from(SAMPLE_RATE);
        let since = received.arrived.saturating_duration_since(self.arrived).as_micros();
        let lateness = i64::try_from(since).unwrap_or(i64::MAX).saturating_sub(due);
        // A sender that begins again does so with a random timestamp (RFC 3550 section 5.1), which may also lie before the last.
        if lateness.abs_diff(self.earliest) > JUMP_MICROS.unsigned_abs() {
            return None;
        }
        // The worst lateness counts, not a mean: a packet that misses its turn is heard, one that waits is not.
        self.earliest = self.earliest.min(lateness);
        self.late = (self.late * (1.0 - FORGET)).max((lateness - self.earliest) as f64);
        // The reference moves along with each packet, so that neither differences nor a drifting clock overflow in a long call.
        self.earliest += ((lateness - self.earliest) as f64 * FORGET) as i64;
        self.earliest -= lateness;
        // RFC 3550 compares each packet with the one before, and the reference is the packet before.
        self.jitter += (lateness.unsigned_abs() as f64 - self.jitter) * JITTER;
        self.arrived = received.arrived;
        self.timestamp = received.packet.timestamp;
        let late = Duration::from_micros(self.earliest.min(0).unsigned_abs());
        Some(received.arrived.checked_sub(late).unwrap_or(received.arrived))
    }

    /// How late packets have been lately at worst.
    pub(super) fn late(&self) -> Duration {
        Duration::from_micros(self.late as u64)
    }

    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub(super) fn jitter(&self) -> Duration {
        Duration::from_micros(self.jitter as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rtp::RtpPacket;

    fn packet(arrived: Instant, timestamp: u32) -> ReceivedRtp {
        let packet = RtpPacket { timestamp, marker: false, payload: Arc::from([]) };
        ReceivedRtp { ssrc: 1, payload_type: 111, sequence: 0, arrived, captured: None, turns: None, packet }
    }

    #[test]
    fn lateness_and_jitter_are_measured_against_the_earliest_packet_and_the_one_before() {
        let start = Instant::now();
        let mut timing = Timing::begin(&packet(start, 0));
        let mut arrives = |millis: u64, frame: u32| {
            let arrived = start + Duration::from_millis(millis);
            let due = timing.packet(&packet(arrived, frame * 960)).expect("it is the same stream");
            [arrived - due, timing.late(), timing.jitter()].map(|time| time.as_micros())
        };
        assert_eq!(arrives(20, 1), [0, 0, 0], "in time");
        assert_eq!(arrives(56, 2), [15_968, 16_000, 1_000], "16 ms late, of which 0.2 % are forgotten");
        assert_eq!(arrives(60, 3), [0, 15_968, 1_937], "16 ms less than the one before");
        assert_eq!(arrives(70, 4), [0, 15_936, 2_441], "10 ms before its time: the earliest so far");
        assert_eq!(arrives(100, 5), [9_980, 15_904, 2_913], "as late as the first again");
    }

    #[test]
    fn more_than_five_seconds_from_its_time_a_packet_begins_a_new_stream() {
        let start = Instant::now();
        let five = 5 * SAMPLE_RATE;
        let before = 0_u32.wrapping_sub(five);
        for (timestamp, is_same) in [(five, true), (five + 1, false), (before, true), (before - 1, false)] {
            let mut timing = Timing::begin(&packet(start, 0));
            assert_eq!(timing.packet(&packet(start, timestamp)).is_some(), is_same, "{timestamp}");
        }
        let mut timing = Timing::begin(&packet(start, 0));
        assert_eq!(timing.packet(&packet(start + Duration::from_millis(5_001), 0)), None);
    }
}
