//! The video of a participant on its way in.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use crate::audio::receiver::PlayoutClock;
use crate::codec::vp8::{self, Assembled, AssembledFrame, Assembler, CLOCK_RATE, Decoder, Encoded, Layer, Vp8Fault};
use crate::rtp::{CurrentSource, ReceivedRtp, SourceStep};
use crate::stats::VideoStats;
use crate::video::frame::INTERVAL;
use crate::video::frame::VideoFrame;

/// Between two observations of what is shown.
const TELL: Duration = Duration::from_secs(1);

/// How long a frame waits for its audio at most. A clock that asks for more is wrong.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Frames that wait at once: those of the longest wait. With more the first waits no longer.
const MAX_WAITING: usize = 16;

/// A frame that comes so much later than usual is a freeze.
const STILL: Duration = Duration::from_millis(150);

/// What a packet leads to.
pub enum ReceiverRequest {
    /// Nothing can be shown before a key frame comes.
    KeyFrame,
    /// The stream cannot be decoded; this is said once.
    Undecodable(Vp8Fault),
}

/// A frame, and its encoded form.
pub struct DecodedFrame {
    /// The frame.
    pub frame: VideoFrame,
    /// What it was decoded from.
    pub encoded: Encoded,
    timestamp: u32,
    since: Instant,
    captured: Option<SystemTime>,
}

/// Assembles and decodes frames, and delays each until its audio is played.
pub struct VideoReceiver {
    source: CurrentSource,
    assembler: Assembler,
    decoder: Decoder,
    /// By how many quarter turns frames are rotated, as the sender said last.
    turns: u8,
    waiting: VecDeque<DecodedFrame>,
    /// Which moment of the participant's audio is played.
    clock: Option<PlayoutClock>,
    stats: VideoStats,
    /// The highest sequence number so far, and whether one was missing since the last frame.
    highest: Option<u64>,
    gap: bool,
    /// When the last frame was shown, and its timestamp; and the usual time between two.
    last: Option<(Instant, u32)>,
    apart: Duration,
    /// When the next observation is due.
    tell: Instant,
    faulty: bool,
}

impl VideoReceiver {
    /// A stream that has not begun.
    ///
    /// # Errors
    /// If there is no decoder.
    pub fn new(now: Instant) -> Result<Self, Vp8Fault> {
        Ok(Self {
            source: CurrentSource::default(),
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

    /// Which moment of the participant's audio is played.
    pub fn set_clock(&mut self, clock: PlayoutClock) {
        self.clock = Some(clock);
    }

    /// A packet came.
    pub fn receive(&mut self, now: Instant, received: &ReceivedRtp) -> Vec<ReceiverRequest> {
        match self.source.step(received.clone()) {
            SourceStep::Same(received) => self.assemble(now, &received),
            SourceStep::Unproven => Vec::new(),
            SourceStep::Begins(received) => {
                self.assembler = Assembler::default();
                self.highest = None;
                received.iter().flat_map(|received| self.assemble(now, received)).collect()
            }
        }
    }

    fn assemble(&mut self, now: Instant, received: &ReceivedRtp) -> Vec<ReceiverRequest> {
        let highest = self.highest.unwrap_or_else(|| received.sequence.saturating_sub(1));
        self.gap |= received.sequence > highest + 1;
        self.highest = Some(highest.max(received.sequence));
        self.stats.bytes += received.packet.payload.len() as u64;
        self.assembler.insert(received);
        let mut wanted = Vec::new();
        while let Some(assembled) = self.assembler.poll(now) {
            match assembled {
                Assembled::Broken => wanted.push(ReceiverRequest::KeyFrame),
                Assembled::Frame(frame) => wanted.extend(self.decode(now, frame)),
            }
        }
        wanted
    }

    fn decode(&mut self, since: Instant, frame: AssembledFrame) -> Option<ReceiverRequest> {
        let AssembledFrame { bytes, timestamp, captured, turns } = frame;
        self.turns = turns.unwrap_or(self.turns);
        match self.decoder.decode(&bytes) {
            Ok(frame) => {
                self.stats.decoded += 1;
                let encoded = Encoded { key: vp8::is_key(&bytes), bytes, layer: Layer::default() };
                let frame = frame.map(|frame| frame.turned(self.turns));
                self.waiting.extend(frame.map(|frame| DecodedFrame { frame, encoded, timestamp, since, captured }));
                None
            }
            Err(why) => {
                self.assembler.broke();
                (!std::mem::replace(&mut self.faulty, true)).then_some(ReceiverRequest::Undecodable(why))
            }
        }
    }

    /// When the next frame is due.
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

    /// The frames that are due. Of several only the last is seen.
    pub fn take(&mut self, now: Instant) -> Vec<DecodedFrame> {
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

    /// Counts a freeze before this frame, as W3C's webrtc-stats do (freezeCount). A sender that paused, and of whose packets none is missing,
    /// did not freeze.
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

    /// The statistics, if an observation is due.
    pub fn stats_if_due(&mut self, now: Instant) -> Option<VideoStats> {
        (now >= self.tell).then(|| {
            self.tell = now + TELL;
            self.stats
        })
    }
}
