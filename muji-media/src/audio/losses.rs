//! How much of our audio gets lost on its way: on the worst path, because it is encoded once for all peers.

use std::collections::BTreeMap;

use muji_jingle::TransportId;

/// Before any path has reported, which takes some seconds: what is lost of the first words can be recovered too.
const UNKNOWN: f32 = 0.10;

/// Less than this is no loss worth protecting against: the copies take their bits from the sound itself.
const LITTLE: f32 = 0.01;

/// With each report, each 1 to 5 s, what was lost before counts by so much less: losses come in bursts, and the next one is expected for a
/// while.
const FADING: f32 = 0.8;

/// What peers report of our audio.
#[derive(Debug, Default)]
pub(crate) struct Losses(BTreeMap<TransportId, f32>);

impl Losses {
    /// The other end of a path reports that this share was lost lately, 0 to 1.
    pub(crate) fn reported(&mut self, path: TransportId, share: f32) {
        let known = self.0.entry(path).or_default();
        *known = share.max(*known * FADING);
    }

    /// These paths are gone.
    pub(crate) fn forget(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.0.retain(|path, _| !gone(path));
    }

    /// The share that is to be expected on the worst path, 0 to 1.
    pub(crate) fn expected(&self) -> f32 {
        let worst = self.known().unwrap_or(UNKNOWN);
        if worst < LITTLE { 0.0 } else { worst.min(1.0) }
    }

    /// The share that was lost on the worst path, if any has reported.
    pub(crate) fn known(&self) -> Option<f32> {
        self.0.values().copied().reduce(f32::max)
    }
}

#[cfg(test)]
mod tests {
    use muji_core::SessionId;

    use super::*;

    fn path(session: u64) -> TransportId {
        TransportId { session: SessionId(session), index: 0 }
    }

    #[test]
    fn the_worst_path_counts_as_long_as_it_is_there() {
        let mut losses = Losses::default();
        assert_eq!(losses.expected(), UNKNOWN, "nothing is known");
        losses.reported(path(1), 0.0);
        assert_eq!(losses.expected(), 0.0);
        losses.reported(path(2), 0.2);
        losses.reported(path(1), 0.005);
        assert_eq!(losses.expected(), 0.2);
        losses.forget(|path| path.session == SessionId(2));
        assert_eq!(losses.expected(), 0.0, "half a percent is little");
    }

    #[test]
    fn a_loss_is_believed_at_once_and_forgotten_in_ten_reports() {
        let mut losses = Losses::default();
        losses.reported(path(1), 0.08);
        let expected: Vec<f32> = (0..11)
            .map(|_| {
                let expected = losses.expected();
                losses.reported(path(1), 0.0);
                expected
            })
            .collect();
        assert!(expected[0] == 0.08 && expected[9] > 0.0 && expected[10] == 0.0, "{expected:?}");
    }
}
