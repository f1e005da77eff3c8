//! ICE-UDP transports (XEP-0176).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use minidom::Element;

use crate::dtls::{EncryptedFingerprint, Fingerprint};
use crate::element::{Build, parsed, text};
use crate::{Secret, Skipped, ns};

/// Candidates read of one transport.
pub const MAX_CANDIDATES: usize = 32;
/// Fingerprints read of one transport; two can only disagree.
const MAX_FINGERPRINTS: usize = 4;

/// How an address was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateKind {
    /// An address of the machine itself.
    Host,
    /// What the peer saw.
    PeerReflexive,
    /// What a STUN server saw.
    ServerReflexive,
    /// An address on a TURN server.
    Relayed,
}

impl CandidateKind {
    const WORDS: [(Self, &'static str); 4] = [
        (Self::Host, "host"),
        (Self::PeerReflexive, "prflx"),
        (Self::ServerReflexive, "srflx"),
        (Self::Relayed, "relay"),
    ];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }
}

impl fmt::Display for CandidateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS.iter().find(|(kind, _)| kind == self).expect("WORDS names every kind").1)
    }
}

/// An address where a peer may be reached over UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// 1 for RTP, and with rtcp-mux for RTCP too; 2 for RTCP.
    pub component: u8,
    /// Equal for candidates of one kind, base and server.
    pub foundation: String,
    /// 0, and one more with each ICE restart.
    pub generation: u32,
    /// Tells candidates apart; Movim omits it.
    pub id: Option<String>,
    /// Where packets go. Host names are never resolved, so never read.
    pub address: SocketAddr,
    /// RFC 8445 5.1.2.
    pub priority: u32,
    /// How the address was found.
    pub kind: CandidateKind,
    /// The base of a reflexive or relayed candidate.
    pub related: Option<SocketAddr>,
}

/// Why a candidate is left out.
enum CandidateError {
    /// Well-formed, and of a kind that is not used here.
    Unsupported(String),
    /// Not as XEP-0176 defines it.
    Malformed(String),
}

impl Candidate {
    fn read(element: &Element) -> Result<Self, CandidateError> {
        let ip = element.attr("ip").unwrap_or_default();
        // Resolving a name would reveal to its DNS server that we are online.
        let ip: IpAddr = ip.parse().map_err(|_| CandidateError::Unsupported(format!("{ip} is no literal address")))?;
        let protocol = element.attr("protocol").unwrap_or("udp");
        if !protocol.eq_ignore_ascii_case("udp") {
            return Err(CandidateError::Unsupported(format!("protocol {protocol}")));
        }
        Self::well_formed(element, ip).ok_or_else(|| CandidateError::Malformed(format!("that of {ip} is malformed")))
    }

    fn well_formed(element: &Element, ip: IpAddr) -> Option<Self> {
        let kind = CandidateKind::from_word(element.attr("type")?)?;
        let related = parsed(element, "rel-addr").zip(parsed(element, "rel-port"));
        Some(Self {
            component: parsed(element, "component")?,
            foundation: text(element, "foundation").unwrap_or_default(),
            generation: parsed(element, "generation").unwrap_or(0),
            id: text(element, "id"),
            address: SocketAddr::new(ip, parsed(element, "port")?),
            priority: parsed(element, "priority")?,
            kind,
            related: related.map(|(ip, port): (IpAddr, u16)| SocketAddr::new(ip, port)),
        })
    }

    fn write(&self) -> Element {
        Element::bare("candidate", ns::ICE_UDP)
            .with("component", self.component)
            .with("foundation", &self.foundation)
            .with("generation", self.generation)
            .with_opt("id", self.id.as_ref())
            .with("ip", self.address.ip())
            .with("network", 0)
            .with("port", self.address.port())
            .with("priority", self.priority)
            .with("protocol", "udp")
            .with_opt("rel-addr", self.related.map(|related| related.ip()))
            .with_opt("rel-port", self.related.map(|related| related.port()))
            .with("type", self.kind)
    }
}

