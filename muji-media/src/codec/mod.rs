//! Codecs: between a frame of audio or video, and the payload of packets.

pub mod opus;
pub mod vp8;
