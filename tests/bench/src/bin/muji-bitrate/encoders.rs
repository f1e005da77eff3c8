//! The encoders of video that are measured.

use muji_media::parts::codec::VideoEncoding::{Av1, H264, Vp8, Vp9};
use muji_media::parts::codec::video::{VideoEncoder, VideoFault};
use muji_media::parts::codec::{RateControl, VideoEncoding, vp8, vp9};

/// As browsers set libvpx, and as its own defaults are, which GStreamer's vp8enc takes over.
const BROWSERS: RateControl = RateControl { constant: true, buffer: 1_000, initial: 500, optimal: 600, drop_below: 30 };
const DEFAULTS: RateControl =
    RateControl { constant: false, buffer: 6_000, initial: 4_000, optimal: 5_000, drop_below: 0 };

type Made = Result<Box<dyn VideoEncoder>, VideoFault>;

/// An encoder, and how it is set.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) encoding: VideoEncoding,
    pub(crate) make: fn([usize; 2], u32) -> Made,
}

/// Those for conversations, of the encodings that are built in.
pub(crate) fn ours() -> impl Iterator<Item = Setting> {
    let built_in = |setting: &Setting| VideoEncoding::built_in().any(|known| known == setting.encoding);
    [VP8, VP9, OPENH264, AV1].into_iter().filter(built_in)
}

pub(crate) const VP8: Setting = Setting { name: "VP8", encoding: Vp8, make: |size, bits| Vp8.encoder(size, bits) };

pub(crate) const VP8_BROWSERS: Setting = Setting {
    name: "VP8 as browsers",
    encoding: Vp8,
    make: |[width, height], bits| Ok(Box::new(vp8::Encoder::with_rate_control(width, height, bits, BROWSERS)?)),
};

pub(crate) const VP8_DEFAULTS: Setting = Setting {
    name: "libvpx's defaults",
    encoding: Vp8,
    make: |[width, height], bits| Ok(Box::new(vp8::Encoder::with_rate_control(width, height, bits, DEFAULTS)?)),
};

pub(crate) const VP8_LAYERS: Setting = Setting {
    name: "VP8 in three layers",
    encoding: Vp8,
    make: |size, bits| {
        let mut encoder = Vp8.encoder(size, bits)?;
        encoder.set_layered(true)?;
        Ok(encoder)
    },
};

pub(crate) const VP9: Setting = Setting { name: "VP9", encoding: Vp9, make: |size, bits| Vp9.encoder(size, bits) };

pub(crate) const VP9_BROWSERS: Setting = Setting {
    name: "VP9 as browsers",
    encoding: Vp9,
    make: |[width, height], bits| Ok(Box::new(vp9::Encoder::with_rate_control(width, height, bits, BROWSERS)?)),
};

const OPENH264: Setting = Setting { name: "H.264", encoding: H264, make: |size, bits| H264.encoder(size, bits) };

const AV1: Setting = Setting { name: "AV1", encoding: Av1, make: |size, bits| Av1.encoder(size, bits) };
