//! Checks of the peer that overtook its answer. str0m would lose them if it is built again, and the peer would repeat one only after 250
//! ms.

use std::net::SocketAddr;

use super::convert::Datagram;

/// How many are kept: one for each pair of a few addresses on both sides.
const MAX: usize = 32;

/// Checks that are kept until the peer's end is known.
#[derive(Default)]
pub(super) struct EarlyChecks(Vec<(SocketAddr, SocketAddr, Vec<u8>)>);

impl EarlyChecks {
    pub(super) fn keep(&mut self, Datagram { local, from, bytes }: Datagram<'_>) {
        if self.0.len() < MAX {
            self.0.push((local, from, bytes.to_vec()));
        }
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.0.iter().map(|(local, from, bytes)| Datagram { local: *local, from: *from, bytes })
    }
}
