//! Calls to a person on all devices (XEP-0353).

use std::time::Duration;

use jid::Jid;
use muji_conformance::harness::puppet::{direct_offer, opus, usable};
use muji_conformance::trace::Line;
use muji_xep::jmi::{JingleMessage, Word};
use muji_xep::rtp::Media;
use muji_xep::{Element, ns};
use xmpp_parsers::message::{Id, Message};

use super::Case;
use crate::ground::Order;
use crate::play::{Fault, Other, Play, Result, SOON, wrong};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "it proposes a call to all devices",
        ids: &["jmi-propose-01", "jmi-propose-02", "jmi-propose-03"],
        play: proposes,
    },
    Case {
        name: "its words of a call are chats that archives keep",
        ids: &["jmi-gen-01", "hint-01"],
        play: words_are_kept,
    },
    Case {
        name: "it calls the device that picks up, under the id it proposed",
        ids: &["jmi-propose-04", "jmi-init-01"],
        play: calls_the_device,
    },
    Case { name: "it takes a proposal back, saying why", ids: &["jmi-retract-01"], play: retracts },
    Case { name: "it tells a contact that it rings", ids: &["jmi-ring-01"], play: rings },
    Case { name: "it says where it picks up", ids: &["jmi-proceed-01"], play: picks_up },
    Case { name: "it says that it does not want to", ids: &["jmi-reject-01"], play: rejects },
    Case { name: "it says at the end that it is over", ids: &["jmi-finish-01"], play: finishes },
    Case {
        name: "it accepts no session before its user does",
        ids: &["jingle-accept-01", "jmi-sec-01"],
        play: not_before_the_user,
    },
    Case { name: "strangers do not learn that it is there", ids: &["jmi-sec-01"], play: silent_to_strangers },
    Case {
        name: "of two crossing proposals its own lower one stands",
        ids: &["jmi-tie-01", "jmi-tie-04"],
        play: breaks_ties,
    },
    Case {
        name: "of two crossing proposals another's lower one stands",
        ids: &["jmi-tie-01", "jmi-tie-03"],
        play: loses_ties,
    },
    Case {
        name: "it rings no more when another device picks up",
        ids: &["jmi-proceed-02"],
        play: another_device_picks_up,
    },
];

/// The word of this name about a call with one person.
fn word<'a>(line: &'a Line, name: &str) -> Option<&'a Element> {
    line.stanza.children().find(|child| line.stanza.name() == "message" && child.is(name, ns::JINGLE_MESSAGE))
}

/// The client calls somebody; its proposal.
fn proposal(play: &mut Play) -> Result<(Other, Element)> {
    let other = play.other("tybalt")?;
    play.befriend()?;
    play.order(&Order::Call(other.jid.to_bare()))?;
    let message = play.says("a proposal", SOON, |line| word(line, "propose").map(|_| line.stanza.clone()))?;
    Ok((other, message))
}

fn proposes(play: &mut Play) -> Result {
    let (other, message) = proposal(play)?;
    let propose = message.get_child("propose", ns::JINGLE_MESSAGE).expect("it was found");
    if propose.attr("id").is_none_or(str::is_empty) {
        return wrong("the proposal has no id");
    }
    let described = propose.children().filter(|child| child.is("description", ns::RTP)).count();
    if described != 1 {
        return wrong(format!("a call with sound is proposed with {described} descriptions"));
    }
    match message.attr("to") {
        Some(to) if to == other.jid.to_bare().as_str() => Ok(()),
        to => wrong(format!("it goes to {}, not to all devices", to.unwrap_or("nobody"))),
    }
}

fn words_are_kept(play: &mut Play) -> Result {
    let (other, message) = proposal(play)?;
    let id = id(&message);
    tell(play, &other, &JingleMessage::new(&id, Word::Proceed))?;
    play.pause(Duration::from_secs(2))?;
    let words = play.said().filter(|line| line.stanza.children().any(|child| child.ns() == ns::JINGLE_MESSAGE));
    for line in words {
        if line.stanza.attr("type") != Some("chat") || !line.stanza.children().any(|child| child.is("store", ns::HINTS))
        {
            return wrong(format!("no chat that archives keep: {}", line.words()));
        }
    }
    Ok(())
}

fn id(message: &Element) -> String {
    let word = message.children().find(|child| child.ns() == ns::JINGLE_MESSAGE || child.ns() == ns::CALL_INVITES);
    word.and_then(|word| word.attr("id")).unwrap_or_default().to_owned()
}

/// Somebody says a word to the client's device.
fn tell(play: &mut Play, other: &Other, word: &JingleMessage) -> Result {
    let to = play.client()?.into();
    play.say(other, message(to, word.write()));
    Ok(())
}

pub(super) fn message(to: Jid, payloads: Vec<Element>) -> Message {
    let mut message = Message::chat(to);
    message.id = Some(Id(payloads.first().and_then(|word| word.attr("id")).unwrap_or("word").to_owned()));
    message.payloads = payloads;
    message
}

fn calls_the_device(play: &mut Play) -> Result {
    let (other, message) = proposal(play)?;
    let id = id(&message);
    tell(play, &other, &JingleMessage::new(&id, Word::Proceed))?;
    let offer = play.calls(&other)?;
    match offer.attr("sid") {
        Some(sid) if sid == id => Ok(()),
        sid => wrong(format!("the session is {}, and {id} was proposed", sid.unwrap_or("without an id"))),
    }
}

