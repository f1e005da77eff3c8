//! What a peer's reports say of the packets that it misses (RFC 3550 section 6.4.1), weighed by how many packets they are about.

use std::time::{Duration, Instant};

/// Reports are added up until they are about so much time. RTCP asks for one about each second; but a peer that may not send a NACK alone
/// (RFC 5506) sends a report with each. At 2 % random loss those of Chromium are about a handful of packets each, of which it has just
/// missed one: taken for a second's they say 20 %.
const INTERVAL: Duration = Duration::from_millis(900);

/// And about so many packets, as in libwebrtc: of fewer one is already more than 5 %.
const FEW: u32 = 20;

/// What the reports about one stream have said.
#[derive(Debug, Default)]
pub(super) struct LossReports {
    counted_at: Option<Instant>,
    /// Up to this one packets are counted. Our sequence numbers start at 1.
    highest: u32,
    /// How many were missing in all.
    lost: i32,
    /// What was repaired until then.
    repairs: Repairs,
}

/// Packets that a peer has asked for in all, each once, and those of them that were sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Repairs {
    pub(super) asked: u32,
    pub(super) sent: u32,
}

impl LossReports {
    /// A report came: the extended highest sequence number, and the cumulative number of packets lost, in 24 bits. The share that was lost
    /// since the last share was given, if there is enough to tell it.
    ///
    /// What was lost and came when it was sent again is not lost. libwebrtc counts so too, except for RTX: what comes again by it stays
    /// lost. At 10 % random loss such reports would lower the bit rate again and again, although nothing is missing.
    pub(super) fn reported(
        &mut self,
        now: Instant,
        highest: u32,
        lost: u32,
        repairs: Repairs,
        by_rtx: bool,
    ) -> Option<f32> {
        // Signed: a packet that comes twice counts as one that is lost less.
        let lost = (lost << 8).cast_signed() >> 8;
        let expected = highest.wrapping_sub(self.highest);
        // Of a report that another has overtaken, or of a receiver that has started again, only the next can be compared.
        let went_back = expected.cast_signed() < 0;
        let early = expected < FEW || self.counted_at.is_some_and(|at| now.saturating_duration_since(at) < INTERVAL);
        if early && !went_back {
            return None;
        }
        let share = (lost.wrapping_sub(self.lost).max(0) as f32 / expected as f32).min(1.0);
        // Of what was sent again as much is lost.
        let sent_again = repairs.sent.wrapping_sub(self.repairs.sent) as f32 / expected as f32;
        let repaired = if by_rtx && counts_repaired(lost, repairs) { sent_again * (1.0 - share) } else { 0.0 };
        *self = Self { counted_at: Some(now), highest, lost, repairs };
        (!went_back).then(|| (share - repaired).max(0.0))
    }
}

/// Whether a peer counts as lost what came again by RTX: of what it has asked for more than half is lost for good, as it says.
fn counts_repaired(lost: i32, Repairs { asked, .. }: Repairs) -> bool {
    i64::from(lost) * 2 > i64::from(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Repairs = Repairs { asked: 0, sent: 0 };

    fn after(start: Instant, ms: u32) -> Instant {
        start + Duration::from_millis(ms.into())
    }

    #[test]
    fn a_report_with_each_nack_counts_by_the_packets_it_is_about() {
        let (mut reports, start, mut lost) = (LossReports::default(), Instant::now(), 0);
        let mut shares = Vec::new();
        // A hundred packets a second, of which each 50th is lost; it is reported at once and comes again 60 ms later.
        for number in 1..=1_000 {
            let now = after(start, number * 10);
            if number % 50 == 0 {
                lost += 1;
                shares.extend(reports.reported(now, number, lost, NONE, false));
            } else if number % 50 == 6 && number > 50 {
                lost -= 1;
            } else if number % 100 == 30 {
                shares.extend(reports.reported(now, number, lost, NONE, false));
            }
        }
        assert!(shares.len() >= 8 && shares.iter().all(|share| *share < 0.02), "{shares:?}");
    }

    /// The shares told while one in ten packets is lost and sent again by RTX, of which as many are lost; `counts` if the peer counts all
    /// of them as lost.
    fn shares_with_rtx(counts: bool) -> Vec<f32> {
        let (mut reports, start, mut repairs, mut lost) =
            (LossReports::default(), Instant::now(), Repairs::default(), 0);
        let told = (1..=2_000).filter_map(|number| {
            if number % 10 == 0 {
                repairs.asked += 1;
                repairs.sent += 1;
                lost += u32::from(counts || number % 100 == 0);
            }
            let due = number % 100 == 50;
            due.then(|| reports.reported(after(start, number * 10), number, lost, repairs, true)).flatten()
        });
        told.skip(1).collect()
    }

    #[test]
    fn what_comes_again_by_rtx_is_not_lost_whether_the_peer_counts_it_so_or_not() {
        for counts in [true, false] {
            let shares = shares_with_rtx(counts);
            assert!(shares.len() >= 15 && shares.iter().all(|share| (share - 0.01).abs() < 0.005), "{shares:?}");
        }
    }

    #[test]
    fn what_is_lost_for_good_is_told_about_each_second() {
        let (mut reports, start) = (LossReports::default(), Instant::now());
        let told = (1..=8).map(|half| reports.reported(after(start, half * 500), half * 50, half * 10, NONE, false));
        assert_eq!(told.collect::<Vec<_>>(), [Some(0.2), None, Some(0.2), None, Some(0.2), None, Some(0.2), None]);
    }

    #[test]
    fn a_receiver_that_starts_again_or_a_report_that_comes_late_says_nothing() {
        let (mut reports, start) = (LossReports::default(), Instant::now());
        assert_eq!(reports.reported(after(start, 0), 1_000, 100, NONE, false), Some(0.1));
        assert_eq!(reports.reported(after(start, 1_000), 950, 90, NONE, false), None);
        assert_eq!(reports.reported(after(start, 2_000), 1_050, 90, NONE, false), Some(0.0));
        assert_eq!(
            reports.reported(after(start, 3_000), 1_150, 0xFF_FFFF, NONE, false),
            Some(0.0),
            "minus one: packets came twice"
        );
        assert_eq!(reports.reported(after(start, 4_000), 1_160, 9, NONE, false), None, "too few");
    }
}
