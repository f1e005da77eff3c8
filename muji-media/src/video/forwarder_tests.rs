//! What viewers get of calls that are joined.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muji_core::media::Audibility;
use muji_core::{CallId, SessionId};
use muji_jingle::TransportId;

use super::forwarder::{ENCODING, Forwarded, Source, VideoForwarder};
use super::packetized::PacketizedFrame;
use crate::audio::speech::Speech;
use crate::codec::video::{Encoded, Layer, Payloader};
use crate::rtp::{ReceivedRtp, RtpPacket, StreamId};

const FRAME: Duration = Duration::from_millis(33);
const SECOND: Duration = Duration::from_secs(1);

/// Somebody with a camera: the only one in its call.
struct Sender {
    payloader: Box<dyn Payloader>,
    sequence: u64,
    timestamp: u32,
    /// The next frame is a key frame, as it was asked.
    key: bool,
    /// It does what it is asked.
    obeys: bool,
    /// How it counts pictures.
    counts: Counts,
    requests: Vec<Instant>,
}

/// How a sender counts pictures (RFC 7741 section 4.2): with so many bits, 0, 7 or 15, and those of layer 0 also by TL0PICIDX.
#[derive(Debug, Clone, Copy)]
struct Counts {
    bits: u8,
    base: bool,
}

impl Counts {
    /// A packet of our payloader, as such a sender would have made it.
    fn written(self, RtpPacket { timestamp, marker, payload }: RtpPacket) -> RtpPacket {
        let [first, _, high, low, base, layer, rest @ ..] = &payload[..] else { panic!("it has our descriptor") };
        let id: &[u8] = match self.bits {
            0 => &[],
            7 => &[low & 0x7F],
            _ => &[*high, *low],
        };
        let of_base: &[u8] = if self.base { &[*base, *layer] } else { &[] };
        let says = if id.is_empty() { 0 } else { 0x80 } | if self.base { 0x60 } else { 0 };
        let payload = match says {
            0 => [&[first & 0x7F], rest].concat(),
            _ => [&[*first, says], id, of_base, rest].concat(),
        };
        RtpPacket { timestamp, marker, payload: payload.into() }
    }
}

/// What a viewer got.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    at: Instant,
    /// The call that it came from.
    of: u64,
    key: bool,
    picture_id: u16,
    timestamp: u32,
}

struct Calls {
    forwarder: VideoForwarder,
    now: Instant,
    senders: BTreeMap<u64, Sender>,
    /// Who speaks, and how loud.
    speakers: BTreeMap<u64, f32>,
    seen: BTreeMap<u64, Vec<Seen>>,
    /// Calls that get sound alone, each of which has one path.
    resting: BTreeSet<u64>,
    troubles: usize,
    frames: u64,
    /// Bytes of a frame.
    size: usize,
}

fn stream(call: u64) -> StreamId {
    (SessionId(call), "video".into())
}

impl Calls {
    /// Joined calls from 1 on, in each of which is one person with a camera.
    fn new(count: u64) -> Self {
        let sender = |call: u64| {
            let timestamp = (call as u32).wrapping_mul(0x9E37_79B9);
            let (payloader, requests) = (ENCODING.payloader(), Vec::new());
            (
                call,
                Sender {
                    payloader,
                    sequence: call * 1_000,
                    timestamp,
                    key: false,
                    obeys: true,
                    counts: Counts { bits: 15, base: true },
                    requests,
                },
            )
        };
        let mut forwarder = VideoForwarder::default();
        forwarder.set_calls(&(1..=count).map(|call| (CallId(call), Audibility::Heard)).collect());
        Self {
            forwarder,
            now: Instant::now(),
            senders: (1..=count).map(sender).collect(),
            speakers: BTreeMap::new(),
            seen: BTreeMap::new(),
            resting: BTreeSet::new(),
            troubles: 0,
            frames: 0,
            size: 3_000,
        }
    }

    /// Time passes, in which everybody sends; the packets of each frame are given to `deliver`, which says what comes of them.
    fn run_over(&mut self, time: Duration, mut deliver: impl FnMut(Vec<ReceivedRtp>) -> Vec<ReceivedRtp>) {
        let until = self.now + time;
        while self.now < until {
            let calls: Vec<u64> = self.senders.keys().copied().collect();
            for call in calls {
                for received in deliver(self.frame_of(call)) {
                    let out = self.forwarder.receive(self.now, CallId(call), &stream(call), ENCODING, &received);
                    self.take(out);
                }
            }
            if self.frames.is_multiple_of(3) {
                let (viewers, speakers) = (self.senders.keys().map(|call| CallId(*call)).collect(), &self.speakers);
                let out = self.forwarder.choose(self.now, &viewers, |source| speech(speakers, source));
                self.take(out);
            }
            self.frames += 1;
            self.now += FRAME;
        }
    }

