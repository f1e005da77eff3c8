//! ICE by webrtc-ice, DTLS by dtls, SRTP by webrtc-srtp: the second transport, which shows that the first can be replaced.
//!
//! Its parts are tasks that wait for sockets and timers; here they run by the clock of whoever calls, over a mux of ours. What it does
//! not do, and [`super::str0m`] does:
//!
//! - DTLS 1.3, and header extensions but how a picture is turned. No packets are counted ([`MakeTransport::counts_packets`]): peers are
//!   told by REMB how much they may send, and how much we may send is known if they tell so, or by what they lose.
//! - Choosing a better pair: webrtc-ice stays with the first that it nominates. Another is looked for only where the first has fallen
//!   silent, by an agent made anew.
//! - Pacing of checks: each pair is asked ten times a second until one is chosen. So there are at most 48.
//!
//! Relays are ours, as for every transport: webrtc-ice itself would only know UDP over IPv4. Role conflicts are found and answered by
//! the mux, and then the agent is made anew with the other role. The 0.17 line of these crates gets bug fixes only, and its parsers
//! panic at some lengths; `guard` stands before them.

mod engine;
mod guard;
mod handshake;
mod job;
mod media;
mod paths;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dtls::crypto::Certificate;
use muji_core::media::{DtlsRole, IceRole, LocalTransport, OpenContent, RemoteTransport, TransportFailure};
use muji_xep::Secret;
use muji_xep::ice::Candidate;
use webrtc_ice::rand::{generate_pwd, generate_ufrag};

use super::certificates::{Certificates, NoCertificate};
use super::consent::Consent;
use super::interface::{MakeTransport, NegotiatedContent, Transport, TransportOutput, TransportParams, told};
use super::requests::Requests;

use crate::gather::LocalCandidate;
use crate::rtp::{RtpPacket, is_stun};
use engine::Engine;
use guard::{Records, Sound};
use job::{Handshake, Job, JobOutput};
use media::Media;
use paths::{Credentials, Letter, Paths, Verdict};

/// How exactly the timers of tasks are kept, as long as they matter: until the path is secure.
const TICK: Duration = Duration::from_millis(20);

/// Between two times that we ask whether the peer still consents. In the five seconds after which it is taken for interrupted it is asked
/// four times.
const ASK: Duration = Duration::from_millis(1_200);

/// Between two searches for another path, while the peer is not heard.
const SEARCH: Duration = Duration::from_secs(5);

/// Between two times that a flight is sent again, for all datagrams of the one that it answers.
const AGAIN: Duration = Duration::from_millis(50);

/// What all transports of this kind share.
pub struct WebrtcIce {
    certificates: Certificates<Certificate>,
}

impl WebrtcIce {
    /// Makes the first certificate.
    ///
    /// # Errors
    /// If the cryptography library cannot make one.
    pub fn new() -> Result<Self, NoCertificate> {
        // dtls asks rustls for the process's cryptography, of which two are built in here; whoever chose already has chosen.
        let _chosen = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
        Ok(Self { certificates: Certificates::new(certificate().ok_or(NoCertificate)?) })
    }

    /// Makes transports of this kind.
    #[must_use]
    pub fn maker(mut self) -> MakeTransport {
        let make = move |now, opening: TransportParams| {
            let certificate = self.certificates.of(opening.call, certificate);
            Box::new(WebrtcIceTransport::new(certificate, now, opening)) as Box<dyn Transport>
        };
        MakeTransport { make: Box::new(make), counts_packets: false }
    }
}

fn certificate() -> Option<Certificate> {
    Certificate::generate_self_signed(["muji".to_owned()]).ok()
}

fn credentials() -> Credentials {
    Credentials { ufrag: generate_ufrag(), pwd: Secret::new(generate_pwd()) }
}

/// A transport of this kind.
pub struct WebrtcIceTransport {
    certificate: Certificate,
    /// From the moment on at which it is known whom to connect to.
    engine: Option<Engine>,
    paths: Paths,
    records: Records,
    media: Media,
    consent: Consent,
    requests: Requests,
    local: LocalTransport,
    dtls: Option<(DtlsRole, Vec<u8>)>,
    /// Our last flight of the handshake. dtls sends neither the answer to a greeting again nor what ends the handshake, though both may
    /// be lost.
    flight: Vec<Vec<u8>>,
    /// When it may be sent again.
    again_at: Option<Instant>,
    /// When tasks are to look at the time.
    tick_at: Option<Instant>,
    /// When we look for another path again, if the one that we look for now was not found.
    search_at: Option<Instant>,
    /// When we ask for consent next.
    ask_at: Option<Instant>,
    over: bool,
    out: VecDeque<TransportOutput>,
}

