//! The one place with `unsafe` code for VP8 and VP9: libvpx, as far as it is needed here.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::os::raw::{c_int, c_uint};
use std::ptr::{null, null_mut};

use vpx_sys::vp8e_enc_control_id::{VP8E_SET_CPUUSED, VP8E_SET_MAX_INTRA_BITRATE_PCT, VP8E_SET_STATIC_THRESHOLD};
use vpx_sys::{
    VPX_CODEC_OK, VPX_DECODER_ABI_VERSION, VPX_DL_REALTIME, VPX_ENCODER_ABI_VERSION, VPX_FRAME_IS_KEY, vpx_codec_ctx_t,
    vpx_codec_cx_pkt_kind, vpx_codec_enc_cfg_t, vpx_codec_err_t, vpx_codec_iface_t, vpx_image_t, vpx_img_fmt,
    vpx_kf_mode, vpx_rational, vpx_rc_mode,
};

use crate::codec::video::{self, Encoded, Layer, VideoFault};
use crate::video::frame::VideoFrame;

/// Ticks a second of the times that are given to the encoder.
const CLOCK: c_int = 90_000;

/// How long a frame lasts: of the first the encoder knows nothing else, later it goes by their times.
const LASTS: u64 = 3_000;

/// Frames with more pixels are encoded in two threads, which takes a third less time and an eighth more of the processor (VP8): one of
/// 1920 x 1080 takes 11 ms in one, which on a machine half as fast is too slow. For smaller ones there is time enough.
const ONE_THREAD: usize = 1_280 * 720;

/// A key frame may be so large, in percent of a frame of the target bit rate: five frames.
pub(super) const MAX_KEY_FRAME: u32 = 500;

/// Which of the codecs of libvpx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Vp8,
    Vp9,
}

impl Format {
    fn encoder(self) -> *const vpx_codec_iface_t {
        // SAFETY: both give the address of a constant.
        unsafe {
            match self {
                Self::Vp8 => vpx_sys::vpx_codec_vp8_cx(),
                Self::Vp9 => vpx_sys::vpx_codec_vp9_cx(),
            }
        }
    }

    fn decoder(self) -> *const vpx_codec_iface_t {
        // SAFETY: as of the encoders.
        unsafe {
            match self {
                Self::Vp8 => vpx_sys::vpx_codec_vp8_dx(),
                Self::Vp9 => vpx_sys::vpx_codec_vp9_dx(),
            }
        }
    }
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
    /// own six seconds never reach a lower one (`make bitrate`). No frame is left out: in a buffer so small a key frame alone would cost the
    /// next seven. It costs quality of some frames instead, and a rate that cannot be kept to costs the size (`video/ladder.rs`). The buffer
    /// begins as full as a key frame leaves it full.
    pub const CONVERSATION: Self = Self { constant: true, buffer: 230, initial: 370, optimal: 210, drop_below: 0 };
}

/// An encoder of frames of one size.
pub(super) struct EncoderContext {
    context: Box<vpx_codec_ctx_t>,
    config: vpx_codec_enc_cfg_t,
}