    fn run(&mut self, time: Duration) {
        self.run_over(time, |packets| packets);
    }

    /// A frame that names its sender.
    fn frame_of(&mut self, call: u64) -> Vec<ReceivedRtp> {
        let sender = self.senders.get_mut(&call).expect("it is one of them");
        let key = std::mem::take(&mut sender.key) && sender.obeys;
        let mut bytes = vec![u8::try_from(call).unwrap(); self.size];
        bytes[0] = if key { 0x10 } else { 0x11 };
        sender.timestamp = sender.timestamp.wrapping_add(3_000);
        let packets = sender.payloader.packets(&Encoded { bytes, key, layer: Layer::default() }, sender.timestamp);
        let received = |packet: RtpPacket| {
            sender.sequence += 1;
            let (sequence, arrived, packet) = (sender.sequence, self.now, sender.counts.written(packet));
            ReceivedRtp { ssrc: 1, payload_type: 98, sequence, arrived, captured: None, turns: None, packet }
        };
        packets.into_iter().map(received).collect()
    }

    fn take(&mut self, forwarded: Vec<Forwarded>) {
        for forwarded in forwarded {
            match forwarded {
                Forwarded::Frame(call, captured, frame) => {
                    assert!(captured <= self.now);
                    let seen = seen(self.now, &frame);
                    self.seen.entry(call.0).or_default().push(seen);
                }
                Forwarded::RequestKeyFrame(Source::Theirs((session, _))) => {
                    let sender = self.senders.get_mut(&session.0).expect("it is one of them");
                    sender.key = true;
                    sender.requests.push(self.now);
                }
                Forwarded::RequestKeyFrame(Source::Ours) => panic!("there is no camera"),
                Forwarded::Rest(path) => {
                    self.resting.insert(path.session.0);
                }
                Forwarded::GoOn(path) => assert!(self.resting.remove(&path.session.0), "it did not rest"),
                Forwarded::Trouble(_) => self.troubles += 1,
            }
        }
    }

    /// For so many seconds the paths of the calls, from the first on, carry so many kbit/s.
    fn carry(&mut self, seconds: u32, kilobits: &[u32]) {
        let path = |call: u64| TransportId { session: SessionId(call), index: 0 };
        let paths = (1..).zip(kilobits).map(|(call, kilobits)| (path(call), (CallId(call), kilobits * 1_000)));
        let paths = paths.collect();
        for _ in 0..seconds {
            self.run(30 * FRAME);
            self.now += SECOND - 30 * FRAME;
            let out = self.forwarder.carried(self.now, &paths);
            self.take(out);
        }
    }

    /// How much of what a call sends is of use, in kbit/s.
    fn limit(&self, call: u64) -> u32 {
        self.forwarder.limit(&Source::Theirs(stream(call))) / 1_000
    }

    fn resting(&self) -> Vec<u64> {
        self.resting.iter().copied().collect()
    }

    /// Who was seen last in a call; nobody if that was not now.
    fn sees(&self, call: u64) -> Option<u64> {
        let last = self.seen.get(&call)?.last()?;
        (last.at + 2 * FRAME >= self.now).then_some(last.of)
    }
}

fn speech(speakers: &BTreeMap<u64, f32>, source: &Source) -> Speech {
    let Source::Theirs((session, _)) = source else { return Speech::default() };
    speakers.get(&session.0).map_or_else(Speech::default, |power| Speech { speaks: true, power: *power })
}

fn seen(at: Instant, frame: &PacketizedFrame) -> Seen {
    let first = &frame.packets[0];
    let picture_id = u16::from_be_bytes([first.payload[2], first.payload[3]]) & 0x7FFF;
    let of = u64::from(*first.payload.last().expect("it is not empty"));
    assert!(frame.packets.iter().all(|packet| packet.timestamp == first.timestamp));
    Seen { at, of, key: frame.key, picture_id, timestamp: first.timestamp }
}

