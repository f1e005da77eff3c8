//! The elements of WebM files (EBML, RFC 8794; Matroska, RFC 9559), as far as they are played here.
//!
//! Our own reader: files may come from anybody, and the available one can be made to loop for ever by a checksum element, and to panic
//! by a block. Here each step reads on, what is kept is bounded, and what is not needed is passed over.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

/// Tracks that are read of a file.
const MAX_TRACKS: usize = 64;

/// Largest block that is read, in bytes: of a frame of video.
const MAX_BLOCK: u64 = 16 << 20;

/// Longest codec id that is read, in bytes.
const MAX_TEXT: u64 = 64;

/// The ns of a tick, if the file does not say it (RFC 9559 section 5.1.2.9).
const USUAL_SCALE: u64 = 1_000_000;

/// The flags of a block that say how several frames are packed into one (RFC 9559 section 10.3).
const LACING: u8 = 0x06;

/// The ids of the elements that are read.
mod id {
    pub(super) const EBML: u64 = 0x1A45_DFA3;
    pub(super) const SEGMENT: u64 = 0x1853_8067;
    pub(super) const INFO: u64 = 0x1549_A966;
    pub(super) const TIMESTAMP_SCALE: u64 = 0x2A_D7B1;
    pub(super) const DURATION: u64 = 0x4489;
    pub(super) const TRACKS: u64 = 0x1654_AE6B;
    pub(super) const TRACK_ENTRY: u64 = 0xAE;
    pub(super) const TRACK_NUMBER: u64 = 0xD7;
    pub(super) const TRACK_TYPE: u64 = 0x83;
    pub(super) const CODEC_ID: u64 = 0x86;
    pub(super) const CLUSTER: u64 = 0x1F43_B675;
    pub(super) const TIMESTAMP: u64 = 0xE7;
    pub(super) const SIMPLE_BLOCK: u64 = 0xA3;
    pub(super) const BLOCK_GROUP: u64 = 0xA0;
    pub(super) const BLOCK: u64 = 0xA1;
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebmFault {
    #[error("it is no WebM file")]
    NoWebm,
    #[error("it has no media")]
    NoCluster,
    #[error("an element of {0} bytes is too long")]
    TooLong(u64),
    #[error("an element has no length")]
    NoLength,
    #[error("its blocks hold several frames each (lacing), which is not supported")]
    Lacing,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl WebmFault {
    /// The file ends in the middle of an element: the recording was interrupted.
    fn is_end(&self) -> bool {
        matches!(self, Self::Io(why) if why.kind() == ErrorKind::UnexpectedEof)
    }
}

/// What a file says of a track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TrackEntry {
    pub(super) number: u64,
    /// [`Self::VIDEO`], [`Self::AUDIO`], or something else.
    pub(super) kind: u64,
    /// `V_VP8`, `A_OPUS`.
    pub(super) codec: String,
}

impl TrackEntry {
    pub(super) const VIDEO: u64 = 1;
    pub(super) const AUDIO: u64 = 2;
}

/// A frame of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// In ticks from the beginning.
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
}

/// The head of an element. Without a length it ends where its parent does, or the file.
struct Head {
    id: u64,
    length: Option<u64>,
}

/// A file, read from its beginning to its end. Elements within others are read in one row: their ids say what they are.
pub(super) struct WebmReader<R> {
    source: R,
    pub(super) tracks: Vec<TrackEntry>,
    /// What a tick lasts, in ns.
    pub(super) scale: u64,
    /// In ticks, if the file says it.
    pub(super) duration: Option<f64>,
    /// The time of the cluster, in ticks.
    cluster: u64,
}

