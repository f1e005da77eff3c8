//! Our video on its way out: encoded and packetised once for all peers.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::bandwidth::Target;
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::VideoEncoding;
use crate::codec::video::{CLOCK_RATE, Payloader, VideoEncoder, VideoFault};
use crate::video::frame::VideoFrame;
use crate::video::key_frames::KeyFrames;
use crate::video::ladder::{DegradationPreference, Ladder, Step};
use crate::video::packetized::PacketizedFrame;

/// A screen on which nothing changes is encoded five times a second, which is each sixth frame: each time it becomes sharper, and what peers
/// have lost is repaired.
const STILL: Duration = Duration::from_millis(190);

/// Encodes and packetises.
pub struct VideoSender {
    encoding: VideoEncoding,
    encoder: Box<dyn VideoEncoder>,
    payloader: Box<dyn Payloader>,
    /// The size of the source's frames, and what the encoder is made for.
    source: [usize; 2],
    step: Step,
    preference: DegradationPreference,
    ladder: Ladder,
    target: Target,
    /// What all who get it can decode.
    limit: DecoderLimit,
    begun: Instant,
    next: Instant,
    key_frames: KeyFrames,
    /// The last frame of a screen, and when it was encoded.
    still: Option<(VideoFrame, Instant)>,
}

impl VideoSender {
    /// For frames of this size, in pixels.
    ///
    /// # Errors
    /// If there is no encoder for this encoding.
    pub fn new(
        now: Instant,
        encoding: VideoEncoding,
        source: [usize; 2],
        preference: DegradationPreference,
        target: Target,
    ) -> Result<Self, VideoFault> {
        let ladder = Ladder::new(now, source, preference, DecoderLimit::NONE, target.bits);
        let step = ladder.step();
        Ok(Self {
            encoding,
            encoder: encoder(encoding, step, preference, target)?,
            payloader: encoding.payloader(),
            source,
            step,
            preference,
            ladder,
            target,
            limit: DecoderLimit::NONE,
            begun: now,
            next: now,
            key_frames: KeyFrames::new(now),
            still: None,
        })
    }

    /// Timestamps count from then on: a sender that pauses must continue them (RFC 3550 section 5.1).
    #[must_use]
    pub fn counting_from(self, begun: Instant) -> Self {
        Self { begun, ..self }
    }

    /// Encodes to so many bits a second from now on, and in layers or not. With few bits the frames are made smaller.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn set_target(&mut self, target: Target) -> Result<(), VideoFault> {
        let target = Target { bits: target.bits.min(self.limit.bits()), ..target };
        let before = std::mem::replace(&mut self.target, target);
        if before.layered != target.layered {
            self.encoder.set_layered(target.layered)?;
        }
        self.encoder.set_bit_rate(target.bits)
    }

    /// All who get it can decode so much.
    pub(super) fn set_limit(&mut self, now: Instant, limit: DecoderLimit, target: Target) -> Result<(), VideoFault> {
        if limit == self.limit {
            return Ok(());
        }
        self.limit = limit;
        self.ladder = Ladder::new(now, self.source, self.preference, limit, target.bits.min(limit.bits()));
        self.set_target(target)
    }

    /// When the next frame is due.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Whether a frame is due now; the next is due later then.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next <= now;
        if due {
            // A machine that was busy leaves out the frames that it missed.
            self.next = (self.next + self.ladder.step().interval).max(now);
        }
        due
    }

    /// A peer cannot show our video before a key frame comes.
    pub fn force_key_frame(&mut self) {
        self.key_frames.ask();
    }

    /// The largest size that is sent, whatever the bit rate: that of the source, unless it is too large for this machine.
    #[must_use]
    pub fn largest(&self) -> [usize; 2] {
        self.ladder.largest()
    }

    /// Encoding the last frame took so long.
    pub fn took(&mut self, now: Instant, time: Duration) {
        self.ladder.took(now, time);
    }

    /// The packets of a frame, which may have another size than the one before; `None` if it is left out to keep to the bit rate.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn packets(&mut self, now: Instant, frame: &VideoFrame) -> Result<Option<PacketizedFrame>, VideoFault> {
        let at = timestamp(self.begun, now);
        self.fit([frame.width(), frame.height()], now)?;
        let key = self.key_frames.are_due(now);
        if self.ladder.leaves_out(now, self.target.bits) || (!key && self.is_still(now, frame)) {
            return Ok(None);
        }
        let size = self.step.size;
        let fits = [frame.width(), frame.height()] == size;
        let fitted = if fits { Cow::Borrowed(frame) } else { Cow::Owned(frame.resized(size)) };
        let Some(encoded) = self.encoder.encode(&fitted, at, key)? else { return Ok(None) };
        if self.preference == DegradationPreference::MaintainResolution {
            self.still = Some((frame.clone(), now));
        }
        self.ladder.encoded(now, &encoded, self.target.bits);
        if encoded.key {
            self.key_frames.made(now, encoded.bytes.len(), self.target.bits);
        }
        let packets = self.payloader.packets(&encoded, at as u32); // RTP timestamps wrap.
        let (encoding, layer, key) = (self.encoding, encoded.layer.number, encoded.key);
        Ok(Some(PacketizedFrame { encoding, layer, key, packets }))
    }

    /// Whether this is a screen on which nothing has changed since the last frame, a short time ago.
    fn is_still(&self, now: Instant, frame: &VideoFrame) -> bool {
        self.still.as_ref().is_some_and(|(last, at)| now < *at + STILL && last == frame)
    }

    /// Encodes in the size and as often as fits the source, the bit rate and this machine. A new encoder begins with a key frame; one that gets
    /// frames more often than before would spend too many bits for a second.
    fn fit(&mut self, source: [usize; 2], now: Instant) -> Result<(), VideoFault> {
        if source != self.source {
            self.source = source;
            self.ladder = Ladder::new(now, source, self.preference, self.limit, self.target.bits);
        }
        let step = self.ladder.take(now, self.target.bits);
        if step != self.step {
            self.encoder = encoder(self.encoding, step, self.preference, self.target)?;
            self.step = step;
        }
        Ok(())
    }
}

/// The timestamp of a frame that was captured now, before it wraps.
pub(super) fn timestamp(begun: Instant, now: Instant) -> u64 {
    let since = now.saturating_duration_since(begun).as_micros();
    u64::try_from(since * u128::from(CLOCK_RATE) / 1_000_000).unwrap_or(u64::MAX)
}

fn encoder(
    encoding: VideoEncoding,
    step: Step,
    preference: DegradationPreference,
    target: Target,
) -> Result<Box<dyn VideoEncoder>, VideoFault> {
    let mut encoder = encoding.encoder(step.size, target.bits)?;
    encoder.set_interval(step.interval)?;
    if preference == DegradationPreference::MaintainResolution {
        encoder.set_screen_content()?;
    }
    if target.layered {
        encoder.set_layered(true)?;
    }
    Ok(encoder)
}