/// What begins with a key frame at each change of the sender, with numbers that go on.
fn goes_on(seen: &[Seen]) {
    assert!(seen[0].key);
    for pair in seen.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.picture_id, (before.picture_id + 1) & 0x7FFF);
        let later = after.timestamp.wrapping_sub(before.timestamp);
        assert!((1..u32::MAX / 2).contains(&later), "{before:?} {after:?}");
        assert!(after.key || before.of == after.of, "{before:?} {after:?}");
    }
}

#[test]
fn each_sees_somebody_else_and_who_speaks_sees_who_spoke_before() {
    let mut calls = Calls::new(3);
    calls.run(SECOND);
    assert_eq!([1, 2, 3].map(|call| calls.sees(call)), [Some(2), Some(1), Some(1)], "the first who is not oneself");
    calls.speakers.insert(3, 0.01);
    calls.run(SECOND);
    assert_eq!([1, 2, 3].map(|call| calls.sees(call)), [Some(3), Some(3), Some(1)]);
    calls.run(2 * SECOND);
    calls.speakers = BTreeMap::from([(2, 0.01)]);
    calls.run(SECOND);
    assert_eq!([1, 2, 3].map(|call| calls.sees(call)), [Some(2), Some(3), Some(2)]);
    calls.seen.values().for_each(|seen| goes_on(seen));
}

// Shows brg-vid-02.
#[test]
fn a_switch_takes_less_than_half_a_second_and_the_one_before_goes_on_until_the_key_frame() {
    let mut calls = Calls::new(3);
    calls.run(3 * SECOND);
    calls.speakers.insert(3, 0.01);
    let spoke = calls.now;
    calls.run(SECOND);
    let switched = calls.seen[&2].iter().find(|seen| seen.of == 3).expect("it is seen").at;
    assert!(switched - spoke < Duration::from_millis(500), "{:?}", switched - spoke);
    let gaps = calls.seen[&2].windows(2).map(|pair| pair[1].at - pair[0].at);
    assert_eq!(gaps.max(), Some(FRAME), "no frame is left out");
}

// Shows brg-vid-01.
#[test]
fn over_a_thousand_switches_with_loss_and_reordering_the_numbers_go_on() {
    const SEED: u64 = 272;
    let (mut calls, mut random) = (Calls::new(4), SEED);
    let mut next = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    for turn in 0..1_100 {
        calls.speakers = BTreeMap::from([(turn % 4 + 1, 0.01)]);
        let time = super::floor::HOLD + FRAME * u32::try_from(next(12)).unwrap();
        calls.run_over(time, |mut packets| {
            if next(20) == 0 {
                packets.remove(next(packets.len() as u64) as usize);
            }
            if next(10) == 0 {
                packets.reverse();
            }
            packets
        });
    }
    let mut switches = 0;
    for seen in calls.seen.values() {
        goes_on(seen);
        switches += seen.windows(2).filter(|pair| pair[0].of != pair[1].of).count();
    }
    assert!(switches > 1_000, "{switches} switches with the seed {SEED}");
}

// Shows brg-vid-07.
#[test]
fn however_senders_count_their_pictures_what_a_viewer_gets_is_counted_with_fifteen_bits() {
    let ways = [0, 7, 15].into_iter().flat_map(|bits| [false, true].map(|base| Counts { bits, base }));
    let mut calls = Calls::new(7);
    (1..).zip(ways).for_each(|(call, counts)| calls.senders.get_mut(&call).unwrap().counts = counts);
    let mut seen = BTreeSet::new();
    // Each for longer than seven bits count.
    for turn in 0..12 {
        calls.speakers = BTreeMap::from([(turn % 6 + 1, 0.01)]);
        calls.run(5 * SECOND);
        seen.extend(calls.sees(7));
    }
    assert_eq!(seen, (1..=6).collect());
    goes_on(&calls.seen[&7]);
    let gaps = calls.seen[&7].windows(2).map(|pair| pair[1].at - pair[0].at);
    assert_eq!(gaps.max(), Some(FRAME), "no frame is left out");
}

// Shows brg-vid-03.
#[test]
fn however_many_viewers_ask_a_sender_is_asked_for_one_key_frame_a_second() {
    let mut calls = Calls::new(3);
    calls.run(SECOND);
    let from = calls.now;
    for _ in 0..100 {
        for viewer in [2, 3] {
            let out = calls.forwarder.key_frame_requested(calls.now, CallId(viewer));
            calls.take(out);
        }
        calls.run(3 * FRAME);
    }
    let requests: Vec<Instant> = calls.senders[&1].requests.iter().copied().filter(|at| *at >= from).collect();
    let seconds = (calls.now - from).as_secs() as usize;
    assert!((seconds - 1..=seconds + 1).contains(&requests.len()), "{} in {seconds} s", requests.len());
}

