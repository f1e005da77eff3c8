//! The pictures of calls that are joined: in each the one is seen who speaks in the others. They are passed on as they were encoded.
//!
//! ```text
//!  packets of each participant ─► assembled ─► seen in a call? ─► packetised for that call, as one stream:
//!                                     │                           SSRC, sequence numbers, picture IDs and timestamps go on
//!                                     └─ broken, or another is to be seen ─► asked for a key frame, once a second at most
//! ```
//!
//! What is lost on the way to us is asked for again by our own transport, and what is lost behind us is sent again by it. VP8 alone: all
//! clients in the list of docs/status.md have it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muji_core::CallId;
use muji_core::media::Audibility;
use muji_jingle::TransportId;

use crate::audio::speech::Speech;
use crate::bandwidth::INITIAL;
use crate::codec::assembler::{Assembled, AssembledFrame, Assembler};
use crate::codec::encoding::VideoEncoding;
use crate::codec::video::{Encoded, Payloader};
use crate::rtp::{CurrentSource, ReceivedRtp, SourceStep, StreamId};
use crate::video::floor::Floor;
use crate::video::packetized::PacketizedFrame;
use crate::video::timeline::Timeline;
use crate::video::viewers::{Step, View, Viewers};

/// What is passed on.
pub(crate) const ENCODING: VideoEncoding = VideoEncoding::Vp8;

/// The least that is asked for of those whose pictures are passed on, in bits a second: for one who can take less nobody else need see less.
const LEAST_PASSED_ON: u32 = 150_000;

/// Between two requests for a key frame to one sender, however many viewers ask.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// So long a key frame is waited for before somebody else is seen, while the one before goes on: three requests.
const PATIENCE: Duration = Duration::from_millis(3_500);

/// Who sends none in that time is not seen for so long.
const PUT_ASIDE: Duration = Duration::from_secs(30);

/// Who has sent no packet for so long has its camera off.
const OFF: Duration = Duration::from_secs(2);

/// What is passed on is measured over this time: frames come in bursts.
const MEASURED: Duration = Duration::from_secs(1);

/// What is said of who sends no key frame.
const NO_KEY_FRAME: &str = "somebody's client sends no key frame, though it was asked for one three times: its pictures are not passed on for 30 s, and \
     then it is asked again; a newer version of it may help";

/// What is said when a path is found too slow for the first time.
const TOO_SLOW: &str = "somebody's connection carries less than half of what most others' do: it gets sound without pictures for 30 s, and longer each \
     time, up to 4 minutes, unless it carries more before";

/// Whose pictures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Those of our own camera.
    Ours,
    /// Those of a participant.
    Theirs(StreamId),
}

/// What is to be done.
#[derive(Debug)]
pub enum Forwarded {
    /// A frame is to be sent in a call. It stands for this moment.
    Frame(CallId, Instant, PacketizedFrame),
    /// Somebody is to be asked for a key frame.
    RequestKeyFrame(Source),
    /// A path gets sound alone from now on.
    Rest(TransportId),
    /// It gets pictures again.
    GoOn(TransportId),
    /// Pictures cannot be passed on as they should be, and why.
    Trouble(&'static str),
}

/// Chooses who is seen in each call, and passes their frames on.
#[derive(Default)]
pub struct VideoForwarder {
    calls: BTreeMap<CallId, (Audibility, Leg)>,
    inputs: BTreeMap<Source, Input>,
    viewers: Viewers<Source>,
}

/// What is seen in one call.
struct Leg {
    floor: Floor<Source>,
    /// Who is seen, and since when somebody else is to be instead.
    seen: Option<Source>,
    switches_since: Option<Instant>,
    payloader: Box<dyn Payloader>,
    timeline: Timeline,
    passed: PassedRate,
}

/// How many bits a second are passed on in one call.
#[derive(Debug, Default)]
struct PassedRate {
    since: Option<Instant>,
    bytes: u64,
    rate: u32,
}

impl PassedRate {
    fn add(&mut self, now: Instant, bytes: usize) {
        self.since.get_or_insert(now);
        self.bytes += bytes as u64;
    }

