//! Y4M files: frames as they are, as many programs write them (`ffmpeg -i film.mkv -vf scale=640:360 -pix_fmt yuv420p film.y4m`).

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::interface::{DeviceError, VideoSource};
use crate::video::frame::{MAX_PIXELS, VideoFrame};

/// Longest line of a header; those that programs write have some sixty letters.
const MAX_LINE: u64 = 1_024;

/// How often frames are asked for, in a second (see [`VideoSource`]).
const FRAME_RATE: u64 = 30;

/// A file cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Y4mFault {
    /// Not there, not ours to read, or cut off.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// Something else, or another form of it.
    #[error(
        "{path} cannot be shown, {why}; convert it, for example with: ffmpeg -i {path} -vf scale=640:360 -pix_fmt yuv420p out.y4m"
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A Y4M file, shown again and again, with its own number of frames a second.
#[derive(Debug)]
pub struct Y4mSource {
    path: PathBuf,
    file: BufReader<File>,
    header: Header,
    /// Where the frames begin.
    begin: u64,
    /// The frame that is shown.
    frame: VideoFrame,
    /// How often it was asked for one, and how many were read.
    asked: u64,
    read: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    width: usize,
    height: usize,
    /// Frames a second, as a fraction.
    rate: [u64; 2],
}

impl Y4mSource {
    /// Opens a file; its frames have four times as much brightness as colour (4:2:0), and sides that are even.
    ///
    /// # Errors
    /// If it is not there, or of another form.
    pub fn open(path: &Path) -> Result<Self, Y4mFault> {
        let unreadable = |why| Y4mFault::Unreadable { path: path.to_owned(), why };
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let line = line(&mut file).map_err(unreadable)?;
        let header = Header::read(&line).map_err(|why| Y4mFault::Form { path: path.to_owned(), why })?;
        let begin = file.stream_position().map_err(unreadable)?;
        let frame = header.frame(&mut file).map_err(unreadable)?;
        let frame = frame.ok_or_else(|| Y4mFault::Form { path: path.to_owned(), why: "it holds no frame" })?;
        Ok(Self { path: path.to_owned(), file, header, begin, frame, asked: 0, read: 1 })
    }

    /// The next frame; behind the last comes the first.
    fn next(&mut self) -> std::io::Result<VideoFrame> {
        if let Some(frame) = self.header.frame(&mut self.file)? {
            return Ok(frame);
        }
        self.file.seek(SeekFrom::Start(self.begin))?;
        self.header.frame(&mut self.file)?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}

impl VideoSource for Y4mSource {
    fn size(&self) -> [usize; 2] {
        [self.header.width, self.header.height]
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let [frames, seconds] = self.header.rate;
        let due = self.asked * frames / (FRAME_RATE * seconds) + 1;
        self.asked += 1;
        while self.read < due {
            self.frame = self.next().map_err(|why| DeviceError(format!("{}: {why}", self.path.display())))?;
            self.read += 1;
        }
        Ok(self.frame.clone())
    }
}

impl Header {
    fn read(line: &str) -> Result<Self, &'static str> {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("YUV4MPEG2") {
            return Err("it is no Y4M file");
        }
        let (mut sides, mut rate) = ([None, None], [FRAME_RATE, 1]);
        for word in words {
            let (kind, value) = word.split_at_checked(1).unwrap_or_default();
            match kind {
                "W" => sides[0] = value.parse::<usize>().ok(),
                "H" => sides[1] = value.parse::<usize>().ok(),
                "F" => rate = fraction(value).ok_or("it says no number of frames a second from 1 to 240")?,
                "C" if !value.starts_with("420") || value.starts_with("420p1") => {
                    return Err("its colours are not 4:2:0 with 8 bits");
                }
                _ => {} // Interlacing, the shape of pixels, comments.
            }
        }
        let [Some(width), Some(height)] = sides else { return Err("it says no width or no height") };
        let even = width % 2 == 0 && height % 2 == 0 && width > 0 && height > 0;
        let fits = width.checked_mul(height).is_some_and(|pixels| pixels <= MAX_PIXELS);
        if even && fits { Ok(Self { width, height, rate }) } else { Err("its sides are odd, nothing, or too large") }
    }

    /// The next frame; `None` at the end of the file.
    fn frame(self, file: &mut BufReader<File>) -> std::io::Result<Option<VideoFrame>> {
        let line = line(file)?;
        if line.is_empty() {
            return Ok(None);
        }
        if !line.starts_with("FRAME") {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut samples = vec![0; self.width * self.height * 3 / 2];
        file.read_exact(&mut samples)?;
        Ok(VideoFrame::from_samples(self.width, self.height, samples))
    }
}

