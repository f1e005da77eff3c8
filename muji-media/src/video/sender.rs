//! Our video on its way out: encoded and packetised once for all peers.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::bandwidth::Target;
use crate::codec::encoding::VideoEncoding;
use crate::codec::video::{CLOCK_RATE, Payloader, VideoEncoder, VideoFault};
use crate::video::frame::VideoFrame;
use crate::video::ladder::{DegradationPreference, Ladder, Step};
use crate::video::packetized::PacketizedFrame;

/// Between two key frames that peers ask for. Each costs all peers as many bits as several other frames.
const KEY_FRAMES: Duration = Duration::from_millis(300);

/// The longest time between them, in seconds: a peer that joins waits for one.
const MAX_WAIT: f64 = 2.0;

/// The share of all bits that key frames may take. On a path that is too narrow peers ask for them again and again, and they would fill it.
const KEY_SHARE: f64 = 0.3;

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
    begun: Instant,
    next: Instant,
    /// A key frame was asked for, and when the next may be made.
    asked: bool,
    key_from: Instant,
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
        let ladder = Ladder::new(now, source, preference, target.bits);
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
            begun: now,
            next: now,
            asked: true,
            key_from: now,
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
        let before = std::mem::replace(&mut self.target, target);
        if before.layered != target.layered {
            self.encoder.set_layered(target.layered)?;
        }
        self.encoder.set_bit_rate(target.bits)
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
        self.asked = true;
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
        let since = now.saturating_duration_since(self.begun).as_micros();
        let at = u64::try_from(since * u128::from(CLOCK_RATE) / 1_000_000).unwrap_or(u64::MAX);
        self.fit([frame.width(), frame.height()], now)?;
        let key = self.asked && self.key_from <= now;
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
            let costs = encoded.bytes.len() as f64 * 8.0 / (f64::from(self.target.bits.max(1)) * KEY_SHARE);
            self.asked = false;
            self.key_from = now + KEY_FRAMES.max(Duration::from_secs_f64(costs.min(MAX_WAIT)));
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
            self.ladder = Ladder::new(now, source, self.preference, self.target.bits);
        }
        let step = self.ladder.take(now, self.target.bits);
        if step != self.step {
            self.encoder = encoder(self.encoding, step, self.preference, self.target)?;
            self.step = step;
        }
        Ok(())
    }
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
