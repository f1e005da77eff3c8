//! What every transport does: the trait, what goes in, what comes out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use muji_core::CallId;
use muji_core::media::{IceRole, LocalTransport, MediaReport, OpenContent, RemoteTransport, TransportFailure};
use muji_jingle::TransportId;
use muji_xep::ice::Candidate;
use muji_xep::rtp::{AnnouncedStream, HeaderExtension, PayloadType};

use super::contributors::Contributor;
use crate::gather::candidate::LocalCandidate;
use crate::rtp::{ReceivedRtp, RtpPacket};

/// What a new transport is for.
#[derive(Debug, Clone)]
pub struct TransportParams {
    /// The call.
    pub call: CallId,
    /// Which of the session's transports.
    pub id: TransportId,
    /// ICE's role.
    pub role: IceRole,
    /// The contents that use it.
    pub contents: Vec<OpenContent>,
    /// Our addresses that are known by now.
    pub candidates: Vec<LocalCandidate>,
}

/// What was negotiated for one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegotiatedContent {
    /// The content's name in the session.
    pub content: String,
    /// The payload type that we send; `None` if we send nothing.
    pub send: Option<PayloadType>,
    /// The payload type by which the peer takes what it missed (RTX, RFC 4588); `None` if it takes it as it was.
    pub rtx: Option<u8>,
    /// True if the peer sends.
    pub receive: bool,
    /// By which SSRCs, as it announced. Dino announces none.
    pub streams: Vec<AnnouncedStream>,
}

/// What a transport gives back.
#[derive(Debug)]
pub enum TransportOutput {
    /// To the network.
    Datagram {
        /// The local address to send from.
        from: SocketAddr,
        /// The peer's address.
        to: SocketAddr,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// A packet of the peer.
    Rtp {
        /// The content's name in the session.
        content: Arc<str>,
        /// The packet.
        received: ReceivedRtp,
    },
    /// Who is heard in the packet of this content that comes next, if its sender is a mixer and says it.
    Contributors {
        /// The content's name in the session.
        content: Arc<str>,
        /// At most 15.
        contributors: Vec<Contributor>,
    },
    /// ICE and DTLS are done with the promised fingerprint; or, after `Interrupted` or a restart, the peer answers again.
    Connected,
    /// For now neither packets nor answers come from the peer.
    Interrupted,
    /// Lost for good.
    Failed(TransportFailure),
    /// Lost for good: the other end shows another certificate than the promised one.
    WrongCertificate,
    /// The peer cannot show our video before a key frame comes (PLI or FIR, RFC 4585 and RFC 5104).
    KeyFrameRequested,
    /// The estimated bandwidth of the path for what was not sent before, in bits a second (TWCC or REMB).
    BandwidthEstimate(u32),
    /// The share of our video that was lost lately, 0 to 1, as the peer reports about each second (RFC 3550 section 6.4.1).
    Loss(f32),
    /// The share of our audio that was lost lately, 0 to 1, as the peer reports each few seconds.
    AudioLoss(f32),
    /// So much of what left in the last moments is lost that the path must have become narrower. It comes before the next report.
    Congestion(Congestion),
}

/// A path has become narrower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Congestion {
    /// Of what left in the last moments so much is lost, 0 to 1.
    pub lost: f32,
    /// The path is estimated by the delay of our packets too (TWCC), not only by what the peer says (REMB).
    pub has_delay_estimate: bool,
}

impl TransportOutput {
    /// The report to the core about the transport `id`, if it is one.
    #[must_use]
    pub fn report(&self, id: TransportId) -> Option<MediaReport> {
        match self {
            Self::Connected => Some(MediaReport::Connected { transport: id }),
            Self::Interrupted => Some(MediaReport::Interrupted { transport: id }),
            Self::Failed(why) => Some(MediaReport::Failed { transport: id, failure: why.clone().into() }),
            Self::WrongCertificate => Some(MediaReport::WrongCertificate { transport: id }),
            Self::Datagram { .. }
            | Self::Rtp { .. }
            | Self::Contributors { .. }
            | Self::KeyFrameRequested
            | Self::BandwidthEstimate(_)
            | Self::Loss(_)
            | Self::AudioLoss(_)
            | Self::Congestion(_) => None,
        }
    }
}