fn fraction(text: &str) -> Option<[u64; 2]> {
    let (frames, seconds) = text.split_once(':')?;
    let fraction = [frames.parse().ok()?, seconds.parse().ok()?];
    let [frames, seconds] = fraction;
    let known = seconds > 0 && seconds <= 1_000_000 && frames >= seconds && frames <= 240 * seconds;
    known.then_some(fraction)
}

/// The next line of a header, without its end; empty at the end of the file.
fn line(file: &mut BufReader<File>) -> std::io::Result<String> {
    let mut line = Vec::new();
    file.take(MAX_LINE).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(String::new()),
        Some(b'\n') => String::from_utf8(line).map_err(|_| ErrorKind::InvalidData.into()),
        Some(_) => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("muji-{}-{name}.y4m", std::process::id()));
        std::fs::write(&path, bytes).expect("a temporary file");
        path
    }

    /// Two frames, one dark and one bright, at so many a second.
    fn film(rate: &str) -> Vec<u8> {
        let mut bytes = format!("YUV4MPEG2 W4 H2 F{rate} Ip A1:1 C420jpeg XNOTE=none\n").into_bytes();
        for brightness in [20, 200] {
            bytes.extend(b"FRAME\n");
            bytes.extend([brightness; 8]);
            bytes.extend([128; 4]);
        }
        bytes
    }

    fn shown(path: &Path, frames: usize) -> Vec<u8> {
        let mut source = Y4mSource::open(path).expect("it can be shown");
        assert_eq!(source.size(), [4, 2]);
        (0..frames).map(|_| source.capture().expect("it goes on").samples()[0]).collect()
    }

    #[test]
    fn a_film_is_shown_again_and_again_with_its_own_number_of_frames_a_second() {
        for (rate, expected) in
            [("30:1", [20, 200, 20, 200, 20, 200]), ("15:1", [20, 20, 200, 200, 20, 20]), ("60:1", [20; 6])]
        {
            let path = file(&rate.replace(':', "-"), &film(rate));
            assert_eq!(shown(&path, 6), expected, "{rate}");
            std::fs::remove_file(path).expect("it is there");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_told() {
        let cut = &film("30:1")[..60];
        let huge = b"YUV4MPEG2 W100000 H100000\nFRAME\n";
        let odd = b"YUV4MPEG2 W3 H2\nFRAME\n";
        let fast = b"YUV4MPEG2 W4 H2 F1000000:1\nFRAME\n";
        let full = b"YUV4MPEG2 W4 H2 C444\nFRAME\n";
        let endless = [b'Y'; 4_000];
        let all: [&[u8]; 8] = [b"", b"RIFF", cut, huge, odd, fast, full, &endless];
        for (number, bytes) in all.into_iter().enumerate() {
            let path = file(&number.to_string(), bytes);
            assert!(Y4mSource::open(&path).is_err(), "{number}");
            std::fs::remove_file(path).expect("it is there");
        }
    }

    #[test]
    fn a_damaged_film_never_panics() {
        let whole = film("30:1");
        for (at, with) in (0..whole.len()).flat_map(|at| [0, b' ', b'9', b'\n', 0xFF].map(|with| (at, with))) {
            let mut damaged = whole.clone();
            damaged[at] = with;
            let path = file("damaged", &damaged);
            if let Ok(mut source) = Y4mSource::open(&path) {
                let _shown = (0..6).map_while(|_| source.capture().ok()).count();
            }
            std::fs::remove_file(path).expect("it is there");
        }
    }
}
