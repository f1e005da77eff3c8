//! Keys of telephones that a peer presses: each comes in many packets, and counts once (RFC 4733 section 2.5.2).

use std::time::{Duration, Instant};

use muji_xep::dtmf::Digit;

use crate::codec::telephone_event::read;
use crate::rtp::ReceivedRtp;

/// Between the beginnings of two keys: nobody presses faster, and a peer that sends more would only make work.
const SHORTEST: Duration = Duration::from_millis(40);

/// The keys of one content.
#[derive(Debug, Default)]
pub(crate) struct DigitListener {
    last: Option<Heard>,
}

/// The last key.
#[derive(Debug, Clone, Copy)]
struct Heard {
    ssrc: u32,
    /// When it was pressed, in ticks: all its packets have this.
    timestamp: u32,
    at: Instant,
}

impl DigitListener {
    /// The key that a packet begins; `None` if it continues one, or comes late.
    pub(crate) fn packet(&mut self, received: &ReceivedRtp) -> Option<Digit> {
        let digit = read(&received.packet.payload)?;
        let (ssrc, timestamp, at) = (received.ssrc, received.packet.timestamp, received.arrived);
        let is_new = self.last.is_none_or(|last| {
            let later = timestamp.wrapping_sub(last.timestamp).cast_signed() > 0;
            (last.ssrc != ssrc || later) && at >= last.at + SHORTEST
        });
        if !is_new {
            return None;
        }
        self.last = Some(Heard { ssrc, timestamp, at });
        Some(digit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rtp::RtpPacket;

    #[test]
    fn a_key_counts_once_however_many_packets_it_has_and_a_flood_is_kept_to_the_bound() {
        let (start, mut listener) = (Instant::now(), DigitListener::default());
        let mut packet = |ssrc: u32, timestamp: u32, event: u8, millis: u64| {
            let packet = RtpPacket { timestamp, marker: false, payload: Arc::from(&[event, 10, 0, 160][..]) };
            let arrived = start + Duration::from_millis(millis);
            let received =
                ReceivedRtp { ssrc, payload_type: 110, sequence: 1, arrived, captured: None, turns: None, packet };
            listener.packet(&received).map(Digit::key)
        };
        assert_eq!([0, 20, 40, 60].map(|millis| packet(1, 1_000, 5, millis)), [Some('5'), None, None, None]);
        assert_eq!(packet(1, 9_000, 5, 200), Some('5'), "again");
        assert_eq!(packet(1, 1_000, 5, 300), None, "late");
        assert_eq!(packet(2, 7, 11, 400), Some('#'), "another source");
        let flood = (0..1_000).filter(|number| packet(2, 100 + *number as u32, 1, 500 + number / 10).is_some());
        assert_eq!(flood.count(), 3, "in 100 ms");
        assert_eq!(packet(2, 9_000, 16, 900), None, "no key");
    }
}
