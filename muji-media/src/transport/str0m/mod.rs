//! ICE and DTLS-SRTP by str0m.
//!
//! The order and the times of its calls matter; each trap is explained where it is avoided.

mod convert;
mod early_checks;
mod failure;
mod handshake;
mod levels;
mod pacing;
mod plan;
mod probing;
mod rtcp;
mod stream;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::media::{DtlsRole, LocalTransport, OpenContent, RemoteTransport, TransportFailure};
use muji_xep::Secret;
use muji_xep::ice::Candidate;
use muji_xep::rtp::{HeaderExtension, PayloadType};
use str0m::bwe::{Bitrate, BweKind};
use str0m::config::Fingerprint;
use str0m::ice::IceCreds;
use str0m::media::KeyframeRequestKind;
use str0m::net::{Protocol, Receive};
use str0m::rtp::SeqNo;
use str0m::rtp::rtcp::Rtcp;
use str0m::{Event, IceConnectionState, Input, Output, Reason, Rtc, RtcError};

use super::consent::{Consent, is_check, is_check_answer};
use super::contributors::{CSRC_AUDIO_LEVEL, Contributor};
use super::interface::{
    Congestion, MakeTransport, NegotiatedContent, Transport, TransportOutput, TransportParams, advertised,
};
use super::request_limiter::RequestLimiter;
use super::rtp_head::RtpHead;
use super::sources::{PROBE_SSRC, Sources};
use crate::bandwidth::{self, DESIRED};
use crate::gather::LocalCandidate;
use crate::rtp::{RtpPacket, is_stun};
use convert::{Datagram, bits, local, received, remote, write};
use early_checks::EarlyChecks;
use failure::{alert, failure};
use levels::contributors;
pub use plan::{Dtls, Str0m};
use plan::{Plan, uses, uses_transport_cc};
use probing::Probing;
use stream::{Stream, Streams, Unproven, declare};

/// Between two looks at the bandwidth estimate while there is nothing new.
const ESTIMATES: Duration = Duration::from_millis(25);

/// The last index that SRTP can count (RFC 3711 section 3.3.1). str0m takes RTX of a packet before the first for one of some 2^64.
const LAST_INDEX: u64 = (1 << 48) - 1;

/// Packets that a peer misses and that were not resent yet. One NACK names up to 17, and a datagram holds some 200 NACKs.
const MAX_MISSED: usize = 1_024;

/// A transport of this kind.
pub struct Str0mTransport {
    rtc: Rtc,
    /// How it was built, until the peer's header extensions are known. A kilobyte, which each transport would keep for nothing.
    plan: Option<Box<Plan>>,
    /// Our addresses.
    ours: Vec<LocalCandidate>,
    /// Our credentials after a restart, until the peer answers it.
    renewed: Option<IceCreds>,
    /// The peer's candidates, and its credentials.
    theirs: Vec<str0m::Candidate>,
    remote: Option<IceCreds>,
    /// Candidates that came before the peer's credentials.
    early: Vec<Candidate>,
    /// Checks that came before them.
    early_checks: EarlyChecks,
    local: LocalTransport,
    dtls: Option<DtlsRole>,
    dtls_started: bool,
    /// What the peer said last in the handshake, if that was an alert.
    alert: Option<u8>,
    streams: Streams,
    /// Both ends use transport-wide congestion control.
    counted: bool,
    /// The peer is told how loud those are who are heard in a packet.
    takes_levels: bool,
    /// What the path carries, in bits a second.
    estimate: Option<u32>,
    /// The peer takes no more (REMB).
    remb: Option<u32>,
    /// It is made by delay (TWCC).
    has_delay_estimate: bool,
    probing: Probing,
    /// More than that is of no use, in bits a second.
    desired: u32,
    /// The content of each SSRC of the peer.
    sources: Sources,
    /// What the packet that str0m looks at is taken for, until it proves to be the peer's.
    unproven: Option<Unproven>,
    consent: Consent,
    requests: RequestLimiter,
    /// What the peer misses: the SSRC, and the lower half of the sequence number.
    missed: Vec<(u32, u16)>,
    due: Option<Instant>,
    over: bool,
    out: VecDeque<TransportOutput>,
}