impl<R: Read + Seek> WebmReader<R> {
    /// Reads what comes before the first cluster.
    pub(super) fn open(source: R) -> Result<Self, WebmFault> {
        let mut this = Self { source, tracks: Vec::new(), scale: USUAL_SCALE, duration: None, cluster: 0 };
        let first = this.head().map_err(|fault| if fault.is_end() { WebmFault::NoWebm } else { fault })?;
        if first.id != id::EBML {
            return Err(WebmFault::NoWebm);
        }
        this.pass_over(&first)?;
        loop {
            let head = this.head().map_err(|fault| if fault.is_end() { WebmFault::NoCluster } else { fault })?;
            match head.id {
                id::CLUSTER => return Ok(this),
                id::SEGMENT | id::INFO | id::TRACKS => {}
                id::TRACK_ENTRY if this.tracks.len() < MAX_TRACKS => this.tracks.push(TrackEntry::default()),
                id::TIMESTAMP_SCALE => this.scale = this.number(&head)?.max(1),
                id::DURATION => this.duration = this.float(&head)?,
                id::TRACK_NUMBER | id::TRACK_TYPE | id::CODEC_ID => this.describe_track(&head)?,
                _ => this.pass_over(&head)?,
            }
        }
    }

    fn describe_track(&mut self, head: &Head) -> Result<(), WebmFault> {
        let value = self.body(head, MAX_TEXT)?;
        let Some(track) = self.tracks.last_mut() else { return Ok(()) };
        match head.id {
            id::TRACK_NUMBER => track.number = big_endian(&value),
            id::TRACK_TYPE => track.kind = big_endian(&value),
            _ => track.codec = String::from_utf8_lossy(&value).trim_end_matches('\0').to_owned(),
        }
        Ok(())
    }

    /// The next frame of this track; `None` at the end, and where the recording was interrupted.
    pub(super) fn next(&mut self, track: u64) -> Result<Option<Block>, WebmFault> {
        match self.block(track) {
            Err(fault) if fault.is_end() => Ok(None),
            other => other.map(Some),
        }
    }

    fn block(&mut self, track: u64) -> Result<Block, WebmFault> {
        loop {
            let head = self.head()?;
            match head.id {
                id::CLUSTER | id::BLOCK_GROUP => {}
                id::TIMESTAMP => self.cluster = self.number(&head)?,
                id::SIMPLE_BLOCK | id::BLOCK => {
                    let body = self.body(&head, MAX_BLOCK)?;
                    // One without a head is passed over, as what is lost in a network, and so is one of another track.
                    if let Some(block) = self.read_block(track, &body)? {
                        return Ok(block);
                    }
                }
                _ => self.pass_over(&head)?,
            }
        }
    }

    fn read_block(&self, wanted: u64, body: &[u8]) -> Result<Option<Block>, WebmFault> {
        let Some((_, rest)) = block_track(body).filter(|(track, _)| *track == wanted) else { return Ok(None) };
        let [high, low, flags, bytes @ ..] = rest else { return Ok(None) };
        if flags & LACING != 0 {
            return Err(WebmFault::Lacing);
        }
        let at = self.cluster.saturating_add_signed(i16::from_be_bytes([*high, *low]).into());
        Ok(Some(Block { at, bytes: bytes.to_vec() }))
    }

    // ---- elements ----------------------------------------------------------------------------------------------------

    fn head(&mut self) -> Result<Head, WebmFault> {
        let first = self.byte()?;
        let id = self.variable(first, first, 4)?.0;
        let first = self.byte()?;
        let marker = 0x80u8.checked_shr(first.leading_zeros()).unwrap_or_default();
        let (length, all_ones) = self.variable(first, first & !marker, 8)?;
        Ok(Head { id, length: (length != all_ones).then_some(length) })
    }

    /// A number whose first byte says by its zeros how many bytes follow (RFC 8794 section 4). With it the one that means "unknown" in a
    /// number of this length.
    fn variable(&mut self, first: u8, value: u8, longest: u32) -> Result<(u64, u64), WebmFault> {
        let follow = first.leading_zeros();
        if follow >= longest {
            return Err(WebmFault::NoWebm);
        }
        let mut number = u64::from(value);
        for _ in 0..follow {
            number = number << 8 | u64::from(self.byte()?);
        }
        Ok((number, (1 << (7 * (follow + 1))) - 1))
    }

