//! How each pair fared, as a table and as numbers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use muji_core::{Media, SessionId};
use muji_media::receive::Stats;
use serde_json::{Value, json};

/// What is known of a participant.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Milliseconds from "join" to the first sound.
    pub(crate) first_sound: Option<u128>,
    /// The last that was said of it.
    pub(crate) state: &'static str,
    /// Since when it is so.
    pub(crate) since: Option<Instant>,
    /// What is done about it.
    pub(crate) doing: Option<String>,
    /// What was heard in the last second.
    pub(crate) now: Option<String>,
    /// The session with it, the last of several.
    pub(crate) session: Option<SessionId>,
    /// What it sends, by name.
    pub(crate) contents: Vec<(String, Media)>,
    /// What of that it has muted; all of it under no name.
    pub(crate) muted: BTreeSet<Option<String>>,
    /// It is heard just now.
    pub(crate) speaks: bool,
    /// Its pictures that were shown.
    pub(crate) pictures: Option<u64>,
    /// Its stream so far, the last of several sessions.
    pub(crate) stats: Stats,
}

impl Known {
    /// Kilobits a second of payload, over the time it was heard.
    pub(crate) fn bit_rate(&self) -> Option<f64> {
        let seconds = self.stats.played as f64 * 0.020;
        (seconds > 0.0).then(|| self.stats.counts.bytes as f64 * 8.0 / 1_000.0 / seconds)
    }

    /// Packets that never came in time, in percent.
    pub(crate) fn loss(&self) -> Option<f64> {
        let counts = self.stats.counts;
        share(counts.lost, counts.received + counts.lost)
    }

    /// Sound that was made up, in percent.
    pub(crate) fn concealed(&self) -> Option<f64> {
        share(self.stats.concealed, self.stats.played)
    }

    /// Whether it has muted all that it has of a medium.
    pub(crate) fn mutes(&self, media: &Media) -> bool {
        let mut of = self.contents.iter().filter(|(_, of)| of == media).peekable();
        of.peek().is_some()
            && (self.muted.contains(&None) || of.all(|(name, _)| self.muted.contains(&Some(name.clone()))))
    }

    /// The numbers of a `summary`.
    pub(crate) fn summary(&self, nick: &str) -> Value {
        let rounded = |number: Option<f64>| number.map(|number| (number * 100.0).round() / 100.0);
        json!({
            "nick": nick, "state": self.state, "first_sound_ms": self.first_sound, "kbps": rounded(self.bit_rate()),
            "loss_percent": rounded(self.loss()), "rtt_ms": rounded(self.stats.round_trip.map(millis)),
            "jitter_ms": rounded(Some(millis(self.stats.jitter))), "concealed_percent": rounded(self.concealed()),
        })
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The table, a line for each participant below the names of the columns.
pub(crate) fn lines<'a>(people: impl IntoIterator<Item = (String, &'a Known)>) -> Vec<String> {
    let line = |words: [&str; 8]| {
        let [name, state, first, rate, loss, trip, jitter, made_up] = words;
        format!("{name:<24} {state:<10} {first:>11} {rate:>11} {loss:>7} {trip:>8} {jitter:>8} {made_up:>9}")
    };
    let mut lines =
        vec![line(["participant", "state", "first sound", "bit rate", "loss", "RTT", "jitter", "concealed"])];
    for (name, known) in people {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        lines.push(line([
            &name,
            known.state,
            &known.first_sound.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms")),
            &or_dash(known.bit_rate().map(|rate| format!("{rate:.1} kbit/s"))),
            &or_dash(known.loss().map(|loss| format!("{loss:.1} %"))),
            &or_dash(known.stats.round_trip.map(|trip| format!("{:.1} ms", millis(trip)))),
            &or_dash(known.bit_rate().map(|_| format!("{:.1} ms", millis(known.stats.jitter)))),
            &or_dash(known.concealed().map(|share| format!("{share:.1} %"))),
        ]));
    }
    lines
}

#[cfg(test)]
mod tests {
    use muji_media::jitter::Counts;

    use super::*;

    #[test]
    fn a_minute_of_sound_is_summed_up() {
        let counts = Counts { received: 2_970, lost: 30, bytes: 240_000, ..Counts::default() };
        let stats = Stats {
            counts,
            played: 3_000,
            concealed: 45,
            round_trip: Some(Duration::from_micros(20_500)),
            ..Stats::default()
        };
        let known = Known { first_sound: Some(335), state: "flowing", stats, ..Known::default() };
        let lines = lines([("romeo".to_owned(), &known), ("juliet".to_owned(), &Known::default())]);
        let words = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(1), "romeo flowing 335 ms 32.0 kbit/s 1.0 % 20.5 ms 0.0 ms 1.5 %");
        assert_eq!(words(2), "juliet never - - - - -");
        assert_eq!(known.summary("romeo")["loss_percent"], 1.0);
    }
}
