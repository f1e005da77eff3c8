//! ICE by webrtc-ice, DTLS by dtls, SRTP by webrtc-srtp: the second transport, which shows that the first can be replaced.
//!
//! Its parts are tasks that wait for sockets and timers; here they run by the caller's clock, over our own mux. [`super::str0m`] can do
//! more:
//!
//! - DTLS 1.3, and header extensions other than the orientation of video. There is no transport-wide congestion control
//!   ([`MakeTransport::transport_cc`]): peers are sent REMB, and our own rate follows their REMB, or their losses.
//! - Moving to a better pair: webrtc-ice stays with the first that it nominates. Only when that has fallen silent, a new agent looks for
//!   another.
//! - Pacing of checks: each pair is checked ten times a second until one is selected, so there are at most 48.
//!
//! Relays are ours, as for each transport: webrtc-ice itself knows UDP over IPv4 only. Role conflicts are answered by the mux, and then a
//! new agent takes the other role. The 0.17 line of these crates gets bug fixes only, and its parsers
//! panic at some lengths; `guard` checks what they get.

mod guard;
mod handshake;
mod incoming;
mod job;
mod media;
mod message;
mod paths;
mod runner;

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
use super::interface::{MakeTransport, NegotiatedContent, Transport, TransportOutput, TransportParams, advertised};
use super::request_limiter::RequestLimiter;

use crate::gather::LocalCandidate;
use crate::rtp::{RtpPacket, is_stun};
use guard::{Accepted, Records};
use job::{Handshake, Job, JobOutput};
use media::Media;
use paths::{Credentials, OutgoingDatagram, Paths, Verdict};
use runner::Runner;

/// How exactly the timers of tasks are kept, while they matter: until the path is secure.
const TICK: Duration = Duration::from_millis(20);

/// Between two consent checks. There are four in the five seconds after which a path counts as interrupted.
const ASK: Duration = Duration::from_millis(1_200);

/// Between two searches for another path while the peer is silent.
const SEARCH: Duration = Duration::from_secs(5);

/// Between two resends of a flight: the peer's flight that it answers comes in several datagrams.
const RESEND: Duration = Duration::from_millis(50);

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
        // dtls uses the process's default of rustls, and two are built in here; a program that chose before keeps its choice.
        let _chosen = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
        Ok(Self { certificates: Certificates::new(certificate().ok_or(NoCertificate)?) })
    }

    /// Makes transports of this kind.
    #[must_use]
    pub fn maker(mut self) -> MakeTransport {
        let make = move |now, params: TransportParams| Box::new(self.open(now, params)) as Box<dyn Transport>;
        MakeTransport { make: Box::new(make), transport_cc: false, for_rsa: None }
    }

    /// Makes one.
    pub fn open(&mut self, now: Instant, params: TransportParams) -> WebrtcIceTransport {
        let certificate = self.certificates.of(params.call, certificate);
        WebrtcIceTransport::new(certificate, now, params)
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
    /// Starts when the peer's credentials are known.
    runner: Option<Runner>,
    paths: Paths,
    records: Records,
    media: Media,
    consent: Consent,
    requests: RequestLimiter,
    local: LocalTransport,
    dtls: Option<(DtlsRole, Vec<u8>)>,
    /// Our last flight of the handshake. dtls resends neither its HelloVerifyRequest nor its last flight, though both may be lost.
    flight: Vec<Vec<u8>>,
    /// When it may be sent again.
    resend_at: Option<Instant>,
    /// When the tasks' timers are looked at next.
    tick_at: Option<Instant>,
    /// When the next search for a path begins, if the present one finds none.
    search_at: Option<Instant>,
    /// When the next consent check is due.
    ask_at: Option<Instant>,
    over: bool,
    out: VecDeque<TransportOutput>,
}

impl WebrtcIceTransport {
    fn new(certificate: Certificate, now: Instant, params: TransportParams) -> Self {
        let TransportParams { role, contents, candidates, .. } = params;
        let ours = credentials();
        let local = LocalTransport {
            ufrag: ours.ufrag.clone(),
            pwd: ours.pwd.clone(),
            fingerprint: handshake::fingerprint(&certificate.certificate[0]),
            candidates: advertised(&candidates),
        };
        Self {
            runner: None,
            paths: Paths::new(role == IceRole::Controlling, ours, candidates),
            records: Records::default(),
            media: Media::new(now, &contents, generate_ufrag()),
            consent: Consent::default(),
            requests: RequestLimiter::default(),
            local,
            dtls: None,
            flight: Vec::new(),
            resend_at: None,
            certificate,
            tick_at: None,
            search_at: None,
            ask_at: None,
            over: false,
            out: VecDeque::new(),
        }
    }

    /// Sends RTCP as it is, but protected: the fuzzing of what others read of it needs a peer that says anything.
    pub fn send_rtcp(&mut self, now: Instant, packets: &[u8]) {
        let protected = self.media.protect(packets);
        self.send_media(now, protected.into_iter().collect());
    }

