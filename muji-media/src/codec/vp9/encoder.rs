//! The encoder of VP9, profile 0, in one layer.

use std::os::raw::c_int;

use crate::codec::libvpx::{Control, EncoderContext, FORCE_KEY_FRAME, Format, RateControl};
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
        let mut context = EncoderContext::new(Format::Vp9, [width, height], bit_rate, control, |settings| {
            settings.max_quantizer = MAX_QUANTIZER;
            settings.undershoot = MAX_CHANGE;
            settings.overshoot = MAX_CHANGE;
        })?;
        context.control(Control::Speed, SPEED)?;
        context.control(Control::AdaptiveQuantization, CYCLIC_REFRESH)?;
        // Two threads share a frame by columns, and wait less for each other by rows.
        let threads = context.settings().threads;
        context.control(Control::TileColumns, threads.ilog2() as c_int)?;
        context.control(Control::RowThreads, c_int::from(threads > 1))?;
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
        self.0.control(Control::TuneContent, SCREEN)
    }

    fn encode(&mut self, frame: &VideoFrame, at: u64, key: bool) -> Result<Option<Encoded>, VideoFault> {
        self.0.encode(frame, at, if key { FORCE_KEY_FRAME } else { 0 })
    }
}
