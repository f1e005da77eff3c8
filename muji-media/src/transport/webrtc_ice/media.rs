//! RTP and RTCP over the path: SRTP by webrtc-srtp, reports by rtcp, and whose packet is whose.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use muji_core::media::OpenContent;
use muji_xep::rtp::{HeaderExtension, PayloadType};
use rtcp::packet::Packet;
use rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtcp::receiver_report::ReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport;
use rtcp::source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem};
use rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_util::marshal::Unmarshal;

use super::guard::{self, LEAST_SRTCP, Report, webrtc_header};
use super::incoming::Incoming;
use super::job::Keys;
use crate::codec::offer::ORIENTATION;
use crate::rtp::{ReceivedRtp, RtpPacket};
use crate::transport::content_stream::ContentStream;
use crate::transport::interface::{Congestion, NegotiatedContent, TransportOutput, extension_id};
use crate::transport::mid;
use crate::transport::resend::SequencedPacket;
use crate::transport::rtp_head::RtpHead;
use crate::transport::sources::{Receivable, Sources};

/// Between two reports, as str0m sends them.
const REPORTS: Duration = Duration::from_secs(1);

/// What came before is known for so many packets.
const WINDOW: usize = 64;

/// Ticks a second where a payload type does not say it: those of all video (RFC 3551 section 5).
const VIDEO_CLOCK: u32 = 90_000;

/// Senders of reports that have no stream here; each costs memory.
const MAX_REPORTERS: usize = 16;

/// One content, and what is reported of it.
struct Stream {
    content: ContentStream,
    /// The peer has reported packets of the SSRC, so it knows whose they are: they need no MID any more (RFC 9143 section 15).
    reported: bool,
    packets: u32,
    octets: u32,
    /// The last timestamp, and when it was captured.
    last: Option<(u32, Instant)>,
}

impl Stream {
    fn new(content: &OpenContent) -> Self {
        // This transport has no transport-wide feedback.
        Self { content: ContentStream::new(content, false), reported: false, packets: 0, octets: 0, last: None }
    }

    /// Counts a packet that leaves, for the reports.
    fn count(&mut self, packet: &RtpPacket) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
    }

    /// Ticks a second of the timestamps of a payload type. Those of audio differ: G.711 has 8000, Opus 48000.
    fn clock_rate(&self, payload_type: u8) -> u32 {
        let known = &self.content.payload_types;
        let known = known.iter().find(|it| it.id == payload_type).or_else(|| known.first());
        known.and_then(PayloadType::clock_rate).filter(|rate| *rate > 0).unwrap_or(VIDEO_CLOCK)
    }
}

/// SRTP and SRTCP both ways.
struct Ciphers {
    keys: Keys,
    ours: Context,
    /// For RTCP: each SSRC has its own for RTP.
    theirs: Context,
}

impl Ciphers {
    fn new(keys: Keys) -> Option<Self> {
        let ours = context(&keys, &keys.keys.local_master_key, &keys.keys.local_master_salt)?;
        let theirs = Self::of_peer(&keys)?;
        Some(Self { keys, ours, theirs })
    }

    /// One more that decrypts what the peer sends.
    fn of_peer(keys: &Keys) -> Option<Context> {
        context(keys, &keys.keys.remote_master_key, &keys.keys.remote_master_salt)
    }
}

fn context(keys: &Keys, key: &[u8], salt: &[u8]) -> Option<Context> {
    let (rtp, rtcp) = (srtp_replay_protection(WINDOW), srtcp_replay_protection(WINDOW));
    Context::new(key, salt, keys.profile, Some(rtp), Some(rtcp)).ok()
}

/// All that flows.
pub(super) struct Media {
    streams: Vec<Stream>,
    /// The content of each SSRC of the peer.
    sources: Sources,
    /// Those from which packets came.
    incoming: BTreeMap<u32, Incoming>,
    reporters: Vec<u32>,
    ciphers: Option<Ciphers>,
    /// Under which number the peer sends how its video are turned.
    orientation: Option<u8>,
    cname: String,
    report_at: Option<Instant>,
    /// As last measured.
    round_trip: Option<Duration>,
    begun: Instant,
}

impl Media {
    pub(super) fn new(now: Instant, contents: &[OpenContent], cname: String) -> Self {
        let mut media = Self {
            streams: Vec::new(),
            sources: Sources::default(),
            incoming: BTreeMap::new(),
            reporters: Vec::new(),
            ciphers: None,
            orientation: None,
            cname,
            report_at: None,
            round_trip: None,
            begun: now,
        };
        contents.iter().for_each(|content| media.add_content(content));
        media
    }

