//! The cases. Each stands in the file of what it is about, names the demands that it shows, and says in a sentence what a client does that
//! passes.

mod answering;
mod asked;
mod calling;
mod changing;
mod entering;
mod leaving;
mod muting;
mod negotiating;
mod persons;
mod waiting;

use muji_conformance::harness::puppet::{audio, opus};
use muji_xep::muji::Muji;

use crate::play::{Play, Result};

/// A case.
pub(crate) struct Case {
    /// What a client does that passes.
    pub(crate) name: &'static str,
    /// The demands that it shows: three at most.
    pub(crate) ids: &'static [&'static str],
    /// How it is played.
    pub(crate) play: fn(&mut Play) -> Result,
}

/// All of them, by what they are about.
pub(crate) const GROUPS: [(&str, &[Case]); 10] = [
    ("entering", entering::CASES),
    ("waiting", waiting::CASES),
    ("calling", calling::CASES),
    ("answering", answering::CASES),
    ("negotiating", negotiating::CASES),
    ("changing", changing::CASES),
    ("muting", muting::CASES),
    ("leaving", leaving::CASES),
    ("asked", asked::CASES),
    ("persons", persons::CASES),
];

/// What somebody publishes who sends sound by Opus.
fn sound() -> Muji {
    Muji::with(vec![audio(vec![opus()])])
}