    /// Gives the tasks what is new, and handles their outputs.
    fn turn(&mut self, now: Instant, mut jobs: Vec<Job>) {
        let waits = |this: &Self| {
            !this.consent.is_connected() || this.consent.is_restarting() || this.search_at.is_some_and(|at| at > now)
        };
        while !self.over
            && let Some(runner) = &self.runner
        {
            let Ok(made) = runner.turn(now, std::mem::take(&mut jobs)) else {
                return self.fail(TransportFailure::Stuck);
            };
            for made in made {
                self.handle_output(now, made, &mut jobs);
            }
            if jobs.is_empty() {
                break;
            }
        }
        self.tick_at = Some(now + TICK).filter(|_| waits(self));
    }

    fn handle_output(&mut self, now: Instant, output: JobOutput, jobs: &mut Vec<Job>) {
        match output {
            JobOutput::Stun { number, bytes } => {
                if let Some(datagram) = self.paths.rewrite(number, &bytes) {
                    self.send_stun(now, datagram);
                }
            }
            JobOutput::Selected(number) => {
                self.paths.select(number);
                self.search_at = None;
                self.consent.found_path(now, &mut self.out);
                self.ask_at = Some(now + ASK);
                jobs.extend(self.handshake(DtlsRole::Client));
            }
            JobOutput::Record(bytes) => {
                if !self.consent.is_connected() {
                    self.flight.push(bytes.clone());
                }
                self.send_record(now, bytes);
            }
            JobOutput::Secured(keys) => {
                if self.media.secure(now, keys) {
                    self.paths.settle();
                    self.ask_at = self.ask_at.or(Some(now + ASK));
                    self.consent.found_path(now, &mut self.out);
                    self.consent.connected(now, &mut self.out);
                } else {
                    self.fail(TransportFailure::Keys);
                }
            }
            JobOutput::WrongCertificate => self.end(TransportOutput::WrongCertificate),
            JobOutput::Ended(why) => self.fail(why),
        }
    }

    fn send_record(&mut self, now: Instant, bytes: Vec<u8>) {
        if let Some((from, to)) = self.paths.of_records().filter(|_| !self.consent.is_expired(now)) {
            self.out.push_back(TransportOutput::Datagram { from, to, bytes });
        }
    }

    /// DTLS records came by a valid pair.
    fn receive_records(&mut self, now: Instant, bytes: &[u8]) {
        let ended = self.consent.is_connected();
        let Some(Accepted { records, again }) = self.records.take(bytes, ended) else { return };
        if again && self.resend_at.is_none_or(|at| at <= now) {
            self.resend_at = Some(now + RESEND);
            for bytes in self.flight.clone() {
                self.send_record(now, bytes);
            }
        }
        if !records.is_empty() {
            if !ended && !again {
                self.flight.clear();
            }
            self.turn(now, vec![Job::Record(records)]);
        }
    }

    /// The handshake, if it begins in this role and has not begun.
    fn handshake(&mut self, role: DtlsRole) -> Option<Job> {
        let (_, fingerprint) = self.dtls.take_if(|(ours, _)| *ours == role)?;
        Some(Job::Handshake(Box::new(Handshake { certificate: self.certificate.clone(), role, fingerprint })))
    }

    fn send_stun(&mut self, now: Instant, datagram: OutgoingDatagram) {
        let OutgoingDatagram { from, to, bytes } = datagram;
        self.consent.check_sent(now, &bytes, to);
        self.out.push_back(TransportOutput::Datagram { from, to, bytes });
    }

    /// Sends encrypted packets while the peer consents.
    fn send_media(&mut self, now: Instant, packets: Vec<Vec<u8>>) {
        let Some((from, to)) = self.paths.selected().filter(|_| !self.consent.is_expired(now)) else { return };
        self.out.extend(packets.into_iter().map(|bytes| TransportOutput::Datagram { from, to, bytes }));
    }

    fn receive_stun(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        let asked = self.consent.check_time(bytes, from).is_some();
        if !asked && !self.requests.admits(now, from, self.paths.is_signalled(from)) {
            return;
        }
        let verdict = self.paths.handle_stun(now, local, from, bytes, asked);
        if asked && matches!(verdict, Verdict::ForAgent(_) | Verdict::Consent) {
            self.consent.answered(now, bytes, from, &mut self.out);
        }
        match verdict {
            Verdict::Dropped | Verdict::Consent => {}
            Verdict::ForAgent(jobs) => self.turn(now, jobs),
            Verdict::RoleSwitched(jobs) => {
                self.consent.forget();
                self.turn(now, jobs);
            }
            Verdict::Answered(datagram) => self.send_stun(now, datagram),
        }
    }

    /// Looks for another path between the addresses that are known.
    fn search(&mut self, now: Instant) {
        self.search_at = Some(now + SEARCH);
        // A restart is a search already.
        if self.consent.is_connected() && !self.consent.is_restarting() {
            let jobs = self.paths.begin();
            self.turn(now, jobs);
        }
    }

    fn fail(&mut self, why: TransportFailure) {
        self.end(TransportOutput::Failed(why));
    }

    fn end(&mut self, last: TransportOutput) {
        if !self.over {
            self.over = true;
            self.runner = None;
            self.out.push_back(last);
        }
    }

