//! Sent packets, kept for a peer that misses some of them (generic NACK, RFC 4585 section 6.2.1).
//!
//! How they are sent again, by RTX or as they were, is not decided here (`content_stream.rs`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::loss_reports::Repairs;
use crate::rtp::RtpPacket;

/// Packets kept of one stream: three seconds of video at 1 Mbit/s. No peer asks for older ones.
const KEPT: usize = 384;

/// How often a peer gets one packet again: as often as str0m asks. After that nobody waits for it.
const AGAIN: u8 = 5;

/// For so many packets sent, one may be sent again. A path that loses a quarter is beyond repair, and one that loses because it is too
/// narrow would only lose more.
const FOR_EACH: usize = 4;

/// Over so many packets it is counted how many are sent again: those of two seconds.
const COUNTED: f64 = 256.0;

/// On a path with a longer round trip a packet that is sent again is followed by a copy, for the case that it is lost again: the peer would
/// have to wait for another round trip. At 5 % loss the copies add 5 % of bits; parity packets with the same effect would add a quarter.
const LONG: Duration = Duration::from_millis(50);

/// How many may be sent again at once, after a time without losses.
const SAVED: usize = 24;

/// Between two resends of one packet: peers ask again before the first can have arrived.
const PAUSE: Duration = Duration::from_millis(20);

/// A packet as one peer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SequencedPacket {
    pub(super) ssrc: u32,
    pub(super) sequence: u64,
    pub(super) payload_type: u8,
    pub(super) captured: Instant,
    pub(super) packet: RtpPacket,
}

/// A peer that misses much says so by NACK long before its next report. If more than a quarter of the packets of this time are missing,
/// and they are not too few to judge, that is reported as congestion at once.
const WINDOW: Duration = Duration::from_millis(400);
const MANY: f32 = 0.25;
const FEW: usize = 12;

/// A NACK that comes so much later than the round trip was behind a queue. Without one the path is not too narrow but bad, as Wi-Fi is, and
/// would lose as much of less. Peers wait up to 100 ms for a packet that was only overtaken; home routers hold 300 ms and more.
const QUEUED: Duration = Duration::from_millis(150);

/// A path may become longer, when a phone leaves its Wi-Fi: a shorter round trip of before counts for so long. No queue stands longer, because the
/// estimate by delay empties it.
const LATELY: Duration = Duration::from_secs(10);

/// For so long the peer's reports still include what was reported as congestion already.
const REPORTS: Duration = Duration::from_secs(2);

/// The packets of one stream that were sent last.
#[derive(Default)]
pub(super) struct SentPackets {
    packets: VecDeque<Kept>,
    /// Copies that leave with the next packets, so that they are not lost by the same burst.
    copies: Vec<SequencedPacket>,
    /// How many may be sent again, in parts of [`FOR_EACH`].
    credit: usize,
    /// How many were asked for, and sent again, in all.
    repairs: Repairs,
    /// How many were sent again lately, copies among them, for each packet that was new.
    again: f64,
    /// When congestion was reported last.
    congestion_at: Option<Instant>,
    /// The shortest round trip that was measured lately, and when: without a queue.
    round_trip: Option<(Instant, Duration)>,
}

struct Kept {
    numbered: SequencedPacket,
    first: Instant,
    last: Instant,
    again: u8,
    missed: bool,
}

impl SentPackets {
    /// A packet was sent.
    pub(super) fn sent(&mut self, now: Instant, numbered: SequencedPacket) {
        if self.packets.len() == KEPT {
            self.packets.pop_front();
        }
        // Credit that is saved without a bound would let minutes without a loss end in a burst.
        self.credit = (self.credit + 1).min(SAVED * FOR_EACH);
        self.again -= self.again / COUNTED;
        self.packets.push_back(Kept { numbered, first: now, last: now, again: 0, missed: false });
    }

    /// A peer misses this packet, given by the lower half of its number. The share of what it misses, if that is congestion that was not
    /// reported yet.
    pub(super) fn nacked(&mut self, now: Instant, number: u16, round_trip: Option<Duration>) -> Option<f32> {
        self.measured(now, round_trip);
        let without_queue = self.without_queue() + QUEUED;
        let kept = self.packets.iter_mut().rfind(|kept| kept.numbered.sequence as u16 == number)?;
        // Asked for a second time it says nothing new, and the time since it was sent shows no queue.
        if std::mem::replace(&mut kept.missed, true) {
            return None;
        }
        self.repairs.asked = self.repairs.asked.wrapping_add(1);
        let (missed_at, sequence) = (kept.first, kept.numbered.sequence);
        if now.saturating_duration_since(missed_at) < without_queue {
            return None;
        }
        // Of the packets behind it nothing is known yet.
        let looked_at = |kept: &&Kept| {
            kept.numbered.sequence <= sequence && missed_at.saturating_duration_since(kept.first) <= WINDOW
        };
        let (mut all, mut missed) = (0, 0);
        for kept in self.packets.iter().filter(looked_at) {
            all += 1;
            missed += usize::from(kept.missed);
        }
        // Of a handful of packets two may be lost on any path.
        let share = missed as f32 / all as f32;
        if all < FEW || share <= MANY {
            return None;
        }
        self.congestion_at = Some(now);
        // The rest left before the sender could react. Sent again it would only lengthen the queue, and a key frame follows anyway.
        self.packets.clear();
        self.copies.clear();
        Some(share)
    }

