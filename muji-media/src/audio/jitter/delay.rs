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
