//! Entering a room and its call.

use std::collections::BTreeSet;
use std::time::Duration;

use muji_harness::room::Rules;
use muji_trace::{Line, prepares, publishes};
use muji_xep::{Element, ns};

use super::{Case, rules};
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
    Case {
        name: "it waits for the room to repeat that it prepares",
        ids: &["muji-join-02", "R-ECHO-1"],
        play: waits_for_the_echo,
    },
    Case { name: "it says at most once that it prepares, and names no room", ids: &["muji-xml-02"], play: says_once },
    Case { name: "its presences go to one nick in the room", ids: &["muc-pres-05"], play: keeps_its_nick },
    Case { name: "it unlocks a room that it makes", ids: &["muc-create-01"], play: unlocks },
    Case {
        name: "in a room that it makes everybody sees real JIDs",
        ids: &["muc-create-03", "muc-cfg-01"],
        play: shows_jids,
    },
    Case { name: "it leaves a room that does not pass on what it says", ids: &["R-ECHO-2"], play: is_stripped },
    Case {
        name: "it goes by the nick that the room gives it",
        ids: &["muc-pres-01", "muc-pres-02"],
        play: takes_the_given_nick,
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
pub(super) fn entering(line: &Line) -> Option<Element> {
    let enters = line.stanza.name() == "presence" && line.stanza.has_child("x", ns::MUC);
    enters.then(|| line.stanza.clone())
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

fn waits_for_the_echo(play: &mut Play) -> Result {
    play.join()?;
    play.published()?;
    let own = |line: &&Line| {
        let x = line.stanza.get_child("x", ns::MUC_USER);
        !line.said && x.is_some_and(|x| x.children().any(|child| child.attr("code") == Some("110")))
    };
    let mut before = play.lines().take_while(|line| !(line.said && line.muji().is_some_and(publishes))).filter(own);
    if before.any(|line| line.muji().is_some_and(prepares)) {
        return Ok(());
    }
    wrong("it publishes before the room has repeated that it prepares")
}

fn says_once(play: &mut Play) -> Result {
    play.joined()?;
    for muji in play.said().filter_map(Line::muji) {
        let preparing: Vec<&Element> = muji.children().filter(|child| child.name() == "preparing").collect();
        if preparing.len() > 1 || preparing.iter().any(|preparing| preparing.nodes().next().is_some()) {
            return wrong("preparing stands there more than once, or something stands in it");
        }
        if muji.attr("room").is_some() {
            return wrong("a presence names a room in what it says of the call");
        }
    }
    Ok(())
}

fn keeps_its_nick(play: &mut Play) -> Result {
    play.joined()?;
    let of_the_call = |line: &&Line| line.muji().is_some();
    let mut nicks: Vec<&str> = play.said().filter(of_the_call).filter_map(|line| line.stanza.attr("to")).collect();
    nicks.dedup();
    if nicks.len() == 1 { Ok(()) } else { wrong(format!("its presences go to {}", nicks.join(" and "))) }
}

/// The form with which it configures the room.
fn form(play: &mut Play) -> Result<Element> {
    play.makes_rooms()?;
    play.join()?;
    let room = play.room.to_string();
    play.says("how the room should be", SOON, |line| {
        let asks = line.stanza.attr("type") == Some("set") && line.stanza.attr("to") == Some(&room);
        let query = line.stanza.get_child("query", ns::MUC_OWNER).filter(|_| asks)?;
        query.get_child("x", ns::DATA_FORMS).cloned()
    })
}

fn unlocks(play: &mut Play) -> Result {
    match form(play)?.attr("type") {
        Some("submit") => Ok(()),
        kind => wrong(format!("it sends a form of type {}", kind.unwrap_or("none"))),
    }
}

fn shows_jids(play: &mut Play) -> Result {
    let form = form(play)?;
    let whois = form.children().find(|field| field.attr("var") == Some("muc#roomconfig_whois"));
    match whois.map(|field| field.children().map(Element::text).collect::<String>()) {
        Some(who) if who == "anyone" => Ok(()),
        Some(who) => wrong(format!("it wants that {who} see real JIDs")),
        None => wrong("it does not say who sees real JIDs"),
    }
}

fn is_stripped(play: &mut Play) -> Result {
    rules(play, Rules { strips_muji: true, ..Rules::default() })?;
    play.join()?;
    play.says("that it leaves", Duration::from_secs(60), |line| {
        let leaves = line.stanza.name() == "presence" && line.stanza.attr("type") == Some("unavailable");
        leaves.then_some(())
    })
}

fn takes_the_given_nick(play: &mut Play) -> Result {
    rules(play, Rules { nick: Some("montague".to_owned()), ..Rules::default() })?;
    play.join()?;
    play.published()?;
    let published = play.said().rev().find(|line| line.muji().is_some_and(publishes));
    match published.and_then(|line| line.stanza.attr("to")) {
        Some(to) if to == format!("{}/montague", play.room) => Ok(()),
        to => wrong(format!("it is montague there, and speaks as {}", to.unwrap_or("nobody"))),
    }
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
