//! Audio: from a source to packets, and from a participant's packets to frames of 20 ms.

pub(crate) mod bridge;
pub(crate) mod copies;
pub(crate) mod digits;
pub(crate) mod drift;
pub(crate) mod frame;
pub(crate) mod guests;
pub(crate) mod jitter;
pub(crate) mod limiter;
pub(crate) mod losses;
pub(crate) mod meter;
pub(crate) mod narrowband;
pub(crate) mod packet;
pub(crate) mod packetizer;
pub(crate) mod pauses;
pub(crate) mod prompt;
pub(crate) mod receiver;
pub(crate) mod sender;
pub(crate) mod shorten;
pub(crate) mod speech;
