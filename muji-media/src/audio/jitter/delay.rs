//! How long packets should wait before they are played: as late as some have been lately, and no longer than that but for what is lost and for
//! the pictures.

use std::time::Duration;

use crate::audio::frame::FRAME_TIME;

/// The shortest delay: one packet, so that the usual jitter of the scheduler is not heard.
pub(super) const MIN_DELAY: Duration = FRAME_TIME;
/// The longest delay. ITU-T G.114 calls 400 ms one way the limit of a conversation.
pub(super) const MAX_DELAY: Duration = Duration::from_millis(400);
/// So much longer packets wait while some are lost: the packet behind a lost one, which may say what was in it, is then there in time.
/// Shorter by what [`MIN_DELAY`] and [`SPARE`](super::SPARE) have already.
pub(super) const FOR_RECOVERY: Duration = Duration::from_millis(13);
/// Loss of which more is waited for, and below which no longer.
const LOSSY: f64 = 0.01;
const LOSSLESS: f64 = 0.004;
/// The weight of a packet in the measured loss: the mean over about four seconds.
const LOSS_SMOOTH: f64 = 0.005;
/// Pictures may be shown so much later than their sound is played: ITU-R BT.1359 finds 90 ms acceptable.
pub(super) const BEHIND: Duration = Duration::from_millis(90);
/// If they are later, packets wait longer, and no longer when they are not: by so much with each report, one a second, which is how fast the
/// resampling follows. Below so much less than [`BEHIND`] they wait less again.
pub(super) const STEP: Duration = Duration::from_millis(5);
pub(super) const AHEAD: Duration = Duration::from_millis(20);

/// What makes packets wait longer than they are late.
#[derive(Debug, Default)]
pub(super) struct PlayoutDelay {
    /// The share of packets lost lately.
    loss: f64,
    /// Packets wait longer because of it.
    lossy: bool,
    /// The shortest delay, because of the pictures.
    least: Duration,
}

impl PlayoutDelay {
    /// How long packets should wait that have been so late lately at worst.
    pub(super) fn of(&self, late: Duration) -> Duration {
        let recovery = if self.lossy { FOR_RECOVERY } else { Duration::ZERO };
        (late + MIN_DELAY + recovery).max(self.least).min(MAX_DELAY)
    }

    /// A packet came in time, or not.
    pub(super) fn learn_loss(&mut self, lost: bool) {
        self.loss += (f64::from(u8::from(lost)) - self.loss) * LOSS_SMOOTH;
        self.lossy = self.loss > if self.lossy { LOSSLESS } else { LOSSY };
    }

    /// Pictures are shown so much later than their sound is played, while packets wait for so long. Called once a second.
    pub(super) fn pictures_behind(&mut self, behind: Duration, delay: Duration) {
        if behind > BEHIND {
            self.least = (delay + STEP).min(MAX_DELAY);
        } else if behind + AHEAD < BEHIND {
            self.least = self.least.saturating_sub(STEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn packets_wait_a_frame_longer_than_they_are_late_and_never_longer_than_people_can_talk_with() {
        let delay = PlayoutDelay::default();
        assert_eq!(delay.of(Duration::ZERO), ms(20));
        assert_eq!(delay.of(ms(100)), ms(120));
        assert_eq!(delay.of(ms(1_000)), ms(400));
    }

    #[test]
    fn the_third_loss_in_a_row_makes_packets_wait_longer_and_five_seconds_without_one_end_it() {
        let mut delay = PlayoutDelay::default();
        for wait in [20, 20, 33] {
            delay.learn_loss(true);
            assert_eq!(delay.of(Duration::ZERO), ms(wait));
        }
        // The mean falls from 1.49 % to 0.4 % in ln(0.4 / 1.49) / ln(0.995) packets.
        let until = (1..1_000).find(|_| {
            delay.learn_loss(false);
            delay.of(Duration::ZERO) == ms(20)
        });
        assert_eq!(until, Some(263));
    }

    #[test]
    fn pictures_that_are_late_are_waited_for_in_steps_and_a_little_late_is_as_it_should_be() {
        let mut delay = PlayoutDelay::default();
        let mut told = |behind| {
            delay.pictures_behind(ms(behind), ms(100));
            delay.of(Duration::ZERO)
        };
        assert_eq!(told(90), ms(20), "nobody sees that");
        assert_eq!(told(91), ms(105));
        assert_eq!(told(70), ms(105), "it would be too late again");
        assert_eq!(told(69), ms(100));
        assert_eq!(told(0), ms(95));
    }
}
