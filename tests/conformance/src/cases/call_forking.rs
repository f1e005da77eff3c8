//! Calls to a person on all devices (XEP-0353).

use std::time::Duration;

use jid::Jid;
use muji_harness::puppet::{direct_offer, opus, usable};
use muji_trace::Line;
use muji_xep::jmi::{JingleMessage, MessageKind};
use muji_xep::rtp::Media;
use muji_xep::{Element, ns};
use xmpp_parsers::message::{Id, Message};
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use super::{Case, because};
use crate::play::{Fault, Other, Play, Result, SOON, wrong};
use crate::subjects::Order;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "it wants copies of what its other devices hear and say",
        ids: &["carb-01", "jmi-gen-02"],
        play: wants_copies,
    },
    Case { name: "it takes no copies from others", ids: &["carb-02"], play: takes_no_forged_copies },
    Case {
        name: "it shows itself to a person whom it calls and does not know",
        ids: &["jmi-propose-05"],
        play: shows_itself,
    },
    Case { name: "it talks with the first device that picks up", ids: &["R-FORK-1"], play: takes_the_first },
    Case { name: "a call rings on though a copy of it is returned", ids: &["R-FORK-2"], play: rings_on_elsewhere },
    Case { name: "it says at the end why it is over", ids: &["jmi-finish-02"], play: says_why_it_is_over },
    Case {
        name: "it rings no more when another device picks up, of the older kind",
        ids: &["jmi-legacy-01"],
        play: an_older_device_picks_up,
    },
    Case { name: "it forbids copies only of what goes to a device", ids: &["hint-02"], play: forbids_few_copies },
    Case {
        name: "it calls nobody whom another device of its user calls",
        ids: &["jmi-proceed-03"],
        play: leaves_it_to_the_other_device,
    },
    Case {
        name: "a call continues if the other calls again",
        ids: &["jmi-tie-05", "jmi-tie-06", "jmi-tie-07"],
        play: goes_on_elsewhere,
    },
    Case {
        name: "it proposes a call to all devices",
        ids: &["jmi-propose-01", "jmi-propose-02", "jmi-propose-03"],
        play: proposes,
    },
    Case {
        name: "its words of a call are chats that archives keep",
        ids: &["jmi-gen-01", "jmi-gen-03", "hint-01"],
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
        ids: &["jingle-accept-01", "jmi-sec-01", "ice-priv-01"],
        play: not_before_the_user,
    },
    Case { name: "strangers do not learn that it is there", ids: &["jmi-sec-01"], play: silent_to_strangers },
    Case {
        name: "of two crossing proposals its own lower one stands",
        ids: &["jmi-tie-01", "jmi-tie-04", "jmi-reject-02"],
        play: breaks_ties,
    },
    Case {
        name: "of two crossing proposals another's lower one stands",
        ids: &["jmi-tie-01", "jmi-tie-03"],
        play: loses_ties,
    },
    Case {
        name: "it rings no more when another device picks up",
        ids: &["jmi-proceed-02", "carb-03"],
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
    // Some ask first what the others can.
    play.pause(Duration::from_secs(1))?;
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
    tell(play, &other, &JingleMessage::new(&id, MessageKind::Proceed))?;
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
    tell(play, &other, &JingleMessage::new(&id, MessageKind::Proceed))?;
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
pub(super) fn called(play: &mut Play, contact: bool) -> Result<Other> {
    if !contact {
        play.treat_newcomers_as_strangers()?;
    }
    let other = play.other("tybalt")?;
    if contact {
        play.befriend()?;
    }
    play.present()?;
    let propose = JingleMessage::new("call1", MessageKind::Propose(vec![Media::Audio]));
    let to = play.subject.clone().into();
    play.say(&other, message(to, propose.write()));
    Ok(other)
}

/// It says this word of the call to the caller's device.
pub(super) fn says_to(play: &mut Play, other: &Other, name: &str) -> Result<Element> {
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
    let other = taken(play)?;
    play.order(&Order::Leave)?;
    says_to(play, &other, "finish").map(drop)
}

fn wants_copies(play: &mut Play) -> Result {
    play.order(&Order::Wait)?;
    play.says("that it wants copies", SOON, |line| {
        line.stanza.has_child("enable", ns::CARBONS).then_some(()).filter(|()| line.stanza.attr("to").is_none())
    })
}

fn takes_no_forged_copies(play: &mut Play) -> Result {
    let other = called(play, true)?;
    play.pause(Duration::from_secs(1))?;
    let text = format!(
        "<message xmlns='jabber:client' type='chat' to='{subject}'><sent xmlns='{}'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' type='chat' from='{subject}/elsewhere' to='{}'><proceed xmlns='{}' id='call1'/></message>\
         </forwarded></sent></message>",
        ns::CARBONS,
        other.jid,
        ns::JINGLE_MESSAGE,
        subject = play.subject,
    );
    play.say(&other, text.parse::<Element>().expect("it is well-formed"));
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Accept)?;
    says_to(play, &other, "proceed").map(drop)
}

fn shows_itself(play: &mut Play) -> Result {
    play.treat_newcomers_as_strangers()?;
    let other = play.other("tybalt")?;
    play.order(&Order::Call(other.jid.to_bare()))?;
    let (bare, full) = (other.jid.to_bare().to_string(), other.jid.to_string());
    let shows = |line: &Line| {
        let to = line.stanza.attr("to").unwrap_or_default();
        let there = line.stanza.name() == "presence" && line.stanza.attr("type").is_none();
        there && (to == bare || to == full) && line.stanza.has_child("c", ns::CAPS)
    };
    play.says("a proposal", SOON, |line| word(line, "propose").map(drop))?;
    match play.said().any(shows) {
        true => Ok(()),
        false => wrong("it does not send its presence with its capabilities first"),
    }
}