    fn measured(&mut self, now: Instant, round_trip: Option<Duration>) {
        let Some(round_trip) = round_trip else { return };
        let lasts = |(at, shortest): &(Instant, Duration)| {
            *shortest < round_trip && now.saturating_duration_since(*at) < LATELY
        };
        self.round_trip = self.round_trip.filter(lasts).or(Some((now, round_trip)));
    }

    fn without_queue(&self) -> Duration {
        self.round_trip.map(|(_, shortest)| shortest).unwrap_or_default()
    }

    /// Congestion was reported so lately that the peer's next report is about the same losses.
    pub(super) fn reported_congestion_lately(&self, now: Instant) -> bool {
        self.congestion_at.is_some_and(|at| now.saturating_duration_since(at) < REPORTS)
    }

    /// The packet that a peer misses, given by the lower half of its number; `None` if it is not sent again.
    pub(super) fn resend(&mut self, now: Instant, number: u16) -> Option<SequencedPacket> {
        let round_trip = self.without_queue();
        // From the newest back: of two packets 65,536 apart the peer can only mean the later.
        let kept = self.packets.iter_mut().rfind(|kept| kept.numbered.sequence as u16 == number)?;
        if self.credit < FOR_EACH || kept.again == AGAIN || now.saturating_duration_since(kept.last) < PAUSE {
            return None;
        }
        // Behind a queue a copy would only lengthen it.
        let queued = now.saturating_duration_since(kept.last) >= round_trip + QUEUED;
        self.credit -= FOR_EACH;
        if kept.again == 0 {
            self.repairs.sent = self.repairs.sent.wrapping_add(1);
        }
        kept.again += 1;
        kept.last = now;
        let numbered = kept.numbered.clone();
        self.again += 1.0 / COUNTED;
        if round_trip > LONG && !queued {
            self.again += 1.0 / COUNTED;
            self.copies.push(numbered.clone());
        }
        Some(numbered)
    }

    /// Of so many bits that a path carries these are left for what is new.
    pub(super) fn left_of(&self, bits: u32) -> u32 {
        (f64::from(bits) / (1.0 + self.again)) as u32
    }

    /// How many packets were asked for and sent again, each counted once.
    pub(super) fn repairs(&self) -> Repairs {
        self.repairs
    }

