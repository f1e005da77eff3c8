//! The video of a participant on its way in.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::audio::receiver::PlayoutClock;
use crate::codec::assembler::{Assembled, AssembledFrame, Assembler};
use crate::codec::encoding::VideoEncoding;
use crate::codec::video::{CLOCK_RATE, Encoded, Layer, VideoDecoder, VideoFault};
use crate::rtp::{CurrentSource, ReceivedRtp, SourceStep};
use crate::stats::VideoStats;
use crate::video::frame::{INTERVAL, VideoFrame};
use crate::video::playout_delay::PlayoutDelay;

/// Between two observations of what is shown.
const TELL: Duration = Duration::from_secs(1);

/// How long a frame waits for its audio at most. A clock that asks for more is wrong.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// What frames that wait may hold together: as much as comes in a second at 8 Mbit/s, and their number at 60 a second. Beyond it the first
/// waits no longer.
const MAX_WAITING_BYTES: usize = 1 << 20;
const MAX_WAITING: usize = 60;

/// A frame that comes so much later than usual is a freeze.
const STILL: Duration = Duration::from_millis(150);

/// What a packet leads to.
pub enum ReceiverRequest {
    /// Nothing can be shown before a key frame comes.
    KeyFrame,
    /// The stream cannot be decoded; this is said once.
    Undecodable(VideoFault),
}

/// A frame, and its encoded form.
pub struct DecodedFrame {
    /// The frame.
    pub frame: VideoFrame,
    /// How it was encoded.
    pub encoding: VideoEncoding,
    /// What it was decoded from.
    pub encoded: Encoded,
    timestamp: u32,
}

/// A frame that is not shown yet.
struct WaitingFrame {
    frame: AssembledFrame,
    /// When it and all that it needs were there.
    whole_at: Instant,
}

/// Assembles frames, holds each until it is due and its audio is played, and decodes it.
pub struct VideoReceiver {
    source: CurrentSource,
    /// Of the current encoding.
    assembler: Option<Assembler>,
    /// Of each encoding so far: a sender that changes to and fro cannot have us make one for each packet.
    decoders: BTreeMap<VideoEncoding, Box<dyn VideoDecoder>>,
    /// By how many quarter turns frames are rotated, as the sender said last.
    turns: u8,
    waiting: VecDeque<WaitingFrame>,
    delay: PlayoutDelay,
    /// Which moment of the participant's audio is played.
    clock: Option<PlayoutClock>,
    /// How much later than its audio the last frame is due.
    behind: Option<Duration>,
    stats: VideoStats,
    /// The highest sequence number so far, and whether one was missing since the last frame.
    highest: Option<u64>,
    gap: bool,
    /// A packet came behind a later one since the last whole frame: one of the frames had to be repaired.
    repaired: bool,
    /// When the last frame was shown, and its timestamp; and the usual time between two.
    last: Option<(Instant, u32)>,
    apart: Duration,
    /// When the next observation is due.
    tell: Instant,
    /// The stream cannot be decoded, and whether that was said.
    fault: Option<VideoFault>,
    fault_said: bool,
}

