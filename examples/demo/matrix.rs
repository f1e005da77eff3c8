//! Who hears whom.

use std::fmt::{self, Write};

use serde_json::Value;

/// Those in the call, and their tones in Hz.
pub(crate) const PEOPLE: [(&str, u16); 4] = [("romeo", 440), ("juliet", 550), ("nurse", 660), ("tybalt", 880)];

/// A tone is somebody's if it is no further off, in Hz.
const TOLERANCE: f64 = 5.0;

/// Seconds in which the right tone must be heard: once may be chance.
const SECONDS: u32 = 2;

/// What one hears of another.
#[derive(Debug, Clone, Copy, Default)]
struct Direction {
    hz: Option<f64>,
    dbfs: Option<f64>,
    right: u32,
    first_ms: Option<u64>,
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
        let speaker = PEOPLE.iter().position(|(name, _)| Some(*name) == nick);
        let direction = speaker.map(|speaker| (&mut self.directions[listener][speaker], PEOPLE[speaker].1));
        match (event["event"].as_str(), direction) {
            (Some("heard"), Some((direction, hz))) => {
                (direction.hz, direction.dbfs) = (event["hz"].as_f64(), event["dbfs"].as_f64());
                let right = direction.hz.is_some_and(|heard| (heard - f64::from(hz)).abs() <= TOLERANCE);
                direction.right += u32::from(right);
            }
            (Some("first-sound"), Some((direction, _))) => direction.first_ms = event["ms"].as_u64(),
            (Some("warning"), _) => println!("{}: {}", PEOPLE[listener].0, event["why"]),
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

    /// What everybody hears now.
    pub(crate) fn levels(&self) -> String {
        self.table("hears", |direction| match (direction.hz, direction.dbfs) {
            (Some(hz), Some(dbfs)) => format!("{hz:.0} Hz {dbfs:.0} dB"),
            (None, Some(dbfs)) if dbfs > -60.0 => format!("noise {dbfs:.0} dB"),
            _ => "silence".to_owned(),
        })
    }

    fn table(&self, title: &str, cell: impl Fn(&Direction) -> String) -> String {
        let mut text = format!("{title:<10}");
        for (name, hz) in PEOPLE {
            let _infallible = write!(text, "{:>15}", format!("{name} {hz}"));
        }
        for (listener, row) in self.directions.iter().enumerate() {
            let _infallible = write!(text, "\n{:<10}", PEOPLE[listener].0);
            for (speaker, direction) in row.iter().enumerate() {
                let shown = if speaker == listener { "-".to_owned() } else { cell(direction) };
                let _infallible = write!(text, "{shown:>15}");
            }
        }
        text
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard = |direction: &Direction| match direction.right {
            0..SECONDS => "not heard".to_owned(),
            right => format!("heard {right} s"),
        };
        let first =
            |direction: &Direction| direction.first_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
        writeln!(f, "{}\n", self.table("heard", heard))?;
        writeln!(f, "{}", self.table("after join", first))
    }
}