// SAFETY: libvpx keeps no state per thread, so the owner of the context may use it in any thread.
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
        adjust: impl FnOnce(&mut vpx_codec_enc_cfg_t),
    ) -> Result<Self, VideoFault> {
        let side = |side: usize| c_uint::try_from(side).map_err(|_| VideoFault::Size);
        let mut config = MaybeUninit::uninit();
        // SAFETY: the interface is libvpx's own, and the configuration is filled if the result says so.
        let mut config = unsafe {
            checked(vpx_sys::vpx_codec_enc_config_default(format.encoder().cast_mut(), config.as_mut_ptr(), 0))?;
            config.assume_init()
        };
        config.g_w = side(size[0])?;
        config.g_h = side(size[1])?;
        config.g_timebase = vpx_rational { num: 1, den: CLOCK };
        config.g_threads = if size[0] * size[1] > ONE_THREAD { 2 } else { 1 };
        config.g_lag_in_frames = 0;
        config.rc_end_usage = if control.constant { vpx_rc_mode::VPX_CBR } else { vpx_rc_mode::VPX_VBR };
        config.rc_target_bitrate = kilobits(bit_rate);
        let RateControl { buffer, initial, optimal, .. } = control;
        config.rc_buf_sz = buffer;
        config.rc_buf_initial_sz = initial;
        config.rc_buf_optimal_sz = optimal;
        config.rc_min_quantizer = 2;
        config.rc_max_quantizer = 56;
        config.rc_undershoot_pct = 100;
        config.rc_overshoot_pct = 15;
        config.rc_dropframe_thresh = control.drop_below;
        // Key frames are made when a peer asks, or when the frame is all new.
        config.kf_mode = vpx_kf_mode::VPX_KF_AUTO;
        config.kf_max_dist = 3_000;
        adjust(&mut config);
        let mut context = Box::new(empty());
        // SAFETY: the context does not move while it is in use, being boxed, and the configuration outlives the call.
        unsafe {
            let version = VPX_ENCODER_ABI_VERSION as c_int;
            let interface = format.encoder().cast_mut();
            checked(vpx_sys::vpx_codec_enc_init_ver(&raw mut *context, interface, &raw const config, 0, version))?;
        }
        let mut this = Self { context, config };
        this.control(VP8E_SET_STATIC_THRESHOLD as c_int, 1)?;
        this.control(VP8E_SET_MAX_INTRA_BITRATE_PCT as c_int, MAX_KEY_FRAME as c_int)?;
        Ok(this)
    }

    /// How much of what it could do the encoder leaves out to be quick.
    ///
    /// # Errors
    /// If the encoder knows no such speed.
    pub(super) fn set_speed(&mut self, speed: c_int) -> Result<(), VideoFault> {
        self.control(VP8E_SET_CPUUSED as c_int, speed)
    }

    /// Sets one of the controls that take one int.
    ///
    /// # Errors
    /// If the encoder does not know it, or not this value.
    pub(super) fn control(&mut self, id: c_int, value: c_int) -> Result<(), VideoFault> {
        // SAFETY: all that is set here takes one int.
        checked(unsafe { vpx_sys::vpx_codec_control_(&raw mut *self.context, id, value) })
    }

    /// What the encoder is set to.
    pub(super) fn config(&mut self) -> &mut vpx_codec_enc_cfg_t {
        &mut self.config
    }

    /// Encodes to so many bits a second from now on, and as [`Self::config`] says.
    ///
    /// # Errors
    /// If the encoder cannot change that.
    pub(super) fn set_bit_rate(&mut self, bit_rate: u32) -> Result<(), VideoFault> {
        self.config.rc_target_bitrate = kilobits(bit_rate);
        // SAFETY: the context was set up, and the configuration outlives the call.
        checked(unsafe { vpx_sys::vpx_codec_enc_config_set(&raw mut *self.context, &raw const self.config) })
    }

    /// Encodes a frame that was taken at `at`; `None` if it is left out.
    ///
    /// # Errors
    /// If it has another size, or libvpx fails.
    pub(super) fn encode(&mut self, frame: &VideoFrame, at: u64, flags: u32) -> Result<Option<Encoded>, VideoFault> {
        let (width, height) = (frame.width() as c_uint, frame.height() as c_uint);
        if (width, height) != (self.config.g_w, self.config.g_h) {
            return Err(VideoFault::Size);
        }
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        let mut image = MaybeUninit::<vpx_image_t>::zeroed();
        // SAFETY: the samples are as many as an I420 frame of this size has, and libvpx only reads them. The image is used
        // only if wrapping it succeeded.
        unsafe {
            let samples = frame.samples().as_ptr().cast_mut();
            let format = vpx_img_fmt::VPX_IMG_FMT_I420;
            let wrapped = vpx_sys::vpx_img_wrap(image.as_mut_ptr(), format, width, height, 1, samples);
            if wrapped.is_null() {
                return Err(VideoFault::Memory);
            }
            let deadline = u64::from(VPX_DL_REALTIME);
            checked(vpx_sys::vpx_codec_encode(&raw mut *self.context, wrapped, at, LASTS, flags.into(), deadline))?;
        }
        Ok(self.encoded())
    }

    fn encoded(&mut self) -> Option<Encoded> {
        let (mut iterator, mut found) = (null(), None);
        loop {
            // SAFETY: libvpx hands out packets that live until the next call; a frame's bytes are copied before that. Which
            // member of the union is there, its kind says.
            unsafe {
                let packet = vpx_sys::vpx_codec_get_cx_data(&raw mut *self.context, &raw mut iterator);
                let Some(packet) = packet.as_ref() else { return found };
                if packet.kind == vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                    let frame = packet.data.frame;
                    let bytes = std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz as usize).to_vec();
                    found = Some(Encoded { bytes, key: frame.flags & VPX_FRAME_IS_KEY != 0, layer: Layer::default() });
                }
            }
        }
    }
}

