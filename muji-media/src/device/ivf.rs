//! IVF: VP8, VP9 or AV1 in a file and nothing else, as encoders of it write it.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::track::{EncodedSample, Track, VideoFileError};
use crate::codec::encoding::VideoEncoding;

/// The header in front of everything, and the one of each frame.
const HEADER: usize = 32;
const PICTURE: usize = 12;

/// Largest frame that is read, in bytes.
const MAX_BYTES: u32 = 16 << 20;

/// An IVF file.
pub(super) struct Ivf {
    file: BufReader<File>,
    /// Where the frames begin.
    begin: u64,
    /// Ticks a second, as a fraction.
    rate: [u32; 2],
    encoding: VideoEncoding,
}

impl Ivf {
    pub(super) fn open(path: &Path) -> Result<Self, VideoFileError> {
        let unreadable =
            |why: std::io::Error| VideoFileError::Unreadable { path: path.to_owned(), why: why.to_string() };
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(unreadable)?;
        let wrong = |found: &str| VideoFileError::Codec { path: path.to_owned(), found: found.to_owned() };
        if !header.starts_with(b"DKIF") {
            return Err(wrong("something else than IVF"));
        }
        let name = &header[8..12];
        let Some(encoding) = VideoEncoding::ALL.into_iter().find(|encoding| encoding.ivf_name() == Some(name)) else {
            return Err(wrong(&format!("{} instead of VP8, VP9 or AV1", name.escape_ascii())));
        };
        let field = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (begin, rate) = (u16::from_le_bytes([header[6], header[7]]).into(), [field(16), field(20)]);
        if rate.contains(&0) || begin < HEADER as u64 {
            return Err(wrong("a header that makes no sense"));
        }
        file.seek(SeekFrom::Start(begin)).map_err(unreadable)?;
        Ok(Self { file, begin, rate, encoding })
    }

    fn read(&mut self) -> std::io::Result<Option<EncodedSample>> {
        let mut header = [0; PICTURE];
        match self.file.read_exact(&mut header) {
            Err(why) if why.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let (length, ticks) = header.split_at(4);
        let length = u32::from_le_bytes(length.try_into().map_err(std::io::Error::other)?);
        if length > MAX_BYTES {
            return Err(std::io::Error::other(format!("a frame of {length} bytes")));
        }
        let ticks = u64::from_le_bytes(ticks.try_into().map_err(std::io::Error::other)?);
        let mut bytes = Vec::new();
        self.file.by_ref().take(length.into()).read_to_end(&mut bytes)?;
        let [rate, scale] = self.rate.map(u128::from);
        let ns = u128::from(ticks) * scale * 1_000_000_000 / rate;
        Ok(Some(EncodedSample { at: Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)), bytes }))
    }
}

impl Track for Ivf {
    fn encoding(&self) -> Option<VideoEncoding> {
        Some(self.encoding)
    }

    fn next(&mut self) -> Result<Option<EncodedSample>, String> {
        self.read().map_err(|why| why.to_string())
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.file.seek(SeekFrom::Start(self.begin)).map(drop).map_err(|why| why.to_string())
    }

    fn length(&self) -> Option<Duration> {
        None
    }
}
