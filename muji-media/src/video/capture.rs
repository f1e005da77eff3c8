//! Something that is shown: where its pictures come from, and their encoder.

use std::time::Instant;

use super::sender::Ours;
use crate::bandwidth::Target;
use crate::codec::vp8::Vp8Fault;
use crate::device::{DeviceError, VideoSource};
use crate::rtp::Coded;
use crate::video::frame::VideoFrame;

pub(super) struct Show {
    /// Until it gives no more.
    source: Option<Box<dyn VideoSource>>,
    target: Target,
    /// When the first picture was taken.
    begun: Option<Instant>,
    /// While pictures are taken.
    ours: Option<Ours>,
}

impl Show {
    pub(super) fn new(source: Box<dyn VideoSource>) -> Self {
        Self { source: Some(source), target: Target::default(), begun: None, ours: None }
    }

    pub(super) fn begin(&mut self, now: Instant) -> Result<(), Vp8Fault> {
        if let Some(source) = self.source.as_ref().filter(|_| self.ours.is_none()) {
            let ours = Ours::new(now, source.size(), self.target)?;
            self.ours = Some(ours.counting_from(*self.begun.get_or_insert(now)));
        }
        Ok(())
    }

    pub(super) fn rest(&mut self) {
        self.ours = None;
        if let Some(source) = &mut self.source {
            source.rest();
        }
    }

    pub(super) fn ask_key_frame(&mut self) {
        if let Some(ours) = &mut self.ours {
            ours.ask_key_frame();
        }
    }

    pub(super) fn set_target(&mut self, target: Target) -> Result<(), Vp8Fault> {
        self.target = target;
        self.ours.as_mut().map_or(Ok(()), |ours| ours.set_target(target))
    }

    /// When the next picture is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.ours.as_ref().map(Ours::next)
    }

    /// The picture that is due, if one is, and what is sent of it, if it is not left out. After an error there are no more.
    pub(super) fn take(&mut self, now: Instant) -> Result<Option<(VideoFrame, Option<Coded>)>, DeviceError> {
        let (Some(ours), Some(source)) = (&mut self.ours, &mut self.source) else { return Ok(None) };
        if !ours.is_due(now) {
            return Ok(None);
        }
        let taken = source.take().and_then(|picture| {
            let coded = ours.packets(now, &picture).map_err(|why| DeviceError(why.to_string()))?;
            Ok(Some((picture, coded)))
        });
        if taken.is_err() {
            self.rest();
            self.source = None;
        }
        taken
    }
}
