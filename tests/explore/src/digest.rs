//! The digest of a state: its text, with ids renamed in order of appearance and times counted from the clock.
//!
//! The text is that of `Debug`, so whatever is added to the Engine counts at once. Ids are random and differ from path to
//! path; states that differ in nothing else behave alike. (Of two crossing repairs the lower id wins, so of those one order
//! is explored for each seed.)

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::time::Instant;

/// A part of a state: what is left of its text without ids, and the ids in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digest {
    text: u64,
    ids: Vec<u64>,
}

impl Digest {
    /// Of a value with times, seen at `now`.
    pub(crate) fn of(value: &impl fmt::Debug, now: Instant) -> Self {
        let mut clock = String::new();
        write!(clock, "{now:?}").expect("a string takes everything");
        let mut reader = Reader { now: instant(&clock), ..Reader::default() };
        write!(reader, "{value:?}").expect("a reader takes everything");
        Self { text: reader.text.0, ids: reader.ids }
    }

    /// Of a text.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut reader = Reader::default();
        text.split(|letter: char| !is_letter(letter))
            .filter(|word| !word.is_empty())
            .for_each(|word| reader.word(word));
        Self { text: reader.text.0, ids: reader.ids }
    }
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// Reads a text word by word; what stands between words says nothing that they do not.
#[derive(Default)]
struct Reader {
    text: Mix,
    ids: Vec<u64>,
    now: (i64, i64),
    seconds: i64,
    /// What the word before says of the next one.
    next: Next,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Next {
    #[default]
    Word,
    Seconds,
    Nanoseconds,
    Id,
    /// How many ids there were so far.
    History,
}

/// `Debug` writes each name, number and string as one piece.
impl Write for Reader {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if piece.len() > 2 || piece.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
            self.word(piece);
        }
        Ok(())
    }
}

impl Reader {
    fn word(&mut self, word: &str) {
        match std::mem::take(&mut self.next) {
            Next::Seconds => self.seconds = number(word) - self.now.0,
            Next::Nanoseconds => {
                self.text.number(distance(self.seconds * 1_000 + (number(word) - self.now.1) / 1_000_000));
            }
            Next::History => {}
            Next::Id => self.id(word),
            Next::Word if is_id(word) => {
                self.text.number(u64::from(word.starts_with("z-")));
                self.id(word);
            }
            Next::Word => {
                self.text.word(word);
                self.next = match word {
                    "tv_sec" => Next::Seconds,
                    "tv_nsec" => Next::Nanoseconds,
                    "SessionId" | "CallId" | "ssrc" | "ssrcs" => Next::Id,
                    _ if word.starts_with("Ids(") => Next::History,
                    _ => Next::Word,
                };
            }
        }
    }

    fn id(&mut self, word: &str) {
        self.text.word("an id");
        let mut own = Mix::default();
        own.word(word);
        self.ids.push(own.0);
    }
}

/// A quick mixture of words, eight bytes at a time; nobody here wants two of them to be the same.
#[derive(Default)]
struct Mix(u64);

impl Mix {
    fn number(&mut self, number: u64) {
        let mixed = u128::from(self.0.rotate_left(23) ^ number ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93_u128;
        self.0 = (mixed as u64) ^ (mixed >> 64) as u64;
    }

    fn word(&mut self, word: &str) {
        for bytes in word.as_bytes().chunks(8) {
            let mut eight = [0; 8];
            eight[..bytes.len()].copy_from_slice(bytes);
            self.number(u64::from_le_bytes(eight));
        }
        self.number(word.len() as u64);
    }
}

/// Session ids and ids of stanzas are 32 hexadecimal digits.
fn is_id(word: &str) -> bool {
    let word = word.strip_prefix("z-").unwrap_or(word);
    word.len() == 32 && word.bytes().all(|letter| letter.is_ascii_hexdigit())
}

/// How far a deadline is: past times do nothing any more, and of far ones only the second counts, as none of them passes
/// while a path is explored.
fn distance(milliseconds: i64) -> u64 {
    match u64::try_from(milliseconds) {
        Err(_) | Ok(0) => 0,
        Ok(near @ 1..1_000) => near,
        Ok(far) => far.div_ceil(1_000) * 1_000,
    }
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
    let (mut all, mut names) = (Mix::default(), HashMap::new());
    for part in parts {
        all.number(part.text);
        for id in &part.ids {
            let next = names.len() as u64;
            all.number(*names.entry(*id).or_insert(next));
        }
    }
    all.0
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
        let due = |at: Instant| Deadline(at + Duration::from_millis(500));
        assert_eq!(Digest::of(&due(now), now).text, Digest::of(&due(later), later).text);
        assert_ne!(Digest::of(&due(now), now).text, Digest::of(&due(later), now).text);
    }
}
