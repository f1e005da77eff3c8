//! What one device hears and sees of one person, as the events of `muji-call` and of the page say it.

use std::time::Instant;

use muji_harness::recognition::is_tone;
use serde_json::Value;

use crate::scenarios::Person;

/// A hue is somebody's if it is no further off, in degrees.
const HUE_TOLERANCE: f64 = 15.0;

/// Below this saturation a colour has no hue: grey, black, white.
const MIN_SATURATION: f64 = 0.3;

/// What one hears and sees of another.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    /// The last tone, in Hz.
    pub(crate) hz: Option<f64>,
    /// The last hue, in degrees.
    pub(crate) hue: Option<f64>,
    /// The codec of pictures.
    pub(crate) codec: Option<String>,
    /// When the first sound came.
    pub(crate) first_sound: Option<Instant>,
    /// Seconds in which the tone was the person's, since [`Self::count_again`].
    pub(crate) right_tones: u32,
    /// Seconds in which the hue was the person's.
    pub(crate) right_hues: u32,
    /// Of a page: packets of pictures that came again by RTX, and that it sent again by RTX.
    pub(crate) repaired: Option<[u64; 2]>,
    shown: Counter,
    played: Counter,
    concealed: Counter,
}

impl Direction {
    /// An event about this person.
    pub(crate) fn take(&mut self, event: &Value, person: &Person, now: Instant) {
        match event["event"].as_str() {
            Some("first-sound") => {
                self.first_sound.get_or_insert(now);
            }
            Some("heard") => self.heard(event, person, now),
            Some("seen") => self.seen(event, person, now),
            Some("network") => {
                let codecs = event["codecs"].as_array().into_iter().flatten().filter_map(Value::as_str);
                self.codec = codecs.filter(|codec| *codec != "opus").map(str::to_owned).next();
            }
            _ => {}
        }
    }

    fn heard(&mut self, event: &Value, person: &Person, now: Instant) {
        self.hz = event["hz"].as_f64();
        let right = self.hz.is_some_and(|hz| is_tone(hz, person.hz));
        self.right_tones += u32::from(right);
        self.played.reached(event["played"].as_u64(), now);
        self.concealed.reached(event["concealed"].as_u64(), now);
    }

    fn seen(&mut self, event: &Value, person: &Person, now: Instant) {
        self.hue = event["colour"].as_str().and_then(hue);
        let expected = hue(person.colour).expect("everybody's colour has a hue");
        let off = self.hue.map(|hue| (hue - expected + 540.0).rem_euclid(360.0) - 180.0);
        self.right_hues += u32::from(off.is_some_and(|off| off.abs() <= HUE_TOLERANCE));
        self.shown.reached(event["shown"].as_u64(), now);
        if let Some(codec) = event["codec"].as_str() {
            self.codec = Some(codec.to_owned());
        }
        self.repaired = event["cameAgain"].as_u64().zip(event["sentAgain"].as_u64()).map(<[u64; 2]>::from);
    }

    /// Whether the person was heard, and seen if there are pictures.
    pub(crate) fn is_right(&self, video: bool) -> bool {
        self.right_tones > 0 && (!video || self.right_hues > 0)
    }

    /// What was counted so far is about the beginning of the call.
    pub(crate) fn count_again(&mut self) {
        (self.right_tones, self.right_hues) = (0, 0);
        for counter in [&mut self.shown, &mut self.played, &mut self.concealed] {
            *counter = Counter::default();
        }
    }

    /// Pictures a second.
    pub(crate) fn pictures(&self) -> Option<f64> {
        self.shown.rate()
    }

    /// The share of sound that was filled in, in percent.
    pub(crate) fn concealed(&self) -> Option<f64> {
        Some(100.0 * self.concealed.rate()? / self.played.rate().filter(|rate| *rate > 0.0)?)
    }
}

/// A number that only grows, between two moments.
#[derive(Debug, Default)]
struct Counter {
    first: Option<(Instant, u64)>,
    last: Option<(Instant, u64)>,
}

impl Counter {
    fn reached(&mut self, number: Option<u64>, now: Instant) {
        let Some(number) = number else { return };
        self.first.get_or_insert((now, number));
        self.last = Some((now, number));
    }

    /// By how much it grows a second.
    fn rate(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.first?, self.last?);
        let seconds = (to - from).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
        let grown = after.saturating_sub(before) as f64;
        (seconds > 0.0).then(|| grown / seconds)
    }
}

/// The hue of a colour `RRGGBB` in degrees, if it has one.
fn hue(digits: &str) -> Option<f64> {
    let [_, parts @ ..] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    let [red, green, blue] = parts.map(f64::from);
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let range = most - least;
    if range <= MIN_SATURATION * most {
        return None;
    }
    let sixths = if most == red {
        ((green - blue) / range).rem_euclid(6.0)
    } else if most == green {
        (blue - red) / range + 2.0
    } else {
        (red - green) / range + 4.0
    };
    Some(sixths * 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_the_hue_that_a_painter_would_say() {
        assert_eq!(["ff0000", "00ff00", "0000ff"].map(hue), [Some(0.0), Some(120.0), Some(240.0)]);
        assert_eq!(["000000", "808080", "ffffff"].map(hue), [None; 3], "black, grey and white have none");
    }
}
