//! A pipeline of GStreamer as a source of encoded frames.

use std::str::FromStr;

use gstreamer::prelude::*;
use gstreamer::{Caps, ClockTime, Element, MessageType, MessageView, Pipeline, State, Structure, event, parse};
use gstreamer_app::AppSink;
use muji_media::device::{DeviceError, EncodedVideoSource, VideoEncoding};

/// How its encoder is called in the pipeline.
const ENCODER: &str = "encoder";

/// Frames that wait to be taken. More than half a second of them is late, and the pipeline had better wait.
const MAX_WAITING: u32 = 15;

/// A camera and its encoder, as `gst-launch-1.0` describes them.
pub(crate) struct PipelineSource {
    pipeline: Pipeline,
    encoder: Element,
    frames: AppSink,
    encoding: VideoEncoding,
    plays: bool,
}

impl PipelineSource {
    /// From a description such as `v4l2src ! videoconvert ! openh264enc name=encoder ! h264parse config-interval=-1`: its last element
    /// gives H.264 or VP8, and its encoder is called `encoder`.
    ///
    /// # Errors
    /// If it makes no sense, or what it names is not installed.
    pub(crate) fn new(description: &str) -> Result<Self, Box<dyn std::error::Error>> {
        gstreamer::init()?;
        let pipeline = parse::launch(&format!("{description} ! appsink name=frames sync=false"))?;
        let pipeline = pipeline.downcast::<Pipeline>().map_err(|_| "this is no pipeline")?;
        let encoder = pipeline.by_name(ENCODER).ok_or("no element of the pipeline has name=encoder")?;
        let frames =
            pipeline.by_name("frames").and_then(|it| it.downcast::<AppSink>().ok()).ok_or("there is no appsink")?;
        let kind = encoder.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
        let (encoding, caps) = match kind.as_str() {
            kind if kind.contains("264") => {
                let caps = "video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au";
                (VideoEncoding::H264, caps)
            }
            kind if kind.contains("vp8") => (VideoEncoding::Vp8, "video/x-vp8"),
            _ => return Err(format!("{kind} encodes neither H.264 nor VP8").into()),
        };
        frames.set_caps(Some(&Caps::from_str(caps)?));
        frames.set_max_buffers(MAX_WAITING);
        Ok(Self { pipeline, encoder, frames, encoding, plays: false })
    }

    /// An error of any of its elements.
    fn error(&self) -> Option<DeviceError> {
        let message = self.pipeline.bus()?.pop_filtered(&[MessageType::Error, MessageType::Eos])?;
        Some(DeviceError(match message.view() {
            MessageView::Error(why) => format!("the pipeline has failed: {}", why.error()),
            _ => "the pipeline has come to its end".to_owned(),
        }))
    }
}

impl EncodedVideoSource for PipelineSource {
    fn encoding(&self) -> VideoEncoding {
        self.encoding
    }

    fn poll_frame(&mut self) -> Result<Option<Vec<u8>>, DeviceError> {
        if !std::mem::replace(&mut self.plays, true) {
            let started = self.pipeline.set_state(State::Playing);
            let _it_may_take_a_moment =
                started.map_err(|why| self.error().unwrap_or_else(|| DeviceError(why.to_string())))?;
        }
        let Some(sample) = self.frames.try_pull_sample(ClockTime::ZERO) else {
            return self.error().map_or(Ok(None), Err);
        };
        let Some(buffer) = sample.buffer() else { return Ok(None) };
        let frame = buffer
            .map_readable()
            .map_err(|why| DeviceError(format!("a frame of the pipeline cannot be read: {why}")))?;
        Ok(Some(frame.to_vec()))
    }

    /// Elements call it by two names, and count it in bits or in kbit a second. One that cannot change it while it runs keeps what it has.
    fn set_bit_rate(&mut self, bits: u32) {
        let kind = self.encoder.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
        let (name, value) = match kind.as_str() {
            "vp8enc" => ("target-bitrate", bits),
            "openh264enc" => ("bitrate", bits),
            _ => ("bitrate", bits / 1_000), // x264enc, and those of VA-API and NVENC.
        };
        if self.encoder.has_property(name) {
            self.encoder.set_property_from_str(name, &value.to_string());
        }
    }

    fn request_key_frame(&mut self) {
        let request = Structure::builder("GstForceKeyUnit").field("all-headers", true).build();
        let _no_encoder_listens = !self.frames.send_event(event::CustomUpstream::new(request));
    }

    fn release(&mut self) {
        self.plays = false;
        let _it_fails_when_asked_again = self.pipeline.set_state(State::Null).is_err();
    }
}

impl Drop for PipelineSource {
    fn drop(&mut self) {
        self.release();
    }
}
