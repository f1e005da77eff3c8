//! Keys of telephones on their way to one peer (RFC 4733 section 2.5): each sounds for 100 ms, and the next begins 220 ms after it.
//!
//! ```text
//!  packets, 20 ms apart:  pressed × 5, let go × 3 (one may be lost), a pause of 3, the next key
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_xep::dtmf::Digit;
use muji_xep::rtp::PayloadType;

use crate::codec::telephone_event::{Key, write};
use crate::rtp::RtpPacket;

/// Between two packets.
const INTERVAL: Duration = Duration::from_millis(20);

/// Packets while a key is pressed, after it is let go, and what would be packets until the next.
const PRESSED: u32 = 5;
const LET_GO: u32 = 3;
const PAUSE: u32 = 3;

/// Keys that wait: more than any number has.
const MAX_WAITING: usize = 64;

/// Keys for one content.
#[derive(Debug, Default)]
pub(super) struct DigitSender {
    waiting: VecDeque<Digit>,
    current: Option<Current>,
    due: Option<Instant>,
    /// How they are sent.
    payload_type: u8,
    clock_rate: u32,
}

/// The key that sounds.
#[derive(Debug, Clone, Copy)]
struct Current {
    digit: Digit,
    /// When it was pressed, in ticks.
    timestamp: u32,
    /// Packets so far.
    step: u32,
}

impl DigitSender {
    /// Keys are to be pressed.
    pub(super) fn press(&mut self, now: Instant, payload_type: &PayloadType, digits: &[Digit]) {
        self.payload_type = payload_type.id;
        self.clock_rate = payload_type.clockrate.filter(|rate| *rate > 0).unwrap_or(8_000);
        let room = MAX_WAITING.saturating_sub(self.waiting.len());
        self.waiting.extend(digits.iter().take(room));
        self.due = self.due.or(Some(now));
    }

    /// True while a key sounds: no audio is sent meanwhile.
    pub(super) fn is_sounding(&self) -> bool {
        self.current.is_some_and(|current| current.step < PRESSED + LET_GO)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// What is due: a payload type and its packet. `timestamp` is that of audio now, in ticks of its clock.
    pub(super) fn take(&mut self, now: Instant, timestamp: u32, clock_rate: u32) -> Option<(u8, RtpPacket)> {
        let due = self.due.filter(|due| *due <= now)?;
        self.due = Some(due + INTERVAL);
        if self.current.is_some_and(|current| current.step >= PRESSED + LET_GO + PAUSE) {
            self.current = None;
        }
        if self.current.is_none() {
            let Some(digit) = self.waiting.pop_front() else {
                self.due = None;
                return None;
            };
            let ticks = u64::from(timestamp) * u64::from(self.clock_rate) / u64::from(clock_rate.max(1));
            self.current = Some(Current { digit, timestamp: ticks as u32, step: 0 });
        }
        let current = self.current.as_mut()?;
        current.step += 1;
        let key = match current.step {
            1..=PRESSED => Key::Down,
            step if step <= PRESSED + LET_GO => Key::Up,
            _ => return None,
        };
        let pressed = INTERVAL * current.step.min(PRESSED);
        let ticks = (pressed.as_secs_f64() * f64::from(self.clock_rate)) as u16;
        let payload = Arc::from(&write(current.digit, key, ticks)[..]);
        Some((self.payload_type, RtpPacket { timestamp: current.timestamp, marker: current.step == 1, payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_sounds_for_100_ms_and_the_next_begins_120_later() {
        let (start, mut sender) = (Instant::now(), DigitSender::default());
        let keys: Vec<Digit> = "5#".chars().filter_map(Digit::of_key).collect();
        sender.press(start, &PayloadType::new(110, "telephone-event", 48_000, 1), &keys);
        let mut sent = Vec::new();
        while let Some(due) = sender.poll_timeout() {
            let at = due - start;
            let packet = sender.take(due, 9_600 + (at.as_millis() * 48) as u32, 48_000);
            sent.extend(
                packet
                    .map(|(id, packet)| (id, at.as_millis(), packet.timestamp, packet.marker, packet.payload.to_vec())),
            );
            assert!(at < Duration::from_secs(1));
        }
        let of_key = |begin: u128, event: u8| {
            (1..=8u128).map(move |step| {
                let (at, ticks) = (begin + (step - 1) * 20, step.min(5) as u16 * 960);
                let [high, low] = ticks.to_be_bytes();
                let end = if step > 5 { 0x8A } else { 10 };
                (110, at, 9_600 + (begin * 48) as u32, step == 1, vec![event, end, high, low])
            })
        };
        assert_eq!(sent, of_key(0, 5).chain(of_key(220, 11)).collect::<Vec<_>>());
    }

    #[test]
    fn a_key_has_the_clock_of_its_payload_type_whatever_that_of_audio_is() {
        let (start, mut sender) = (Instant::now(), DigitSender::default());
        sender.press(start, &PayloadType::new(126, "telephone-event", 8_000, 1), &[Digit::of_key('1').expect("one")]);
        let (_, packet) = sender.take(start, 48_000, 48_000).expect("it is due");
        assert_eq!((packet.timestamp, &packet.payload[2..]), (8_000, &[0, 160][..]));
        assert!(sender.is_sounding());
    }
}
