//! Who hears and sees whom.

use std::fmt::{self, Write};

use muji_harness::recognition::{is_colour, is_tone, read_colour};
use serde_json::Value;

/// Somebody in the call.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    /// The tone that it sends, in Hz.
    pub(crate) hz: u16,
    /// The colour of its pictures: red, green and blue.
    pub(crate) rgb: [u8; 3],
}

/// Those in the call.
pub(crate) const PEOPLE: [Person; 4] = [
    Person { name: "romeo", hz: 440, rgb: [0xC0, 0x30, 0x30] },
    Person { name: "juliet", hz: 550, rgb: [0x30, 0xA0, 0x30] },
    Person { name: "nurse", hz: 660, rgb: [0x30, 0x40, 0xC0] },
    Person { name: "tybalt", hz: 880, rgb: [0xB0, 0x90, 0x20] },
];

/// Seconds in which the right tone must be heard, and the right colour seen: a single second may be a coincidence.
const SECONDS: u32 = 2;

/// What one hears and sees of another.
#[derive(Debug, Clone, Copy, Default)]
struct Direction {
    hz: Option<f64>,
    dbfs: Option<f64>,
    right: u32,
    first_ms: Option<u64>,
    colour: Option<[u8; 3]>,
    right_colour: u32,
}

/// Listeners down, speakers across.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    directions: [[Direction; PEOPLE.len()]; PEOPLE.len()],
}

impl Matrix {
    /// An event that `listener` told.
    pub(crate) fn take(&mut self, listener: usize, event: &Value) {
        let nick = event["nick"].as_str();
        let speaker = PEOPLE.iter().position(|person| Some(person.name) == nick);
        let direction = speaker.map(|speaker| (&mut self.directions[listener][speaker], &PEOPLE[speaker]));
        match (event["event"].as_str(), direction) {
            (Some("heard"), Some((direction, Person { hz, .. }))) => {
                (direction.hz, direction.dbfs) = (event["hz"].as_f64(), event["dbfs"].as_f64());
                let right = direction.hz.is_some_and(|heard| is_tone(heard, *hz));
                direction.right += u32::from(right);
            }
            (Some("seen"), Some((direction, Person { rgb, .. }))) => {
                direction.colour = event["colour"].as_str().and_then(read_colour);
                direction.right_colour += u32::from(direction.colour.is_some_and(|seen| is_colour(seen, *rgb)));
            }
            (Some("first-sound"), Some((direction, _))) => direction.first_ms = event["ms"].as_u64(),
            (Some("warning"), _) => println!("{}: {}", PEOPLE[listener].name, event["why"]),
            _ => {}
        }
    }

    fn pairs(&self) -> impl Iterator<Item = &Direction> {
        let rows = self.directions.iter().enumerate();
        rows.flat_map(|(listener, row)| row.iter().enumerate().filter(move |(speaker, _)| *speaker != listener))
            .map(|(_, direction)| direction)
    }

    /// How many directions there are.
    pub(crate) fn directions(&self) -> usize {
        self.pairs().count()
    }

    /// In how many the right tone was heard.
    pub(crate) fn heard(&self) -> usize {
        self.pairs().filter(|direction| direction.right >= SECONDS).count()
    }

    /// In how many the right colour was seen.
    pub(crate) fn seen(&self) -> usize {
        self.pairs().filter(|direction| direction.right_colour >= SECONDS).count()
    }

    /// What everybody hears and sees now.
    pub(crate) fn now(&self) -> String {
        self.table("now", |direction| {
            let sound = match (direction.hz, direction.dbfs) {
                (Some(hz), Some(dbfs)) => format!("{hz:.0} Hz {dbfs:.0} dB"),
                (None, Some(dbfs)) if dbfs > -60.0 => format!("noise {dbfs:.0} dB"),
                _ => "silence".to_owned(),
            };
            let picture = direction.colour.map(|[red, green, blue]| format!("#{red:02x}{green:02x}{blue:02x}"));
            format!("{sound} {}", picture.unwrap_or_else(|| "dark".to_owned()))
        })
    }

    fn table(&self, title: &str, cell: impl Fn(&Direction) -> String) -> String {
        let mut text = format!("{title:<11}");
        for Person { name, hz, .. } in PEOPLE {
            let _infallible = write!(text, "{:>22}", format!("{name} {hz}"));
        }
        for (listener, row) in self.directions.iter().enumerate() {
            let _infallible = write!(text, "\n{:<11}", PEOPLE[listener].name);
            for (speaker, direction) in row.iter().enumerate() {
                let shown = if speaker == listener { "-".to_owned() } else { cell(direction) };
                let _infallible = write!(text, "{shown:>22}");
            }
        }
        text
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let came = |direction: &Direction| {
            let [not_heard, not_seen] =
                [direction.right, direction.right_colour].map(|seconds| if seconds < SECONDS { "not " } else { "" });
            format!("{not_heard}heard, {not_seen}seen")
        };
        let first =
            |direction: &Direction| direction.first_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
        writeln!(f, "{}\n", self.table("all in all", came))?;
        writeln!(f, "{}", self.table("after join", first))
    }
}