    /// Sends packets with this payload type, or with that of the content.
    fn write(
        &mut self,
        now: Instant,
        captured: Option<Instant>,
        content: &str,
        payload_type: Option<u8>,
        packets: &[RtpPacket],
    ) {
        if self.consent.is_connected() && !self.over && !self.consent.is_expired(now) {
            let packets = self.media.send(now, captured, content, payload_type, packets);
            self.send_media(now, packets);
        }
    }
}

impl Transport for WebrtcIceTransport {
    fn local(&self) -> LocalTransport {
        self.local.clone()
    }

    fn restart(&mut self) {
        let renewed = credentials();
        self.local.ufrag.clone_from(&renewed.ufrag);
        self.local.pwd = renewed.pwd.clone();
        self.local.candidates = advertised(self.paths.bases());
        self.paths.renew(renewed);
    }

    fn set_remote(&mut self, now: Instant, remote: &RemoteTransport) {
        let theirs = Credentials { ufrag: remote.ufrag.clone(), pwd: remote.pwd.clone() };
        let Some(mut jobs) = self.paths.set_remote(theirs) else { return };
        if self.runner.is_some() {
            self.consent.restarted();
        } else {
            self.consent.begin(now);
            self.media.knows(&remote.extensions);
            self.dtls = Some((remote.dtls, remote.fingerprint.clone()));
            match Runner::start(now) {
                Ok(runner) => self.runner = Some(runner),
                Err(error) => return self.fail(TransportFailure::NoThread(error.to_string())),
            }
            jobs.extend(self.handshake(DtlsRole::Server));
        }
        self.turn(now, jobs);
    }

    fn add_local_candidate(&mut self, now: Instant, candidate: &LocalCandidate) {
        let jobs = self.paths.add_local(candidate);
        if self.paths.is_stranded() {
            self.search(now);
        } else {
            self.turn(now, jobs);
        }
    }

    fn remove_local_candidate(&mut self, _: Instant, candidate: &LocalCandidate) {
        self.paths.remove_local(candidate);
    }

    fn add_remote_candidate(&mut self, now: Instant, candidate: &Candidate) {
        let jobs = self.paths.add_remote(candidate);
        self.turn(now, jobs);
    }

    fn add_content(&mut self, content: &OpenContent) {
        self.media.add_content(content);
    }

    fn set_negotiated(&mut self, negotiated: &NegotiatedContent) {
        self.media.set_negotiated(negotiated);
    }

    fn remove_content(&mut self, name: &str) {
        self.media.remove_content(name);
    }

    fn send(&mut self, now: Instant, captured: Instant, content: &str, packets: &[RtpPacket]) {
        self.write(now, Some(captured), content, None, packets);
    }

    fn send_as(
        &mut self,
        now: Instant,
        captured: Option<Instant>,
        content: &str,
        payload_type: u8,
        packet: &RtpPacket,
    ) {
        self.write(now, captured, content, Some(payload_type), std::slice::from_ref(packet));
    }

    fn limit_received(&mut self, content: &str, most: Option<u32>) {
        self.media.limit_received(content, most);
    }

    fn request_key_frame(&mut self, now: Instant, content: &str) {
        let asks = self.media.request_key_frame(content);
        self.send_media(now, asks.into_iter().collect());
    }

    fn accepts(&self, _: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        if is_stun(bytes) {
            return self.paths.is_for_us(bytes) || self.consent.check_time(bytes, from).is_some();
        }
        self.paths.is_valid(local, from)
    }

    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if self.over {
            return;
        }
        match bytes {
            [0..=3, ..] => self.receive_stun(now, local, from, bytes),
            [20..=63, ..] if self.paths.is_valid(local, from) => {
                self.paths.record_received(local, from);
                self.receive_records(now, bytes);
            }
            [128..=191, 192..=223, ..] => {
                if let Some((news, again)) = self.media.reported(now, self.consent.round_trip(), bytes) {
                    self.paths.media_received(now, local, from);
                    self.out.extend(news);
                    self.send_media(now, again);
                }
            }
            [128..=191, ..] => {
                if let Some(received) = self.media.receive(now, bytes) {
                    self.paths.media_received(now, local, from);
                    self.consent.received(now, &mut self.out);
                    self.out.push_back(received);
                    let asked = self.media.handle_timeout(now);
                    self.send_media(now, asked); // NACKs for what is missing before it.
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
            return self.fail(self.consent.why(&lost, self.paths.bases(), self.paths.signalled()));
        }
        let lost = self.consent.is_interrupted() || self.paths.is_off_selected(now);
        if lost && self.search_at.is_none_or(|at| at <= now) {
            self.search(now);
        }
        if self.ask_at.is_some_and(|at| at <= now) {
            self.ask_at = Some(now + ASK);
            if let Some(datagram) = self.paths.consent_request() {
                self.send_stun(now, datagram);
            }
        }
        if self.tick_at.is_some_and(|at| at <= now) {
            self.turn(now, Vec::new());
        }
        let reports = self.media.handle_timeout(now);
        self.send_media(now, reports);
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