impl Str0m {
    /// Makes transports of this kind.
    #[must_use]
    pub fn maker(mut self) -> MakeTransport {
        let make = move |now, params| Box::new(Str0mTransport::new(&mut self, now, params)) as Box<dyn Transport>;
        MakeTransport { make: Box::new(make), transport_cc: true, for_rsa: None }
    }
}

impl Str0mTransport {
    fn new(shared: &mut Str0m, now: Instant, params: TransportParams) -> Self {
        let (mut plan, credentials) = Plan::new(shared, params);
        let built = plan.offered();
        let (mut rtc, streams) = plan.build(now, &built, &[], DESIRED);
        let counted = uses_transport_cc(&built);
        let fingerprint = rtc.direct_api().local_dtls_fingerprint().bytes.clone();
        let local = LocalTransport {
            ufrag: credentials.ufrag,
            pwd: Secret::new(credentials.pass),
            fingerprint,
            candidates: advertised(plan.candidates()),
        };
        let mut this = Self {
            rtc,
            ours: plan.candidates().clone(),
            plan: Some(Box::new(plan)),
            renewed: None,
            theirs: Vec::new(),
            remote: None,
            early: Vec::new(),
            early_checks: EarlyChecks::default(),
            local,
            dtls: None,
            dtls_started: false,
            alert: None,
            streams,
            counted,
            takes_levels: false,
            estimate: None,
            remb: None,
            has_delay_estimate: false,
            probing: Probing::default(),
            desired: DESIRED,
            sources: Sources::default(),
            unproven: None,
            consent: Consent::default(),
            requests: RequestLimiter::default(),
            missed: Vec::new(),
            due: None,
            over: false,
            out: VecDeque::new(),
        };
        this.tick(now);
        this
    }

    /// The peer's header extensions are known, and what was agreed on. If it is not what we offered, str0m is built again: nothing was sent
    /// yet.
    fn set_extensions(&mut self, now: Instant, extensions: &[HeaderExtension]) {
        self.sources.set_extensions(extensions);
        self.takes_levels = uses(extensions, CSRC_AUDIO_LEVEL);
        let Some(plan) = self.plan.take() else { return };
        let negotiated: Vec<NegotiatedContent> =
            self.streams.iter().filter_map(|stream| stream.content.negotiated.clone()).collect();
        let agreed: Vec<PayloadType> = negotiated.iter().filter_map(|negotiated| negotiated.send.clone()).collect();
        if !plan.is_built_for(extensions, &agreed) {
            (self.rtc, self.streams) = plan.build(now, extensions, &agreed, self.desired);
            self.counted = uses_transport_cc(extensions);
            self.sources.clear();
            self.tick(now);
            negotiated.iter().for_each(|negotiated| self.set_negotiated(negotiated));
        }
        for candidate in std::mem::take(&mut self.early) {
            self.add_remote_candidate(now, &candidate);
        }
    }

    /// ICE restarts with other credentials on both sides; DTLS and SRTP go on. str0m keeps its pairs of addresses, and would check them with
    /// the old credentials, so all addresses are removed and ours added again.
    fn restart_ice(&mut self, now: Instant, theirs: IceCreds) {
        let gone: Vec<str0m::Candidate> = self.ours.iter().filter_map(local).chain(self.theirs.drain(..)).collect();
        let mut api = self.rtc.direct_api();
        for candidate in &gone {
            api.invalidate_candidate(candidate);
        }
        if let Some(ours) = self.renewed.take() {
            api.set_local_ice_credentials(ours);
        }
        api.set_remote_ice_credentials(theirs);
        for candidate in self.ours.iter().filter_map(local) {
            self.rtc.add_local_candidate(candidate);
        }
        self.consent.restarted();
        self.tick(now);
        self.tick(now);
    }

    fn tick(&mut self, now: Instant) {
        self.give(now, |rtc| rtc.handle_input(Input::Timeout(now)));
        self.drain(now);
    }

