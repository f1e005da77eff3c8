//! Codecs: between 20 ms of sound, or a picture, and the payload of packets.

pub mod opus;
pub mod vp8;
