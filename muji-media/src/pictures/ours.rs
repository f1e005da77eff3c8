//! Our pictures on their way out.

use std::time::{Duration, Instant};

use crate::codec::vp8::{CLOCK_RATE, Encoder, Payloader, Vp8Fault};
use crate::picture::Picture;
use crate::transport::RtpPacket;

/// Between two pictures.
pub(super) const INTERVAL: Duration = Duration::from_micros(1_000_000 / 30);

/// What pictures are encoded to, in bits a second.
const BIT_RATE: u32 = 600_000;

/// Between two key frames that peers ask for. Each costs all of them several pictures' worth of bits.
const KEY_FRAMES: Duration = Duration::from_millis(300);

/// Encodes and packetises, for everybody at once.
pub(super) struct Ours {
    encoder: Encoder,
    payloader: Payloader,
    begun: Instant,
    next: Instant,
    /// Somebody waits for a key frame, and when the last one was made.
    asked: bool,
    last_key: Option<Instant>,
}

impl Ours {
    /// For pictures of this size.
    pub(super) fn new(now: Instant, [width, height]: [usize; 2]) -> Result<Self, Vp8Fault> {
        let (encoder, payloader) = (Encoder::new(width, height, BIT_RATE)?, Payloader::default());
        Ok(Self { encoder, payloader, begun: now, next: now, asked: true, last_key: None })
    }

    /// When the next picture is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Whether a picture is due now; then the next is later.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next <= now;
        if due {
            // A machine that was busy leaves out what it missed.
            self.next = (self.next + INTERVAL).max(now);
        }
        due
    }

    /// Somebody cannot show what we send before a key frame comes.
    pub(super) fn ask_key_frame(&mut self) {
        self.asked = true;
    }

    /// The packets of a picture; none if it is left out to keep to the bit rate.
    pub(super) fn packets(&mut self, now: Instant, picture: &Picture) -> Result<Vec<RtpPacket>, Vp8Fault> {
        let since = now.saturating_duration_since(self.begun).as_micros();
        let at = u64::try_from(since * u128::from(CLOCK_RATE) / 1_000_000).unwrap_or(u64::MAX);
        let key = self.asked && self.last_key.is_none_or(|last| now.saturating_duration_since(last) >= KEY_FRAMES);
        let Some(encoded) = self.encoder.encode(picture, at, key)? else { return Ok(Vec::new()) };
        if encoded.key {
            (self.asked, self.last_key) = (false, Some(now));
        }
        Ok(self.payloader.packets(&encoded.bytes, at as u32)) // RTP timestamps wrap.
    }
}