    /// Lets str0m take an input, which is too large to be handed from one function to the next.
    fn give(&mut self, now: Instant, input: impl FnOnce(&mut Rtc) -> Result<(), RtcError>) {
        if self.over {
            return;
        }
        if let Some(due) = self.due.filter(|due| *due < now) {
            self.streams.timer_ran(now, due);
        }
        if let Err(error) = input(&mut self.rtc) {
            self.broke(&error);
        }
    }

    fn give_datagram(&mut self, now: Instant, Datagram { local, from, bytes }: Datagram<'_>) {
        self.give(now, |rtc| match Receive::new(Protocol::Udp, from, local, bytes) {
            Ok(received) => rtc.handle_input(Input::Receive(now, received)),
            Err(_) => Ok(()), // Nothing that belongs to a transport.
        });
    }

    fn drain(&mut self, now: Instant) {
        while !self.over {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    // While nothing is known of what was sent, str0m's delay estimate is always due at once.
                    let idle = at <= now && self.rtc.last_timeout_reason() == Reason::BweDelayControl;
                    self.due = Some(if idle { now + ESTIMATES } else { at });
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    let (from, to, bytes) = (transmit.source, transmit.destination, Vec::from(transmit.contents));
                    if is_stun(&bytes) {
                        self.consent.check_sent(now, &bytes, to);
                    } else if self.consent.is_expired(now) {
                        continue; // Bandwidth probes and reports: only checks may be sent now.
                    } else {
                        self.streams.left(&bytes);
                    }
                    self.out.push_back(TransportOutput::Datagram { from, to, bytes });
                }
                Ok(Output::Event(event)) => {
                    let last = matches!(event, Event::RtpPacket(_)) && self.calls_for_nothing(now);
                    self.event(event, now);
                    if last {
                        return;
                    }
                }
                // The end of this path, not of the call.
                Err(error) => self.broke(&error),
            }
        }
    }

    /// True if nothing follows from a packet of the peer: it is not asked for what is missing before it, nor told when it came, and nothing
    /// was due. Then str0m need not be asked once more, which costs as much as everything that is done here with the packet.
    fn calls_for_nothing(&self, now: Instant) -> bool {
        let waits = self.due.is_some_and(|due| due > now);
        waits && !self.counted && self.streams.iter().all(|stream| !stream.content.nack)
    }

    #[inline] // As `received`.
    fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::IceConnectionStateChange(IceConnectionState::Connected | IceConnectionState::Completed) => {
                self.consent.found_path(now, &mut self.out);
                // Started earlier, DTLS would retransmit while nobody can answer, and give up after 28 s.
                if self.dtls == Some(DtlsRole::Client) {
                    self.start_dtls(true);
                }
            }
            Event::Connected => self.consent.connected(now, &mut self.out),
            Event::RtpPacket(mut packet) => {
                self.consent.received(now, &mut self.out);
                if *packet.seq_no > LAST_INDEX {
                    return;
                }
                let ssrc = *packet.header.ssrc;
                let Some(place) = self.heard(now, ssrc) else { return };
                let Some(Stream { content, .. }) = self.streams.get_mut(place) else { return };
                // str0m takes RTX for a codec, since it cannot learn later of which payload type it is.
                if let Some(payload_type) = content.sent_again(*packet.header.payload_type) {
                    packet.header.payload_type = payload_type.into();
                }
                if let Some(receive_rate_limit) = &mut content.receive_rate_limit {
                    receive_rate_limit.packet(now, ssrc, *packet.seq_no, packet.payload.len());
                }
                let contributors = contributors(&packet.header);
                if !contributors.is_empty() {
                    self.out.push_back(TransportOutput::Contributors { content: content.name.clone(), contributors });
                }
                let received = received(packet);
                self.out.push_back(TransportOutput::Rtp { content: content.name.clone(), received });
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, can_probe: true }) => {
                self.probing.estimated(now, bits(estimate), self.desired);
                self.estimate = Some(bits(estimate));
                self.has_delay_estimate = true;
                self.report_estimate();
            }
            Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => {
                self.remb = Some(bits(estimate));
                self.report_estimate();
            }
            Event::KeyframeRequest(_) => self.out.push_back(TransportOutput::KeyFrameRequested),
            _ => {}
        }
    }

    /// RTCP of the peer: what it received.
    fn reported(&mut self, now: Instant, rtcp: Rtcp) {
        let reports = match rtcp {
            Rtcp::Nack(nack) => {
                let numbers = nack.reports.iter().flat_map(|entry| entry.into_iter(SeqNo::default()));
                let room = MAX_MISSED.saturating_sub(self.missed.len());
                let missed: Vec<u16> = numbers.map(|number| number.as_u16()).take(room).collect();
                return self.nacked(now, *nack.ssrc, &missed);
            }
            Rtcp::SenderReport(report) => report.reports,
            Rtcp::ReceiverReport(report) => report.reports,
            _ => return,
        };
        for report in reports.iter() {
            let Some(Stream { content, .. }) = self.streams.sent_by(*report.ssrc) else { continue };
            let Some(lost) = content.reported(now, report.max_seq, report.packets_lost) else { continue };
            let is_video = matches!(lost, TransportOutput::Loss(_));
            if matches!(lost, TransportOutput::Loss(share) if share > bandwidth::TOO_MUCH) {
                self.probing.lost();
            }
            self.out.push_back(lost);
            if is_video {
                self.report_estimate();
            }
        }
    }

    /// What the path carries, without what is sent again: the encoder must leave room for it, or it waits in str0m's queue for so long that
    /// it is asked for once more.
    fn report_estimate(&mut self) {
        // Who passes our video on tells by REMB what its viewers can take, whatever our path to it carries.
        let Some(bits) = self.estimate.into_iter().chain(self.remb).min() else { return };
        self.out.push_back(TransportOutput::BandwidthEstimate(self.streams.left_of(bits)));
    }

    /// The peer misses packets of one of our SSRCs.
    fn nacked(&mut self, now: Instant, ssrc: u32, missed: &[u16]) {
        let round_trip = self.consent.round_trip();
        let sent_by = self.streams.sent_by(ssrc).map(|stream| &mut stream.content);
        let Some(content) = sent_by.filter(|content| content.nack) else { return };
        if let Some(lost) = content.nacked(now, missed.iter().copied(), round_trip) {
            self.probing.lost();
            let has_delay_estimate = self.has_delay_estimate;
            self.out.push_back(TransportOutput::Congestion(Congestion { lost, has_delay_estimate }));
        }
        self.missed.extend(missed.iter().map(|number| (ssrc, *number)));
    }

    /// Sends again what the peer misses.
    fn resend(&mut self, now: Instant) {
        for (ssrc, number) in std::mem::take(&mut self.missed) {
            let Some(stream) = self.streams.sent_by(ssrc) else { continue };
            if let Some(numbered) = stream.content.resend(now, number) {
                stream.declare(&mut self.rtc, numbered.ssrc);
                write(&mut self.rtc, numbered, &[]);
                stream.pacing.iter_mut().for_each(|pacing| pacing.written(now));
                self.tick(now);
            }
        }
    }

    /// Sends packets of a content, with its payload type or another.
    fn write(&mut self, now: Instant, captured: Instant, content: &str, other: Option<u8>, packets: &[RtpPacket]) {
        if !self.consent.is_connected() || self.over || self.consent.is_expired(now) {
            return;
        }
        let Some(stream) = self.streams.named(content) else { return };
        let Some(payload_type) = other.or_else(|| stream.content.payload_type()) else { return };
        for numbered in stream.content.number(now, captured, payload_type, packets) {
            write(&mut self.rtc, numbered, &stream.contributors);
            stream.pacing.iter_mut().for_each(|pacing| pacing.written(now));
        }
        stream.pace(&mut self.rtc, now);
        self.tick(now);
    }

    /// Sends REMB where it is due.
    fn allow(&mut self, now: Instant) {
        for stream in self.streams.iter_mut() {
            let limit = stream.content.receive_rate_limit.as_mut();
            let Some((ssrc, bits)) = limit.and_then(|limit| limit.take(now)) else { continue };
            if let Some(receiver) = self.rtc.direct_api().stream_rx(&ssrc.into()) {
                receiver.request_remb(Bitrate::from(u64::from(bits)));
            }
        }
    }

    fn start_dtls(&mut self, active: bool) {
        if !self.dtls_started {
            self.dtls_started = true;
            if let Err(error) = self.rtc.direct_api().start_dtls(active) {
                self.fail(TransportFailure::Library(error.to_string()));
            }
        }
    }

    fn broke(&mut self, error: &RtcError) {
        match error {
            // str0m uses this error for a certificate that does not match; there is no SDP here.
            RtcError::RemoteSdp(_) => self.end(TransportOutput::WrongCertificate),
            other => {
                let role = self.dtls.filter(|_| !self.consent.is_connected());
                self.fail(failure(other, role, self.alert));
            }
        }
    }

    fn fail(&mut self, why: TransportFailure) {
        self.end(TransportOutput::Failed(why));
    }

    fn end(&mut self, last: TransportOutput) {
        if !self.over {
            self.over = true;
            self.due = None;
            self.out.push_back(last);
        }
    }

    /// A packet of media. str0m drops one of an SSRC that it does not expect, so each is looked at before.
    fn receive_rtp(&mut self, now: Instant, ssrc: u32, datagram: Datagram<'_>) {
        // If what is sent again came first, str0m would count from its number on.
        if self.sources.sends_again(ssrc).is_some_and(|of| !self.sources.is_heard(of)) {
            return;
        }
        let is_known = self.sources.contains(ssrc);
        self.unproven = if is_known { None } else { self.assign(datagram.bytes) };
        // str0m itself would move the stream of the content that a MID names to any SSRC, whoever sent the packet.
        if !is_known && self.unproven.is_none() && ssrc != PROBE_SSRC {
            return;
        }
        if let Some(Unproven { ssrc, place, sends_again }) = self.unproven {
            match sends_again {
                Some(of) => self.expect(of, Some(ssrc), place),
                None => self.expect(ssrc, None, place),
            }
        }
        self.give_datagram(now, datagram);
        self.drain(now);
        // Without the peer's keys anybody can name an SSRC: then nothing of it is kept, and what is sent again comes by the SSRC of before.
        if let Some(Unproven { ssrc, place, sends_again }) = self.unproven.take() {
            self.rtc.direct_api().remove_stream_rx(ssrc.into());
            if let Some(of) = sends_again {
                self.expect(of, None, place);
            }
        }
    }

    /// What is no RTP: a check, DTLS, or RTCP.
    fn receive_other(&mut self, now: Instant, datagram: Datagram<'_>) {
        let reports = rtcp::decrypted(datagram.bytes, || self.give_datagram(now, datagram));
        reports.into_iter().for_each(|rtcp| self.reported(now, rtcp));
        self.drain(now);
        self.resend(now);
    }

    /// What a packet of an SSRC that is not known is taken for. One that is sent again belongs to the SSRC from which the last packet came.
    fn assign(&self, bytes: &[u8]) -> Option<Unproven> {
        let head = RtpHead::read(bytes)?;
        let contents = self.streams.iter().map(|stream| stream.content.receivable());
        let place = self.sources.assign(&head, contents)?;
        let is_rtx = self.streams.get(place)?.content.sent_again(head.payload_type).is_some();
        let current = self.sources.current(place).filter(|current| self.sources.is_heard(*current));
        let sends_again = if is_rtx { Some(current?) } else { None };
        Some(Unproven { ssrc: head.ssrc, place, sends_again })
    }

    /// The content of an authentic packet, by its place.
    fn heard(&mut self, now: Instant, ssrc: u32) -> Option<usize> {
        // One that is sent again comes out of str0m as one of the SSRC that it belongs to.
        let (ssrc, place, sends_again) = match self.unproven.take() {
            Some(Unproven { ssrc, place, sends_again }) => (ssrc, place, sends_again),
            None => (ssrc, self.sources.content(ssrc)?, None),
        };
        if let Some(forgotten) = self.sources.heard(now, ssrc, place, sends_again) {
            self.rtc.direct_api().remove_stream_rx(forgotten.into());
        }
        Some(place)
    }

    /// Packets may come by this SSRC, and again by the other one.
    fn expect(&mut self, ssrc: u32, rtx: Option<u32>, place: usize) {
        let Some(stream) = self.streams.get(place) else { return };
        let (mid, nack) = (stream.mid, stream.content.nack);
        let rtx = rtx.or_else(|| self.sources.rtx(ssrc)).map(Into::into);
        self.rtc.direct_api().expect_stream_rx(ssrc.into(), rtx, mid, None).suppress_nack(!nack);
    }
}

