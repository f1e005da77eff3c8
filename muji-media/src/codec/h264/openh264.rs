//! OpenH264, as far as it is needed here.
#![allow(unsafe_code)] // Its bit rate is changed by its own interface alone.

use std::time::Duration;

use openh264::OpenH264API;
use openh264::decoder::{Decoder as Library, DecoderConfig};
use openh264::encoder::{
    BitRate, Encoder as EncoderLibrary, EncoderConfig, FrameRate, FrameType, Profile, RateControlMode,
};
use openh264::formats::YUVSource;
use openh264::{Error, Timestamp};
use openh264_sys2::{
    ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_TRACE_LEVEL, SBitrateInfo, SPATIAL_LAYER_0,
    WELS_LOG_QUIET,
};

use super::nal::{NalKind, append, units};
use super::parameters;
use super::payload::Packetization;
use crate::codec::video::{self, CLOCK_RATE, Encoded, Layer, MAX_PAYLOAD, VideoDecoder, VideoEncoder, VideoFault};
use crate::video::frame::{INTERVAL, VideoFrame};

/// Encodes frames of one size, in constrained baseline.
pub(crate) struct Encoder {
    library: EncoderLibrary,
    packetization: Packetization,
    size: [usize; 2],
    bits: u32,
    /// Between two frames: it gives each the same share of a second's bits, whatever their times say.
    interval: Duration,
    /// It has encoded a frame: before that the library has no memory to change anything in.
    begun: bool,
}

impl Encoder {
    /// For frames of this size, at so many bits a second.
    ///
    /// # Errors
    /// If there is no memory.
    pub(crate) fn new(size: [usize; 2], bits: u32, packetization: Packetization) -> Result<Self, VideoFault> {
        let (library, interval) = (library(bits, INTERVAL, packetization)?, INTERVAL);
        Ok(Self { library, packetization, size, bits, interval, begun: false })
    }

    fn set_option(&mut self, option: i32, bits: u32) -> Result<(), VideoFault> {
        let bits = i32::try_from(bits).unwrap_or(i32::MAX);
        let mut info = SBitrateInfo { iLayer: SPATIAL_LAYER_0, iBitrate: bits };
        // SAFETY: both options that are set here take such a value, which outlives the call, and the encoder has begun.
        let result = unsafe { self.library.raw_api().set_option(option, (&raw mut info).cast()) };
        if result == 0 { Ok(()) } else { Err(VideoFault::Library { library: NAME, code: result.into() }) }
    }
}

const NAME: &str = "OpenH264";

fn library(bits: u32, interval: Duration, packetization: Packetization) -> Result<EncoderLibrary, VideoFault> {
    let config = EncoderConfig::new()
        .bitrate(BitRate::from_bps(bits))
        .max_frame_rate(FrameRate::from_hz(1.0 / interval.as_secs_f32()))
        .rate_control_mode(RateControlMode::Bitrate)
        .profile(Profile::Baseline)
        .num_threads(1);
    let config = match packetization {
        Packetization::Single => config.max_slice_len(MAX_PAYLOAD as u32),
        Packetization::NonInterleaved => config,
    };
    let mut library = EncoderLibrary::with_api_config(OpenH264API::from_source(), config).map_err(fault)?;
    let mut level = WELS_LOG_QUIET;
    // SAFETY: this option takes such a value, before the encoder has begun too. Otherwise it would write to the terminal that its own crate
    // sets both bounds of a slice.
    unsafe { library.raw_api().set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast()) };
    Ok(library)
}

fn fault(why: Error) -> VideoFault {
    VideoFault::Library { library: NAME, code: why.native_code() }
}

/// The planes of a frame.
struct Planes<'a>(&'a VideoFrame);

impl Planes<'_> {
    fn pixels(&self) -> usize {
        self.0.width() * self.0.height()
    }
}

impl YUVSource for Planes<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.0.width(), self.0.height())
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.0.width(), self.0.width() / 2, self.0.width() / 2)
    }

    fn y(&self) -> &[u8] {
        &self.0.samples()[..self.pixels()]
    }

    fn u(&self) -> &[u8] {
        &self.0.samples()[self.pixels()..self.pixels() * 5 / 4]
    }

    fn v(&self) -> &[u8] {
        &self.0.samples()[self.pixels() * 5 / 4..]
    }
}

