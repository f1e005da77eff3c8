//! Whose tone is heard, and whose colour is seen, by what the programs tell and what they record.

use std::f64::consts::TAU;

/// Samples of a second of sound.
pub const SECOND: usize = 48_000;

/// A tone is another's if it is no further off, as a share of it: sound is played faster while a jitter buffer catches up, by half a
/// percent for tens of seconds, and what is measured while other tones sound is not exact.
const TONE_TOLERANCE: f64 = 0.012;

/// A colour is another's if no part of it is further off: letters and bars in test pictures are white.
const COLOUR_TOLERANCE: u8 = 40;

/// Whether a tone of so many Hertz is the wanted one.
#[must_use]
pub fn is_tone(heard: f64, wanted: impl Into<f64>) -> bool {
    let wanted = wanted.into();
    (heard - wanted).abs() <= TONE_TOLERANCE * wanted
}

/// How loud a tone is in a second of sound, in dBFS: in the median of its parts of so many samples, of two the softer one. A tone that begins or
/// ends, as when all are muted, is heard at every pitch for a moment, and what lasts is in both.
#[must_use]
pub fn tone_level(second: &[f64], hz: f64, part: usize) -> f64 {
    let mut levels: Vec<f64> = second.chunks_exact(part).map(|part| level_in_part(part, hz)).collect();
    levels.sort_by(f64::total_cmp);
    levels.get(levels.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NEG_INFINITY)
}

fn level_in_part(part: &[f64], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (number, sample) in part.iter().enumerate() {
        let (sin, cos) = (TAU * hz * number as f64 / SECOND as f64).sin_cos();
        // A window, so that no tone spreads over all of the spectrum.
        let window = 1.0 - (TAU * number as f64 / part.len() as f64).cos();
        re += sample * cos * window;
        im += sample * sin * window;
    }
    let amplitude = 2.0 * f64::hypot(re, im) / part.len() as f64;
    20.0 * (amplitude / std::f64::consts::SQRT_2).max(1e-6).log10()
}

/// Whether a colour, the mean of a picture, is the wanted one.
#[must_use]
pub fn is_colour(seen: [u8; 3], wanted: [u8; 3]) -> bool {
    seen.iter().zip(wanted).all(|(seen, wanted)| seen.abs_diff(wanted) <= COLOUR_TOLERANCE)
}

/// A colour as the programs write it, RRGGBB.
#[must_use]
pub fn read_colour(digits: &str) -> Option<[u8; 3]> {
    let [0, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes() else { return None };
    Some([red, green, blue])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_may_be_off_by_as_much_as_catching_up_makes() {
        assert_eq!([765.0, 774.0, 780.0, 440.0].map(|heard| is_tone(heard, 770)), [true, true, false, false]);
    }

    #[test]
    fn a_tone_is_as_loud_as_it_is_among_others_also_if_it_is_off_by_a_hertz_and_one_that_is_not_there_is_not() {
        let sound = |at: usize, hz: f64| 0.1 * (TAU * hz * at as f64 / SECOND as f64).sin();
        let samples: Vec<f64> = (0..SECOND).map(|at| sound(at, 400.0) + sound(at, 661.0)).collect();
        let levels = [400.0, 500.0, 660.0, 770.0].map(|hz| tone_level(&samples, hz, SECOND / 10).round());
        assert_eq!([levels[0], levels[2]], [-23.0, -23.0]);
        assert!(levels[1] < -70.0 && levels[3] < -70.0, "{levels:?}");
    }

    #[test]
    fn a_colour_may_be_lighter_by_what_is_written_on_it() {
        let red = read_colour("c03030").expect("it is one");
        assert_eq!(red, [0xC0, 0x30, 0x30]);
        assert!(is_colour([0xC8, 0x40, 0x40], red) && !is_colour([0x30, 0x40, 0xC0], red));
        assert_eq!(["", "red", "ffc03030"].map(read_colour), [None; 3]);
    }
}
