//! Microphones and loudspeakers, by cpal.
//!
//! A card is opened when the call first needs it, by a thread of its own that holds it, notices when it is gone, and tries
//! each second to have it back; meanwhile the microphone is silent and the loudspeaker swallows. Cards have clocks of their
//! own: a [`Clutch`] keeps what waits between card and call as short as it should be.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, Error, ErrorKind, FromSample, Sample, SampleFormat, SizedSample, StreamConfig,
    SupportedStreamConfig, SupportedStreamConfigRange,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::voice::Voice;
use super::{Sink, Source, Trouble};
use crate::clutch::{Clutch, Fixed, rounded};
use crate::sound::{FRAME, Frame, RATE};

/// Between two attempts to have a card back.
const RETRY: Duration = Duration::from_secs(1);

/// Attempts in a row, some minutes, until a card is given up; one that hangs costs a thread.
const MAX_ATTEMPTS: u32 = 300;

/// How long a sound system may take to open a card.
const OPENING: Duration = Duration::from_secs(5);

/// Samples on their way between card and call, at most: a third of a second at 48 kHz. More is left out.
const RING: usize = 16_384;

/// What should wait between card and call: cards take and give 10 to 20 ms at once.
const WAITING: f64 = 0.020;

/// The share of a turn in the measured wait: two seconds count.
const SMOOTH: f64 = 0.01;

/// The most that may wait, where stretching would take minutes to work it off: cards begin late, and sleep.
const MAX_WAITING: f64 = 0.100;

/// Frames without a sample to or from a card that is open: four seconds, then it is taken for gone. A card that slept
/// takes two to wake up (PulseAudio's null sink).
const PATIENCE: u32 = 200;

/// Words between a card and its thread.
const WORDS: usize = 16;

/// A card as the system names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// The one that is used if none is named.
    pub is_default: bool,
}

/// All microphones, and everything else that can be listened to.
///
/// # Errors
/// If the sound system does not answer.
pub fn microphones() -> Result<Vec<Card>, Trouble> {
    let host = cpal::default_host();
    let default = host.default_input_device().map(|device| device.to_string());
    list(host.input_devices(), default)
}

/// All loudspeakers.
///
/// # Errors
/// If the sound system does not answer.
pub fn loudspeakers() -> Result<Vec<Card>, Trouble> {
    let host = cpal::default_host();
    let default = host.default_output_device().map(|device| device.to_string());
    list(host.output_devices(), default)
}

fn list(devices: Result<impl Iterator<Item = Device>, Error>, default: Option<String>) -> Result<Vec<Card>, Trouble> {
    let devices = devices.map_err(|why| Trouble(format!("the sound system does not answer: {why}")))?;
    let names = devices.map(|device| device.to_string());
    Ok(names.map(|name| Card { is_default: Some(&name) == default.as_ref(), name }).collect())
}

/// Where sound comes from.
pub struct Microphone {
    name: Option<String>,
    voice: Option<Arc<Mutex<Voice>>>,
    line: Option<Line<Consumer<f32>>>,
    /// What came and was not taken yet.
    waiting: VecDeque<i16>,
    flow: Flow,
}

/// Where sound goes to.
pub struct Loudspeaker {
    name: Option<String>,
    voice: Option<Arc<Mutex<Voice>>>,
    line: Option<Line<Producer<f32>>>,
    flow: Flow,
}

/// Both at once, each by name or the system's default, with the echo of one taken out of the other.
///
/// # Errors
/// If there is no such card; nothing is opened yet.
pub fn both(microphone: Option<&str>, loudspeaker: Option<&str>) -> Result<(Microphone, Loudspeaker), Trouble> {
    let voice = Arc::new(Mutex::new(Voice::new()));
    let (mut source, mut sink) = (Microphone::named(microphone)?, Loudspeaker::named(loudspeaker)?);
    (source.voice, sink.voice) = (Some(voice.clone()), Some(voice));
    Ok((source, sink))
}

impl Microphone {
    /// The microphone of this name, or whose name holds it, or the system's default. Nothing is opened yet.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: Option<&str>) -> Result<Self, Trouble> {
        known("microphone", name, &microphones()?)?;
        let host = cpal::default_host();
        let found = find(name, host.default_input_device(), host.input_devices());
        found.and_then(|device| device.default_input_config()).map_err(|why| unusable("microphone", &why))?;
        let name = name.map(str::to_owned);
        Ok(Self { name, voice: None, line: None, waiting: VecDeque::new(), flow: Flow::new(Fixed::Output) })
    }
}

