//! Video: from a source to packets, and from a participant's packets to frames. It has a thread of its own, because encoding or decoding a
//! frame takes longer than audio can wait.
//!
//! ```text
//!  VideoSource ─► Encoder ─► Payloader ─► once ─► backend ─► every peer
//!  VideoSink ◄─ Decoder ◄─ until it is due ◄─ Assembler ◄─ backend ◄─ each peer
//! ```
//!
//! Pictures of calls that are joined are passed on as they were encoded: `forwarder`.

mod capture;
mod encoded_input;
pub(crate) mod encoded_rate;
#[cfg(all(test, feature = "vp8", feature = "h264"))]
mod encoded_tests;
mod floor;
pub(crate) mod forwarder;
#[cfg(test)]
mod forwarder_tests;
pub(crate) mod frame;
mod key_frames;
pub(crate) mod ladder;
pub(crate) mod layers;
pub(crate) mod packetized;
mod playout_delay;
pub(crate) mod receiver;
pub(crate) mod sender;
pub(crate) mod task;
#[cfg(all(test, feature = "vp8"))]
mod tests;
pub(crate) mod thread;
mod timeline;
mod viewers;
pub(crate) mod worker;
