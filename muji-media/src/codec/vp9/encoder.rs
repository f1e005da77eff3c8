//! The encoder of VP9, profile 0, in one layer.

use std::os::raw::c_int;

use vpx_sys::VPX_EFLAG_FORCE_KF;
use vpx_sys::vp8e_enc_control_id::{VP9E_SET_AQ_MODE, VP9E_SET_ROW_MT, VP9E_SET_TILE_COLUMNS, VP9E_SET_TUNE_CONTENT};

use crate::codec::libvpx::{EncoderContext, Format, RateControl};
use crate::codec::video::{Encoded, VideoEncoder, VideoFault};
use crate::video::frame::VideoFrame;

/// Slower is not better here: the film of bicycles has VMAF 84.2 at 300 kbit/s and 96.2 at 800 with 8, and 81.4 and 92.0 with 7, which
/// takes a third longer.
const SPEED: c_int = 8;

/// Some blocks of each frame in turn get more bits than the others (cyclic refresh), as browsers have it.
const CYCLIC_REFRESH: c_int = 3;

/// For conversations: a new target is reached within two frames (`make bitrate`). With the buffer that serves VP8 a fall to a thirteenth
/// takes 39 frames and makes a queue of 660 ms instead of some 250.
const CONVERSATION: RateControl =
    RateControl { constant: true, buffer: 600, initial: 400, optimal: 400, drop_below: 0 };

/// The coarsest steps that there are: no frame is left out, so the worst moments need them.
const MAX_QUANTIZER: u32 = 63;

/// By how much of its share a frame may be larger or smaller to fill or empty the buffer, in percent.
const MAX_CHANGE: u32 = 50;

/// What is on a screen (`VP9E_CONTENT_SCREEN`).
const SCREEN: c_int = 1;

/// Encodes frames of one size.
pub struct Encoder(EncoderContext);

impl Encoder {
    /// For frames of this size, at so many bits a second, for a conversation.
    ///
    /// # Errors
    /// If libvpx has no memory, or is not the one that was built against.
    pub fn new(width: usize, height: usize, bit_rate: u32) -> Result<Self, VideoFault> {
        Self::with_rate_control(width, height, bit_rate, CONVERSATION)
    }

    /// The same with another way of keeping to the bit rate.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn with_rate_control(
        width: usize,
        height: usize,
        bit_rate: u32,
        control: RateControl,
    ) -> Result<Self, VideoFault> {
        let mut context = EncoderContext::new(Format::Vp9, [width, height], bit_rate, control, |config| {
            config.rc_max_quantizer = MAX_QUANTIZER;
            config.rc_undershoot_pct = MAX_CHANGE;
            config.rc_overshoot_pct = MAX_CHANGE;
        })?;
        context.set_speed(SPEED)?;
        context.control(VP9E_SET_AQ_MODE as c_int, CYCLIC_REFRESH)?;
        // Two threads share a frame by columns, and wait less for each other by rows.
        let threads = context.config().g_threads;
        context.control(VP9E_SET_TILE_COLUMNS as c_int, threads.ilog2() as c_int)?;
        context.control(VP9E_SET_ROW_MT as c_int, c_int::from(threads > 1))?;
        Ok(Self(context))
    }
}

impl VideoEncoder for Encoder {
    fn set_bit_rate(&mut self, bit_rate: u32) -> Result<(), VideoFault> {
        self.0.set_bit_rate(bit_rate)
    }

    /// It makes none.
    fn set_layered(&mut self, _: bool) -> Result<(), VideoFault> {
        Ok(())
    }

    fn set_screen_content(&mut self) -> Result<(), VideoFault> {
        self.0.control(VP9E_SET_TUNE_CONTENT as c_int, SCREEN)
    }

    fn encode(&mut self, frame: &VideoFrame, at: u64, key: bool) -> Result<Option<Encoded>, VideoFault> {
        self.0.encode(frame, at, if key { VPX_EFLAG_FORCE_KF } else { 0 })
    }
}
