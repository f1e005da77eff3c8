//! A default media layer for muji-core.
#![forbid(unsafe_code)]

pub mod backend;
pub mod codec;
pub mod device;
pub mod jitter;
pub mod meter;
pub mod peers;
pub mod publish;
pub mod receive;
pub mod record;
pub mod socket;
pub mod sound;
pub mod transport;
