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

/// A frame of the source, and what came of it.
pub(super) struct Captured {
    pub(super) frame: VideoFrame,
    /// What is sent of it: once in each encoding, unless that leaves it out.
    pub(super) encoded: Vec<PacketizedFrame>,
    /// Of the encoders that failed with it.
    pub(super) faults: Vec<DeviceError>,
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

    /// Captures from now on; the faults of encoders.
    pub(super) fn begin(&mut self, now: Instant) -> Vec<DeviceError> {
        self.capturing = true;
        self.fit(now)
    }

    /// These are encoded from now on; the faults of encoders.
    pub(super) fn set_encodings(&mut self, now: Instant, encodings: BTreeSet<VideoEncoding>) -> Vec<DeviceError> {
        self.targets.retain(|encoding, _| encodings.contains(encoding));
        self.encodings = encodings;
        self.fit(now)
    }

    /// Makes the encoders that are missing, and drops those that nobody needs. One that fails leaves the others alone.
    fn fit(&mut self, now: Instant) -> Vec<DeviceError> {
        let Some(source) = self.source.as_ref().filter(|_| self.capturing) else { return Vec::new() };
        self.senders.retain(|encoding, _| self.encodings.contains(encoding));
        // One more is due with the others: they share frames.
        let first = self.senders.values().map(VideoSender::next).min().unwrap_or(now);
        let begun = *self.begun.get_or_insert(now);
        let mut faults = Vec::new();
        for encoding in &self.encodings {
            if !self.senders.contains_key(encoding) {
                let target = self.targets.get(encoding).copied().unwrap_or_default();
                match VideoSender::new(first, *encoding, source.size(), self.preference, target) {
                    Ok(sender) => drop(self.senders.insert(*encoding, sender.counting_from(begun))),
                    Err(why) => faults.push(fault(*encoding, why)),
                }
            }
        }
        faults
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

    pub(super) fn set_target(&mut self, encoding: VideoEncoding, target: Target) -> Result<(), DeviceError> {
        self.targets.insert(encoding, target);
        self.senders
            .get_mut(&encoding)
            .map_or(Ok(()), |sender| sender.set_target(target))
            .map_err(|why| fault(encoding, why))
    }

    /// When the next frame is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.senders.values().map(VideoSender::next).min()
    }

    /// It has ended, and captures no more.
    pub(super) fn has_ended(&self) -> bool {
        self.source.is_none()
    }

    /// The frame that is due, if one is. It ends with an error of the source, or when no encoder is left: each is dropped that fails. By `clock`
    /// it is seen how long encoding takes.
    pub(super) fn take(&mut self, now: Instant, clock: &dyn Fn() -> Instant) -> Result<Option<Captured>, DeviceError> {
        let Some(source) = &mut self.source else { return Ok(None) };
        let senders = self.senders.iter_mut();
        let due: Vec<VideoEncoding> =
            senders.filter_map(|(encoding, sender)| sender.is_due(now).then_some(*encoding)).collect();
        if due.is_empty() {
            return Ok(None);
        }
        let captured = source.capture().map(|frame| self.encode(now, clock, due, frame));
        if captured.is_err() || self.senders.is_empty() {
            self.release();
            self.source = None;
        }
        captured.map(Some)
    }

    fn encode(
        &mut self,
        now: Instant,
        clock: &dyn Fn() -> Instant,
        due: Vec<VideoEncoding>,
        frame: VideoFrame,
    ) -> Captured {
        let (mut encoded, mut faults) = (Vec::new(), Vec::new());
        for encoding in due {
            let Some(sender) = self.senders.get_mut(&encoding) else { continue };
            let begun = clock();
            match sender.packets(now, &frame) {
                Ok(Some(packets)) => {
                    encoded.push(packets);
                    sender.took(now, clock().saturating_duration_since(begun));
                }
                // One that is left out took no time, and says nothing of the others.
                Ok(None) => {}
                Err(why) => {
                    self.senders.remove(&encoding);
                    faults.push(fault(encoding, why));
                }
            }
        }
        Captured { frame, encoded, faults }
    }

    /// The sizes, if they have changed with this frame.
    pub(super) fn sizes_if_new(&mut self, frame: &VideoFrame) -> Option<Sizes> {
        let largest = self.senders.values().map(VideoSender::largest).max_by_key(|[width, height]| width * height)?;
        let sizes = Sizes { captured: [frame.width(), frame.height()], largest };
        (self.sizes.replace(sizes) != Some(sizes)).then_some(sizes)
    }
}

fn fault(encoding: VideoEncoding, why: VideoFault) -> DeviceError {
    DeviceError(format!("{} cannot be encoded: {why}", encoding.name()))
}