impl Transport for Str0mTransport {
    fn local(&self) -> LocalTransport {
        self.local.clone()
    }

    fn restart(&mut self) {
        let renewed = IceCreds::new();
        self.local.ufrag.clone_from(&renewed.ufrag);
        self.local.pwd = Secret::new(&renewed.pass);
        self.local.candidates = advertised(&self.ours);
        self.renewed = Some(renewed);
    }

    fn set_remote(&mut self, now: Instant, remote: &RemoteTransport) {
        let theirs = IceCreds { ufrag: remote.ufrag.clone(), pass: remote.pwd.expose().to_owned() };
        if self.remote.replace(theirs.clone()).is_some_and(|before| before != theirs) {
            return self.restart_ice(now, theirs);
        }
        self.dtls = Some(remote.dtls);
        self.consent.begin(now);
        self.set_extensions(now, &remote.extensions);
        let mut api = self.rtc.direct_api();
        api.set_remote_fingerprint(Fingerprint { hash_func: "sha-256".to_owned(), bytes: remote.fingerprint.clone() });
        api.set_remote_ice_credentials(theirs);
        // Twice, or the checks wait for str0m's step of 50 ms.
        self.tick(now);
        self.tick(now);
        for check in std::mem::take(&mut self.early_checks).kept() {
            self.give_datagram(now, check);
            self.drain(now);
        }
    }