    /// Over the last second that is whole.
    fn get(&mut self, now: Instant) -> u32 {
        let time = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if time >= MEASURED {
            self.rate = (self.bytes as f64 * 8.0 / time.as_secs_f64()) as u32;
            (self.since, self.bytes) = (Some(now), 0);
        }
        self.rate
    }
}

impl Leg {
    fn new() -> Self {
        let payloader = ENCODING.payloader();
        Self {
            floor: Floor::default(),
            seen: None,
            switches_since: None,
            payloader,
            timeline: Timeline::default(),
            passed: PassedRate::default(),
        }
    }

    /// Nothing is sent here for now. What is sent later goes on from what was.
    fn rest(&mut self) {
        (self.floor, self.seen, self.switches_since) = (Floor::default(), None, None);
    }

    fn needs(&self, source: &Source) -> bool {
        self.seen.as_ref() == Some(source) || self.floor.holder() == Some(source)
    }

    /// The packets of a frame as it is sent here, if it is seen here.
    fn take(&mut self, now: Instant, of: &Source, came: u32, frame: &Encoded) -> Option<(Instant, PacketizedFrame)> {
        let mut begins = false;
        if self.seen.as_ref() != Some(of) {
            if self.floor.holder() != Some(of) || !frame.key {
                return None;
            }
            begins = true;
            self.seen = Some(of.clone());
        }
        if self.floor.holder() == Some(of) {
            self.switches_since = None;
        }
        let (timestamp, captured) = self.timeline.next(now, came, begins);
        self.passed.add(now, frame.bytes.len());
        let packets = self.payloader.packets(frame, timestamp);
        let (layer, key) = (frame.layer.number, frame.key);
        Some((captured, PacketizedFrame { encoding: ENCODING, layer, key, packets }))
    }
}

/// What comes of somebody.
#[derive(Default)]
struct Input {
    /// `None` for our own.
    call: Option<CallId>,
    ssrc: CurrentSource,
    /// Of a stream that is seen somewhere.
    assembler: Option<Assembler>,
    /// When the last packet came.
    came: Option<Instant>,
    /// A key frame is needed; and when one was asked for last.
    needs_key_frame: bool,
    asked: Option<Instant>,
    /// It sent none, and is not seen until then.
    aside_until: Option<Instant>,
}

impl Input {
    /// The frames that are whole with this packet.
    fn assemble(&mut self, now: Instant, received: &ReceivedRtp) -> Vec<AssembledFrame> {
        let packets = match self.ssrc.step(received.clone()) {
            SourceStep::Same(received) => vec![received],
            SourceStep::Unproven => Vec::new(),
            SourceStep::Begins(received) => {
                self.assembler = None;
                received.into()
            }
        };
        let assembler = self.assembler.get_or_insert_with(|| Assembler::new(ENCODING));
        let mut frames = Vec::new();
        for packet in packets.iter().filter(|packet| packet.payload_type == received.payload_type) {
            assembler.insert(packet);
            while let Some(assembled) = assembler.poll(now, Duration::ZERO) {
                match assembled {
                    Assembled::Frame(frame) => frames.push(frame),
                    Assembled::Broken | Assembled::Faulty(_) => self.needs_key_frame = true,
                }
            }
        }
        frames
    }

    /// True if it can be seen in another call.
    fn is_on(&self, now: Instant) -> bool {
        let aside = self.aside_until.is_some_and(|until| now < until);
        !aside && self.came.is_some_and(|came| now.saturating_duration_since(came) < OFF)
    }
}

impl VideoForwarder {
    /// From now on these calls are joined, and no others.
    pub fn set_calls(&mut self, calls: &BTreeMap<CallId, Audibility>) {
        self.calls.retain(|call, _| calls.contains_key(call));
        for (call, audibility) in calls {
            self.calls.entry(*call).or_insert_with(|| (*audibility, Leg::new())).0 = *audibility;
        }
        self.inputs.retain(|_, input| !calls.is_empty() && input.call.is_none_or(|call| calls.contains_key(&call)));
        self.forget_gone();
    }