    pub(super) fn add_content(&mut self, content: &OpenContent) {
        let stream = Stream::new(content);
        let removed = || self.streams.iter().position(|stream| stream.content.is_removed);
        match self.place(&content.name).or_else(removed) {
            Some(place) => {
                // It was removed, and what comes has another SSRC.
                self.sources.forget_content(place);
                self.incoming.retain(|_, incoming| incoming.stream != place);
                self.streams[place] = stream;
            }
            None => self.streams.push(stream),
        }
    }

    /// The peer knows these header extensions.
    pub(super) fn knows(&mut self, extensions: &[HeaderExtension]) {
        self.sources.set_extensions(extensions);
        self.orientation = extension_id(extensions, ORIENTATION);
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.streams.iter().position(|stream| stream.content.is_named(name))
    }

    pub(super) fn remove_content(&mut self, name: &str) {
        if let Some(place) = self.place(name) {
            self.streams[place].content.remove();
        }
    }

    pub(super) fn set_negotiated(&mut self, negotiated: &NegotiatedContent) {
        let Some(index) = self.place(&negotiated.content) else { return };
        self.streams[index].content.set_negotiated(negotiated);
        for stream in &negotiated.streams {
            if let Some(forgotten) = self.sources.announce(*stream, index) {
                self.incoming.remove(&forgotten);
            }
        }
    }

    /// The handshake has ended. False if the keys do not fit, which they do.
    pub(super) fn secure(&mut self, now: Instant, keys: Keys) -> bool {
        self.ciphers = Ciphers::new(keys);
        self.report_at = Some(now + REPORTS);
        self.ciphers.is_some()
    }

    /// Packets as they leave, with the payload type of the content or another. Those that were captured at no moment say nothing of the time
    /// in reports.
    pub(super) fn send(
        &mut self,
        now: Instant,
        captured: Option<Instant>,
        content: &str,
        payload_type: Option<u8>,
        packets: &[RtpPacket],
    ) -> Vec<Vec<u8>> {
        let Some(index) = self.place(content) else { return Vec::new() };
        let stream = &mut self.streams[index];
        let Some(payload_type) = payload_type.or_else(|| stream.content.payload_type()) else { return Vec::new() };
        stream.last = packets.last().and_then(|packet| Some((packet.timestamp, captured?))).or(stream.last);
        packets.iter().for_each(|packet| stream.count(packet));
        let captured = captured.unwrap_or(now);
        let numbered: Vec<SequencedPacket> = stream.content.number(now, captured, payload_type, packets).collect();
        numbered.iter().filter_map(|numbered| self.encrypt(index, numbered)).collect()
    }

