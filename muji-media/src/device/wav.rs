//! WAV files.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::interface::{AudioSink, AudioSource, DeviceError};
use crate::audio::frame::{AudioFrame, FRAME, SAMPLE_RATE};

/// Longest file that is read: an hour of one channel.
const MAX_SAMPLES: u32 = 3600 * SAMPLE_RATE;

/// Frames between two updates of a recording's header: what is written survives a crash but for a second.
const FLUSH: u32 = 50;

/// A file cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WavFault {
    /// Not there, not ours to read, or no WAV file.
    #[error("{path} cannot be read as a WAV file: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system or the reader says.
        why: String,
    },
    /// A form that is not sent as it is.
    #[error(
        "{path} has {found}; convert it to 48000 Hz with 16 bits, for example with: sox {path} -r 48000 -b 16 out.wav"
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: String,
    },
    /// Nothing in it, or too much.
    #[error("{path} holds {found} samples; between 1 and {MAX_SAMPLES} can be sent")]
    Length {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: u32,
    },
}

/// A WAV file, played again and again.
pub struct WavSource {
    /// Left and right, or the one channel twice.
    samples: Vec<[i16; 2]>,
    next: usize,
}

impl WavSource {
    /// Reads a file of 48 kHz and 16 bits. Of more than two channels the first two are sent, and in one channel the mean of those.
    ///
    /// # Errors
    /// If it is not there, or of another form.
    pub fn open(path: &Path) -> Result<Self, WavFault> {
        let unreadable = |why: hound::Error| WavFault::Unreadable { path: path.to_owned(), why: why.to_string() };
        let reader = WavReader::open(path).map_err(unreadable)?;
        let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
        if (sample_rate, bits_per_sample, sample_format) != (SAMPLE_RATE, 16, SampleFormat::Int) {
            let found = format!("{sample_rate} Hz with {bits_per_sample} bits");
            return Err(WavFault::Form { path: path.to_owned(), found });
        }
        let length = reader.duration();
        if length == 0 || length > MAX_SAMPLES {
            return Err(WavFault::Length { path: path.to_owned(), found: length });
        }
        let samples = read(reader, usize::from(channels)).map_err(unreadable)?;
        Ok(Self { samples, next: 0 })
    }
}

fn read(reader: WavReader<BufReader<File>>, channels: usize) -> hound::Result<Vec<[i16; 2]>> {
    let all: Vec<i16> = reader.into_samples().collect::<hound::Result<_>>()?;
    let both = |together: &[i16]| [together[0], together[usize::from(together.len() > 1)]];
    Ok(all.chunks_exact(channels.max(1)).map(both).collect())
}

impl AudioSource for WavSource {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        let mut right = [0; FRAME];
        self.fill_stereo(frame, &mut right)?;
        frame.iter_mut().zip(right).for_each(|(left, right)| *left = left.midpoint(right));
        Ok(())
    }

    fn fill_stereo(&mut self, left: &mut AudioFrame, right: &mut AudioFrame) -> Result<(), DeviceError> {
        for (left, right) in left.iter_mut().zip(right) {
            [*left, *right] = self.samples[self.next];
            self.next = (self.next + 1) % self.samples.len();
        }
        Ok(())
    }
}

/// A recording.
pub struct WavSink {
    path: PathBuf,
    writer: WavWriter<BufWriter<File>>,
    frames: u32,
}

impl WavSink {
    /// Begins a file, in place of any that is there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path) -> Result<Self, DeviceError> {
        let spec =
            WavSpec { channels: 1, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        match WavWriter::create(path, spec) {
            Ok(writer) => Ok(Self { path: path.to_owned(), writer, frames: 0 }),
            Err(why) => Err(unwritable(path, &why)),
        }
    }
}

impl AudioSink for WavSink {
    fn put(&mut self, frame: &AudioFrame) -> Result<(), DeviceError> {
        let mut writer = self.writer.get_i16_writer(u32::try_from(FRAME).expect("a frame is short"));
        frame.iter().for_each(|sample| writer.write_sample(*sample));
        let mut written = writer.flush();
        self.frames += 1;
        if self.frames.is_multiple_of(FLUSH) {
            written = written.and_then(|()| self.writer.flush());
        }
        written.map_err(|why| unwritable(&self.path, &why))
    }
}

fn unwritable(path: &Path, why: &hound::Error) -> DeviceError {
    DeviceError(format!("{} cannot be written: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("muji-wav-{}-{name}.wav", std::process::id()))
    }

    #[test]
    fn what_is_recorded_can_be_sent_and_begins_again_at_its_end() {
        let path = file("again");
        let mut sink = WavSink::create(&path).unwrap();
        sink.put(&[1; FRAME]).unwrap();
        sink.put(&[2; FRAME]).unwrap();
        drop(sink);
        let mut source = WavSource::open(&path).unwrap();
        let heard = [(); 3].map(|()| {
            let mut frame = [0; FRAME];
            source.fill(&mut frame).unwrap();
            frame
        });
        assert_eq!(heard, [[1; FRAME], [2; FRAME], [1; FRAME]]);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_is_no_wav_is_named() {
        let path = file("text");
        std::fs::write(&path, "no sound at all").unwrap();
        let error = WavSource::open(&path).err().unwrap().to_string();
        assert!(error.contains("text.wav cannot be read as a WAV file"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(WavSource::open(&path), Err(WavFault::Unreadable { .. })));
    }

    #[test]
    fn another_sample_rate_is_refused_with_what_to_do() {
        let path = file("8k");
        let spec = WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        writer.write_sample(7i16).unwrap();
        writer.finalize().unwrap();
        let error = WavSource::open(&path).err().unwrap().to_string();
        assert!(error.contains("8000 Hz") && error.contains("sox"), "{error}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_damaged_file_never_panics() {
        let path = file("damaged");
        let mut sink = WavSink::create(&path).unwrap();
        sink.put(&[1; FRAME]).unwrap();
        drop(sink);
        let whole = std::fs::read(&path).unwrap();
        let header = whole.len() - 2 * FRAME;
        for (at, with) in (0..header).flat_map(|at| [0, 1, 0x7F, 0x80, 0xFF].map(|with| (at, with))) {
            let mut damaged = whole.clone();
            damaged[at] = with;
            std::fs::write(&path, damaged).unwrap();
            let Ok(mut source) = WavSource::open(&path) else { continue };
            (0..3).for_each(|_| source.fill(&mut [0; FRAME]).unwrap());
        }
        std::fs::remove_file(path).unwrap();
    }
}
