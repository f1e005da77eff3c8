//! Sessions that fail.

use std::time::Duration;

use muji_xep::Element;

use super::{Case, because, called};
use crate::play::{Play, Result};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "it ends an offer that nobody answers, and says so",
        ids: &["R-INIT-5", "jingle-term-10"],
        play: is_not_answered,
    },
    Case { name: "it ends a session for which there is no path", ids: &["ice-fail-01"], play: finds_no_path },
];

/// Ours waits thirty seconds for an answer, and as long for a path; others wait longer.
const PATIENCE: Duration = Duration::from_secs(90);

fn end(play: &mut Play) -> Result<Element> {
    play.says("the end of the session", PATIENCE, |line| line.action("session-terminate").cloned())
}

fn is_not_answered(play: &mut Play) -> Result {
    called(play)?;
    because(&end(play)?, &["timeout"])
}

fn finds_no_path(play: &mut Play) -> Result {
    play.accept_sessions();
    called(play)?;
    because(&end(play)?, &["connectivity-error", "failed-transport"])
}
