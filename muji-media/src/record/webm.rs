//! WebM: Opus and VP8, VP9 or AV1 of one participant in a file (RFC 8794, RFC 9559).
//!
//! Our own writer: the available ones must know at the beginning whether there will be video, and a participant may add video in the
//! middle of a call. What is written is a whole file at each second, whatever becomes of this program.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::audio::frame::{AudioFrame, FRAME_TIME, SAMPLE_RATE};
use crate::codec::encoding::VideoEncoding;
use crate::codec::opus::{Encoder, OpusFault};
use crate::codec::video::Encoded;
use crate::device::DeviceError;

/// What a cluster holds at most, in ms and in bytes: that much is lost if the machine stops.
const CLUSTER: u64 = 1_000;
const CLUSTER_BYTES: usize = 1 << 20;

/// Audio is encoded a second time; with so many bits a second nobody hears it.
const BIT_RATE: u32 = 64_000;

/// What an Opus encoder adds at the beginning, in samples: libopus's delay for speech at 48 kHz.
const PRE_SKIP: u16 = 312;

/// How long a decoder must run before it sounds right, in ns (RFC 7845 section 4.6).
const PRE_ROLL: u64 = 80_000_000;

/// One ms, in ns: what timestamps count.
const SCALE: u64 = 1_000_000;

const SOUND: u8 = 1;
const FRAMES: u8 = 2;

/// Audio that comes so much too early or too late is not counted as such: it is played each 20 ms. More is a pause.
const WOKEN_LATE: Duration = Duration::from_millis(100);

/// The flag of a key frame.
const KEY: u8 = 0x80;

/// The ids of elements.
mod id {
    pub(super) const EBML: &[u8] = &[0x1A, 0x45, 0xDF, 0xA3];
    pub(super) const EBML_VERSION: &[u8] = &[0x42, 0x86];
    pub(super) const EBML_READ_VERSION: &[u8] = &[0x42, 0xF7];
    pub(super) const EBML_MAX_ID_LENGTH: &[u8] = &[0x42, 0xF2];
    pub(super) const EBML_MAX_SIZE_LENGTH: &[u8] = &[0x42, 0xF3];
    pub(super) const DOC_TYPE: &[u8] = &[0x42, 0x82];
    pub(super) const DOC_TYPE_VERSION: &[u8] = &[0x42, 0x87];
    pub(super) const DOC_TYPE_READ_VERSION: &[u8] = &[0x42, 0x85];
    pub(super) const VOID: &[u8] = &[0xEC];
    pub(super) const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67];
    pub(super) const INFO: &[u8] = &[0x15, 0x49, 0xA9, 0x66];
    pub(super) const TIMESTAMP_SCALE: &[u8] = &[0x2A, 0xD7, 0xB1];
    pub(super) const DURATION: &[u8] = &[0x44, 0x89];
    pub(super) const MUXING_APP: &[u8] = &[0x4D, 0x80];
    pub(super) const WRITING_APP: &[u8] = &[0x57, 0x41];
    pub(super) const TRACKS: &[u8] = &[0x16, 0x54, 0xAE, 0x6B];
    pub(super) const TRACK_ENTRY: &[u8] = &[0xAE];
    pub(super) const TRACK_NUMBER: &[u8] = &[0xD7];
    pub(super) const TRACK_UID: &[u8] = &[0x73, 0xC5];
    pub(super) const TRACK_TYPE: &[u8] = &[0x83];
    pub(super) const FLAG_LACING: &[u8] = &[0x9C];
    pub(super) const CODEC_ID: &[u8] = &[0x86];
    pub(super) const CODEC_PRIVATE: &[u8] = &[0x63, 0xA2];
    pub(super) const CODEC_DELAY: &[u8] = &[0x56, 0xAA];
    pub(super) const SEEK_PRE_ROLL: &[u8] = &[0x56, 0xBB];
    pub(super) const AUDIO: &[u8] = &[0xE1];
    pub(super) const SAMPLING_FREQUENCY: &[u8] = &[0xB5];
    pub(super) const CHANNELS: &[u8] = &[0x9F];
    pub(super) const VIDEO: &[u8] = &[0xE0];
    pub(super) const PIXEL_WIDTH: &[u8] = &[0xB0];
    pub(super) const PIXEL_HEIGHT: &[u8] = &[0xBA];
    pub(super) const CLUSTER: &[u8] = &[0x1F, 0x43, 0xB6, 0x75];
    pub(super) const TIMESTAMP: &[u8] = &[0xE7];
    pub(super) const SIMPLE_BLOCK: &[u8] = &[0xA3];
}

/// An element. Its length takes four bytes: none of ours is as long as 256 MB.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX) | 0x1000_0000;
    [id, &length.to_be_bytes(), body].concat()
}

