//! Keys of a telephone that come twice: a peer may send each as an event of RTP (RFC 4733) and by session-info (XEP-0181).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use muji_xep::dtmf::Digit;

/// Within this time the same key by the other way is the same press: an event of RTP begins with the press and takes one way through the
/// network, a session-info goes through two servers.
const SAME_PRESS: Duration = Duration::from_millis(400);

/// Keys that are kept to be compared. Nobody presses so many in that time.
const MAX_KEPT: usize = 16;

/// How a key came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Rtp,
    SessionInfo,
}

/// What was pressed lately and has come one way alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Digits(VecDeque<(Instant, Digit, Way)>);

impl Digits {
    /// True if this is another press than those that came before.
    pub(super) fn is_new(&mut self, now: Instant, digit: Digit, way: Way) -> bool {
        self.0.retain(|(at, ..)| *at + SAME_PRESS > now);
        let same = self.0.iter().position(|(_, known, by)| *known == digit && *by != way);
        if let Some(index) = same {
            self.0.remove(index);
            return false;
        }
        if self.0.len() == MAX_KEPT {
            self.0.pop_front();
        }
        self.0.push_back((now, digit, way));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timers::epoch;

    /// The keys that count of those that come: when, which, and by which way.
    fn counted(presses: &[(u64, char, Way)]) -> String {
        let mut digits = Digits::default();
        let new = presses.iter().filter(|(at, key, way)| {
            digits.is_new(epoch() + Duration::from_millis(*at), Digit::of_key(*key).expect("a key"), *way)
        });
        new.map(|(_, key, _)| key).collect()
    }

    // Shows brg-adm-04.
    #[test]
    fn a_key_that_comes_both_ways_counts_once() {
        use Way::{Rtp, SessionInfo};
        assert_eq!(counted(&[(0, '5', Rtp), (399, '5', SessionInfo)]), "5");
        assert_eq!(counted(&[(0, '5', SessionInfo), (1, '5', Rtp)]), "5");
        assert_eq!(counted(&[(0, '5', Rtp), (400, '5', SessionInfo)]), "55", "too late to be the same");
        let twice = [(0, '5', Rtp), (50, '5', SessionInfo), (200, '5', Rtp), (250, '5', SessionInfo)];
        assert_eq!(counted(&twice), "55", "pressed twice");
        let late = [(0, '4', Rtp), (100, '5', Rtp), (150, '4', SessionInfo), (250, '5', SessionInfo)];
        assert_eq!(counted(&late), "45", "one way is slower");
    }

    #[test]
    fn keys_that_come_one_way_all_count() {
        assert_eq!(counted(&[(0, '5', Way::Rtp), (10, '5', Way::Rtp), (20, '6', Way::Rtp)]), "556");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut digits = Digits::default();
        for _ in 0..100 {
            assert!(digits.is_new(epoch(), Digit::of_key('1').expect("a key"), Way::Rtp));
        }
        assert_eq!(digits.0.len(), MAX_KEPT);
    }
}
