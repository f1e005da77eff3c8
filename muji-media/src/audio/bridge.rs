//! Calls that are joined: each hears the others, and nobody hears themselves.
//!
//! ```text
//!   what comes in each call ─► sum of the call ─┐
//!   what we capture ────────────────────────────┴─► sum of all ─► without the call's own ─► limiter ─► encoded for the call
//!                                                          └────────────────────────────► limiter ─► once for all who are silent
//! ```
//!
//! What comes in a call is never sent in that call: so what people in a room say is not sent to the room again, however many bridges there
//! are in it.

use std::collections::{BTreeMap, BTreeSet};

use muji_core::CallId;
use muji_core::media::{Audibility, Prompt};
use muji_jingle::TransportId;

use crate::audio::frame::{AudioFrame, FRAME, Sum};
use crate::audio::limiter::Limiter;
use crate::audio::packet::AudioPacket;
use crate::audio::packetizer::{AudioPacketizer, Sound};
use crate::audio::prompt::Prompts;
use crate::codec::encoding::WantedAudio;
use crate::codec::opus::OpusFault;
use crate::transport::contributors::{Contributor, MAX_CONTRIBUTORS};

/// A call in which no sample is louder (-60 dBFS) for so many frames, 400 ms, is silent: it is left out of what others hear, as its noise
/// would add up with theirs, and gets what all hear that are silent. Words have shorter gaps, and each change from one encoder to another is
/// a small one in what is heard.
const QUIET: u16 = 32;
const QUIET_FRAMES: u32 = 20;

/// Calls that are joined, and calls in which prompts are played.
#[derive(Default)]
pub struct AudioBridge {
    legs: BTreeMap<CallId, Leg>,
    /// What all calls get that are silent.
    shared: Option<Output>,
    /// What our video gets, in bits a second; `None` without video.
    video: Option<u32>,
}

/// One call.
struct Leg {
    /// `None` while it hears prompts alone.
    joined: Option<Audibility>,
    prompts: Prompts,
    /// What came in it in these 20 ms.
    heard: Sum,
    /// Frames in a row in which nothing was.
    quiet: u32,
    /// What it alone gets, since it was not silent for the first time.
    own: Option<Output>,
}

impl Leg {
    fn new() -> Self {
        Self { joined: None, prompts: Prompts::default(), heard: Sum::ZERO, quiet: QUIET_FRAMES, own: None }
    }

    /// True if it is part of what others hear.
    fn speaks(&self) -> bool {
        self.joined == Some(Audibility::Heard) && self.quiet < QUIET_FRAMES
    }

    /// True if it hears the same as all others that say nothing.
    fn listens(&self) -> bool {
        let hears = matches!(self.joined, Some(Audibility::Heard | Audibility::Muted));
        hears && !self.speaks() && self.prompts.is_silent()
    }
}

/// What is encoded once, for all who get it.
struct Output {
    limiter: Limiter,
    packetizer: AudioPacketizer,
}

impl Output {
    /// The one that is there, or that is made now.
    fn of(place: &mut Option<Self>, video: Option<u32>) -> Result<&mut Self, OpusFault> {
        Ok(match place {
            Some(made) => made,
            None => {
                let mut packetizer = AudioPacketizer::new(Sound::Speech)?;
                video.map_or(Ok(()), |bits| packetizer.set_video_bit_rate(bits))?;
                place.insert(Self { limiter: Limiter::default(), packetizer })
            }
        })
    }

    fn packets(&mut self, clock: u64, sum: &Sum, wanted: &WantedAudio) -> Result<Vec<AudioPacket>, OpusFault> {
        self.packetizer.set_clock(clock.saturating_sub(FRAME as u64));
        let frame = self.limiter.limit(sum);
        self.packetizer.packets(&[frame, [0; FRAME]], wanted)
    }
}

impl AudioBridge {
    /// From now on these calls are joined, and no others.
    pub fn set_calls(&mut self, calls: &BTreeMap<CallId, Audibility>) {
        self.legs.values_mut().for_each(|leg| leg.joined = None);
        for (call, audibility) in calls {
            self.legs.entry(*call).or_insert_with(Leg::new).joined = Some(*audibility);
        }
        self.forget_unused();
    }

    /// Plays a prompt in a call.
    pub fn play(&mut self, call: CallId, prompt: Prompt) {
        self.legs.entry(call).or_insert_with(Leg::new).prompts.play(prompt);
    }

    fn forget_unused(&mut self) {
        self.legs.retain(|_, leg| leg.joined.is_some() || !leg.prompts.is_silent());
        if self.legs.is_empty() {
            self.shared = None;
        }
    }

