//! A participant that the test moves, stanza by stanza.

use jid::Jid;
pub(crate) use muji_harness::puppet::{answering, audio, direct_offer, opus, terminate, transport, usable};
use muji_harness::world::{PersonId, World};
use muji_xep::jingle::{Content, Jingle};
use muji_xep::muji::MujiElement;
use muji_xep::{Element, Skipped, muc};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;

use crate::SECOND;

/// Enters the room and says what it has, without preparing.
pub(crate) fn enter(world: &mut World, puppet: PersonId, nick: &str, contents: Vec<Content>) {
    enter_with(world, puppet, nick, contents, Vec::new());
}

/// The same, saying something else too.
pub(crate) fn enter_with(world: &mut World, puppet: PersonId, nick: &str, contents: Vec<Content>, more: Vec<Element>) {
    let to = world.room("balcony").with_resource_str(nick).expect("a nick");
    let payloads = [muc::enter(None), MujiElement::with(contents).write()].into_iter().chain(more).collect();
    world.send(puppet, Presence::new(Type::None).with_to(to).with_payloads(payloads));
    world.run_for(SECOND);
    world.inbox(puppet);
}

/// Tybalt, who is in the room with these contents.
pub(crate) fn entered(world: &mut World, contents: Vec<Content>) -> PersonId {
    let tybalt = world.puppet("tybalt");
    enter(world, tybalt, "tybalt", contents);
    tybalt
}

/// Says something of a session to somebody.
pub(crate) fn ask(world: &mut World, puppet: PersonId, to: PersonId, id: &str, jingle: &Jingle) {
    let to = Some(Jid::from(world.jid(to)));
    world.send(puppet, Iq::Set { from: None, to, id: id.to_owned(), payload: jingle.write() });
}

/// The requests a puppet got, confirmed.
pub(crate) fn requests(world: &mut World, puppet: PersonId) -> Vec<(Jid, Jingle)> {
    let mut requests = Vec::new();
    for stanza in world.inbox(puppet) {
        let Stanza::Iq(Iq::Set { from: Some(from), id, payload, .. }) = stanza else { continue };
        let Some(jingle) = Jingle::read(&payload, &mut Skipped::default()) else { continue };
        world.send(puppet, Iq::Result { from: None, to: Some(from.clone()), id, payload: None });
        requests.push((from, jingle));
    }
    requests
}

/// The answers a puppet got, by id: the Jingle condition of an error, its stanza condition without one, or nothing.
pub(crate) fn answer(inbox: &[Stanza], id: &str) -> Option<Result<(), String>> {
    inbox.iter().find_map(|stanza| match stanza {
        Stanza::Iq(Iq::Result { id: answered, .. }) if answered == id => Some(Ok(())),
        Stanza::Iq(Iq::Error { id: answered, error, .. }) if answered == id => {
            let jingle = error.other.as_ref().map(|element| element.name().to_owned());
            let stanza = Element::from(error.clone()).children().next().map(|condition| condition.name().to_owned());
            Some(Err(jingle.or(stanza).unwrap_or_default()))
        }
        _ => None,
    })
}

/// An offer in the call of the room.
pub(crate) fn offer(world: &World, sid: &str, content: Content) -> Jingle {
    let mut offer = direct_offer(sid, content);
    offer.room = Some(world.room("balcony"));
    offer
}
