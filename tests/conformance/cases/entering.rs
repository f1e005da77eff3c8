//! Entering a room and its call.

use std::collections::BTreeSet;
use std::time::Duration;

use muji_conformance::harness::room::Rules;
use muji_conformance::trace::{Line, prepares, publishes};
use muji_xep::{Element, ns};

use super::Case;
use crate::play::{Play, Result, SOON, wrong};

pub(super) const CASES: &[Case] = &[
    Case { name: "it enters as XEP-0045 says", ids: &["muc-join-01", "muc-join-02"], play: enters },
    Case { name: "it asks for no history", ids: &["muc-join-03"], play: asks_for_no_history },
    Case { name: "it says first that it prepares", ids: &["muji-join-01", "muji-ns-01"], play: prepares_first },
    Case {
        name: "its contents stand in Jingle's namespace, beside no preparing",
        ids: &["muji-join-04", "muji-xml-01"],
        play: publishes_contents,
    },
    Case {
        name: "each of its presences has its capabilities",
        ids: &["muji-join-05", "caps-01"],
        play: has_capabilities,
    },
    Case { name: "it takes another nick if its own is taken", ids: &["muc-err-01"], play: takes_another_nick },
    Case { name: "it does not come back if it is banned", ids: &["muc-err-02"], play: is_banned },
    Case { name: "it does not come back if only members may", ids: &["muc-err-03"], play: members_only },
    Case { name: "it does not come back if the room is full", ids: &["muc-err-05"], play: is_full },
    Case { name: "it says nothing that only the room says", ids: &["muc-pres-06"], play: says_nothing_of_the_room },
    Case {
        name: "it publishes nothing where real JIDs are hidden, and leaves",
        ids: &["muji-room-01"],
        play: jids_are_hidden,
    },
];

/// The presence that enters.
fn entering(line: &Line) -> Option<Element> {
    let enters = line.stanza.name() == "presence" && line.stanza.has_child("x", ns::MUC);
    enters.then(|| line.stanza.clone())
}

/// The room has these rules.
fn rules(play: &mut Play, rules: Rules) -> Result {
    let room = play.room.clone();
    play.rooms(|service| service.rooms.set(&room, rules.clone()))
}

fn enters(play: &mut Play) -> Result {
    play.join()?;
    let enters = play.says("an entering presence", SOON, entering)?;
    if enters.attr("type").is_some() {
        return wrong("the presence that enters has a type");
    }
    let address = enters.attr("to").unwrap_or_default();
    if !address.starts_with(&format!("{}/", play.room)) {
        return wrong(format!("it goes to {address}, which is no nick in the room"));
    }
    Ok(())
}

fn asks_for_no_history(play: &mut Play) -> Result {
    play.join()?;
    let enters = play.says("an entering presence", SOON, entering)?;
    let history = enters.get_child("x", ns::MUC).and_then(|x| x.get_child("history", ns::MUC));
    if history.and_then(|history| history.attr("maxchars")) == Some("0") {
        return Ok(());
    }
    wrong("it does not say that it wants no history (maxchars='0')")
}

fn prepares_first(play: &mut Play) -> Result {
    play.join()?;
    let muji = play.says("anything of the call", SOON, |line| line.muji().cloned())?;
    let preparing = muji.children().filter(|child| child.is("preparing", ns::MUJI)).count();
    if publishes(&muji) || preparing != 1 {
        return wrong("what it says first is not one preparing and no content");
    }
    Ok(())
}

fn publishes_contents(play: &mut Play) -> Result {
    play.join()?;
    let muji = play.published()?;
    if prepares(&muji) {
        return wrong("it publishes and goes on preparing");
    }
    if let Some(other) = muji.children().find(|child| child.name() == "content" && !child.is("content", ns::JINGLE)) {
        return wrong(format!("a content stands in the namespace {}", other.ns()));
    }
    Ok(())
}

fn has_capabilities(play: &mut Play) -> Result {
    play.joined()?;
    let bare = |line: &&Line| line.muji().is_some() && !line.stanza.has_child("c", ns::CAPS);
    match play.said().filter(bare).count() {
        0 => Ok(()),
        some => wrong(format!("{some} presences of the call have no capabilities")),
    }
}

fn takes_another_nick(play: &mut Play) -> Result {
    rules(play, Rules { conflicts: 1, ..Rules::default() })?;
    play.joined()
}

fn is_banned(play: &mut Play) -> Result {
    let subject = play.subject.clone();
    is_kept_out(play, Rules { banned: [subject].into(), ..Rules::default() })
}

fn members_only(play: &mut Play) -> Result {
    is_kept_out(play, Rules { members: Some(BTreeSet::new()), ..Rules::default() })
}

fn is_full(play: &mut Play) -> Result {
    is_kept_out(play, Rules { capacity: Some(0), ..Rules::default() })
}

fn is_kept_out(play: &mut Play, so: Rules) -> Result {
    rules(play, so)?;
    play.join()?;
    play.says("an entering presence", SOON, entering)?;
    play.does_not_say("another entering presence", Duration::from_secs(30), |line| entering(line).is_some())
}

fn says_nothing_of_the_room(play: &mut Play) -> Result {
    play.joined()?;
    match play.said().find(|line| line.stanza.name() == "presence" && line.stanza.has_child("x", ns::MUC_USER)) {
        Some(line) => wrong(format!("it says what only the room says: {}", line.words())),
        None => Ok(()),
    }
}

fn jids_are_hidden(play: &mut Play) -> Result {
    rules(play, Rules { hides_jids: true, ..Rules::default() })?;
    play.join()?;
    let out = |line: &Line| {
        let publishes = line.muji().is_some_and(publishes);
        let leaves = line.stanza.name() == "presence" && line.stanza.attr("type") == Some("unavailable");
        (publishes || leaves).then_some(publishes)
    };
    match play.says("that it leaves", Duration::from_secs(30), out)? {
        false => Ok(()),
        true => wrong("it publishes in a room that hides real JIDs"),
    }
}