    /// True if what is sent in this call comes from here.
    pub(crate) fn contains(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// True if there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// These streams have ended.
    pub(crate) fn close(&mut self, gone: impl Fn(&StreamId) -> bool) {
        let is_gone = |source: &Source| matches!(source, Source::Theirs(id) if gone(id));
        self.inputs.retain(|source, _| !is_gone(source));
        self.forget_gone();
    }

    /// Nobody is seen of whom nothing is known.
    fn forget_gone(&mut self) {
        for (_, leg) in self.calls.values_mut() {
            leg.seen.take_if(|seen| !self.inputs.contains_key(seen));
        }
    }

    /// A packet of a participant of a call.
    pub fn receive(
        &mut self,
        now: Instant,
        call: CallId,
        id: &StreamId,
        encoding: VideoEncoding,
        received: &ReceivedRtp,
    ) -> Vec<Forwarded> {
        let takes_part = self.calls.get(&call).is_some_and(|(audibility, _)| *audibility != Audibility::Apart);
        if encoding != ENCODING || !takes_part {
            return Vec::new();
        }
        let source = Source::Theirs(id.clone());
        let is_needed = self.calls.values().any(|(_, leg)| leg.needs(&source));
        let input = self.inputs.entry(source.clone()).or_default();
        (input.call, input.came) = (Some(call), Some(now));
        if !is_needed {
            input.assembler = None;
            return Vec::new();
        }
        let frames = input.assemble(now, received);
        let mut out = Vec::new();
        frames.into_iter().for_each(|frame| self.pass(now, &source, frame, &mut out));
        self.request_key_frames(now, &mut out);
        out
    }

    /// A frame of our own camera.
    pub(crate) fn own_frame(&mut self, now: Instant, frame: &PacketizedFrame) -> Vec<Forwarded> {
        let Some(first) = frame.packets.first().filter(|_| frame.encoding == ENCODING && !self.is_empty()) else {
            return Vec::new();
        };
        self.inputs.entry(Source::Ours).or_default().came = Some(now);
        let pieces: Vec<_> = frame.packets.iter().filter_map(|packet| ENCODING.read(&packet.payload)).collect();
        let layer = pieces.iter().find_map(|piece| piece.layer).map_or_else(Default::default, |(layer, _)| layer);
        let Ok(bytes) = ENCODING.join(pieces.into_iter().map(|piece| piece.bytes)) else { return Vec::new() };
        let (encoding, timestamp) = (ENCODING, first.timestamp);
        let own = AssembledFrame { encoding, bytes, timestamp, captured: None, turns: None, layer };
        let mut out = Vec::new();
        self.pass(now, &Source::Ours, own, &mut out);
        out
    }

    fn pass(&mut self, now: Instant, of: &Source, frame: AssembledFrame, out: &mut Vec<Forwarded>) {
        let AssembledFrame { bytes, timestamp, layer, .. } = frame;
        let key = ENCODING.is_key(&bytes);
        if let Some(input) = self.inputs.get_mut(of).filter(|_| key) {
            input.needs_key_frame = false;
        }
        let encoded = Encoded { bytes, key, layer };
        for (call, (_, leg)) in &mut self.calls {
            let taken = leg.take(now, of, timestamp, &encoded);
            out.extend(taken.map(|(captured, frame)| Forwarded::Frame(*call, captured, frame)));
        }
    }

    /// Somebody in a call cannot show what it gets before a key frame comes.
    pub(crate) fn key_frame_requested(&mut self, now: Instant, call: CallId) -> Vec<Forwarded> {
        let seen = self.calls.get(&call).and_then(|(_, leg)| leg.seen.as_ref());
        if let Some(input) = seen.and_then(|seen| self.inputs.get_mut(seen)) {
            input.needs_key_frame = true;
        }
        let mut out = Vec::new();
        self.request_key_frames(now, &mut out);
        out
    }

    /// Decides who is seen in each of these calls, which are those that send video.
    pub fn choose(
        &mut self,
        now: Instant,
        viewers: &BTreeSet<CallId>,
        speech: impl Fn(&Source) -> Speech,
    ) -> Vec<Forwarded> {
        let mut out = Vec::new();
        // Who was muted is seen like one who says nothing.
        let is_muted = |call| self.calls.get(&call).is_some_and(|(audibility, _)| *audibility == Audibility::Muted);
        let heard =
            |source, input: &Input| if input.call.is_some_and(is_muted) { Speech::default() } else { speech(source) };
        let on = self.inputs.iter().filter(|(_, input)| input.is_on(now));
        let on: Vec<_> = on.map(|(source, input)| (source.clone(), input.call, heard(source, input))).collect();
        for (call, (audibility, leg)) in &mut self.calls {
            if !viewers.contains(call) || *audibility == Audibility::Apart {
                leg.rest();
                continue;
            }
            let others = on.iter().filter(|(_, of, _)| *of != Some(*call));
            let others: Vec<_> = others.map(|(source, _, speech)| (source.clone(), *speech)).collect();
            let before = leg.floor.holder().cloned();
            leg.floor.decide(now, &others);
            let holder = leg.floor.holder();
            if holder == leg.seen.as_ref() || holder.is_none() {
                leg.switches_since = None;
                continue;
            }
            if before.as_ref() != holder {
                leg.switches_since = Some(now);
            }
            let Some(input) = holder.and_then(|holder| self.inputs.get_mut(holder)) else { continue };
            input.needs_key_frame = true;
            if leg.switches_since.is_some_and(|since| since + PATIENCE <= now) {
                // Several calls may give it up at once.
                let known = input.aside_until.replace(now + PUT_ASIDE).is_some_and(|until| now < until);
                input.needs_key_frame = false;
                out.extend((!known).then_some(Forwarded::Trouble(NO_KEY_FRAME)));
            }
        }
        self.request_key_frames(now, &mut out);
        out
    }

    /// Each of these paths carries so many bits a second of what is seen in its call. Who can take far less than most gets sound alone.
    pub(crate) fn carried(&mut self, now: Instant, paths: &BTreeMap<TransportId, (CallId, u32)>) -> Vec<Forwarded> {
        let viewers = paths.iter().filter_map(|(path, (call, takes))| {
            let (_, leg) = self.calls.get_mut(call)?;
            Some((*path, View { takes: *takes, sees: leg.floor.holder().cloned(), passed: leg.passed.get(now) }))
        });
        let viewers = viewers.collect();
        let mut out = Vec::new();
        for (path, step) in self.viewers.decide(now, viewers) {
            out.push(if step == Step::GoesOn { Forwarded::GoOn(path) } else { Forwarded::Rest(path) });
            out.extend((step == Step::Rests { first: true }).then_some(Forwarded::Trouble(TOO_SLOW)));
        }
        out
    }

    /// As many bits a second of somebody's pictures are of use to those who see them.
    pub(crate) fn limit(&self, of: &Source) -> u32 {
        self.viewers.slowest(of).unwrap_or(INITIAL).max(LEAST_PASSED_ON)
    }

    fn request_key_frames(&mut self, now: Instant, out: &mut Vec<Forwarded>) {
        for (source, input) in &mut self.inputs {
            if input.needs_key_frame && input.is_on(now) && input.asked.is_none_or(|asked| asked + ASKED_AGAIN <= now) {
                input.asked = Some(now);
                out.push(Forwarded::RequestKeyFrame(source.clone()));
            }
        }
    }
}
