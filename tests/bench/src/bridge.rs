//! A bridge: what each caller costs beyond decoding and encoding, how much later the room is heard through it, and what passing on a picture costs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use muji_core::CallId;
use muji_core::media::Audibility;
use muji_media::device::tone::Tone;
use muji_media::device::{AudioSource, FRAME};
use muji_media::parts::codec::opus::{Decoder, Encoder, payload_type};
use muji_media::parts::codec::{AudioEncoding, WantedAudio};
use muji_media::parts::{AudioBridge, AudioReceiver};
use muji_media::transport::{ReceivedRtp, RtpPacket};

use crate::{Goals, sorted, spread};

/// As many as one core has to bear.
const CALLERS: u64 = 12;
const ROUNDS: usize = 8;
/// Two seconds of sound.
const FRAMES: u32 = 100;
const FRAME_TIME: Duration = Duration::from_millis(20);
/// What we expect before anybody has reported losses, as here: frames have copies then (in-band FEC), which takes much of the time.
const EXPECTED_LOSS: f32 = 0.1;
/// Of the CPU time of Opus alone, for each caller.
const GOAL: f64 = 1.3;
/// Of the time that sound lasts: one core.
const CORE: f64 = 1.0;
/// Later than without a bridge, in milliseconds.
pub(crate) const LATER: f64 = 80.0;

/// Milliseconds between the ticks of two clocks of 20 ms.
const PHASES: [u64; 5] = [0, 4, 8, 12, 16];

type Sound = Vec<Vec<u8>>;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## A bridge\n");
    let sounds: Vec<Sound> = (0..CALLERS).map(|caller| encoded(300.0 + 70.0 * caller as f32)).collect();
    println!("{CALLERS} callers, {ROUNDS} paired rounds; medians [smallest, largest].\n");
    println!(
        "| who speaks | µs for 20 ms of a caller, bridge | Opus alone: the same sound decoded and encoded | ratio | goal | met | of a core | goal | met |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, speakers) in [("all", CALLERS), ("two", 2)] {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        let spoken = &sounds[..speakers as usize];
        let mixes = mixes(spoken);
        for _ in 0..ROUNDS {
            ours.push(per_caller(|| bridged(spoken)));
            bare.push(per_caller(|| opus_alone(&sounds, &mixes)));
        }
        let ratio = sorted(ours.iter().zip(&bare).map(|(ours, bare)| ours / bare));
        let share = sorted(ours.iter().map(|time| time * CALLERS as f64 / (FRAME_TIME.as_secs_f64() * 1e6)));
        let met = goals.check(ratio[ROUNDS / 2] <= GOAL, || format!("CPU of a caller of a bridge, {name} speaking"));
        let fits = goals.check(share[ROUNDS / 2] <= CORE, || format!("a core for {CALLERS} callers, {name} speaking"));
        let [ours, bare] = [ours, bare].map(|values| spread(&sorted(values.into_iter())));
        println!(
            "| {name} | {ours} | {bare} | {} | {GOAL} | {met} | {} | {CORE} | {fits} |",
            spread(&ratio),
            spread(&share)
        );
    }
    let later = sorted(PHASES.into_iter().flat_map(|bridges| PHASES.map(|listens| later(bridges, listens))));
    let worst = later[later.len() * 95 / 100];
    let met = goals.check(worst <= LATER, || "the delay that a bridge adds".to_owned());
    println!(
        "\nHeard later than without the bridge, in virtual time on a path without loss, whatever the phases of the clocks: median {:.0} ms, 95 % within {worst:.0} ms; goal {LATER} ms: {met}.\n",
        later[later.len() / 2]
    );
    crate::bridge_delay::measure(goals);
    crate::forwarding::measure();
}

fn encoded(hertz: f32) -> Sound {
    let (mut tone, mut encoder) = (Tone::new(hertz), Encoder::new().expect("there is memory"));
    (0..FRAMES).map(|_| encoder.encode(&filled(&mut tone)).expect("a frame").to_vec()).collect()
}

fn filled(tone: &mut Tone) -> [i16; FRAME] {
    let mut frame = [0; FRAME];
    tone.fill(&mut frame).expect("a tone has no end");
    frame
}

/// Microseconds of a thread for 20 ms of one caller.
fn per_caller(work: impl FnOnce()) -> f64 {
    let began = ThreadTime::now();
    work();
    began.elapsed().as_secs_f64() * 1e6 / (u64::from(FRAMES) * CALLERS) as f64
}

/// What each caller hears if these speak, so that both encode the same.
fn mixes(spoken: &[Sound]) -> Vec<Vec<[i16; FRAME]>> {
    let decoded = spoken.iter().map(|sound| {
        let mut decoder = Decoder::new().expect("there is memory");
        sound.iter().map(|payload| decoder.decode(payload).expect("it was encoded")).collect()
    });
    let decoded: Vec<Vec<Vec<i16>>> = decoded.collect();
    let mix = |caller: usize, number: usize| {
        let others = || decoded.iter().enumerate().filter(|(of, _)| *of != caller).map(|(_, frames)| &frames[number]);
        std::array::from_fn(|sample| others().map(|frame| frame[sample]).fold(0, i16::saturating_add))
    };
    let frames = |caller| (0..FRAMES as usize).map(|number| mix(caller, number)).collect();
    (0..CALLERS as usize).map(frames).collect()
}

