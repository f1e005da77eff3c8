//! libaom, as far as it is needed here.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::os::raw::{c_int, c_uint};
use std::ptr::{null, null_mut};

use aom_sys::aom_codec_cx_pkt_kind::AOM_CODEC_CX_FRAME_PKT;
use aom_sys::aom_codec_err_t::{AOM_CODEC_OK, Type as Outcome};
use aom_sys::aom_img_fmt::AOM_IMG_FMT_I420;
use aom_sys::aome_enc_control_id as control;
use aom_sys::{
    AOM_DECODER_ABI_VERSION, AOM_EFLAG_FORCE_KF, AOM_ENCODER_ABI_VERSION, AOM_FRAME_IS_KEY, AOM_USAGE_REALTIME,
    aom_codec_ctx_t, aom_codec_dec_cfg_t, aom_codec_enc_cfg_t, aom_image_t, aom_kf_mode, aom_rational, aom_rc_mode,
};

use super::obu::{Obu, obus};
use crate::codec::video::{self, CLOCK_RATE, Encoded, Layer, VideoDecoder, VideoEncoder, VideoFault};
use crate::video::frame::{MAX_PIXELS, VideoFrame};

/// How long a frame lasts: of the first the encoder knows nothing else, later it goes by their times.
const LASTS: u64 = 3_000;

/// How much of what it could do the encoder leaves out to be quick. With 8 the film of bicycles has VMAF 86.9 at 300 kbit/s, with 10 86.5.
const SPEED: c_int = 10;

/// Frames with more pixels are encoded in two threads.
const ONE_THREAD: usize = 640 * 360;

/// A key frame may be so large, in percent of a frame of the target bit rate: five frames.
const MAX_KEY_FRAME: c_int = 500;

/// What the encoder reckons with in the decoder, in ms at the target bit rate, and how full it begins and is to be, as of VP9.
const BUFFER: c_uint = 600;
const LEVEL: c_uint = 400;

/// What is left out for the sake of time, and what is done all the same, as browsers have it; each with its value.
const SETTINGS: [(c_uint, c_int); 12] = [
    (control::AV1E_SET_AQ_MODE, 3), // Some blocks of each frame in turn get more bits (cyclic refresh).
    (control::AV1E_SET_COEFF_COST_UPD_FREQ, 3),
    (control::AV1E_SET_MODE_COST_UPD_FREQ, 3),
    (control::AV1E_SET_MV_COST_UPD_FREQ, 3),
    (control::AV1E_SET_ENABLE_TPL_MODEL, 0),
    (control::AV1E_SET_DELTAQ_MODE, 0),
    (control::AV1E_SET_ENABLE_ORDER_HINT, 0),
    (control::AV1E_SET_ENABLE_OBMC, 0),
    (control::AV1E_SET_ENABLE_WARPED_MOTION, 0),
    (control::AV1E_SET_ENABLE_GLOBAL_MOTION, 0),
    (control::AV1E_SET_ENABLE_REF_FRAME_MVS, 0),
    (control::AOME_SET_MAX_INTRA_BITRATE_PCT, MAX_KEY_FRAME),
];

/// Encodes frames of one size, in profile 0 and one layer.
pub struct Encoder {
    context: Box<aom_codec_ctx_t>,
    config: aom_codec_enc_cfg_t,
}

// SAFETY: libaom keeps no state per thread, so the owner of the context may use it in any thread.
unsafe impl Send for Encoder {}

