//! Sound through several bridges, by the mixers of the media layer: what is said in a room is not sent to that room again.
//!
//! ```text
//!   Juliet ─ room ─┬─ bridge ─ a caller          Juliet ─ room ─ bridge ═══ bridge ─ room ─ Romeo
//!                  └─ bridge ─ a caller
//! ```
//!
//! Everybody is a tone of their own, and whether it is in what a bridge sends is the correlation of the two.

use std::collections::{BTreeMap, BTreeSet};

use muji_core::CallId;
use muji_core::media::Audibility;
use muji_media::device::tone::Tone;
use muji_media::device::{AudioFrame, AudioSource, FRAME};
use muji_media::parts::AudioBridge;
use muji_media::parts::codec::opus::Decoder;
use muji_media::parts::codec::{AudioEncoding, WantedAudio};

/// Samples a second.
const RATE: usize = 50 * FRAME;

/// Three seconds, of which the last is looked at.
const FRAMES: usize = 150;

/// A tone that is softer than it was sent by so much is that of the codec's noise; one that is louder was passed on. In dB.
const ABSENT: f64 = -40.0;
const PRESENT: f64 = -6.0;

/// Of each bridge the call in the room, that with a caller, and that with another bridge.
const ROOM: CallId = CallId(1);
const CALLER: CallId = CallId(2);
const BRIDGE: CallId = CallId(3);

/// A bridge, its room, and the other bridge with which it has a call.
struct Bridge {
    mixer: AudioBridge,
    room: usize,
    other: Option<usize>,
    caller: Tone,
    /// What it sent last in each call.
    said: BTreeMap<CallId, AudioFrame>,
    decoders: BTreeMap<CallId, Decoder>,
    /// All that it sent to the room.
    to_room: Vec<f64>,
}

impl Bridge {
    fn calls(&self) -> BTreeSet<CallId> {
        [ROOM, CALLER].into_iter().chain(self.other.map(|_| BRIDGE)).collect()
    }
}

/// Bridges, and rooms with one person each.
struct Rooms {
    people: Vec<Tone>,
    bridges: Vec<Bridge>,
}

fn pitch_of_person(room: usize) -> f32 {
    400.0 + 200.0 * room as f32
}

fn pitch_of_caller(bridge: usize) -> f32 {
    1_100.0 + 300.0 * bridge as f32
}

fn frame(tone: &mut Tone) -> AudioFrame {
    let mut frame = [0; FRAME];
    tone.fill(&mut frame).expect("a tone has no end");
    frame
}

impl Rooms {
    /// Bridges, each in a room and perhaps in a call with another one.
    fn new(rooms: usize, bridges: &[(usize, Option<usize>)]) -> Self {
        let bridge = |(number, (room, other)): (usize, &(usize, Option<usize>))| Bridge {
            mixer: AudioBridge::default(),
            room: *room,
            other: *other,
            caller: Tone::new(pitch_of_caller(number)),
            said: BTreeMap::new(),
            decoders: [ROOM, CALLER, BRIDGE].map(|call| (call, Decoder::new().expect("there is memory"))).into(),
            to_room: Vec::new(),
        };
        let mut this = Self {
            people: (0..rooms).map(|room| Tone::new(pitch_of_person(room))).collect(),
            bridges: bridges.iter().enumerate().map(bridge).collect(),
        };
        for bridge in &mut this.bridges {
            let joined = bridge.calls().into_iter().map(|call| (call, Audibility::Heard)).collect();
            bridge.mixer.set_calls(&joined);
        }
        (0..FRAMES).for_each(|number| this.tick(number));
        this
    }

    /// The next 20 ms: everybody hears what was sent in those before.
    fn tick(&mut self, number: usize) {
        let people: Vec<AudioFrame> = self.people.iter_mut().map(frame).collect();
        for bridge in &mut self.bridges {
            bridge.mixer.hear(ROOM, &people[bridge.room]);
            bridge.mixer.hear(CALLER, &frame(&mut bridge.caller));
        }
        for at in 0..self.bridges.len() {
            let (room, other) = (self.bridges[at].room, self.bridges[at].other);
            let neighbours = self.bridges.iter().enumerate().filter(|(of, it)| *of != at && it.room == room);
            let in_room = neighbours.filter_map(|(_, it)| it.said.get(&ROOM));
            let called = other.and_then(|other| self.bridges[other].said.get(&BRIDGE));
            let heard = in_room.map(|frame| (ROOM, *frame)).chain(called.map(|frame| (BRIDGE, *frame)));
            let heard: Vec<(CallId, AudioFrame)> = heard.collect();
            heard.iter().for_each(|(call, frame)| self.bridges[at].mixer.hear(*call, frame));
        }
        self.bridges.iter_mut().for_each(|bridge| bridge.send(number));
    }

