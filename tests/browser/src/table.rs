//! What came of the calls, as a table.

use std::fmt::Write;

use crate::run::Outcome;
use crate::scenarios::Scenario;

pub(crate) fn head() -> String {
    row("scenario", "", ["tone", "hue", "pictures/s", "by RTX", "concealed", "first sound"].map(str::to_owned))
}

/// A line for each direction, and what went wrong.
pub(crate) fn rows(scenario: &Scenario, outcome: &Outcome) -> String {
    let verdict = if outcome.passed() { "" } else { "   FAILED" };
    let mut text = format!("{}{verdict}\n", scenario.name);
    for (listener, speaker, direction, first_sound) in outcome.directions(scenario) {
        let number = |value: Option<f64>, unit: &str, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}{unit}"))
        };
        let cells = [
            number(direction.hz, " Hz", 0),
            number(direction.hue, "°", 0),
            number(direction.pictures(), "", 1),
            direction.repaired.map_or_else(|| "-".to_owned(), |[came, sent]| format!("{came} + {sent}")),
            number(direction.concealed(), " %", 1),
            number(first_sound, " s", 2),
        ];
        let _infallible =
            writeln!(text, "{}", row("", &format!("{} from {}", listener.label(), speaker.label()), cells));
    }
    for why in &outcome.faults {
        let _infallible = writeln!(text, "    {why}");
    }
    text
}

fn row(scenario: &str, direction: &str, cells: [String; 6]) -> String {
    let mut line = format!("{scenario:<10}{direction:<30}");
    for cell in cells {
        let _infallible = write!(line, "{cell:>12}");
    }
    line.trim_end().to_owned()
}