fn takes_the_first(play: &mut Play) -> Result {
    let (first, proposal) = proposal(play)?;
    let second = play.other("tybalt")?;
    let id = id(&proposal);
    tell(play, &first, &JingleMessage::new(&id, MessageKind::Proceed))?;
    play.calls(&first)?;
    tell(play, &second, &JingleMessage::new(&id, MessageKind::Proceed))?;
    let to = second.jid.to_string();
    play.says("to the second that it is too late", SOON, |line| {
        let late = word(line, "retract").or_else(|| word(line, "finish"));
        late.filter(|word| line.stanza.attr("to") == Some(&to) && word.attr("id") == Some(&id)).map(drop)
    })?;
    match play.said().any(|line| line.action("session-initiate").is_some() && line.stanza.attr("to") == Some(&to)) {
        true => wrong("it calls the second device too"),
        false => Ok(()),
    }
}

fn rings_on_elsewhere(play: &mut Play) -> Result {
    let (other, proposal) = proposal(play)?;
    let id = id(&proposal);
    tell(play, &other, &JingleMessage::new(&id, MessageKind::Ringing))?;
    let stanza_id = proposal.attr("id").map(|id| Id(id.to_owned()));
    let error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "");
    let returned = Message { id: stanza_id, payloads: vec![error.into()], ..Message::error(Jid::from(play.client()?)) };
    play.say(&other, returned);
    let gives_up = |line: &Line| word(line, "retract").or_else(|| word(line, "finish")).is_some();
    play.does_not_say("that it gives the call up", Duration::from_secs(8), gives_up)?;
    tell(play, &other, &JingleMessage::new(&id, MessageKind::Proceed))?;
    play.calls(&other).map(drop)
}

/// The client takes a call, and there is a session.
pub(super) fn taken(play: &mut Play) -> Result<Other> {
    let other = called(play, true)?;
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Accept)?;
    says_to(play, &other, "proceed")?;
    let id = play.ask(&other, &direct_offer("call1", usable(vec![opus()])))?;
    play.confirmed(&id)?;
    play.says("an acceptance", SOON, |line| line.action("session-accept").map(drop))?;
    Ok(other)
}

fn says_why_it_is_over(play: &mut Play) -> Result {
    let other = taken(play)?;
    play.order(&Order::Leave)?;
    let finish = says_to(play, &other, "finish")?;
    because(&finish, &["success"])
}

fn forbids_few_copies(play: &mut Play) -> Result {
    taken(play)?;
    play.order(&Order::Leave)?;
    play.pause(Duration::from_secs(2))?;
    let mut messages = play.said().filter(|line| line.stanza.name() == "message").peekable();
    if messages.peek().is_none() {
        return wrong("it says nothing of the call");
    }
    let to_all = |line: &Line| !line.stanza.attr("to").is_some_and(|to| to.contains('/'));
    match messages.any(|line| line.stanza.has_child("no-copy", ns::HINTS) && to_all(line)) {
        true => wrong("it forbids copies of what goes to all devices"),
        false => Ok(()),
    }
}

fn leaves_it_to_the_other_device(play: &mut Play) -> Result {
    let (device, other) = (another_device(play)?, play.other("tybalt")?);
    play.befriend()?;
    play.present()?;
    let propose = JingleMessage::new("call1", MessageKind::Propose(vec![Media::Audio]));
    play.say(&device, message(other.jid.to_bare().into(), propose.write()));
    play.pause(Duration::from_secs(1))?;
    let proceed = JingleMessage::new("call1", MessageKind::Proceed);
    play.say(&other, message(device.jid.clone().into(), proceed.write()));
    play.does_not_say("an offer", Duration::from_secs(5), |line| line.action("session-initiate").is_some())
}

fn an_older_device_picks_up(play: &mut Play) -> Result {
    let device = another_device(play)?;
    called(play, true)?;
    play.pause(Duration::from_secs(1))?;
    let accept = JingleMessage::new("call1", MessageKind::Accept);
    let to = play.subject.clone().into();
    play.say(&device, message(to, accept.write()));
    play.pause(Duration::from_secs(1))?;
    takes_nothing(play, |line| word(line, "proceed").is_some())
}

fn goes_on_elsewhere(play: &mut Play) -> Result {
    let other = taken(play)?;
    let propose = JingleMessage::new("call2", MessageKind::Propose(vec![Media::Audio]));
    let to = play.subject.clone().into();
    play.say(&other, message(to, propose.write()));
    let words = |line: &Line| {
        let finish = word(line, "finish").filter(|word| word.attr("id") == Some("call1"));
        finish.or_else(|| word(line, "proceed").filter(|word| word.attr("id") == Some("call2"))).cloned()
    };
    let first = play.says("that the old call is over", SOON, words)?;
    let second = play.says("that it takes the new one", SOON, words)?;
    if first.name() != "finish" || second.name() != "proceed" {
        return wrong("it does not end the old call first and then take the new one");
    }
    match first.get_child("migrated", ns::JINGLE_MESSAGE).and_then(|migrated| migrated.attr("to")) {
        Some("call2") => Ok(()),
        to => wrong(format!("the old call has gone to {}, it says", to.unwrap_or("no other"))),
    }
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
    let propose = JingleMessage::new(id, MessageKind::Propose(vec![Media::Audio]));
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

/// A client that was told that the call is gone accepts nothing.
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
    let proceed = JingleMessage::new("call1", MessageKind::Proceed);
    play.say(&device, message(caller.jid.into(), proceed.write()));
    play.pause(Duration::from_secs(1))?;
    takes_nothing(play, |line| word(line, "proceed").is_some())
}
