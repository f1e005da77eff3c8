//! What a client queries during a call: whether it is still in the room, and its server for STUN and TURN.

use std::time::Duration;

use muji_xep::{Element, ns};

use super::Case;
use super::entering::entering;
use crate::play::{Play, Result, SOON, wrong};

pub(super) const CASES: &[Case] = &[
    Case { name: "it asks after a while whether it is still there", ids: &["ping-01"], play: pings_itself },
    Case {
        name: "it comes back when it learns that it is not there any more",
        ids: &["ping-05"],
        play: learns_that_it_is_gone,
    },
    Case { name: "it asks its server for STUN and TURN", ids: &["xdisco-01", "xdisco-02"], play: asks_for_services },
    Case { name: "it asks for credentials that it is not told", ids: &["xdisco-06"], play: asks_for_credentials },
];

/// A client may ask after a quarter of an hour of silence (XEP-0410 section 3.2), or earlier.
const SILENCE: Duration = Duration::from_secs(16 * 60);

fn pings_itself(play: &mut Play) -> Result {
    play.joined()?;
    let nick = play
        .said()
        .rev()
        .find_map(|line| line.muji().and_then(|_| line.stanza.attr("to")))
        .unwrap_or_default()
        .to_owned();
    play.says("a ping of its own occupant JID", SILENCE, |line| {
        line.stanza.get_child("ping", ns::PING).filter(|_| line.stanza.attr("to") == Some(&nick)).map(drop)
    })
}

fn learns_that_it_is_gone(play: &mut Play) -> Result {
    play.joined()?;
    let (room, client) = (play.room.clone(), play.client()?);
    // Nobody tells it.
    play.rooms(|service| drop(service.rooms.leave(&room, &client, &[])))?;
    play.says("that it enters again", SILENCE, |line| entering(line).map(drop))
}

/// Its server names this STUN or TURN server.
fn knows(play: &mut Play, service: &str) -> Result {
    let text = format!("<service xmlns='{}' type='turn' host='192.0.2.1' transport='udp' {service}/>", ns::EXTDISCO);
    let service: Element = text.parse().expect("it is well-formed");
    play.rooms(|server| server.external = Some(vec![service.clone()]))
}

/// It asks its own server by this word.
fn asks_its_server(play: &mut Play, word: &str) -> Result<Element> {
    let own = play.subject.domain().to_string();
    play.join()?;
    play.says(&format!("that it wants {word}"), SOON, |line| {
        let to = line.stanza.attr("to").is_none_or(|to| to == own);
        let asks = line.stanza.get_child(word, ns::EXTDISCO).filter(|_| to && line.stanza.attr("type") == Some("get"));
        asks.cloned()
    })
}

fn asks_for_services(play: &mut Play) -> Result {
    knows(play, "username='u' password='secret'")?;
    asks_its_server(play, "services").map(drop)
}

fn asks_for_credentials(play: &mut Play) -> Result {
    knows(play, "restricted='true'")?;
    let asked = asks_its_server(play, "credentials")?;
    let service = asked.get_child("service", ns::EXTDISCO);
    match service.map(|service| (service.attr("type"), service.attr("host"))) {
        Some((Some("turn"), Some("192.0.2.1"))) => Ok(()),
        _ => wrong("it does not say for which server"),
    }
}
