//! Sources that encode themselves: a camera with an encoder of its own, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muji_core::Media;
use muji_xep::rtp::PayloadType;

use super::frame::{INTERVAL, VideoFrame};
use super::task::{VideoOutput, VideoTask};
use super::tests::{Bench, id, received, wanted};
use crate::bandwidth::Target;
use crate::codec::encoding::VideoEncoding::{self, Av1, H264, Vp8, Vp9};
use crate::codec::h264;
use crate::codec::video::VideoEncoder;
use crate::device::{DeviceError, EncodedVideoSource, VideoInput, VideoOrigin, VideoSink};
use crate::stats::Observation;
use crate::video::packetized::PacketizedFrame;

/// What our side sees of a camera, and what it told it.
#[derive(Default)]
struct Device {
    frames: VecDeque<Vec<u8>>,
    gone: bool,
    key_frames_asked: usize,
    bits: Vec<u32>,
    released: usize,
}

/// The camera as a source.
struct Source(VideoEncoding, Arc<Mutex<Device>>);

impl EncodedVideoSource for Source {
    fn encoding(&self) -> VideoEncoding {
        self.0
    }

    fn poll_frame(&mut self) -> Result<Option<Vec<u8>>, DeviceError> {
        let mut device = self.1.lock().unwrap();
        let frame = device.frames.pop_front();
        if frame.is_none() && device.gone {
            return Err(DeviceError("it was pulled out".to_owned()));
        }
        Ok(frame)
    }

    fn set_bit_rate(&mut self, bits: u32) {
        self.1.lock().unwrap().bits.push(bits);
    }

    fn request_key_frame(&mut self) {
        self.1.lock().unwrap().key_frames_asked += 1;
    }

    fn release(&mut self) {
        self.1.lock().unwrap().released += 1;
    }
}

/// The camera, with the encoder that is built into it, and a call that shows what it sees.
struct Camera {
    encoder: Box<dyn VideoEncoder>,
    size: [usize; 2],
    device: Arc<Mutex<Device>>,
    taken: u64,
    key_frames_made: usize,
    romeo: Bench,
    sent: BTreeMap<VideoEncoding, Vec<PacketizedFrame>>,
    said: Vec<String>,
    largest: Vec<[usize; 2]>,
}

impl Camera {
    fn new(encoding: VideoEncoding, size: [usize; 2], sink: Option<Box<dyn VideoSink>>) -> Self {
        let device = Arc::<Mutex<Device>>::default();
        let source = Source(encoding, device.clone());
        let encoder = encoding.encoder(size, 300_000).expect("it is built in");
        let romeo = Bench::with(VideoInput::Encoded(Box::new(source)), sink);
        let (sent, said, largest) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { encoder, size, device, taken: 0, key_frames_made: 0, romeo, sent, said, largest }
    }

    fn begin(mut self, encodings: impl IntoIterator<Item = VideoEncoding>) -> Self {
        self.romeo.give(VideoTask::Encode(wanted(encodings)));
        self.romeo.give(VideoTask::StartCapture(Media::Video));
        self
    }

    fn encode(&mut self) -> Option<Vec<u8>> {
        let mut frame = VideoFrame::filled(self.size[0], self.size[1], [200, 60, 40]);
        (0..8).for_each(|x| frame.set_brightness(x, self.taken as usize % self.size[1], 235));
        let asked = std::mem::take(&mut self.device.lock().unwrap().key_frames_asked) > 0;
        self.key_frames_made += usize::from(asked);
        self.taken += 1;
        let encoded = self.encoder.encode(&frame, self.taken * 3_000, asked).unwrap();
        Some(encoded?.bytes)
    }

    /// Lets it film so many frames, each as it is changed before our side sees it.
    fn film_changed(&mut self, frames: usize, change: impl Fn(Vec<u8>) -> Vec<u8>) {
        for _ in 0..frames {
            let frame = self.encode().map(&change);
            self.device.lock().unwrap().frames.extend(frame);
            self.pass(INTERVAL);
        }
    }

    fn film(&mut self, frames: usize) {
        self.film_changed(frames, |frame| frame);
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        for output in self.romeo.run(time) {
            match output {
                VideoOutput::Frame(_, _, frame) => self.sent.entry(frame.encoding).or_default().push(frame),
                VideoOutput::Trouble(DeviceError(why)) => self.said.push(why),
                VideoOutput::LargestSize(_, size) => self.largest.push(size),
                VideoOutput::RequestKeyFrame(_) | VideoOutput::BehindSound(..) => panic!("nobody sends"),
            }
        }
    }

