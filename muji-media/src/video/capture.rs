//! A camera or a screen that is sent: the source of its frames, and their encoder.

use std::time::Instant;

use muji_core::Media;

use super::ladder::DegradationPreference;
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
    preference: DegradationPreference,
    target: Target,
    /// When the first frame was captured: timestamps count from then on, also after a pause.
    begun: Option<Instant>,
    /// While frames are captured.
    sender: Option<VideoSender>,
    /// The sizes that were told last: of the source's frames, and the largest that is sent.
    sizes: Option<Sizes>,
}

/// In which sizes frames come and leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) captured: [usize; 2],
    pub(super) largest: [usize; 2],
}

impl Capture {
    pub(super) fn new(media: &Media, source: Box<dyn VideoSource>) -> Self {
        let preference = match media {
            Media::Slides => DegradationPreference::MaintainResolution,
            Media::Audio | Media::Video | Media::Other(_) => DegradationPreference::MaintainFramerate,
        };
        Self { source: Some(source), preference, target: Target::default(), begun: None, sender: None, sizes: None }
    }

    pub(super) fn begin(&mut self, now: Instant) -> Result<(), VideoFault> {
        if let Some(source) = self.source.as_ref().filter(|_| self.sender.is_none()) {
            let sender = VideoSender::new(now, VideoEncoding::Vp8, source.size(), self.target)?;
            let sender = sender.preferring(now, self.preference)?;
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

    /// The frame that is due, if one is, and what is sent of it, if it is not left out. After an error there are no more. By `clock` it is seen
    /// how long encoding takes.
    pub(super) fn take(
        &mut self,
        now: Instant,
        clock: &dyn Fn() -> Instant,
    ) -> Result<Option<(VideoFrame, Option<PacketizedFrame>)>, DeviceError> {
        let (Some(sender), Some(source)) = (&mut self.sender, &mut self.source) else { return Ok(None) };
        if !sender.is_due(now) {
            return Ok(None);
        }
        let taken = source.capture().and_then(|frame| {
            let begun = clock();
            let packets = sender.packets(now, &frame).map_err(|why| DeviceError(why.to_string()))?;
            sender.took(now, clock().saturating_duration_since(begun));
            Ok(Some((frame, packets)))
        });
        if taken.is_err() {
            self.release();
            self.source = None;
        }
        taken
    }

    /// The sizes, if they have changed with this frame.
    pub(super) fn sizes_if_new(&mut self, frame: &VideoFrame) -> Option<Sizes> {
        let largest = self.sender.as_ref()?.largest();
        let sizes = Sizes { captured: [frame.width(), frame.height()], largest };
        (self.sizes.replace(sizes) != Some(sizes)).then_some(sizes)
    }
}