impl Loudspeaker {
    /// The loudspeaker of this name, or whose name holds it, or the system's default. Nothing is opened yet.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: Option<&str>) -> Result<Self, Trouble> {
        known("loudspeaker", name, &loudspeakers()?)?;
        let host = cpal::default_host();
        let found = find(name, host.default_output_device(), host.output_devices());
        found.and_then(|device| device.default_output_config()).map_err(|why| unusable("loudspeaker", &why))?;
        Ok(Self { name: name.map(str::to_owned), voice: None, line: None, flow: Flow::new(Fixed::Input) })
    }
}

fn known(what: &str, name: Option<&str>, cards: &[Card]) -> Result<(), Trouble> {
    match name {
        None if cards.is_empty() => Err(Trouble(format!("no {what} is to be had on this machine"))),
        Some(name) if !cards.iter().any(|card| matches(&card.name, name)) => {
            let names: Vec<&str> = cards.iter().map(|card| card.name.as_str()).collect();
            Err(Trouble(format!("there is no {what} called {name}, but: {}", names.join(", "))))
        }
        _ => Ok(()),
    }
}

/// ALSA names cards that are not there, or that another program has.
fn unusable(what: &str, why: &Error) -> Trouble {
    Trouble(format!("no {what} is to be had on this machine: {}", spoken(why)))
}

fn matches(name: &str, wanted: &str) -> bool {
    name.to_lowercase().contains(&wanted.to_lowercase())
}

// ---- between card and call -------------------------------------------------------------------------------------------

/// How sound gets from one clock to the other.
struct Flow {
    fixed: Fixed,
    rate: u32,
    clutch: Clutch,
    /// What waits beyond what should, in seconds, over the last turns.
    excess: f64,
    /// There was enough to begin with.
    begun: bool,
    /// What waited when we last looked.
    left: usize,
    idle: u32,
}

impl Flow {
    fn new(fixed: Fixed) -> Self {
        Self { fixed, rate: RATE, clutch: Clutch::new(fixed), excess: 0.0, begun: false, left: 0, idle: 0 }
    }

