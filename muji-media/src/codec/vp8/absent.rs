//! Without feature `vp8` there is no libvpx: nothing is offered, and these cannot be had.

use super::encoded::{Encoded, Vp8Fault};
use crate::video::frame::VideoFrame;

/// An encoder that cannot be had.
pub enum Encoder {}

impl Encoder {
    /// There is none.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: usize, _: usize, _: u32) -> Result<Self, Vp8Fault> {
        Err(Vp8Fault::Absent)
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn set_bit_rate(&mut self, _: u32) -> Result<(), Vp8Fault> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn set_layered(&mut self, _: bool) -> Result<(), Vp8Fault> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn encode(&mut self, _: &VideoFrame, _: u64, _: bool) -> Result<Option<Encoded>, Vp8Fault> {
        match *self {}
    }
}

/// A decoder that cannot be had.
pub enum Decoder {}

impl Decoder {
    /// There is none.
    ///
    /// # Errors
    /// Always.
    pub fn new() -> Result<Self, Vp8Fault> {
        Err(Vp8Fault::Absent)
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn decode(&mut self, _: &[u8]) -> Result<Option<VideoFrame>, Vp8Fault> {
        match *self {}
    }
}