fn retracts(play: &mut Play) -> Result {
    let (_, message) = proposal(play)?;
    let id = id(&message);
    play.order(&Order::Leave)?;
    let retract = play.says("that it takes it back", SOON, |line| word(line, "retract").cloned())?;
    if retract.attr("id") != Some(&id) {
        return wrong("it takes something else back than it proposed");
    }
    match retract.get_child("reason", ns::JINGLE) {
        Some(_) => Ok(()),
        None => wrong("it does not say why"),
    }
}

/// The client is there, and somebody among its contacts proposes a call.
fn called(play: &mut Play, contact: bool) -> Result<Other> {
    if !contact {
        play.estrange()?;
    }
    let other = play.other("tybalt")?;
    if contact {
        play.befriend()?;
    }
    play.present()?;
    let propose = JingleMessage::new("call1", Word::Propose(vec![Media::Audio]));
    let to = play.subject.clone().into();
    play.say(&other, message(to, propose.write()));
    Ok(other)
}

/// It says this word of the call to the caller's device.
fn says_to(play: &mut Play, other: &Other, name: &str) -> Result<Element> {
    let to = other.jid.to_string();
    play.says(&format!("{name} to the caller's device"), SOON, |line| {
        word(line, name).filter(|word| line.stanza.attr("to") == Some(&to) && word.attr("id") == Some("call1")).cloned()
    })
}

fn rings(play: &mut Play) -> Result {
    let other = called(play, true)?;
    says_to(play, &other, "ringing").map(drop)
}

fn picks_up(play: &mut Play) -> Result {
    let other = called(play, true)?;
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Accept)?;
    says_to(play, &other, "proceed").map(drop)
}

fn rejects(play: &mut Play) -> Result {
    let other = called(play, true)?;
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Decline)?;
    let reject = says_to(play, &other, "reject")?;
    match reject.get_child("reason", ns::JINGLE) {
        Some(_) => Ok(()),
        None => wrong("it does not say why"),
    }
}

fn finishes(play: &mut Play) -> Result {
    let other = called(play, true)?;
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Accept)?;
    says_to(play, &other, "proceed")?;
    let id = play.ask(&other, &direct_offer("call1", usable(vec![opus()])))?;
    play.confirmed(&id)?;
    play.says("an acceptance", SOON, |line| line.action("session-accept").map(drop))?;
    play.order(&Order::Leave)?;
    says_to(play, &other, "finish").map(drop)
}

fn not_before_the_user(play: &mut Play) -> Result {
    let other = called(play, true)?;
    play.pause(Duration::from_secs(1))?;
    play.ask(&other, &direct_offer("call1", usable(vec![opus()])))?;
    play.does_not_say("an acceptance or its addresses", Duration::from_secs(10), |line| {
        line.action("session-accept").is_some() || line.action("transport-info").is_some()
    })
}

fn silent_to_strangers(play: &mut Play) -> Result {
    let other = called(play, false)?;
    let to = other.jid.to_string();
    let bare = other.jid.to_bare().to_string();
    play.does_not_say("anything to a stranger", Duration::from_secs(10), |line| {
        line.stanza.attr("to").is_some_and(|address| address == to || address == bare)
    })
}

/// The client has proposed, and the other proposes too, under this id.
fn crossing(play: &mut Play, id: &str) -> Result<(Other, String)> {
    let (other, proposal) = proposal(play)?;
    play.is_called()?;
    let ours = self::id(&proposal);
    let propose = JingleMessage::new(id, Word::Propose(vec![Media::Audio]));
    let to = play.subject.clone().into();
    play.say(&other, message(to, propose.write()));
    Ok((other, ours))
}

fn breaks_ties(play: &mut Play) -> Result {
    let (_, _) = crossing(play, "~~~~")?;
    let reject = play.says("that the higher proposal dies", SOON, |line| word(line, "reject").cloned())?;
    if reject.attr("id") != Some("~~~~") || !reject.has_child("tie-break", ns::JINGLE_MESSAGE) {
        return wrong("it does not say that the other proposal dies by a tie-break");
    }
    Ok(())
}

fn loses_ties(play: &mut Play) -> Result {
    let (_, ours) = crossing(play, "!")?;
    let retract = play.says("that its own higher proposal dies", SOON, |line| word(line, "retract").cloned())?;
    if retract.attr("id") != Some(&ours) || !retract.has_child("tie-break", ns::JINGLE_MESSAGE) {
        return wrong("it does not say that its own proposal dies by a tie-break");
    }
    Ok(())
}

/// Another device of the client's account.
pub(super) fn another_device(play: &mut Play) -> Result<Other> {
    let name = play.subject.node().map(ToString::to_string).unwrap_or_default();
    play.other(&name)
}

/// Whoever was told that nothing is left to take takes nothing.
pub(super) fn takes_nothing(play: &mut Play, takes: impl Fn(&Line) -> bool) -> Result {
    match play.order(&Order::Accept) {
        Err(Fault::Cannot(_)) => Ok(()),
        other => {
            other?;
            play.does_not_say("that it takes what is over", SOON, takes)
        }
    }
}

fn another_device_picks_up(play: &mut Play) -> Result {
    let device = another_device(play)?;
    let caller = called(play, true)?;
    play.pause(Duration::from_secs(1))?;
    let proceed = JingleMessage::new("call1", Word::Proceed);
    play.say(&device, message(caller.jid.into(), proceed.write()));
    play.pause(Duration::from_secs(1))?;
    takes_nothing(play, |line| word(line, "proceed").is_some())
}