    fn byte(&mut self) -> Result<u8, WebmFault> {
        let mut byte = [0];
        self.source.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn body(&mut self, head: &Head, longest: u64) -> Result<Vec<u8>, WebmFault> {
        let length = head.length.ok_or(WebmFault::NoLength)?;
        if length > longest {
            return Err(WebmFault::TooLong(length));
        }
        let mut body = Vec::new();
        self.source.by_ref().take(length).read_to_end(&mut body)?;
        if body.len() as u64 == length { Ok(body) } else { Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()) }
    }

    fn number(&mut self, head: &Head) -> Result<u64, WebmFault> {
        self.body(head, 8).map(|body| big_endian(&body))
    }

    fn float(&mut self, head: &Head) -> Result<Option<f64>, WebmFault> {
        let body = self.body(head, 8)?;
        let four = || body.as_slice().try_into().map(|body| f64::from(f32::from_be_bytes(body)));
        Ok(body.as_slice().try_into().map(f64::from_be_bytes).or_else(|_| four()).ok())
    }

    fn pass_over(&mut self, head: &Head) -> Result<(), WebmFault> {
        let length = head.length.ok_or(WebmFault::NoLength)?;
        let length = i64::try_from(length).map_err(|_| WebmFault::TooLong(length))?;
        self.source.seek(SeekFrom::Current(length))?; // Beyond the end nothing is read any more.
        Ok(())
    }
}

