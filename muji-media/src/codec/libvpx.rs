//! The one place with `unsafe` code for VP8 and VP9: libvpx, as far as it is needed here.
//!
//! Between it and libvpx is `libvpx.c`, built with the headers that are installed: the structures of libvpx change from version to version,
//! and a C compiler is needed anyway, where bindings would need libclang too.
#![allow(unsafe_code)]

use std::os::raw::{c_int, c_void};
use std::ptr::{NonNull, null};

use crate::codec::video::{self, CLOCK_RATE, Encoded, Layer, VideoFault};
use crate::video::frame::VideoFrame;

/// How long a frame lasts: of the first the encoder knows nothing else, later it goes by their times.
const LASTS: u32 = 3_000;

/// Frames with more pixels are encoded in two threads, which takes a third less time and an eighth more of the processor (VP8): one of
/// 1920 x 1080 takes 11 ms in one, which on a machine half as fast is too slow. For smaller ones there is time enough.
const ONE_THREAD: usize = 1_280 * 720;

/// A key frame may be so large, in percent of a frame of the target bit rate: five frames.
pub(super) const MAX_KEY_FRAME: u32 = 500;

/// Which of the codecs of libvpx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) enum Format {
    Vp8,
    Vp9,
}

/// What an encoder can be told in an int, as `libvpx.c` numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) enum Control {
    Speed,
    StaticThreshold,
    MaxKeyFrame,
    /// VP8.
    ScreenContentMode,
    /// VP8.
    TemporalLayer,
    /// VP9.
    AdaptiveQuantization,
    /// VP9.
    TileColumns,
    /// VP9.
    RowThreads,
    /// VP9.
    TuneContent,
}

/// Flags of a frame to encode: the first in both codecs, the others in VP8, which say what it may refer to and leave behind. `libvpx.c`
/// compares them with the headers.
pub(super) const FORCE_KEY_FRAME: u32 = 1;
pub(super) const NO_REF_GOLDEN: u32 = 1 << 17;
pub(super) const NO_UPDATE_LAST: u32 = 1 << 18;
pub(super) const FORCE_GOLDEN: u32 = 1 << 19;
pub(super) const NO_UPDATE_ENTROPY: u32 = 1 << 20;
pub(super) const NO_REF_ALTERNATE: u32 = 1 << 21;
pub(super) const NO_UPDATE_GOLDEN: u32 = 1 << 22;
pub(super) const NO_UPDATE_ALTERNATE: u32 = 1 << 23;
pub(super) const FORCE_ALTERNATE: u32 = 1 << 24;

/// What an encoder is set to, laid out as in `libvpx.c`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Settings {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Ticks a second.
    pub(super) clock: u32,
    pub(super) threads: u32,
    pub(super) constant: u32,
    pub(super) error_resilient: u32,
    pub(super) kilobits: u32,
    pub(super) buffer: u32,
    pub(super) initial: u32,
    pub(super) optimal: u32,
    pub(super) drop_below: u32,
    pub(super) min_quantizer: u32,
    pub(super) max_quantizer: u32,
    pub(super) undershoot: u32,
    pub(super) overshoot: u32,
    pub(super) max_key_distance: u32,
    /// Temporal ones: 1, or as many as there are in the next three.
    pub(super) layers: u32,
    pub(super) layer_kilobits: [u32; 3],
    pub(super) layer_decimators: [u32; 3],
    pub(super) layer_pattern: [u32; 4],
}

// What is added on one side alone does not build; `libvpx.c` says the same.
const _: () = assert!(size_of::<Settings>() == 27 * size_of::<u32>());

/// A frame that was encoded, laid out as in `libvpx.c`.
#[repr(C)]
struct Packet {
    bytes: *const u8,
    length: usize,
    key: c_int,
}

/// A frame that was decoded, laid out as in `libvpx.c`.
#[repr(C)]
struct Picture {
    planes: [*const u8; 3],
    strides: [isize; 3],
    width: u32,
    height: u32,
    i420: c_int,
}

/// An encoder of `libvpx.c`.
#[repr(C)]
struct RawEncoder([u8; 0]);

/// A decoder of libvpx.
#[repr(C)]
struct RawDecoder([u8; 0]);

