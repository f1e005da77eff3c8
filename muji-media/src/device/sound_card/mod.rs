//! Microphones and loudspeakers, by cpal.
//!
//! A card is opened when the call first needs it, by a thread of its own that holds it, notices when it is gone, and tries
//! each second to have it back; meanwhile the microphone is silent and the loudspeaker swallows. Cards have clocks of their
//! own: a `DriftCompensator` keeps what waits between card and call as short as it should be.

mod card_thread;
mod system;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rtrb::{Consumer, Producer};

use super::interface::{AudioSink, AudioSource, DeviceError};
use super::voice_processing::VoiceProcessing;
use crate::audio::drift::{DriftCompensator, FixedSide, rounded};
use crate::audio::frame::{AudioFrame, FRAME, SAMPLE_RATE};
use card_thread::CardThread;
use system::{RING, push};

pub use system::{Card, loudspeakers, microphones};

/// What should wait between card and call: cards take and give 10 to 20 ms at once.
const WAITING: f64 = 0.020;

/// The share of a turn in the measured wait: two seconds count.
const SMOOTH: f64 = 0.01;

/// The most that may wait, where stretching would take minutes to work it off: cards begin late, and sleep.
const MAX_WAITING: f64 = 0.100;

/// Frames without a sample to or from a card that is open: four seconds, then it is taken for gone. A card that slept
/// takes two to wake up (PulseAudio's null sink).
const PATIENCE: u32 = 200;

/// Where audio comes from.
pub struct Microphone {
    name: Option<String>,
    voice_processing: Option<Arc<Mutex<VoiceProcessing>>>,
    card: Option<CardThread<Consumer<f32>>>,
    /// What came and was not taken yet.
    waiting: VecDeque<i16>,
    flow: Flow,
}

/// Where audio goes to.
pub struct Loudspeaker {
    name: Option<String>,
    voice_processing: Option<Arc<Mutex<VoiceProcessing>>>,
    card: Option<CardThread<Producer<f32>>>,
    flow: Flow,
}

/// Both at once, each by name or the system's default, with the echo of one taken out of the other.
///
/// # Errors
/// If there is no such card; nothing is opened yet.
pub fn both(microphone: Option<&str>, loudspeaker: Option<&str>) -> Result<(Microphone, Loudspeaker), DeviceError> {
    let voice_processing = Arc::new(Mutex::new(VoiceProcessing::new()));
    let (mut source, mut sink) = (Microphone::named(microphone)?, Loudspeaker::named(loudspeaker)?);
    source.voice_processing = Some(voice_processing.clone());
    sink.voice_processing = Some(voice_processing);
    Ok((source, sink))
}

impl Microphone {
    /// The microphone of this name, or whose name holds it, or the system's default. Nothing is opened yet.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: Option<&str>) -> Result<Self, DeviceError> {
        system::microphone(name).map_err(|why| refusal("microphone", name, &why, microphones()))?;
        let name = name.map(str::to_owned);
        Ok(Self {
            name,
            voice_processing: None,
            card: None,
            waiting: VecDeque::new(),
            flow: Flow::new(FixedSide::Output),
        })
    }
}

impl Loudspeaker {
    /// The loudspeaker of this name, or whose name holds it, or the system's default. Nothing is opened yet.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: Option<&str>) -> Result<Self, DeviceError> {
        system::loudspeaker(name).map_err(|why| refusal("loudspeaker", name, &why, loudspeakers()))?;
        Ok(Self {
            name: name.map(str::to_owned),
            voice_processing: None,
            card: None,
            flow: Flow::new(FixedSide::Input),
        })
    }
}

/// Why a card cannot be used, with the names of those that are there, in case of a typing error.
fn refusal(what: &str, name: Option<&str>, why: &cpal::Error, there: Result<Vec<Card>, DeviceError>) -> DeviceError {
    let there = there.unwrap_or_default();
    match name {
        Some(name) if !there.iter().any(|card| system::matches(&card.name, name)) => {
            let names: Vec<&str> = there.iter().map(|card| card.name.as_str()).collect();
            DeviceError(format!("there is no {what} called {name}, but: {}", names.join(", ")))
        }
        // ALSA names cards that are not there, or that another program has.
        _ => DeviceError(format!("no {what} is to be had on this machine: {}", card_thread::describe(why))),
    }
}

// ---- between card and call -------------------------------------------------------------------------------------------

/// How audio gets from one clock to the other.
struct Flow {
    fixed: FixedSide,
    rate: u32,
    drift: DriftCompensator,
    /// What waits beyond what should, in seconds, over the last turns.
    excess: f64,
    /// There was enough to begin with.
    begun: bool,
    /// What waited when we last looked.
    left: usize,
    idle: u32,
}