fn number(id: &[u8], number: u64) -> Vec<u8> {
    element(id, &number.to_be_bytes())
}

fn real(id: &[u8], number: f64) -> Vec<u8> {
    element(id, &number.to_be_bytes())
}

fn text(id: &[u8], text: &str) -> Vec<u8> {
    element(id, text.as_bytes())
}

/// The length of a segment of which more may follow.
fn segment_length(length: u64) -> [u8; 8] {
    (length | 1 << 56).to_be_bytes()
}

fn track(number_of: u8, kind: u64, codec: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let begin = [
        number(id::TRACK_NUMBER, number_of.into()),
        number(id::TRACK_UID, number_of.into()),
        number(id::TRACK_TYPE, kind),
        number(id::FLAG_LACING, 0),
        text(id::CODEC_ID, codec),
    ];
    element(id::TRACK_ENTRY, &[begin.concat(), more.concat()].concat())
}

fn sound_track() -> Vec<u8> {
    // RFC 7845 section 5.1: version 1, one channel, no gain.
    let (skip, rate) = (PRE_SKIP.to_le_bytes(), SAMPLE_RATE.to_le_bytes());
    let head = [&b"OpusHead\x01\x01"[..], &skip, &rate, &[0, 0, 0]].concat();
    let delay = u64::from(PRE_SKIP) * 1_000_000_000 / u64::from(SAMPLE_RATE);
    let audio = [real(id::SAMPLING_FREQUENCY, SAMPLE_RATE.into()), number(id::CHANNELS, 1)].concat();
    track(
        SOUND,
        2,
        "A_OPUS",
        &[
            element(id::CODEC_PRIVATE, &head),
            number(id::CODEC_DELAY, delay),
            number(id::SEEK_PRE_ROLL, PRE_ROLL),
            element(id::AUDIO, &audio),
        ],
    )
}

/// As long whatever the codec and the size: it takes the place of something void.
fn frame_track(codec: &str, private: Option<[u8; 4]>, [width, height]: [usize; 2]) -> Vec<u8> {
    let video = [number(id::PIXEL_WIDTH, width as u64), number(id::PIXEL_HEIGHT, height as u64)].concat();
    let private = private.map_or_else(|| element(id::VOID, &[0; 5]), |private| element(id::CODEC_PRIVATE, &private));
    track(FRAMES, 1, codec, &[private, element(id::VIDEO, &video)])
}

/// What stands at the beginning, and where in it.
struct Head {
    bytes: Vec<u8>,
    /// The length of the segment, and where what it counts begins.
    segment: u64,
    segment_begins: u64,
    duration: u64,
    frames: u64,
}

impl Head {
    fn new() -> Self {
        let ebml = [
            number(id::EBML_VERSION, 1),
            number(id::EBML_READ_VERSION, 1),
            number(id::EBML_MAX_ID_LENGTH, 4),
            number(id::EBML_MAX_SIZE_LENGTH, 8),
            text(id::DOC_TYPE, "webm"),
            number(id::DOC_TYPE_VERSION, 4),
            number(id::DOC_TYPE_READ_VERSION, 2),
        ];
        let mut bytes = element(id::EBML, &ebml.concat());
        bytes.extend(id::SEGMENT);
        let segment = bytes.len() as u64;
        bytes.extend(segment_length(0));
        let segment_begins = bytes.len() as u64;
        let info = [
            number(id::TIMESTAMP_SCALE, SCALE),
            text(id::MUXING_APP, "muji-media"),
            text(id::WRITING_APP, "muji-media"),
            real(id::DURATION, 0.0),
        ];
        bytes.extend(element(id::INFO, &info.concat()));
        let duration = bytes.len() as u64 - 8;
        let room = frame_track("V_VP8", None, [0, 0]).len();
        let void = element(id::VOID, &vec![0; room - element(id::VOID, &[]).len()]);
        bytes.extend(element(id::TRACKS, &[sound_track(), void].concat()));
        let frames = (bytes.len() - room) as u64;
        Self { bytes, segment, segment_begins, duration, frames }
    }
}

/// A recording.
pub(super) struct WebmSink {
    path: PathBuf,
    file: File,
    head: Head,
    begun: Instant,
    encoder: Encoder,
    /// When the next audio is due: without gaps, however late this program was woken.
    next_sound: Instant,
    /// How the frames are encoded, once there are some, and the size of the largest, in pixels.
    frames: Option<VideoEncoding>,
    largest: [usize; 2],
    /// The blocks that wait to be written, the time of the first, and of the last: never earlier than the one before, in ms.
    cluster: Vec<u8>,
    first: u64,
    last: u64,
}

