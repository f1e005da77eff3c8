//! Which transport a datagram belongs to.
//!
//! All transports share a few sockets, so the pair of addresses decides. Asking each transport finds the answer at first; it is
//! remembered, because a call of 64 would ask hundreds for each packet.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use muji_jingle::TransportId;

/// Pairs of addresses remembered from STUN. A stranger can make us forget them, which costs time only.
const MAX_HINTS: usize = 1_024;

/// A local address and a remote one.
type AddressPair = (SocketAddr, SocketAddr);

/// What is remembered of datagrams that came before.
#[derive(Default)]
pub(super) struct Routes {
    /// Which transport took media or DTLS by this pair: the peer has proven that it is there. A pair or two for each peer, compared one by
    /// one: whether addresses are equal is found sooner than their order.
    proven: Vec<(AddressPair, TransportId)>,
    /// Which transport took STUN by this pair. Only a hint: anybody can send STUN from anywhere, and its user name decides whose it is.
    hints: BTreeMap<AddressPair, TransportId>,
}

impl Routes {
    /// The transport of a datagram. `accepts` asks a transport, `all` are those to ask.
    pub(super) fn find(
        &mut self,
        pair: AddressPair,
        stun: bool,
        accepts: impl Fn(&TransportId) -> bool,
        all: impl IntoIterator<Item = TransportId>,
    ) -> Option<TransportId> {
        if !stun && let Some((_, known)) = self.proven.iter().find(|(proven, _)| *proven == pair) {
            return Some(*known);
        }
        let likely = self.hints.get(&pair).copied().filter(&accepts);
        let found = likely.or_else(|| all.into_iter().find(&accepts))?;
        if stun {
            if self.hints.len() == MAX_HINTS {
                self.hints.clear();
            }
            self.hints.insert(pair, found);
        } else {
            self.proven.push((pair, found));
        }
        Some(found)
    }

    /// A local address is gone.
    pub(super) fn forget_address(&mut self, gone: SocketAddr) {
        self.proven.retain(|((local, _), _)| *local != gone);
    }

    /// These transports are gone.
    pub(super) fn forget(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.proven.retain(|(_, id)| !gone(id));
        self.hints.retain(|_, id| !gone(id));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use muji_jingle::SessionId;

    use super::*;

    fn id(number: u64) -> TransportId {
        TransportId { session: SessionId(number), index: 0 }
    }

    fn pair(port: u16) -> AddressPair {
        (([10, 0, 0, 1], 5_000).into(), ([10, 0, 0, 2], port).into())
    }

    #[test]
    fn media_between_known_addresses_asks_no_transport_again() {
        let (mut routes, asked) = (Routes::default(), Cell::new(0));
        let accepts = |_: &TransportId| asked.replace(asked.get() + 1) < 100;
        assert_eq!(routes.find(pair(1), false, accepts, [id(1), id(2)]), Some(id(1)));
        assert_eq!(routes.find(pair(1), false, accepts, [id(2)]), Some(id(1)));
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn stun_belongs_to_the_transport_that_it_names_whatever_came_before() {
        let mut routes = Routes::default();
        assert_eq!(routes.find(pair(1), true, |_| true, [id(1), id(2)]), Some(id(1)));
        assert_eq!(routes.find(pair(1), true, |named| *named == id(2), [id(1), id(2)]), Some(id(2)));
        assert_eq!(routes.find(pair(1), false, |_| false, [id(1), id(2)]), None, "STUN proves nothing");
    }

    #[test]
    fn a_transport_or_an_address_that_is_gone_gets_nothing() {
        let mut routes = Routes::default();
        routes.find(pair(1), false, |_| true, [id(1)]);
        routes.forget(|gone| *gone == id(1));
        assert_eq!(routes.find(pair(1), false, |_| false, [id(1)]), None);
        routes.find(pair(1), false, |_| true, [id(2)]);
        routes.forget_address(pair(1).0);
        assert_eq!(routes.find(pair(1), false, |_| false, [id(2)]), None);
    }

    #[test]
    fn a_stranger_who_sends_stun_from_many_ports_uses_up_no_memory() {
        let mut routes = Routes::default();
        for port in 0..5_000 {
            assert_eq!(routes.find(pair(port), true, |_| true, [id(1)]), Some(id(1)));
        }
        assert!(routes.hints.len() <= MAX_HINTS);
    }
}