    /// How many frames were sent since this was asked last.
    fn sent(&mut self, encoding: VideoEncoding) -> usize {
        self.sent.remove(&encoding).map_or(0, |frames| frames.len())
    }

    /// The sizes that a peer sees of it: each once.
    fn seen(&self, encoding: VideoEncoding) -> Vec<[usize; 2]> {
        let (mut juliet, mut sizes, mut number) = (Bench::new(), Vec::new(), 1);
        for frame in self.sent.get(&encoding).into_iter().flatten() {
            for packet in received(&frame.packets, number, juliet.now) {
                juliet.give(VideoTask::Packet(id(1), Media::Video, encoding, packet));
            }
            number += frame.packets.len() as u64;
            juliet.run(Duration::from_secs(1));
            while let Ok(Observation::Video { size, colour, .. }) = juliet.seen.try_recv() {
                assert!(colour.iter().zip([200, 60, 40]).all(|(seen, sent)| seen.abs_diff(sent) < 12), "{colour:?}");
                sizes.push(size);
            }
        }
        sizes.dedup();
        sizes
    }
}

#[test]
fn a_camera_that_encodes_itself_is_seen_by_two_peers_and_decoded_for_nobody() {
    let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
    camera.film(60);
    assert_eq!(camera.sent[&H264].len(), 60);
    assert_eq!((camera.seen(H264), camera.seen(H264)), (vec![[320, 180]], vec![[320, 180]]), "by each of two peers");
    assert!(camera.sent[&H264][0].key && camera.sent[&H264][1..].iter().all(|frame| !frame.key));
    assert_eq!((camera.said.len(), camera.largest.as_slice()), (0, &[[320, 180]][..]));
    let stamps: Vec<u32> = camera.sent[&H264].iter().map(|frame| frame.packets[0].timestamp).collect();
    assert!(stamps.windows(2).all(|pair| (2_700..=3_300).contains(&(pair[1] - pair[0]))), "{stamps:?}");
}

#[test]
fn peers_that_take_another_encoding_get_it_decoded_and_encoded_again() {
    for (encoding, other) in [(H264, Vp8), (Vp8, H264)] {
        let mut camera = Camera::new(encoding, [320, 180], None).begin([encoding]);
        camera.film(10);
        camera.romeo.give(VideoTask::Encode(wanted([encoding, other])));
        camera.film(40);
        assert_eq!(camera.seen(other), [[320, 180]]);
        assert!((35..=40).contains(&camera.sent(other)), "it begins with the next key frame, which is asked for");
        assert_eq!((camera.sent(encoding), camera.key_frames_made), (50, 1));
        camera.romeo.give(VideoTask::Encode(wanted([other])));
        camera.film(10);
        assert_eq!((camera.sent(other), camera.sent(encoding)), (10, 0));
        camera.romeo.give(VideoTask::Encode(wanted([encoding])));
        camera.film(10);
        assert_eq!((camera.sent(other), camera.said.as_slice()), (0, &[][..]));
        assert!(camera.sent(encoding) >= 5, "from the next key frame on");
    }
}

#[test]
fn requests_for_key_frames_and_the_bit_rate_reach_the_camera_but_not_more_often_than_all_can_bear() {
    let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
    for _ in 0..60 {
        camera.romeo.give(VideoTask::ForceKeyFrame(vec![(Media::Video, H264)]));
        camera.film(1);
    }
    let keys = camera.sent[&H264].iter().filter(|frame| frame.key).count();
    assert!((5..=7).contains(&keys), "{keys} in two seconds");
    for bits in [900_000, 900_000, 250_000] {
        camera.romeo.give(VideoTask::Target((Media::Video, H264), Target { bits, layered: true }));
    }
    camera.romeo.give(VideoTask::Encode(wanted([Vp8])));
    camera.romeo.give(VideoTask::Target((Media::Video, Vp8), Target { bits: 700_000, layered: true }));
    assert_eq!(camera.device.lock().unwrap().bits, [600_000, 900_000, 250_000, 600_000, 700_000]);
}

/// What is encoded for a peer that takes this level of H.264.
fn at_level(profile_level_id: &str) -> VideoTask {
    let payload = PayloadType::new(102, "H264", 90_000, 1).with_parameter("profile-level-id", profile_level_id);
    VideoTask::Encode([((Media::Video, H264), h264::decoder_limit(&payload).expect("it exists"))].into())
}

