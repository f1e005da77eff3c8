//! A transport without cryptography, for tests of everything above it.
//!
//! Both ends greet each other with the passwords from the signalling and then send packets as they are. It is not for
//! networks: anybody on the path can forge packets, and nothing is encrypted.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::media::{CandidateCounts, LocalTransport, OpenContent, RemoteTransport, TransportFailure};
use muji_xep::Secret;
use muji_xep::ice::Candidate;

use super::interface::{MakeTransport, NegotiatedContent, Transport, TransportOutput, TransportParams, advertised};
use crate::gather::LocalCandidate;
use crate::rtp::{ReceivedRtp, RtpPacket};

/// Between two greetings to a peer that does not answer.
const REPEAT: Duration = Duration::from_millis(50);
/// Greetings until we give up.
const GREETINGS: u32 = 200;

/// A transport of this kind.
pub struct Loopback {
    params: TransportParams,
    local: LocalTransport,
    remote: Option<RemoteTransport>,
    addresses: Vec<SocketAddr>,
    path: Option<(SocketAddr, SocketAddr)>,
    greeted: u32,
    repeat_at: Option<Instant>,
    negotiated: Vec<NegotiatedContent>,
    sequences: BTreeMap<String, u64>,
    out: VecDeque<TransportOutput>,
}

/// Makes transports of this kind. The passwords are counted, not secret.
#[must_use]
pub fn maker() -> MakeTransport {
    let mut made = 0u64;
    let make = move |_, params| {
        made += 1;
        Box::new(Loopback::new(params, made)) as Box<dyn Transport>
    };
    MakeTransport { make: Box::new(make), transport_cc: true, for_rsa: None }
}

impl Loopback {
    fn new(params: TransportParams, count: u64) -> Self {
        let local = LocalTransport {
            ufrag: format!("loop{count:08}"),
            pwd: Secret::new(format!(
                "{}/{count:022}",
                params.candidates.first().map(|ours| ours.base.to_string()).unwrap_or_default()
            )),
            fingerprint: vec![0; 32],
            candidates: advertised(&params.candidates),
        };
        Self {
            params,
            local,
            remote: None,
            addresses: Vec::new(),
            path: None,
            greeted: 0,
            repeat_at: None,
            negotiated: Vec::new(),
            sequences: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    fn greet(&mut self, now: Instant) {
        let Some(remote) = self.remote.as_ref().filter(|_| self.path.is_none()) else { return };
        if self.greeted == GREETINGS {
            self.repeat_at = None;
            let host = self.params.candidates.len();
            let failure = TransportFailure::NoPath {
                local: CandidateCounts { host, ..CandidateCounts::default() },
                remote: self.addresses.len(),
                waited: REPEAT * GREETINGS,
            };
            self.out.push_back(TransportOutput::Failed(failure));
            return;
        }
        let hello = format!("hello {} {}", remote.pwd.expose(), self.local.pwd.expose()).into_bytes();
        for (ours, to) in self.params.candidates.iter().zip(self.addresses.iter().cycle()) {
            self.out.push_back(TransportOutput::Datagram { from: ours.base, to: *to, bytes: hello.clone() });
        }
        self.greeted += 1;
        self.repeat_at = Some(now + REPEAT);
    }

    fn greeted(&mut self, now: Instant, local: SocketAddr, from: SocketAddr) {
        if self.path.is_none() {
            if !self.addresses.contains(&from) {
                self.addresses.push(from); // Its candidate has not come yet.
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
        let mut receiving = self.negotiated.iter().filter(|negotiated| negotiated.receive);
        let negotiated = receiving.find(|negotiated| negotiated.content.as_bytes() == name)?;
        let (payload_type, rest) = rest.split_first()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (timestamp, rest) = rest.split_first_chunk::<4>()?;
        let (marker, payload) = rest.split_first()?;
        let packet =
            RtpPacket { timestamp: u32::from_be_bytes(*timestamp), marker: *marker == 1, payload: Arc::from(payload) };
        let received = ReceivedRtp {
            ssrc: 0, // It has none.
            payload_type: *payload_type,
            sequence: u64::from_be_bytes(*sequence),
            arrived: now,
            captured: None,
            turns: None,
            packet,
        };
        self.out.push_back(TransportOutput::Rtp { content: negotiated.content.as_str().into(), received });
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

    fn set_remote(&mut self, now: Instant, remote: &RemoteTransport) {
        if self.remote.replace(remote.clone()).is_some_and(|before| before != *remote) {
            self.path = None;
            self.greeted = 0;
            self.addresses.clear();
        }
        self.greet(now);
    }

    fn add_local_candidate(&mut self, _: Instant, candidate: &LocalCandidate) {
        self.params.candidates.push(candidate.clone());
    }

    fn remove_local_candidate(&mut self, _: Instant, candidate: &LocalCandidate) {
        self.params.candidates.retain(|ours| ours != candidate);
    }

    fn add_remote_candidate(&mut self, now: Instant, candidate: &Candidate) {
        self.addresses.push(candidate.address);
        if self.greeted > 0 {
            self.greet(now);
        }
    }

    fn add_content(&mut self, content: &OpenContent) {
        self.params.contents.push(content.clone());
    }

    fn set_negotiated(&mut self, negotiated: &NegotiatedContent) {
        match self.negotiated.iter_mut().find(|known| known.content == negotiated.content) {
            Some(known) => known.clone_from(negotiated),
            None => self.negotiated.push(negotiated.clone()),
        }
    }

    fn remove_content(&mut self, name: &str) {
        self.params.contents.retain(|content| content.name != name);
        self.negotiated.retain(|negotiated| negotiated.content != name);
    }

    fn send(&mut self, now: Instant, captured: Instant, content: &str, packets: &[RtpPacket]) {
        let found = self.negotiated.iter().find(|negotiated| negotiated.content == content);
        let Some(id) = found.and_then(|negotiated| negotiated.send.as_ref()).map(|payload| payload.id) else { return };
        packets.iter().for_each(|packet| self.send_as(now, Some(captured), content, id, packet));
    }

    fn send_as(&mut self, _: Instant, _: Option<Instant>, content: &str, payload_type: u8, packet: &RtpPacket) {
        let (Some((from, to)), Some(remote)) = (self.path, &self.remote) else { return };
        let Ok(length) = u8::try_from(content.len()) else { return }; // No test has such names.
        let sequence = self.sequences.entry(content.to_owned()).or_default();
        *sequence += 1;
        let mut bytes = remote.ufrag.clone().into_bytes();
        bytes.push(length);
        bytes.extend_from_slice(content.as_bytes());
        bytes.push(payload_type);
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(packet.timestamp.to_be_bytes());
        bytes.push(u8::from(packet.marker));
        bytes.extend_from_slice(&packet.payload);
        self.out.push_back(TransportOutput::Datagram { from, to, bytes });
    }

    fn request_key_frame(&mut self, _: Instant, _: &str) {} // No test sends video by it.

    fn accepts(&self, _: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        let greets = bytes.starts_with(format!("hello {} ", self.local.pwd.expose()).as_bytes());
        greets || self.path == Some((local, from))
    }

    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
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
