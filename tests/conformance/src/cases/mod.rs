//! The cases. Each stands in the file of what it is about, names the requirements that it shows, and says in a sentence what a client does that
//! passes.

mod adding;
mod answering;
mod bridging;
mod call_forking;
mod calling;
mod changing;
mod disco_and_pings;
mod entering;
mod failing;
mod inviting;
mod leaving;
mod muting;
mod negotiating;
mod own_queries;
mod waiting;

use std::time::Duration;

use muji_harness::puppet::{audio, opus, usable};
use muji_harness::room::Rules;
use muji_xep::muji::MujiElement;
use muji_xep::{Element, ns};

use crate::play::{Other, Play, Result, wrong};

/// A case.
pub(crate) struct Case {
    /// What a client does that passes.
    pub(crate) name: &'static str,
    /// The requirements that it shows: three at most.
    pub(crate) ids: &'static [&'static str],
    /// How it is played.
    pub(crate) play: fn(&mut Play) -> Result,
}

/// All of them, by what they are about.
pub(crate) const GROUPS: [(&str, &[Case]); 15] = [
    ("entering", entering::CASES),
    ("own queries", own_queries::CASES),
    ("waiting", waiting::CASES),
    ("calling", calling::CASES),
    ("answering", answering::CASES),
    ("negotiating", negotiating::CASES),
    ("changing", changing::CASES),
    ("adding", adding::CASES),
    ("muting", muting::CASES),
    ("leaving", leaving::CASES),
    ("failing", failing::CASES),
    ("disco and pings", disco_and_pings::CASES),
    ("call forking", call_forking::CASES),
    ("inviting", inviting::CASES),
    ("bridging", bridging::CASES),
];

/// One of these reasons is given.
fn because(word: &Element, wanted: &[&str]) -> Result {
    let reason = word.get_child("reason", ns::JINGLE).and_then(|reason| reason.children().next());
    match reason.map_or("missing", Element::name) {
        reason if wanted.contains(&reason) => Ok(()),
        reason => wrong(format!("the reason is {reason}, not {}", wanted.join(" or "))),
    }
}

/// The room has these rules.
fn rules(play: &mut Play, rules: Rules) -> Result {
    let room = play.room.clone();
    play.rooms(|service| service.rooms.set(&room, rules.clone()))
}

/// What somebody publishes who sends sound by Opus.
fn sound() -> MujiElement {
    MujiElement::with(vec![audio(vec![opus()])])
}

/// Somebody is there, and the client comes and calls: its offer.
fn called(play: &mut Play) -> Result<(Other, Element)> {
    let other = play.other("tybalt")?;
    play.enter(&other, Some(&sound()))?;
    play.join()?;
    let offer = play.calls(&other)?;
    Ok((other, offer))
}

/// The client is in the call, and somebody comes who publishes sound.
fn newcomer(play: &mut Play) -> Result<Other> {
    play.joined()?;
    let other = play.other("tybalt")?;
    play.enter(&other, Some(&sound()))?;
    Ok(other)
}

/// The client is in the call, and somebody comes and offers a session, which it accepts.
fn session(play: &mut Play) -> Result<(Other, Element)> {
    let other = newcomer(play)?;
    let offer = play.offer("s1", vec![usable(vec![opus()])]);
    let id = play.ask(&other, &offer)?;
    play.confirmed(&id)?;
    let accept = play.says("an acceptance", Duration::from_secs(12), |line| line.action("session-accept").cloned())?;
    Ok((other, accept))
}
