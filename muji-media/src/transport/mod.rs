//! ICE and DTLS-SRTP over one path to one peer, as values: no socket, no clock.
//!
//! A transport is given datagrams with the local address they came by, and gives datagrams with the local address to send
//! them from. [`str0m`] is the one for real calls, `webrtc_ice` a second one, [`loopback`] the one for tests of everything above them.

mod certificates;
mod consent;
mod content_stream;
pub(crate) mod contributors;
pub(crate) mod interface;
pub mod loopback;
mod loss_reports;
mod mid;
mod receive_rate_limit;
mod request_limiter;
mod resend;
mod rtp_head;
mod sources;
pub mod str0m;
#[cfg(feature = "webrtc-ice")]
pub mod webrtc_ice;

pub use certificates::NoCertificate;
pub use contributors::{Contributor, csrc_audio_level};
pub use interface::{Congestion, MakeTransport, NegotiatedContent, Transport, TransportOutput, TransportParams};
pub use mid::mid;

pub use crate::gather::{LocalCandidate, hosts};
pub use crate::rtp::{ReceivedRtp, RtpPacket};
