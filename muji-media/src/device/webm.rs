//! WebM files, such as our recordings: VP8, VP9 or AV1 for [`super::video_file`], and Opus.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::interface::{AudioSource, DeviceError};
use super::track::{EncodedSample, Track, TrackKind, VideoFileError};
use super::webm_reader::{TrackEntry, WebmReader};
use crate::audio::frame::{AudioFrame, SAMPLE_RATE};
use crate::codec::encoding::VideoEncoding;
use crate::codec::opus::Decoder;

/// Longest silence between two packets that is played as one; more is nonsense.
const MAX_GAP: Duration = Duration::from_secs(60);

/// Packets decoded for 20 ms of audio: those of Opus are no shorter than 2.5 ms, and some may be no Opus.
const MAX_AT_ONCE: usize = 64;

/// One track of a WebM file.
pub(crate) struct WebmTrack {
    path: PathBuf,
    file: WebmReader<BufReader<File>>,
    number: u64,
    encoding: Option<VideoEncoding>,
    length: Option<Duration>,
}

impl WebmTrack {
    pub(crate) fn open(path: &Path, wanted: TrackKind) -> Result<Self, VideoFileError> {
        let file = open(path).map_err(|why| VideoFileError::Unreadable { path: path.to_owned(), why })?;
        let (kind, name) = match wanted {
            TrackKind::Video => (TrackEntry::VIDEO, "video"),
            TrackKind::Audio => (TrackEntry::AUDIO, "sound"),
        };
        let is_known = |track: &&TrackEntry| match wanted {
            TrackKind::Video => encoding(&track.codec).is_some(),
            TrackKind::Audio => track.codec == "A_OPUS",
        };
        let wrong = |found: String| VideoFileError::Codec { path: path.to_owned(), found };
        let of_kind = || file.tracks.iter().filter(|track| track.kind == kind);
        let Some(track) = of_kind().find(is_known) else {
            let other = of_kind().next().map(|track| format!("{name} in {}", track.codec));
            return Err(wrong(other.unwrap_or_else(|| format!("no {name}"))));
        };
        let (number, encoding) = (track.number, encoding(&track.codec));
        let ns = file.duration.map(|ticks| ticks * file.scale as f64).filter(|ns| *ns > 0.0);
        let length = ns.and_then(|ns| Duration::try_from_secs_f64(ns / 1e9).ok());
        Ok(Self { path: path.to_owned(), file, number, encoding, length })
    }
}

fn encoding(codec: &str) -> Option<VideoEncoding> {
    VideoEncoding::ALL.into_iter().find(|encoding| encoding.webm_name() == Some(codec))
}

fn open(path: &Path) -> Result<WebmReader<BufReader<File>>, String> {
    let file = File::open(path).map_err(|why| why.to_string())?;
    WebmReader::open(BufReader::new(file)).map_err(|why| why.to_string())
}

impl Track for WebmTrack {
    fn encoding(&self) -> Option<VideoEncoding> {
        self.encoding
    }

    fn next(&mut self) -> Result<Option<EncodedSample>, String> {
        let block = self.file.next(self.number).map_err(|why| why.to_string())?;
        let at = |ticks: u64| Duration::from_nanos(ticks.saturating_mul(self.file.scale));
        Ok(block.map(|block| EncodedSample { at: at(block.at), bytes: block.bytes }))
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