impl Encoder {
    /// For frames of this size, at so many bits a second, for a conversation.
    ///
    /// # Errors
    /// If libaom has no memory, or is not the one that was built against.
    pub fn new(size: [usize; 2], bit_rate: u32) -> Result<Self, VideoFault> {
        let side = |side: usize| c_uint::try_from(side).map_err(|_| VideoFault::Size);
        let mut config = MaybeUninit::uninit();
        // SAFETY: the interface is libaom's own, and the configuration is filled if the result says so.
        let mut config = unsafe {
            let interface = aom_sys::aom_codec_av1_cx();
            checked(aom_sys::aom_codec_enc_config_default(interface, config.as_mut_ptr(), AOM_USAGE_REALTIME))?;
            config.assume_init()
        };
        config.g_w = side(size[0])?;
        config.g_h = side(size[1])?;
        config.g_timebase = aom_rational { num: 1, den: CLOCK_RATE as c_int };
        config.g_threads = if size[0] * size[1] > ONE_THREAD { 2 } else { 1 };
        config.g_lag_in_frames = 0;
        config.rc_end_usage = aom_rc_mode::AOM_CBR;
        config.rc_target_bitrate = kilobits(bit_rate);
        config.rc_buf_sz = BUFFER;
        config.rc_buf_initial_sz = LEVEL;
        config.rc_buf_optimal_sz = LEVEL;
        config.rc_min_quantizer = 2;
        config.rc_max_quantizer = 63;
        config.rc_undershoot_pct = 50;
        config.rc_overshoot_pct = 50;
        config.rc_dropframe_thresh = 0;
        // Key frames are made when a peer asks.
        config.kf_mode = aom_kf_mode::AOM_KF_DISABLED;
        let mut context = Box::new(empty());
        // SAFETY: the context does not move while it is in use, being boxed, and the configuration outlives the call.
        unsafe {
            let version = AOM_ENCODER_ABI_VERSION as c_int;
            let interface = aom_sys::aom_codec_av1_cx();
            checked(aom_sys::aom_codec_enc_init_ver(&raw mut *context, interface, &raw const config, 0, version))?;
        }
        let mut this = Self { context, config };
        this.control(control::AOME_SET_CPUUSED, SPEED)?;
        SETTINGS.into_iter().try_for_each(|(id, value)| this.control(id, value))?;
        // Two threads share a frame by columns, and wait less for each other by rows.
        this.control(control::AV1E_SET_TILE_COLUMNS, config.g_threads.ilog2() as c_int)?;
        this.control(control::AV1E_SET_ROW_MT, c_int::from(config.g_threads > 1))?;
        Ok(this)
    }

    fn control(&mut self, id: c_uint, value: c_int) -> Result<(), VideoFault> {
        // SAFETY: all that is set here takes one int.
        checked(unsafe { aom_sys::aom_codec_control(&raw mut *self.context, id as c_int, value) })
    }

    fn encoded(&mut self) -> Result<Option<Encoded>, VideoFault> {
        let (mut iterator, mut found) = (null(), None);
        loop {
            // SAFETY: libaom hands out packets that live until the next call; a frame's bytes are copied before that. Which
            // member of the union is there, its kind says.
            unsafe {
                let packet = aom_sys::aom_codec_get_cx_data(&raw mut *self.context, &raw mut iterator);
                let Some(packet) = packet.as_ref() else { return Ok(found) };
                if packet.kind == AOM_CODEC_CX_FRAME_PKT {
                    let frame = packet.data.frame;
                    let bytes = without_delimiter(std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz))?;
                    found = Some(Encoded { bytes, key: frame.flags & AOM_FRAME_IS_KEY != 0, layer: Layer::default() });
                }
            }
        }
    }
}

/// A frame as files and packets have it.
fn without_delimiter(made: &[u8]) -> Result<Vec<u8>, VideoFault> {
    let mut frame = Vec::with_capacity(made.len());
    obus(made)?.into_iter().filter(|obu| !obu.is_dispensable()).for_each(|obu| obu.append_to(&mut frame));
    Ok(frame)
}

impl VideoEncoder for Encoder {
    fn set_bit_rate(&mut self, bit_rate: u32) -> Result<(), VideoFault> {
        self.config.rc_target_bitrate = kilobits(bit_rate);
        // SAFETY: the context was set up, and the configuration outlives the call.
        checked(unsafe { aom_sys::aom_codec_enc_config_set(&raw mut *self.context, &raw const self.config) })
    }

    /// It makes none.
    fn set_layered(&mut self, _: bool) -> Result<(), VideoFault> {
        Ok(())
    }

    fn set_screen_content(&mut self) -> Result<(), VideoFault> {
        self.control(control::AV1E_SET_TUNE_CONTENT, aom_sys::aom_tune_content::AOM_CONTENT_SCREEN as c_int)?;
        self.control(control::AV1E_SET_ENABLE_PALETTE, 1)
    }

