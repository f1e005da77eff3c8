//! The forms of pictures that are agreed on.

use std::io::Cursor;

use pipewire::spa::param::ParamType;
use pipewire::spa::param::format::{FormatProperties, MediaSubtype, MediaType};
use pipewire::spa::param::format_utils::parse_format;
use pipewire::spa::param::video::{VideoFormat, VideoInfoRaw};
use pipewire::spa::pod::serialize::PodSerializer;
use pipewire::spa::pod::{CanonicalFixedSizedPod, ChoiceValue, Object, Pod, Property, Value, object, property};
use pipewire::spa::sys;
use pipewire::spa::utils::{Choice, ChoiceEnum, ChoiceFlags, Fraction, Id, Rectangle, SpaTypes};

use super::super::pixels::BYTES;
use crate::device::interface::DeviceError;

/// No screen is wider or higher; a picture takes 256 MiB then.
const MAX_SIDE: u32 = 8_192;

/// What is read here, best first. With some graphics cards wlroots gives three bytes a pixel.
const FORMATS: [VideoFormat; 6] =
    [VideoFormat::BGRx, VideoFormat::BGRA, VideoFormat::RGBx, VideoFormat::RGBA, VideoFormat::BGR, VideoFormat::RGB];

/// How often a picture may come, as far as the compositor heeds it: as often as one is looked for.
pub(super) const RATE: u32 = 30;

/// The form of all pictures until it says another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) sides: [u32; 2],
    pub(super) pixel: Pixel,
}

/// The form of a pixel: its bytes, and whether red comes first, not blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pixel {
    pub(super) bytes: usize,
    pub(super) is_rgb: bool,
}

impl Format {
    pub(super) fn read(param: &Pod) -> Result<Self, DeviceError> {
        let mut video = VideoInfoRaw::new();
        let is_raw = matches!(parse_format(param), Ok((MediaType::Video, MediaSubtype::Raw)));
        if !is_raw || video.parse(param).is_err() || !FORMATS.contains(&video.format()) {
            let why = "nothing is shared: the desktop's pictures have a form that is not read here";
            return Err(DeviceError(why.to_owned()));
        }
        let sides = [video.size().width, video.size().height];
        if sides.iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
            let [width, height] = sides;
            let why = format!(
                "nothing is shared: the desktop's pictures have {width} x {height} pixels; {MAX_SIDE} x {MAX_SIDE} is the most"
            );
            return Err(DeviceError(why));
        }
        let is_rgb = [VideoFormat::RGBx, VideoFormat::RGBA, VideoFormat::RGB].contains(&video.format());
        let bytes = if [VideoFormat::BGR, VideoFormat::RGB].contains(&video.format()) { 3 } else { BYTES };
        Ok(Self { sides, pixel: Pixel { bytes, is_rgb } })
    }
}

/// The formats that are read here; with at most so many pictures a second, or with any number, for compositors that know no other.
pub(super) fn offered(most: Option<u32>) -> Vec<u8> {
    let [best, ..] = FORMATS;
    let formats = ChoiceEnum::Enum { default: id(best), alternatives: FORMATS.map(id).to_vec() };
    let side = |side| Rectangle { width: side, height: side };
    let sides =
        ChoiceEnum::Range { default: Rectangle { width: 1_920, height: 1_080 }, min: side(1), max: side(MAX_SIDE) };
    let rate = |num| Fraction { num, denom: 1 };
    // Most say 0: whenever something changes.
    let rates = ChoiceEnum::Range { default: rate(RATE), min: rate(0), max: rate(1_000) };
    let mut offered = object! {
        SpaTypes::ObjectParamFormat,
        ParamType::EnumFormat,
        property!(FormatProperties::MediaType, Id, MediaType::Video),
        property!(FormatProperties::MediaSubtype, Id, MediaSubtype::Raw),
        property!(FormatProperties::VideoFormat, choice(ChoiceValue::Id, formats)),
        property!(FormatProperties::VideoSize, choice(ChoiceValue::Rectangle, sides)),
        property!(FormatProperties::VideoFramerate, choice(ChoiceValue::Fraction, rates)),
    };
    offered.properties.extend(most.map(|most| {
        let rates = ChoiceEnum::Range { default: rate(most), min: rate(1), max: rate(most) };
        property!(FormatProperties::VideoMaxFramerate, choice(ChoiceValue::Fraction, rates))
    }));
    bytes(offered)
}

/// Memory that can be read as a file, or that PipeWire makes.
pub(super) fn memory() -> Vec<u8> {
    let kinds = 1 << sys::SPA_DATA_MemFd | 1 << sys::SPA_DATA_MemPtr;
    let kinds = ChoiceEnum::Flags { default: kinds, flags: Vec::new() };
    let kinds = Property::new(sys::SPA_PARAM_BUFFERS_dataType, choice(ChoiceValue::Int, kinds));
    let (type_, id) = (SpaTypes::ObjectParamBuffers.as_raw(), ParamType::Buffers.as_raw());
    bytes(Object { type_, id, properties: vec![kinds] })
}

/// Which part of each picture is the window.
pub(super) fn crop() -> Vec<u8> {
    let kind = Property::new(sys::SPA_PARAM_META_type, Value::Id(Id(sys::SPA_META_VideoCrop)));
    let size = Property::new(sys::SPA_PARAM_META_size, Value::Int(size_of::<sys::spa_meta_region>() as i32));
    let (type_, id) = (SpaTypes::ObjectParamMeta.as_raw(), ParamType::Meta.as_raw());
    bytes(Object { type_, id, properties: vec![kind, size] })
}

fn id(format: VideoFormat) -> Id {
    Id(format.as_raw())
}

fn choice<T: CanonicalFixedSizedPod>(kind: fn(Choice<T>) -> ChoiceValue, of: ChoiceEnum<T>) -> Value {
    Value::Choice(kind(Choice(ChoiceFlags::empty(), of)))
}

fn bytes(object: Object) -> Vec<u8> {
    let written = PodSerializer::serialize(Cursor::new(Vec::new()), &Value::Object(object));
    written.expect("a vector takes all that is written").0.into_inner()
}