#[test]
fn who_sends_no_key_frame_is_asked_three_times_and_another_is_seen() {
    let mut calls = Calls::new(3);
    calls.run(SECOND);
    calls.senders.get_mut(&3).unwrap().obeys = false;
    calls.speakers.insert(3, 0.01);
    let from = calls.now;
    calls.run(5 * SECOND);
    // The call 1 sees 2, and the call 2 sees 1, all the time.
    assert_eq!([1, 2].map(|call| calls.sees(call)), [Some(2), Some(1)]);
    assert_eq!(calls.troubles, 1, "it is told once, though two calls gave it up");
    assert_eq!(calls.senders[&3].requests.iter().filter(|at| **at >= from).count(), 4, "once for its own call's view");
    calls.senders.get_mut(&3).unwrap().obeys = true;
    calls.run(30 * SECOND);
    assert_eq!(calls.sees(1), Some(3), "it is tried again");
}

// Shows brg-vid-05.
#[test]
fn a_viewer_with_a_slow_link_gets_sound_alone_and_what_the_others_are_sent_does_not_fall() {
    let mut calls = Calls::new(4);
    calls.speakers.insert(1, 0.01);
    calls.carry(5, &[1_000, 900, 1_100, 1_000]);
    assert_eq!((calls.limit(1), calls.resting()), (900, vec![]));
    let mut rests_after = None;
    for second in 1..=10 {
        calls.carry(1, &[1_000, 900, 1_100, 200]);
        assert_eq!(calls.limit(1), 900, "after {second} s");
        if !calls.resting.is_empty() {
            rests_after.get_or_insert(second);
        }
    }
    assert_eq!((rests_after, calls.resting(), calls.troubles), (Some(6), vec![4], 1));
    calls.carry(1, &[1_000, 900, 1_100, 650]);
    assert_eq!(calls.resting(), [4], "not enough yet");
    calls.carry(1, &[1_000, 900, 1_100, 720]);
    assert_eq!((calls.resting(), calls.limit(1)), (vec![], 720));
    calls.carry(10, &[1_000, 900, 1_100, 200]);
    assert_eq!((calls.resting(), calls.troubles), (vec![4], 1), "it is told once");
}

#[test]
fn a_slow_viewer_is_tried_again_after_half_a_minute_and_then_less_often_and_for_a_shorter_time() {
    let mut calls = Calls::new(3);
    calls.speakers.insert(1, 0.01);
    let mut changes = Vec::new();
    for second in 1..=400 {
        // When it gets pictures for the third time it takes even less.
        let takes = if second > 227 { 150 } else { 200 };
        let before = calls.resting();
        calls.carry(1, &[1_000, 1_000, takes]);
        changes.extend((before != calls.resting()).then_some(second));
    }
    assert_eq!(changes, [7, 37, 42, 102, 107, 227, 228]);
}

#[test]
fn who_alone_sees_somebody_gets_what_it_can_take_and_when_others_see_them_too_sound_alone() {
    let mut calls = Calls::new(4);
    calls.speakers.insert(4, 0.01);
    calls.carry(20, &[1_000, 900, 1_100, 200]);
    assert_eq!(calls.sees(4), Some(1));
    assert_eq!((calls.resting(), calls.limit(1), calls.limit(4)), (vec![], 200, 900));
    calls.carry(1, &[1_000, 900, 1_100, 100]);
    assert_eq!(calls.limit(1), 150, "the least");
    calls.speakers = BTreeMap::from([(1, 0.01)]);
    calls.carry(2, &[1_000, 900, 1_100, 200]);
    assert_eq!((calls.resting(), calls.limit(1), calls.limit(4)), (vec![4], 900, 1_000));
}

#[test]
fn a_path_that_becomes_known_bit_by_bit_gets_pictures_all_the_time() {
    let mut calls = Calls::new(3);
    calls.speakers.insert(1, 0.01);
    let mut takes = 200.0;
    for _ in 0..30 {
        calls.carry(3, &[1_500, 1_500, takes as u32]);
        takes *= 1.08;
        assert_eq!((calls.resting(), calls.troubles), (vec![], 0), "{takes} kbit/s");
    }
}