    fn add_local_candidate(&mut self, now: Instant, candidate: &LocalCandidate) {
        if let Some(plan) = &mut self.plan {
            plan.candidates().push(candidate.clone());
        }
        if let Some(candidate) = local(candidate) {
            self.rtc.add_local_candidate(candidate);
            self.tick(now);
        }
        self.ours.push(candidate.clone());
    }

    fn remove_local_candidate(&mut self, now: Instant, candidate: &LocalCandidate) {
        if let Some(plan) = &mut self.plan {
            plan.candidates().retain(|ours| ours != candidate);
        }
        self.ours.retain(|ours| ours != candidate);
        if let Some(gone) = local(candidate) {
            self.rtc.direct_api().invalidate_candidate(&gone);
        }
        self.tick(now);
    }

    fn add_remote_candidate(&mut self, now: Instant, candidate: &Candidate) {
        if self.plan.is_some() {
            self.early.push(candidate.clone());
            return;
        }
        if let Some(candidate) = remote(candidate) {
            self.theirs.reserve_exact(1); // Each has 200 bytes, and most peers few.
            self.theirs.push(candidate.clone());
            self.rtc.add_remote_candidate(candidate);
            self.tick(now);
        }
    }

    fn add_content(&mut self, content: &OpenContent) {
        let place = self.streams.place_for(&content.name);
        if let Some(plan) = &mut self.plan {
            plan.set_content(place, content.clone());
        }
        if let Some(stream) = self.streams.get(place) {
            self.rtc.direct_api().remove_media(stream.mid); // It was removed, and what comes has another SSRC.
            self.sources.forget_content(place);
        }
        let index = u8::try_from(place).unwrap_or(u8::MAX);
        self.streams.put(place, declare(&mut self.rtc, index, content, self.counted));
    }

