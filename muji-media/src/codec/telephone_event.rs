//! Keys of telephones as a payload (RFC 4733 section 2.3): event, end and volume, duration.

use muji_xep::dtmf::Digit;
use muji_xep::rtp::PayloadType;

/// The bit that says that the key is let go.
const END: u8 = 0x80;

/// How loud a gateway is to play it, in dBm0 below zero: as browsers ask for.
const VOLUME: u8 = 10;

/// How they are announced: with the clock of Opus, and with that of telephones (RFC 7587 section 4.1, RFC 7874 section 3).
pub(crate) fn payload_types() -> [PayloadType; 2] {
    [PayloadType::new(110, "telephone-event", 48_000, 1), PayloadType::new(126, "telephone-event", 8_000, 1)]
}

/// Whether a key is still pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Down,
    Up,
}

/// A key that has been pressed for so many ticks.
pub(crate) fn write(digit: Digit, key: Key, ticks: u16) -> [u8; 4] {
    let [high, low] = ticks.to_be_bytes();
    [digit.event(), if key == Key::Up { END | VOLUME } else { VOLUME }, high, low]
}

/// The key of a payload; `None` if it is no key, such as a modem's tone.
pub(crate) fn read(payload: &[u8]) -> Option<Digit> {
    if payload.len() < 4 {
        return None;
    }
    Digit::of_event(payload[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_nothing_else_is_one() {
        let star = Digit::of_key('*').expect("it is one");
        assert_eq!(write(star, Key::Down, 0x1234), [10, 10, 0x12, 0x34]);
        assert_eq!(write(star, Key::Up, 800), [10, 0x8A, 3, 0x20]);
        assert_eq!(read(&write(star, Key::Up, 800)), Some(star));
        assert_eq!([read(&[16, 0, 0, 0]), read(&[1, 0, 0]), read(&[])], [None; 3]);
    }
}
