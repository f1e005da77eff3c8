//! Candidates and fingerprints as lines of SDP, for media layers that speak it (libwebrtc, webrtcbin, aiortc).

use std::net::{IpAddr, SocketAddr};

use crate::dtls::{self, Fingerprint};
use crate::ice::{Candidate, CandidateKind};

/// Why a line of SDP cannot be sent by Jingle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpFault {
    /// It is not as RFC 8839 section 5.1 or RFC 8122 section 5 says.
    #[error("{0:?} is not such an attribute of SDP, which is a fault of the media layer")]
    Malformed(String),
    /// ICE-UDP (XEP-0176) carries UDP alone.
    #[error("the media layer's candidate is by {0}, and peers can use UDP only; leave it out")]
    NotUdp(String),
    /// Peers do not resolve names: their DNS server would learn of the call.
    #[error("the media layer's candidate has the name {0}, and peers need an address; turn its mDNS names off")]
    HostName(String),
}

impl Candidate {
    /// As the value of an attribute of SDP (RFC 8839 section 5.1), `candidate:…`. A foundation that Jingle lets pass and SDP does not
    /// is replaced, by the same for the same: what a peer says never becomes another word or line of SDP.
    #[must_use]
    pub fn to_sdp(&self) -> String {
        let Self { component, foundation, generation, address, priority, kind, .. } = self;
        let foundation = if is_foundation(foundation) { foundation.clone() } else { substitute(foundation) };
        let (ip, port) = (address.ip(), address.port());
        // All but those of a host must have one; this says that it is not told.
        let untold = (*kind != CandidateKind::Host).then_some(SocketAddr::from(([0, 0, 0, 0], 9)));
        let related =
            self.related.or(untold).map(|related| format!(" raddr {} rport {}", related.ip(), related.port()));
        let related = related.unwrap_or_default();
        format!(
            "candidate:{foundation} {component} udp {priority} {ip} {port} typ {kind}{related} generation {generation}"
        )
    }

    /// Reads such a value, with `a=` before it or without.
    ///
    /// # Errors
    /// If it is no candidate, or one that a peer could not use.
    pub fn from_sdp(line: &str) -> Result<Self, SdpFault> {
        let malformed = || SdpFault::Malformed(line.to_owned());
        let value = line.trim().trim_start_matches("a=").strip_prefix("candidate:").ok_or_else(malformed)?;
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let [foundation, component, protocol, priority, host, port, "typ", kind, more @ ..] = words.as_slice() else {
            return Err(malformed());
        };
        if !protocol.eq_ignore_ascii_case("udp") {
            return Err(SdpFault::NotUdp((*protocol).to_owned()));
        }
        let ip: IpAddr = host.parse().map_err(|_| SdpFault::HostName((*host).to_owned()))?;
        let extension =
            |name: &str| more.as_chunks::<2>().0.iter().find(|[known, _]| *known == name).map(|[_, value]| *value);
        let related = extension("raddr").and_then(|ip| ip.parse().ok()).zip(extension("rport"));
        let related = related.and_then(|(ip, port): (IpAddr, _)| Some(SocketAddr::new(ip, port.parse().ok()?)));
        Ok(Self {
            component: component.parse().map_err(|_| malformed())?,
            foundation: (*foundation).to_owned(),
            generation: extension("generation").and_then(|number| number.parse().ok()).unwrap_or(0),
            id: None,
            address: SocketAddr::new(ip, port.parse().map_err(|_| malformed())?),
            priority: priority.parse().map_err(|_| malformed())?,
            kind: CandidateKind::from_word(kind).ok_or_else(malformed)?,
            related,
        })
    }
}

