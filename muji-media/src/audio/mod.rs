//! Audio: from a source to packets, and from a participant's packets to frames of 20 ms.

pub mod drift;
pub mod frame;
pub mod jitter;
pub mod meter;
pub mod publisher;
pub mod receiver;
