//! A camera or a screen that is sent: the source of its frames, and an encoder for each encoding that some peer takes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use muji_core::Media;

use super::encoded_input::{EncodedInput, Need};
use super::frame::{INTERVAL, VideoFrame};
use super::ladder::DegradationPreference;
use super::sender::VideoSender;
use crate::bandwidth::{INITIAL, Target};
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::VideoEncoding;
use crate::codec::video::VideoFault;
use crate::device::{DeviceError, VideoInput, VideoSource};
use crate::video::packetized::PacketizedFrame;

/// A source and its encoders.
pub(super) struct Capture {
    /// `None` after it has ended.
    input: Option<Input>,
    preference: DegradationPreference,
    /// Frames are shown here too.
    shown: bool,
    /// What is to be encoded and for which decoders, and the bit rate of each.
    encodings: BTreeMap<VideoEncoding, DecoderLimit>,
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

/// Where frames come from.
enum Input {
    Raw(Box<dyn VideoSource>),
    Encoded(Box<EncodedInput>),
}

/// What came of the source, and what of it.
#[derive(Default)]
pub(super) struct Captured {
    /// The last frame, if it can be shown.
    pub(super) frame: Option<VideoFrame>,
    /// What is sent: each frame once in each encoding, unless that leaves it out.
    pub(super) encoded: Vec<PacketizedFrame>,
    /// Of the source and of encoders that failed.
    pub(super) faults: Vec<DeviceError>,
}

/// In which sizes frames come and leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) captured: [usize; 2],
    pub(super) largest: [usize; 2],
}

