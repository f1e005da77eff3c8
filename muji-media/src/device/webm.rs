//! WebM files, such as our recordings: VP8 for [`super::video_file`], and Opus.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use matroska_demuxer::{DemuxError, Frame as Block, MatroskaFile, TrackType};

use super::interface::{AudioSource, DeviceError};
use super::track::{EncodedSample, Track, TrackKind, VideoFileError};
use crate::audio::frame::{AudioFrame, SAMPLE_RATE};
use crate::codec::opus::Decoder;

/// Longest silence between two packets that is played as one; more is nonsense.
const MAX_GAP: Duration = Duration::from_secs(60);

/// Packets decoded for 20 ms of audio: those of Opus are no shorter than 2.5 ms, and some may be no Opus.
const MAX_AT_ONCE: usize = 64;

/// One track of a WebM file.
pub(crate) struct WebmTrack {
    path: PathBuf,
    file: MatroskaFile<BufReader<File>>,
    number: u64,
    /// What a tick lasts, in ns.
    scale: u64,
    length: Option<Duration>,
}

impl WebmTrack {
    pub(crate) fn open(path: &Path, wanted: TrackKind) -> Result<Self, VideoFileError> {
        let file = open(path).map_err(|why| VideoFileError::Unreadable { path: path.to_owned(), why })?;
        let (kind, name, codec) = match wanted {
            TrackKind::Video => (TrackType::Video, "video", "V_VP8"),
            TrackKind::Audio => (TrackType::Audio, "sound", "A_OPUS"),
        };
        let wrong = |found: String| VideoFileError::Codec { path: path.to_owned(), found };
        let of_kind = || file.tracks().iter().filter(|track| track.track_type() == kind);
        let Some(track) = of_kind().find(|track| track.codec_id() == codec) else {
            let other = of_kind().next().map(|track| format!("{name} in {}", track.codec_id()));
            return Err(wrong(other.unwrap_or_else(|| format!("no {name}"))));
        };
        let (number, scale) = (track.track_number().get(), file.info().timestamp_scale().get());
        let ns = file.info().duration().map(|ticks| ticks * scale as f64).filter(|ns| *ns > 0.0);
        let length = ns.and_then(|ns| Duration::try_from_secs_f64(ns / 1e9).ok());
        Ok(Self { path: path.to_owned(), file, number, scale, length })
    }
}

fn open(path: &Path) -> Result<MatroskaFile<BufReader<File>>, String> {
    let file = File::open(path).map_err(|why| why.to_string())?;
    MatroskaFile::open(BufReader::new(file)).map_err(|why| format!("it is no WebM file: {}", said(&why)))
}

/// The reader's own words hide what the system says.
fn said(why: &DemuxError) -> String {
    if let DemuxError::IoError(why) = why { why.to_string() } else { why.to_string() }
}

impl Track for WebmTrack {
    fn next(&mut self) -> Result<Option<EncodedSample>, String> {
        let mut block = Block::default();
        loop {
            match self.file.next_frame(&mut block) {
                Ok(true) if block.track == self.number => {
                    let at = Duration::from_nanos(block.timestamp.saturating_mul(self.scale));
                    return Ok(Some(EncodedSample { at, bytes: block.data }));
                }
                Ok(true) => {}
                Ok(false) => return Ok(None),
                // The recording was interrupted in the middle of a block.
                Err(DemuxError::IoError(why)) if why.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                Err(why) => return Err(said(&why)),
            }
        }
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.file = open(&self.path)?;
        Ok(())
    }

    fn length(&self) -> Option<Duration> {
        self.length
    }
}

/// The audio of a WebM file, played again and again.
pub struct WebmSound {
    track: WebmTrack,
    decoder: Decoder,
    /// Decoded and not played yet, and how many samples of the file came before their end.
    sound: VecDeque<i16>,
    decoded: u64,
}

impl WebmSound {
    /// Opens a file.
    ///
    /// # Errors
    /// If it is not there, or holds no Opus.
    pub fn open(path: &Path) -> Result<Self, VideoFileError> {
        let track = WebmTrack::open(path, TrackKind::Audio)?;
        let unreadable = |why: String| VideoFileError::Unreadable { path: path.to_owned(), why };
        let decoder = Decoder::new().map_err(|why| unreadable(why.to_string()))?;
        Ok(Self { track, decoder, sound: VecDeque::new(), decoded: 0 })
    }

    /// Decodes the next packet, or starts again.
    fn advance(&mut self) -> Result<(), String> {
        let Some(EncodedSample { at, bytes }) = self.track.next()? else {
            self.silence_until(self.track.length.unwrap_or_default());
            self.decoded = 0;
            return self.track.rewind();
        };
        self.silence_until(at);
        // What is no Opus is a gap.
        let decoded = self.decoder.decode(&bytes).unwrap_or_default();
        self.decoded += decoded.len() as u64;
        self.sound.extend(decoded);
        Ok(())
    }

    /// Nothing was recorded while the participant was away.
    fn silence_until(&mut self, at: Duration) {
        let at = u64::try_from(at.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000).unwrap_or(u64::MAX);
        let missing = at.saturating_sub(self.decoded);
        // Timestamps of whole milliseconds are no gaps.
        if missing > u64::from(SAMPLE_RATE / 50) && missing <= MAX_GAP.as_secs() * u64::from(SAMPLE_RATE) {
            self.sound.extend(std::iter::repeat_n(0, usize::try_from(missing).unwrap_or_default()));
            self.decoded = at;
        }
    }
}

impl AudioSource for WebmSound {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        for _ in 0..MAX_AT_ONCE {
            if self.sound.len() >= frame.len() {
                break;
            }
            self.advance().map_err(|why| DeviceError(format!("{}: {why}", self.track.path.display())))?;
        }
        frame.iter_mut().for_each(|sample| *sample = self.sound.pop_front().unwrap_or_default());
        Ok(())
    }
}
