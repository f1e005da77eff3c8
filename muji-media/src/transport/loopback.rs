//! A transport without cryptography, for tests of everything above it.
//!
//! Both ends greet each other with the passwords from the signalling and then send packets as they are. It is not for
//! networks: whoever reads along can forge, and nothing is encrypted.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::media::{CandidateCounts, LocalTransport, OpenContent, RemoteTransport, TransportFailure};
use muji_xep::Secret;
use muji_xep::ice::Candidate;

use super::interface::{MakeTransport, NegotiatedContent, Transport, TransportOutput, TransportParams, told};
use crate::gather::LocalCandidate;
use crate::rtp::{ReceivedRtp, RtpPacket};

/// Between two greetings to a peer that does not answer.
const REPEAT: Duration = Duration::from_millis(50);
/// Greetings until we give up.
const GREETINGS: u32 = 200;

/// A transport of this kind.
pub struct Loopback {
    opening: TransportParams,
    local: LocalTransport,
    remote: Option<RemoteTransport>,
    addresses: Vec<SocketAddr>,
    path: Option<(SocketAddr, SocketAddr)>,
    greeted: u32,
    repeat_at: Option<Instant>,
    agreed: Vec<NegotiatedContent>,
    sequences: BTreeMap<String, u64>,
    out: VecDeque<TransportOutput>,
}

/// Makes transports of this kind. The passwords are counted, not secret.
#[must_use]
pub fn maker() -> MakeTransport {
    let mut made = 0u64;
    let make = move |_, opening| {
        made += 1;
        Box::new(Loopback::new(opening, made)) as Box<dyn Transport>
    };
    MakeTransport { make: Box::new(make), counts_packets: true }
}