impl WebrtcIceTransport {
    fn new(certificate: Certificate, now: Instant, opening: TransportParams) -> Self {
        let TransportParams { role, contents, candidates, .. } = opening;
        let ours = credentials();
        let local = LocalTransport {
            ufrag: ours.ufrag.clone(),
            pwd: ours.pwd.clone(),
            fingerprint: handshake::fingerprint(&certificate.certificate[0]),
            candidates: told(&candidates),
        };
        Self {
            engine: None,
            paths: Paths::new(role == IceRole::Controlling, ours, candidates),
            records: Records::default(),
            media: Media::new(now, &contents, generate_ufrag()),
            consent: Consent::default(),
            requests: Requests::default(),
            local,
            dtls: None,
            flight: Vec::new(),
            again_at: None,
            certificate,
            tick_at: None,
            search_at: None,
            ask_at: None,
            over: false,
            out: VecDeque::new(),
        }
    }

    /// Gives the tasks what is new, and takes what they make of it.
    fn turn(&mut self, now: Instant, mut jobs: Vec<Job>) {
        let waits = |this: &Self| {
            !this.consent.is_connected() || this.consent.is_anew() || this.search_at.is_some_and(|at| at > now)
        };
        while !self.over
            && let Some(engine) = &self.engine
        {
            let Ok(made) = engine.turn(now, std::mem::take(&mut jobs)) else {
                return self.fail(TransportFailure::Stuck);
            };
            for made in made {
                self.made(now, made, &mut jobs);
            }
            if jobs.is_empty() {
                break;
            }
        }
        self.tick_at = Some(now + TICK).filter(|_| waits(self));
    }

    fn made(&mut self, now: Instant, made: JobOutput, jobs: &mut Vec<Job>) {
        match made {
            JobOutput::Stun { number, bytes } => {
                if let Some(letter) = self.paths.goes(number, &bytes) {
                    self.post(now, letter);
                }
            }
            JobOutput::Chosen(number) => {
                self.paths.choose(number);
                self.search_at = None;
                self.consent.found_path(now, &mut self.out);
                self.ask_at = Some(now + ASK);
                jobs.extend(self.handshake(DtlsRole::Client));
            }
            JobOutput::Record(bytes) => {
                if !self.consent.is_connected() {
                    self.flight.push(bytes.clone());
                }
                self.record(now, bytes);
            }
            JobOutput::Secured(keys) => {
                if self.media.secure(now, &keys) {
                    self.paths.settle();
                    self.ask_at = self.ask_at.or(Some(now + ASK));
                    self.consent.found_path(now, &mut self.out);
                    self.consent.connected(now, &mut self.out);
                } else {
                    self.fail(TransportFailure::Keys);
                }
            }
            JobOutput::Impostor => self.end(TransportOutput::Impostor),
            JobOutput::Ended(why) => self.fail(why),
        }
    }

    fn record(&mut self, now: Instant, bytes: Vec<u8>) {
        if let Some((from, to)) = self.paths.of_records().filter(|_| !self.consent.is_silent(now)) {
            self.out.push_back(TransportOutput::Datagram { from, to, bytes });
        }
    }

    /// Records came by a path that is proven.
    fn records(&mut self, now: Instant, bytes: &[u8]) {
        let ended = self.consent.is_connected();
        let Some(Sound { records, again }) = self.records.take(bytes, ended) else { return };
        if again && self.again_at.is_none_or(|at| at <= now) {
            self.again_at = Some(now + AGAIN);
            for bytes in self.flight.clone() {
                self.record(now, bytes);
            }
        }
        if !records.is_empty() {
            if !ended && !again {
                self.flight.clear();
            }
            self.turn(now, vec![Job::Record(records)]);
        }
    }

    /// The handshake, if it is to begin in this role and has not.
    fn handshake(&mut self, role: DtlsRole) -> Option<Job> {
        let (_, fingerprint) = self.dtls.take_if(|(ours, _)| *ours == role)?;
        let (certificate, client) = (self.certificate.clone(), role == DtlsRole::Client);
        Some(Job::Handshake(Box::new(Handshake { certificate, client, fingerprint })))
    }

    fn post(&mut self, now: Instant, letter: Letter) {
        let Letter { from, to, bytes } = letter;
        self.consent.asks(now, &bytes, to);
        self.out.push_back(TransportOutput::Datagram { from, to, bytes });
    }

    /// Sends what is encrypted, as long as the peer consents.
    fn flow(&mut self, now: Instant, packets: Vec<Vec<u8>>) {
        let Some((from, to)) = self.paths.chosen().filter(|_| !self.consent.is_silent(now)) else { return };
        self.out.extend(packets.into_iter().map(|bytes| TransportOutput::Datagram { from, to, bytes }));
    }

    fn stun(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        let asked = self.consent.asked(bytes, from).is_some();
        if !asked && !self.requests.admits(now, from, self.paths.names(from)) {
            return;
        }
        let verdict = self.paths.comes(now, local, from, bytes, asked);
        if asked && matches!(verdict, Verdict::Given(_) | Verdict::Consent) {
            self.consent.answered(now, bytes, from, &mut self.out);
        }
        match verdict {
            Verdict::Dropped | Verdict::Consent => {}
            Verdict::Given(jobs) => self.turn(now, jobs),
            Verdict::Turned(jobs) => {
                self.consent.forget();
                self.turn(now, jobs);
            }
            Verdict::Answered(letter) => self.post(now, letter),
        }
    }