fn opus_alone(sounds: &[Sound], mixes: &[Vec<[i16; FRAME]>]) {
    for (sound, mix) in sounds.iter().zip(mixes) {
        let (mut decoder, mut encoder) =
            (Decoder::new().expect("there is memory"), Encoder::new().expect("there is memory"));
        encoder.set_expected_loss(EXPECTED_LOSS).expect("it is a share");
        for (payload, frame) in sound.iter().zip(mix) {
            std::hint::black_box(decoder.decode(payload).expect("it was encoded"));
            std::hint::black_box(encoder.encode(frame).expect("a frame"));
        }
    }
}

fn received(number: u32, arrived: Instant, payload: &[u8]) -> ReceivedRtp {
    let packet = RtpPacket { timestamp: number * FRAME as u32, marker: false, payload: payload.into() };
    let (ssrc, payload_type, sequence) = (1, 111, u64::from(number));
    ReceivedRtp { ssrc, payload_type, sequence, arrived, captured: None, turns: None, packet }
}

fn wanted(_: &BTreeSet<CallId>) -> WantedAudio {
    WantedAudio { encodings: BTreeSet::from([AudioEncoding::Opus]), ..WantedAudio::default() }
}

fn clock(number: u32) -> u64 {
    u64::from(number + 1) * FRAME as u64
}

/// The calls of a bridge, all joined.
fn joined(calls: u64) -> (AudioBridge, BTreeSet<CallId>) {
    let calls: BTreeSet<CallId> = (0..calls).map(CallId).collect();
    let mut bridge = AudioBridge::default();
    bridge.set_calls(&calls.iter().map(|call| (*call, Audibility::Heard)).collect::<BTreeMap<_, _>>());
    (bridge, calls)
}

/// What these say is received, and everybody gets what the others say.
fn bridged(sounds: &[Sound]) {
    let (mut bridge, calls) = joined(CALLERS);
    let mut receivers: Vec<AudioReceiver> = sounds.iter().map(|_| AudioReceiver::new(&[payload_type()])).collect();
    let start = Instant::now();
    for number in 0..FRAMES {
        let now = start + FRAME_TIME * number;
        for (call, (receiver, sound)) in receivers.iter_mut().zip(sounds).enumerate() {
            receiver.insert(received(number, now, &sound[number as usize]));
            receiver.frame(now).iter().for_each(|frame| bridge.hear(CallId(call as u64), frame));
        }
        std::hint::black_box(bridge.packets(clock(number), None, &calls, wanted).expect("encoders work"));
    }
}

/// How many milliseconds later a tone is heard through a bridge than directly. The clocks of the bridge and of the listener tick so many
/// milliseconds behind that of the speaker.
fn later(bridges: u64, listens: u64) -> f64 {
    const BEGINS: u32 = 150;
    const LAST: u32 = 200;
    let (mut tone, mut encoder) = (Tone::new(440.0), Encoder::new().expect("there is memory"));
    let [mut at_bridge, mut direct, mut behind] = [(); 3].map(|()| AudioReceiver::new(&[payload_type()]));
    let (mut bridge, calls) = joined(2);
    let start = Instant::now();
    let mut heard = [None; 2];
    let mut number = 0;
    for millis in 0..u64::from(LAST) * 20 {
        let now = start + Duration::from_millis(millis);
        if millis % 20 == 0 {
            let frame = if number >= BEGINS { filled(&mut tone) } else { [0; FRAME] };
            let payload = encoder.encode(&frame).expect("a frame");
            at_bridge.insert(received(number, now, &payload));
            direct.insert(received(number, now, &payload));
            number += 1;
        }
        if millis % 20 == bridges {
            at_bridge.frame(now).iter().for_each(|frame| bridge.hear(CallId(0), frame));
            for (call, packet) in bridge.packets(clock(number), None, &calls, wanted).expect("encoders work") {
                if call == CallId(1) {
                    let sent = packet.packet;
                    behind.insert(received(sent.timestamp / FRAME as u32, now, &sent.payload));
                }
            }
        }
        if millis % 20 == listens {
            for (receiver, heard) in [&mut direct, &mut behind].into_iter().zip(&mut heard) {
                let frame = receiver.frame(now);
                let loud = frame.iter().flatten().position(|sample| sample.unsigned_abs() > 1_000);
                *heard = heard.or(loud.map(|sample| millis as f64 + sample as f64 / 48.0));
            }
        }
    }
    let [direct, through] = heard.map(|at| at.expect("the tone comes"));
    through - direct
}