/// As RFC 8839 section 5.1 says.
fn is_foundation(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

/// A foundation that stands for another (FNV-1a).
fn substitute(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    hash.to_string()
}

impl Fingerprint {
    /// As the value of an attribute of SDP (RFC 8122 section 5): `sha-256 AB:…`. What cannot be in the name of a hash is left out, so that
    /// what a peer says never becomes another word or line of SDP.
    #[must_use]
    pub fn to_sdp(&self) -> String {
        let hash: String =
            self.hash.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
        format!("{hash} {}", self.digits())
    }

    /// Reads such a value, with `a=fingerprint:` before it or without. Who opens the handshake stands in another attribute.
    ///
    /// # Errors
    /// If it is no fingerprint.
    pub fn from_sdp(line: &str) -> Result<Self, SdpFault> {
        let malformed = || SdpFault::Malformed(line.to_owned());
        let value = line.trim().trim_start_matches("a=").trim_start_matches("fingerprint:");
        let (hash, digits) = value.split_once(' ').ok_or_else(malformed)?;
        let value = dtls::bytes(digits).ok_or_else(malformed)?;
        Ok(Self { hash: hash.to_ascii_lowercase(), setup: None, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libwebrtc writes one.
    const LINE: &str = "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.1.1 rport 5000 \
                        generation 2 ufrag EsAw network-cost 999";

    fn candidate() -> Candidate {
        Candidate {
            component: 1,
            foundation: "842163049".to_owned(),
            generation: 2,
            id: None,
            address: ([203, 0, 113, 7], 46_154).into(),
            priority: 1_677_729_535,
            kind: CandidateKind::ServerReflexive,
            related: Some(([10, 0, 1, 1], 5_000).into()),
        }
    }

    #[test]
    fn a_candidate_is_read_with_the_name_of_its_attribute_and_without() {
        assert_eq!(Candidate::from_sdp(LINE), Ok(candidate()));
        assert_eq!(Candidate::from_sdp(&format!("a={LINE}\r\n")), Ok(candidate()));
    }

    #[test]
    fn a_candidate_that_is_written_is_read_again() {
        let mut written = candidate();
        assert_eq!(
            written.to_sdp(),
            "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.1.1 rport 5000 generation 2"
        );
        for kind in [CandidateKind::Host, CandidateKind::PeerReflexive, CandidateKind::Relayed] {
            written = Candidate { kind, address: "[2001:db8::1]:9".parse().expect("an address"), ..written };
            assert_eq!(Candidate::from_sdp(&written.to_sdp()), Ok(written.clone()));
        }
    }

    #[test]
    fn where_no_related_address_is_known_it_is_said_that_none_is_told() {
        let untold = Candidate { related: None, ..candidate() };
        assert!(untold.to_sdp().contains("typ srflx raddr 0.0.0.0 rport 9 "));
    }

    #[test]
    fn what_a_peer_says_never_becomes_another_word_or_line() {
        let host = Candidate { kind: CandidateKind::Host, related: None, ..candidate() };
        let with = |foundation: &str| Candidate { foundation: foundation.to_owned(), ..host.clone() };
        let hostile = ["", "1 1 udp 1 evil.local 9 typ host\r\na=x", "a b", "a\nb", "\u{e9}", &"a".repeat(33)];
        let mut written: Vec<String> = hostile.iter().map(|foundation| with(foundation).to_sdp()).collect();
        for line in &written {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(
                words[1..],
                ["1", "udp", "1677729535", "203.0.113.7", "46154", "typ", "host", "generation", "2"]
            );
            assert!(words[0].strip_prefix("candidate:").is_some_and(is_foundation), "{line}");
        }
        assert_eq!(with("a b").to_sdp(), written[2], "the same for the same");
        written.sort();
        written.dedup();
        assert_eq!(written.len(), hostile.len());
        let fingerprint = Fingerprint { hash: "sha-256\r\na=x y".to_owned(), setup: None, value: vec![0xAB] };
        assert_eq!(fingerprint.to_sdp(), "sha-256axy AB");
    }

    #[test]
    fn what_a_peer_could_not_use_is_refused_with_the_reason() {
        let with = |from: &str, to: &str| Candidate::from_sdp(&LINE.replace(from, to));
        assert_eq!(with("udp", "tcp"), Err(SdpFault::NotUdp("tcp".to_owned())));
        assert_eq!(with("203.0.113.7", "4f1c.local"), Err(SdpFault::HostName("4f1c.local".to_owned())));
        for (from, to) in [
            ("candidate:", "cand:"),
            ("typ srflx", "type srflx"),
            ("srflx", "guest"),
            (" 1 ", " one "),
            ("46154", "70000"),
            ("1677729535", "-1"),
            ("typ srflx raddr 10.0.1.1 rport 5000 generation 2 ufrag EsAw network-cost 999", ""),
        ] {
            assert_eq!(with(from, to), Err(SdpFault::Malformed(LINE.replace(from, to))));
        }
    }

    #[test]
    fn a_fingerprint_is_read_and_written() {
        let fingerprint = Fingerprint { hash: "sha-256".to_owned(), setup: None, value: vec![0xAB, 0x01] };
        assert_eq!(fingerprint.to_sdp(), "sha-256 AB:01");
        for line in ["sha-256 AB:01", "a=fingerprint:SHA-256 ab:01\r\n", "fingerprint:sha-256 AB:01"] {
            assert_eq!(Fingerprint::from_sdp(line), Ok(fingerprint.clone()));
        }
        for line in ["", "sha-256", "sha-256 AB:0", "sha-256 XY"] {
            assert_eq!(Fingerprint::from_sdp(line), Err(SdpFault::Malformed(line.to_owned())));
        }
    }

    #[test]
    fn each_fault_is_a_sentence() {
        for (fault, sentence) in [
            (
                SdpFault::Malformed("x".to_owned()),
                "\"x\" is not such an attribute of SDP, which is a fault of the media layer",
            ),
            (
                SdpFault::NotUdp("tcp".to_owned()),
                "the media layer's candidate is by tcp, and peers can use UDP only; leave it out",
            ),
            (
                SdpFault::HostName("a.local".to_owned()),
                "the media layer's candidate has the name a.local, and peers need an address; turn its mDNS names off",
            ),
        ] {
            assert_eq!(fault.to_string(), sentence);
        }
    }
}