    /// Looks for another path between the addresses that are known.
    fn search(&mut self, now: Instant) {
        self.search_at = Some(now + SEARCH);
        // A restart searches already.
        if self.consent.is_connected() && !self.consent.is_anew() {
            let jobs = self.paths.begin();
            self.turn(now, jobs);
        }
    }

    fn fail(&mut self, why: TransportFailure) {
        self.end(TransportOutput::Failed(why));
    }

    fn end(&mut self, told: TransportOutput) {
        if !self.over {
            self.over = true;
            self.engine = None;
            self.out.push_back(told);
        }
    }
}

impl Transport for WebrtcIceTransport {
    fn local(&self) -> LocalTransport {
        self.local.clone()
    }

    fn restart(&mut self) {
        let renewed = credentials();
        (self.local.ufrag, self.local.pwd) = (renewed.ufrag.clone(), renewed.pwd.clone());
        self.local.candidates = told(self.paths.bases());
        self.paths.renew(renewed);
    }

    fn remote(&mut self, now: Instant, remote: &RemoteTransport) {
        let theirs = Credentials { ufrag: remote.ufrag.clone(), pwd: remote.pwd.clone() };
        let Some(mut jobs) = self.paths.meet(theirs) else { return };
        if self.engine.is_some() {
            self.consent.begin_anew();
        } else {
            self.consent.begin(now);
            self.media.knows(&remote.extensions);
            self.dtls = Some((remote.dtls, remote.fingerprint.clone()));
            match Engine::start(now) {
                Ok(engine) => self.engine = Some(engine),
                Err(error) => return self.fail(TransportFailure::NoThread(error.to_string())),
            }
            jobs.extend(self.handshake(DtlsRole::Server));
        }
        self.turn(now, jobs);
    }

    fn found(&mut self, now: Instant, candidate: &LocalCandidate) {
        let jobs = self.paths.found(candidate);
        if self.paths.is_stranded() {
            self.search(now);
        } else {
            self.turn(now, jobs);
        }
    }

    fn lost(&mut self, _: Instant, candidate: &LocalCandidate) {
        self.paths.lost(candidate);
    }

    fn candidate(&mut self, now: Instant, candidate: &Candidate) {
        let jobs = self.paths.name(candidate);
        self.turn(now, jobs);
    }

    fn add(&mut self, content: &OpenContent) {
        self.media.add(content);
    }

    fn agreed(&mut self, agreed: &NegotiatedContent) {
        self.media.agreed(agreed);
    }

    fn send(&mut self, now: Instant, captured: Instant, content: &str, packets: &[RtpPacket]) {
        if self.consent.is_connected() && !self.over && !self.consent.is_silent(now) {
            let packets = self.media.send(now, captured, content, packets);
            self.flow(now, packets);
        }
    }

    fn ask_key_frame(&mut self, now: Instant, content: &str) {
        let asks = self.media.ask_key_frame(content);
        self.flow(now, asks.into_iter().collect());
    }

    fn accepts(&self, _: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        if is_stun(bytes) {
            return self.paths.is_asked(bytes) || self.consent.asked(bytes, from).is_some();
        }
        self.paths.is_proven(local, from)
    }

    fn datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if self.over {
            return;
        }
        match bytes {
            [0..=3, ..] => self.stun(now, local, from, bytes),
            [20..=63, ..] if self.paths.is_proven(local, from) => {
                self.paths.speaks(local, from);
                self.records(now, bytes);
            }
            [128..=191, 192..=223, ..] => {
                if let Some((news, again)) = self.media.reported(now, bytes) {
                    self.paths.carries(now, local, from);
                    self.out.extend(news);
                    self.flow(now, again);
                }
            }
            [128..=191, ..] => {
                if let Some(received) = self.media.receive(now, bytes) {
                    self.paths.carries(now, local, from);
                    self.consent.hears(now, &mut self.out);
                    self.out.push_back(received);
                    let asked = self.media.handle_timeout(now);
                    self.flow(now, asked); // What is missing before it.
                }
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.over {
            return;
        }
        if let Some(lost) = self.consent.handle_timeout(now, &mut self.out) {
            return self.fail(self.consent.why(&lost, self.paths.bases(), self.paths.named()));
        }
        let lost = self.consent.is_interrupted() || self.paths.is_adrift(now);
        if lost && self.search_at.is_none_or(|at| at <= now) {
            self.search(now);
        }
        if self.ask_at.is_some_and(|at| at <= now) {
            self.ask_at = Some(now + ASK);
            if let Some(letter) = self.paths.ask() {
                self.post(now, letter);
            }
        }
        if self.tick_at.is_some_and(|at| at <= now) {
            self.turn(now, Vec::new());
        }
        let reports = self.media.handle_timeout(now);
        self.flow(now, reports);
    }

    fn poll_output(&mut self) -> Option<TransportOutput> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let due = [self.consent.poll_timeout(), self.ask_at, self.tick_at, self.media.poll_timeout()];
        due.into_iter().flatten().min().filter(|_| !self.over)
    }

    fn round_trip(&self) -> Option<Duration> {
        self.consent.round_trip()
    }
}
