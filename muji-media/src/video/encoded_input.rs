//! A source whose frames are encoded already: what is passed on to peers as it is, what is decoded, and what is wrong with it.
//!
//! ```text
//!                  ┌─► passed on, if peers take it so
//!  source ─► read ─┤
//!                  └─► decoded ─► VideoSink, and an encoder for each other encoding
//! ```

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use super::frame::{INTERVAL, VideoFrame};
use super::key_frames::KeyFrames;
use super::ladder::MAX_SENT;
use super::packetized::PacketizedFrame;
use super::sender::timestamp;
use crate::bandwidth::INITIAL;
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::VideoEncoding;
use crate::codec::source_stream::SourceStream;
use crate::codec::video::{CLOCK_RATE, Encoded, Layer, Payloader, SourceFrame, VideoDecoder, VideoFault};
use crate::device::{DeviceError, EncodedVideoSource};

/// From one time that a source is asked for frames to the next: a frame waits for half of it, which nobody sees.
const POLLED: Duration = Duration::from_millis(5);

/// Frames that are taken at once. A source that was kept waiting has some more; one that always has more gives nonsense.
const MAX_AT_ONCE: usize = 4;

/// Bytes of the largest frame. Key frames of 1920 x 1080 at 4 Mbit/s have a quarter of it.
const MAX_BYTES: usize = 1 << 20;

/// A key frame that was asked for is asked for again after so long, and after so long it is said that none comes.
const ASKED_AGAIN: Duration = Duration::from_secs(1);
const NO_KEY_FRAME: Duration = Duration::from_secs(5);

/// So many times the bit rate may come, and so many seconds of it at once: encoders need some frames to follow.
const TOLERATED: f64 = 1.25;
const BEHIND: f64 = 2.0;

/// The least ticks between two frames: those taken at once must not seem to be one.
const LEAST_APART: u64 = CLOCK_RATE as u64 / 1_000;

/// What is wrong with a source. Each is said once while it is captured.
#[derive(Debug, thiserror::Error)]
enum SourceFault {
    #[error("the encoded source gives a frame of {0} bytes, more than {MAX_BYTES}: it is left out")]
    Bytes(usize),
    #[error("the encoded source gives what is no {0}: {1}")]
    Nonsense(&'static str, VideoFault),
    #[error(
        "the encoded source has given no key frame for {} s, though it was asked for one: until it does, nobody sees it",
        NO_KEY_FRAME.as_secs()
    )]
    NoKeyFrame,
    #[error(
        "the encoded source gives more than the {0} bit/s that it was told: frames are left out until a key frame; \
         if it cannot change its bit rate, set it lower"
    )]
    TooManyBits(u32),
    #[error(
        "H.264 of the encoded source has profile {0}, and peers agreed to take constrained baseline: it is decoded and \
         encoded again; set its encoder to that profile"
    )]
    Profile(u8),
    #[error(
        "a participant cannot decode frames of {0} x {1} as the encoded source gives them: they are encoded again, smaller"
    )]
    Size(usize, usize),
    #[error(
        "frames of the encoded source cannot be decoded, so peers who do not take them as they are see nothing: {0}"
    )]
    Undecodable(VideoFault),
}

/// What is needed of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// They are sent as they are, to viewers that can decode so much.
    pub(super) passed: Option<DecoderLimit>,
    /// They are shown here, or sent in another encoding too.
    pub(super) decoded: bool,
    /// Bits a second.
    pub(super) bits: u32,
}

/// The source.
pub(super) struct EncodedInput {
    source: Box<dyn EncodedVideoSource>,
    encoding: VideoEncoding,
    need: Need,
    /// Between `begin` and `release`: a source that is released is left alone.
    captures: bool,
    stream: SourceStream,
    /// The profile, if peers agreed to take another, and the size of the last frame.
    last: Option<(Option<u8>, [usize; 2])>,
    has_changed: bool,
    payloader: Box<dyn Payloader>,
    decoder: Option<Box<dyn VideoDecoder>>,
    /// Nothing is passed on, or decoded, before the next key frame.
    passes_from_key: bool,
    decodes_from_key: bool,
    key_frames: KeyFrames,
    /// When a key frame was asked for, first and last, since the last one came.
    asked: Option<[Instant; 2]>,
    /// By how many bits more came than was to, and when that was counted.
    behind: f64,
    counted: Instant,
    timestamp: Option<u64>,
    polled: Instant,
    told: HashSet<Discriminant<SourceFault>>,
    faults: Vec<DeviceError>,
    /// Why it gives no more, while what it gave before is still under way.
    ended: Option<DeviceError>,
}

