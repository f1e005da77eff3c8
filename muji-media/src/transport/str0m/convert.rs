//! Our types as str0m's, and back.

use std::net::SocketAddr;

use muji_xep::ice::{Candidate, CandidateKind};
use str0m::Rtc;
use str0m::bwe::Bitrate;
use str0m::net::Protocol;
use str0m::rtp::{RtpPacket as Str0mPacket, RtpWrite, SeqNo};

use super::levels::with_contributors;
use crate::gather::candidate::LocalCandidate;
use crate::rtp::{ReceivedRtp, RtpPacket};
use crate::transport::contributors::Contributor;
use crate::transport::interface::captured;
use crate::transport::resend::SequencedPacket;

/// A datagram as it came.
#[derive(Clone, Copy)]
pub(super) struct Datagram<'a> {
    pub(super) local: SocketAddr,
    pub(super) from: SocketAddr,
    pub(super) bytes: &'a [u8],
}

/// A local candidate as str0m takes it.
pub(super) fn local(candidate: &LocalCandidate) -> Option<str0m::Candidate> {
    let (address, base) = (candidate.advertised.address, candidate.base);
    let made = match candidate.advertised.kind {
        CandidateKind::Host | CandidateKind::PeerReflexive => str0m::Candidate::host(address, Protocol::Udp),
        CandidateKind::ServerReflexive => str0m::Candidate::server_reflexive(address, base, Protocol::Udp),
        CandidateKind::Relayed => str0m::Candidate::relayed(address, base, Protocol::Udp),
    };
    made.ok() // str0m refuses addresses that no packet can come from.
}

/// A remote candidate as str0m takes it; `None` if it refuses it.
pub(super) fn remote(candidate: &Candidate) -> Option<str0m::Candidate> {
    let Candidate { foundation, priority, address, kind, related, .. } = candidate;
    let related = related.map(|related| format!(" raddr {} rport {}", related.ip(), related.port()));
    let line = format!(
        "candidate:{foundation} 1 udp {priority} {} {} typ {kind}{}",
        address.ip(),
        address.port(),
        related.unwrap_or_default()
    );
    str0m::Candidate::from_sdp_string(&line).ok()
}

/// A packet of the peer.
#[inline] // Or each packet's header is copied to call it.
pub(super) fn received(packet: Str0mPacket) -> ReceivedRtp {
    let timestamp = packet.header.timestamp;
    let captured = packet.last_sender_info.and_then(|known| {
        // Timestamps wrap, so only the difference counts.
        let ticks = timestamp.wrapping_sub(known.rtp_time.numer() as u32).cast_signed();
        captured(known.ntp_time, ticks, packet.time.frequency().get())
    });
    ReceivedRtp {
        ssrc: *packet.header.ssrc,
        payload_type: *packet.header.payload_type,
        sequence: *packet.seq_no,
        arrived: packet.timestamp,
        captured,
        turns: packet.header.ext_vals.video_orientation.map(|orientation| orientation as u8),
        packet: RtpPacket { timestamp, marker: packet.header.marker, payload: packet.payload },
    }
}

/// Gives str0m a packet of ours.
pub(super) fn write(rtc: &mut Rtc, numbered: SequencedPacket, contributors: &[Contributor]) {
    let SequencedPacket { ssrc, sequence, payload_type, captured, packet } = numbered;
    let RtpPacket { timestamp, marker, payload } = packet;
    let write = RtpWrite::new(payload_type.into(), SeqNo::from(sequence), timestamp, captured, payload);
    if let Some(sender) = rtc.direct_api().stream_tx(&ssrc.into()) {
        sender.write_rtp(with_contributors(write.marker(marker), contributors));
    }
}

/// In bits a second.
pub(super) fn bits(rate: Bitrate) -> u32 {
    u32::try_from(rate.as_u64()).unwrap_or(u32::MAX)
}