    fn opened(&mut self, rate: u32) {
        let clutch = match self.fixed {
            Fixed::Output => Clutch::between(self.fixed, rate, RATE),
            Fixed::Input => Clutch::between(self.fixed, RATE, rate),
        };
        // A card of 0 Hz gives nothing, and is taken for gone.
        let clutch = clutch.unwrap_or_else(|_| Clutch::new(self.fixed));
        *self = Self { rate, clutch, ..Self::new(self.fixed) };
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

impl Source for Microphone {
    fn fill(&mut self, frame: &mut Frame) -> Result<(), Trouble> {
        let line = self.line.get_or_insert_with(|| open_microphone(self.name.clone()));
        if let Some(rate) = line.renewed() {
            self.waiting.clear();
            self.flow.opened(rate);
        }
        let came = line.end.as_mut().map_or(0, |end| take(end, &mut self.waiting));
        if self.flow.is_dead(came == 0 && line.end.is_some()) {
            line.fail("no sound comes from it");
        }
        let (needed, spare) = (self.flow.clutch.needs(), self.flow.should_wait());
        let excess = self.waiting.len().saturating_sub(needed + self.flow.may_wait());
        self.waiting.drain(..excess); // The newest counts.
        self.flow.begun = self.waiting.len() >= if self.flow.begun { needed } else { needed + spare };
        if !self.flow.begun {
            *frame = [0; FRAME];
            return Ok(());
        }
        self.flow.measure(self.waiting.len() - needed);
        let sound = self.flow.clutch.turn(&mut self.waiting, self.flow.excess);
        frame.iter_mut().zip(sound).for_each(|(sample, sound)| *sample = rounded(*sound));
        if let Some(voice) = &self.voice {
            voice.lock().unwrap_or_else(PoisonError::into_inner).captured(frame);
        }
        Ok(())
    }

    fn rest(&mut self) {
        self.line = None;
    }

    fn news(&mut self) -> Option<Trouble> {
        self.line.as_mut().and_then(Line::news)
    }
}

fn take(end: &mut Consumer<f32>, waiting: &mut VecDeque<i16>) -> usize {
    let there = end.slots();
    let chunk = end.read_chunk(there).expect("as many are there");
    waiting.extend(chunk.into_iter().map(|sample| rounded(sample * 32_768.0)));
    there
}

impl Sink for Loudspeaker {
    fn put(&mut self, frame: &Frame) -> Result<(), Trouble> {
        if let Some(voice) = &self.voice {
            voice.lock().unwrap_or_else(PoisonError::into_inner).played(frame);
        }
        let line = self.line.get_or_insert_with(|| open_loudspeaker(self.name.clone()));
        if let Some(rate) = line.renewed() {
            self.flow.opened(rate);
        }
        let Some(end) = &mut line.end else { return Ok(()) };
        let waiting = RING - end.slots();
        if waiting == 0 {
            // It ran dry, or begins: a little silence ahead, or it would run dry again.
            push(end, std::iter::repeat_n(0.0, self.flow.should_wait()));
        }
        if self.flow.is_dead(waiting >= self.flow.left && waiting > 0) {
            line.fail("it takes no sound");
            return Ok(());
        }
        self.flow.left = waiting;
        if waiting > self.flow.may_wait() {
            return Ok(()); // This frame is left out.
        }
        self.flow.measure(waiting);
        let sound = self.flow.clutch.turn(&mut frame.iter().copied().collect(), self.flow.excess);
        push(end, sound.iter().map(|sample| sample / 32_768.0));
        self.flow.left = RING - end.slots();
        Ok(())
    }

    fn rest(&mut self) {
        self.line = None;
    }

    fn news(&mut self) -> Option<Trouble> {
        self.line.as_mut().and_then(Line::news)
    }
}

/// What finds no place is left out.
fn push(end: &mut Producer<f32>, samples: impl ExactSizeIterator<Item = f32>) {
    let room = end.slots().min(samples.len());
    end.write_chunk_uninit(room).expect("as many are free").fill_from_iter(samples);
}

// ---- the thread that holds a card ------------------------------------------------------------------------------------

enum Word {
    Fault(String),
    Stop,
}

struct Opened<E> {
    end: E,
    rate: u32,
}

/// A card and the thread that holds it. Dropped, it lets the card go.
struct Line<E> {
    end: Option<E>,
    opened: Receiver<Opened<E>>,
    news: Receiver<Trouble>,
    words: SyncSender<Word>,
}

impl<E> Line<E> {
    /// The rate of a card that was opened since the last question.
    fn renewed(&mut self) -> Option<u32> {
        match self.opened.try_recv() {
            Ok(Opened { end, rate }) => {
                self.end = Some(end);
                Some(rate)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    fn news(&mut self) -> Option<Trouble> {
        self.news.try_recv().ok()
    }

    fn fail(&mut self, why: &str) {
        self.end = None;
        let _busy = self.words.try_send(Word::Fault(why.to_owned())).is_err(); // It has faults enough.
    }
}

impl<E> Drop for Line<E> {
    fn drop(&mut self) {
        // A thread that is full of faults ends with the next word it fails to say.
        let _full = self.words.try_send(Word::Stop).is_err();
    }
}

/// Opens a card; called in a thread of its own, since a sound system may never answer.
type Open<E> = Arc<dyn Fn(SyncSender<Word>) -> Result<(cpal::Stream, Opened<E>), Error> + Send + Sync>;

fn tend<E: Send + 'static>(
    what: &'static str,
    open: impl Fn(SyncSender<Word>) -> Result<(cpal::Stream, Opened<E>), Error> + Send + Sync + 'static,
) -> Line<E> {
    let open: Open<E> = Arc::new(open);
    let ((opened, to_open), (news, to_tell)) = (sync_channel(1), sync_channel(WORDS));
    let (words, said) = sync_channel(WORDS);
    let (own_words, told) = (words.clone(), news.clone());
    let tending = move || hold(what, &open, &own_words, &said, &opened, &news);
    if std::thread::Builder::new().name(format!("muji-{what}")).spawn(tending).is_err() {
        let _told_before = told.try_send(Trouble(format!("the system gives no thread for the {what}"))).is_err();
    }
    Line { end: None, opened: to_open, news: to_tell, words }
}

/// Opens within the time for it. An attempt that hangs is left to itself, and lets its card go if it ever ends.
fn open_in_time<E: Send + 'static>(
    open: &Open<E>,
    words: &SyncSender<Word>,
) -> Result<(cpal::Stream, Opened<E>), Error> {
    let ((done, ended), open, words) = (sync_channel(1), open.clone(), words.clone());
    let attempt = move || drop(done.send(open(words)));
    let no_thread = |why: std::io::Error| Error::with_message(ErrorKind::ResourceExhausted, why.to_string());
    std::thread::Builder::new().spawn(attempt).map_err(no_thread)?;
    let hangs = |_| Error::with_message(ErrorKind::HostUnavailable, "the sound system does not answer");
    ended.recv_timeout(OPENING).map_err(hangs)?
}

fn hold<E: Send + 'static>(
    what: &str,
    open: &Open<E>,
    words: &SyncSender<Word>,
    said: &Receiver<Word>,
    opened: &SyncSender<Opened<E>>,
    news: &SyncSender<Trouble>,
) {
    let (mut missing, mut attempts) = (false, 0);
    // Who does not fetch the news misses some.
    let tell = |text: String| drop(news.try_send(Trouble(text)));
    while attempts < MAX_ATTEMPTS {
        attempts += 1;
        let why = match open_in_time(open, words) {
            Ok((stream, ready)) => {
                attempts = 0;
                if std::mem::take(&mut missing) {
                    tell(format!("the {what} is back"));
                }
                if opened.send(ready).is_err() {
                    return;
                }
                let word = said.recv();
                // PulseAudio may never answer for a card that is gone (cpal 0.18), so nothing waits for it.
                let _dropped_here = std::thread::Builder::new().spawn(move || drop(stream)).is_err();
                match word {
                    Ok(Word::Fault(why)) => why,
                    Ok(Word::Stop) | Err(_) => return,
                }
            }
            Err(why) => spoken(&why),
        };
        if !std::mem::replace(&mut missing, true) {
            tell(format!("the {what} is not to be had: {why}; trying again each second"));
        }
        match said.recv_timeout(RETRY) {
            Err(RecvTimeoutError::Timeout) | Ok(Word::Fault(_)) => {}
            Err(RecvTimeoutError::Disconnected) | Ok(Word::Stop) => return,
        }
    }
    tell(format!("the {what} is given up"));
}

fn spoken(error: &Error) -> String {
    match error.kind() {
        ErrorKind::DeviceBusy => "another program uses it".to_owned(),
        ErrorKind::DeviceNotAvailable => "it is not there".to_owned(),
        ErrorKind::PermissionDenied => "this user may not use it".to_owned(),
        _ => error.to_string(),
    }
}

// ---- cpal ------------------------------------------------------------------------------------------------------------

fn open_microphone(name: Option<String>) -> Line<Consumer<f32>> {
    tend("microphone", move |words| {
        let host = cpal::default_host();
        let device = find(name.as_deref(), host.default_input_device(), host.input_devices())?;
        let usual = device.default_input_config()?;
        let config = config(&usual, device.supported_input_configs().into_iter().flatten());
        match usual.sample_format() {
            SampleFormat::F32 => record::<f32>(&device, config, words),
            SampleFormat::I16 => record::<i16>(&device, config, words),
            SampleFormat::I32 => record::<i32>(&device, config, words),
            _ => Err(unsupported(&usual)),
        }
    })
}

fn open_loudspeaker(name: Option<String>) -> Line<Producer<f32>> {
    tend("loudspeaker", move |words| {
        let host = cpal::default_host();
        let device = find(name.as_deref(), host.default_output_device(), host.output_devices())?;
        let usual = device.default_output_config()?;
        let config = config(&usual, device.supported_output_configs().into_iter().flatten());
        match usual.sample_format() {
            SampleFormat::F32 => play::<f32>(&device, config, words),
            SampleFormat::I16 => play::<i16>(&device, config, words),
            SampleFormat::I32 => play::<i32>(&device, config, words),
            _ => Err(unsupported(&usual)),
        }
    })
}

fn find(
    name: Option<&str>,
    default: Option<Device>,
    all: Result<impl Iterator<Item = Device>, Error>,
) -> Result<Device, Error> {
    let found = match name {
        None => default,
        Some(name) => all?.find(|device| matches(&device.to_string(), name)),
    };
    found.ok_or_else(|| Error::with_message(ErrorKind::DeviceNotAvailable, "it is not there"))
}

/// 48 kHz where the card can, in small pieces.
fn config(usual: &SupportedStreamConfig, mut ranges: impl Iterator<Item = SupportedStreamConfigRange>) -> StreamConfig {
    let fitting = ranges.any(|range| {
        let rates = range.min_sample_rate()..=range.max_sample_rate();
        range.sample_format() == usual.sample_format() && rates.contains(&RATE)
    });
    let sample_rate = if fitting { RATE } else { usual.sample_rate() };
    StreamConfig { channels: usual.channels(), sample_rate, buffer_size: BufferSize::Fixed(sample_rate / 50) }
}

fn unsupported(usual: &SupportedStreamConfig) -> Error {
    let text = format!("it speaks {}, which is not known here", usual.sample_format());
    Error::with_message(ErrorKind::UnsupportedConfig, text)
}

fn record<T: SizedSample>(
    device: &Device,
    config: StreamConfig,
    words: SyncSender<Word>,
) -> Result<(cpal::Stream, Opened<Consumer<f32>>), Error>
where
    f32: FromSample<T>,
{
    let (mut into, end) = RingBuffer::new(RING);
    let channels = usize::from(config.channels.max(1));
    let rate = config.sample_rate;
    let captured = move |samples: &[T], _: &_| {
        let mean =
            |together: &[T]| together.iter().map(|sample| f32::from_sample(*sample)).sum::<f32>() / channels as f32;
        push(&mut into, samples.chunks_exact(channels).map(mean));
    };
    let stream = device.build_input_stream(config, captured, faults(words), Some(OPENING))?;
    stream.play()?;
    Ok((stream, Opened { end, rate }))
}

fn play<T: SizedSample + FromSample<f32>>(
    device: &Device,
    config: StreamConfig,
    words: SyncSender<Word>,
) -> Result<(cpal::Stream, Opened<Producer<f32>>), Error> {
    let (end, mut from) = RingBuffer::new(RING);
    let channels = usize::from(config.channels.max(1));
    let rate = config.sample_rate;
    let wanted = move |samples: &mut [T], _: &_| {
        for together in samples.chunks_exact_mut(channels) {
            let sample = from.pop().unwrap_or(0.0);
            together.fill(T::from_sample(sample));
        }
    };
    let stream = device.build_output_stream(config, wanted, faults(words), Some(OPENING))?;
    stream.play()?;
    Ok((stream, Opened { end, rate }))
}

/// Faults after which a card must be opened anew; of the others it recovers by itself.
fn faults(words: SyncSender<Word>) -> impl FnMut(Error) + Send + 'static {
    move |error| {
        let passing = matches!(error.kind(), ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied | ErrorKind::Xrun);
        if !passing {
            let _known_already = words.try_send(Word::Fault(spoken(&error))).is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_card_is_said_in_words() {
        for (kind, words) in [
            (ErrorKind::DeviceBusy, "another program uses it"),
            (ErrorKind::DeviceNotAvailable, "it is not there"),
            (ErrorKind::PermissionDenied, "this user may not use it"),
        ] {
            assert_eq!(spoken(&Error::with_message(kind, "snd_pcm_open: -16")), words);
        }
    }

    #[test]
    fn a_card_that_is_busy_is_told_once_and_tried_again_until_nobody_wants_it() {
        let attempts = Arc::new(Mutex::new(0));
        let counted = attempts.clone();
        let mut line: Line<()> = tend("microphone", move |_| {
            *counted.lock().unwrap() += 1;
            Err(Error::with_message(ErrorKind::DeviceBusy, ""))
        });
        let news = line.news.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(news.0, "the microphone is not to be had: another program uses it; trying again each second");
        assert!(line.news.recv_timeout(RETRY * 3 / 2).is_err(), "told once");
        assert!(*attempts.lock().unwrap() >= 2);
        assert_eq!(line.renewed(), None);
    }
}