    /// True if what is sent in this call comes from here.
    #[must_use]
    pub fn contains(&self, call: CallId) -> bool {
        self.legs.contains_key(&call)
    }

    /// True if there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// The next 20 ms of somebody in a call.
    pub fn hear(&mut self, call: CallId, frame: &AudioFrame) {
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.heard.add(frame);
        }
    }

    /// The packets of the next 20 ms for each of these calls that publish sound: what was heard in the others, with what we captured.
    /// `clock` counts the samples up to their end, as those who get packets of [`AudioSender`](super::sender::AudioSender) before or behind
    /// them have to see one clock; `wanted` says how those in some calls take it.
    ///
    /// # Errors
    /// If there is no memory for an encoder, or it fails.
    pub fn packets(
        &mut self,
        clock: u64,
        captured: Option<&AudioFrame>,
        publishing: &BTreeSet<CallId>,
        wanted: impl Fn(&BTreeSet<CallId>) -> WantedAudio,
    ) -> Result<Vec<(CallId, AudioPacket)>, OpusFault> {
        let mut ours = Sum::ZERO;
        captured.into_iter().for_each(|frame| ours.add(frame));
        let all = self.all(&ours);
        let speakers = self.speakers();
        let named = |call: CallId, packet: AudioPacket| {
            let others = speakers.iter().filter(|(of, _)| *of != call).map(|(_, contributor)| *contributor);
            (call, AudioPacket { contributors: others.take(MAX_CONTRIBUTORS).collect(), ..packet })
        };
        let mut listening = BTreeSet::new();
        let mut sent = Vec::new();
        for (call, leg) in &mut self.legs {
            let (publishes, listens) = (publishing.contains(call), leg.listens());
            let mut sum = match leg.joined {
                Some(Audibility::Apart) => Sum::ZERO,
                Some(_) if leg.speaks() => all.without(&leg.heard),
                Some(_) => all.clone(),
                None => ours.clone(),
            };
            leg.heard = Sum::ZERO;
            leg.prompts.frame().iter().for_each(|frame| sum.add(frame));
            if publishes && listens {
                listening.insert(*call);
            }
            if !publishes || listens {
                leg.own.iter_mut().for_each(|own| own.packetizer.pass_over());
                continue;
            }
            let own = Output::of(&mut leg.own, self.video)?;
            let packets = own.packets(clock, &sum, &wanted(&BTreeSet::from([*call])))?;
            sent.extend(packets.into_iter().map(|packet| named(*call, packet)));
        }
        let shared = Output::of(&mut self.shared, self.video)?;
        let packets = if listening.is_empty() {
            shared.packetizer.pass_over();
            Vec::new()
        } else {
            shared.packets(clock, &all, &wanted(&listening))?
        };
        sent.extend(listening.iter().flat_map(|call| packets.iter().map(|packet| named(*call, packet.clone()))));
        self.forget_unused();
        Ok(sent)
    }

    /// What those hear who say nothing.
    fn all(&mut self, ours: &Sum) -> Sum {
        let mut all = ours.clone();
        for leg in self.legs.values_mut() {
            let quiet = leg.heard.0.iter().all(|sample| sample.unsigned_abs() <= u32::from(QUIET));
            leg.quiet = if quiet { leg.quiet.saturating_add(1) } else { 0 };
            if leg.speaks() {
                all.add_all(&leg.heard);
            }
        }
        all
    }

    /// The calls of which something is heard in the others, and how loud, the loudest first.
    fn speakers(&self) -> Vec<(CallId, Contributor)> {
        let speak = self.legs.iter().filter(|(_, leg)| leg.speaks());
        let mut speakers: Vec<(CallId, Contributor)> = speak
            .map(|(call, leg)| (*call, Contributor { source: call.source(), level: leg.heard.below_full_scale() }))
            .collect();
        speakers.sort_by_key(|(_, contributor)| contributor.level);
        speakers
    }

    fn packetizers(&mut self) -> impl Iterator<Item = &mut AudioPacketizer> {
        let own = self.legs.values_mut().filter_map(|leg| leg.own.as_mut());
        own.chain(&mut self.shared).map(|output| &mut output.packetizer)
    }

    /// Our video gets so many bits a second on the path with the fewest.
    pub(crate) fn set_video_bit_rate(&mut self, bits: u32) -> Result<(), OpusFault> {
        self.video = Some(bits);
        self.packetizers().try_for_each(|packetizer| packetizer.set_video_bit_rate(bits))
    }

    /// The other end of a path of a call reports that this share of our packets was lost lately, 0 to 1.
    pub(crate) fn lost(&mut self, call: CallId, path: TransportId, share: f32) -> Result<(), OpusFault> {
        let Some(leg) = self.legs.get_mut(&call) else { return Ok(()) };
        let outputs = leg.own.iter_mut().chain(&mut self.shared);
        outputs.map(|output| &mut output.packetizer).try_for_each(|packetizer| packetizer.lost(path, share))
    }

    /// These paths are gone.
    pub(crate) fn forget_paths(&mut self, gone: impl Fn(&TransportId) -> bool) -> Result<(), OpusFault> {
        self.packetizers().try_for_each(|packetizer| packetizer.forget_paths(&gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    use crate::audio::frame::{FRAME_TIME, SAMPLE_RATE};
    use crate::audio::receiver::AudioReceiver;
    use crate::codec::encoding::AudioEncoding;
    use crate::codec::opus::{Decoder, Encoder};
    use crate::device::AudioSource as _;
    use crate::device::tone::Tone;
    use crate::rtp::{ReceivedRtp, RtpPacket};

    const ROOM: CallId = CallId(1);

    fn opus(_: &BTreeSet<CallId>) -> WantedAudio {
        WantedAudio { encodings: BTreeSet::from([AudioEncoding::Opus]), ..WantedAudio::default() }
    }

    /// Calls with a tone each, all of them joined.
    struct Calls {
        bridge: AudioBridge,
        tones: BTreeMap<CallId, Tone>,
        decoders: BTreeMap<CallId, Decoder>,
        heard: BTreeMap<CallId, Vec<f64>>,
        /// Encoded frames, by all.
        encoded: BTreeSet<Vec<u8>>,
        published: BTreeSet<CallId>,
        clock: u64,
        /// What we capture.
        own: Option<Tone>,
        /// Who was said to be heard in what each call got last.
        contributors: BTreeMap<CallId, Vec<Contributor>>,
    }

    impl Calls {
        /// So many of them say something, each at its own pitch; the rest is silent.
        fn new(count: u64, speakers: u64) -> Self {
            let ids = || (1..=count).map(CallId);
            let mut bridge = AudioBridge::default();
            bridge.set_calls(&ids().map(|call| (call, Audibility::Heard)).collect());
            let tones = ids().take(speakers as usize).map(|call| (call, Tone::new(pitch(call))));
            Self {
                bridge,
                tones: tones.collect(),
                decoders: ids().map(|call| (call, Decoder::new().expect("there is memory"))).collect(),
                heard: BTreeMap::new(),
                encoded: BTreeSet::new(),
                published: ids().collect(),
                clock: 0,
                own: None,
                contributors: BTreeMap::new(),
            }
        }

        /// Packets of each call in so many frames.
        fn run(&mut self, frames: usize) -> BTreeMap<CallId, usize> {
            let mut counts = BTreeMap::new();
            for _ in 0..frames {
                for (call, tone) in &mut self.tones {
                    let mut frame = [0; FRAME];
                    tone.fill(&mut frame).unwrap();
                    self.bridge.hear(*call, &frame);
                }
                self.encoded.clear();
                self.clock += FRAME as u64;
                let own = self.own.as_mut().map(|tone| {
                    let mut frame = [0; FRAME];
                    tone.fill(&mut frame).unwrap();
                    frame
                });
                let sent = self.bridge.packets(self.clock, own.as_ref(), &self.published, opus).expect("encoders work");
                for (call, AudioPacket { packet, contributors, .. }) in sent {
                    self.contributors.insert(call, contributors);
                    *counts.entry(call).or_default() += 1;
                    self.encoded.insert(packet.payload.to_vec());
                    let decoded = self.decoders.get_mut(&call).unwrap().decode(&packet.payload).unwrap();
                    self.heard.entry(call).or_default().extend(decoded.iter().map(|sample| f64::from(*sample)));
                }
            }
            counts
        }

        /// How loud a pitch is in the last second of what a call gets, in dB against a full tone.
        fn level(&self, call: CallId, of: CallId) -> f64 {
            let heard = &self.heard[&call];
            let last = &heard[heard.len() - SAMPLE_RATE as usize..];
            let turn = std::f64::consts::TAU * f64::from(pitch(of)) / f64::from(SAMPLE_RATE);
            let parts = last.iter().enumerate().map(|(at, sample)| {
                let angle = turn * at as f64;
                (sample * angle.cos(), sample * angle.sin())
            });
            let (re, im) = parts.fold((0.0, 0.0), |(re, im), (cos, sin)| (re + cos, im + sin));
            20.0 * (2.0 * f64::hypot(re, im) / last.len() as f64 / 3_276.7).max(1e-6).log10()
        }
    }

    fn pitch(call: CallId) -> f32 {
        300.0 + 200.0 * call.0 as f32
    }

    // Shows brg-mix-01.
    #[test]
    fn each_call_hears_all_others_and_not_itself() {
        let mut calls = Calls::new(4, 3);
        calls.run(100);
        for to in (1..=4).map(CallId) {
            for of in (1..=3).map(CallId) {
                let level = calls.level(to, of);
                if to == of {
                    assert!(level < -40.0, "{to:?} hears itself: {level:.0} dB");
                } else {
                    assert!(level > -3.0, "{to:?} hears {of:?}: {level:.0} dB");
                }
            }
        }
    }

    // Shows brg-mix-02.
    #[test]
    fn those_who_say_nothing_share_one_encoder() {
        let mut calls = Calls::new(12, 2);
        calls.run(30);
        assert_eq!(calls.encoded.len(), 3, "two who speak, and ten who listen");
    }

    #[test]
    fn somebody_who_begins_to_speak_and_stops_gets_each_frame_once_by_one_clock() {
        let mut calls = Calls::new(3, 2);
        for turn in 0..200 {
            for (call, tone) in &mut calls.tones {
                let mut frame = [0; FRAME];
                tone.fill(&mut frame).unwrap();
                // The second says something for a fifth of a second, each second.
                if *call == ROOM || turn % 50 < 10 {
                    calls.bridge.hear(*call, &frame);
                }
            }
            let clock = (7_000 + turn) * FRAME as u64;
            let sent = calls.bridge.packets(clock, None, &calls.published, opus).unwrap();
            assert_eq!(sent.len(), 3);
            assert!(sent.iter().all(|(_, sent)| u64::from(sent.packet.timestamp) == clock), "in turn {turn}");
        }
    }

    /// Three calls with a tone each, as they come over the network: of the first a share of the packets, in percent, is lost. What each is sent.
    fn over_a_network(seed: u32, lost: u32) -> (Calls, BTreeMap<CallId, Vec<Vec<u8>>>) {
        let (mut calls, mut sent, start, mut random) = (Calls::new(3, 3), BTreeMap::new(), Instant::now(), seed);
        let types = [AudioEncoding::Opus.payload_type()];
        let sender = |call: &CallId| (*call, (Encoder::new().expect("there is memory"), AudioReceiver::new(&types)));
        let mut senders: BTreeMap<CallId, _> = calls.tones.keys().map(sender).collect();
        for number in 0..200u32 {
            let now = start + FRAME_TIME * number;
            for (call, (encoder, receiver)) in &mut senders {
                let mut frame = [0; FRAME];
                calls.tones.get_mut(call).unwrap().fill(&mut frame).unwrap();
                let payload = encoder.encode(&frame).unwrap();
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if *call != ROOM || (random >> 16) % 100 >= lost {
                    let packet = RtpPacket { timestamp: number * FRAME as u32, marker: false, payload };
                    let (ssrc, payload_type, sequence) = (1, types[0].id, u64::from(number));
                    let (arrived, captured, turns) = (now, None, None);
                    receiver.insert(ReceivedRtp { ssrc, payload_type, sequence, arrived, captured, turns, packet });
                }
                receiver.frame(now).iter().for_each(|frame| calls.bridge.hear(*call, frame));
            }
            calls.clock += FRAME as u64;
            for (call, packet) in calls.bridge.packets(calls.clock, None, &calls.published, opus).unwrap() {
                let payload = packet.packet.payload.to_vec();
                let decoded = calls.decoders.get_mut(&call).unwrap().decode(&payload).unwrap();
                calls.heard.entry(call).or_default().extend(decoded.iter().map(|sample| f64::from(*sample)));
                sent.entry(call).or_insert_with(Vec::new).push(payload);
            }
        }
        (calls, sent)
    }

    // Shows brg-mix-05.
    #[test]
    fn what_is_lost_of_one_caller_is_missing_in_the_sound_of_that_caller_alone() {
        const SEED: u32 = 272;
        let ((clean, sent), (lossy, of_lossy)) = (over_a_network(SEED, 0), over_a_network(SEED, 20));
        assert!(sent[&ROOM] == of_lossy[&ROOM], "who does not hear it gets the same to the bit");
        for (to, of) in [(CallId(2), CallId(3)), (CallId(3), CallId(2))] {
            assert!(sent[&to] != of_lossy[&to], "seed {SEED}: something was lost");
            let [before, after] = [&clean, &lossy].map(|calls| calls.level(to, of));
            // What is left of a tone after Opus, twice, depends a little on what else there is.
            assert!((before - after).abs() < 1.0, "seed {SEED}: {to:?} hears {of:?}: {before:.2} dB, {after:.2} dB");
        }
    }

    #[test]
    fn somebody_who_was_muted_hears_and_is_not_heard() {
        let mut calls = Calls::new(3, 3);
        let muted = CallId(2);
        let heard = |call: CallId| (call, if call == muted { Audibility::Muted } else { Audibility::Heard });
        calls.bridge.set_calls(&(1..=3).map(CallId).map(heard).collect());
        calls.run(100);
        assert!(calls.level(ROOM, muted) < -40.0 && calls.level(CallId(3), muted) < -40.0);
        assert!(calls.level(muted, ROOM) > -3.0 && calls.level(muted, CallId(3)) > -3.0);
    }

    // Shows brg-adm-02.
    #[test]
    fn who_waits_apart_hears_prompts_alone_and_not_what_we_capture() {
        let mut calls = Calls::new(3, 3);
        let waiting = CallId(3);
        let audibility = |call| if call == waiting { Audibility::Apart } else { Audibility::Heard };
        calls.bridge.set_calls(&(1..=3).map(CallId).map(|call| (call, audibility(call))).collect());
        calls.own = Some(Tone::new(pitch(CallId(9))));
        calls.run(100);
        assert!(calls.level(ROOM, waiting) < -40.0 && calls.level(CallId(2), waiting) < -40.0);
        let of_others = [ROOM, CallId(2), CallId(9)].map(|of| calls.level(waiting, of));
        assert!(of_others.iter().all(|level| *level < -40.0), "{of_others:?}");
        assert!(calls.level(ROOM, CallId(9)) > -3.0, "others hear what we capture");
        calls.heard.clear();
        calls.bridge.play(waiting, Prompt::Waiting);
        calls.run(50);
        assert!(calls.heard[&waiting].iter().copied().fold(0.0, f64::max) > 1_000.0, "a tone");
    }

    // Shows brg-show-09.
    #[test]
    fn each_call_is_told_who_is_heard_in_its_sound_and_how_loud_and_not_itself() {
        let mut calls = Calls::new(4, 2);
        calls.run(100);
        let of = |call: CallId| calls.contributors[&call].iter().map(|one| one.source).collect::<Vec<_>>();
        assert_eq!([ROOM, CallId(2), CallId(3)].map(of), [vec![2], vec![1], vec![1, 2]]);
        assert!(calls.contributors[&ROOM].iter().all(|one| (5..30).contains(&one.level)), "{:?}", calls.contributors);
        assert_eq!([Sum::ZERO, Sum([32_768; FRAME])].map(|sum| sum.below_full_scale()), [127, 0]);
    }

    #[test]
    fn a_call_that_is_not_joined_hears_its_prompts_and_nobody_hears_it() {
        let mut calls = Calls::new(3, 3);
        let waiting = CallId(3);
        calls.bridge.set_calls(&(1..=2).map(|call| (CallId(call), Audibility::Heard)).collect());
        calls.bridge.play(waiting, Prompt::Alone);
        assert_eq!(calls.run(100)[&waiting], 23, "the tone and the pause behind it");
        let loudest = calls.heard[&waiting].iter().copied().fold(0.0, f64::max);
        assert!(loudest > 1_000.0);
        assert!(calls.level(ROOM, waiting) < -40.0 && calls.level(CallId(2), waiting) < -40.0);
        assert!(!calls.bridge.contains(waiting));
    }

    #[test]
    fn a_call_that_publishes_nothing_gets_nothing_and_is_heard() {
        let mut calls = Calls::new(3, 3);
        calls.published.remove(&CallId(3));
        assert_eq!(calls.run(100).get(&CallId(3)), None);
        assert!(calls.level(ROOM, CallId(3)) > -3.0);
    }

    #[test]
    fn what_we_capture_is_heard_in_all_calls() {
        let mut bridge = AudioBridge::default();
        let calls: BTreeSet<CallId> = (1..=2).map(CallId).collect();
        bridge.set_calls(&calls.iter().map(|call| (*call, Audibility::Heard)).collect());
        let (mut tone, mut decoder, mut loudest) = (Tone::new(440.0), Decoder::new().unwrap(), 0);
        for number in 1..=10 {
            let mut frame = [0; FRAME];
            tone.fill(&mut frame).unwrap();
            let sent = bridge.packets(number * FRAME as u64, Some(&frame), &calls, opus).unwrap();
            assert_eq!(sent.len(), 2);
            loudest = decoder.decode(&sent[0].1.packet.payload).unwrap().iter().copied().fold(loudest, i16::max);
        }
        assert!(loudest > 2_000, "{loudest}");
    }
}