impl EncodedInput {
    pub(super) fn new(now: Instant, source: Box<dyn EncodedVideoSource>) -> Self {
        let encoding = source.encoding().of_source();
        Self {
            source,
            encoding,
            need: Need { passed: None, decoded: false, bits: INITIAL },
            captures: false,
            stream: SourceStream::new(encoding),
            last: None,
            has_changed: false,
            payloader: encoding.payloader(),
            decoder: None,
            passes_from_key: true,
            decodes_from_key: true,
            key_frames: KeyFrames::new(now),
            asked: None,
            behind: 0.0,
            counted: now,
            timestamp: None,
            polled: now,
            told: HashSet::new(),
            faults: Vec::new(),
            ended: None,
        }
    }

    pub(super) fn encoding(&self) -> VideoEncoding {
        self.encoding
    }

    /// The size of its frames, if one came.
    pub(super) fn size(&self) -> Option<[usize; 2]> {
        self.last.map(|(_, size)| size)
    }

    /// Captures from now on. Encoders begin with a key frame of themselves.
    pub(super) fn begin(&mut self, now: Instant) {
        self.polled = now;
        self.captures = true;
        self.key_frames.ask();
        self.asked = Some([now, now]);
        self.source.set_bit_rate(self.need.bits);
    }

    pub(super) fn release(&mut self) {
        self.source.release();
        self.captures = false;
        self.decoder = None;
        (self.passes_from_key, self.decodes_from_key) = (true, true);
        self.told.clear();
    }

    /// From now on this is needed of it.
    pub(super) fn set_need(&mut self, need: Need) {
        let before = std::mem::replace(&mut self.need, need);
        if self.captures && before.bits != need.bits {
            self.source.set_bit_rate(need.bits);
        }
        if !need.decoded {
            self.decoder = None;
            self.decodes_from_key = true;
        }
    }

    pub(super) fn force_key_frame(&mut self) {
        self.key_frames.ask();
    }

    /// Whether its frames are passed on as they are. As long as none came, nothing is known against it.
    pub(super) fn passes(&self) -> bool {
        let Some(limit) = self.need.passed else { return false };
        self.last.is_none_or(|(profile, size)| profile.is_none() && fits(size, limit))
    }

    /// Whether frames say something else than when this was asked last.
    pub(super) fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// When it is to be asked for frames.
    pub(super) fn next(&self) -> Instant {
        self.polled
    }

    /// The frames that have come.
    pub(super) fn take(&mut self, now: Instant) -> Result<Vec<SourceFrame>, DeviceError> {
        if let Some(why) = self.ended.take() {
            return Err(why);
        }
        self.polled = now + POLLED;
        self.ask(now);
        let mut frames = Vec::new();
        for _ in 0..MAX_AT_ONCE {
            match self.source.poll_frame() {
                Ok(Some(bytes)) => frames.extend(self.read(now, bytes)),
                Ok(None) => break,
                Err(why) if frames.is_empty() && self.faults.is_empty() => return Err(why),
                Err(why) => {
                    self.ended = Some(why);
                    break;
                }
            }
        }
        Ok(frames)
    }

    /// What was found wrong with it since this was asked last.
    pub(super) fn faults(&mut self) -> Vec<DeviceError> {
        std::mem::take(&mut self.faults)
    }

    /// Asks for a key frame, if one is wanted.
    fn ask(&mut self, now: Instant) {
        if self.asked.is_some_and(|[first, _]| first + NO_KEY_FRAME <= now) {
            self.tell(SourceFault::NoKeyFrame);
        }
        if self.key_frames.are_due(now) && self.asked.is_none_or(|[_, last]| last + ASKED_AGAIN <= now) {
            let first = self.asked.map_or(now, |[first, _]| first);
            self.asked = Some([first, now]);
            self.source.request_key_frame();
        }
    }