impl Loopback {
    fn new(opening: TransportParams, count: u64) -> Self {
        let local = LocalTransport {
            ufrag: format!("loop{count:08}"),
            pwd: Secret::new(format!(
                "{}/{count:022}",
                opening.candidates.first().map(|ours| ours.base.to_string()).unwrap_or_default()
            )),
            fingerprint: vec![0; 32],
            candidates: told(&opening.candidates),
        };
        Self {
            opening,
            local,
            remote: None,
            addresses: Vec::new(),
            path: None,
            greeted: 0,
            repeat_at: None,
            agreed: Vec::new(),
            sequences: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    fn greet(&mut self, now: Instant) {
        let Some(remote) = self.remote.as_ref().filter(|_| self.path.is_none()) else { return };
        if self.greeted == GREETINGS {
            self.repeat_at = None;
            let host = self.opening.candidates.len();
            let failure = TransportFailure::NoPath {
                local: CandidateCounts { host, ..CandidateCounts::default() },
                remote: self.addresses.len(),
                waited: REPEAT * GREETINGS,
            };
            self.out.push_back(TransportOutput::Failed(failure));
            return;
        }
        let hello = format!("hello {} {}", remote.pwd.expose(), self.local.pwd.expose()).into_bytes();
        for (ours, to) in self.opening.candidates.iter().zip(self.addresses.iter().cycle()) {
            self.out.push_back(TransportOutput::Datagram { from: ours.base, to: *to, bytes: hello.clone() });
        }
        self.greeted += 1;
        self.repeat_at = Some(now + REPEAT);
    }

    fn greeted(&mut self, now: Instant, local: SocketAddr, from: SocketAddr) {
        if self.path.is_none() {
            if !self.addresses.contains(&from) {
                self.addresses.push(from); // It was not told yet.
            }
            self.greet(now); // The other side may not have heard us yet.
            self.path = Some((local, from));
            self.repeat_at = None;
            self.out.push_back(TransportOutput::Connected);
        }
    }

    fn received(&mut self, now: Instant, bytes: &[u8]) -> Option<()> {
        // As a key would, it tells packets of other transports from ours.
        let rest = bytes.strip_prefix(self.local.ufrag.as_bytes())?;
        let (length, rest) = rest.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let mut receiving = self.agreed.iter().filter(|agreed| agreed.receive);
        let agreed = receiving.find(|agreed| agreed.content.as_bytes() == name)?;
        let (payload_type, rest) = rest.split_first()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (timestamp, rest) = rest.split_first_chunk::<4>()?;
        let (marker, payload) = rest.split_first()?;
        let packet =
            RtpPacket { timestamp: u32::from_be_bytes(*timestamp), marker: *marker == 1, payload: Arc::from(payload) };
        let received = ReceivedRtp {
            payload_type: *payload_type,
            sequence: u64::from_be_bytes(*sequence),
            arrived: now,
            captured: None,
            turns: None,
            packet,
        };
        self.out.push_back(TransportOutput::Rtp { content: agreed.content.as_str().into(), received });
        Some(())
    }
}

impl Transport for Loopback {
    fn local(&self) -> LocalTransport {
        self.local.clone()
    }

    fn restart(&mut self) {
        self.local.pwd = Secret::new(format!("{}+", self.local.pwd.expose()));
        self.local.ufrag.push('+');
    }

    fn remote(&mut self, now: Instant, remote: &RemoteTransport) {
        if self.remote.replace(remote.clone()).is_some_and(|before| before != *remote) {
            (self.path, self.greeted) = (None, 0);
            self.addresses.clear();
        }
        self.greet(now);
    }

    fn found(&mut self, _: Instant, candidate: &LocalCandidate) {
        self.opening.candidates.push(candidate.clone());
    }

    fn lost(&mut self, _: Instant, candidate: &LocalCandidate) {
        self.opening.candidates.retain(|ours| ours != candidate);
    }

    fn candidate(&mut self, now: Instant, candidate: &Candidate) {
        self.addresses.push(candidate.address);
        if self.greeted > 0 {
            self.greet(now);
        }
    }

    fn add(&mut self, content: &OpenContent) {
        self.opening.contents.push(content.clone());
    }

    fn agreed(&mut self, agreed: &NegotiatedContent) {
        match self.agreed.iter_mut().find(|known| known.content == agreed.content) {
            Some(known) => known.clone_from(agreed),
            None => self.agreed.push(agreed.clone()),
        }
    }

    fn send(&mut self, _: Instant, _: Instant, content: &str, packets: &[RtpPacket]) {
        let (Some((from, to)), Some(remote)) = (self.path, &self.remote) else { return };
        let found = self.agreed.iter().find(|agreed| agreed.content == content);
        let Some(payload) = found.and_then(|agreed| agreed.send.as_ref()) else { return };
        let Ok(length) = u8::try_from(content.len()) else { return }; // No test has such names.
        let sequence = self.sequences.entry(content.to_owned()).or_default();
        for packet in packets {
            *sequence += 1;
            let mut bytes = remote.ufrag.clone().into_bytes();
            bytes.push(length);
            bytes.extend_from_slice(content.as_bytes());
            bytes.push(payload.id);
            bytes.extend(sequence.to_be_bytes());
            bytes.extend(packet.timestamp.to_be_bytes());
            bytes.push(u8::from(packet.marker));
            bytes.extend_from_slice(&packet.payload);
            self.out.push_back(TransportOutput::Datagram { from, to, bytes });
        }
    }

    fn ask_key_frame(&mut self, _: Instant, _: &str) {} // No test sends pictures by it.

    fn accepts(&self, _: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        let greets = bytes.starts_with(format!("hello {} ", self.local.pwd.expose()).as_bytes());
        greets || self.path == Some((local, from))
    }

    fn datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if bytes.starts_with(format!("hello {} ", self.local.pwd.expose()).as_bytes()) {
            if self.remote.as_ref().is_some_and(|remote| bytes.ends_with(remote.pwd.expose().as_bytes())) {
                self.greeted(now, local, from);
            }
        } else {
            let _unusable = self.received(now, bytes).is_none(); // A test that sends nonsense sees nothing arrive.
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.repeat_at.is_some_and(|at| at <= now) {
            self.greet(now);
        }
    }

    fn poll_output(&mut self) -> Option<TransportOutput> {
        self.out.pop_front()
    }

    fn round_trip(&self) -> Option<Duration> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.repeat_at
    }
}
