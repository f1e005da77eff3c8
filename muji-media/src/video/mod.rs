//! Video: from a source to packets, and from a participant's packets to frames. It has a thread of its own, because encoding or decoding a
//! frame takes longer than audio can wait.
//!
//! ```text
//!  VideoSource ─► Encoder ─► Payloader ─► once ─► backend ─► every peer
//!  VideoSink ◄─ Decoder ◄─ Assembler ◄─ backend ◄─ each peer
//! ```

mod capture;
pub mod frame;
pub mod layers;
pub mod receiver;
pub mod sender;
pub(crate) mod thread;

pub use receiver::{Decoded, Theirs, Wanted};
pub use sender::Ours;

pub use crate::rtp::Coded;
pub use crate::stats::VideoStats;
