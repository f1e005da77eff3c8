//! The digest of a state: its text, with ids renamed in order of appearance and times counted from the clock.
//!
//! The text is that of `Debug`, so whatever is added to the Engine counts at once. Ids are random and differ from path to
//! path; states that differ in nothing else behave alike. (Of two crossing repairs the lower id wins, so of those one order
//! is explored for each seed.)

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// A part of a state: what is left of its text without ids, and the ids in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digest {
    text: u64,
    ids: Vec<Ids>,
}

/// Ids that a text holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Ids {
    One(u64),
    /// Those of entries of a map or a set that differ in their ids alone: in no order.
    Unordered(Vec<Vec<u64>>),
}

impl Digest {
    /// Of a value with times, seen at `now`.
    pub(crate) fn of(value: &impl fmt::Debug, now: Instant) -> Self {
        let mut clock = String::new();
        write!(clock, "{now:?}").expect("a string takes everything");
        let mut reader = Reader { now: instant(&clock), ..Reader::default() };
        write!(reader, "{value:?}").expect("a reader takes everything");
        assert!(reader.maps.is_empty() && reader.depth == 0, "brackets come in pairs");
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

/// A part of the state that states share until one changes it, with its digest once one of them asks: most change again before.
#[derive(Debug, Clone)]
pub(crate) struct Part<T>(Arc<(T, OnceLock<Digest>)>);

impl<T: Clone> Part<T> {
    pub(crate) fn new(part: T) -> Self {
        Self(Arc::new((part, OnceLock::new())))
    }

    pub(crate) fn change(&mut self) -> &mut T {
        let (part, digest) = Arc::make_mut(&mut self.0);
        digest.take();
        part
    }

    pub(crate) fn digest(&self, of: impl FnOnce(&T) -> Digest) -> &Digest {
        let (part, digest) = &*self.0;
        digest.get_or_init(|| of(part))
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// Reads a text word by word; what stands between words says nothing that they do not, but where maps and sets begin and end.
#[derive(Default)]
struct Reader {
    text: Mix,
    ids: Vec<Ids>,
    /// Brackets that are open.
    depth: usize,
    maps: Vec<Map>,
    /// The list that begins is in the order of arrival, which makes no difference.
    by_arrival: bool,
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

/// A map or a set that is being read, with what was read before it.
///
/// Its entries count in the order of their texts: that of their ids says only which came first, and what an Engine does first for one peer and
/// then for another is the same in the other order.
struct Map {
    depth: usize,
    before: (Mix, Vec<Ids>),
    entries: Vec<(u64, Vec<Ids>)>,
}

/// `Debug` writes each name, number and string as one piece.
impl Write for Reader {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let in_map = self.maps.last().is_some_and(|map| map.depth == self.depth);
        match piece {
            "{" => self.open(),
            "[" if std::mem::take(&mut self.by_arrival) => self.open(),
            "}" | "]" if in_map => self.close(),
            ", " if in_map => self.end_entry(),
            _ => self.piece(piece),
        }
        Ok(())
    }
}

impl Reader {
    fn piece(&mut self, piece: &str) {
        for sign in piece.bytes() {
            match sign {
                b'(' | b'[' | b'{' => self.depth += 1,
                b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        if piece.len() > 2 || piece.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
            self.word(piece);
        }
    }

    fn open(&mut self) {
        let before = (std::mem::take(&mut self.text), std::mem::take(&mut self.ids));
        self.maps.push(Map { depth: self.depth, before, entries: Vec::new() });
    }

    fn end_entry(&mut self) {
        let entry = (std::mem::take(&mut self.text).0, std::mem::take(&mut self.ids));
        self.maps.last_mut().expect("a map is being read").entries.push(entry);
    }

    fn close(&mut self) {
        self.end_entry();
        let Map { before, mut entries, .. } = self.maps.pop().expect("a map is being read");
        entries.sort();
        (self.text, self.ids) = before;
        for alike in entries.chunk_by(|(one, _), (other, _)| one == other) {
            alike.iter().for_each(|(text, _)| self.text.number(*text));
            match alike {
                [(_, ids)] => self.ids.extend_from_slice(ids),
                _ => self.ids.push(Ids::Unordered(alike.iter().map(|(_, ids)| flat(ids)).collect())),
            }
        }
        self.text.number(entries.len() as u64);
    }

    fn word(&mut self, word: &str) {
        match std::mem::take(&mut self.next) {
            Next::Seconds => self.seconds = number(word) - self.now.0,
            Next::Nanoseconds => {
                self.text.number(distance(self.seconds * 1_000 + (number(word) - self.now.1) / 1_000_000));
            }
            Next::History => {}
            Next::Id => self.id(word),
            Next::Word if is_random_number(word) => self.id(word),
            Next::Word if is_id(word) => {
                self.text.number(u64::from(word.starts_with("z-")));
                self.id(word);
            }
            Next::Word => {
                self.text.word(word);
                self.next = match word {
                    "tv_sec" => Next::Seconds,
                    "tv_nsec" => Next::Nanoseconds,
                    "SessionId" | "CallId" => Next::Id,
                    _ if word.starts_with("Ids(") => Next::History,
                    "HeldOffers" => {
                        self.by_arrival = true; // Each waits for its own sender.
                        Next::Word
                    }
                    _ => Next::Word,
                };
            }
        }
    }

    fn id(&mut self, word: &str) {
        self.text.word("an id");
        let mut own = Mix::default();
        own.word(word);
        self.ids.push(Ids::One(own.0));
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

/// Session ids and ids of stanzas are 32 hexadecimal digits, CNAMEs are 8.
fn is_id(word: &str) -> bool {
    let word = word.strip_prefix("z-").unwrap_or(word);
    matches!(word.len(), 8 | 32) && word.bytes().all(|letter| letter.is_ascii_hexdigit())
}

/// SSRCs are random in 32 bits; no other number has so many digits. One in four thousand has fewer, and counts as it is.
fn is_random_number(word: &str) -> bool {
    word.len() >= 7 && word.bytes().all(|letter| letter.is_ascii_digit())
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

fn flat(ids: &[Ids]) -> Vec<u64> {
    let each = |ids: &Ids| match ids {
        Ids::One(id) => vec![*id],
        Ids::Unordered(entries) => entries.concat(),
    };
    ids.iter().flat_map(each).collect()
}

/// Of all parts together, ids being the same wherever they are. They are named in order of appearance, and last those that have none.
pub(crate) fn together<'a>(parts: impl Iterator<Item = &'a Digest>) -> u64 {
    let mut all = Mix::default();
    let mut names: HashMap<u64, u64> = HashMap::new();
    let mut unordered = Vec::new();
    for part in parts {
        all.number(part.text);
        for ids in &part.ids {
            match ids {
                Ids::One(id) => {
                    let next = names.len() as u64;
                    all.number(*names.entry(*id).or_insert(next));
                }
                Ids::Unordered(entries) => unordered.push(entries),
            }
        }
    }
    for entries in unordered {
        let named = |entry: &Vec<u64>| entry.iter().map(|id| names.get(id).copied().unwrap_or(u64::MAX)).collect();
        let mut entries: Vec<(Vec<u64>, &Vec<u64>)> = entries.iter().map(|entry| (named(entry), entry)).collect();
        entries.sort();
        for id in entries.into_iter().flat_map(|(_, entry)| entry) {
            let next = names.len() as u64;
            all.number(*names.entry(*id).or_insert(next));
        }
    }
    all.0
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
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
    fn entries_of_a_map_count_in_no_order_of_their_ids() {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        struct SessionId(u64);
        type Sessions = BTreeMap<SessionId, (&'static str, BTreeSet<SessionId>)>;
        let of = |sessions: [(u64, &'static str); 2], next: u64| {
            let others = BTreeSet::from([SessionId(1), SessionId(2)]);
            let sessions: Sessions = sessions.map(|(id, name)| (SessionId(id), (name, others.clone()))).into();
            let now = Instant::now();
            let parts = [Digest::of(&sessions, now), Digest::of(&SessionId(next), now)];
            together(parts.iter())
        };
        assert_eq!(of([(1, "ann"), (2, "bob")], 1), of([(1, "bob"), (2, "ann")], 2));
        assert_ne!(of([(1, "ann"), (2, "bob")], 1), of([(1, "ann"), (2, "bob")], 2));
        assert_ne!(of([(1, "ann"), (2, "bob")], 1), of([(1, "ann"), (2, "ann")], 1));
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