unsafe extern "C" {
    fn muji_vpx_encoder_new(format: Format, settings: *const Settings, made: *mut Option<NonNull<RawEncoder>>)
    -> c_int;
    fn muji_vpx_encoder_set(encoder: NonNull<RawEncoder>, settings: *const Settings) -> c_int;
    fn muji_vpx_encoder_control(encoder: NonNull<RawEncoder>, control: Control, value: c_int) -> c_int;
    fn muji_vpx_encode(encoder: NonNull<RawEncoder>, samples: *const u8, at: i64, lasts: u32, flags: u32) -> c_int;
    fn muji_vpx_encoded(encoder: NonNull<RawEncoder>, iterator: *mut *const c_void, packet: *mut Packet) -> c_int;
    fn muji_vpx_encoder_free(encoder: NonNull<RawEncoder>);
    fn muji_vpx_decoder_new(format: Format, made: *mut Option<NonNull<RawDecoder>>) -> c_int;
    fn muji_vpx_decode(decoder: NonNull<RawDecoder>, bytes: *const u8, length: u32) -> c_int;
    fn muji_vpx_decoded(decoder: NonNull<RawDecoder>, iterator: *mut *const c_void, picture: *mut Picture) -> c_int;
    fn muji_vpx_decoder_free(decoder: NonNull<RawDecoder>);
}

/// How libvpx keeps to its bit rate (`rc_buf_sz` and its neighbours). Levels are in ms at the target bit rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateControl {
    /// As constant as it can be, or varying with what is seen.
    pub constant: bool,
    /// The size of the buffer in the decoder that the encoder reckons with.
    pub buffer: u32,
    /// Its level in the beginning.
    pub initial: u32,
    /// The level that the encoder aims at.
    pub optimal: u32,
    /// Frames are left out when it is less full than that, in percent; 0: never.
    pub drop_below: u32,
}

impl RateControl {
    /// For conversations in VP8: a new target is reached within four frames, where browsers' second of buffer takes up to 23, and libvpx's
    /// own six seconds never reach a lower one (`make bitrate`). No frame is left out: in a buffer so small a key frame alone would cost
    /// the next seven. It costs quality of some frames instead, and a rate that cannot be kept to costs the size (`video/ladder.rs`). The
    /// buffer begins as full as a key frame leaves it full.
    pub const CONVERSATION: Self = Self { constant: true, buffer: 230, initial: 370, optimal: 210, drop_below: 0 };
}

/// An encoder of frames of one size.
pub(super) struct EncoderContext {
    encoder: NonNull<RawEncoder>,
    settings: Settings,
}

// SAFETY: libvpx keeps no state per thread, so the owner of the encoder may use it in any thread.
unsafe impl Send for EncoderContext {}

impl EncoderContext {
    /// For frames of this size, in pixels, at so many bits a second; `adjust` sets what one codec alone has.
    ///
    /// # Errors
    /// If libvpx has no memory, or is not the one that was built against.
    pub(super) fn new(
        format: Format,
        size: [usize; 2],
        bit_rate: u32,
        control: RateControl,
        adjust: impl FnOnce(&mut Settings),
    ) -> Result<Self, VideoFault> {
        let mut settings = Settings::new(size, bit_rate, control)?;
        adjust(&mut settings);
        let mut made = None;
        // SAFETY: the settings are only read, during the call.
        checked(unsafe { muji_vpx_encoder_new(format, &raw const settings, &raw mut made) })?;
        let mut this = Self { encoder: made.ok_or(VideoFault::Memory)?, settings };
        this.control(Control::StaticThreshold, 1)?;
        this.control(Control::MaxKeyFrame, MAX_KEY_FRAME as c_int)?;
        Ok(this)
    }

    /// Sets one of the controls; of [`Control::Speed`], how much of what it could do the encoder leaves out to be quick.
    ///
    /// # Errors
    /// If the encoder does not know it, or not this value.
    pub(super) fn control(&mut self, control: Control, value: c_int) -> Result<(), VideoFault> {
        // SAFETY: the encoder was made and is not freed.
        checked(unsafe { muji_vpx_encoder_control(self.encoder, control, value) })
    }

    /// What the next [`Self::set_bit_rate`] sets the encoder to.
    pub(super) fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Encodes to so many bits a second from now on, and as [`Self::settings`] says.
    ///
    /// # Errors
    /// If the encoder cannot change that.
    pub(super) fn set_bit_rate(&mut self, bit_rate: u32) -> Result<(), VideoFault> {
        self.settings.kilobits = kilobits(bit_rate);
        // SAFETY: the encoder was made and is not freed, and the settings are only read, during the call.
        checked(unsafe { muji_vpx_encoder_set(self.encoder, &raw const self.settings) })
    }

    /// Encodes a frame that was taken at `at`; `None` if it is left out.
    ///
    /// # Errors
    /// If it has another size, or libvpx fails.
    pub(super) fn encode(&mut self, frame: &VideoFrame, at: u64, flags: u32) -> Result<Option<Encoded>, VideoFault> {
        if [frame.width(), frame.height()] != [self.settings.width as usize, self.settings.height as usize] {
            return Err(VideoFault::Size);
        }
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        // SAFETY: the samples are as many as an I420 frame of this size has, and only read.
        checked(unsafe { muji_vpx_encode(self.encoder, frame.samples().as_ptr(), at, LASTS, flags) })?;
        Ok(self.encoded())
    }

