//! Limits the ICE requests that are answered. A peer or its server knows our ICE user name, and could make us send to other people's
//! addresses without end: each request from a new address is answered, and that address is then checked itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Requests of one address in a second. str0m and browsers send at most some twenty, and webrtc-ice ten.
const EACH_SECOND: u32 = 50;

/// Addresses that the peer did not name and whose requests are answered: one for each of its NATs, and some more.
const UNNAMED: usize = 32;

/// An address that was silent for so long makes room for another.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Who sent requests lately: few, so a list is as fast as a map, and smaller.
#[derive(Default)]
pub(super) struct RequestLimiter {
    sources: Vec<Source>,
}

struct Source {
    address: SocketAddr,
    /// Since when it is counted, and how often it asked since then.
    since: Instant,
    asked: u32,
    last: Instant,
}

impl RequestLimiter {
    /// Whether this request is answered; `named` if the peer named the address.
    pub(super) fn admits(&mut self, now: Instant, from: SocketAddr, named: bool) -> bool {
        let known = self.sources.iter().position(|source| source.address == from);
        if known.is_none() && self.sources.len() >= UNNAMED {
            self.sources.retain(|source| source.last + FORGOTTEN > now);
            if self.sources.len() >= UNNAMED && !named {
                return false;
            }
        }
        let place = known.unwrap_or_else(|| {
            self.sources.push(Source { address: from, since: now, asked: 0, last: now });
            self.sources.len() - 1
        });
        let Source { since, asked, last, .. } = &mut self.sources[place];
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
        let (mut requests, begun) = (RequestLimiter::default(), Instant::now());
        let heard =
            (0..3_000).filter(|turn| requests.admits(begun + Duration::from_millis(1) * *turn, address(1), false));
        assert_eq!(heard.count(), 3 * 50);
    }

    #[test]
    fn of_a_crowd_thirty_two_are_heard_until_they_fall_silent_and_those_that_were_named_always() {
        let (mut requests, begun) = (RequestLimiter::default(), Instant::now());
        assert_eq!((0..1_000).filter(|number| requests.admits(begun, address(*number), false)).count(), UNNAMED);
        assert!(requests.admits(begun, address(2_000), true));
        assert!(!requests.admits(begun + FORGOTTEN / 2, address(3_000), false));
        assert!(requests.admits(begun + FORGOTTEN, address(3_000), false));
        assert_eq!(requests.sources.len(), 1);
    }
}
