//! How many requests of ICE are looked at. Whoever knows a name of ours, a peer or its server, could otherwise have us send to addresses of
//! others without end: each request from a new one is answered, and that address is then asked itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Requests of one address in a second. str0m and browsers ask some twenty times a second at most, and webrtc-ice ten.
const EACH_SECOND: u32 = 50;

/// Addresses that the peer did not name, of which requests are looked at: one for each of its NATs, and some more.
const UNNAMED: usize = 32;

/// An address of which nothing came for so long makes room for another.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Who asked lately.
#[derive(Default)]
pub(super) struct Requests {
    /// Since when, how often since then, and when last.
    sources: BTreeMap<SocketAddr, (Instant, u32, Instant)>,
}

impl Requests {
    /// Whether this one is looked at; `named` if the peer named the address.
    pub(super) fn admits(&mut self, now: Instant, from: SocketAddr, named: bool) -> bool {
        if !self.sources.contains_key(&from) && self.sources.len() >= UNNAMED {
            self.sources.retain(|_, (.., last)| *last + FORGOTTEN > now);
            if self.sources.len() >= UNNAMED && !named {
                return false;
            }
        }
        let (since, asked, last) = self.sources.entry(from).or_insert((now, 0, now));
        if *since + Duration::from_secs(1) <= now {
            (*since, *asked) = (now, 0);
        }
        (*asked, *last) = (*asked + 1, now);
        *asked <= EACH_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u16) -> SocketAddr {
        ([192, 0, 2, 1], number).into()
    }

    #[test]
    fn one_who_asks_without_end_is_heard_fifty_times_a_second() {
        let (mut requests, begun) = (Requests::default(), Instant::now());
        let heard =
            (0..3_000).filter(|turn| requests.admits(begun + Duration::from_millis(1) * *turn, address(1), false));
        assert_eq!(heard.count(), 3 * 50);
    }

    #[test]
    fn of_a_crowd_thirty_two_are_heard_until_they_fall_silent_and_whoever_was_named_always() {
        let (mut requests, begun) = (Requests::default(), Instant::now());
        assert_eq!((0..1_000).filter(|number| requests.admits(begun, address(*number), false)).count(), UNNAMED);
        assert!(requests.admits(begun, address(2_000), true));
        assert!(!requests.admits(begun + FORGOTTEN / 2, address(3_000), false));
        assert!(requests.admits(begun + FORGOTTEN, address(3_000), false));
        assert_eq!(requests.sources.len(), 1);
    }
}
