//! Leaving a call, and participants who have left.

use std::time::Duration;

use muji_harness::puppet::{opus, usable};
use muji_trace::{Line, prepares};
use muji_xep::jingle::{Action, Jingle};
use muji_xep::muji::MujiElement;
use muji_xep::{Element, ns};

use super::entering::entering;
use super::{Case, sound};
use crate::play::{Other, Play, Result, SOON, wrong};
use crate::subjects::Order;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "it takes back what it said before it ends its sessions",
        ids: &["muji-leave-01", "R-LEAVE-1"],
        play: leaves_in_order,
    },
    Case {
        name: "it ends every session, and says why",
        ids: &["muji-leave-02", "jingle-term-01", "jingle-term-02"],
        play: ends_sessions,
    },
    Case { name: "it leaves a room that it entered for the call", ids: &["muc-exit-01"], play: exits },
    Case { name: "it leaves when it is called off while it prepares", ids: &["R-LEAVE-2"], play: gives_up },
    Case { name: "it knows nothing of a session that it ended", ids: &["jingle-term-03"], play: forgets_sessions },
    Case { name: "a participant who comes back is a new one", ids: &["R-GONE-1", "muc-exit-02"], play: comes_back },
    Case { name: "it does not come back if it is put out", ids: &["muc-kick-01"], play: is_put_out },
    Case { name: "it ends its sessions if it is put out", ids: &["muc-kick-01"], play: ends_when_put_out },
    Case { name: "it does not come back if it is banned from the call", ids: &["muc-kick-02"], play: is_banned },
    Case {
        name: "it does not come back if it may not be there any more",
        ids: &["muc-kick-03"],
        play: may_not_any_more,
    },
    Case {
        name: "it comes back if the service put it out by mistake",
        ids: &["muc-kick-05", "muc-desync-01", "R-REJOIN-2"],
        play: comes_back_after_a_fault,
    },
    Case {
        name: "it comes back if the service was shut down",
        ids: &["muc-kick-04", "R-REJOIN-2"],
        play: comes_back_after_shutdown,
    },
    Case { name: "a participant who changes the nick stays", ids: &["muc-nick-01"], play: knows_the_renamed },
    Case { name: "it leaves the call of a room that is destroyed", ids: &["muc-destroy-01"], play: is_destroyed },
    Case { name: "a participant who is removed is gone", ids: &["muc-kick-06"], play: forgets_who_is_put_out },
    Case {
        name: "it ends sessions with who leaves and says nothing",
        ids: &["jingle-term-05"],
        play: ends_for_the_silent,
    },
    Case {
        name: "it says of a session that ends well that it did",
        ids: &["jingle-term-06", "jingle-reason-01"],
        play: ends_with_success,
    },
];

/// Two were there, with whom the client has sessions.
fn talking(play: &mut Play) -> Result<[Other; 2]> {
    let others = [play.other("tybalt")?, play.other("paris")?];
    for other in &others {
        play.enter(other, Some(&sound()))?;
    }
    play.accept_sessions();
    play.join()?;
    play.pause(Duration::from_secs(3))?;
    for other in &others {
        let to = other.jid.to_string();
        if !play.said().any(|line| line.action("session-initiate").is_some() && line.stanza.attr("to") == Some(&to)) {
            return wrong(format!("it does not call {to}"));
        }
    }
    Ok(others)
}

/// The sessions to which it invited somebody.
fn sids(play: &Play, other: &Other) -> Vec<String> {
    let to = other.jid.to_string();
    let calls = |line: &Line| line.action("session-initiate")?.attr("sid").map(str::to_owned);
    play.said().filter(|line| line.stanza.attr("to") == Some(&to)).filter_map(calls).collect()
}

/// It has ended a session with somebody.
fn ends(play: &Play, other: &Other) -> bool {
    let to = other.jid.to_string();
    play.said().any(|line| line.action("session-terminate").is_some() && line.stanza.attr("to") == Some(&to))
}

/// A presence in this room.
fn is_in(line: &Line, room: &str) -> bool {
    line.stanza.name() == "presence" && line.stanza.attr("to").is_some_and(|to| to.starts_with(room))
}

fn leaves_in_order(play: &mut Play) -> Result {
    talking(play)?;
    play.order(&Order::Leave)?;
    let room = play.room.to_string();
    let first = play.says("anything of its leaving", SOON, |line| {
        let withdraws = is_in(line, &room) && line.muji().is_none();
        (withdraws || line.action("session-terminate").is_some()).then_some(withdraws)
    })?;
    if first { Ok(()) } else { wrong("it ends a session before it takes back what it said") }
}

fn ends_sessions(play: &mut Play) -> Result {
    let others = talking(play)?;
    play.order(&Order::Leave)?;
    play.pause(Duration::from_secs(3))?;
    for other in &others {
        let to = other.jid.to_string();
        let mut ends = play
            .said()
            .filter(|line| line.stanza.attr("to") == Some(&to))
            .filter_map(|line| line.action("session-terminate"));
        let Some(end) = ends.next() else { return wrong(format!("it does not end the session with {to}")) };
        let reason = end.get_child("reason", ns::JINGLE).map(|reason| reason.children().count());
        if reason.unwrap_or_default() == 0 {
            return wrong("it does not say why it ends a session");
        }
        if ends.next().is_some() {
            return wrong(format!("it ends the session with {to} twice"));
        }
    }
    Ok(())
}

fn exits(play: &mut Play) -> Result {
    play.joined()?;
    play.order(&Order::Leave)?;
    play.says("that it leaves the room", SOON, |line| {
        let leaves = line.stanza.name() == "presence" && line.stanza.attr("type") == Some("unavailable");
        leaves.then_some(())
    })
}

