//! Our video on its way out: encoded and packetised once for all peers.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::bandwidth::Target;
use crate::codec::encoding::VideoEncoding;
use crate::codec::video::{CLOCK_RATE, Payloader, VideoEncoder, VideoFault};
use crate::video::frame::{INTERVAL, VideoFrame};
use crate::video::packetized::PacketizedFrame;

/// Between two key frames that peers ask for. Each costs all peers as many bits as several other frames.
const KEY_FRAMES: Duration = Duration::from_millis(300);

/// The longest time between them, in seconds: a peer that joins waits for one.
const MAX_WAIT: f64 = 2.0;

/// The share of all bits that key frames may take. On a path that is too narrow peers ask for them again and again, and they would fill it.
const KEY_SHARE: f64 = 0.3;

/// With fewer bits for each pixel, frames of half the width and height look better; with more than the second value, the full size does. In
/// between it stays as it is, so that it does not switch back and forth.
const HALVE: f64 = 0.025;
const RESTORE: f64 = 0.045;

/// Encodes and packetises.
pub struct VideoSender {
    encoding: VideoEncoding,
    encoder: Box<dyn VideoEncoder>,
    payloader: Box<dyn Payloader>,
    /// The size of the source's frames, and whether they are halved.
    size: [usize; 2],
    halved: bool,
    target: Target,
    begun: Instant,
    next: Instant,
    /// A key frame was asked for, and when the next may be made.
    asked: bool,
    key_from: Instant,
}

impl VideoSender {
    /// For frames of this size, in pixels.
    ///
    /// # Errors
    /// If there is no encoder for this encoding.
    pub fn new(now: Instant, encoding: VideoEncoding, size: [usize; 2], target: Target) -> Result<Self, VideoFault> {
        let halved = bits_per_pixel(size, target.bits) < HALVE;
        let encoder = encoder(encoding, size, halved, target)?;
        let payloader = encoding.payloader();
        Ok(Self {
            encoding,
            encoder,
            payloader,
            size,
            halved,
            target,
            begun: now,
            next: now,
            asked: true,
            key_from: now,
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
        let bits = bits_per_pixel(self.size, target.bits);
        let halved = bits < if self.halved { RESTORE } else { HALVE };
        if halved != self.halved {
            self.encoder = encoder(self.encoding, self.size, halved, target)?;
            self.halved = halved;
            return Ok(());
        }
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
            self.next = (self.next + INTERVAL).max(now);
        }
        due
    }

    /// A peer cannot show our video before a key frame comes.
    pub fn force_key_frame(&mut self) {
        self.asked = true;
    }

    /// The packets of a frame; `None` if it is left out to keep to the bit rate.
    ///
    /// # Errors
    /// If the frame has another size, or the encoder fails.
    pub fn packets(&mut self, now: Instant, frame: &VideoFrame) -> Result<Option<PacketizedFrame>, VideoFault> {
        let since = now.saturating_duration_since(self.begun).as_micros();
        let at = u64::try_from(since * u128::from(CLOCK_RATE) / 1_000_000).unwrap_or(u64::MAX);
        let key = self.asked && self.key_from <= now;
        let frame = if self.halved { Cow::Owned(frame.halved()) } else { Cow::Borrowed(frame) };
        let Some(encoded) = self.encoder.encode(&frame, at, key)? else { return Ok(None) };
        if encoded.key {
            let costs = encoded.bytes.len() as f64 * 8.0 / (f64::from(self.target.bits.max(1)) * KEY_SHARE);
            self.asked = false;
            self.key_from = now + KEY_FRAMES.max(Duration::from_secs_f64(costs.min(MAX_WAIT)));
        }
        let packets = self.payloader.packets(&encoded, at as u32); // RTP timestamps wrap.
        let (encoding, layer, key) = (self.encoding, encoded.layer.number, encoded.key);
        Ok(Some(PacketizedFrame { encoding, layer, key, packets }))
    }
}

fn encoder(
    encoding: VideoEncoding,
    [width, height]: [usize; 2],
    halved: bool,
    target: Target,
) -> Result<Box<dyn VideoEncoder>, VideoFault> {
    // As `VideoFrame::halved` makes them.
    let side = |side: usize| if halved { side / 4 * 2 } else { side };
    let mut encoder = encoding.encoder([side(width), side(height)], target.bits)?;
    if target.layered {
        encoder.set_layered(true)?;
    }
    Ok(encoder)
}

/// Bits for each pixel of a frame.
fn bits_per_pixel([width, height]: [usize; 2], target: u32) -> f64 {
    f64::from(target) * INTERVAL.as_secs_f64() / (width * height) as f64
}