/// The track of a block, and what follows it.
fn block_track(body: &[u8]) -> Option<(u64, &[u8])> {
    let (first, _) = body.split_first()?;
    let follow = first.leading_zeros() as usize;
    let marker = 0x80u8.checked_shr(first.leading_zeros())?;
    let (number, rest) = body.split_at_checked(follow + 1)?;
    Some((big_endian(number) & !(u64::from(marker) << (8 * follow)), rest))
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Two files found by a fuzzer: one made another reader read in circles, one made it panic.
    const FOUND: [&[u8]; 2] = [
        b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webmB\x87\x81\x04B\x85\x81\x02\
        \x18S\x80g\x11\xa5\xc5\xc2\xbf)\0\0",
        b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webmB\x87\x81\x04B\x85\x81\x02\
        \x18S\x80g\x01\0\0\0\0\0\0\0\x15I\xa9f\xb2*\xd7\xb1\x83\x0fB@M\x80\x8dLavf59.27.100WA\x8dLavf59.27.10|z\x9cD\
        \x89\x88@\x83\0\0\0\0\x16T\xaek\xad\xae\x01\0\0\0\0\0\0?\xd7\x81\x01s\xc5\x88\0\x10]\x81[\xaeF\xf7\x9c\x81\0\
        \x22\xb5\x9c\x83und\x88\x81\0\x86\x85V_VP8\x83\x81\x01#\xe3\x83\x84\x05\xf5\xe1\0\0\x1fC\xb6u\xff\xff\xff\
        \xff\xff\xa0\xff\xff\x0e\x01\0\0\0",
    ];

    fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
        [id, &[0x08, 0, 0, 0, body.len() as u8], body].concat()
    }

    /// A file with one track and these elements in its cluster.
    fn file(cluster: &[Vec<u8>]) -> Vec<u8> {
        let entry = [element(&[0xD7], &[1]), element(&[0x83], &[1]), element(&[0x86], b"V_VP8\0")].concat();
        let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry));
        let info = element(&[0x15, 0x49, 0xA9, 0x66], &element(&[0x44, 0x89], &4.5f32.to_be_bytes()));
        let head = element(&[0x1A, 0x45, 0xDF, 0xA3], b"");
        let segment = [&[0x18, 0x53, 0x80, 0x67, 0xFF][..], &info, &tracks, &[0x1F, 0x43, 0xB6, 0x75, 0xFF]].concat();
        [head, segment, cluster.concat()].concat()
    }

    fn blocks(track: u64, file: Vec<u8>) -> Result<Vec<(u64, Vec<u8>)>, WebmFault> {
        let mut reader = WebmReader::open(Cursor::new(file))?;
        assert_eq!((reader.duration, reader.scale), (Some(4.5), USUAL_SCALE));
        assert_eq!(reader.tracks, [TrackEntry { number: 1, kind: TrackEntry::VIDEO, codec: "V_VP8".to_owned() }]);
        let mut blocks = Vec::new();
        while let Some(Block { at, bytes }) = reader.next(track)? {
            blocks.push((at, bytes));
        }
        Ok(blocks)
    }

    #[test]
    fn blocks_are_read_with_their_tracks_and_times_and_the_rest_is_passed_over() {
        let cluster = [
            element(&[0xE7], &[0x01, 0x00]),
            element(&[0xBF], &[1, 2, 3, 4]), // A checksum.
            element(&[0xA3], &[0x81, 0x00, 0x05, 0x80, 7, 8]),
            element(&[0xEC], &[0; 100]),
            element(&[0xA0], &element(&[0xA1], &[0x40, 0x02, 0xFF, 0xFF, 0, 9])),
            element(&[0xA3], &[0x81, 0]), // Without a head.
            element(&[0xA3], &[0x81, 0x80, 0x00, 0]),
        ];
        assert_eq!(blocks(1, file(&cluster)).unwrap(), [(261, vec![7, 8]), (0, vec![])]);
        assert_eq!(blocks(2, file(&cluster)).unwrap(), [(255, vec![9])]);
    }

    #[test]
    fn a_file_that_ends_anywhere_is_read_as_far_as_it_goes() {
        let whole = file(&[element(&[0xA3], &[0x81, 0, 5, 0, 7]), element(&[0xA3], &[0x81, 0, 6, 0, 8])]);
        let counts: Vec<Option<usize>> = (0..=whole.len())
            .map(|length| {
                let mut reader = WebmReader::open(Cursor::new(&whole[..length])).ok()?;
                Some(std::iter::from_fn(|| reader.next(1).expect("it only ends early")).count())
            })
            .collect();
        assert!(counts.is_sorted(), "{counts:?}");
        assert_eq!((counts[0], counts[whole.len() - 1], counts[whole.len()]), (None, Some(1), Some(2)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let why = |file: Vec<u8>| blocks(1, file).unwrap_err().to_string();
        let laced = file(&[element(&[0xA3], &[0x81, 0, 5, 0x02, 7])]);
        assert_eq!(blocks(2, laced.clone()).unwrap(), [], "another track");
        assert!(why(laced).contains("lacing"));
        let huge = file(&[[&[0xA3][..], &[0x01, 0, 0, 0, 0x7F, 0, 0, 0], &[0; 9]].concat()]);
        assert_eq!(why(huge), "an element of 2130706432 bytes is too long");
        let endless = file(&[vec![0xA3, 0xFF, 0, 0]]);
        assert_eq!(why(endless), "an element has no length");
        for (nonsense, words) in [(&b""[..], "it is no WebM file"), (b"RIFF....", "it is no WebM file")]
            .into_iter()
            .chain(FOUND.map(|found| (found, "it has no media")))
        {
            assert_eq!(WebmReader::open(Cursor::new(nonsense)).err().unwrap().to_string(), words);
        }
    }

    #[test]
    fn a_damaged_file_never_panics_and_always_ends() {
        let whole = file(&[element(&[0xE7], &[0xFF; 8]), element(&[0xA3], &[0x81, 0, 5, 0, 7])]);
        for at in 0..whole.len() {
            for with in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] = with;
                let Ok(mut reader) = WebmReader::open(Cursor::new(damaged)) else { continue };
                let blocks = std::iter::from_fn(|| reader.next(1).ok().flatten()).count();
                assert!(blocks <= whole.len());
            }
        }
    }
}
