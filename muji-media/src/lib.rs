//! x
#![forbid(unsafe_code)]

pub mod peers;
pub mod transport;
