//! What makes two states the same: their text, with ids renamed in the order they appear and times counted from the clock.
//!
//! The text is that of `Debug`, so whatever is added to the Engine counts at once. Ids are random and differ from path to
//! path; states that differ in nothing else behave alike. (Of two crossing repairs the lower id wins, so of those one order
//! is explored for each seed.)

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

/// A part of a state: what is left of its text without ids, and the ids in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digest {
    text: u64,
    ids: Vec<u64>,
}

impl Digest {
    /// Of a value with times, seen at `now`.
    pub(crate) fn of(value: &impl std::fmt::Debug, now: Instant) -> Self {
        let mut text = String::with_capacity(4096);
        write!(text, "{value:?}").expect("a string takes everything");
        let mut clock = String::new();
        write!(clock, "{now:?}").expect("a string takes everything");
        Self::read(&text, instant(&clock))
    }

    /// Of a text.
    pub(crate) fn of_text(text: &str) -> Self {
        Self::read(text, (0, 0))
    }

    fn read(text: &str, now: (i64, i64)) -> Self {
        let (mut hasher, mut ids) = (DefaultHasher::new(), Vec::new());
        let mut last = "";
        let mut seconds = 0;
        for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_') {
            if word.is_empty() {
                continue;
            }
            match last {
                "tv_sec" => seconds = number(word) - now.0,
                "tv_nsec" => (seconds * 1_000 + (number(word) - now.1) / 1_000_000).hash(&mut hasher),
                "Ids" => {} // How many there were so far is history.
                "SessionId" | "CallId" | "ssrc" | "ssrcs" => id(word, &mut ids, &mut hasher),
                _ if is_id(word) => {
                    word.starts_with("z-").hash(&mut hasher);
                    id(word, &mut ids, &mut hasher);
                }
                _ => word.hash(&mut hasher),
            }
            last = word;
        }
        Self { text: hasher.finish(), ids }
    }
}

fn id(word: &str, ids: &mut Vec<u64>, hasher: &mut DefaultHasher) {
    "an id".hash(hasher);
    let mut own = DefaultHasher::new();
    word.hash(&mut own);
    ids.push(own.finish());
}

/// Session ids and ids of stanzas are 32 hexadecimal digits.
fn is_id(word: &str) -> bool {
    let word = word.strip_prefix("z-").unwrap_or(word);
    word.len() == 32 && word.bytes().all(|letter| letter.is_ascii_hexdigit())
}

fn number(word: &str) -> i64 {
    word.parse().expect("an Instant's text holds numbers")
}

/// Seconds and nanoseconds in the text of an instant.
fn instant(text: &str) -> (i64, i64) {
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).filter(|word| !word.is_empty());
    let mut next = || numbers.next().map_or(0, number);
    (next(), next())
}

/// Of all parts together, ids being the same wherever they are.
pub(crate) fn together<'a>(parts: impl Iterator<Item = &'a Digest>) -> u64 {
    let (mut hasher, mut names) = (DefaultHasher::new(), HashMap::new());
    for part in parts {
        part.text.hash(&mut hasher);
        for id in &part.ids {
            let next = names.len();
            names.entry(*id).or_insert(next).hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef";
    const B: &str = "fedcba9876543210fedcba9876543210";

    fn same(left: &[&str], right: &[&str]) -> bool {
        let of = |texts: &[&str]| {
            let parts: Vec<Digest> = texts.iter().map(|text| Digest::of_text(text)).collect();
            together(parts.iter())
        };
        of(left) == of(right)
    }

    #[test]
    fn states_that_differ_in_their_ids_only_are_the_same() {
        assert!(same(&[&format!("sid={A}"), &format!("{A} {B}")], &[&format!("sid={B}"), &format!("{B} {A}")]));
        assert!(!same(&[&format!("sid={A}"), &format!("{A} {B}")], &[&format!("sid={B}"), &format!("{A} {B}")]));
        assert!(!same(&[&format!("sid={A}")], &[&format!("sid=z-{A}")]));
    }

    #[test]
    fn times_count_from_the_clock() {
        #[derive(Debug)]
        struct Deadline(#[expect(dead_code, reason = "it is printed")] Instant);
        let now = Instant::now();
        let later = now + Duration::from_secs(7);
        let due = |at: Instant| Deadline(at + Duration::from_millis(1_500));
        assert_eq!(Digest::of(&due(now), now).text, Digest::of(&due(later), later).text);
        assert_ne!(Digest::of(&due(now), now).text, Digest::of(&due(later), now).text);
    }
}
