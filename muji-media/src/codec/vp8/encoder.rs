//! The encoder of VP8, in one layer or in three.

use std::os::raw::c_int;

use crate::codec::libvpx::{
    Control, EncoderContext, FORCE_ALTERNATE, FORCE_GOLDEN, FORCE_KEY_FRAME, Format, MAX_KEY_FRAME, NO_REF_ALTERNATE,
    NO_REF_GOLDEN, NO_UPDATE_ALTERNATE, NO_UPDATE_ENTROPY, NO_UPDATE_GOLDEN, NO_UPDATE_LAST, RateControl, kilobits,
};
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
    (Layer { number: 0, sync: false }, NO_REF_GOLDEN | NO_REF_ALTERNATE | NO_UPDATE_GOLDEN | NO_UPDATE_ALTERNATE),
    (Layer { number: 2, sync: true }, NO_REF_GOLDEN | NO_REF_ALTERNATE | NOTHING_BEHIND),
    (
        Layer { number: 1, sync: true },
        NO_REF_GOLDEN | NO_REF_ALTERNATE | NO_UPDATE_LAST | NO_UPDATE_ALTERNATE | NO_UPDATE_ENTROPY,
    ),
    (Layer { number: 2, sync: false }, NO_REF_ALTERNATE | NOTHING_BEHIND),
];

const NOTHING_BEHIND: u32 = NO_UPDATE_LAST | NO_UPDATE_GOLDEN | NO_UPDATE_ALTERNATE | NO_UPDATE_ENTROPY;

/// The first frame without layers refers to the last of layer 0, which everybody has, and is what all others may refer to.
const UNITE: u32 = NO_REF_GOLDEN | NO_REF_ALTERNATE | FORCE_GOLDEN | FORCE_ALTERNATE;

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
        let mut context = EncoderContext::new(Format::Vp8, [width, height], bit_rate, control, |settings| {
            settings.error_resilient = 1;
        })?;
        context.control(Control::Speed, if width * height <= SMALL { SPEED_IF_SMALL } else { SPEED })?;
        Ok(Self { context, place: Place::Single })
    }
}

impl VideoEncoder for Encoder {
    fn set_bit_rate(&mut self, bit_rate: u32) -> Result<(), VideoFault> {
        for (target, share) in self.context.settings().layer_kilobits.iter_mut().zip(LAYERS) {
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
        let settings = self.context.settings();
        settings.layers = if layered { 3 } else { 1 };
        settings.layer_decimators = [4, 2, 1];
        settings.layer_pattern = PATTERN.map(|(layer, _)| layer.number.into());
        let bit_rate = settings.kilobits * 1_000;
        // Key frames go to those too who get the lowest layer alone.
        let largest = if layered { MAX_KEY_FRAME * LAYERS[0] / LAYERS[2] } else { MAX_KEY_FRAME };
        self.context.control(Control::MaxKeyFrame, largest as c_int)?;
        self.set_bit_rate(bit_rate)
    }

    fn set_screen_content(&mut self) -> Result<(), VideoFault> {
        self.context.control(Control::ScreenContentMode, 1)
    }

    fn encode(&mut self, frame: &VideoFrame, at: u64, key: bool) -> Result<Option<Encoded>, VideoFault> {
        let (layer, flags) = match self.place {
            _ if key => (Layer::default(), FORCE_KEY_FRAME),
            Place::At(place) => PATTERN[place],
            Place::Uniting => (Layer::default(), UNITE),
            Place::Single => (Layer::default(), 0),
        };
        if self.context.settings().layers > 1 {
            self.context.control(Control::TemporalLayer, layer.number.into())?;
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
