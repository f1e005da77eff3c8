//! The encoder of VP8, in one layer or in three.

use std::os::raw::{c_int, c_uint};

use vpx_sys::vp8e_enc_control_id::{
    VP8E_SET_MAX_INTRA_BITRATE_PCT, VP8E_SET_SCREEN_CONTENT_MODE, VP8E_SET_TEMPORAL_LAYER_ID,
};
use vpx_sys::{
    VP8_EFLAG_FORCE_ARF, VP8_EFLAG_FORCE_GF, VP8_EFLAG_NO_REF_ARF, VP8_EFLAG_NO_REF_GF, VP8_EFLAG_NO_UPD_ARF,
    VP8_EFLAG_NO_UPD_ENTROPY, VP8_EFLAG_NO_UPD_GF, VP8_EFLAG_NO_UPD_LAST, VPX_EFLAG_FORCE_KF,
    VPX_ERROR_RESILIENT_DEFAULT,
};

use crate::codec::libvpx::{EncoderContext, Format, MAX_KEY_FRAME, RateControl, kilobits};
use crate::codec::video::{Encoded, LAYERS, Layer, VideoEncoder, VideoFault};
use crate::video::frame::VideoFrame;

/// With -6 a frame of 640 x 360 takes 1 to 2 ms here, and one of 1280 x 720 6 ms; -4 takes 1.7 times as long and is seen in small frames
/// alone (VMAF + 0.6 at 320 x 180), for which it takes 1 ms.
const SPEED: c_int = -6;
const SPEED_IF_SMALL: c_int = -4;

/// Frames with so many pixels at most are small.
const SMALL: usize = 352 * 288;

/// The layers of four frames that follow each other, and what each may refer to and leave behind. "Last" is always the frame of layer
/// 0 before, and "golden" that of layer 1; nobody needs the statistics of symbols of a frame that he may not get.
const PATTERN: [(Layer, u32); 4] = [
    (
        Layer { number: 0, sync: false },
        VP8_EFLAG_NO_REF_GF | VP8_EFLAG_NO_REF_ARF | VP8_EFLAG_NO_UPD_GF | VP8_EFLAG_NO_UPD_ARF,
    ),
    (Layer { number: 2, sync: true }, VP8_EFLAG_NO_REF_GF | VP8_EFLAG_NO_REF_ARF | NOTHING_BEHIND),
    (
        Layer { number: 1, sync: true },
        VP8_EFLAG_NO_REF_GF
            | VP8_EFLAG_NO_REF_ARF
            | VP8_EFLAG_NO_UPD_LAST
            | VP8_EFLAG_NO_UPD_ARF
            | VP8_EFLAG_NO_UPD_ENTROPY,
    ),
    (Layer { number: 2, sync: false }, VP8_EFLAG_NO_REF_ARF | NOTHING_BEHIND),
];

const NOTHING_BEHIND: u32 =
    VP8_EFLAG_NO_UPD_LAST | VP8_EFLAG_NO_UPD_GF | VP8_EFLAG_NO_UPD_ARF | VP8_EFLAG_NO_UPD_ENTROPY;

/// The first frame without layers refers to the last of layer 0, which everybody has, and is what all others may refer to.
const UNITE: u32 = VP8_EFLAG_NO_REF_GF | VP8_EFLAG_NO_REF_ARF | VP8_EFLAG_FORCE_GF | VP8_EFLAG_FORCE_ARF;

/// Where in a stream its layers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Without layers, everybody gets everything.
    Single,
    /// Without layers from the next frame on.
    Uniting,
    /// The next frame is this one of [`PATTERN`].
    At(usize),
}

/// Encodes frames of one size.
pub struct Encoder {
    context: EncoderContext,
    place: Place,
}

impl Encoder {
    /// For frames of this size, at so many bits a second, for a conversation.
    ///
    /// # Errors
    /// If libvpx has no memory, or is not the one that was built against.
    pub fn new(width: usize, height: usize, bit_rate: u32) -> Result<Self, VideoFault> {
        Self::with_rate_control(width, height, bit_rate, RateControl::CONVERSATION)
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
        let mut context = EncoderContext::new(Format::Vp8, [width, height], bit_rate, control, |config| {
            config.g_error_resilient = VPX_ERROR_RESILIENT_DEFAULT;
        })?;
        context.set_speed(if width * height <= SMALL { SPEED_IF_SMALL } else { SPEED })?;
        Ok(Self { context, place: Place::Single })
    }
}

impl VideoEncoder for Encoder {
    fn set_bit_rate(&mut self, bit_rate: u32) -> Result<(), VideoFault> {
        for (target, share) in self.context.config().ts_target_bitrate.iter_mut().zip(LAYERS) {
            *target = kilobits(bit_rate) * share / LAYERS[2];
        }
        self.context.set_bit_rate(bit_rate)
    }

    fn set_layered(&mut self, layered: bool) -> Result<(), VideoFault> {
        self.place = match (self.place, layered) {
            (Place::Single | Place::Uniting, true) => Place::At(0),
            (Place::At(_), false) => Place::Uniting,
            (place, _) => place,
        };
        let config = self.context.config();
        config.ts_number_layers = if layered { 3 } else { 1 };
        config.ts_periodicity = PATTERN.len() as c_uint;
        config.ts_rate_decimator[..3].copy_from_slice(&[4, 2, 1]);
        for (of, (layer, _)) in config.ts_layer_id.iter_mut().zip(PATTERN) {
            *of = layer.number.into();
        }
        let bit_rate = config.rc_target_bitrate * 1_000;
        // Key frames go to those too who get the lowest layer alone.
        let largest = if layered { MAX_KEY_FRAME * LAYERS[0] / LAYERS[2] } else { MAX_KEY_FRAME };
        self.context.control(VP8E_SET_MAX_INTRA_BITRATE_PCT as c_int, largest as c_int)?;
        self.set_bit_rate(bit_rate)
    }

    fn set_screen_content(&mut self) -> Result<(), VideoFault> {
        self.context.control(VP8E_SET_SCREEN_CONTENT_MODE as c_int, 1)
    }

    fn encode(&mut self, frame: &VideoFrame, at: u64, key: bool) -> Result<Option<Encoded>, VideoFault> {
        let (layer, flags) = match self.place {
            _ if key => (Layer::default(), VPX_EFLAG_FORCE_KF),
            Place::At(place) => PATTERN[place],
            Place::Uniting => (Layer::default(), UNITE),
            Place::Single => (Layer::default(), 0),
        };
        if self.context.config().ts_number_layers > 1 {
            self.context.control(VP8E_SET_TEMPORAL_LAYER_ID as c_int, layer.number.into())?;
        }
        let Some(mut encoded) = self.context.encode(frame, at, flags)? else { return Ok(None) };
        if !encoded.key {
            encoded.layer = layer;
        }
        self.place = match self.place {
            // libvpx may make a key frame of any frame.
            Place::At(_) if encoded.key => Place::At(1),
            Place::At(place) => Place::At((place + 1) % PATTERN.len()),
            Place::Single | Place::Uniting => Place::Single,
        };
        Ok(Some(encoded))
    }
}
