//! Which participants a client waits for before it publishes.

use std::time::Duration;

use muji_trace::{Line, prepares, publishes};
use muji_xep::muji::MujiElement;

use super::{Case, sound};
use crate::play::{Other, Play, Result, SOON};

pub(super) const CASES: &[Case] = &[
    Case { name: "it waits for those who prepare already", ids: &["muji-join-03"], play: waits_for_those_ahead },
    Case { name: "it does not wait for those who prepare later", ids: &["R-PREP-1"], play: not_for_those_behind },
    Case { name: "it waits no more for who leaves", ids: &["R-PREP-2"], play: not_for_who_leaves },
    Case {
        name: "it waits no more for who takes back what it said",
        ids: &["R-PREP-2", "R-XML-2"],
        play: not_for_who_gives_up,
    },
    Case { name: "it does not wait for ever", ids: &["R-PREP-3"], play: not_for_ever },
    Case { name: "it does not wait for who prepares beside its contents", ids: &["R-ORDER-2"], play: calls_who_adds },
];

/// So long nobody publishes who waits.
const STILL: Duration = Duration::from_secs(3);

/// The longest that a client may let somebody who hangs hold it up; ours waits twenty seconds.
const PATIENCE: Duration = Duration::from_secs(60);

fn shows_contents(line: &Line) -> bool {
    line.muji().is_some_and(publishes)
}

/// It enters, while somebody else prepares.
fn comes_behind(play: &mut Play) -> Result<Other> {
    let ahead = play.other("tybalt")?;
    play.enter(&ahead, Some(&MujiElement::preparing()))?;
    play.join()?;
    play.says("that it prepares", SOON, |line| line.muji().filter(|muji| prepares(muji)).map(drop))?;
    play.pause(Duration::from_millis(500))?;
    Ok(ahead)
}

/// It has published by then; a client that does not wait has done so before.
fn has_published(play: &mut Play, limit: Duration) -> Result {
    if play.said().any(shows_contents) {
        return Ok(());
    }
    play.says("its contents", limit, |line| shows_contents(line).then_some(()))
}

fn waits_for_those_ahead(play: &mut Play) -> Result {
    let ahead = comes_behind(play)?;
    play.does_not_say("its contents while somebody ahead prepares", STILL, shows_contents)?;
    play.update(&ahead, Some(&sound()));
    play.published().map(drop)
}

fn not_for_those_behind(play: &mut Play) -> Result {
    let ahead = comes_behind(play)?;
    let behind = play.other("paris")?;
    play.enter(&behind, Some(&MujiElement::preparing()))?;
    play.update(&ahead, Some(&sound()));
    has_published(play, SOON)
}

fn not_for_who_leaves(play: &mut Play) -> Result {
    let ahead = comes_behind(play)?;
    play.leave(&ahead);
    has_published(play, SOON)
}

fn not_for_who_gives_up(play: &mut Play) -> Result {
    let ahead = comes_behind(play)?;
    play.update(&ahead, None);
    has_published(play, SOON)
}

fn not_for_ever(play: &mut Play) -> Result {
    comes_behind(play)?;
    has_published(play, PATIENCE)
}

fn calls_who_adds(play: &mut Play) -> Result {
    let adding = play.other("tybalt")?;
    let both = MujiElement { preparing: true, ..sound() };
    play.enter(&adding, Some(&both))?;
    play.join()?;
    // Whether it waits for such a one is its own affair; but it is a participant, and is called.
    has_published(play, PATIENCE)?;
    play.calls(&adding).map(drop)
}
