//! What the system has: its cards by name, and samples from and to them, by cpal.

use std::sync::mpsc::SyncSender;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, Error, ErrorKind, FromSample, Sample, SampleFormat, SizedSample, StreamConfig,
    SupportedStreamConfig, SupportedStreamConfigRange,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::card_thread::{CardEvent, CardThread, OPENING, Opened, describe, spawn};
use crate::audio::frame::SAMPLE_RATE;
use crate::device::DeviceError;

/// Samples on their way between card and call, at most: a third of a second at 48 kHz. More is left out.
pub(super) const RING: usize = 16_384;

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
pub fn microphones() -> Result<Vec<Card>, DeviceError> {
    let host = cpal::default_host();
    let default = host.default_input_device().map(|device| device.to_string());
    list(host.input_devices(), default)
}

/// All loudspeakers.
///
/// # Errors
/// If the sound system does not answer.
pub fn loudspeakers() -> Result<Vec<Card>, DeviceError> {
    let host = cpal::default_host();
    let default = host.default_output_device().map(|device| device.to_string());
    list(host.output_devices(), default)
}

fn list(
    devices: Result<impl Iterator<Item = Device>, Error>,
    default: Option<String>,
) -> Result<Vec<Card>, DeviceError> {
    let devices = devices.map_err(|why| DeviceError(format!("the sound system does not answer: {why}")))?;
    let names = devices.map(|device| device.to_string());
    Ok(names.map(|name| Card { is_default: Some(&name) == default.as_ref(), name }).collect())
}

/// True if a card of this name is meant.
pub(super) fn matches(name: &str, wanted: &str) -> bool {
    name.to_lowercase().contains(&wanted.to_lowercase())
}

/// A card to the microphone of this name, or to the default one.
pub(super) fn open_microphone(name: Option<String>) -> CardThread<Consumer<f32>> {
    spawn("microphone", move |events| {
        let (device, usual) = microphone(name.as_deref())?;
        let config = config(&usual, device.supported_input_configs().into_iter().flatten());
        match usual.sample_format() {
            SampleFormat::F32 => record::<f32>(&device, config, events),
            SampleFormat::I16 => record::<i16>(&device, config, events),
            SampleFormat::I32 => record::<i32>(&device, config, events),
            _ => Err(unsupported(&usual)),
        }
    })
}

/// A card to the loudspeaker of this name, or to the default one.
pub(super) fn open_loudspeaker(name: Option<String>) -> CardThread<Producer<f32>> {
    spawn("loudspeaker", move |events| {
        let (device, usual) = loudspeaker(name.as_deref())?;
        let config = config(&usual, device.supported_output_configs().into_iter().flatten());
        match usual.sample_format() {
            SampleFormat::F32 => play::<f32>(&device, config, events),
            SampleFormat::I16 => play::<i16>(&device, config, events),
            SampleFormat::I32 => play::<i32>(&device, config, events),
            _ => Err(unsupported(&usual)),
        }
    })
}

/// The microphone of this name, or the default one, and its default configuration.
pub(super) fn microphone(name: Option<&str>) -> Result<(Device, SupportedStreamConfig), Error> {
    let host = cpal::default_host();
    let device = find(name, host.default_input_device(), host.input_devices())?;
    let usual = device.default_input_config()?;
    Ok((device, usual))
}

/// The loudspeaker of this name, or the default one, and its default configuration.
pub(super) fn loudspeaker(name: Option<&str>) -> Result<(Device, SupportedStreamConfig), Error> {
    let host = cpal::default_host();
    let device = find(name, host.default_output_device(), host.output_devices())?;
    let usual = device.default_output_config()?;
    Ok((device, usual))
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
        range.sample_format() == usual.sample_format() && rates.contains(&SAMPLE_RATE)
    });
    let sample_rate = if fitting { SAMPLE_RATE } else { usual.sample_rate() };
    StreamConfig { channels: usual.channels(), sample_rate, buffer_size: BufferSize::Fixed(sample_rate / 50) }
}

fn unsupported(usual: &SupportedStreamConfig) -> Error {
    let text = format!("it speaks {}, which is not known here", usual.sample_format());
    Error::with_message(ErrorKind::UnsupportedConfig, text)
}

fn record<T: SizedSample>(
    device: &Device,
    config: StreamConfig,
    events: SyncSender<CardEvent>,
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
    let stream = device.build_input_stream(config, captured, faults(events), Some(OPENING))?;
    stream.play()?;
    Ok((stream, Opened { end, rate }))
}

fn play<T: SizedSample + FromSample<f32>>(
    device: &Device,
    config: StreamConfig,
    events: SyncSender<CardEvent>,
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
    let stream = device.build_output_stream(config, wanted, faults(events), Some(OPENING))?;
    stream.play()?;
    Ok((stream, Opened { end, rate }))
}

/// Reports the faults after which a card must be opened again; it recovers from others by itself.
fn faults(events: SyncSender<CardEvent>) -> impl FnMut(Error) + Send + 'static {
    move |error| {
        let passing = matches!(error.kind(), ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied | ErrorKind::Xrun);
        if !passing {
            let _known_already = events.try_send(CardEvent::Fault(describe(&error))).is_err();
        }
    }
}

/// What finds no place is left out.
pub(super) fn push(end: &mut Producer<f32>, samples: impl ExactSizeIterator<Item = f32>) {
    let room = end.slots().min(samples.len());
    end.write_chunk_uninit(room).expect("as many are free").fill_from_iter(samples);
}