impl VideoEncoder for Encoder {
    fn set_bit_rate(&mut self, bits: u32) -> Result<(), VideoFault> {
        if !self.begun {
            self.bits = bits;
            self.library = library(bits, self.interval, self.packetization)?;
            return Ok(());
        }
        // The target must never be above the highest.
        let rises = bits > std::mem::replace(&mut self.bits, bits);
        let [first, second] = [ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_BITRATE];
        let order = if rises { [first, second] } else { [second, first] };
        order.into_iter().try_for_each(|option| self.set_option(option, bits))
    }

    /// Begins again, with a key frame.
    fn set_interval(&mut self, interval: Duration) -> Result<(), VideoFault> {
        self.library = library(self.bits, interval, self.packetization)?;
        (self.interval, self.begun) = (interval, false);
        Ok(())
    }

    /// It has none.
    fn set_layered(&mut self, _: bool) -> Result<(), VideoFault> {
        Ok(())
    }

    fn encode(&mut self, frame: &VideoFrame, at: u64, key: bool) -> Result<Option<Encoded>, VideoFault> {
        if [frame.width(), frame.height()] != self.size {
            return Err(VideoFault::Size);
        }
        if key && self.begun {
            self.library.force_intra_frame();
        }
        self.begun = true;
        let at = Timestamp::from_millis(at * 1_000 / u64::from(CLOCK_RATE));
        let stream = self.library.encode_at(&Planes(frame), at).map_err(fault)?;
        let key = match stream.frame_type() {
            FrameType::IDR => true,
            FrameType::I | FrameType::P | FrameType::IPMixed => false,
            FrameType::Skip => return Ok(None),
            FrameType::Invalid => return Err(VideoFault::Nothing(NAME)),
        };
        let bytes = stream.to_vec();
        Ok((!bytes.is_empty()).then(|| Encoded { bytes, key, layer: Layer::default() }))
    }
}

/// Decodes one stream.
pub(crate) struct Decoder {
    library: Library,
    /// The size of its pictures.
    size: Option<[usize; 2]>,
}

impl Decoder {
    /// Waits for a key frame.
    ///
    /// # Errors
    /// If there is no memory.
    pub(crate) fn new() -> Result<Self, VideoFault> {
        Ok(Self { library: decoder()?, size: None })
    }

    /// What of a frame is decoded: what is more than slices and their parameters, OpenH264 would only have to skip.
    fn checked(&mut self, frame: &[u8]) -> Result<Vec<u8>, VideoFault> {
        let (mut checked, mut size, mut key) = (Vec::with_capacity(frame.len()), self.size, false);
        for unit in units(frame) {
            match NalKind::of(unit[0]) {
                Some(NalKind::SequenceParameters) => size = Some(parameters::read(unit)?.coded),
                Some(NalKind::KeySlice) => key = true,
                Some(NalKind::Slice | NalKind::PictureParameters) => {}
                Some(NalKind::Information | NalKind::Other) | None => continue,
            }
            append(&mut checked, unit);
        }
        if size != self.size {
            if !key {
                return Err(VideoFault::Stream("the size changes without a key frame"));
            }
            self.library = decoder()?;
            self.size = size;
        }
        Ok(checked)
    }
}

fn decoder() -> Result<Library, VideoFault> {
    Library::with_api_config(OpenH264API::from_source(), DecoderConfig::new()).map_err(fault)
}

impl VideoDecoder for Decoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<Option<VideoFrame>, VideoFault> {
        let checked = self.checked(bytes)?;
        if self.size.is_none() {
            return Err(VideoFault::Stream("there is no sequence parameter set"));
        }
        let decoded = self.library.decode(&checked).map_err(fault)?;
        decoded.map(|planes| copied(&planes)).transpose()
    }
}

/// A decoded frame of our own.
fn copied(planes: &impl YUVSource) -> Result<VideoFrame, VideoFault> {
    let ((width, height), (luma, blue, red)) = (planes.dimensions(), planes.strides());
    let planes = [(planes.y(), luma), (planes.u(), blue), (planes.v(), red)];
    video::copied([width, height], |plane, row, width| {
        let (samples, stride) = planes[plane];
        samples.get(row * stride..row * stride + width).unwrap_or_default()
    })
}