    fn encoded(&mut self) -> Option<Encoded> {
        let (mut iterator, mut found) = (null(), None);
        let mut packet = Packet { bytes: null(), length: 0, key: 0 };
        // SAFETY: a packet lives until the encoder is used again; its bytes are copied before that.
        while unsafe { muji_vpx_encoded(self.encoder, &raw mut iterator, &raw mut packet) } != 0 {
            // SAFETY: as above.
            let bytes = unsafe { std::slice::from_raw_parts(packet.bytes, packet.length) }.to_vec();
            found = Some(Encoded { bytes, key: packet.key != 0, layer: Layer::default() });
        }
        found
    }
}

impl Drop for EncoderContext {
    fn drop(&mut self) {
        // SAFETY: the encoder was made, and nobody uses it any more.
        unsafe { muji_vpx_encoder_free(self.encoder) };
    }
}

impl Settings {
    fn new(size: [usize; 2], bit_rate: u32, control: RateControl) -> Result<Self, VideoFault> {
        let [width, height] = size;
        let side = |side: usize| u32::try_from(side).map_err(|_| VideoFault::Size);
        Ok(Self {
            width: side(width)?,
            height: side(height)?,
            clock: CLOCK_RATE,
            threads: if width * height > ONE_THREAD { 2 } else { 1 },
            constant: control.constant.into(),
            error_resilient: 0,
            kilobits: kilobits(bit_rate),
            buffer: control.buffer,
            initial: control.initial,
            optimal: control.optimal,
            drop_below: control.drop_below,
            min_quantizer: 2,
            max_quantizer: 56,
            undershoot: 100,
            overshoot: 15,
            // Key frames are made when a peer asks, or when the frame is all new.
            max_key_distance: 3_000,
            layers: 1,
            layer_kilobits: [0; 3],
            layer_decimators: [0; 3],
            layer_pattern: [0; 4],
        })
    }
}

/// A decoder of one stream.
pub(super) struct DecoderContext(NonNull<RawDecoder>);

// SAFETY: as of the encoder.
unsafe impl Send for DecoderContext {}

impl DecoderContext {
    /// Waits for a key frame.
    ///
    /// # Errors
    /// If libvpx has no memory, or is not the one that was built against.
    pub(super) fn new(format: Format) -> Result<Self, VideoFault> {
        let mut made = None;
        // SAFETY: nothing is read, and what is written is of this type.
        checked(unsafe { muji_vpx_decoder_new(format, &raw mut made) })?;
        made.map(Self).ok_or(VideoFault::Memory)
    }

    /// Decodes a frame, of which the caller knows that it is not too large: libvpx makes room for whatever it says.
    ///
    /// # Errors
    /// If libvpx refuses it.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Option<VideoFrame>, VideoFault> {
        let length = u32::try_from(bytes.len()).map_err(|_| VideoFault::Size)?;
        // SAFETY: libvpx reads the bytes during the call and never writes to them.
        checked(unsafe { muji_vpx_decode(self.0, bytes.as_ptr(), length) })?;
        let mut iterator = null();
        let mut picture = Picture { planes: [null(); 3], strides: [0; 3], width: 0, height: 0, i420: 0 };
        // SAFETY: the frame lives until the next call and is copied before that.
        unsafe {
            let there = muji_vpx_decoded(self.0, &raw mut iterator, &raw mut picture) != 0;
            there.then(|| copied(&picture)).transpose()
        }
    }
}

impl Drop for DecoderContext {
    fn drop(&mut self) {
        // SAFETY: the decoder was made, and nobody uses it any more.
        unsafe { muji_vpx_decoder_free(self.0) };
    }
}

/// A decoded frame of our own.
///
/// # Safety
/// The picture is one of libvpx's, and alive. Its planes have as many rows and bytes in a row as its sides say.
unsafe fn copied(picture: &Picture) -> Result<VideoFrame, VideoFault> {
    if picture.i420 == 0 {
        return Err(VideoFault::Size);
    }
    let row = |plane: usize, row: usize, width: usize| {
        let offset = row.cast_signed() * picture.strides[plane];
        // SAFETY: the caller's promise; a row has at least as many bytes as the frame is wide.
        unsafe { std::slice::from_raw_parts(picture.planes[plane].offset(offset), width) }
    };
    video::copied([picture.width as usize, picture.height as usize], row)
}

pub(super) fn kilobits(bit_rate: u32) -> u32 {
    (bit_rate / 1_000).max(1)
}

/// `VPX_CODEC_OK` is 0.
fn checked(result: c_int) -> Result<(), VideoFault> {
    if result == 0 { Ok(()) } else { Err(VideoFault::Library { library: "libvpx", code: result.into() }) }
}