    fn encrypt(&mut self, index: usize, numbered: &SequencedPacket) -> Option<Vec<u8>> {
        let Stream { content, reported, .. } = self.streams.get(index)?;
        let SequencedPacket { ssrc, sequence, payload_type, packet, .. } = numbered;
        let RtpPacket { timestamp, marker, payload } = packet;
        let mid = self.sources.mid().filter(|_| !reported || *ssrc != content.ssrc);
        let named = mid.and_then(|id| header_extension(id, content.name.as_bytes()));
        let mut packet = vec![0x80 | u8::from(named.is_some()) << 4, u8::from(*marker) << 7 | payload_type];
        packet.extend((*sequence as u16).to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend(named.into_iter().flatten());
        packet.extend_from_slice(payload);
        let head = RtpHead::read(&packet)?;
        let encrypted = self.ciphers.as_mut()?.ours.encrypt_rtp_with_header(&packet, &webrtc_header(&head));
        encrypted.ok().map(Vec::from)
    }

    /// A packet came; `None` if it is not the peer's, or not for any content.
    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8]) -> Option<TransportOutput> {
        let mut head = RtpHead::read(bytes)?;
        let plain = self.decrypt(now, &head, bytes)?;
        let padding = if head.padded { usize::from(*plain.last()?) } else { 0 };
        let mut payload = plain.get(head.length..plain.len().checked_sub(padding)?)?;
        let incoming = self.incoming.get_mut(&head.ssrc)?;
        if let Some(payload_type) = self.streams[incoming.stream].content.sent_again(head.payload_type) {
            incoming.number(now, head.sequence, false);
            // Without a number it is padding that measures the bandwidth.
            let (number, rest) = payload.split_first_chunk()?;
            payload = rest;
            head.sequence = u16::from_be_bytes(*number);
            head.payload_type = payload_type;
            head.ssrc = self.sources.sends_again(head.ssrc)?;
        }
        let incoming = self.incoming.get_mut(&head.ssrc)?;
        let stream = &mut self.streams[incoming.stream];
        let clock_rate = stream.clock_rate(head.payload_type);
        let sequence = incoming.number(now, head.sequence, stream.content.nack);
        incoming.measure((now - self.begun).as_secs_f64() * f64::from(clock_rate), head.timestamp);
        if let Some(receive_rate_limit) = &mut stream.content.receive_rate_limit {
            receive_rate_limit.packet(now, head.ssrc, sequence, payload.len());
        }
        let turns = self.orientation.and_then(|id| Some(head.extension(id)?.first()? & 3));
        let received = ReceivedRtp {
            ssrc: head.ssrc,
            payload_type: head.payload_type,
            sequence,
            arrived: now,
            captured: incoming.captured(head.timestamp, clock_rate),
            turns,
            packet: RtpPacket { timestamp: head.timestamp, marker: head.marker, payload: Arc::from(payload) },
        };
        Some(TransportOutput::Rtp { content: stream.content.name.clone(), received })
    }

    /// The whole packet without its protection. An SSRC is remembered only when one proves to be the peer's.
    fn decrypt(&mut self, now: Instant, head: &RtpHead, bytes: &[u8]) -> Option<Vec<u8>> {
        let ssrc = head.ssrc;
        if let Some(incoming) = self.incoming.get_mut(&ssrc) {
            let plain = incoming.cipher.decrypt_rtp_with_header(bytes, &webrtc_header(head)).ok()?;
            self.sources.heard(now, ssrc, incoming.stream, None);
            return Some(Vec::from(plain));
        }
        let place = self.sources.content(ssrc).or_else(|| self.sources.assign(head, self.receivable()))?;
        let is_rtx = self.streams.get(place)?.content.sent_again(head.payload_type).is_some();
        // One that is sent again, by an SSRC that was not announced, belongs to the SSRC from which the last packet came.
        let sends_again = if is_rtx { Some(self.sources.current(place)?) } else { None };
        let mut cipher = Ciphers::of_peer(&self.ciphers.as_ref()?.keys)?;
        let plain = cipher.decrypt_rtp_with_header(bytes, &webrtc_header(head)).ok()?;
        if let Some(forgotten) = self.sources.heard(now, ssrc, place, sends_again) {
            self.incoming.remove(&forgotten);
        }
        self.incoming.insert(ssrc, Incoming::new(place, cipher));
        Some(Vec::from(plain))
    }

    fn receivable(&self) -> impl Iterator<Item = Receivable<'_>> + Clone {
        self.streams.iter().map(|stream| stream.content.receivable())
    }

    /// Reports came: what follows from them, and packets to send again. `None` if they are not the peer's.
    pub(super) fn reported(
        &mut self,
        now: Instant,
        round_trip: Option<Duration>,
        bytes: &[u8],
    ) -> Option<(Vec<TransportOutput>, Vec<Vec<u8>>)> {
        self.round_trip = round_trip;
        if bytes.len() < LEAST_SRTCP {
            return None;
        }
        let sender = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
        if !self.sources.contains(sender) && !self.reporters.contains(&sender) {
            if self.reporters.len() == MAX_REPORTERS {
                return None;
            }
            self.reporters.push(sender); // webrtc-srtp would remember each it ever saw.
        }
        let plain = self.ciphers.as_mut()?.theirs.decrypt_rtcp(bytes).ok()?;
        let (mut news, mut again) = (Vec::new(), Vec::new());
        for report in guard::reports(&plain) {
            self.report(now, &report, &mut news, &mut again);
        }
        Some((news, again))
    }

    fn report(&mut self, now: Instant, report: &Report<'_>, news: &mut Vec<TransportOutput>, again: &mut Vec<Vec<u8>>) {
        let mut bytes = report.bytes;
        let blocks = match (report.kind, report.count) {
            (guard::SENDER_REPORT, _) => {
                let Ok(report) = SenderReport::unmarshal(&mut bytes) else { return };
                if let Some(incoming) = self.incoming.get_mut(&report.ssrc) {
                    let middle = (report.ntp_time >> 16) as u32;
                    incoming.sender_report = from_ntp(report.ntp_time).map(|time| (time, report.rtp_time, middle, now));
                }
                report.reports
            }
            (guard::RECEIVER_REPORT, _) => {
                ReceiverReport::unmarshal(&mut bytes).map(|report| report.reports).unwrap_or_default()
            }
            (guard::TRANSPORT_FEEDBACK, _) => {
                let Ok(nack) = TransportLayerNack::unmarshal(&mut bytes) else { return };
                let numbers = nack.nacks.iter().flat_map(|pair| pair.packet_list());
                return self.missed(now, nack.media_ssrc, &numbers.collect::<Vec<u16>>(), news, again);
            }
            (_, 1) if PictureLossIndication::unmarshal(&mut bytes).is_ok() => {
                return news.push(TransportOutput::KeyFrameRequested);
            }
            (_, 4) if FullIntraRequest::unmarshal(&mut bytes).is_ok() => {
                return news.push(TransportOutput::KeyFrameRequested);
            }
            _ => {
                if let Ok(remb) = ReceiverEstimatedMaximumBitrate::unmarshal(&mut bytes) {
                    // The encoder must leave room for what is sent again.
                    let bits = remb.bitrate as u32;
                    let left = self.streams.iter().map(|stream| stream.content.left_of(bits)).min();
                    news.push(TransportOutput::BandwidthEstimate(left.unwrap_or(bits)));
                }
                return;
            }
        };
        for block in blocks {
            let Some(stream) = self.streams.iter_mut().find(|it| it.content.ssrc == block.ssrc) else { continue };
            stream.reported = true;
            let lost = stream.content.reported(now, block.last_sequence_number, block.total_lost);
            news.extend(lost);
        }
    }

    /// The peer misses these.
    fn missed(
        &mut self,
        now: Instant,
        ssrc: u32,
        numbers: &[u16],
        news: &mut Vec<TransportOutput>,
        again: &mut Vec<Vec<u8>>,
    ) {
        let is_missed = |stream: &Stream| stream.content.ssrc == ssrc && stream.content.nack;
        let Some(index) = self.streams.iter().position(is_missed) else { return };
        let content = &mut self.streams[index].content;
        let lost = content.nacked(now, numbers.iter().copied(), self.round_trip);
        let congestion = |lost| TransportOutput::Congestion(Congestion { lost, has_delay_estimate: false });
        news.extend(lost.map(congestion));
        let numbered: Vec<SequencedPacket> = numbers.iter().filter_map(|number| content.resend(now, *number)).collect();
        again.extend(numbered.iter().filter_map(|numbered| self.encrypt(index, numbered)));
    }

    /// The peer may send no more of a content than those can take who get it.
    pub(super) fn limit_received(&mut self, content: &str, most: Option<u32>) {
        if let Some(index) = self.place(content) {
            self.streams[index].content.limit_received(most);
        }
    }

    /// Asks for a key frame of a content.
    pub(super) fn request_key_frame(&mut self, content: &str) -> Option<Vec<u8>> {
        let index = self.place(content)?;
        let media_ssrc = self.sources.current(index)?;
        let sender_ssrc = self.streams[index].content.ssrc;
        self.compound(vec![Box::new(PictureLossIndication { sender_ssrc, media_ssrc })])
    }

    /// Reports and what is missed, as they are due.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        if self.report_at.is_some_and(|at| at <= now) {
            self.report_at = Some(now + REPORTS);
            all.extend(self.account(now));
        }
        for index in 0..self.streams.len() {
            let content = &mut self.streams[index].content;
            let sender_ssrc = content.ssrc;
            if let Some((ssrc, bits)) = content.receive_rate_limit.as_mut().and_then(|limit| limit.take(now)) {
                let remb = ReceiverEstimatedMaximumBitrate { sender_ssrc, bitrate: bits as f32, ssrcs: vec![ssrc] };
                all.extend(self.compound(vec![Box::new(remb)]));
            }
        }
        let mut asked: Vec<Box<dyn Packet + Send + Sync>> = Vec::new();
        for (media_ssrc, incoming) in &mut self.incoming {
            let numbers: Vec<u16> = incoming.ask(now, self.round_trip);
            if !numbers.is_empty() {
                let (sender_ssrc, media_ssrc) = (self.streams[incoming.stream].content.ssrc, *media_ssrc);
                let nacks = nack_pairs_from_sequence_numbers(&numbers);
                asked.push(Box::new(TransportLayerNack { sender_ssrc, media_ssrc, nacks }));
            }
        }
        all.extend(asked.into_iter().filter_map(|nack| self.compound(vec![nack])));
        all
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let allowances = self.streams.iter().filter_map(|stream| stream.content.receive_rate_limit.as_ref()?.due());
        let missed = self.incoming.values().filter_map(Incoming::asks_at);
        allowances.chain(missed).chain(self.report_at).min().filter(|_| self.ciphers.is_some())
    }

    /// What was sent and what came (RFC 3550 section 6.4).
    fn account(&mut self, now: Instant) -> Option<Vec<u8>> {
        let reports: Vec<ReceptionReport> = {
            let heard = self.incoming.iter_mut().filter(|(_, incoming)| incoming.highest.is_some());
            heard.map(|(ssrc, incoming)| incoming.account(now, *ssrc)).take(31).collect()
        };
        let mut packets: Vec<Box<dyn Packet + Send + Sync>> = Vec::new();
        for stream in &self.streams {
            let Some((timestamp, captured)) = stream.last else { continue };
            // As if it were captured now: what was captured lies a little back.
            let since = now.saturating_duration_since(captured);
            let clock_rate = stream.clock_rate(stream.content.payload_type().unwrap_or(0));
            let ticks = (since.as_secs_f64() * f64::from(clock_rate)) as u64;
            packets.push(Box::new(SenderReport {
                ssrc: stream.content.ssrc,
                ntp_time: to_ntp(now),
                rtp_time: timestamp.wrapping_add(ticks as u32),
                packet_count: stream.packets,
                octet_count: stream.octets,
                reports: if packets.is_empty() { reports.clone() } else { Vec::new() },
                ..SenderReport::default()
            }));
        }
        let ssrc = self.streams.first()?.content.ssrc;
        if packets.is_empty() {
            if reports.is_empty() {
                return None;
            }
            packets.push(Box::new(ReceiverReport { ssrc, reports, ..ReceiverReport::default() }));
        }
        self.compound(packets)
    }

    /// Encrypted, with the name that RFC 3550 section 6.1 wants in each.
    fn compound(&mut self, mut packets: Vec<Box<dyn Packet + Send + Sync>>) -> Option<Vec<u8>> {
        let source = self.streams.first()?.content.ssrc;
        let items = vec![SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: self.cname.clone().into() }];
        let described = SourceDescription { chunks: vec![SourceDescriptionChunk { source, items }] };
        let is_report = packets
            .first()
            .is_some_and(|first| first.as_any().is::<SenderReport>() || first.as_any().is::<ReceiverReport>());
        if !is_report {
            packets.insert(0, Box::new(ReceiverReport { ssrc: source, ..ReceiverReport::default() }));
        }
        packets.insert(1, Box::new(described));
        self.protect(&rtcp::packet::marshal(&packets).ok()?)
    }

    /// RTCP as SRTCP.
    pub(super) fn protect(&mut self, packets: &[u8]) -> Option<Vec<u8>> {
        self.ciphers.as_mut()?.ours.encrypt_rtcp(packets).ok().map(Vec::from)
    }
}