    /// How loud a tone is in what a bridge sent to its room in the last second, in dB against the tone itself.
    fn level(&self, bridge: usize, pitch: f32) -> f64 {
        let sent = &self.bridges[bridge].to_room;
        let last = &sent[sent.len() - RATE..];
        let turn = std::f64::consts::TAU * f64::from(pitch) / RATE as f64;
        let parts = last.iter().enumerate().map(|(at, sample)| {
            let angle = turn * at as f64;
            (sample * angle.cos(), sample * angle.sin())
        });
        let (re, im) = parts.fold((0.0, 0.0), |(re, im), (cos, sin)| (re + cos, im + sin));
        let amplitude = 2.0 * f64::hypot(re, im) / last.len() as f64;
        20.0 * (amplitude / f64::from(i16::MAX / 10)).max(1e-6).log10()
    }

    /// Which people, by their rooms, and which callers, by their bridges, are in what a bridge sends to its room.
    fn sent_to_room(&self, bridge: usize) -> (Vec<usize>, Vec<usize>) {
        let is_sent = |pitch: f32| {
            let level = self.level(bridge, pitch);
            assert!(!(ABSENT..=PRESENT).contains(&level), "bridge {bridge}, {pitch} Hz: {level:.0} dB");
            level > PRESENT
        };
        let people = (0..self.people.len()).filter(|room| is_sent(pitch_of_person(*room)));
        let callers = (0..self.bridges.len()).filter(|of| is_sent(pitch_of_caller(*of)));
        (people.collect(), callers.collect())
    }
}

impl Bridge {
    fn send(&mut self, number: usize) {
        let clock = (number as u64 + 1) * FRAME as u64;
        let wanted = |_: &BTreeSet<CallId>| WantedAudio {
            encodings: BTreeSet::from([AudioEncoding::Opus]),
            ..WantedAudio::default()
        };
        let sent = self.mixer.packets(clock, None, &self.calls(), wanted).expect("encoders work");
        for (call, packet) in sent {
            let decoder = self.decoders.get_mut(&call).expect("each call has one");
            let decoded = decoder.decode(&packet.packet.payload).expect("it is Opus");
            if call == ROOM {
                self.to_room.extend(decoded.iter().map(|sample| f64::from(*sample)));
            }
            self.said.insert(call, decoded.try_into().expect("packets are of 20 ms"));
        }
    }
}

// Shows brg-loop-01.
#[test]
fn of_several_bridges_in_a_room_each_sends_its_own_callers_to_it_and_nothing_that_it_heard_there() {
    for count in [2, 3] {
        let rooms = Rooms::new(1, &vec![(0, None); count]);
        for bridge in 0..count {
            assert_eq!(rooms.sent_to_room(bridge), (vec![], vec![bridge]), "{bridge} of {count}");
        }
    }
}

// Shows brg-loop-01.
#[test]
fn what_is_said_in_one_of_two_joined_rooms_is_sent_to_the_other_and_not_back() {
    let rooms = Rooms::new(2, &[(0, Some(1)), (1, Some(0))]);
    assert_eq!(rooms.sent_to_room(0), (vec![1], vec![0, 1]));
    assert_eq!(rooms.sent_to_room(1), (vec![0], vec![0, 1]));
    // A third bridge in the first room, with a caller: it is heard in both, and sends only that caller to its room.
    let rooms = Rooms::new(2, &[(0, Some(1)), (1, Some(0)), (0, None)]);
    assert_eq!(rooms.sent_to_room(0), (vec![1], vec![0, 1]));
    assert_eq!(rooms.sent_to_room(1), (vec![0], vec![0, 1, 2]));
    assert_eq!(rooms.sent_to_room(2), (vec![], vec![2]));
}

/// This is why bridges refuse a second way between two rooms, and it shows that the measure finds what comes back.
#[test]
fn in_two_rooms_that_were_joined_twice_everybody_would_hear_themselves() {
    let rooms = Rooms::new(2, &[(0, Some(1)), (1, Some(0)), (0, Some(3)), (1, Some(2))]);
    let back = rooms.level(0, pitch_of_person(0));
    assert!(back > ABSENT / 2.0, "{back:.0} dB");
}