    fn read(&mut self, now: Instant, bytes: Vec<u8>) -> Option<SourceFrame> {
        let read = if bytes.len() > MAX_BYTES {
            Err(SourceFault::Bytes(bytes.len()))
        } else {
            self.stream.read(bytes).map_err(|why| SourceFault::Nonsense(self.encoding.name(), why))
        };
        match read {
            Ok(Some(frame)) => {
                if frame.key {
                    self.asked = None;
                    self.key_frames.made(now, frame.bytes.len(), self.need.bits);
                }
                self.look(&frame);
                Some(frame)
            }
            Ok(None) => None,
            Err(fault) => {
                self.tell(fault);
                (self.passes_from_key, self.decodes_from_key) = (true, true);
                self.force_key_frame();
                None
            }
        }
    }

    /// Whether a frame can be passed on. Of VP9 not only key frames may have another size than the one before.
    fn look(&mut self, frame: &SourceFrame) {
        let SourceFrame { size: [width, height], other_profile, .. } = frame;
        let says = Some((*other_profile, [*width, *height]));
        self.has_changed |= self.last != says;
        self.last = says;
        if self.need.passed.is_none() || self.passes() {
            return;
        }
        match other_profile {
            Some(profile) => self.tell(SourceFault::Profile(*profile)),
            // What is larger than is sent to anybody is told as it is of other sources.
            None if width * height > MAX_SENT => {}
            None => self.tell(SourceFault::Size(*width, *height)),
        }
    }

    /// The packets of a frame, if it is passed on.
    pub(super) fn pass(&mut self, now: Instant, begun: Instant, frame: &SourceFrame) -> Option<PacketizedFrame> {
        if !self.passes() {
            self.passes_from_key = true;
            return None;
        }
        if self.passes_from_key && !frame.key {
            self.force_key_frame();
            return None;
        }
        if self.is_behind(now) {
            self.tell(SourceFault::TooManyBits(self.need.bits));
            self.passes_from_key = true;
            return None;
        }
        self.passes_from_key = false;
        self.behind += frame.bytes.len() as f64 * 8.0;
        let at = timestamp(begun, now).max(self.timestamp.map_or(0, |last| last + LEAST_APART));
        self.timestamp = Some(at);
        let (encoding, layer, key) = (self.encoding, Layer::default(), frame.key);
        let encoded = Encoded { bytes: frame.bytes.clone(), key, layer };
        let packets = self.payloader.packets(&encoded, at as u32); // RTP timestamps wrap.
        Some(PacketizedFrame { encoding, layer: layer.number, key, packets })
    }

    /// Whether more than it may have come lately.
    fn is_behind(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.counted).as_secs_f64();
        self.counted = now;
        self.behind = (self.behind - since * f64::from(self.need.bits) * TOLERATED).max(0.0);
        self.behind > f64::from(self.need.bits.max(INITIAL)) * BEHIND
    }

    /// A frame as it is shown, if it is needed.
    pub(super) fn decode(&mut self, frame: &SourceFrame) -> Option<VideoFrame> {
        if !self.need.decoded {
            return None;
        }
        if self.decodes_from_key && !frame.key {
            self.force_key_frame();
            return None;
        }
        match self.decoded(&frame.bytes) {
            Ok(decoded) => {
                self.decodes_from_key = false;
                decoded
            }
            Err(why) => {
                self.tell(SourceFault::Undecodable(why));
                self.decoder = None;
                self.decodes_from_key = true;
                None
            }
        }
    }

    fn decoded(&mut self, bytes: &[u8]) -> Result<Option<VideoFrame>, VideoFault> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(self.encoding.decoder()?),
        };
        decoder.decode(bytes)
    }

    fn tell(&mut self, fault: SourceFault) {
        if self.told.insert(discriminant(&fault)) {
            self.faults.push(DeviceError(fault.to_string()));
        }
    }
}

/// Whether frames of this size may be sent to viewers that can decode so much.
fn fits([width, height]: [usize; 2], limit: DecoderLimit) -> bool {
    width * height <= MAX_SENT && limit.permits([width, height], INTERVAL)
}