impl VideoReceiver {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            source: CurrentSource::default(),
            assembler: None,
            decoders: BTreeMap::new(),
            turns: 0,
            waiting: VecDeque::new(),
            delay: PlayoutDelay::new(now),
            clock: None,
            behind: None,
            stats: VideoStats::default(),
            highest: None,
            gap: false,
            repaired: false,
            last: None,
            apart: INTERVAL,
            tell: now,
            fault: None,
            fault_said: false,
        }
    }

    /// Which moment of the participant's audio is played.
    pub fn set_clock(&mut self, clock: PlayoutClock) {
        self.clock = Some(clock);
    }

    /// A packet in this encoding came.
    pub fn receive(&mut self, now: Instant, encoding: VideoEncoding, received: &ReceivedRtp) -> Vec<ReceiverRequest> {
        match self.source.step(received.clone()) {
            SourceStep::Same(received) => self.assemble(now, encoding, &received),
            SourceStep::Unproven => Vec::new(),
            SourceStep::Begins(received) => {
                self.assembler = None;
                self.delay = PlayoutDelay::new(now);
                self.highest = None;
                let same = received.iter().filter(|it| it.payload_type == received[1].payload_type);
                same.flat_map(|received| self.assemble(now, encoding, received)).collect()
            }
        }
    }

    fn assemble(&mut self, now: Instant, encoding: VideoEncoding, received: &ReceivedRtp) -> Vec<ReceiverRequest> {
        let late = self.highest.is_some_and(|highest| received.sequence < highest);
        let assembler = match &mut self.assembler {
            // A sender may go on in another encoding that was agreed on. A late packet of the one before is no use.
            Some(assembler) if assembler.encoding() != encoding && late => return Vec::new(),
            Some(assembler) if assembler.encoding() == encoding => assembler,
            other => other.insert(Assembler::new(encoding)),
        };
        let highest = self.highest.unwrap_or_else(|| received.sequence.saturating_sub(1));
        self.gap |= received.sequence > highest + 1;
        self.repaired |= late;
        self.highest = Some(highest.max(received.sequence));
        self.stats.bytes += received.packet.payload.len() as u64;
        assembler.insert(received);
        let mut wanted: Vec<ReceiverRequest> =
            self.fault.take().map(ReceiverRequest::Undecodable).into_iter().collect();
        let mut whole = false;
        while let Some(assembled) = assembler.poll(now, self.delay.delay()) {
            whole = true;
            match assembled {
                Assembled::Broken => wanted.push(ReceiverRequest::KeyFrame),
                Assembled::Faulty(why) => {
                    if !std::mem::replace(&mut self.fault_said, true) {
                        wanted.push(ReceiverRequest::Undecodable(why));
                    }
                }
                Assembled::Frame(frame) => {
                    self.delay.whole(now, frame.timestamp, self.repaired);
                    let sound = frame.captured.and_then(|captured| self.clock?.due(captured));
                    let due = self.delay.due(now, frame.timestamp);
                    self.behind = sound.map(|sound| due.saturating_duration_since(sound));
                    self.waiting.push_back(WaitingFrame { frame, whole_at: now });
                }
            }
        }
        self.repaired &= !whole;
        wanted
    }

    /// How much later frames are shown than their audio is played, because of lost packets; `None` before sender reports came.
    #[must_use]
    pub fn behind_sound(&self) -> Option<Duration> {
        self.behind
    }

    /// When the next frame is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let WaitingFrame { frame, whole_at } = self.waiting.front()?;
        let bytes: usize = self.waiting.iter().map(|waiting| waiting.frame.bytes.len()).sum();
        if self.waiting.len() > MAX_WAITING || bytes > MAX_WAITING_BYTES {
            return Some(*whole_at);
        }
        let due = self.delay.due(*whole_at, frame.timestamp);
        let with_sound = frame.captured.and_then(|captured| self.clock?.due(captured));
        Some(with_sound.map_or(due, |sound| sound.clamp(due, due + MAX_WAIT)))
    }

    /// The frames that are due. Of several only the last is seen.
    pub fn take(&mut self, now: Instant) -> Vec<DecodedFrame> {
        let mut due = Vec::new();
        while self.due().is_some_and(|at| at <= now) {
            let next = self.waiting.pop_front();
            due.extend(next.and_then(|next| self.decode(next.frame)));
        }
        if let Some(last) = due.last() {
            self.stats.shown += 1;
            self.froze(now, last.timestamp);
        }
        due
    }

    fn decode(&mut self, frame: AssembledFrame) -> Option<DecodedFrame> {
        let AssembledFrame { encoding, bytes, timestamp, turns, .. } = frame;
        self.turns = turns.unwrap_or(self.turns);
        match self.decoder(encoding).and_then(|decoder| decoder.decode(&bytes)) {
            Ok(frame) => {
                self.stats.decoded += 1;
                let encoded = Encoded { key: encoding.is_key(&bytes), bytes, layer: Layer::default() };
                frame.map(|frame| DecodedFrame { frame: frame.turned(self.turns), encoding, encoded, timestamp })
            }
            Err(why) => {
                self.undecodable(why);
                None
            }
        }
    }

    fn decoder(&mut self, encoding: VideoEncoding) -> Result<&mut dyn VideoDecoder, VideoFault> {
        match self.decoders.entry(encoding) {
            Entry::Occupied(known) => Ok(&mut **known.into_mut()),
            Entry::Vacant(new) => Ok(&mut **new.insert(encoding.decoder()?)),
        }
    }

    /// Nothing can be shown before a key frame, which may be waiting already.
    fn undecodable(&mut self, why: VideoFault) {
        if !std::mem::replace(&mut self.fault_said, true) {
            self.fault = Some(why);
        }
        match self.waiting.iter().position(|WaitingFrame { frame, .. }| frame.encoding.is_key(&frame.bytes)) {
            Some(key) => drop(self.waiting.drain(..key)),
            None => {
                self.waiting.clear();
                self.assembler.iter_mut().for_each(Assembler::broke);
            }
        }
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