impl Flow {
    fn new(fixed: FixedSide) -> Self {
        Self {
            fixed,
            rate: SAMPLE_RATE,
            drift: DriftCompensator::new(fixed),
            excess: 0.0,
            begun: false,
            left: 0,
            idle: 0,
        }
    }

    fn opened(&mut self, rate: u32) {
        let drift = match self.fixed {
            FixedSide::Output => DriftCompensator::between(self.fixed, rate, SAMPLE_RATE),
            FixedSide::Input => DriftCompensator::between(self.fixed, SAMPLE_RATE, rate),
        };
        // A card of 0 Hz gives nothing, and is taken for gone.
        let drift = drift.unwrap_or_else(|_| DriftCompensator::new(self.fixed));
        *self = Self { rate, drift, ..Self::new(self.fixed) };
    }

    fn measure(&mut self, waiting: usize) {
        let excess = waiting as f64 / f64::from(self.rate) - WAITING;
        self.excess += (excess - self.excess) * SMOOTH;
    }

    fn should_wait(&self) -> usize {
        (WAITING * f64::from(self.rate)) as usize
    }

    fn may_wait(&self) -> usize {
        (MAX_WAITING * f64::from(self.rate)) as usize
    }

    /// True if a card has been idle for too long.
    fn is_dead(&mut self, idle: bool) -> bool {
        self.idle = if idle { self.idle + 1 } else { 0 };
        self.idle == PATIENCE
    }
}

impl AudioSource for Microphone {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        let card = self.card.get_or_insert_with(|| system::open_microphone(self.name.clone()));
        if let Some(rate) = card.renewed() {
            self.waiting.clear();
            self.flow.opened(rate);
        }
        let came = card.end.as_mut().map_or(0, |end| take(end, &mut self.waiting));
        if self.flow.is_dead(came == 0 && card.end.is_some()) {
            card.fail("no sound comes from it");
        }
        let (needed, spare) = (self.flow.drift.needs(), self.flow.should_wait());
        let excess = self.waiting.len().saturating_sub(needed + self.flow.may_wait());
        self.waiting.drain(..excess); // The newest counts.
        self.flow.begun = self.waiting.len() >= if self.flow.begun { needed } else { needed + spare };
        if !self.flow.begun {
            *frame = [0; FRAME];
            return Ok(());
        }
        self.flow.measure(self.waiting.len() - needed);
        let sound = self.flow.drift.resample(&mut self.waiting, self.flow.excess);
        frame.iter_mut().zip(sound).for_each(|(sample, sound)| *sample = rounded(*sound));
        if let Some(voice_processing) = &self.voice_processing {
            voice_processing.lock().unwrap_or_else(PoisonError::into_inner).captured(frame);
        }
        Ok(())
    }

    fn release(&mut self) {
        self.card = None;
    }

    fn poll_notice(&mut self) -> Option<DeviceError> {
        self.card.as_mut().and_then(CardThread::poll_notice)
    }
}

fn take(end: &mut Consumer<f32>, waiting: &mut VecDeque<i16>) -> usize {
    let there = end.slots();
    let chunk = end.read_chunk(there).expect("as many are there");
    waiting.extend(chunk.into_iter().map(|sample| rounded(sample * 32_768.0)));
    there
}

impl AudioSink for Loudspeaker {
    fn put(&mut self, frame: &AudioFrame) -> Result<(), DeviceError> {
        if let Some(voice_processing) = &self.voice_processing {
            voice_processing.lock().unwrap_or_else(PoisonError::into_inner).played(frame);
        }
        let card = self.card.get_or_insert_with(|| system::open_loudspeaker(self.name.clone()));
        if let Some(rate) = card.renewed() {
            self.flow.opened(rate);
        }
        let Some(end) = &mut card.end else { return Ok(()) };
        let waiting = RING - end.slots();
        if waiting == 0 {
            // It ran dry, or begins: a little silence ahead, or it would run dry again.
            push(end, std::iter::repeat_n(0.0, self.flow.should_wait()));
        }
        if self.flow.is_dead(waiting >= self.flow.left && waiting > 0) {
            card.fail("it takes no sound");
            return Ok(());
        }
        self.flow.left = waiting;
        if waiting > self.flow.may_wait() {
            return Ok(()); // This frame is left out.
        }
        self.flow.measure(waiting);
        let sound = self.flow.drift.resample(&mut frame.iter().copied().collect(), self.flow.excess);
        push(end, sound.iter().map(|sample| sample / 32_768.0));
        self.flow.left = RING - end.slots();
        Ok(())
    }

    fn release(&mut self) {
        self.card = None;
    }

    fn poll_notice(&mut self) -> Option<DeviceError> {
        self.card.as_mut().and_then(CardThread::poll_notice)
    }
}
