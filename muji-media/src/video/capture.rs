//! A camera or a screen that is sent: the source of its frames, and an encoder for each encoding that some peer takes.

use std::collections::{BTreeMap, BTreeSet};
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

/// A source and its encoders.
pub(super) struct Capture {
    /// `None` after it has ended.
    source: Option<Box<dyn VideoSource>>,
    preference: DegradationPreference,
    /// What is to be encoded, and the bit rate of each.
    encodings: BTreeSet<VideoEncoding>,
    targets: BTreeMap<VideoEncoding, Target>,
    /// When the first frame was captured: timestamps count from then on, also after a pause.
    begun: Option<Instant>,
    /// Frames are captured.
    capturing: bool,
    /// While they are.
    senders: BTreeMap<VideoEncoding, VideoSender>,
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
        Self {
            source: Some(source),
            preference,
            encodings: VideoEncoding::built_in().take(1).collect(),
            targets: BTreeMap::new(),
            begun: None,
            capturing: false,
            senders: BTreeMap::new(),
            sizes: None,
        }
    }

    pub(super) fn begin(&mut self, now: Instant) -> Result<(), VideoFault> {
        self.capturing = true;
        self.fit(now)
    }

    /// These are encoded from now on.
    pub(super) fn set_encodings(&mut self, now: Instant, encodings: BTreeSet<VideoEncoding>) -> Result<(), VideoFault> {
        self.encodings = encodings;
        self.fit(now)
    }

    /// Makes the encoders that are missing, and drops those that nobody needs.
    fn fit(&mut self, now: Instant) -> Result<(), VideoFault> {
        let Some(source) = self.source.as_ref().filter(|_| self.capturing) else { return Ok(()) };
        self.senders.retain(|encoding, _| self.encodings.contains(encoding));
        // One more is due with the others: they share frames.
        let first = self.senders.values().map(VideoSender::next).min().unwrap_or(now);
        for encoding in &self.encodings {
            if !self.senders.contains_key(encoding) {
                let target = self.targets.get(encoding).copied().unwrap_or_default();
                let sender = VideoSender::new(first, *encoding, source.size(), target)?;
                let sender = sender.preferring(first, self.preference)?;
                let sender = sender.counting_from(*self.begun.get_or_insert(now));
                self.senders.insert(*encoding, sender);
            }
        }
        Ok(())
    }

    pub(super) fn release(&mut self) {
        self.capturing = false;
        self.senders.clear();
        if let Some(source) = &mut self.source {
            source.release();
        }
    }

    pub(super) fn force_key_frame(&mut self, encoding: VideoEncoding) {
        if let Some(sender) = self.senders.get_mut(&encoding) {
            sender.force_key_frame();
        }
    }

    pub(super) fn set_target(&mut self, encoding: VideoEncoding, target: Target) -> Result<(), VideoFault> {
        self.targets.insert(encoding, target);
        self.senders.get_mut(&encoding).map_or(Ok(()), |sender| sender.set_target(target))
    }

    /// When the next frame is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.senders.values().map(VideoSender::next).min()
    }

    /// The frame that is due, if one is, and what is sent of it, if it is not left out: once in each encoding. After an error there are no more.
    /// By `clock` it is seen how long encoding takes.
    pub(super) fn take(
        &mut self,
        now: Instant,
        clock: &dyn Fn() -> Instant,
    ) -> Result<Option<(VideoFrame, Vec<PacketizedFrame>)>, DeviceError> {
        let Some(source) = &mut self.source else { return Ok(None) };
        let due: Vec<&mut VideoSender> =
            self.senders.values_mut().filter_map(|sender| sender.is_due(now).then_some(sender)).collect();
        if due.is_empty() {
            return Ok(None);
        }
        let taken = source.capture().and_then(|frame| {
            let mut encoded = Vec::new();
            for sender in due {
                let begun = clock();
                encoded.extend(sender.packets(now, &frame).map_err(|why| DeviceError(why.to_string()))?);
                sender.took(now, clock().saturating_duration_since(begun));
            }
            Ok(Some((frame, encoded)))
        });
        if taken.is_err() {
            self.release();
            self.source = None;
        }
        taken
    }

    /// The sizes, if they have changed with this frame.
    pub(super) fn sizes_if_new(&mut self, frame: &VideoFrame) -> Option<Sizes> {
        let largest = self.senders.values().map(VideoSender::largest).max_by_key(|[width, height]| width * height)?;
        let sizes = Sizes { captured: [frame.width(), frame.height()], largest };
        (self.sizes.replace(sizes) != Some(sizes)).then_some(sizes)
    }
}
