//! A room that says only what the test lets it say: the order of presences is the test's.

use muji_core::Join;
use muji_harness::room::Rules;
use muji_harness::world::{PersonId, World};
use muji_xep::{Element, ns};

/// An audio content as others publish it.
pub(crate) const AUDIO: &str = "<content xmlns='urn:xmpp:jingle:1' name='audio'><description \
     xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type id='111' name='opus' clockrate='48000' \
     channels='2'/></description></content>";

pub(crate) const PREPARING: &str = "<preparing/>";

/// Romeo, who is entering a room that keeps silent.
pub(crate) fn entering(world: &mut World) -> PersonId {
    let romeo = world.person("romeo");
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules { silent: true, ..Rules::default() });
    world.join_how(romeo, "balcony", Join::call_room().nick("romeo"));
    romeo
}

/// The room tells Romeo of an occupant; `says` is what its Muji element holds, `None` that it has none.
pub(crate) fn tell(world: &mut World, romeo: PersonId, nick: &str, says: Option<&str>) {
    tell_as(world, romeo, nick, &format!("{nick}@capulet.example/1"), says);
}

/// The same of an occupant with this JID.
pub(crate) fn tell_as(world: &mut World, romeo: PersonId, nick: &str, jid: &str, says: Option<&str>) {
    let muji = says.map_or_else(String::new, |says| format!("<muji xmlns='{}'>{says}</muji>", ns::MUJI));
    present(world, romeo, nick, "", &format!("{muji}{}", x(&format!("<item jid='{jid}'/>"))));
}

/// The room tells Romeo that somebody left, with these status codes.
pub(crate) fn gone(world: &mut World, romeo: PersonId, nick: &str, item: &str, codes: &[u16]) {
    let codes: String = codes.iter().map(|code| format!("<status code='{code}'/>")).collect();
    present(world, romeo, nick, "type='unavailable'", &x(&format!("{item}{codes}")));
}

/// The room repeats the last presence that Romeo sent.
pub(crate) fn repeat(world: &mut World, romeo: PersonId) {
    let last = world.presences(romeo).pop().expect("it said something");
    let muji = last.children().find(|child| child.name() == "muji").map(String::from).unwrap_or_default();
    let id = last.attr("id").expect("presences have ids").to_owned();
    let codes = "<status code='100'/><status code='110'/>";
    let us = x(&format!("<item jid='{}'/>{codes}", world.jid(romeo)));
    present(world, romeo, "romeo", &format!("id='{id}'"), &format!("{muji}{us}"));
}

/// The room refuses the last presence that Romeo sent.
pub(crate) fn refuse(world: &mut World, romeo: PersonId, condition: &str) {
    let last = world.presences(romeo).pop().expect("it said something");
    let (id, to) = (last.attr("id").expect("an id"), last.attr("to").expect("an occupant"));
    let error = format!("<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>");
    world.forge(
        romeo,
        &format!("<presence xmlns='jabber:client' type='error' id='{id}' from='{to}'>{error}</presence>"),
    );
}

/// A presence of the room as it stands.
pub(crate) fn present(world: &mut World, romeo: PersonId, nick: &str, attributes: &str, children: &str) {
    let room = world.room("balcony");
    world.forge(
        romeo,
        &format!("<presence xmlns='jabber:client' from='{room}/{nick}' {attributes}>{children}</presence>"),
    );
}

fn x(children: &str) -> String {
    format!("<x xmlns='{}'>{children}</x>", ns::MUC_USER)
}

/// What Romeo's presences said of a call, one after the other: the names of the elements in Muji, or "unavailable".
pub(crate) fn said(world: &World, romeo: PersonId) -> Vec<String> {
    let words = |presence: &Element| {
        let muji = presence.children().find(|child| child.name() == "muji");
        let inside = muji.map(|muji| muji.children().map(Element::name).collect::<Vec<_>>().join(" "));
        presence.attr("type").map(str::to_owned).or(inside).unwrap_or_default()
    };
    world.presences(romeo).iter().map(words).collect()
}