impl Capture {
    pub(super) fn new(now: Instant, media: &Media, input: VideoInput, shown: bool) -> Self {
        let preference = match media {
            Media::Slides => DegradationPreference::MaintainResolution,
            Media::Audio | Media::Video | Media::Other(_) => DegradationPreference::MaintainFramerate,
        };
        let encoding = input.encoding().or_else(|| VideoEncoding::built_in().next());
        let input = match input {
            VideoInput::Raw(source) => Input::Raw(source),
            VideoInput::Encoded(source) => Input::Encoded(Box::new(EncodedInput::new(now, source))),
        };
        Self {
            input: Some(input),
            preference,
            shown,
            encodings: encoding.map(|encoding| (encoding, DecoderLimit::NONE)).into_iter().collect(),
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
        self.begun.get_or_insert(now);
        if let Some(Input::Encoded(input)) = &mut self.input {
            input.begin(now);
        }
        self.fit(now)
    }

    /// These are encoded from now on, for decoders that can do so much; the faults of encoders.
    pub(super) fn set_encodings(
        &mut self,
        now: Instant,
        encodings: BTreeMap<VideoEncoding, DecoderLimit>,
    ) -> Vec<DeviceError> {
        self.targets.retain(|encoding, _| encodings.contains_key(encoding));
        self.encodings = encodings;
        self.fit(now)
    }

    /// Makes the encoders that are missing, and drops those that nobody needs. One that fails leaves the others alone.
    fn fit(&mut self, now: Instant) -> Vec<DeviceError> {
        self.set_need();
        let passed = self.passed();
        let Some(input) = self.input.as_ref().filter(|_| self.capturing) else { return Vec::new() };
        let needed = |encoding: &VideoEncoding| self.encodings.contains_key(encoding) && passed != Some(*encoding);
        self.senders.retain(|encoding, _| needed(encoding));
        // Of frames that come encoded the size is not known before the first.
        let Some(size) = input.size() else { return Vec::new() };
        // One more is due with the others: they share frames.
        let first = self.senders.values().map(VideoSender::next).min().unwrap_or(now);
        let begun = self.begun.unwrap_or(now);
        let mut faults = Vec::new();
        for (encoding, limit) in self.encodings.iter().filter(|(encoding, _)| passed != Some(**encoding)) {
            let target = self.targets.get(encoding).copied().unwrap_or_default();
            let fitted = match self.senders.entry(*encoding) {
                Entry::Occupied(sender) => sender.into_mut().set_limit(now, *limit, target),
                Entry::Vacant(free) => VideoSender::new(first, *encoding, size, self.preference, target)
                    .and_then(|sender| free.insert(sender.counting_from(begun)).set_limit(now, *limit, target)),
            };
            if let Err(why) = fitted {
                self.senders.remove(encoding);
                faults.push(fault(*encoding, why));
            }
        }
        self.set_need(); // For those encoders frames are decoded.
        faults
    }

    /// The encoding in which frames are passed on as they come.
    fn passed(&self) -> Option<VideoEncoding> {
        match self.input.as_ref()? {
            Input::Raw(_) => None,
            Input::Encoded(input) => input.passes().then(|| input.encoding()),
        }
    }

    /// Tells a source that encodes itself what is needed of it.
    fn set_need(&mut self) {
        let Some(Input::Encoded(input)) = &mut self.input else { return };
        let own = input.encoding();
        let passed = self.encodings.get(&own).copied();
        let decoded = self.shown || self.encodings.keys().any(|encoding| *encoding != own) || !self.senders.is_empty();
        let bits = |encoding: &VideoEncoding| self.targets.get(encoding).copied().unwrap_or_default().bits;
        let highest = || self.encodings.keys().map(bits).max().unwrap_or(INITIAL);
        let bits = passed.map_or_else(highest, |limit| bits(&own).min(limit.bits()));
        input.set_need(Need { passed, decoded, bits });
    }

    pub(super) fn release(&mut self) {
        self.capturing = false;
        self.senders.clear();
        match &mut self.input {
            Some(Input::Raw(source)) => source.release(),
            Some(Input::Encoded(input)) => input.release(),
            None => {}
        }
    }

    pub(super) fn force_key_frame(&mut self, encoding: VideoEncoding) {
        match (self.senders.get_mut(&encoding), &mut self.input) {
            (Some(sender), _) => sender.force_key_frame(),
            (None, Some(Input::Encoded(input))) if input.encoding() == encoding => input.force_key_frame(),
            (None, _) => {}
        }
    }

    pub(super) fn set_target(&mut self, encoding: VideoEncoding, target: Target) -> Result<(), DeviceError> {
        self.targets.insert(encoding, target);
        self.set_need();
        self.senders
            .get_mut(&encoding)
            .map_or(Ok(()), |sender| sender.set_target(target))
            .map_err(|why| fault(encoding, why))
    }

    /// When the next frame is due.
    pub(super) fn next(&self) -> Option<Instant> {
        match self.input.as_ref()? {
            Input::Raw(_) => self.senders.values().map(VideoSender::next).min(),
            Input::Encoded(input) => self.capturing.then(|| input.next()),
        }
    }

    /// It has ended, and captures no more.
    pub(super) fn has_ended(&self) -> bool {
        self.input.is_none()
    }

    /// The frames that are due, if some are. It ends with an error of the source, or when no encoder of one that needs some is left: each
    /// is dropped that fails. By `clock` it is seen how long encoding takes.
    pub(super) fn take(&mut self, now: Instant, clock: &dyn Fn() -> Instant) -> Result<Option<Captured>, DeviceError> {
        let Some(input) = self.input.take() else { return Ok(None) };
        match input {
            Input::Raw(source) => self.take_raw(now, clock, source),
            Input::Encoded(input) if self.capturing && input.next() <= now => self.take_encoded(now, clock, input),
            Input::Encoded(_) => {
                self.input = Some(input);
                Ok(None)
            }
        }
    }

    fn take_raw(
        &mut self,
        now: Instant,
        clock: &dyn Fn() -> Instant,
        mut source: Box<dyn VideoSource>,
    ) -> Result<Option<Captured>, DeviceError> {
        let due = self.due(now);
        if due.is_empty() {
            self.input = Some(Input::Raw(source));
            return Ok(None);
        }
        let frame = source.capture();
        self.input = Some(Input::Raw(source));
        let mut captured = Captured::default();
        let taken = frame.map(|frame| {
            self.encode(now, clock, &due, &frame, Duration::ZERO, &mut captured);
            captured.frame = Some(frame);
        });
        if taken.is_err() || self.senders.is_empty() {
            self.release();
            self.input = None;
        }
        taken.map(|()| Some(captured))
    }

    fn take_encoded(
        &mut self,
        now: Instant,
        clock: &dyn Fn() -> Instant,
        mut input: Box<EncodedInput>,
    ) -> Result<Option<Captured>, DeviceError> {
        let (frames, faults) = (input.take(now), input.faults());
        let (has_changed, begun) = (input.has_changed(), self.begun.unwrap_or(now));
        self.input = Some(Input::Encoded(input));
        let frames = frames.inspect_err(|_| {
            self.release();
            self.input = None;
        })?;
        if frames.is_empty() && faults.is_empty() {
            return Ok(None);
        }
        let mut captured = Captured { faults, ..Captured::default() };
        if has_changed {
            captured.faults.extend(self.fit(now));
        }
        for frame in frames {
            let Some(Input::Encoded(input)) = &mut self.input else { break };
            let decoding = clock();
            captured.encoded.extend(input.pass(now, begun, &frame));
            let Some(decoded) = input.decode(&frame) else { continue };
            // They come at the pace of the source: one that is a little early is not left out.
            let due = self.due(now + INTERVAL / 2);
            self.encode(now, clock, &due, &decoded, clock().saturating_duration_since(decoding), &mut captured);
            captured.frame = Some(decoded);
        }
        if let Some(Input::Encoded(input)) = &mut self.input {
            captured.faults.extend(input.faults());
        }
        Ok(Some(captured))
    }

    fn due(&mut self, now: Instant) -> Vec<VideoEncoding> {
        let senders = self.senders.iter_mut();
        senders.filter_map(|(encoding, sender)| sender.is_due(now).then_some(*encoding)).collect()
    }

    /// Encodes a frame as is due, after so much time was spent on it already.
    fn encode(
        &mut self,
        now: Instant,
        clock: &dyn Fn() -> Instant,
        due: &[VideoEncoding],
        frame: &VideoFrame,
        spent: Duration,
        captured: &mut Captured,
    ) {
        for encoding in due {
            let Some(sender) = self.senders.get_mut(encoding) else { continue };
            let begun = clock();
            match sender.packets(now, frame) {
                Ok(Some(packets)) => {
                    captured.encoded.push(packets);
                    sender.took(now, spent + clock().saturating_duration_since(begun));
                }
                // One that is left out took no time, and says nothing of the others.
                Ok(None) => {}
                Err(why) => {
                    self.senders.remove(encoding);
                    captured.faults.push(fault(*encoding, why));
                }
            }
        }
    }

    /// The sizes, if they have changed with what was captured.
    pub(super) fn sizes_if_new(&mut self, frame: Option<&VideoFrame>) -> Option<Sizes> {
        let captured = match self.input.as_ref()? {
            Input::Raw(_) => frame.map(|frame| [frame.width(), frame.height()])?,
            Input::Encoded(input) => input.size()?,
        };
        let passed = self.passed().map(|_| captured);
        let sent = self.senders.values().map(VideoSender::largest).chain(passed);
        let sizes = Sizes { captured, largest: sent.max_by_key(|[width, height]| width * height)? };
        (self.sizes.replace(sizes) != Some(sizes)).then_some(sizes)
    }
}

impl Input {
    /// The size of its frames, if it is known.
    fn size(&self) -> Option<[usize; 2]> {
        match self {
            Self::Raw(source) => Some(source.size()),
            Self::Encoded(input) => input.size(),
        }
    }
}

fn fault(encoding: VideoEncoding, why: VideoFault) -> DeviceError {
    DeviceError(format!("{} cannot be encoded: {why}", encoding.name()))
}
