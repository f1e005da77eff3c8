//! Video files: VP8, VP9 or AV1 from a file, decoded and shown again and again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::interface::{DeviceError, VideoSource};
use super::ivf::Ivf;
use super::track::{EncodedSample, Track, TrackKind, VideoFileError};
use super::webm::WebmTrack;
use crate::codec::video::{VideoDecoder, VideoFault};
use crate::video::frame::INTERVAL;
use crate::video::frame::VideoFrame;

/// Frames decoded for one that is shown: a video of 300 a second keeps its pace, and a file that says nonsense cannot stop ours.
const MAX_AT_ONCE: usize = 10;

/// A video in WebM or IVF.
pub struct VideoFile {
    path: PathBuf,
    track: Box<dyn Track>,
    decoder: Box<dyn VideoDecoder>,
    size: [usize; 2],
    /// What is shown now.
    frame: VideoFrame,
    /// What is next, and where in time the video began this time.
    next: Option<EncodedSample>,
    begun: Duration,
    /// When the last was due, counted from there, and how long after the one before.
    last: Duration,
    apart: Duration,
    /// How far the video is.
    now: Duration,
}

impl VideoFile {
    /// Opens a file.
    ///
    /// # Errors
    /// If it is not there, or holds nothing that can be decoded here.
    pub fn open(path: &Path) -> Result<Self, VideoFileError> {
        let unreadable = |why| VideoFileError::Unreadable { path: path.to_owned(), why };
        let is_ivf = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("ivf"));
        let mut track: Box<dyn Track> =
            if is_ivf { Box::new(Ivf::open(path)?) } else { Box::new(WebmTrack::open(path, TrackKind::Video)?) };
        let no_frame = |why| VideoFileError::FirstFrame { path: path.to_owned(), why };
        let found = |found: String| VideoFileError::Codec { path: path.to_owned(), found };
        let encoding = track.encoding().ok_or_else(|| found("no video".to_owned()))?;
        let mut decoder = encoding.decoder().map_err(no_frame)?;
        let first = track.next().map_err(unreadable)?.ok_or_else(|| found("no frame".to_owned()))?;
        if !encoding.is_key(&first.bytes) {
            return Err(found(format!("a first {} frame that is no key frame", encoding.name())));
        }
        let frame = decoder.decode(&first.bytes).map_err(no_frame)?.ok_or_else(|| no_frame(VideoFault::Size))?;
        let size = [frame.width(), frame.height()];
        let (path, zero) = (path.to_owned(), Duration::ZERO);
        let (begun, last, apart, now) = (zero, first.at, INTERVAL, zero);
        Ok(Self { path, track, decoder, size, frame, next: None, begun, last, apart, now })
    }

    /// Decodes what is due.
    fn advance(&mut self) -> Result<(), String> {
        // Files count in their own ticks, which seldom coincide with ours.
        let due = self.now + INTERVAL / 2;
        let mut rewound = false;
        for _ in 0..MAX_AT_ONCE {
            if self.next.is_none() {
                self.next = self.track.next()?;
            }
            match &self.next {
                Some(next) if self.begun + next.at > due => return Ok(()),
                Some(next) => {
                    // What cannot be decoded is left out, as if it had been lost.
                    if let Ok(Some(frame)) = self.decoder.decode(&next.bytes) {
                        self.frame = frame;
                    }
                    self.apart = next.at.saturating_sub(self.last);
                    self.last = next.at;
                    self.next = None;
                }
                None => {
                    let end = self.begun + self.track.length().unwrap_or(self.last + self.apart);
                    if rewound || end > due {
                        return Ok(());
                    }
                    self.begun = end;
                    rewound = true;
                    self.track.rewind()?;
                }
            }
        }
        Ok(())
    }
}

impl VideoSource for VideoFile {
    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        self.advance().map_err(|why| DeviceError(format!("{}: {why}", self.path.display())))?;
        self.now += INTERVAL;
        Ok(self.frame.clone())
    }
}

#[cfg(all(test, feature = "vp8"))]
mod tests {
    use super::*;
    use crate::codec::encoding::VideoEncoding;

    /// An IVF file of so many frames, 15 a second, red and blue by turns.
    fn ivf(path: &Path, encoding: VideoEncoding, frames: u64) {
        let mut encoder = encoding.encoder([160, 96], 300_000).expect("libvpx works");
        let name = encoding.ivf_name().expect("it has one");
        let mut file = [b"DKIF\0\0\x20\0", name, b"\xA0\0\x60\0"].concat();
        file.extend([15u32, 1, 0, 0].map(u32::to_le_bytes).concat());
        for number in 0..frames {
            let colour = if number.is_multiple_of(2) { [200, 0, 0] } else { [0, 0, 200] };
            let encoded = encoder.encode(&VideoFrame::filled(160, 96, colour), number * 6_000, true).unwrap();
            let bytes = encoded.expect("key frames are not left out").bytes;
            file.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            file.extend(number.to_le_bytes());
            file.extend(bytes);
        }
        std::fs::write(path, file).unwrap();
    }

    #[test]
    fn an_ivf_file_is_shown_at_its_own_pace_again_and_again() {
        let path = std::env::temp_dir().join(format!("muji-film-{}.ivf", std::process::id()));
        for encoding in VideoEncoding::built_in().filter(|encoding| encoding.ivf_name().is_some()) {
            ivf(&path, encoding, 6);
            let mut film = VideoFile::open(&path).unwrap();
            let shown: Vec<char> = (0..24)
                .map(|_| {
                    let [red, _, blue] = film.capture().unwrap().mean();
                    if red > blue { 'r' } else { 'b' }
                })
                .collect();
            // Behind the end comes the first, as soon as the last had its time.
            assert_eq!(String::from_iter(shown), "rrbbrrbbrrbbrrbbrrbbrrbb", "{encoding:?}");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn other_codecs_and_nonsense_are_named_with_what_to_do() {
        let path = std::env::temp_dir().join(format!("muji-film-{}-wrong.ivf", std::process::id()));
        ivf(&path, VideoEncoding::Vp8, 1);
        let good = std::fs::read(&path).unwrap();
        let with = |at: usize, bytes: &[u8]| {
            let mut file = good.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            std::fs::write(&path, file).unwrap();
            VideoFile::open(&path).err().unwrap().to_string()
        };
        assert!(with(8, b"H264").contains("holds H264 instead of VP8, VP9 or AV1; convert it"));
        assert!(with(0, b"RIFF").contains("something else than IVF"));
        assert!(with(16, &[0; 4]).contains("a header that makes no sense"));
        assert!(with(32, &[0xFF; 4]).contains("a frame of 4294967295 bytes"));
        assert!(with(44, &[0xFF; 10]).contains("a first VP8 frame that is no key frame"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_damaged_ivf_file_never_panics() {
        let path = std::env::temp_dir().join(format!("muji-film-{}-damaged.ivf", std::process::id()));
        ivf(&path, VideoEncoding::Vp8, 2);
        let whole = std::fs::read(&path).unwrap();
        // The header of the file, and that of its first frame with the frame's own.
        for (at, with) in (0..60).flat_map(|at| [0, 1, 0x7F, 0x80, 0xFF].map(|with| (at, with))) {
            let mut damaged = whole.clone();
            damaged[at] = with;
            std::fs::write(&path, damaged).unwrap();
            let Ok(mut film) = VideoFile::open(&path) else { continue };
            let _shown = (0..6).map_while(|_| film.capture().ok()).count();
        }
        std::fs::remove_file(path).unwrap();
    }
}
