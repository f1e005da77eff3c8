//! What `muji-call` processes report of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muji_core::media::MediaTrouble;
use muji_harness::recognition::is_tone;
use serde_json::Value;

/// What one hears of another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Direction {
    /// Seconds in which the right tone was heard, and all for which there is a report.
    pub(crate) right: u32,
    pub(crate) seconds: u32,
    /// Frames of 20 ms so far.
    pub(crate) played: u64,
    pub(crate) concealed: u64,
    /// In the jitter buffer, now.
    pub(crate) delay_ms: u64,
    /// Pictures shown so far.
    pub(crate) shown: u64,
}

impl Direction {
    /// What came since an earlier moment. The delay is that of now.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            right: self.right.saturating_sub(before.right),
            seconds: self.seconds.saturating_sub(before.seconds),
            played: self.played.saturating_sub(before.played),
            concealed: self.concealed.saturating_sub(before.concealed),
            delay_ms: self.delay_ms,
            shown: self.shown.saturating_sub(before.shown),
        }
    }

    /// The share of frames that were made up, in percent; all, if none were played.
    pub(crate) fn concealed_percent(&self) -> f64 {
        if self.played == 0 {
            return 100.0;
        }
        100.0 * self.concealed as f64 / self.played as f64
    }
}

/// What was reported so far.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// By the number of the listener and that of the speaker.
    pub(crate) directions: BTreeMap<(usize, usize), Direction>,
    /// How often each user got a warning, by number and [`plain`] text.
    pub(crate) warnings: BTreeMap<(usize, String), usize>,
    /// How often sessions were interrupted, failed and left, by listener, speaker and state.
    pub(crate) lost: BTreeMap<(usize, usize, String), usize>,
    /// Whose call ended, and why.
    pub(crate) ended: BTreeMap<usize, String>,
    /// When somebody was in the call, in ms.
    pub(crate) joined: BTreeMap<usize, u64>,
    /// The listeners and speakers of whom a first sound was heard.
    pub(crate) first: BTreeSet<(usize, usize)>,
}

impl Observed {
    /// An event that a process reports. Others are known by their names and tones.
    pub(crate) fn take(&mut self, listener: usize, event: &Value, people: &[(String, u16)]) {
        let speaker = people.iter().position(|(name, _)| event["nick"] == name.as_str());
        let number = |field: &str| event[field].as_u64().unwrap_or_default();
        match (event["event"].as_str().unwrap_or_default(), speaker) {
            ("heard", Some(speaker)) => {
                let direction = self.directions.entry((listener, speaker)).or_default();
                direction.seconds += 1;
                let tone = people[speaker].1;
                direction.right += u32::from(event["hz"].as_f64().is_some_and(|heard| is_tone(heard, tone)));
                direction.played = number("played");
                direction.concealed = number("concealed");
                direction.delay_ms = number("delay_ms");
            }
            ("seen", Some(speaker)) => {
                self.directions.entry((listener, speaker)).or_default().shown = number("shown");
            }
            ("first-sound", Some(speaker)) => {
                self.first.insert((listener, speaker));
            }
            ("peer", Some(speaker)) => {
                let state = event["state"].as_str().unwrap_or_default();
                if ["interrupted", "failed", "left"].contains(&state) {
                    *self.lost.entry((listener, speaker, state.to_owned())).or_default() += 1;
                }
            }
            ("warning", _) => {
                let why = plain(event["why"].as_str().unwrap_or_default());
                *self.warnings.entry((listener, why)).or_default() += 1;
            }
            ("joined", _) => drop(self.joined.insert(listener, number("ms"))),
            ("ended", _) => {
                self.ended.insert(listener, event["why"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }

    /// What came between these two since an earlier moment.
    pub(crate) fn since(&self, before: &BTreeMap<(usize, usize), Direction>, pair: (usize, usize)) -> Direction {
        let of = |all: &BTreeMap<_, Direction>| all.get(&pair).copied().unwrap_or_default();
        of(&self.directions).since(&of(before))
    }

    /// Whether this user was warned that the machine is too slow for the call.
    pub(crate) fn knows_too_slow(&self, number: usize) -> bool {
        self.warnings.contains_key(&(number, plain(&MediaTrouble::TooSlow(Duration::ZERO).to_string())))
    }

    /// Which warnings users got, how often, and how many of them.
    pub(crate) fn print_warnings(&self) {
        let mut warnings: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for ((_, why), times) in &self.warnings {
            let (all, users) = warnings.entry(why).or_default();
            *all += times;
            *users += 1;
        }
        for (why, (times, users)) in &warnings {
            println!("{users} users were warned, {times} times: {why}\n");
        }
    }

    /// How often sessions entered this state.
    pub(crate) fn count(&self, state: &str) -> usize {
        self.count_between(state, |_| true)
    }

    /// The same of sessions between people of these numbers.
    pub(crate) fn count_between(&self, state: &str, counts: impl Fn(usize) -> bool) -> usize {
        let lost = self.lost.iter().filter(|((to, from, of), _)| of == state && counts(*to) && counts(*from));
        lost.map(|(_, times)| times).sum()
    }
}

/// A warning without its numbers, so that those of many can be counted together.
fn plain(why: &str) -> String {
    let mut words: Vec<&str> =
        why.split(' ').map(|word| if word.parse::<u64>().is_ok() { "N" } else { word }).collect();
    words.dedup();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_nothing_hears_only_what_is_made_up() {
        let heard = Direction { played: 100, concealed: 5, ..Direction::default() };
        assert_eq!(heard.concealed_percent(), 5.0);
        assert_eq!(heard.since(&heard).concealed_percent(), 100.0);
    }
}
