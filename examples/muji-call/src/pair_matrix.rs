//! The matrix of who is heard now: on a terminal redrawn in place under what is said, or with `--tui` all over it; elsewhere a line
//! a second.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use crate::output::{self, printable};
use crate::statistics::{self, ParticipantStats};

/// Messages that stay on a full screen.
const SAID: usize = 8;

/// Between two pictures of a full screen: levels come five times a second from each.
const REDRAW: Duration = Duration::from_millis(150);

/// The silent end of a bar, in dBFS, and how many letters it has.
const SILENCE: f32 = -60.0;
const BAR: usize = 20;

/// Rows of a screen that does not tell.
const ROWS: usize = 24;

/// Where the matrix is drawn.
pub(crate) struct PairMatrix {
    terminal: bool,
    colour: bool,
    /// Lines of it that stand on the terminal now.
    drawn: usize,
    /// All of the terminal is wanted, and taken.
    all: bool,
    full: Option<FullScreen>,
}

/// All of the screen, which is given back as it was.
struct FullScreen {
    said: VecDeque<String>,
    drawn: Instant,
}

impl FullScreen {
    fn begin() -> Self {
        // The other screen, no cursor, and lines that are too long end at its edge.
        output::part(format_args!("\x1b[?1049h\x1b[?25l\x1b[?7l"));
        Self { said: VecDeque::new(), drawn: Instant::now() }
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        output::part(format_args!("\x1b[?7h\x1b[?25h\x1b[?1049l"));
        let _closed = stdout().flush().is_err();
    }
}

impl PairMatrix {
    /// With `all` a terminal is taken as a whole while there is a call.
    pub(crate) fn new(all: bool) -> Self {
        let terminal = stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let terminal = terminal && !dumb;
        Self { terminal, colour: terminal && !unwanted, drawn: 0, all, full: None }
    }

    /// Says a sentence; the matrix comes again below it with the next second.
    pub(crate) fn say(&mut self, sentence: &str) {
        if let Some(full) = &mut self.full {
            if full.said.len() == SAID {
                full.said.pop_front();
            }
            return full.said.push_back(sentence.to_owned());
        }
        self.erase();
        output::line(format_args!("{sentence}"));
    }

    /// Sounds the terminal's bell.
    pub(crate) fn bell(&self) {
        if self.terminal {
            output::part(format_args!("\x07"));
            let _closed = stdout().flush().is_err();
        }
    }

    /// Whether a full screen may be drawn again.
    pub(crate) fn is_due(&self) -> bool {
        self.full.as_ref().is_some_and(|full| full.drawn.elapsed() >= REDRAW)
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        if self.all && self.terminal && self.full.is_none() {
            self.full = Some(FullScreen::begin());
        }
    }

    /// It is over: gives a full screen back, and what is said from now on stays.
    pub(crate) fn end(&mut self) {
        self.full = None;
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.drawn) > 0 {
            // To where it began, and everything below away.
            output::part(format_args!("\x1b8\x1b[J"));
        }
    }

    /// Shows who is heard now, and with `stats`, or on a full screen, how the network fares.
    pub(crate) fn draw<'a>(&mut self, people: impl IntoIterator<Item = (String, &'a ParticipantStats)>, stats: bool) {
        let people: Vec<(String, &ParticipantStats)> = people.into_iter().collect();
        let named = || people.iter().map(|(name, known)| (name.clone(), *known));
        let network = if stats || self.full.is_some() { statistics::network_lines(named()) } else { Vec::new() };
        if self.full.is_some() {
            return self.draw_full(&people, &network);
        }
        if people.is_empty() {
            return;
        }
        if !self.terminal {
            let words = people.iter().map(|(name, known)| {
                let not_well = known.doing.as_deref().map(|doing| format!(" ({}, {doing})", known.state));
                format!("{name} {}{}", known.now.as_deref().unwrap_or("-"), not_well.unwrap_or_default())
            });
            output::line(format_args!("levels: {}", words.collect::<Vec<_>>().join(" | ")));
            return network.iter().for_each(|line| output::line(format_args!("{line}")));
        }
        self.erase();
        let mut lines: Vec<String> = people.iter().map(|(name, known)| self.line(name, known)).collect();
        lines.extend(network);
        // Room is made first: a terminal that scrolls would move the place that is remembered.
        output::part(format_args!("{}\x1b[{}A\x1b7", "\n".repeat(lines.len()), lines.len()));
        lines.iter().for_each(|line| output::line(format_args!("{line}")));
        self.drawn = lines.len();
        let _closed = stdout().flush().is_err(); // The reader is gone; the call continues.
    }

    fn draw_full(&mut self, people: &[(String, &ParticipantStats)], network: &[String]) {
        let bars = people.iter().flat_map(|(name, known)| {
            let participant = format!("{} {}", bar(known.level), self.line(name, known).trim());
            let guests = known.guests.named.iter().map(|guest| {
                let muted = if guest.muted { "muted" } else { "" };
                let line = format!("  {:<24} {:<11} {muted}", printable(&guest.name), guest.status.as_str());
                format!("{} {}", bar(known.guest_level(guest)), line.trim())
            });
            std::iter::once(participant).chain(guests)
        });
        let bars: Vec<String> = bars.collect();
        let Some(full) = &mut self.full else { return };
        full.drawn = Instant::now();
        let empty = String::new();
        let lines = bars.iter().chain([&empty]).chain(network).chain([&empty]).chain(&full.said);
        let rows = tcgetwinsize(stdout()).map_or(0, |size| usize::from(size.ws_row));
        let rows = if rows == 0 { ROWS } else { rows };
        let lines: Vec<&str> = lines.map(String::as_str).take(rows.saturating_sub(1)).collect();
        // Each line over the one before, and everything below away: nothing flickers.
        output::part(format_args!("\x1b[H{}\x1b[K\r\n\x1b[J", lines.join("\x1b[K\r\n")));
        let _closed = stdout().flush().is_err();
    }

    fn line(&self, name: &str, known: &ParticipantStats) -> String {
        let heard = known.now.as_deref().unwrap_or("silent");
        let loss = known.loss().map_or_else(String::new, |loss| format!("loss {loss:.1} %"));
        let since = known.since.map_or_else(String::new, |since| format!("{} s", since.elapsed().as_secs()));
        let doing = known.doing.as_deref().unwrap_or_default();
        let line = format!("  {name:<24} {:<11} {since:>6} {heard:<18} {loss} {doing}", known.state);
        let line = line.trim_end().to_owned();
        let colour = match known.state {
            _ if !self.colour => return line,
            _ if known.now.is_some() => 32,
            "failed" => 31,
            "left" => 90,
            _ => 33,
        };
        format!("\x1b[{colour}m{line}\x1b[0m")
    }
}

/// How loud somebody is, as a bar.
fn bar(level: Option<f32>) -> String {
    let level = level.unwrap_or(SILENCE);
    let share = ((level - SILENCE) / -SILENCE).clamp(0.0, 1.0);
    let full = (share * BAR as f32).round() as usize;
    format!("{}{}", "█".repeat(full), "·".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_somebody_is_loud() {
        let full = |level| bar(Some(level)).chars().filter(|letter| *letter == '█').count();
        assert_eq!([f32::NEG_INFINITY, -120.0, -30.0, 0.0, 6.0].map(full), [0, 0, 10, 20, 20]);
        assert_eq!(bar(None), bar(Some(-120.0)));
        assert_eq!(bar(Some(-30.0)).chars().count(), BAR);
    }
}
