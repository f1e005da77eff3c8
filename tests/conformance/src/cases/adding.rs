//! Contents that are added to a call or removed from it.

use std::time::Duration;

use muji_harness::puppet::{acceptance, answering, audio, opus, transport, video, vp8};
use muji_harness::room::Rules;
use muji_trace::{Line, prepares, publishes};
use muji_xep::jingle::{Action, Content, Jingle, Side};
use muji_xep::muji::MujiElement;
use muji_xep::{Element, Skipped, ns};

use super::{Case, called, rules, sound};
use crate::play::{Other, Play, Result, SOON, wrong};
use crate::subjects::Order;

pub(super) const CASES: &[Case] = &[
    Case { name: "it says that it prepares before it adds a content", ids: &["muji-add-01"], play: prepares_again },
    Case {
        name: "it adds no content while another prepares",
        ids: &["muji-add-02", "muji-add-03"],
        play: waits_for_its_turn,
    },
    Case {
        name: "it publishes what it adds beside what it has, and prepares no more",
        ids: &["muji-add-04"],
        play: publishes_all,
    },
    Case {
        name: "it adds a content to its sessions with those who have it",
        ids: &["muji-add-05", "R-ADD-2"],
        play: adds_to_sessions,
    },
    Case { name: "it adds one content at a time, whole", ids: &["jingle-cadd-01", "R-DINO-1"], play: adds_one },
    Case { name: "it stays when the room refuses what it says", ids: &["R-MUC-1"], play: is_refused },
    Case {
        name: "it takes a content out of its presence before its sessions",
        ids: &["muji-rem-01", "muji-rem-02"],
        play: removes_in_order,
    },
    Case { name: "it removes nothing beside what it removes", ids: &["jingle-crem-01"], play: removes_one },
    Case { name: "it says nothing more of a content that is removed", ids: &["jingle-crem-02"], play: lets_go },
    Case {
        name: "of two crossing changes that of who began the session stands",
        ids: &["jingle-tie-05"],
        play: overrules,
    },
];

/// Pictures by VP8.
fn pictures() -> Content {
    video(vec![vp8()])
}

/// What somebody publishes who sends pictures too.
fn sound_and_pictures() -> MujiElement {
    MujiElement::with(vec![audio(vec![opus()]), pictures()])
}

/// Somebody is there who sends pictures too, and the client has a session with sound.
fn with_pictures(play: &mut Play) -> Result<Other> {
    let other = play.other("tybalt")?;
    play.enter(&other, Some(&sound_and_pictures()))?;
    play.accept_sessions();
    play.join()?;
    play.calls(&other)?;
    play.pause(Duration::from_secs(2))?;
    Ok(other)
}

fn media(element: &Element) -> Vec<&str> {
    let descriptions = element.children().filter_map(|content| content.get_child("description", ns::RTP));
    descriptions.filter_map(|description| description.attr("media")).collect()
}

fn shows_pictures(line: &Line) -> Option<Element> {
    line.muji().filter(|muji| media(muji).contains(&"video")).cloned()
}

fn prepares_again(play: &mut Play) -> Result {
    with_pictures(play)?;
    play.order(&Order::AddPictures)?;
    let first = play.says("anything of the call", SOON, |line| line.muji().cloned())?;
    if !prepares(&first) {
        return wrong("it does not say that it prepares");
    }
    if media(&first).contains(&"video") {
        return wrong("it publishes pictures while it still prepares");
    }
    if publishes(&first) { Ok(()) } else { wrong("it takes its sound back while it prepares") }
}

fn waits_for_its_turn(play: &mut Play) -> Result {
    with_pictures(play)?;
    let ahead = play.other("paris")?;
    play.enter(&ahead, Some(&MujiElement::preparing()))?;
    play.order(&Order::AddPictures)?;
    play.says("that it prepares", SOON, |line| line.muji().filter(|muji| prepares(muji)).map(drop))?;
    play.does_not_say("its pictures while somebody ahead prepares", Duration::from_secs(3), |line| {
        shows_pictures(line).is_some()
    })?;
    play.update(&ahead, Some(&sound()));
    play.says("its pictures", SOON, shows_pictures).map(drop)
}

/// The client adds pictures: what it publishes then.
fn added(play: &mut Play) -> Result<(Other, Element)> {
    let other = with_pictures(play)?;
    play.order(&Order::AddPictures)?;
    let muji = play.says("its pictures", SOON, shows_pictures)?;
    Ok((other, muji))
}

fn publishes_all(play: &mut Play) -> Result {
    let (_, muji) = added(play)?;
    if prepares(&muji) {
        return wrong("it publishes and goes on preparing");
    }
    let mut media = media(&muji);
    media.sort_unstable();
    if media == ["audio", "video"] { Ok(()) } else { wrong(format!("it publishes {}", media.join(" and "))) }
}