    fn remove_content(&mut self, name: &str) {
        if let Some(stream) = self.streams.named(name) {
            stream.content.remove();
        }
    }

    fn set_negotiated(&mut self, negotiated: &NegotiatedContent) {
        let Some(place) = self.streams.place(&negotiated.content) else { return };
        let Some(stream) = self.streams.get_mut(place) else { return };
        stream.content.set_negotiated(negotiated);
        for stream in &negotiated.streams {
            if let Some(forgotten) = self.sources.announce(*stream, place) {
                self.rtc.direct_api().remove_stream_rx(forgotten.into());
            }
            if self.sources.is_of(stream.ssrc, place) {
                self.expect(stream.ssrc, None, place);
            }
        }
    }

    fn send(&mut self, now: Instant, captured: Instant, content: &str, packets: &[RtpPacket]) {
        self.write(now, captured, content, None, packets);
    }

    fn send_as(
        &mut self,
        now: Instant,
        captured: Option<Instant>,
        content: &str,
        payload_type: u8,
        packet: &RtpPacket,
    ) {
        self.write(now, captured.unwrap_or(now), content, Some(payload_type), std::slice::from_ref(packet));
    }

    fn set_contributors(&mut self, content: &str, contributors: &[Contributor]) {
        if let Some(stream) = self.streams.named(content).filter(|_| self.takes_levels) {
            stream.contributors = contributors.to_vec();
        }
    }