/// Credentials, fingerprint and candidates of one ICE agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// ICE user name; absent only where nothing but a fingerprint is sent.
    pub ufrag: Option<String>,
    /// ICE password. Movim omits it in transport-info.
    pub pwd: Option<Secret>,
    /// Fingerprints. If there are several with other values, the peer contradicts itself.
    pub fingerprints: Vec<Fingerprint>,
    /// Fingerprints that only the receiver's device can read.
    pub encrypted_fingerprints: Vec<EncryptedFingerprint>,
    /// Addresses, in the order sent.
    pub candidates: Vec<Candidate>,
    /// Some candidates were malformed, which the sender is told (XEP-0176 section 5.5). Never written.
    pub malformed: bool,
}

impl Transport {
    /// True for the element that [`Self::read`] takes.
    #[must_use]
    pub fn matches(element: &Element) -> bool {
        element.is("transport", ns::ICE_UDP)
    }

    /// Reads a `<transport/>`; what cannot be used is left out and noted.
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Self {
        let mut this =
            Self { ufrag: text(element, "ufrag"), pwd: text(element, "pwd").map(Secret::new), ..Self::default() };
        for child in element.children() {
            if child.is("candidate", ns::ICE_UDP) && this.candidates.len() < MAX_CANDIDATES {
                match Candidate::read(child) {
                    Ok(candidate) => this.candidates.push(candidate),
                    Err(CandidateError::Unsupported(why)) => skipped.note("candidate", why),
                    Err(CandidateError::Malformed(why)) => {
                        this.malformed = true;
                        skipped.note("candidate", why);
                    }
                }
            } else if child.is("fingerprint", ns::DTLS) && this.fingerprints.len() < MAX_FINGERPRINTS {
                this.fingerprints.extend(Fingerprint::read(child, skipped));
            } else if child.is("fingerprint", ns::DTLS_OMEMO) && this.encrypted_fingerprints.len() < MAX_FINGERPRINTS {
                this.encrypted_fingerprints.extend(EncryptedFingerprint::read(child, skipped));
            } else {
                skipped.note("transport", child.name());
            }
        }
        this
    }

