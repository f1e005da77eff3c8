//! The work of the video thread without the thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use muji_core::{Media, SessionId};
use tokio::sync::mpsc;

use super::frame::{INTERVAL, VideoFrame};
use super::ladder::DegradationPreference;
use super::receiver::VideoReceiver;
use super::sender::VideoSender;
use super::task::{VideoOutput, VideoTask};
use super::worker::{Sources, VideoWorker};
use crate::audio::receiver::PlayoutClock;
use crate::bandwidth::Target;
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::VideoEncoding;
use crate::device::{DeviceError, VideoInput, VideoSink, VideoSource};
use crate::rtp::{ReceivedRtp, RtpPacket, StreamId};
use crate::stats::Observation;
use crate::video::packetized::{PacketizedFrame, VideoKind};

/// Frames of one colour, counted; it ends after some.
struct Counted {
    taken: Arc<AtomicUsize>,
    ends_after: usize,
    rested: Arc<AtomicUsize>,
}

impl VideoSource for Counted {
    fn size(&self) -> [usize; 2] {
        [160, 96]
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        if self.taken.fetch_add(1, Ordering::Relaxed) == self.ends_after {
            return Err(DeviceError("it ended".to_owned()));
        }
        Ok(VideoFrame::filled(160, 96, [200, 60, 40]))
    }

    fn release(&mut self) {
        self.rested.fetch_add(1, Ordering::Relaxed);
    }
}

