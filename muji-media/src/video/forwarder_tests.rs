//! What viewers get of calls that are joined.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muji_core::media::Audibility;
use muji_core::{CallId, SessionId};

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
    requests: Vec<Instant>,
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
    troubles: usize,
    frames: u64,
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
            (call, Sender { payloader, sequence: call * 1_000, timestamp, key: false, obeys: true, requests })
        };
        let mut forwarder = VideoForwarder::default();
        forwarder.set_calls(&(1..=count).map(|call| (CallId(call), Audibility::Heard)).collect());
        Self {
            forwarder,
            now: Instant::now(),
            senders: (1..=count).map(sender).collect(),
            speakers: BTreeMap::new(),
            seen: BTreeMap::new(),
            troubles: 0,
            frames: 0,
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
        let mut bytes = vec![u8::try_from(call).unwrap(); 3_000];
        bytes[0] = if key { 0x10 } else { 0x11 };
        sender.timestamp = sender.timestamp.wrapping_add(3_000);
        let packets = sender.payloader.packets(&Encoded { bytes, key, layer: Layer::default() }, sender.timestamp);
        let received = |packet: RtpPacket| {
            sender.sequence += 1;
            let (sequence, arrived) = (sender.sequence, self.now);
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
                Forwarded::Trouble(_) => self.troubles += 1,
            }
        }
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