fn gives_up(play: &mut Play) -> Result {
    let ahead = play.other("tybalt")?;
    play.enter(&ahead, Some(&MujiElement::preparing()))?;
    play.join()?;
    play.says("that it prepares", SOON, |line| line.muji().filter(|muji| prepares(muji)).map(drop))?;
    play.pause(Duration::from_millis(500))?;
    play.order(&Order::Leave)?;
    let room = play.room.to_string();
    let presence =
        play.says("that it leaves the room", SOON, |line| is_in(line, &room).then(|| line.stanza.clone()))?;
    match presence.attr("type") {
        Some("unavailable") => Ok(()),
        _ => wrong("it says something else in the room than that it leaves"),
    }
}

fn forgets_sessions(play: &mut Play) -> Result {
    let [other, _] = talking(play)?;
    play.order(&Order::Leave)?;
    let to = other.jid.to_string();
    let sid = play.says("the end of the session", SOON, |line| {
        let end = line.action("session-terminate").filter(|_| line.stanza.attr("to") == Some(&to))?;
        end.attr("sid").map(str::to_owned)
    })?;
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, &sid))?;
    play.refused(&id, &["item-not-found", "unknown-session"])
}

fn comes_back(play: &mut Play) -> Result {
    let [other, _] = talking(play)?;
    play.leave(&other);
    play.pause(Duration::from_secs(2))?;
    play.enter(&other, Some(&sound()))?;
    let offer = play.offer("s2", vec![usable(vec![opus()])]);
    let id = play.ask(&other, &offer)?;
    play.confirmed(&id)?;
    play.says("an acceptance of the new session", SOON, |line| {
        line.action("session-accept").filter(|accept| accept.attr("sid") == Some("s2")).map(drop)
    })
}

fn is_put_out(play: &mut Play) -> Result {
    talking(play)?;
    play.put_out(&[307])?;
    stays_out(play)
}

fn is_banned(play: &mut Play) -> Result {
    talking(play)?;
    play.put_out(&[301])?;
    stays_out(play)
}

fn may_not_any_more(play: &mut Play) -> Result {
    talking(play)?;
    play.put_out(&[322])?;
    stays_out(play)
}

fn stays_out(play: &mut Play) -> Result {
    play.does_not_say("another presence in the room", Duration::from_secs(30), |line| entering(line).is_some())
}

fn comes_back_after_a_fault(play: &mut Play) -> Result {
    comes_back_after(play, &[307, 333])
}

fn comes_back_after_shutdown(play: &mut Play) -> Result {
    comes_back_after(play, &[332])
}

fn comes_back_after(play: &mut Play, codes: &[u16]) -> Result {
    talking(play)?;
    play.put_out(codes)?;
    play.says("that it enters again", Duration::from_secs(20), |line| entering(line).map(drop))
}

fn is_destroyed(play: &mut Play) -> Result {
    let [owner, _] = talking(play)?;
    play.ask_room(&owner, muji_xep::muc::destroy());
    play.says("the end of its sessions", SOON, |line| line.action("session-terminate").map(drop))?;
    stays_out(play)
}

fn knows_the_renamed(play: &mut Play) -> Result {
    let [mut other, _] = talking(play)?;
    play.rename(&mut other, "prince", Some(&sound()));
    play.pause(Duration::from_secs(5))?;
    let sids = sids(play, &other);
    let [sid] = &sids[..] else { return wrong(format!("it calls {} {} times", other.jid, sids.len())) };
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, sid))?;
    play.confirmed(&id)
}

/// It has ended the session with somebody, or knows nothing of it.
fn has_ended(play: &mut Play, other: &Other) -> Result {
    if ends(play, other) {
        return Ok(());
    }
    let [sid] = &sids(play, other)[..] else { return wrong(format!("it does not call {} once", other.jid)) };
    let id = play.ask(other, &Jingle::new(Action::SessionInfo, sid))?;
    play.refused(&id, &["item-not-found", "unknown-session"])
}

fn forgets_who_is_put_out(play: &mut Play) -> Result {
    let [other, _] = talking(play)?;
    play.put_out_other(&other.jid.clone(), &[307])?;
    play.pause(Duration::from_secs(15))?;
    has_ended(play, &other)
}

fn ends_for_the_silent(play: &mut Play) -> Result {
    let [other, _] = talking(play)?;
    play.leave(&other);
    play.pause(Duration::from_secs(15))?;
    has_ended(play, &other)
}

fn ends_with_success(play: &mut Play) -> Result {
    talking(play)?;
    play.order(&Order::Leave)?;
    let end = play.says("the end of a session", SOON, |line| line.action("session-terminate").cloned())?;
    let Some(reason) = end.get_child("reason", ns::JINGLE) else { return wrong("it does not say why") };
    let conditions = reason.children().filter(|child| child.ns() == ns::JINGLE && child.name() != "text");
    let conditions: Vec<&str> = conditions.map(Element::name).collect();
    match conditions[..] {
        ["success"] => Ok(()),
        _ => wrong(format!("the reason is {}, not success", conditions.join(" and "))),
    }
}

fn ends_when_put_out(play: &mut Play) -> Result {
    let others = talking(play)?;
    play.put_out(&[307])?;
    play.pause(Duration::from_secs(3))?;
    for other in &others {
        if !ends(play, other) {
            return wrong(format!("it does not end the session with {}", other.jid));
        }
    }
    Ok(())
}