impl WebmSink {
    /// Begins a file, in place of any that is there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn create(path: &Path, begun: Instant) -> Result<Self, DeviceError> {
        let head = Head::new();
        let created = File::create(path).and_then(|mut file| file.write_all(&head.bytes).map(|()| file));
        let file = created.map_err(|why| unwritable(path, &why))?;
        let encoder = Encoder::new().and_then(|mut encoder| encoder.set_bit_rate(BIT_RATE).map(|()| encoder));
        let encoder = encoder.map_err(|why| no_codec(path, &why))?;
        let (path, cluster) = (path.to_owned(), Vec::new());
        let (frames, largest) = (None, [0, 0]);
        Ok(Self { path, file, head, begun, encoder, next_sound: begun, frames, largest, cluster, first: 0, last: 0 })
    }

    /// The next 20 ms of audio.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn audio(&mut self, at: Instant, frame: &AudioFrame) -> Result<(), DeviceError> {
        let packet = self.encoder.encode(frame).map_err(|why| no_codec(&self.path, &why))?;
        let apart = at.max(self.next_sound) - at.min(self.next_sound);
        let at = if apart < WOKEN_LATE { self.next_sound } else { at };
        self.next_sound = at + FRAME_TIME;
        self.block(SOUND, at, KEY, &packet)
    }

    /// The next frame; those before the first key frame are left out.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn video(&mut self, at: Instant, encoding: VideoEncoding, frame: &Encoded) -> Result<(), DeviceError> {
        let Some(codec) = encoding.webm_name() else { return Ok(()) };
        let size = encoding.size(&frame.bytes).unwrap_or_default();
        // A track has one encoding. Players show all frames in the size that the header says, and a sender may change to another one.
        let continues = self.frames.is_none_or(|frames| frames == encoding);
        if continues && size[0] * size[1] > self.largest[0] * self.largest[1] {
            self.frames = Some(encoding);
            self.largest = size;
            let track = frame_track(codec, encoding.webm_private(&frame.bytes), size);
            self.patch(self.head.frames, &track).map_err(|why| unwritable(&self.path, &why))?;
        }
        if self.frames != Some(encoding) {
            return Ok(());
        }
        self.block(FRAMES, at, if frame.key { KEY } else { 0 }, &frame.bytes)
    }

    fn block(&mut self, track: u8, at: Instant, flags: u8, bytes: &[u8]) -> Result<(), DeviceError> {
        let since = at.saturating_duration_since(self.begun).as_millis();
        let at = u64::try_from(since).unwrap_or(u64::MAX).max(self.last);
        if self.cluster.len() + bytes.len() > CLUSTER_BYTES || at - self.first >= CLUSTER {
            self.flush()?;
        }
        if self.cluster.is_empty() {
            self.first = at;
        }
        self.last = at;
        let [high, low] = u16::try_from(at - self.first).unwrap_or(u16::MAX).to_be_bytes();
        self.cluster.extend(element(id::SIMPLE_BLOCK, &[&[0x80 | track, high, low, flags], bytes].concat()));
        Ok(())
    }

    /// Writes what waits. The file is whole then.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), DeviceError> {
        if self.cluster.is_empty() {
            return Ok(());
        }
        let blocks = std::mem::take(&mut self.cluster);
        let cluster = element(id::CLUSTER, &[number(id::TIMESTAMP, self.first), blocks].concat());
        self.write(&cluster).map_err(|why| unwritable(&self.path, &why))
    }

    fn write(&mut self, cluster: &[u8]) -> io::Result<()> {
        self.file.write_all(cluster)?;
        let end = self.file.stream_position()?;
        let duration = Duration::from_millis(self.last) + FRAME_TIME;
        self.patch(self.head.duration, &(duration.as_secs_f64() * 1_000.0).to_be_bytes())?;
        self.patch(self.head.segment, &segment_length(end - self.head.segment_begins))
    }

    /// Puts something where there was something as long.
    fn patch(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }
}

fn unwritable(path: &Path, why: &io::Error) -> DeviceError {
    DeviceError(format!("{} cannot be written: {why}", path.display()))
}

fn no_codec(path: &Path, why: &OpusFault) -> DeviceError {
    DeviceError(format!("{}: {why}", path.display()))
}

