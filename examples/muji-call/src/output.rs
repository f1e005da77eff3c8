//! What is printed. If its reader is gone, as that of `muji-call ... | head`, the call goes on and the rest is lost: `println!` would
//! panic.

use std::fmt::Arguments;
use std::io::{Write, stderr, stdout};

/// A line for the user, or for the program that reads events.
pub(crate) fn line(text: Arguments<'_>) {
    let _reader_is_gone = writeln!(stdout(), "{text}").is_err();
}

/// Text without an end of line, such as what moves the cursor.
pub(crate) fn part(text: Arguments<'_>) {
    let _reader_is_gone = write!(stdout(), "{text}").is_err();
}

/// A line of what went wrong.
pub(crate) fn error(text: Arguments<'_>) {
    let _reader_is_gone = writeln!(stderr(), "{text}").is_err();
}

/// What a stranger chose, without what would move the cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// The same of a name, and no longer than fits.
pub(crate) fn printable(nick: &str) -> String {
    plain(nick).chars().take(24).collect()
}
