//! What goes wrong in a media layer: each sentence says whose fault it is and what to do.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::transport::DtlsRole;
use crate::ids::SessionId;

/// Why a transport is lost for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportFailure {
    /// The system gives no socket, and says why.
    #[error(
        "no UDP socket can be opened on this machine: {0}; check its network, its free ports and its limit of open files"
    )]
    NoSocket(String),
    /// Transports to one account need a port each, and there is none left.
    #[error("there is no port for another transport to the same peer; end another call with it")]
    NoPort,
    /// The system gives no thread, and says why.
    #[error("no thread can be started for a media path: {0}; end other programs")]
    NoThread(String),
    /// ICE found no pair of addresses that works.
    #[error(
        "no ICE check between our addresses ({local}) and the peer's {remote} was answered in {} s; a network between us \
         blocks it, or the peer is gone; a TURN server helps against the first",
        waited.as_secs()
    )]
    NoPath {
        /// Our addresses.
        local: CandidateCounts,
        /// How many addresses the peer named.
        remote: usize,
        /// How long the search took.
        waited: Duration,
    },
    /// ICE found a path, and DTLS did not get through it.
    #[error(
        "the peer's addresses answer, but it does not finish the handshake (DTLS): its client has a fault, or a network \
         drops large packets; call again"
    )]
    NoHandshake,
    /// The DTLS handshake ended with an error.
    #[error("the handshake (DTLS) that {} failed: {error}; call again, or with another client", opened_by(*role))]
    Handshake {
        /// Our role in it.
        role: DtlsRole,
        /// What the DTLS library says.
        error: String,
    },
    /// The peer's certificate is RSA, and no transport that is built in can do that.
    #[error(
        "the peer's certificate is RSA, and this program can only do ECDSA; use a program with the feature webrtc-ice, or give \
         the peer's client an ECDSA certificate"
    )]
    RsaCertificate,
    /// The peer's certificate is RSA, and the next transport to it will be one that can do that.
    #[error(
        "the peer's certificate is RSA, which takes the transport webrtc-ice; while this program runs, the next call uses it"
    )]
    OtherTransport,
    /// DTLS agreed on keys that SRTP cannot use.
    #[error("the handshake (DTLS) agreed on keys that SRTP cannot use, which is a fault of this program")]
    Keys,
    /// The peer ended DTLS.
    #[error("the peer closed the path (DTLS); if nobody hung up, call again")]
    Closed,
    /// The peer answered for a while and does not any more.
    #[error("no answer from the peer for {} s: its network or its program is gone", .0.as_secs())]
    Silent(Duration),
    /// The session's own deadline for all its transports has passed.
    #[error("no pair of addresses worked within {} s of the agreement", .0.as_secs())]
    Deadline(Duration),
    /// The library that does ICE, DTLS and SRTP gave up, and says why.
    #[error("the library for ICE, DTLS and SRTP failed: {0}; call again")]
    Library(String),
    /// A task or thread of the path does not answer any more.
    #[error("the tasks of this media path hang, which is a fault of this program")]
    Stuck,
}

fn opened_by(role: DtlsRole) -> &'static str {
    match role {
        DtlsRole::Client => "we opened",
        DtlsRole::Server => "we answered",
    }
}

/// How many addresses of each kind we had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CandidateCounts {
    /// Addresses of this machine.
    pub host: usize,
    /// Addresses that a STUN server saw us by.
    pub reflexive: usize,
    /// Addresses that a TURN server relays from.
    pub relayed: usize,
}

impl fmt::Display for CandidateCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, reflexive, relayed } = self;
        write!(f, "{host} of this machine, {reflexive} seen by STUN, {relayed} relayed by TURN")
    }
}