impl Drop for EncoderContext {
    fn drop(&mut self) {
        // SAFETY: the context was set up, and nobody uses it any more.
        unsafe { vpx_sys::vpx_codec_destroy(&raw mut *self.context) };
    }
}

/// A decoder of one stream.
pub(super) struct DecoderContext {
    context: Box<vpx_codec_ctx_t>,
}

// SAFETY: as of the encoder.
unsafe impl Send for DecoderContext {}

impl DecoderContext {
    /// Waits for a key frame.
    ///
    /// # Errors
    /// If libvpx has no memory, or is not the one that was built against.
    pub(super) fn new(format: Format) -> Result<Self, VideoFault> {
        let mut context = Box::new(empty());
        // SAFETY: the context does not move while it is in use, being boxed; without a configuration libvpx has its own.
        unsafe {
            let version = VPX_DECODER_ABI_VERSION as c_int;
            let interface = format.decoder().cast_mut();
            checked(vpx_sys::vpx_codec_dec_init_ver(&raw mut *context, interface, null(), 0, version))?;
        }
        Ok(Self { context })
    }

    /// Decodes a frame, of which the caller knows that it is not too large: libvpx makes room for whatever it says.
    ///
    /// # Errors
    /// If libvpx refuses it.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Option<VideoFrame>, VideoFault> {
        let length = c_uint::try_from(bytes.len()).map_err(|_| VideoFault::Size)?;
        // SAFETY: libvpx reads the bytes during the call and never writes to them.
        checked(unsafe { vpx_sys::vpx_codec_decode(&raw mut *self.context, bytes.as_ptr(), length, null_mut(), 0) })?;
        let mut iterator = null();
        // SAFETY: the frame lives until the next call and is copied before that. Its planes have as many rows and bytes in a
        // row as its sides say.
        unsafe {
            let image = vpx_sys::vpx_codec_get_frame(&raw mut *self.context, &raw mut iterator);
            image.as_ref().map(|image| copied(image)).transpose()
        }
    }
}

impl Drop for DecoderContext {
    fn drop(&mut self) {
        // SAFETY: the context was set up, and nobody uses it any more.
        unsafe { vpx_sys::vpx_codec_destroy(&raw mut *self.context) };
    }
}

/// A decoded frame of our own.
///
/// # Safety
/// The image is one of libvpx's in I420, and alive.
unsafe fn copied(image: &vpx_image_t) -> Result<VideoFrame, VideoFault> {
    if image.fmt != vpx_img_fmt::VPX_IMG_FMT_I420 {
        return Err(VideoFault::Size);
    }
    let row = |plane: usize, row: usize, width: usize| {
        let offset = row.cast_signed() * image.stride[plane] as isize;
        // SAFETY: the caller's promise; a row has at least as many bytes as the frame is wide.
        unsafe { std::slice::from_raw_parts(image.planes[plane].offset(offset), width) }
    };
    video::copied([image.d_w as usize, image.d_h as usize], row)
}

fn empty() -> vpx_codec_ctx_t {
    // SAFETY: numbers and pointers, of which nothing is used before libvpx has set it up.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

pub(super) fn kilobits(bit_rate: u32) -> c_uint {
    (bit_rate / 1_000).max(1)
}

fn checked(result: vpx_codec_err_t) -> Result<(), VideoFault> {
    if result == VPX_CODEC_OK { Ok(()) } else { Err(VideoFault::Library { library: "libvpx", code: result as i64 }) }
}
