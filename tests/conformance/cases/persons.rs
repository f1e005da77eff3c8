//! Calls to a person on all devices (XEP-0353), and invitations to a call (XEP-0482).

use std::time::Duration;

use jid::Jid;
use muji_conformance::harness::puppet::{direct_offer, opus, usable};
use muji_conformance::trace::{Line, prepares};
use muji_xep::invite::{CallInvite, Word as Invites};
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
        name: "it rings no more when the call is taken back",
        ids: &["cinv-retract-01"],
        play: invitation_taken_back,
    },
    Case {
        name: "it accepts an invitation and joins that room",
        ids: &["cinv-accept-01", "cinv-accept-02", "muji-inv-02"],
        play: accepts_an_invitation,
    },
    Case {
        name: "it declines an invitation and joins nothing",
        ids: &["cinv-reject-01"],
        play: declines_an_invitation,
    },
    Case {
        name: "it says when it leaves a call to which it was invited",
        ids: &["cinv-left-01"],
        play: says_that_it_left,
    },
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
    Case {
        name: "it rings no more when another device accepts the invitation",
        ids: &["cinv-multi-01"],
        play: another_device_accepts,
    },
    Case {
        name: "it names an invitation by its message if it has no other name",
        ids: &["cinv-id-04"],
        play: names_invitations,
    },
    Case {
        name: "it takes back what it invited to in vain",
        ids: &["cinv-retract-01"],
        play: takes_an_invitation_back,
    },
    Case { name: "it invites to the room of the call", ids: &["cinv-invite-01", "muji-inv-01"], play: invites },
];

/// The word of this name about a call with one person.
fn word<'a>(line: &'a Line, name: &str) -> Option<&'a Element> {
    line.stanza.children().find(|child| line.stanza.name() == "message" && child.is(name, ns::JINGLE_MESSAGE))
}

/// The word about an invitation, in the namespace of XEP-0482.
fn invitation<'a>(line: &'a Line, name: &str) -> Option<&'a Element> {
    line.stanza.children().find(|child| line.stanza.name() == "message" && child.is(name, ns::CALL_INVITES))
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