/// The block of header extensions that has one alone (RFC 8285 section 4.2); `None` if the value is too long for it.
fn header_extension(id: u8, value: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(value.len()).ok()?.checked_sub(1).filter(|_| value.len() <= mid::MAX_NAME)?;
    let words = (1 + value.len()).div_ceil(4);
    let mut block = vec![0xBE, 0xDE, 0, u8::try_from(words).ok()?, id << 4 | length];
    block.extend_from_slice(value);
    block.resize(4 + 4 * words, 0);
    Some(block)
}

/// Seconds from 1900 to 1970.
const NTP_BEFORE_UNIX: u64 = 2_208_988_800;

/// The same instant is the same time to all transports, whatever happens to the wall clock meanwhile: or audio and video by two of
/// them would drift apart.
fn to_ntp(at: Instant) -> u64 {
    static BEGUN: OnceLock<(Instant, SystemTime)> = OnceLock::new();
    let (begun, time) = *BEGUN.get_or_init(|| (Instant::now(), SystemTime::now()));
    let time = if at < begun { time.checked_sub(begun - at) } else { time.checked_add(at - begun) };
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs().wrapping_add(NTP_BEFORE_UNIX) & 0xFFFF_FFFF) << 32 | fraction
}

fn from_ntp(time: u64) -> Option<SystemTime> {
    let seconds = (time >> 32).checked_sub(NTP_BEFORE_UNIX)?;
    let nanoseconds = ((time & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds as u32))
}
