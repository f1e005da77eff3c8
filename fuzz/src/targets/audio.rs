//! Packets of sound, real and changed, in any order and at any time: depayloader, RED, jitter buffer, decoder, drift, concealment.
//!
//! What is kept has a bound, counts add up, and a sender that falls silent is silent soon.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use muji_media::device::{AudioSource, FRAME, FRAME_TIME, tone::Tone};
use muji_media::parts::AudioReceiver;
use muji_media::parts::codec::opus;
use muji_media::parts::codec::red::{self, EarlierFrame};
use muji_media::transport::{ReceivedRtp, RtpPacket};
use muji_xep::rtp::PayloadType;

use crate::choices::Choices;

const PCMU: u8 = 0;
const PCMA: u8 = 8;
const RED: u8 = 63;

/// What is buffered is played within this: 50 packets of at most 120 ms; and then concealed, or filled with noise, for a second.
const SILENT_AFTER: Duration = Duration::from_secs(8);

/// Half a second of a tone, in Opus.
static TONE: LazyLock<Vec<Arc<[u8]>>> = LazyLock::new(|| {
    let (mut tone, mut encoder) = (Tone::new(440.0), opus::Encoder::new().expect("there is memory"));
    let frames = (0..25).map(|_| {
        let mut frame = [0; FRAME];
        tone.fill(&mut frame).expect("a tone has no end");
        encoder.encode(&frame).expect("it is sound")
    });
    frames.collect()
});

pub(super) fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let to_the_end = choices.below(16) == 1; // It takes as long as a hundred other inputs.
    let opus = opus::payload_type();
    let payload_types = [
        PayloadType::new(PCMU, "PCMU", 8_000, 1),
        PayloadType::new(PCMA, "PCMA", 8_000, 1),
        PayloadType { id: RED, ..red::payload_type(opus.id) },
        opus.clone(),
    ];
    let mut receiver = AudioReceiver::new(&payload_types);
    let start = Instant::now();
    let (mut now, mut sequence, mut timestamp, mut inserted) = (start, 1_000u64, 0u32, 0);
    while !choices.is_over() {
        match choices.below(8) {
            0 => {
                sequence = sequence.saturating_add_signed(i64::from(choices.short().cast_signed()));
                timestamp = timestamp.wrapping_add(choices.word());
            }
            1 => now += Duration::from_millis(u64::from(choices.byte())),
            2 | 3 => {
                let _silent = receiver.frame(now).is_none();
                now += FRAME_TIME;
            }
            _ => {
                let (payload_type, payload) = payload(&mut choices, opus.id, sequence);
                let captured = (choices.below(4) == 1)
                    .then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(choices.word())));
                let ssrc = 1 + u32::try_from(choices.below(12) / 10).unwrap_or_default();
                let packet = RtpPacket { timestamp, marker: choices.below(8) == 1, payload };
                let turns = None;
                receiver.insert(ReceivedRtp { ssrc, payload_type, sequence, arrived: now, captured, turns, packet });
                inserted += 1;
                sequence += 1;
                timestamp = timestamp.wrapping_add(960);
            }
        }
        let _faults = (receiver.poll_fault(), receiver.poll_trouble());
    }
    let counts = receiver.stats().counts;
    assert!(counts.received <= inserted, "{counts:?} of {inserted}");
    if !to_the_end {
        return;
    }
    let until = now + SILENT_AFTER;
    while now < until {
        let _silent = receiver.frame(now).is_none();
        now += FRAME_TIME;
    }
    assert!(receiver.frame(now).is_none(), "there is sound of nobody");
}

/// A payload, and its type.
fn payload(choices: &mut Choices<'_>, opus: u8, sequence: u64) -> (u8, Arc<[u8]>) {
    let of = |at: u64| TONE[usize::try_from(at % 25).expect("it is small")].clone();
    match choices.below(8) {
        0..3 => (opus, of(sequence)),
        3 => {
            let mut bytes = of(sequence).to_vec();
            let at = choices.below(bytes.len());
            bytes[at] ^= choices.byte();
            bytes.truncate(bytes.len() - choices.below(bytes.len()));
            (opus, Arc::from(bytes))
        }
        4 => {
            let earlier = EarlierFrame { offset: 960, payload: of(sequence.wrapping_sub(1)) };
            (RED, red::write(opus, &[earlier], &of(sequence)))
        }
        5 => (RED, Arc::from(choices.bytes())),
        6 => (*choices.one_of(&[PCMU, PCMA]), Arc::from(choices.bytes())),
        _ => (*choices.one_of(&[opus, 127]), Arc::from(choices.bytes())),
    }
}