#[test]
fn a_path_by_which_little_is_sent_is_not_taken_for_slow_however_little_is_known_of_it() {
    let mut calls = Calls::new(3);
    calls.speakers.insert(1, 0.01);
    calls.size = 300; // 72 kbit/s.
    for _ in 0..60 {
        calls.carry(1, &[2_500, 2_500, 600]);
        assert_eq!((calls.resting(), calls.troubles), (vec![], 0));
    }
    calls.size = 3_000;
    calls.carry(10, &[2_500, 2_500, 600]);
    assert_eq!(calls.resting(), [3], "it was tried");
}

#[test]
fn if_most_are_slow_they_decide_and_half_of_what_most_take_is_not_too_little() {
    let mut calls = Calls::new(3);
    calls.speakers.insert(1, 0.01);
    calls.carry(20, &[1_000, 200, 210]);
    assert_eq!((calls.resting(), calls.limit(1)), (vec![], 200));
    calls.carry(20, &[1_000, 1_000, 500]);
    assert_eq!((calls.resting(), calls.limit(1)), (vec![], 500));
    assert_eq!(calls.troubles, 0);
}

#[test]
fn a_slow_viewer_goes_on_when_its_path_is_measured_from_the_beginning() {
    let mut calls = Calls::new(3);
    calls.speakers.insert(1, 0.01);
    calls.carry(10, &[1_000, 1_000, 200]);
    assert_eq!(calls.resting(), [3]);
    calls.carry(1, &[1_000, 1_000]);
    assert_eq!(calls.resting(), [0; 0]);
}

#[test]
fn who_was_muted_is_seen_as_long_as_nobody_speaks() {
    let mut calls = Calls::new(3);
    let muted = |call: u64| if call == 3 { Audibility::Muted } else { Audibility::Heard };
    calls.forwarder.set_calls(&(1..=3).map(|call| (CallId(call), muted(call))).collect());
    calls.speakers = BTreeMap::from([(3, 0.1), (2, 0.01)]);
    calls.run(3 * SECOND);
    assert_eq!(calls.sees(1), Some(2));
}

// Shows brg-adm-02.
#[test]
fn who_waits_apart_sees_nobody_and_is_seen_by_nobody() {
    let mut calls = Calls::new(3);
    let audibility = |call: u64| if call == 3 { Audibility::Apart } else { Audibility::Heard };
    calls.forwarder.set_calls(&(1..=3).map(|call| (CallId(call), audibility(call))).collect());
    calls.speakers.insert(3, 0.1);
    calls.run(3 * SECOND);
    assert_eq!([1, 2, 3].map(|call| calls.sees(call)), [Some(2), Some(1), None]);
}

#[test]
fn a_call_that_sends_no_video_costs_no_key_frame_and_gets_nothing() {
    let mut calls = Calls::new(2);
    let frames = calls.frame_of(1);
    for received in frames {
        let out = calls.forwarder.receive(calls.now, CallId(1), &stream(1), ENCODING, &received);
        calls.take(out);
    }
    let out = calls.forwarder.choose(calls.now, &BTreeSet::new(), |_| Speech::default());
    assert!(out.is_empty());
}

#[test]
fn who_turns_its_camera_off_is_seen_no_more_and_the_other_is() {
    let mut calls = Calls::new(3);
    calls.speakers.insert(1, 0.01);
    calls.run(3 * SECOND);
    assert_eq!(calls.sees(3), Some(1));
    calls.senders.remove(&1);
    calls.forwarder.close(|(session, _)| *session == SessionId(1));
    calls.run(SECOND);
    assert_eq!(calls.sees(3), Some(2));
}

#[test]
fn our_own_camera_is_one_of_those_that_are_seen() {
    let (mut calls, mut payloader) = (Calls::new(1), ENCODING.payloader());
    let mut own = |calls: &mut Calls, key: bool, timestamp: u32| {
        let bytes = vec![if key { 0x10 } else { 0x11 }; 2_000];
        let packets = payloader.packets(&Encoded { bytes, key, layer: Layer::default() }, timestamp);
        let frame = PacketizedFrame { encoding: ENCODING, layer: 0, key, packets };
        calls.forwarder.own_frame(calls.now, &frame)
    };
    assert!(own(&mut calls, false, 0).is_empty());
    let viewers = BTreeSet::from([CallId(1)]);
    let out = calls.forwarder.choose(calls.now, &viewers, |_| Speech::default());
    assert!(matches!(&out[..], [Forwarded::RequestKeyFrame(Source::Ours)]), "{out:?}");
    assert!(own(&mut calls, false, 3_000).is_empty());
    assert!(matches!(&own(&mut calls, true, 6_000)[..], [Forwarded::Frame(CallId(1), _, _)]));
}
