//! Which of our addresses others may learn, and which of theirs we try.

use std::net::{IpAddr, SocketAddr};

use muji_core::media::IceServer;

/// What a media layer may do to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatherPolicy {
    /// STUN and TURN servers beside those that the XMPP server knows; they come first.
    pub servers: Vec<IceServer>,
    /// Whether TURN servers are used.
    pub relays: Relays,
    /// Whether others learn our addresses in private networks (RFC 1918, RFC 4193, RFC 6598), and we try theirs. Without them two peers in
    /// one local network meet at their router, if it can do that (hairpinning).
    pub private: bool,
    /// Whose certificates are trusted for TURN servers with TLS.
    pub trust: muji_core::tls::TlsRoots,
}

impl Default for GatherPolicy {
    fn default() -> Self {
        Self { servers: Vec::new(), relays: Relays::default(), private: true, trust: muji_core::tls::TlsRoots::System }
    }
}

/// Whether TURN servers are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Relays {
    /// Where no direct path works.
    #[default]
    Allowed,
    /// For everything: nobody in a call learns one of our addresses, and packets go to servers only.
    Only,
    /// Never.
    Never,
}

/// Ports of services that would take our checks for requests: DNS and SIP. No media comes from them.
const NOT_MEDIA: [u16; 3] = [0, 53, 5_060];

impl GatherPolicy {
    /// Whether others may learn this address of a socket.
    pub(super) fn may_advertise(&self, ours: IpAddr) -> bool {
        self.relays != Relays::Only && (self.private || !is_private(ours))
    }

    /// Whether an address that a peer names is tried. Loopback only by those who use it themselves: otherwise a peer could make us speak with
    /// services of this machine.
    pub(crate) fn tries(&self, theirs: SocketAddr, local: bool) -> bool {
        let ip = theirs.ip().to_canonical();
        let possible = !NOT_MEDIA.contains(&theirs.port()) && !ip.is_unspecified() && !ip.is_multicast() && !links(ip);
        possible && (local || !ip.is_loopback()) && (self.private || !is_private(ip))
    }
}

/// Whether an address is link-local, or no address of a host.
fn links(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Whether an address is private to a network.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_loopback() || (ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_no_peers_are_never_tried() {
        let policy = GatherPolicy::default();
        let tried = |address: &str| policy.tries(address.parse().expect("an address"), false);
        for never in [
            "127.0.0.1:5000",
            "127.9.9.9:5000",
            "[::1]:5000",
            "[::ffff:127.0.0.1]:5000",
            "0.0.0.0:5000",
            "0.1.2.3:5000",
            "[::]:5000",
            "224.0.0.1:5000",
            "[ff02::1]:5000",
            "255.255.255.255:5000",
            "169.254.169.254:80",
            "[fe80::1]:5000",
            "192.0.2.1:0",
            "192.0.2.1:53",
            "192.0.2.1:5060",
        ] {
            assert!(!tried(never), "{never}");
        }
        for usual in ["192.0.2.1:5000", "192.168.1.7:40000", "[2001:db8::1]:5000", "[fd00::1]:9"] {
            assert!(tried(usual), "{usual}");
        }
        assert!(policy.tries("127.0.0.1:5000".parse().expect("an address"), true), "by who uses it too");
    }

    #[test]
    fn private_addresses_are_neither_told_nor_tried_where_that_is_unwanted() {
        let policy = GatherPolicy { private: false, ..GatherPolicy::default() };
        for private in ["10.0.0.1", "172.31.0.1", "192.168.0.1", "100.64.0.1", "100.127.255.255", "fd12::1"] {
            let ip: IpAddr = private.parse().expect("an address");
            assert!(!policy.may_advertise(ip) && !policy.tries((ip, 5_000).into(), false), "{private}");
        }
        for public in ["172.32.0.1", "100.128.0.1", "198.51.100.1", "2001:db8::1"] {
            let ip: IpAddr = public.parse().expect("an address");
            assert!(policy.may_advertise(ip) && policy.tries((ip, 5_000).into(), false), "{public}");
        }
        let relayed = GatherPolicy { relays: Relays::Only, ..GatherPolicy::default() };
        assert!(!relayed.may_advertise(IpAddr::from([198, 51, 100, 1])), "nobody learns any address of ours");
    }
}
