//! A camera or a screen that is sent: the source of its frames, and their encoder.

use std::time::Instant;

use super::sender::VideoSender;
use crate::bandwidth::Target;
use crate::codec::encoding::VideoEncoding;
use crate::codec::video::VideoFault;
use crate::device::{DeviceError, VideoSource};
use crate::video::frame::VideoFrame;
use crate::video::packetized::PacketizedFrame;

/// A source and its encoder.
pub(super) struct Capture {
    /// `None` after it has ended.
    source: Option<Box<dyn VideoSource>>,
    target: Target,
    /// When the first frame was captured: timestamps count from then on, also after a pause.
    begun: Option<Instant>,
    /// While frames are captured.
    sender: Option<VideoSender>,
}

impl Capture {
    pub(super) fn new(source: Box<dyn VideoSource>) -> Self {
        Self { source: Some(source), target: Target::default(), begun: None, sender: None }
    }

    pub(super) fn begin(&mut self, now: Instant) -> Result<(), VideoFault> {
        if let Some(source) = self.source.as_ref().filter(|_| self.sender.is_none()) {
            let sender = VideoSender::new(now, VideoEncoding::Vp8, source.size(), self.target)?;
            self.sender = Some(sender.counting_from(*self.begun.get_or_insert(now)));
        }
        Ok(())
    }

    pub(super) fn release(&mut self) {
        self.sender = None;
        if let Some(source) = &mut self.source {
            source.release();
        }
    }

    pub(super) fn force_key_frame(&mut self) {
        if let Some(sender) = &mut self.sender {
            sender.force_key_frame();
        }
    }

    pub(super) fn set_target(&mut self, target: Target) -> Result<(), VideoFault> {
        self.target = target;
        self.sender.as_mut().map_or(Ok(()), |sender| sender.set_target(target))
    }

    /// When the next frame is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.sender.as_ref().map(VideoSender::next)
    }

    /// The frame that is due, if one is, and what is sent of it, if it is not left out. After an error there are no more.
    pub(super) fn take(&mut self, now: Instant) -> Result<Option<(VideoFrame, Option<PacketizedFrame>)>, DeviceError> {
        let (Some(sender), Some(source)) = (&mut self.sender, &mut self.source) else { return Ok(None) };
        if !sender.is_due(now) {
            return Ok(None);
        }
        let taken = source.capture().and_then(|frame| {
            let packets = sender.packets(now, &frame).map_err(|why| DeviceError(why.to_string()))?;
            Ok(Some((frame, packets)))
        });
        if taken.is_err() {
            self.release();
            self.source = None;
        }
        taken
    }
}