fn message(to: Jid, payloads: Vec<Element>) -> Message {
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

/// Somebody invites the client to the call in the room.
fn invited(play: &mut Play) -> Result<Other> {
    let other = play.other("tybalt")?;
    play.befriend()?;
    play.present()?;
    play.enter(&other, Some(&super::sound()))?;
    let invite = CallInvite::new("invite1", Invites::Invite { audio: true, video: false }, Some(&play.room));
    say_of_invitation(play, &other, &invite);
    play.pause(Duration::from_secs(1))?;
    Ok(other)
}

fn say_of_invitation(play: &mut Play, other: &Other, word: &CallInvite) {
    let to = play.subject.clone().into();
    play.say(other, message(to, word.write()));
}

fn accepts_an_invitation(play: &mut Play) -> Result {
    let _ = invited(play)?;
    play.order(&Order::Accept)?;
    let room = play.room.to_string();
    let seen = |line: &Line| {
        let accept = invitation(line, "accept").map(|accept| Some(accept.clone()));
        accept.or_else(|| line.muji().filter(|muji| prepares(muji)).map(|_| None))
    };
    let mut accepted = None;
    for _ in 0..2 {
        if let Some(accept) = play.says("that it accepts, and that it prepares in the room", SOON, seen)? {
            accepted = Some(accept);
        }
    }
    let Some(accept) = accepted else { return wrong("it does not say that it accepts") };
    if accept.attr("id") != Some("invite1") {
        return wrong("it accepts something else than the invitation");
    }
    match accept.get_child("muji", ns::MUJI).and_then(|muji| muji.attr("room")) {
        Some(named) if named == room => Ok(()),
        named => wrong(format!("it says that it comes to {}", named.unwrap_or("no room"))),
    }
}

fn declines_an_invitation(play: &mut Play) -> Result {
    let _ = invited(play)?;
    play.order(&Order::Decline)?;
    let reject = play.says("that it declines", SOON, |line| invitation(line, "reject").cloned())?;
    if reject.attr("id") != Some("invite1") {
        return wrong("it declines something else than the invitation");
    }
    let room = play.room.to_string();
    play.does_not_say("anything in the room", Duration::from_secs(5), |line| {
        line.stanza.name() == "presence" && line.stanza.attr("to").is_some_and(|to| to.starts_with(&room))
    })
}

fn says_that_it_left(play: &mut Play) -> Result {
    let _ = invited(play)?;
    play.accept_sessions();
    play.order(&Order::Accept)?;
    play.published()?;
    play.pause(Duration::from_secs(2))?;
    play.order(&Order::Leave)?;
    let left = play.says("that it left", SOON, |line| invitation(line, "left").cloned())?;
    if left.attr("id") == Some("invite1") { Ok(()) } else { wrong("it left something else than it was invited to") }
}

fn invitation_taken_back(play: &mut Play) -> Result {
    let other = invited(play)?;
    say_of_invitation(play, &other, &CallInvite::new("invite1", Invites::Retract, None));
    play.pause(Duration::from_secs(1))?;
    takes_nothing(play, |line| line.muji().is_some())
}

fn invites(play: &mut Play) -> Result {
    let guest = play.other("tybalt")?;
    play.befriend()?;
    play.order(&Order::Join(play.room.clone(), Some(guest.jid.to_bare())))?;
    let message = play.says("an invitation", SOON, |line| invitation(line, "invite").map(|_| line.stanza.clone()))?;
    let invite = message.get_child("invite", ns::CALL_INVITES).expect("it was found");
    if message.attr("id").is_none() {
        return wrong("the message has no id");
    }
    match invite.get_child("muji", ns::MUJI).and_then(|muji| muji.attr("room")) {
        Some(room) if room == play.room.as_str() => Ok(()),
        room => wrong(format!("it invites to {}", room.unwrap_or("no room"))),
    }
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
fn another_device(play: &mut Play) -> Result<Other> {
    let name = play.subject.node().map(ToString::to_string).unwrap_or_default();
    play.other(&name)
}

/// Whoever was told that nothing is left to take takes nothing.
fn takes_nothing(play: &mut Play, takes: impl Fn(&Line) -> bool) -> Result {
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

fn another_device_accepts(play: &mut Play) -> Result {
    let device = another_device(play)?;
    let host = invited(play)?;
    let accept = CallInvite::new("invite1", Invites::Accept, Some(&play.room));
    play.say(&device, message(host.jid.to_bare().into(), accept.write()));
    play.pause(Duration::from_secs(1))?;
    takes_nothing(play, |line| line.muji().is_some())
}

fn names_invitations(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    play.befriend()?;
    play.present()?;
    play.enter(&other, Some(&super::sound()))?;
    let text = format!(
        "<message xmlns='jabber:client' type='chat' id='m1' to='{}'><invite xmlns='{}'><muji xmlns='{}' room='{}'/></invite><store \
         xmlns='{}'/></message>",
        play.subject,
        ns::CALL_INVITES,
        ns::MUJI,
        play.room,
        ns::HINTS
    );
    play.say(&other, text.parse::<Element>().expect("it is well-formed"));
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Accept)?;
    let accept = play.says("that it accepts", SOON, |line| invitation(line, "accept").cloned())?;
    match accept.attr("id") {
        Some("m1") => Ok(()),
        id => wrong(format!("it accepts {}, not m1", id.unwrap_or("something without a name"))),
    }
}

fn takes_an_invitation_back(play: &mut Play) -> Result {
    let guest = play.other("tybalt")?;
    play.befriend()?;
    play.order(&Order::Join(play.room.clone(), Some(guest.jid.to_bare())))?;
    let invited = play.says("an invitation", SOON, |line| invitation(line, "invite")?.attr("id").map(str::to_owned))?;
    play.order(&Order::Leave)?;
    let retract = play.says("that it takes it back", SOON, |line| invitation(line, "retract").cloned())?;
    if retract.attr("id") == Some(&invited) { Ok(()) } else { wrong("it takes something else back than it invited to") }
}