    fn encode(&mut self, frame: &VideoFrame, at: u64, key: bool) -> Result<Option<Encoded>, VideoFault> {
        let (width, height) = (frame.width() as c_uint, frame.height() as c_uint);
        if (width, height) != (self.config.g_w, self.config.g_h) {
            return Err(VideoFault::Size);
        }
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        let flags = if key { AOM_EFLAG_FORCE_KF } else { 0 };
        let mut image = MaybeUninit::<aom_image_t>::zeroed();
        // SAFETY: the samples are as many as an I420 frame of this size has, and libaom only reads them. The image is used
        // only if wrapping it succeeded.
        unsafe {
            let samples = frame.samples().as_ptr().cast_mut();
            let wrapped = aom_sys::aom_img_wrap(image.as_mut_ptr(), AOM_IMG_FMT_I420, width, height, 1, samples);
            if wrapped.is_null() {
                return Err(VideoFault::Memory);
            }
            checked(aom_sys::aom_codec_encode(&raw mut *self.context, wrapped, at, LASTS, flags.into()))?;
        }
        self.encoded()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the context was set up, and nobody uses it any more.
        unsafe { aom_sys::aom_codec_destroy(&raw mut *self.context) };
    }
}

/// Decodes one stream. It keeps up to eight frames to refer to: of the largest that are taken, some 110 MB.
pub struct Decoder {
    context: Box<aom_codec_ctx_t>,
}

// SAFETY: as of the encoder.
unsafe impl Send for Decoder {}

impl Decoder {
    /// Waits for a key frame.
    ///
    /// # Errors
    /// If libaom has no memory, or is not the one that was built against.
    pub fn new() -> Result<Self, VideoFault> {
        let mut context = Box::new(empty());
        let config = aom_codec_dec_cfg_t { threads: 1, w: 0, h: 0, allow_lowbitdepth: 1 };
        // SAFETY: the context does not move while it is in use, being boxed, and the configuration outlives the call.
        unsafe {
            let version = AOM_DECODER_ABI_VERSION as c_int;
            let interface = aom_sys::aom_codec_av1_dx();
            checked(aom_sys::aom_codec_dec_init_ver(&raw mut *context, interface, &raw const config, 0, version))?;
        }
        Ok(Self { context })
    }
}

impl VideoDecoder for Decoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<Option<VideoFrame>, VideoFault> {
        // No frame is larger than its sequence says, which libaom sees to; the sequence is looked at before it makes room.
        for sequence in obus(bytes)?.into_iter().filter_map(Obu::sequence) {
            let [width, height] = sequence?.sides;
            if width * height > MAX_PIXELS {
                return Err(VideoFault::Size);
            }
        }
        // SAFETY: libaom reads the bytes during the call and never writes to them.
        let outcome =
            unsafe { aom_sys::aom_codec_decode(&raw mut *self.context, bytes.as_ptr(), bytes.len(), null_mut()) };
        checked(outcome)?;
        let (mut iterator, mut shown) = (null(), None);
        loop {
            // SAFETY: the frame lives until the next call of the decoder and is copied before that. Its planes have as many
            // rows and bytes in a row as its sides say.
            let image = unsafe {
                let image = aom_sys::aom_codec_get_frame(&raw mut *self.context, &raw mut iterator);
                image.as_ref().map(|image| copied(image)).transpose()?
            };
            if image.is_none() {
                return Ok(shown);
            }
            shown = image;
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the context was set up, and nobody uses it any more.
        unsafe { aom_sys::aom_codec_destroy(&raw mut *self.context) };
    }
}

/// A decoded frame of our own.
///
/// # Safety
/// The image is one of libaom's, and alive.
unsafe fn copied(image: &aom_image_t) -> Result<VideoFrame, VideoFault> {
    if image.fmt != AOM_IMG_FMT_I420 || image.bit_depth != 8 {
        return Err(VideoFault::Stream("its samples have more than eight bits"));
    }
    let row = |plane: usize, row: usize, width: usize| {
        let offset = row.cast_signed() * image.stride[plane] as isize;
        // SAFETY: the caller's promise; a row has at least as many bytes as the frame is wide.
        unsafe { std::slice::from_raw_parts(image.planes[plane].offset(offset), width) }
    };
    video::copied([image.d_w as usize, image.d_h as usize], row)
}

fn empty() -> aom_codec_ctx_t {
    // SAFETY: numbers and pointers, of which nothing is used before libaom has set it up.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn kilobits(bit_rate: u32) -> c_uint {
    (bit_rate / 1_000).max(1)
}

fn checked(outcome: Outcome) -> Result<(), VideoFault> {
    if outcome == AOM_CODEC_OK { Ok(()) } else { Err(VideoFault::Library { library: "libaom", code: outcome.into() }) }
}