fn is_refused(play: &mut Play) -> Result {
    play.accept_sessions();
    let (other, offer) = called(play)?;
    play.pause(Duration::from_secs(1))?;
    rules(play, Rules { refusals: 1, ..Rules::default() })?;
    play.order(&Order::AddPictures)?;
    play.pause(Duration::from_secs(2))?;
    let refused =
        |line: &Line| !line.said && line.stanza.name() == "presence" && line.stanza.attr("type") == Some("error");
    if !play.lines().any(refused) {
        return wrong("it says nothing that could be refused");
    }
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, offer.attr("sid").unwrap_or_default()))?;
    play.confirmed(&id)
}

/// What it adds to the session.
fn addition(play: &mut Play) -> Result<(Other, Element)> {
    let (other, _) = added(play)?;
    let to = other.jid.to_string();
    let add = play.says("that it adds pictures to the session", SOON, |line| {
        line.action("content-add").filter(|_| line.stanza.attr("to") == Some(&to)).cloned()
    })?;
    Ok((other, add))
}

fn adds_to_sessions(play: &mut Play) -> Result {
    addition(play).map(drop)
}

fn adds_one(play: &mut Play) -> Result {
    let (_, add) = addition(play)?;
    let whole = |content: &Element| {
        let described = content.has_child("description", ns::RTP);
        described && content.children().any(|child| child.name() == "transport")
    };
    let contents: Vec<&Element> = add.children().filter(|child| child.is("content", ns::JINGLE)).collect();
    match contents[..] {
        [content] if media(&add) == ["video"] && whole(content) => Ok(()),
        _ => wrong(format!("it adds {} contents: {}", contents.len(), media(&add).join(" and "))),
    }
}

/// It has added pictures to the session, and the other takes them: the other, and how the session and the content are called.
fn taken(play: &mut Play) -> Result<(Other, String, String)> {
    let (other, add) = addition(play)?;
    let sid = add.attr("sid").unwrap_or_default();
    let name = add.children().find_map(|content| content.attr("name")).unwrap_or_default().to_owned();
    let mut accept = Jingle::new(Action::ContentAccept, sid);
    accept.contents =
        vec![Content { name: name.clone(), description: pictures().description, ..answering(Vec::new()) }];
    let id = play.ask(&other, &accept)?;
    play.confirmed(&id)?;
    Ok((other, sid.to_owned(), name))
}

fn lets_go(play: &mut Play) -> Result {
    let (other, sid, name) = taken(play)?;
    let mut remove = Jingle::new(Action::ContentRemove, &sid);
    remove.contents = vec![Content::new(&name)];
    let id = play.ask(&other, &remove)?;
    play.confirmed(&id)?;
    play.does_not_say("anything of what is removed", Duration::from_secs(3), |line| {
        let of_it = |jingle: &Element| jingle.children().any(|content| content.attr("name") == Some(&name));
        line.action("content-accept").or_else(|| line.action("transport-info")).is_some_and(of_it)
    })?;
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, &sid))?;
    play.confirmed(&id)
}

/// It adds pictures and removes them: what it says then, of the call and of the session.
fn removed(play: &mut Play) -> Result<[Element; 2]> {
    taken(play)?;
    play.order(&Order::RemovePictures)?;
    let words = |line: &Line| line.muji().or_else(|| line.action("content-remove")).cloned();
    let first = play.says("that it removes pictures", SOON, words)?;
    let second = play.says("that it removes pictures everywhere", SOON, words)?;
    Ok([first, second])
}

fn removes_in_order(play: &mut Play) -> Result {
    let [muji, jingle] = removed(play)?;
    if muji.name() != "muji" || jingle.name() != "jingle" {
        return wrong("it does not say first in its presence and then in the session that it removes pictures");
    }
    if media(&muji).contains(&"video") { wrong("its presence has pictures still") } else { Ok(()) }
}

fn removes_one(play: &mut Play) -> Result {
    let removed = removed(play)?;
    let Some(remove) = removed.iter().find(|element| element.name() == "jingle") else {
        return wrong("it does not remove pictures from the session");
    };
    let names: Vec<&str> = remove.children().filter_map(|content| content.attr("name")).collect();
    if names.len() == 1 { Ok(()) } else { wrong(format!("it removes {}", names.join(" and "))) }
}

fn overrules(play: &mut Play) -> Result {
    let (other, offer) = called(play)?;
    let offer = Jingle::read(&offer, &mut Skipped::default()).expect("it is an offer");
    let id = play.ask(&other, &acceptance(&offer))?;
    play.confirmed(&id)?;
    play.update(&other, Some(&sound_and_pictures()));
    play.pause(Duration::from_secs(1))?;
    play.fall_silent();
    play.order(&Order::AddPictures)?;
    play.says("that it adds pictures to the session", SOON, |line| line.action("content-add").map(drop))?;
    let mut add = Jingle::new(Action::ContentAdd, &offer.sid);
    add.contents = vec![Content { creator: Side::Responder, transport: Some(transport(None)), ..pictures() }];
    let id = play.ask(&other, &add)?;
    play.refused(&id, &["conflict", "tie-break"])
}
