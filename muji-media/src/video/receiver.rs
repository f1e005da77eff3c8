//! The pictures of a participant on their way in.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use crate::audio::receiver::Clock;
use crate::codec::vp8::{self, Assembled, Assembler, CLOCK_RATE, Decoder, Encoded, Frame, Layer, Vp8Fault};
use crate::rtp::ReceivedRtp;
use crate::stats::VideoStats;
use crate::video::frame::INTERVAL;
use crate::video::frame::VideoFrame;

/// How often it is told what is shown.
const TELL: Duration = Duration::from_secs(1);

/// How long a picture waits for its sound at most: a clock that says more is wrong.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Pictures that wait at once: those of the longest wait. With more the first waits no longer.
const MAX_WAITING: usize = 16;

/// So much longer than usual is standing still.
const STILL: Duration = Duration::from_millis(150);

/// What a packet leads to.
pub enum Wanted {
    /// Nothing can be shown before the sender begins anew.
    KeyFrame,
    /// Something is wrong with what it sends; this is said once.
    Complaint(Vp8Fault),
}

/// A picture, and what it was decoded from.
pub struct Decoded {
    /// What is shown.
    pub picture: VideoFrame,
    /// What came.
    pub encoded: Encoded,
    timestamp: u32,
    since: Instant,
    captured: Option<SystemTime>,
}

/// Puts together, decodes, and waits for the sound that belongs to a picture.
pub struct Theirs {
    assembler: Assembler,
    decoder: Decoder,
    /// How often pictures are turned right by 90 degrees, as was said last.
    turns: u8,
    waiting: VecDeque<Decoded>,
    /// What is heard of the same participant.
    clock: Option<Clock>,
    stats: VideoStats,
    /// The numbers of packets so far: the highest, and whether any was missing since the last picture.
    highest: Option<u64>,
    gap: bool,
    /// The last picture that was shown: when, and its timestamp; and how far they are apart on average.
    last: Option<(Instant, u32)>,
    apart: Duration,
    /// When it is told again.
    tell: Instant,
    faulty: bool,
}

impl Theirs {
    /// A stream of which nothing came yet.
    ///
    /// # Errors
    /// If there is no decoder.
    pub fn new(now: Instant) -> Result<Self, Vp8Fault> {
        Ok(Self {
            assembler: Assembler::default(),
            decoder: Decoder::new()?,
            turns: 0,
            waiting: VecDeque::new(),
            clock: None,
            stats: VideoStats::default(),
            highest: None,
            gap: false,
            last: None,
            apart: INTERVAL,
            tell: now,
            faulty: false,
        })
    }

    /// Its sound is heard by this clock.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = Some(clock);
    }

    /// A packet came.
    pub fn receive(&mut self, now: Instant, received: &ReceivedRtp) -> Vec<Wanted> {
        let highest = self.highest.unwrap_or_else(|| received.sequence.saturating_sub(1));
        self.gap |= received.sequence > highest + 1;
        self.highest = Some(highest.max(received.sequence));
        self.stats.bytes += received.packet.payload.len() as u64;
        self.assembler.insert(received);
        let mut wanted = Vec::new();
        while let Some(assembled) = self.assembler.poll(now) {
            match assembled {
                Assembled::Broken => wanted.push(Wanted::KeyFrame),
                Assembled::Frame(frame) => wanted.extend(self.decode(now, frame)),
            }
        }
        wanted
    }

    fn decode(&mut self, since: Instant, frame: Frame) -> Option<Wanted> {
        let Frame { bytes, timestamp, captured, turns } = frame;
        self.turns = turns.unwrap_or(self.turns);
        match self.decoder.decode(&bytes) {
            Ok(picture) => {
                self.stats.decoded += 1;
                let encoded = Encoded { key: vp8::is_key(&bytes), bytes, layer: Layer::default() };
                let picture = picture.map(|picture| picture.turned(self.turns));
                self.waiting.extend(picture.map(|picture| Decoded { picture, encoded, timestamp, since, captured }));
                None
            }
            Err(why) => {
                self.assembler.broke();
                (!std::mem::replace(&mut self.faulty, true)).then_some(Wanted::Complaint(why))
            }
        }
    }

    /// When the next picture is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.waiting.front().map(|next| {
            if self.waiting.len() > MAX_WAITING {
                return next.since;
            }
            let with_sound = next.captured.and_then(|captured| self.clock?.due(captured));
            with_sound.map_or(next.since, |due| due.clamp(next.since, next.since + MAX_WAIT))
        })
    }

    /// The pictures that are due. If they are several, only the last can be seen.
    pub fn take(&mut self, now: Instant) -> Vec<Decoded> {
        let mut due = Vec::new();
        while self.due().is_some_and(|at| at <= now) {
            due.extend(self.waiting.pop_front());
        }
        if let Some(last) = due.last() {
            self.stats.shown += 1;
            self.froze(now, last.timestamp);
        }
        due
    }

    /// Counts it if the picture before stood still (as W3C's webrtc-stats do, "freezeCount"). A sender that paused, and of whose packets
    /// none is missing, did not freeze.
    fn froze(&mut self, now: Instant, timestamp: u32) {
        let gap = std::mem::take(&mut self.gap);
        let Some((before, of_before)) = self.last.replace((now, timestamp)) else { return };
        let stood = now.saturating_duration_since(before);
        let ticks = timestamp.wrapping_sub(of_before);
        let meant = Duration::from_secs_f64(f64::from(ticks) / f64::from(CLOCK_RATE));
        if stood < (3 * self.apart).max(self.apart + STILL) {
            self.apart = (self.apart * 29 + stood) / 30;
        } else if gap || stood > meant + STILL {
            self.stats.freezes += 1;
            self.stats.frozen += stood;
        }
    }

    /// How they fared so far, if it is time to tell.
    pub fn tell(&mut self, now: Instant) -> Option<VideoStats> {
        (now >= self.tell).then(|| {
            self.tell = now + TELL;
            self.stats
        })
    }
}
