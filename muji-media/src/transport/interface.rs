//! What every transport does: the trait, what goes in, what comes out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use muji_core::CallId;
use muji_core::media::{IceRole, LocalTransport, OpenContent, RemoteTransport, TransportFailure};
use muji_jingle::TransportId;
use muji_xep::ice::Candidate;
use muji_xep::rtp::PayloadType;

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
    /// What travels by it.
    pub contents: Vec<OpenContent>,
    /// Our addresses that are known by now.
    pub candidates: Vec<LocalCandidate>,
}

/// What was agreed about one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegotiatedContent {
    /// The content's name in the session.
    pub content: String,
    /// What we send.
    pub send: Option<PayloadType>,
    /// True if the peer sends.
    pub receive: bool,
    /// SSRCs the peer announced.
    pub ssrcs: Vec<u32>,
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
    /// From the peer.
    Rtp {
        /// The content's name in the session.
        content: Arc<str>,
        /// The packet.
        received: ReceivedRtp,
    },
    /// ICE and DTLS are done with the promised fingerprint; or, after `Interrupted` or a restart, the peer answers again.
    Connected,
    /// The peer cannot show what we send before a key frame comes (PLI or FIR, RFC 4585 and 5104).
    KeyFrameAsked,
    /// What the path carries, in bits a second, as it seems (TWCC or REMB).
    Estimate(u32),
    /// So much of our pictures was lost on the path lately, as the peer reports about each second: 0 to 1.
    Lost(f32),
    /// So much of what left in the last moments is lost that the path has become narrower: 0 to 1.
    Overflowed(f32),
    /// Neither packets nor answers come from the peer for now.
    Interrupted,
    /// Lost for good.
    Failed(TransportFailure),
    /// Lost for good: the other end shows another certificate than the promised one.
    Impostor,
}

/// One path to one peer. After every call take [`Self::poll_output`] until it is empty.
pub trait Transport: Send {
    /// Our end.
    fn local(&self) -> LocalTransport;
    /// Makes other credentials, which [`Self::local`] tells from now on: ICE restarts with them when the peer's others come.
    fn restart(&mut self);
    /// Whom to connect to: the first moment at which anything is sent. With other credentials than before ICE restarts.
    fn remote(&mut self, now: Instant, remote: &RemoteTransport);
    /// One more address of ours.
    fn found(&mut self, now: Instant, candidate: &LocalCandidate);
    /// An address is not ours any more.
    fn lost(&mut self, now: Instant, candidate: &LocalCandidate);
    /// One more address of the peer.
    fn candidate(&mut self, now: Instant, candidate: &Candidate);
    /// Another content will travel by it.
    fn add(&mut self, content: &OpenContent);
    /// A content may flow, or flows otherwise from now on.
    fn agreed(&mut self, agreed: &NegotiatedContent);
    /// Sends packets as `content`; nothing happens before the transport is connected. `captured` is when their timestamp was.
    fn send(&mut self, now: Instant, captured: Instant, content: &str, packets: &[RtpPacket]);
    /// Asks the peer for a key frame of this content.
    fn ask_key_frame(&mut self, now: Instant, content: &str);
    /// True if a datagram belongs to it.
    fn accepts(&self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool;
    /// A datagram that belongs to it.
    fn datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]);
    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);
    /// The next thing to do.
    fn poll_output(&mut self) -> Option<TransportOutput>;
    /// When [`Self::handle_timeout`] is due.
    fn poll_timeout(&self) -> Option<Instant>;
    /// There and back to the peer, as last measured.
    fn round_trip(&self) -> Option<Duration>;
}

/// Makes transports: the choice between the kinds.
pub struct MakeTransport {
    /// Makes one.
    pub make: Box<dyn FnMut(Instant, TransportParams) -> Box<dyn Transport> + Send>,
    /// They tell peers how each of their packets fared. If not, it must not be promised (`transport-cc`).
    pub counts_packets: bool,
}

impl MakeTransport {
    /// Makes one.
    pub fn open(&mut self, now: Instant, opening: TransportParams) -> Box<dyn Transport> {
        (self.make)(now, opening)
    }
}

/// Streams a peer may start without having announced them; each costs memory.
pub(super) const MAX_UNANNOUNCED: usize = 16;

impl NegotiatedContent {
    /// Both directions of a content nearly always share their payload type.
    pub(super) fn sends_as(&self, payload_type: u8) -> bool {
        self.send.as_ref().is_some_and(|payload| payload.id == payload_type)
    }

    /// The peer sends, and did not say by which SSRC.
    pub(super) fn receives_unannounced(&self) -> bool {
        self.receive && self.ssrcs.is_empty()
    }
}

/// Whether lost packets of a content may be asked for.
pub(super) fn asks_again(content: &OpenContent) -> bool {
    content.payload_types.iter().any(is_nacked)
}

pub(super) fn is_nacked(payload: &PayloadType) -> bool {
    payload.feedback.iter().any(|feedback| feedback.kind == "nack" && feedback.subtype.is_none())
}

/// When a packet was captured whose timestamp is so many ticks behind that of the sender's last report (RFC 3550 section 6.4.1).
pub(super) fn captured(reported: SystemTime, ticks: i32, clock_rate: u32) -> Option<SystemTime> {
    let since = Duration::from_secs_f64(f64::from(ticks.unsigned_abs()) / f64::from(clock_rate));
    if ticks < 0 { reported.checked_sub(since) } else { reported.checked_add(since) }
}

/// Our addresses as others learn them.
pub(super) fn told(candidates: &[LocalCandidate]) -> Vec<Candidate> {
    candidates.iter().map(|candidate| candidate.told.clone()).collect()
}