    /// Copies that leave before the next packets.
    pub(super) fn copies(&mut self) -> Vec<SequencedPacket> {
        std::mem::take(&mut self.copies)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn numbered(captured: Instant, sequence: u64) -> SequencedPacket {
        let packet = RtpPacket { timestamp: 1, marker: true, payload: Arc::from(&b"video frame"[..]) };
        SequencedPacket { ssrc: 1, sequence, payload_type: 98, captured, packet }
    }

    #[test]
    fn what_was_sent_lately_is_sent_again_but_not_without_end() {
        let (mut sent, begun) = (SentPackets::default(), Instant::now());
        (65_000..66_000).for_each(|number| sent.sent(begun, numbered(begun, number)));
        assert_eq!(sent.packets.len(), KEPT);
        assert_eq!(sent.resend(begun, 65_000), None, "too old");
        assert_eq!(sent.resend(begun, 463), None, "it was sent just now");
        assert_eq!(sent.resend(begun + PAUSE, 463), Some(numbered(begun, 65_999)), "beyond the wrap");
        assert_eq!(sent.resend(begun + PAUSE, 463), None);
        let again = (0..10).filter(|turn| sent.resend(begun + PAUSE * (turn + 2), 463).is_some()).count();
        assert_eq!(again, usize::from(AGAIN) - 1);
    }

    #[test]
    fn on_a_long_path_what_is_sent_again_is_followed_by_a_copy_unless_there_is_a_queue() {
        let copies = |round_trip: u64, waited: u64| {
            let (mut sent, begun) = (SentPackets::default(), Instant::now());
            (0..100).for_each(|number| sent.sent(begun, numbered(begun, number)));
            let now = begun + Duration::from_millis(waited);
            assert_eq!(sent.nacked(now, 50, Some(Duration::from_millis(round_trip))), None);
            assert_eq!(sent.resend(now, 50), Some(numbered(begun, 50)));
            let copies = sent.copies();
            assert!(copies.iter().all(|copy| *copy == numbered(begun, 50)) && sent.copies().is_empty());
            copies.len()
        };
        assert_eq!([copies(40, 50), copies(200, 250), copies(200, 400)], [0, 1, 0]);
    }

    #[test]
    fn what_is_sent_again_leaves_less_of_the_bandwidth_for_what_is_new() {
        let (mut sent, begun) = (SentPackets::default(), Instant::now());
        assert_eq!(sent.left_of(1_000_000), 1_000_000);
        for number in 0..2_000u64 {
            let now = begun + Duration::from_millis(6) * number as u32;
            sent.sent(now, numbered(begun, number));
            if number % 10 == 9 {
                assert!(sent.resend(now + PAUSE, number as u16).is_some());
            }
        }
        assert!(sent.left_of(1_000_000).abs_diff(909_000) < 5_000, "one in ten: {}", sent.left_of(1_000_000));
    }

    #[test]
    fn a_path_that_became_longer_is_no_queue_for_more_than_ten_seconds() {
        let (mut sent, begun) = (SentPackets::default(), Instant::now());
        let ms = Duration::from_millis;
        for (at, measured, expected) in
            [(0, 80, 80), (100, 40, 40), (9_000, 300, 40), (10_100, 300, 300), (10_200, 60, 60)]
        {
            sent.measured(begun + ms(at), Some(ms(measured)));
            assert_eq!(sent.without_queue(), ms(expected), "after {at} ms");
        }
    }

    #[test]
    fn who_misses_much_of_what_left_lately_is_noticed_at_once_and_once() {
        let (mut sent, begun) = (SentPackets::default(), Instant::now());
        let at = |number: u64| begun + Duration::from_millis(10) * number as u32;
        (0..100).for_each(|number| sent.sent(at(number), numbered(begun, number)));
        let missed = |sent: &mut SentPackets, numbers: &[u16]| {
            let told: Vec<f32> = numbers.iter().filter_map(|number| sent.nacked(at(100), *number, None)).collect();
            told.into_iter().map(|share| (share * 100.0).round()).collect::<Vec<_>>()
        };
        assert_eq!(missed(&mut sent, &[20, 30, 40, 50]), [0.0; 0], "a little is lost on any path");
        assert!(!sent.reported_congestion_lately(at(100)));
        let half: Vec<u16> = (60..90).step_by(2).collect();
        assert_eq!(missed(&mut sent, &half), [27.0], "of the 41 up to the ninth of these");
        assert!(sent.reported_congestion_lately(at(100)) && !sent.reported_congestion_lately(at(400)));
        assert_eq!(sent.resend(at(101), 88), None, "it would only lengthen the queue");
        (100..120).for_each(|number| sent.sent(at(number), numbered(begun, number)));
        assert_eq!(missed(&mut sent, &[100, 101, 102]), [0.0; 0], "of too few nothing is known");
    }

    #[test]
    fn not_more_is_sent_again_than_a_path_can_bear() {
        let (mut sent, begun) = (SentPackets::default(), Instant::now());
        (0..300).for_each(|number| sent.sent(begun, numbered(begun, number)));
        let again = (0..300).filter(|number| sent.resend(begun + PAUSE, *number).is_some()).count();
        assert_eq!(again, SAVED);
        (300..320).for_each(|number| sent.sent(begun, numbered(begun, number)));
        let again = (0..300).filter(|number| sent.resend(begun + 2 * PAUSE, *number).is_some()).count();
        assert_eq!(again, 20 / FOR_EACH);
    }

    #[test]
    fn a_nack_for_a_number_not_sent_yet_resends_nothing_and_counts_as_no_loss() {
        let (mut sent, begun) = (SentPackets::default(), Instant::now());
        (65_530..65_542).for_each(|number| sent.sent(begun, numbered(begun, number)));
        for number in [6, 7, 1_000, 32_000, 65_529] {
            assert_eq!(sent.resend(begun + PAUSE, number), None, "{number}");
        }
        assert_eq!(sent.resend(begun + PAUSE, 5), Some(numbered(begun, 65_541)), "the newest packet itself");
        // Three of twelve are not too many, four are.
        let missed = [65_530, 65_531, 65_532, 6].map(|number| sent.nacked(begun + QUEUED, number, None));
        assert_eq!(missed, [None; 4]);
        assert!(sent.nacked(begun + QUEUED, 5, None).is_some());
    }
}