/// The thread's work without the thread.
pub(super) struct Bench {
    pub(super) worker: VideoWorker,
    outputs: mpsc::Receiver<VideoOutput>,
    pub(super) seen: mpsc::Receiver<Observation>,
    pub(super) now: Instant,
    taken: Arc<AtomicUsize>,
    rested: Arc<AtomicUsize>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_frames(usize::MAX)
    }

    fn with_frames(ends_after: usize) -> Self {
        let (done, outputs) = mpsc::channel(1_024);
        let (observed, seen) = mpsc::channel(64);
        let (taken, rested) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (source, now) = (Counted { taken: taken.clone(), ends_after, rested: rested.clone() }, Instant::now());
        let worker = VideoWorker::new(now, sources(source), None, None, Arc::new(AtomicUsize::new(0)), done, observed);
        Self { worker, outputs, seen, now, taken, rested }
    }

    fn of(source: impl VideoSource + 'static) -> Self {
        Self::with(VideoInput::Raw(Box::new(source)), None)
    }

    pub(super) fn with(input: VideoInput, sink: Option<Box<dyn VideoSink>>) -> Self {
        let mut bench = Self::new();
        let (done, outputs) = mpsc::channel(1_024);
        let (waiting, now) = (Arc::new(AtomicUsize::new(0)), bench.now);
        bench.worker = VideoWorker::new(
            now,
            Sources::from([(Media::Video, input)]),
            sink,
            None,
            waiting,
            done,
            mpsc::channel(64).0,
        );
        bench.outputs = outputs;
        bench
    }

    pub(super) fn give(&mut self, task: VideoTask) {
        assert!(self.worker.execute(self.now, task).is_ok());
        self.worker.show_due(self.now).unwrap_or_else(|_| panic!("the bench listens"));
    }

    /// Lets time pass; what came of it.
    pub(super) fn run(&mut self, time: Duration) -> Vec<VideoOutput> {
        let until = self.now + time;
        while let Some(next) = self.worker.capture_at().filter(|next| *next < until) {
            self.now = next;
            assert!(self.worker.capture_due(&|| next).is_ok());
        }
        self.now = until;
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<VideoOutput> {
        std::iter::from_fn(|| self.outputs.try_recv().ok()).collect()
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

fn sources(source: impl VideoSource + 'static) -> Sources {
    Sources::from([(Media::Video, VideoInput::Raw(Box::new(source)))])
}

/// What is encoded of the camera if peers take these, whatever their decoders can do.
pub(super) fn wanted(encodings: impl IntoIterator<Item = VideoEncoding>) -> BTreeMap<VideoKind, DecoderLimit> {
    encodings.into_iter().map(|encoding| ((Media::Video, encoding), DecoderLimit::NONE)).collect()
}

/// Our camera as it is encoded if nobody wants anything else.
fn camera() -> Vec<VideoKind> {
    vec![(Media::Video, VideoEncoding::Vp8)]
}

pub(super) fn id(session: u64) -> StreamId {
    (SessionId(session), "video".into())
}

fn packets(done: Vec<VideoOutput>) -> Vec<RtpPacket> {
    done.into_iter()
        .flat_map(|done| if let VideoOutput::Frame(_, _, coded) = done { coded.packets } else { Vec::new() })
        .collect()
}

/// As they come over a network that loses none.
pub(super) fn received(packets: &[RtpPacket], first: u64, now: Instant) -> Vec<ReceivedRtp> {
    let received = |(sequence, packet): (u64, &RtpPacket)| ReceivedRtp {
        ssrc: 1,
        payload_type: 98,
        sequence,
        arrived: now,
        captured: None,
        turns: None,
        packet: packet.clone(),
    };
    (first..).zip(packets).map(received).collect()
}

fn is_key(packet: &RtpPacket) -> bool {
    packet.payload[0] & 0x10 != 0 && packet.payload[6] & 1 == 0
}

#[test]
fn nothing_is_captured_unless_it_is_wanted_and_the_camera_is_let_go_when_not() {
    let mut bench = Bench::new();
    assert!(bench.run(Duration::from_secs(1)).is_empty());
    assert_eq!(bench.taken(), 0);
    bench.give(VideoTask::StartCapture(Media::Video));
    assert_eq!(packets(bench.run(INTERVAL * 30)).iter().filter(|packet| packet.marker).count(), 30);
    bench.give(VideoTask::StopCapture(Media::Video));
    assert!(bench.run(Duration::from_secs(1)).is_empty());
    assert_eq!((bench.taken(), bench.rested.load(Ordering::Relaxed)), (30, 1));
}

#[test]
fn a_key_frame_comes_first_and_when_asked_but_not_more_often_than_all_can_bear() {
    let mut bench = Bench::new();
    bench.give(VideoTask::StartCapture(Media::Video));
    let mut keys = packets(bench.run(Duration::from_secs(1))).iter().filter(|packet| is_key(packet)).count();
    assert_eq!(keys, 1);
    for _ in 0..100 {
        bench.give(VideoTask::ForceKeyFrame(camera()));
        keys += packets(bench.run(Duration::from_millis(10))).iter().filter(|packet| is_key(packet)).count();
    }
    assert!((4..=5).contains(&keys), "{keys} in two seconds");
}

#[cfg(feature = "h264")]
#[test]
fn a_frame_is_captured_once_and_encoded_in_each_encoding_that_some_peer_takes() {
    let mut romeo = Bench::new();
    romeo.give(VideoTask::StartCapture(Media::Video));
    romeo.run(INTERVAL * 10);
    let encodings: Vec<VideoEncoding> = VideoEncoding::built_in().collect();
    romeo.give(VideoTask::Encode(wanted(encodings.iter().copied())));
    romeo.give(VideoTask::ForceKeyFrame(camera())); // The others begin with one.
    let mut sent: BTreeMap<VideoEncoding, Vec<RtpPacket>> = BTreeMap::new();
    for output in romeo.run(INTERVAL * 30) {
        let VideoOutput::Frame(_, _, frame) = output else { panic!("nothing else: {output:?}") };
        sent.entry(frame.encoding).or_default().extend(frame.packets);
    }
    assert_eq!((romeo.taken(), sent.len()), (40, encodings.len()));
    let timestamps = |encoding| sent[encoding].iter().map(|packet| packet.timestamp).collect::<BTreeSet<_>>();
    for encoding in &encodings {
        assert_eq!(timestamps(&encodings[0]), timestamps(encoding), "{encoding:?}");
        let mut juliet = Bench::new();
        for packet in received(&sent[encoding], 1, juliet.now) {
            juliet.give(VideoTask::Packet(id(1), Media::Video, *encoding, packet));
        }
        let Ok(Observation::Video { size, colour, .. }) = juliet.seen.try_recv() else {
            panic!("{encoding:?}: not seen")
        };
        assert_eq!(size, [160, 96]);
        assert!(
            colour.iter().zip([200, 60, 40]).all(|(seen, sent)| seen.abs_diff(sent) < 10),
            "{encoding:?} {colour:?}"
        );
    }
    romeo.give(VideoTask::Encode(wanted([VideoEncoding::H264])));
    let frames = romeo.run(INTERVAL * 10);
    assert!(frames.iter().all(|it| matches!(it, VideoOutput::Frame(_, _, it) if it.encoding == VideoEncoding::H264)));
}

/// What is told of a stream in which `damage` was done to the first frames, and whether it goes on with the next key frame.
fn told_of_damage(encoding: VideoEncoding, damage: impl FnOnce(&mut Vec<RtpPacket>)) -> (Vec<String>, bool) {
    let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
    romeo.give(VideoTask::Encode(wanted([encoding])));
    romeo.give(VideoTask::StartCapture(Media::Video));
    let mut frames = packets(romeo.run(INTERVAL * 10));
    damage(&mut frames);
    let mut sent = received(&frames, 1, juliet.now);
    let next = sent.len() as u64 + 1;
    romeo.give(VideoTask::ForceKeyFrame(vec![(Media::Video, encoding)]));
    sent.extend(received(&packets(romeo.run(INTERVAL * 10)), next, juliet.now));
    for packet in sent {
        juliet.give(VideoTask::Packet(id(1), Media::Video, encoding, packet));
        juliet.now += INTERVAL / 2;
    }
    let told = juliet.outputs().into_iter().filter_map(|output| match output {
        VideoOutput::Trouble(DeviceError(why)) => Some(why),
        _ => None,
    });
    let told = told.collect();
    let _of_before_the_damage = std::iter::from_fn(|| juliet.seen.try_recv().ok()).count();
    juliet.run(Duration::from_secs(1));
    juliet.worker.show_due(juliet.now).unwrap_or_else(|_| panic!("the bench listens"));
    (told, matches!(juliet.seen.try_recv(), Ok(Observation::Video { .. })))
}

#[cfg(feature = "h264")]
#[test]
fn h264_of_which_a_packet_contradicts_the_others_is_told_once_and_goes_on_with_the_next_key_frame() {
    let told = told_of_damage(VideoEncoding::H264, |frames| {
        // Behind the first packet of a frame comes a piece of a unit without a beginning.
        let piece = RtpPacket { payload: Arc::from(&[0x7C, 0x05, 9][..]), ..frames[0].clone() };
        assert!(std::mem::replace(&mut frames[0].marker, false), "the frame is small");
        frames.insert(1, piece);
    });
    let why = "video of a participant cannot be shown: the stream makes no sense: a unit has no beginning";
    assert_eq!(told, (vec![why.to_owned()], true));
}

#[test]
fn vp9_whose_frames_grow_beyond_the_bound_is_told_once_and_goes_on_with_the_next_key_frame() {
    let told = told_of_damage(VideoEncoding::Vp9, |frames| {
        // No key frame, and of 65536 x 65536.
        let huge = [0x86, 0x00, 0x40, 0x00, 0x1F, 0xFF, 0xFF, 0xFF, 0xFF];
        for frame in &mut frames[1..4] {
            frame.payload = [&frame.payload[..5], &huge].concat().into();
        }
    });
    assert_eq!(
        told,
        (vec!["video of a participant cannot be shown: the size of the frame is not supported".to_owned()], true)
    );
}

#[cfg(feature = "av1")]
#[test]
fn av1_of_which_a_packet_contradicts_the_others_is_told_once_and_goes_on_with_the_next_key_frame() {
    let told = told_of_damage(VideoEncoding::Av1, |frames| {
        // Behind the first packet of a frame comes a piece of a unit without a beginning.
        let piece = RtpPacket { payload: Arc::from(&[0x90, 1, 2][..]), ..frames[0].clone() };
        assert!(std::mem::replace(&mut frames[0].marker, false), "the frame is small");
        frames.insert(1, piece);
    });
    let why = "video of a participant cannot be shown: the stream makes no sense: a unit has no beginning";
    assert_eq!(told, (vec![why.to_owned()], true));
}

#[test]
fn what_one_sends_is_seen_by_another_in_its_colour() {
    let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
    romeo.give(VideoTask::StartCapture(Media::Video));
    let sent = packets(romeo.run(Duration::from_secs(1)));
    for packet in received(&sent, 1, juliet.now) {
        juliet.give(VideoTask::Packet(id(1), Media::Video, VideoEncoding::Vp8, packet));
    }
    let Ok(Observation::Video { session, size, colour, stats, .. }) = juliet.seen.try_recv() else {
        panic!("not seen")
    };
    assert_eq!((session, size, stats.shown), (SessionId(1), [160, 96], 1));
    assert!(colour.iter().zip([200, 60, 40]).all(|(seen, sent)| seen.abs_diff(sent) < 10), "{colour:?}");
    assert!(juliet.outputs().is_empty(), "nobody was asked for anything");
}

#[test]
fn what_a_phone_sends_as_it_is_held_is_shown_upright_until_it_says_otherwise() {
    let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
    romeo.give(VideoTask::StartCapture(Media::Video));
    let sent = packets(romeo.run(Duration::from_secs(3)));
    for (number, mut packet) in received(&sent, 1, juliet.now).into_iter().enumerate() {
        packet.turns = match number {
            0 => Some(1),
            60 => Some(2),
            _ => None,
        };
        juliet.give(VideoTask::Packet(id(1), Media::Video, VideoEncoding::Vp8, packet));
        juliet.now += INTERVAL;
    }
    let seen = std::iter::from_fn(|| juliet.seen.try_recv().ok());
    let sizes: Vec<_> =
        seen.filter_map(|seen| if let Observation::Video { size, .. } = seen { Some(size) } else { None }).collect();
    assert_eq!(sizes, [[96, 160], [96, 160], [160, 96]]);
}

#[test]
fn who_stops_for_a_while_goes_on_with_the_timestamps_of_then() {
    let mut bench = Bench::new();
    bench.give(VideoTask::StartCapture(Media::Video));
    bench.run(Duration::from_secs(1));
    bench.give(VideoTask::StopCapture(Media::Video));
    bench.run(Duration::from_secs(2));
    bench.give(VideoTask::StartCapture(Media::Video));
    let first = packets(bench.run(Duration::from_secs(1))).remove(0);
    assert_eq!(first.timestamp, 270_000, "three seconds");
    assert!(is_key(&first));
}

#[test]
fn a_source_that_ends_is_told_once() {
    let mut bench = Bench::with_frames(3);
    bench.give(VideoTask::StartCapture(Media::Video));
    let done = bench.run(Duration::from_secs(1));
    assert_eq!(done.iter().filter(|done| matches!(done, VideoOutput::Trouble(_))).count(), 1);
    assert_eq!(bench.taken(), 4);
}

#[test]
fn a_hostile_stream_is_told_once_asks_for_key_frames_and_touches_no_other() {
    let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
    romeo.give(VideoTask::StartCapture(Media::Video));
    let sent = packets(romeo.run(Duration::from_secs(1)));
    // A key frame that says 16383 times 16383 pixels, in every form of it that may be cut off.
    let huge = [0x90, 0x80, 0x80, 1, 0x10, 0, 0, 0x9D, 0x01, 0x2A, 0xFF, 0x3F, 0xFF, 0x3F, 7, 7, 7];
    let mut nonsense = Vec::new();
    for length in (1..=huge.len()).cycle().take(400) {
        let payload = Arc::from(&huge[..length]);
        nonsense.push(RtpPacket { timestamp: nonsense.len() as u32 * 3_000, marker: true, payload });
    }
    for packet in received(&nonsense, 1, juliet.now) {
        juliet.give(VideoTask::Packet(id(666), Media::Video, VideoEncoding::Vp8, packet));
        juliet.now += Duration::from_millis(5);
    }
    for packet in received(&sent, 1, juliet.now) {
        juliet.give(VideoTask::Packet(id(1), Media::Video, VideoEncoding::Vp8, packet));
    }
    let done: Vec<VideoOutput> = juliet.outputs();
    let troubles = done.iter().filter(|done| matches!(done, VideoOutput::Trouble(_))).count();
    let asked = done.iter().filter(|done| matches!(done, VideoOutput::RequestKeyFrame(of) if *of == id(666))).count();
    assert_eq!(troubles, 1);
    assert!(done.len() == troubles + asked && asked <= 5, "{asked} in two seconds");
    assert!(matches!(juliet.seen.try_recv(), Ok(Observation::Video { session: SessionId(1), .. })));
}

/// Freezes of a viewer that gets nothing for two seconds in the middle: the sender paused, or all was lost.
fn freezes(paused: bool) -> u64 {
    let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
    romeo.give(VideoTask::StartCapture(Media::Video));
    let before = romeo.run(Duration::from_secs(1));
    if paused {
        romeo.give(VideoTask::StopCapture(Media::Video));
    }
    let lost = romeo.run(Duration::from_secs(2));
    romeo.give(VideoTask::StartCapture(Media::Video));
    romeo.give(VideoTask::ForceKeyFrame(camera()));
    let behind = romeo.run(Duration::from_secs(2));
    let mut number = 1;
    for (arrives, done) in [(true, before), (false, lost), (true, behind)] {
        for done in done {
            let VideoOutput::Frame(_, at, PacketizedFrame { packets, .. }) = done else { continue };
            juliet.now = at;
            for packet in received(&packets, number, at).into_iter().filter(|_| arrives) {
                juliet.give(VideoTask::Packet(id(1), Media::Video, VideoEncoding::Vp8, packet));
            }
            number += packets.len() as u64;
        }
    }
    let seen = std::iter::from_fn(|| juliet.seen.try_recv().ok());
    let stats = seen.filter_map(|seen| if let Observation::Video { stats, .. } = seen { Some(stats) } else { None });
    stats.last().expect("it is told each second").freezes
}

#[test]
fn frames_that_stand_still_are_counted_but_a_sender_that_pauses_is_not() {
    assert_eq!((freezes(true), freezes(false)), (0, 1));
}

#[test]
fn frames_wait_for_their_sound_but_no_more_of_them_than_the_bound() {
    let mut romeo = Bench::new();
    romeo.give(VideoTask::StartCapture(Media::Video));
    let sent = packets(romeo.run(INTERVAL * 70));
    let (now, captured) = (romeo.now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    let mut juliet = VideoReceiver::new(now);
    juliet.set_clock(PlayoutClock { at: now, captured: captured - Duration::from_millis(400) });
    for packet in received(&sent, 1, now) {
        assert!(
            juliet.receive(now, VideoEncoding::Vp8, &ReceivedRtp { captured: Some(captured), ..packet }).is_empty()
        );
    }
    assert_eq!(juliet.take(now).len(), 10, "sixty wait");
    assert_eq!(juliet.take(now + Duration::from_millis(399)).len(), 0);
    let last = juliet.take(now + Duration::from_secs(2)).len();
    assert_eq!((last, juliet.due()), (60, None));
}

#[test]
fn pictures_that_a_lost_packet_keeps_waiting_are_shown_one_by_one_and_reported_as_behind_their_sound() {
    let mut romeo = Bench::new();
    romeo.give(VideoTask::StartCapture(Media::Video));
    let sent = packets(romeo.run(INTERVAL * 60));
    let (begun, captured) = (romeo.now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    let mut juliet = VideoReceiver::new(begun);
    juliet.set_clock(PlayoutClock { at: begun, captured });
    let (mut shown, mut waiting) = (Vec::new(), received(&sent, 1, begun).into_iter());
    for ms in 0..2_500 {
        let now = begun + Duration::from_millis(ms);
        let frame = |packet: &ReceivedRtp| (packet.packet.timestamp + 1_500) / 3_000;
        // All of a frame and those behind it are there 200 ms late.
        let due = |frame: u32| (frame as u64 * 1_000 / 30).max(if frame >= 30 { 1_200 } else { 0 });
        while let Some(next) = waiting.as_slice().first().filter(|next| due(frame(next)) <= ms) {
            let captured = Some(captured + INTERVAL * frame(next));
            juliet.receive(now, VideoEncoding::Vp8, &ReceivedRtp { captured, ..waiting.next().expect("it is there") });
        }
        shown.extend((0..juliet.take(now).len()).map(|_| ms));
    }
    assert_eq!(shown.len(), 60);
    let apart: Vec<u64> = shown.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart.iter().enumerate().all(|(at, ms)| *ms < 36 || at == 29), "{apart:?}");
    assert!(apart[30..].iter().all(|ms| *ms >= 28), "{apart:?}");
    assert!(juliet.behind_sound().is_some_and(|behind| behind > Duration::from_millis(80)));
}

#[test]
fn a_stream_whose_frames_change_their_size_goes_on() {
    let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
    romeo.give(VideoTask::StartCapture(Media::Video));
    let mut sent = packets(romeo.run(Duration::from_millis(100)));
    let mut larger = VideoEncoding::Vp8.encoder([320, 192], 300_000).expect("libvpx works");
    let (mut payloader, frame) = (VideoEncoding::Vp8.payloader(), VideoFrame::filled(320, 192, [0, 0, 255]));
    let encoded = larger.encode(&frame, 0, true).unwrap().expect("it is small");
    sent.extend(payloader.packets(&encoded, 90_000));
    for packet in received(&sent, 1, juliet.now) {
        juliet.give(VideoTask::Packet(id(1), Media::Video, VideoEncoding::Vp8, packet));
        juliet.now += Duration::from_secs(1);
    }
    let sizes: Vec<[usize; 2]> = std::iter::from_fn(|| juliet.seen.try_recv().ok())
        .filter_map(|seen| if let Observation::Video { size, .. } = seen { Some(size) } else { None })
        .collect();
    assert_eq!((sizes.first(), sizes.last()), (Some(&[160, 96]), Some(&[320, 192])));
}

/// What a viewer sees of frames of these sizes, each at so many bits a second and for so many frames: each size once.
fn seen_sizes(changes: &[([usize; 2], u32, usize)]) -> Vec<[usize; 2]> {
    let mut now = Instant::now();
    let target = |bits| Target { bits, layered: false };
    let (size, bits, _) = changes[0];
    let people = DegradationPreference::MaintainFramerate;
    let mut romeo = VideoSender::new(now, VideoEncoding::Vp8, size, people, target(bits)).expect("libvpx works");
    let (mut juliet, mut seen, mut number) = (VideoReceiver::new(now), Vec::new(), 1);
    for (size, bits, frames) in changes {
        romeo.set_target(target(*bits)).unwrap();
        for frame in 0..*frames {
            let mut picture = VideoFrame::filled(size[0], size[1], [200, 60, 40]);
            (0..16).for_each(|pixel| picture.set_brightness(frame % size[0], pixel, 235));
            let sent = romeo.packets(now, &picture).unwrap().expect("it is small").packets;
            for packet in received(&sent, number, now) {
                assert!(juliet.receive(now, VideoEncoding::Vp8, &packet).is_empty(), "nothing is asked for");
            }
            number += sent.len() as u64;
            now += INTERVAL;
            seen.extend(juliet.take(now).iter().map(|shown| [shown.frame.width(), shown.frame.height()]));
        }
    }
    seen.dedup();
    seen
}

#[test]
fn a_viewer_sees_frames_that_follow_the_bit_rate_and_a_source_that_changes_its_size() {
    let camera = [1_280, 720];
    let seen = seen_sizes(&[(camera, 1_500_000, 5), (camera, 300_000, 70), (camera, 1_500_000, 5)]);
    assert_eq!(seen, [[1_280, 720], [640, 360], [1_280, 720]]);
    let seen = seen_sizes(&[([640, 360], 1_500_000, 5), ([360, 640], 1_500_000, 5), ([2, 2], 1_500_000, 5)]);
    assert_eq!(seen, [[640, 360], [360, 640], [2, 2]]);
}

/// Frames of these sizes, one after the other, and then none.
struct Shrinking(Vec<[usize; 2]>);

impl VideoSource for Shrinking {
    fn size(&self) -> [usize; 2] {
        self.0[0]
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let size = if self.0.len() > 1 { self.0.remove(0) } else { self.0[0] };
        Ok(VideoFrame::filled(size[0], size[1], [200, 60, 40]))
    }
}

#[test]
fn frames_that_are_larger_than_is_sent_are_scaled_down_which_is_said_once() {
    let mut bench = Bench::of(Shrinking(vec![[4_096, 2_304], [4_096, 2_304], [640, 360]]));
    bench.give(VideoTask::StartCapture(Media::Video));
    let (mut said, mut largest) = (Vec::new(), Vec::new());
    for done in bench.run(INTERVAL * 5) {
        match done {
            VideoOutput::Trouble(DeviceError(why)) => said.push(why),
            VideoOutput::LargestSize(media, size) => largest.push((media, size)),
            VideoOutput::Frame(..) | VideoOutput::RequestKeyFrame(_) | VideoOutput::BehindSound(..) => {}
        }
    }
    assert_eq!(said, ["frames of the camera of 4096 x 2304 are scaled down to 1920 x 1080"]);
    assert_eq!(largest, [(Media::Video, [1_920, 1_080]), (Media::Video, [640, 360])]);
}

#[cfg(feature = "h264")]
#[test]
fn an_encoder_that_fails_is_told_by_its_name_and_leaves_the_others_alone() {
    let (vp8, h264) = (VideoEncoding::Vp8, VideoEncoding::H264);
    // OpenH264 takes no frame with a side of less than 16 pixels.
    for (encodings, frames) in [(vec![vp8, h264], 5), (vec![h264], 0)] {
        let mut bench = Bench::of(Shrinking(vec![[8, 8]]));
        bench.give(VideoTask::Encode(wanted(encodings)));
        bench.give(VideoTask::StartCapture(Media::Video));
        let (mut said, mut sent) = (Vec::new(), 0);
        for done in bench.run(INTERVAL * 5) {
            match done {
                VideoOutput::Trouble(DeviceError(why)) => said.push(why),
                VideoOutput::Frame(..) => sent += 1,
                VideoOutput::LargestSize(..) | VideoOutput::RequestKeyFrame(_) | VideoOutput::BehindSound(..) => {}
            }
        }
        assert!(matches!(said.as_slice(), [why] if why.starts_with("H.264 cannot be encoded: OpenH264")), "{said:?}");
        assert_eq!(sent, frames);
    }
}

#[test]
fn a_screen_on_which_nothing_changes_is_sent_five_times_a_second_and_a_change_at_once() {
    let (mut now, target) = (Instant::now(), Target { bits: 1_500_000, layered: false });
    let still = DegradationPreference::MaintainResolution;
    let mut romeo = VideoSender::new(now, VideoEncoding::Vp8, [640, 360], still, target).expect("libvpx works");
    let mut screen = VideoFrame::filled(640, 360, [200, 60, 40]);
    let mut sent = [0, 0];
    for frame in 0..60 {
        if frame == 37 {
            screen.set_brightness(5, 5, 235);
            assert!(romeo.packets(now, &screen).unwrap().is_some(), "a change leaves at once");
        }
        sent[frame / 30] += usize::from(romeo.packets(now, &screen).unwrap().is_some());
        now += INTERVAL;
    }
    assert_eq!(sent, [5, 5]);
    romeo.force_key_frame();
    assert!(romeo.packets(now, &screen).unwrap().is_some_and(|sent| sent.key), "who comes does not wait");
}