    fn set_desired_bit_rate(&mut self, bits: u32) {
        self.desired = bits;
        if self.counted {
            self.rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::from(u64::from(bits)));
        }
    }

    fn limit_received(&mut self, content: &str, most: Option<u32>) {
        if let Some(stream) = self.streams.place(content).and_then(|place| self.streams.get_mut(place)) {
            stream.content.limit_received(most);
        }
    }

    fn request_key_frame(&mut self, now: Instant, content: &str) {
        if let Some(ssrc) = self.streams.place(content).and_then(|place| self.sources.current(place))
            && let Some(receiver) = self.rtc.direct_api().stream_rx(&ssrc.into())
        {
            receiver.request_keyframe(KeyframeRequestKind::Pli);
            self.tick(now);
        }
    }

    fn accepts(&self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        Receive::new(Protocol::Udp, from, local, bytes)
            .is_ok_and(|received| self.rtc.accepts(&Input::Receive(now, received)))
    }

    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        let datagram = Datagram { local, from, bytes };
        let is_dtls = bytes.first().is_some_and(|first| (20..=63).contains(first));
        if is_dtls && self.dtls == Some(DtlsRole::Server) && !self.dtls_started {
            // As late as possible, and after a tick: str0m would take the time of its last input for the start.
            self.tick(now);
            self.start_dtls(false);
            self.drain(now);
        }
        if is_dtls {
            self.alert = alert(bytes);
        }
        if is_check(bytes) {
            let named = self.theirs.iter().any(|theirs| theirs.addr() == from);
            if !self.requests.admits(now, from, named) {
                return;
            }
            if self.plan.is_some() {
                return self.early_checks.keep(datagram);
            }
        }
        if is_check_answer(bytes) {
            if !self.consent.answered(now, bytes, from, &mut self.out) {
                return;
            }
            if self.consent.is_restarting() {
                self.consent.found_path(now, &mut self.out);
            }
        }
        match RtpHead::ssrc(bytes) {
            Some(ssrc) => self.receive_rtp(now, ssrc, datagram),
            None => self.receive_other(now, datagram),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.over
            && let Some(lost) = self.consent.handle_timeout(now, &mut self.out)
        {
            self.fail(self.consent.why(&lost, &self.ours, self.theirs.len()));
        }
        self.allow(now);
        if let Some(bits) = self.probing.take(now) {
            self.rtc.bwe().reset(Bitrate::from(u64::from(bits)));
        }
        self.tick(now);
    }

    fn poll_output(&mut self) -> Option<TransportOutput> {
        self.out.pop_front()
    }

    fn round_trip(&self) -> Option<Duration> {
        self.consent.round_trip()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let due = [self.due, self.consent.poll_timeout(), self.probing.due(), self.streams.due()];
        due.into_iter().flatten().min().filter(|_| !self.over)
    }
}
