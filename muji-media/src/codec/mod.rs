//! Codecs: between 20 ms of sound and the payload of a packet.

pub mod opus;