#[test]
fn the_camera_is_told_no_more_bits_than_a_peer_takes() {
    let mut camera = Camera::new(H264, [160, 96], None);
    camera.romeo.give(at_level("42e00b"));
    camera.romeo.give(VideoTask::StartCapture(Media::Video));
    camera.romeo.give(VideoTask::Target((Media::Video, H264), Target { bits: 900_000, layered: false }));
    camera.film(5);
    assert_eq!((camera.sent(H264), camera.device.lock().unwrap().bits.last()), (5, Some(&192_000)), "level 1.1");
}

#[test]
fn a_camera_that_encodes_itself_is_opened_and_closed_as_others_are_and_its_end_is_told() {
    let mut camera = Camera::new(H264, [320, 180], None);
    camera.film(5);
    assert!(camera.sent.is_empty());
    camera.device.lock().unwrap().frames.clear();
    let mut camera = camera.begin([H264]);
    camera.film(5);
    assert_eq!(camera.sent(H264), 0, "it was encoding before");
    camera.pass(Duration::from_secs(1));
    camera.film(5);
    assert_eq!(camera.sent(H264), 5);
    camera.romeo.give(VideoTask::StopCapture(Media::Video));
    camera.film(5);
    assert_eq!((camera.sent(H264), camera.device.lock().unwrap().released), (0, 1));
    camera.romeo.give(VideoTask::StartCapture(Media::Video));
    camera.device.lock().unwrap().gone = true;
    camera.pass(Duration::from_secs(1));
    assert_eq!(camera.said, ["it was pulled out"]);
}

#[test]
fn what_came_before_the_end_of_a_camera_is_sent() {
    let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
    camera.film(5);
    let last: Vec<Vec<u8>> = (0..2).filter_map(|_| camera.encode()).collect();
    camera.device.lock().unwrap().frames.extend(last);
    camera.device.lock().unwrap().gone = true;
    camera.pass(Duration::from_secs(1));
    assert_eq!((camera.sent(H264), camera.said), (7, vec!["it was pulled out".to_owned()]));
}

#[test]
fn frames_that_were_kept_waiting_are_sent_at_once_as_several() {
    let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
    let frames: Vec<Vec<u8>> = (0..6).filter_map(|_| camera.encode()).collect();
    camera.device.lock().unwrap().frames.extend(frames);
    camera.pass(INTERVAL);
    let stamps: Vec<u32> = camera.sent[&H264].iter().map(|frame| frame.packets[0].timestamp).collect();
    assert_eq!(stamps, [0, 90, 180, 270, 450, 540]);
}

/// Counts what is shown of ours.
struct Mirror(Arc<Mutex<Vec<[usize; 2]>>>);

impl VideoSink for Mirror {
    fn show(&mut self, origin: &VideoOrigin, frame: VideoFrame) {
        assert_eq!(*origin, VideoOrigin::Local(Media::Video));
        self.0.lock().unwrap().push([frame.width(), frame.height()]);
    }

    fn end(&mut self, _: &VideoOrigin) {}
}

#[test]
fn who_has_a_window_sees_itself() {
    let shown = Arc::<Mutex<Vec<[usize; 2]>>>::default();
    let mut camera = Camera::new(H264, [320, 180], Some(Box::new(Mirror(shown.clone())))).begin([H264]);
    camera.film(30);
    assert_eq!((camera.sent(H264), shown.lock().unwrap().as_slice()), (30, &[[320, 180]; 30][..]));
}

/// The units of a frame, each with its start code.
fn units(frame: &[u8]) -> Vec<Vec<u8>> {
    let begins = (0..frame.len()).filter(|at| frame[*at..].starts_with(&[0, 0, 0, 1]));
    let begins: Vec<usize> = begins.chain([frame.len()]).collect();
    begins.windows(2).map(|pair| frame[pair[0]..pair[1]].to_vec()).collect()
}

#[test]
fn a_camera_that_says_its_parameters_once_is_seen_by_a_peer_that_comes_later() {
    let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
    let first = camera.encode().expect("it is the first");
    camera.device.lock().unwrap().frames.extend(units(&first).chunks(2).map(<[Vec<u8>]>::concat));
    camera.pass(INTERVAL);
    let without = |frame: Vec<u8>| units(&frame).into_iter().filter(|unit| !matches!(unit[4] & 0x1F, 7 | 8)).flatten();
    camera.film_changed(10, |frame| without(frame).collect());
    camera.sent.clear();
    camera.romeo.give(VideoTask::ForceKeyFrame(vec![(Media::Video, H264)]));
    camera.film_changed(30, |frame| without(frame).collect());
    let key = camera.sent[&H264].iter().position(|frame| frame.key).expect("it was asked for");
    camera.sent.get_mut(&H264).unwrap().drain(..key);
    assert_eq!(camera.seen(H264), [[320, 180]]);
}

