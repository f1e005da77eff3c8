//! Our pictures on their way out.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::bandwidth::Target;
use crate::codec::vp8::{CLOCK_RATE, Encoder, Payloader, Vp8Fault};
use crate::rtp::Coded;
use crate::video::frame::{INTERVAL, VideoFrame};

/// Between two key frames that peers ask for. Each costs all of them several pictures' worth of bits.
const KEY_FRAMES: Duration = Duration::from_millis(300);

/// And they wait no longer than this, in seconds: whoever comes waits too.
const MAX_WAIT: f64 = 2.0;

/// The share of all bits that key frames may take: asked for again and again on a path that is too narrow, they would be what fills it.
const KEY_SHARE: f64 = 0.3;

/// With fewer bits for each pixel and picture, half the sides look better; with more again, the whole does. In between it stays as
/// it is, so that it does not go back and forth.
const HALVE: f64 = 0.025;
const RESTORE: f64 = 0.045;

/// Encodes and packetises, for everybody at once.
pub struct Ours {
    encoder: Encoder,
    payloader: Payloader,
    /// The sides of what comes, and whether they are halved.
    size: [usize; 2],
    halved: bool,
    target: Target,
    begun: Instant,
    next: Instant,
    /// Somebody waits for a key frame, and when the next one may be made.
    asked: bool,
    key_from: Instant,
}

impl Ours {
    /// For pictures of this size, in pixels.
    ///
    /// # Errors
    /// If there is no encoder.
    pub fn new(now: Instant, size: [usize; 2], target: Target) -> Result<Self, Vp8Fault> {
        let halved = bits_per_pixel(size, target.bits) < HALVE;
        let encoder = encoder(size, halved, target)?;
        let payloader = Payloader::default();
        Ok(Self { encoder, payloader, size, halved, target, begun: now, next: now, asked: true, key_from: now })
    }

    /// Timestamps count from then on: who stops and goes on must not begin anew (RFC 3550 section 5.1).
    #[must_use]
    pub fn counting_from(self, begun: Instant) -> Self {
        Self { begun, ..self }
    }

    /// From now on so many bits a second, and in layers or not; with few bits pictures are made smaller.
    ///
    /// # Errors
    /// If libvpx fails.
    pub fn set_target(&mut self, target: Target) -> Result<(), Vp8Fault> {
        let before = std::mem::replace(&mut self.target, target);
        let bits = bits_per_pixel(self.size, target.bits);
        let halved = bits < if self.halved { RESTORE } else { HALVE };
        if halved != self.halved {
            (self.encoder, self.halved) = (encoder(self.size, halved, target)?, halved);
            return Ok(());
        }
        if before.layered != target.layered {
            self.encoder.set_layered(target.layered)?;
        }
        self.encoder.set_bit_rate(target.bits)
    }

    /// When the next picture is due.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Whether a picture is due now; then the next is later.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next <= now;
        if due {
            // A machine that was busy leaves out what it missed.
            self.next = (self.next + INTERVAL).max(now);
        }
        due
    }

    /// Somebody cannot show what we send before a key frame comes.
    pub fn ask_key_frame(&mut self) {
        self.asked = true;
    }

    /// The packets of a picture; `None` if it is left out to keep to the bit rate.
    ///
    /// # Errors
    /// If the picture has another size, or libvpx fails.
    pub fn packets(&mut self, now: Instant, picture: &VideoFrame) -> Result<Option<Coded>, Vp8Fault> {
        let since = now.saturating_duration_since(self.begun).as_micros();
        let at = u64::try_from(since * u128::from(CLOCK_RATE) / 1_000_000).unwrap_or(u64::MAX);
        let key = self.asked && self.key_from <= now;
        let picture = if self.halved { Cow::Owned(picture.halved()) } else { Cow::Borrowed(picture) };
        let Some(encoded) = self.encoder.encode(&picture, at, key)? else { return Ok(None) };
        if encoded.key {
            let costs = encoded.bytes.len() as f64 * 8.0 / (f64::from(self.target.bits.max(1)) * KEY_SHARE);
            (self.asked, self.key_from) = (false, now + KEY_FRAMES.max(Duration::from_secs_f64(costs.min(MAX_WAIT))));
        }
        let packets = self.payloader.packets(&encoded, at as u32); // RTP timestamps wrap.
        Ok(Some(Coded { layer: encoded.layer.number, key: encoded.key, packets }))
    }
}

fn encoder([width, height]: [usize; 2], halved: bool, target: Target) -> Result<Encoder, Vp8Fault> {
    // As `VideoFrame::halved` makes them.
    let side = |side: usize| if halved { side / 4 * 2 } else { side };
    let mut encoder = Encoder::new(side(width), side(height), target.bits)?;
    if target.layered {
        encoder.set_layered(true)?;
    }
    Ok(encoder)
}

/// Bits for each pixel of a picture.
fn bits_per_pixel([width, height]: [usize; 2], target: u32) -> f64 {
    f64::from(target) * INTERVAL.as_secs_f64() / (width * height) as f64
}
