//! Invitations to a call (XEP-0482, XEP-0249).

use std::time::Duration;

use muji_trace::{Line, prepares};
use muji_xep::invite::{CallInvite, InviteKind};
use muji_xep::{Element, ns};

use super::call_forking::{another_device, message, taken, takes_nothing};
use super::{Case, sound};
use crate::play::{Other, Play, Result, SOON, wrong};
use crate::subjects::Order;

pub(super) const CASES: &[Case] = &[
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
    Case {
        name: "its invitation has one name, and says what is sent",
        ids: &["R-INV-1", "cinv-id-05"],
        play: names_its_invitations,
    },
    Case {
        name: "it only says that it left if others stay whom it invited",
        ids: &["R-INV-2"],
        play: leaves_its_guests,
    },
    Case { name: "it does not ring for what was said long ago", ids: &["R-INV-4"], play: old_invitations },
    Case { name: "it leaves an invited call that is over", ids: &["R-MUC-2"], play: comes_too_late },
    Case {
        name: "it goes on in a room with a person in the session that there is",
        ids: &["R-INIT-2"],
        play: keeps_its_session,
    },
    Case { name: "it finds a way to join among others", ids: &["cinv-invite-03"], play: finds_the_room },
    Case { name: "it invites to the room of the call", ids: &["cinv-invite-01", "muji-inv-01"], play: invites },
];

/// The word about an invitation, in the namespace of XEP-0482.
fn invitation<'a>(line: &'a Line, name: &str) -> Option<&'a Element> {
    line.stanza.children().find(|child| line.stanza.name() == "message" && child.is(name, ns::CALL_INVITES))
}

/// Somebody invites the client to the call in the room.
fn invited(play: &mut Play) -> Result<Other> {
    let other = play.other("tybalt")?;
    play.befriend()?;
    play.present()?;
    play.enter(&other, Some(&sound()))?;
    let invite = CallInvite::new("invite1", InviteKind::Invite { audio: true, video: false }, Some(&play.room));
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
    say_of_invitation(play, &other, &CallInvite::new("invite1", InviteKind::Retract, None));
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

fn another_device_accepts(play: &mut Play) -> Result {
    let device = another_device(play)?;
    let host = invited(play)?;
    let accept = CallInvite::new("invite1", InviteKind::Accept, Some(&play.room));
    play.say(&device, message(host.jid.to_bare().into(), accept.write()));
    play.pause(Duration::from_secs(1))?;
    takes_nothing(play, |line| line.muji().is_some())
}

fn names_invitations(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    play.befriend()?;
    play.present()?;
    play.enter(&other, Some(&sound()))?;
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

/// The client joins, and invites somebody: the message.
fn invitation_by_it(play: &mut Play) -> Result<(Other, Element)> {
    let guest = play.other("tybalt")?;
    play.befriend()?;
    play.order(&Order::Join(play.room.clone(), Some(guest.jid.to_bare())))?;
    let message = play.says("an invitation", SOON, |line| invitation(line, "invite").map(|_| line.stanza.clone()))?;
    Ok((guest, message))
}

fn keeps_its_session(play: &mut Play) -> Result {
    let other = taken(play)?;
    play.enter(&other, Some(&sound()))?;
    let invite = CallInvite::new("invite1", InviteKind::Invite { audio: true, video: false }, Some(&play.room));
    say_of_invitation(play, &other, &invite);
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Accept)?;
    play.published()?;
    play.does_not_say("another offer to who has a session with it", Duration::from_secs(5), |line| {
        line.action("session-initiate").is_some()
    })
}

fn names_its_invitations(play: &mut Play) -> Result {
    let (_, message) = invitation_by_it(play)?;
    let invite = message.get_child("invite", ns::CALL_INVITES).expect("it was found");
    if invite.attr("id").is_some_and(|id| message.attr("id") != Some(id)) {
        return wrong("the invitation has another name than its message");
    }
    match invite.attr("video") {
        None | Some("false" | "0") => Ok(()),
        _ => wrong("it says that it sends pictures, and sends sound alone"),
    }
}

fn leaves_its_guests(play: &mut Play) -> Result {
    let (guest, _) = invitation_by_it(play)?;
    play.accept_sessions();
    play.enter(&guest, Some(&sound()))?;
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Leave)?;
    let words = |line: &Line| invitation(line, "left").or_else(|| invitation(line, "retract")).cloned();
    match play.says("that it left", SOON, words)?.name() {
        "left" => Ok(()),
        _ => wrong("it takes back the call in which its guest still is"),
    }
}

fn old_invitations(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    play.befriend()?;
    play.present()?;
    play.enter(&other, Some(&sound()))?;
    let invite = CallInvite::new("invite1", InviteKind::Invite { audio: true, video: false }, Some(&play.room));
    let mut payloads = invite.write();
    let domain = play.subject.domain();
    let delay = format!("<delay xmlns='urn:xmpp:delay' from='{domain}' stamp='2020-01-01T00:00:00Z'/>");
    payloads.push(delay.parse().expect("it is well-formed"));
    let to = play.subject.clone().into();
    play.say(&other, message(to, payloads));
    play.pause(Duration::from_secs(1))?;
    takes_nothing(play, |line| line.muji().is_some())
}

fn comes_too_late(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    play.befriend()?;
    play.present()?;
    let invite = CallInvite::new("invite1", InviteKind::Invite { audio: true, video: false }, Some(&play.room));
    say_of_invitation(play, &other, &invite);
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Accept)?;
    let room = play.room.to_string();
    play.says("that it leaves a room in which nobody is", Duration::from_secs(20), |line| {
        let leaves = line.stanza.name() == "presence" && line.stanza.attr("type") == Some("unavailable");
        let gives_up = line.stanza.get_child("query", ns::MUC_OWNER).is_some_and(|query| {
            query.children().any(|child| child.name() == "destroy" || child.attr("type") == Some("cancel"))
        });
        ((leaves || gives_up) && line.stanza.attr("to").is_some_and(|to| to.starts_with(&room))).then_some(())
    })
}

fn finds_the_room(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    play.befriend()?;
    play.present()?;
    play.enter(&other, Some(&sound()))?;
    let text = format!(
        "<message xmlns='jabber:client' type='chat' id='invite1' to='{}'><invite xmlns='{invites}' id='invite1'><external xmlns='{invites}' \
         uri='tel:+15550100'/><juggling xmlns='https://example.org/juggling'/><muji xmlns='{}' room='{}'/></invite><store xmlns='{}'/>\
         </message>",
        play.subject,
        ns::MUJI,
        play.room,
        ns::HINTS,
        invites = ns::CALL_INVITES,
    );
    play.say(&other, text.parse::<Element>().expect("it is well-formed"));
    play.pause(Duration::from_secs(1))?;
    play.order(&Order::Accept)?;
    play.says("that it prepares in the room", SOON, |line| line.muji().filter(|muji| prepares(muji)).map(drop))
}