#[cfg(all(test, feature = "vp8"))]
mod tests {
    use super::*;
    use crate::audio::frame::FRAME;
    use crate::audio::meter::Meter;
    use crate::device::track::Track;
    use crate::device::track::TrackKind;
    use crate::device::video_file::VideoFile;
    use crate::device::webm::{WebmSound, WebmTrack};
    use crate::device::{AudioSource, VideoSource};
    use crate::video::frame::VideoFrame;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("muji-webm-{}-{name}.webm", std::process::id()))
    }

    /// So many seconds of a tone, with frames from the second second on, as the time between them goes.
    fn record(sink: &mut WebmSink, begun: Instant, encoding: VideoEncoding, seconds: u32) {
        let mut encoder = encoding.encoder([160, 96], 300_000).expect("libvpx works");
        let frame = VideoFrame::filled(160, 96, [200, 60, 40]);
        for number in 0..seconds * 50 {
            let at = begun + FRAME_TIME * number;
            let sample = |index: usize| {
                let at = f64::from(number) * FRAME as f64 + index as f64;
                (8_000.0 * (at * 440.0 * std::f64::consts::TAU / f64::from(SAMPLE_RATE)).sin()) as i16
            };
            sink.audio(at, &std::array::from_fn(sample)).unwrap();
            if number >= 50 && number.is_multiple_of(2) {
                let encoded = encoder.encode(&frame, u64::from(number) * 1_800, false).unwrap();
                if let Some(encoded) = encoded {
                    sink.video(at, encoding, &encoded).unwrap();
                }
            }
        }
    }

    fn tone(sound: &mut WebmSound) -> Option<f32> {
        let mut meter = Meter::default();
        for _ in 0..50 {
            let mut frame = [0; FRAME];
            sound.fill(&mut frame).unwrap();
            meter.add(&frame);
        }
        meter.take()?.frequency
    }

    #[test]
    fn what_is_recorded_can_be_played_also_when_frames_come_later() {
        for encoding in VideoEncoding::built_in().filter(|encoding| encoding.webm_name().is_some()) {
            play_recorded(encoding);
        }
    }

    fn play_recorded(encoding: VideoEncoding) {
        let (path, begun) = (file(&format!("later-{}", encoding.name())), Instant::now());
        let mut sink = WebmSink::create(&path, begun).unwrap();
        record(&mut sink, begun, encoding, 3);
        sink.flush().unwrap();
        let mut film = VideoFile::open(&path).unwrap();
        assert_eq!(film.size(), [160, 96]);
        for _ in 0..300 {
            let colour = film.capture().unwrap().mean();
            assert!(colour.iter().zip([200, 60, 40]).all(|(seen, sent)| seen.abs_diff(sent) < 10), "{colour:?}");
        }
        let mut sound = WebmSound::open(&path).unwrap();
        for _ in 0..9 {
            let tone = tone(&mut sound).expect("there is one");
            assert!((tone - 440.0).abs() < 5.0, "{tone} Hz");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_recording_whose_frames_change_their_size_holds_each_as_it_came_and_says_the_largest() {
        let (path, begun) = (file("sizes"), Instant::now());
        let mut sink = WebmSink::create(&path, begun).unwrap();
        for (number, size) in (0u32..).zip([[160, 96], [320, 192], [80, 48]]) {
            let mut encoder = VideoEncoding::Vp8.encoder(size, 300_000).expect("libvpx works");
            let frame = VideoFrame::filled(size[0], size[1], [200, 60, 40]);
            let encoded = encoder.encode(&frame, 0, true).unwrap().expect("key frames are not left out");
            sink.video(begun + Duration::from_millis(40) * number, VideoEncoding::Vp8, &encoded).unwrap();
        }
        sink.flush().unwrap();
        let written = std::fs::read(&path).unwrap();
        let track = frame_track("V_VP8", None, [320, 192]);
        assert!(written.windows(track.len()).any(|part| part == track));
        let mut film = VideoFile::open(&path).unwrap();
        let mut shown: Vec<usize> = (0..5).map(|_| film.capture().unwrap().width()).collect();
        shown.dedup();
        assert_eq!(shown[..3], [160, 320, 80]);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_recording_is_whole_but_for_its_last_second_if_the_program_is_stopped() {
        let (path, begun) = (file("stopped"), Instant::now());
        let mut sink = WebmSink::create(&path, begun).unwrap();
        record(&mut sink, begun, VideoEncoding::Vp8, 4);
        let track = WebmTrack::open(&path, TrackKind::Audio).unwrap();
        assert_eq!(track.length(), Some(Duration::from_secs(3)));
        // Even in the middle of a write.
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1_000]).unwrap();
        assert!((tone(&mut WebmSound::open(&path).unwrap()).unwrap() - 440.0).abs() < 5.0);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn sound_alone_has_no_video_and_what_is_no_film_is_named() {
        let (path, begun) = (file("sound"), Instant::now());
        let mut sink = WebmSink::create(&path, begun).unwrap();
        sink.audio(begun, &[0; FRAME]).unwrap();
        sink.flush().unwrap();
        let why = VideoFile::open(&path).err().unwrap().to_string();
        assert!(why.contains("sound.webm holds no video; convert it"), "{why}");
        std::fs::write(&path, "no film at all").unwrap();
        for why in [VideoFile::open(&path).err().unwrap(), WebmSound::open(&path).err().unwrap()] {
            assert!(why.to_string().contains("cannot be read: it is no WebM file"), "{why}");
        }
        std::fs::remove_file(path).unwrap();
    }
}
