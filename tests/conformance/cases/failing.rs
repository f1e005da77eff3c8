//! Sessions that come to nothing.

use std::time::Duration;

use muji_xep::{Element, ns};

use super::{Case, called};
use crate::play::{Play, Result, wrong};

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

/// The end of the session: why.
fn end(play: &mut Play) -> Result<String> {
    let end = play.says("the end of the session", PATIENCE, |line| line.action("session-terminate").cloned())?;
    let reason = end.get_child("reason", ns::JINGLE).and_then(|reason| reason.children().next());
    Ok(reason.map_or("missing", Element::name).to_owned())
}

fn is_not_answered(play: &mut Play) -> Result {
    called(play)?;
    match &end(play)?[..] {
        "timeout" => Ok(()),
        reason => wrong(format!("the reason is {reason}, not timeout")),
    }
}

fn finds_no_path(play: &mut Play) -> Result {
    play.accept_sessions();
    called(play)?;
    match &end(play)?[..] {
        "failed-transport" | "connectivity-error" => Ok(()),
        reason => wrong(format!("the reason is {reason}, not connectivity-error")),
    }
}