/// One path to one peer. After each call take [`Self::poll_output`] until it is empty.
pub trait Transport: Send {
    /// Our end.
    fn local(&self) -> LocalTransport;
    /// Makes new ICE credentials, which [`Self::local`] gives from now on. ICE restarts when the peer's new ones come.
    fn restart(&mut self);
    /// The peer's end: nothing is sent before this. With other credentials than before ICE restarts.
    fn set_remote(&mut self, now: Instant, remote: &RemoteTransport);
    /// One more address of ours.
    fn add_local_candidate(&mut self, now: Instant, candidate: &LocalCandidate);
    /// An address is no longer ours.
    fn remove_local_candidate(&mut self, now: Instant, candidate: &LocalCandidate);
    /// One more address of the peer.
    fn add_remote_candidate(&mut self, now: Instant, candidate: &Candidate);
    /// One more content uses this transport.
    fn add_content(&mut self, content: &OpenContent);
    /// A content may flow as negotiated, from now on.
    fn set_negotiated(&mut self, negotiated: &NegotiatedContent);
    /// A content is no longer part of it: nothing of it is sent or taken, and what is kept of it makes room for the next.
    fn remove_content(&mut self, name: &str);
    /// Sends packets as `content`, or drops them before the transport is connected. `captured` is the time of their timestamp.
    fn send(&mut self, now: Instant, captured: Instant, content: &str, packets: &[RtpPacket]);
    /// Sends a packet of the content with another payload type than the negotiated one: a frame with copies of earlier ones, or a key of a
    /// telephone. That was captured at no moment (`None`): each of its packets has the timestamp of its beginning.
    fn send_as(&mut self, now: Instant, captured: Option<Instant>, content: &str, payload_type: u8, packet: &RtpPacket);
    /// Who is heard in what is sent as `content` from now on, for peers that agreed on it (RFC 6465). A transport without it says nothing
    /// of them.
    fn set_contributors(&mut self, _content: &str, _contributors: &[Contributor]) {}
    /// So many bits a second of video are of use at most: it need not be found out whether the path carries more.
    fn set_desired_bit_rate(&mut self, _bits: u32) {}
    /// Those who get what the peer sends as this content cannot take more than so many bits a second; `None` if nobody needs less than its
    /// path carries. The peer is told by REMB. A transport without it leaves it to the peer.
    fn limit_received(&mut self, _content: &str, _most: Option<u32>) {}
    /// Asks the peer for a key frame of this content.
    fn request_key_frame(&mut self, now: Instant, content: &str);
    /// True if a datagram belongs to this transport.
    fn accepts(&self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool;
    /// A datagram that belongs to this transport.
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]);
    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);
    /// The next thing to do.
    fn poll_output(&mut self) -> Option<TransportOutput>;
    /// When [`Self::handle_timeout`] is due.
    fn poll_timeout(&self) -> Option<Instant>;
    /// The round-trip time to the peer, as last measured.
    fn round_trip(&self) -> Option<Duration>;
}

/// Makes transports: the choice between the kinds.
pub struct MakeTransport {
    /// Makes one.
    pub make: Box<dyn FnMut(Instant, TransportParams) -> Box<dyn Transport> + Send>,
    /// They report the fate of each packet to its sender (transport-wide congestion control). If not, it must not be offered.
    pub transport_cc: bool,
    /// Makes those for peers with RSA certificates, if `make` cannot.
    pub for_rsa: Option<Box<Self>>,
}

impl MakeTransport {
    /// Makes one.
    pub fn open(&mut self, now: Instant, params: TransportParams) -> Box<dyn Transport> {
        (self.make)(now, params)
    }

    /// Peers whose certificate is RSA get transports of this kind.
    #[must_use]
    pub fn with_rsa(self, other: Self) -> Self {
        Self { for_rsa: Some(Box::new(other)), ..self }
    }
}

/// Whether lost packets of a content may be asked for.
pub(super) fn uses_nack(content: &OpenContent) -> bool {
    content.payload_types.iter().any(PayloadType::is_nacked)
}

/// The id that a header extension has, if both know it.
pub(super) fn extension_id(extensions: &[HeaderExtension], uri: &str) -> Option<u8> {
    let known = extensions.iter().find(|extension| extension.uri == uri);
    known.and_then(|extension| u8::try_from(extension.id).ok())
}

/// When a packet was captured whose timestamp is so many ticks behind that of the sender's last report (RFC 3550 section 6.4.1).
pub(super) fn captured(reported: SystemTime, ticks: i32, clock_rate: u32) -> Option<SystemTime> {
    // In whole numbers: this is done for each packet, and floating point costs three times as much.
    let micros = u64::from(ticks.unsigned_abs()) * 1_000_000 / u64::from(clock_rate.max(1));
    let since = Duration::from_micros(micros);
    if ticks < 0 { reported.checked_sub(since) } else { reported.checked_add(since) }
}

/// Our addresses as others learn them.
pub(super) fn advertised(candidates: &[LocalCandidate]) -> Vec<Candidate> {
    candidates.iter().map(|candidate| candidate.advertised.clone()).collect()
}