/// Encodings of which only our side knows what a peer needs, if they are built in.
fn vp9_and_av1() -> impl Iterator<Item = VideoEncoding> {
    VideoEncoding::built_in().filter(|encoding| [Vp9, Av1].contains(encoding))
}

#[test]
fn a_peer_that_comes_later_sees_vp9_and_av1_from_the_key_frame_that_it_asks_for() {
    // Of AV1 the sequence header comes once.
    let without = |frame: Vec<u8>| match frame[..] {
        [0x0A, length, ref rest @ ..] => rest[length.into()..].to_vec(),
        _ => frame,
    };
    for encoding in vp9_and_av1() {
        let mut camera = Camera::new(encoding, [320, 180], None).begin([encoding]);
        camera.film(1);
        camera.film_changed(9, without);
        camera.sent.clear();
        camera.film_changed(10, without);
        assert_eq!((camera.seen(encoding), camera.sent(encoding)), (vec![], 10), "nothing it could build on");
        camera.romeo.give(VideoTask::ForceKeyFrame(vec![(Media::Video, encoding)]));
        camera.film_changed(10, without);
        assert_eq!((camera.seen(encoding), camera.key_frames_made, camera.said.len()), (vec![[320, 180]], 1, 0));
    }
}

#[test]
fn a_peer_that_loses_frames_of_vp9_or_av1_asks_for_one_key_frame_and_sees_the_camera_again() {
    for encoding in vp9_and_av1() {
        let mut camera = Camera::new(encoding, [320, 180], None).begin([encoding]);
        let (mut juliet, mut number, mut asked) = (Bench::new(), 1, 0);
        for frame in 0..120 {
            camera.film(1);
            let packets = camera.sent.remove(&encoding).expect("nothing is left out").remove(0).packets;
            for packet in received(&packets, number, juliet.now).into_iter().filter(|_| !(30..33).contains(&frame)) {
                juliet.give(VideoTask::Packet(id(1), Media::Video, encoding, packet));
            }
            number += packets.len() as u64;
            for output in juliet.run(INTERVAL) {
                assert!(matches!(output, VideoOutput::RequestKeyFrame(_)), "{output:?}");
                asked += 1;
                camera.romeo.give(VideoTask::ForceKeyFrame(vec![(Media::Video, encoding)]));
            }
        }
        let seen = std::iter::from_fn(|| juliet.seen.try_recv().ok());
        let decoded = seen
            .filter_map(|seen| if let Observation::Video { stats, .. } = seen { Some(stats.decoded) } else { None });
        assert_eq!((asked, camera.key_frames_made), (1, 1));
        // Lost packets are waited for for 800 ms: some 27 of the frames are not seen. What is, is counted once a second.
        assert!(decoded.last().is_some_and(|decoded| (55..95).contains(&decoded)), "{encoding:?}");
    }
}

#[test]
fn what_is_no_vp9_or_av1_between_key_frames_is_said_once_and_the_call_goes_on() {
    for encoding in vp9_and_av1() {
        let mut camera = Camera::new(encoding, [320, 180], None).begin([encoding]);
        camera.film(10);
        camera.film_changed(15, |_| b"I am a teapot, and no camera.".to_vec());
        assert_eq!(camera.sent(encoding), 10);
        camera.film(40);
        let why = if encoding == Vp9 { "the header of a frame cannot be read" } else { "it has units of no kind" };
        let name = encoding.name();
        let said = format!("the encoded source gives what is no {name}: the stream makes no sense: {why}");
        assert_eq!(camera.said, [said]);
        // The key frame that was asked for was none, and is asked for again after a second.
        assert!((20..=40).contains(&camera.sent(encoding)), "from the next key frame on");
    }
}