/// Something of our own network that does not work at the time when a transport fails, and may be the cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkFailure {
    /// The system does not send from an address: no route, or a firewall of this machine.
    #[error("sending from {from}: {error}")]
    Sending {
        /// The address.
        from: IpAddr,
        /// What the system says.
        error: String,
    },
    /// A STUN or TURN server, or the router's port mapping, gave no address.
    #[error("{server}: {error}")]
    Server {
        /// Such as `TURN by UDP at turn.example:3478`.
        server: String,
        /// What it or the system says.
        error: String,
    },
}

/// A failed transport with all that may explain it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PathFailure {
    /// How it failed.
    pub why: TransportFailure,
    /// What did not work in our own network; empty if all did.
    pub network: Vec<NetworkFailure>,
}

impl From<TransportFailure> for PathFailure {
    fn from(why: TransportFailure) -> Self {
        Self { why, network: Vec::new() }
    }
}

impl fmt::Display for PathFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)?;
        self.network.iter().try_for_each(|failure| write!(f, "; {failure}"))
    }
}

/// Something of the media layer does not do what it should, and the call goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaTrouble {
    /// The system gives no further socket, and says why; the existing ones go on.
    #[error("no further UDP socket can be opened on this machine: {0}; check its limit of open files")]
    Socket(String),
    /// The codec library gives no decoder, and says why.
    #[error("the sound of a peer cannot be decoded: {0}, which is a fault of this program")]
    Decoder(String),
    /// The machine does not get the work of the call done: so much sound was left out within ten seconds.
    #[error(
        "this machine is too slow for the call: {} ms of sound were neither sent nor played in the last ten seconds; close \
         other programs, or send and receive fewer pictures",
        .0.as_millis()
    )]
    TooSlow(Duration),
    /// A source, a device or a file fails; the sentence names it.
    #[error("{0}")]
    Device(String),
    /// A peer names a level of H.264 that ITU-T H.264 table A-1 does not have (RFC 6184 section 8.1).
    #[error(
        "the peer names a level of H.264 that does not exist (profile-level-id {profile_level_id}); it is sent what every client takes, \
         level 3.1"
    )]
    UnknownLevel {
        /// The session with it.
        session: SessionId,
        /// What it names, at most 16 characters of it.
        profile_level_id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentence of each variant. A new variant does not compile before it has its own here.
    fn sentence(failure: &TransportFailure) -> &'static str {
        match failure {
            TransportFailure::NoSocket(_) => {
                "no UDP socket can be opened on this machine: denied; check its network, its free ports and its limit of open files"
            }
            TransportFailure::NoPort => {
                "there is no port for another transport to the same peer; end another call with it"
            }
            TransportFailure::NoThread(_) => "no thread can be started for a media path: denied; end other programs",
            TransportFailure::NoPath { .. } => {
                "no ICE check between our addresses (2 of this machine, 1 seen by STUN, 0 relayed by TURN) and the peer's 3 was \
                 answered in 25 s; a network between us blocks it, or the peer is gone; a TURN server helps against the first"
            }
            TransportFailure::NoHandshake => {
                "the peer's addresses answer, but it does not finish the handshake (DTLS): its client has a fault, or a \
                 network drops large packets; call again"
            }
            TransportFailure::Handshake { role: DtlsRole::Client, .. } => {
                "the handshake (DTLS) that we opened failed: denied; call again, or with another client"
            }
            TransportFailure::Handshake { role: DtlsRole::Server, .. } => {
                "the handshake (DTLS) that we answered failed: denied; call again, or with another client"
            }
            TransportFailure::RsaCertificate => {
                "the peer's certificate is RSA, and this program can only do ECDSA; use a program with the feature \
                 webrtc-ice, or give the peer's client an ECDSA certificate"
            }
            TransportFailure::OtherTransport => {
                "the peer's certificate is RSA, which takes the transport webrtc-ice; while this program runs, the next call uses it"
            }
            TransportFailure::Keys => {
                "the handshake (DTLS) agreed on keys that SRTP cannot use, which is a fault of this program"
            }
            TransportFailure::Closed => "the peer closed the path (DTLS); if nobody hung up, call again",
            TransportFailure::Silent(_) => "no answer from the peer for 60 s: its network or its program is gone",
            TransportFailure::Deadline(_) => "no pair of addresses worked within 30 s of the agreement",
            TransportFailure::Library(_) => "the library for ICE, DTLS and SRTP failed: denied; call again",
            TransportFailure::Stuck => "the tasks of this media path hang, which is a fault of this program",
        }
    }

    #[test]
    fn each_failure_of_a_transport_says_whose_fault_it_is() {
        let denied = || "denied".to_owned();
        let all = [
            TransportFailure::NoSocket(denied()),
            TransportFailure::NoPort,
            TransportFailure::NoThread(denied()),
            TransportFailure::NoPath {
                local: CandidateCounts { host: 2, reflexive: 1, relayed: 0 },
                remote: 3,
                waited: Duration::from_secs(25),
            },
            TransportFailure::NoHandshake,
            TransportFailure::Handshake { role: DtlsRole::Client, error: denied() },
            TransportFailure::Handshake { role: DtlsRole::Server, error: denied() },
            TransportFailure::RsaCertificate,
            TransportFailure::OtherTransport,
            TransportFailure::Keys,
            TransportFailure::Closed,
            TransportFailure::Silent(Duration::from_secs(60)),
            TransportFailure::Deadline(Duration::from_secs(30)),
            TransportFailure::Library(denied()),
            TransportFailure::Stuck,
        ];
        for failure in all {
            assert_eq!(failure.to_string(), sentence(&failure));
        }
    }

    #[test]
    fn what_does_not_work_in_our_own_network_follows_the_failure() {
        let refused = NetworkFailure::Sending { from: [192, 0, 2, 1].into(), error: "no route".to_owned() };
        let server =
            NetworkFailure::Server { server: "STUN at stun.example:3478".to_owned(), error: "denied".to_owned() };
        for failure in [&refused, &server] {
            let sentence = match failure {
                NetworkFailure::Sending { .. } => "sending from 192.0.2.1: no route",
                NetworkFailure::Server { .. } => "STUN at stun.example:3478: denied",
            };
            assert_eq!(failure.to_string(), sentence);
        }
        let failure = PathFailure { why: TransportFailure::Stuck, network: vec![refused, server] };
        assert_eq!(
            failure.to_string(),
            "the tasks of this media path hang, which is a fault of this program; sending from 192.0.2.1: no route; \
             STUN at stun.example:3478: denied"
        );
        let alone = PathFailure::from(TransportFailure::Stuck);
        assert_eq!(alone.to_string(), alone.why.to_string());
    }

    #[test]
    fn each_trouble_of_the_media_layer_says_what_does_not_work() {
        let denied = || "denied".to_owned();
        let unknown = MediaTrouble::UnknownLevel { session: SessionId(1), profile_level_id: "42e0ff".to_owned() };
        let all = [
            MediaTrouble::Socket(denied()),
            MediaTrouble::Decoder(denied()),
            MediaTrouble::TooSlow(Duration::from_millis(660)),
            MediaTrouble::Device(denied()),
            unknown,
        ];
        for trouble in all {
            let sentence = match trouble {
                MediaTrouble::Socket(_) => {
                    "no further UDP socket can be opened on this machine: denied; check its limit of open files"
                }
                MediaTrouble::Decoder(_) => {
                    "the sound of a peer cannot be decoded: denied, which is a fault of this program"
                }
                MediaTrouble::TooSlow(_) => {
                    "this machine is too slow for the call: 660 ms of sound were neither sent nor played in the last ten \
                     seconds; close other programs, or send and receive fewer pictures"
                }
                MediaTrouble::Device(_) => "denied",
                MediaTrouble::UnknownLevel { .. } => {
                    "the peer names a level of H.264 that does not exist (profile-level-id 42e0ff); it is sent what every client \
                     takes, level 3.1"
                }
            };
            assert_eq!(trouble.to_string(), sentence);
        }
    }
}
