//! Codecs: between a frame of audio or video, and the payload of packets.

pub(crate) mod assembler;
pub(crate) mod audio_decoder;
pub(crate) mod av1;
mod bits;
pub(crate) mod decoder_limit;
pub(crate) mod encoding;
pub(crate) mod g711;
pub(crate) mod h264;
#[cfg(feature = "vp8")]
pub(crate) mod libvpx;
pub(crate) mod offer;
pub(crate) mod opus;
pub(crate) mod red;
pub(crate) mod source_stream;
pub(crate) mod telephone_event;
#[cfg(test)]
mod tests;
pub(crate) mod video;
pub(crate) mod vp8;
pub(crate) mod vp9;