    /// Writes the element, the fingerprint before the candidates.
    #[must_use]
    pub fn write(&self) -> Element {
        Element::bare("transport", ns::ICE_UDP)
            .with_opt("ufrag", self.ufrag.as_ref())
            .with_opt("pwd", self.pwd.as_ref().map(Secret::expose))
            .children_from(self.fingerprints.iter().map(Fingerprint::write))
            .children_from(self.encrypted_fingerprints.iter().map(EncryptedFingerprint::write))
            .children_from(self.candidates.iter().map(Candidate::write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> (Transport, Skipped) {
        let text = format!("<transport xmlns='{}'>{inner}</transport>", ns::ICE_UDP);
        let mut skipped = Skipped::default();
        (Transport::read(&text.parse().expect("the text is well-formed"), &mut skipped), skipped)
    }

    fn candidate(port: u16) -> String {
        format!("<candidate component='1' ip='192.0.2.1' port='{port}' priority='1' type='host'/>")
    }

    #[test]
    fn a_transport_is_known_by_its_name_and_namespace() {
        let is = |text: &str| Transport::matches(&text.parse().expect("the text is well-formed"));
        assert!(is(&format!("<transport xmlns='{}'/>", ns::ICE_UDP)));
        assert!(!is(&format!("<description xmlns='{}'/>", ns::ICE_UDP)));
        assert!(!is("<transport xmlns='urn:xmpp:jingle:transports:s5b:1'/>"));
    }

    #[test]
    fn each_kind_of_candidate_has_its_word() {
        for (kind, word) in CandidateKind::WORDS {
            assert_eq!(kind.to_string(), word);
            let text = candidate(1).replace("host", word);
            assert_eq!(read(&text).0.candidates[0].kind, kind);
        }
    }

    #[test]
    fn what_a_candidate_leaves_out_is_empty() {
        let read = read(&candidate(1)).0.candidates.remove(0);
        assert_eq!((read.foundation.as_str(), read.generation, read.id, read.related), ("", 0, None, None));
    }

    #[test]
    fn no_more_candidates_are_kept_than_a_call_needs() {
        let many =
            |count: usize| (0..count).map(|port| candidate(u16::try_from(port).expect("few"))).collect::<String>();
        let (transport, skipped) = read(&many(MAX_CANDIDATES));
        assert_eq!((transport.candidates.len(), skipped), (MAX_CANDIDATES, Skipped::default()));
        let (transport, skipped) = read(&many(MAX_CANDIDATES + 1));
        assert_eq!(
            (transport.candidates.len(), skipped.to_string()),
            (MAX_CANDIDATES, "transport: candidate".to_owned())
        );
    }

    #[test]
    fn no_more_fingerprints_are_kept_than_could_contradict_each_other() {
        let plain = format!("<fingerprint xmlns='{}' hash='sha-256'>AB</fingerprint>", ns::DTLS);
        let sealed = format!("<fingerprint xmlns='{}' hash='sha-256'><x xmlns='y'/></fingerprint>", ns::DTLS_OMEMO);
        let (transport, skipped) =
            read(&format!("{}{}", plain.repeat(MAX_FINGERPRINTS), sealed.repeat(MAX_FINGERPRINTS)));
        let counts = (transport.fingerprints.len(), transport.encrypted_fingerprints.len());
        assert_eq!((counts, skipped), ((MAX_FINGERPRINTS, MAX_FINGERPRINTS), Skipped::default()));
        for one in [plain, sealed] {
            let (transport, skipped) = read(&one.repeat(MAX_FINGERPRINTS + 1));
            assert_eq!(transport.fingerprints.len() + transport.encrypted_fingerprints.len(), MAX_FINGERPRINTS);
            assert_eq!(skipped.to_string(), "transport: fingerprint");
        }
    }

    #[test]
    fn what_is_no_candidate_is_malformed_and_what_is_of_no_use_is_not() {
        let with = |from: &str, to: &str| candidate(1).replace(from, to);
        for (text, malformed) in [
            (with("type='host'", ""), true),
            (with("type='host'", "type='guest'"), true),
            (with("component='1'", ""), true),
            (with("port='1'", "port='70000'"), true),
            (with("priority='1'", ""), true),
            (with("192.0.2.1", "juliet.example"), false),
            (with("type=", "protocol='tcp' type="), false),
        ] {
            let (transport, skipped) = read(&text);
            assert_eq!((transport.candidates.len(), transport.malformed), (0, malformed), "{text}");
            assert!(skipped.to_string().starts_with("candidate: "), "{text}");
        }
        assert_eq!(read(&with("type=", "protocol='UDP' type=")).0.candidates.len(), 1);
    }

    #[test]
    fn an_element_of_another_namespace_is_no_candidate() {
        let (transport, skipped) = read("<candidate xmlns='urn:xmpp:jingle:transports:s5b:1'/>");
        assert_eq!((transport, skipped.to_string()), (Transport::default(), "transport: candidate".to_owned()));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let transport = Transport {
            ufrag: Some("ab".to_owned()),
            pwd: Some(Secret::new("secret")),
            fingerprints: vec![Fingerprint { hash: "sha-256".to_owned(), setup: None, value: vec![0xAB, 0xCD] }],
            encrypted_fingerprints: Vec::new(),
            candidates: vec![Candidate {
                component: 1,
                foundation: "f".to_owned(),
                generation: 2,
                id: Some("id".to_owned()),
                address: ([192, 0, 2, 1], 5_000).into(),
                priority: 7,
                kind: CandidateKind::Relayed,
                related: Some(([198, 51, 100, 1], 6_000).into()),
            }],
            malformed: false,
        };
        let mut skipped = Skipped::default();
        assert_eq!(Transport::read(&transport.write(), &mut skipped), transport);
        assert!(skipped.is_empty());
    }
}
