//! The matrix of who is heard now: on a terminal redrawn in place under what is said, elsewhere a line a second.

use std::io::{IsTerminal, Write};

use crate::table::{self, Known};

/// Where the matrix is drawn.
pub(crate) struct Live {
    terminal: bool,
    colour: bool,
    /// Lines of it that stand on the terminal now.
    drawn: usize,
}

impl Live {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Self { terminal: terminal && !dumb, colour: terminal && !unwanted && !dumb, drawn: 0 }
    }

    /// Says a sentence; the matrix comes again below it with the next second.
    pub(crate) fn say(&mut self, sentence: &str) {
        self.wipe();
        println!("{sentence}");
    }

    /// Sounds the terminal's bell.
    pub(crate) fn bell(&self) {
        if self.terminal {
            print!("\x07");
            let _closed = std::io::stdout().flush().is_err();
        }
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.drawn) > 0 {
            // To where it began, and everything below away.
            print!("\x1b8\x1b[J");
        }
    }

    /// Shows who is heard now, and with `stats` how the network fares.
    pub(crate) fn draw<'a>(&mut self, people: impl IntoIterator<Item = (String, &'a Known)>, stats: bool) {
        let people: Vec<(String, &Known)> = people.into_iter().collect();
        if people.is_empty() {
            return;
        }
        let named = || people.iter().map(|(name, known)| (name.clone(), *known));
        let network = if stats { table::network_lines(named()) } else { Vec::new() };
        if !self.terminal {
            let words = people.iter().map(|(name, known)| {
                let not_well = known.doing.as_deref().map(|doing| format!(" ({}, {doing})", known.state));
                format!("{name} {}{}", known.now.as_deref().unwrap_or("-"), not_well.unwrap_or_default())
            });
            println!("hearing: {}", words.collect::<Vec<_>>().join(" | "));
            return network.iter().for_each(|line| println!("{line}"));
        }
        self.wipe();
        let mut lines: Vec<String> = people.iter().map(|(name, known)| self.line(name, known)).collect();
        lines.extend(network);
        // Room is made first: a terminal that scrolls would move the place that is remembered.
        print!("{}\x1b[{}A\x1b7", "\n".repeat(lines.len()), lines.len());
        lines.iter().for_each(|line| println!("{line}"));
        self.drawn = lines.len();
        let _closed = std::io::stdout().flush().is_err(); // Whoever watched is gone; the call is not.
    }

    fn line(&self, name: &str, known: &Known) -> String {
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
