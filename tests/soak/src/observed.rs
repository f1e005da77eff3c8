//! What `muji-call` processes tell of each other.

use std::collections::{BTreeMap, BTreeSet};

use muji_harness::recognition::is_tone;
use serde_json::Value;

/// A warning without its numbers, so that those of many can be counted together.
pub(crate) fn plain(why: &str) -> String {
    let mut words: Vec<&str> =
        why.split(' ').map(|word| if word.parse::<u64>().is_ok() { "N" } else { word }).collect();
    words.dedup();
    words.join(" ")
}

/// What one hears of another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Direction {
    /// Seconds in which the right tone was heard, and all of which something was told.
    pub(crate) right: u32,
    pub(crate) seconds: u32,
    /// Frames of 20 ms so far.
    pub(crate) played: u64,
    pub(crate) concealed: u64,
    /// In the jitter buffer, now.
    pub(crate) delay_ms: u64,
    /// Pictures shown so far.
    pub(crate) shown: u64,
    pub(crate) frozen_ms: u64,
}

impl Direction {
    /// The share of frames that were made up since an earlier moment, in percent.
    pub(crate) fn concealed_percent(&self, before: &Self) -> f64 {
        let played = self.played.saturating_sub(before.played).max(1);
        100.0 * self.concealed.saturating_sub(before.concealed) as f64 / played as f64
    }
}

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// By the number of the listener and that of the speaker.
    pub(crate) directions: BTreeMap<(usize, usize), Direction>,
    /// Warnings of each, and how often.
    pub(crate) warnings: BTreeMap<(usize, String), usize>,
    /// What became of sessions: interrupted, failed and left, by listener, speaker and state.
    pub(crate) lost: BTreeMap<(usize, usize, String), usize>,
    /// Whose call ended, and why.
    pub(crate) ended: BTreeMap<usize, String>,
    /// When somebody was in the call, in ms.
    pub(crate) joined: BTreeMap<usize, u64>,
    /// When somebody heard another first, in ms.
    pub(crate) first: BTreeMap<(usize, usize), u64>,
}

impl Observed {
    /// An event that one of them told. Of the others it knows names and tones.
    pub(crate) fn take(&mut self, listener: usize, event: &Value, people: &[(String, u16)]) {
        let speaker = people.iter().position(|(name, _)| event["nick"] == name.as_str());
        let number = |field: &str| event[field].as_u64().unwrap_or_default();
        match (event["event"].as_str().unwrap_or_default(), speaker) {
            ("heard", Some(speaker)) => {
                let direction = self.directions.entry((listener, speaker)).or_default();
                direction.seconds += 1;
                let tone = people[speaker].1;
                direction.right += u32::from(event["hz"].as_f64().is_some_and(|heard| is_tone(heard, tone)));
                (direction.played, direction.concealed) = (number("played"), number("concealed"));
                direction.delay_ms = number("delay_ms");
            }
            ("seen", Some(speaker)) => {
                let direction = self.directions.entry((listener, speaker)).or_default();
                (direction.shown, direction.frozen_ms) = (number("shown"), number("frozen_ms"));
            }
            ("first-sound", Some(speaker)) => {
                self.first.entry((listener, speaker)).or_insert_with(|| number("ms"));
            }
            ("peer", Some(speaker)) => {
                let state = event["state"].as_str().unwrap_or_default();
                if ["interrupted", "failed", "left"].contains(&state) {
                    *self.lost.entry((listener, speaker, state.to_owned())).or_default() += 1;
                }
            }
            ("warning", _) => {
                let why = event["why"].as_str().unwrap_or_default().to_owned();
                *self.warnings.entry((listener, why)).or_default() += 1;
            }
            ("joined", _) => drop(self.joined.insert(listener, number("ms"))),
            ("ended", _) => {
                self.ended.insert(listener, event["why"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }

    /// What users were told, how often, and how many of them.
    pub(crate) fn print_warnings(&self) {
        let mut warnings: BTreeMap<String, (usize, BTreeSet<usize>)> = BTreeMap::new();
        for ((number, why), times) in &self.warnings {
            let (all, users) = warnings.entry(plain(why)).or_default();
            *all += times;
            users.insert(*number);
        }
        for (why, (times, users)) in &warnings {
            println!("{} users were told, {times} times: {why}\n", users.len());
        }
    }

    /// How often sessions with somebody came to this state.
    pub(crate) fn count(&self, state: &str) -> usize {
        self.lost.iter().filter(|((.., of), _)| of == state).map(|(_, count)| count).sum()
    }
}