#[test]
fn what_a_camera_should_not_give_is_said_once_and_the_call_goes_on() {
    let no_frame = "the encoded source gives what is no H.264: the stream makes no sense: ";
    let profile = |profile: u8| {
        move |mut frame: Vec<u8>| {
            if frame[4] == 0x67 {
                frame[5..7].copy_from_slice(&[profile, 0]);
            }
            frame
        }
    };
    let larger = Vp8.encoder([64, 64], 100_000).unwrap().encode(&VideoFrame::filled(64, 64, [9; 3]), 0, true);
    let vp8 = larger.unwrap().expect("it is the first").bytes;
    type Change = Box<dyn Fn(Vec<u8>) -> Vec<u8>>;
    let changes: [(Change, String); 5] = [
        (
            Box::new(|_| vec![0; 20 << 20]),
            "the encoded source gives a frame of 20971520 bytes, more than 1048576: it is left out".to_owned(),
        ),
        (
            Box::new(|_| b"I am a teapot, and no camera.".to_vec()),
            format!("{no_frame}it has no units behind start codes"),
        ),
        (Box::new(move |_| vp8.clone()), format!("{no_frame}it has no units behind start codes")),
        (Box::new(|_| vec![0, 0, 0, 1, 0x1F, 9, 9]), format!("{no_frame}it has units of no kind")),
        (Box::new(profile(244)), "the encoded source gives what is no H.264: profile 244 is not supported".to_owned()),
    ];
    for (change, said) in changes {
        let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
        camera.film(10);
        camera.romeo.give(VideoTask::ForceKeyFrame(vec![(Media::Video, H264)]));
        camera.pass(INTERVAL);
        camera.film_changed(15, change);
        assert!(camera.sent(H264) <= 25);
        camera.film(40);
        assert_eq!(camera.said, [said.as_str()]);
        let of_forty = camera.sent(H264);
        assert!((10..=40).contains(&of_forty), "{said}: {of_forty} of the last forty are sent");
    }
    let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
    camera.film_changed(30, profile(77));
    assert_eq!((camera.seen(H264), camera.sent(H264)), (vec![[320, 180]], 30));
    let main = "H.264 of the encoded source has profile 77, and peers agreed to take constrained baseline: it is decoded and encoded \
                again; set its encoder to that profile";
    assert_eq!(camera.said, [main]);
}

#[test]
fn a_camera_without_key_frames_is_seen_by_nobody_until_it_gives_one_which_is_said() {
    let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
    let _key_frame_that_is_lost = camera.encode();
    for _ in 0..300 {
        camera.device.lock().unwrap().key_frames_asked = 0;
        camera.film(1);
    }
    assert_eq!((camera.sent(H264), camera.key_frames_made), (0, 0));
    let said =
        "the encoded source has given no key frame for 5 s, though it was asked for one: until it does, nobody sees it";
    assert_eq!(camera.said, [said]);
    camera.pass(Duration::from_secs(1));
    camera.film(30);
    assert_eq!((camera.sent(H264), camera.said.len()), (30, 1));
}

#[test]
fn a_camera_that_gives_4k_is_scaled_down_which_is_said() {
    let mut camera = Camera::new(H264, [3_840, 2_160], None).begin([H264]);
    camera.romeo.give(VideoTask::Target((Media::Video, H264), Target { bits: 4_000_000, layered: false }));
    camera.film(3);
    assert_eq!(camera.said, ["frames of the camera of 3840 x 2160 are scaled down to 1920 x 1080"]);
    assert_eq!((camera.seen(H264), camera.largest.as_slice()), (vec![[1_920, 1_080]], &[[1_920, 1_080]][..]));
}

#[test]
fn a_peer_whose_decoder_takes_less_is_sent_smaller_frames_and_all_are_when_it_has_gone() {
    let mut camera = Camera::new(H264, [640, 360], None).begin([H264]);
    camera.film(5);
    camera.romeo.give(at_level("42e00d"));
    camera.romeo.give(VideoTask::ForceKeyFrame(vec![(Media::Video, H264)]));
    camera.sent.clear();
    camera.film(60);
    assert_eq!(camera.seen(H264), [[320, 180]]);
    let said = "a participant cannot decode frames of 640 x 360 as the encoded source gives them: they are encoded again, smaller";
    assert_eq!(camera.said, [said]);
    camera.romeo.give(VideoTask::Encode(wanted([H264])));
    camera.sent.clear();
    camera.film(60);
    assert_eq!(camera.seen(H264), [[640, 360]]);
}

#[test]
fn a_camera_that_gives_more_bits_than_it_was_told_loses_frames_which_is_said() {
    let mut camera = Camera::new(H264, [320, 180], None).begin([H264]);
    let padded = |frame: Vec<u8>| [&frame[..], &[0xAB; 12_000]].concat(); // 2.9 Mbit/s instead of 600 kbit/s.
    camera.film_changed(300, padded);
    let said = "the encoded source gives more than the 600000 bit/s that it was told: frames are left out until a key frame; if it cannot \
                change its bit rate, set it lower";
    assert_eq!(camera.said, [said]);
    let frames = camera.sent(H264);
    assert!((60..=120).contains(&frames), "{frames} of 300, for a quarter of the bits");
    camera.pass(Duration::from_secs(3));
    camera.film(60);
    assert!(camera.sent(H264) > 40, "it keeps to it");
}
