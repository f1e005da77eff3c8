//! What a client sends in Jingle sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use jid::{BareJid, FullJid, Jid};
use muji_xep::{Element, ns};

use super::Note;
use super::room::Rooms;
use muji_trace::Line;

/// After this time a participant who came later and has not called may be called; our own rule is ten seconds.
const TURN: Duration = Duration::from_secs(8);

/// A session of the client's.
#[derive(Debug)]
struct Session {
    /// The request that offered it, if that was the client's.
    offer: Option<String>,
    /// The room whose call it is part of.
    room: Option<BareJid>,
}

/// All that have not ended, by who is at the other end and their id.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<(String, String), Session>);

impl Sessions {
    pub(super) fn said(&mut self, line: &Line, rooms: &Rooms, breach: &mut Note<'_>) {
        let Some(jingle) = line.jingle() else { return };
        let to = line.stanza.attr("to").unwrap_or_default();
        let action = jingle.attr("action").unwrap_or_default();
        if let Some(room) = to.parse::<Jid>().ok().map(|to| to.to_bare()).filter(|to| rooms.get(to).is_some()) {
            breach("muji-sess-04", format!("{action} goes through the room {room}, not to a real JID"));
        }
        if action != "session-initiate" && jingle.attr("initiator").is_some() {
            breach("jingle-init-03", format!("{action} says who made the offer (initiator)"));
        }
        let key = (to.to_owned(), jingle.attr("sid").unwrap_or_default().to_owned());
        match action {
            "session-initiate" => {
                self.offers(line, jingle, to, rooms, breach);
                let offer = line.stanza.attr("id").map(str::to_owned);
                self.0.insert(key, Session { offer, room: room(jingle) });
            }
            "session-accept" => {
                match jingle.attr("responder") {
                    None => breach("jingle-accept-03", "an acceptance does not say who accepts (responder)".to_owned()),
                    Some(responder) if responder != line.client.as_str() => {
                        breach("jingle-accept-03", format!("an acceptance says that {responder} accepts"));
                    }
                    Some(_) => {}
                }
                contents(jingle, "jingle-accept-02", breach);
                security(jingle, "dtls-fp-03", &["active", "passive"], breach);
            }
            "session-terminate" => {
                let reason = jingle.get_child("reason", ns::JINGLE);
                if reason.is_none_or(|reason| reason.children().next().is_none()) {
                    breach("jingle-term-02", "the end of a session has no reason".to_owned());
                }
                let ended = self.0.remove(&key);
                let room = ended.and_then(|session| session.room);
                let stays = room
                    .as_ref()
                    .and_then(|room| rooms.get(room))
                    .is_some_and(|room| room.published && !room.withdrawn);
                let success = reason.is_some_and(|reason| reason.has_child("success", ns::JINGLE));
                if stays && success {
                    breach(
                        "muji-leave-01",
                        "it ends a session of the call with success and still says that it takes part".to_owned(),
                    );
                }
            }
            "content-add" | "content-accept" | "content-modify" | "transport-info" | "description-info" => {
                let count = jingle.children().filter(|child| child.name() == "content").count();
                if count != 1 {
                    breach("R-DINO-1", format!("{action} holds {count} contents, where some clients read one"));
                }
            }
            _ => {}
        }
    }

    pub(super) fn heard(&mut self, line: &Line) {
        let from = line.stanza.attr("from").unwrap_or_default();
        if line.stanza.attr("type") == Some("error") {
            // A refused offer makes no session.
            let id = line.stanza.attr("id");
            self.0
                .retain(|(with, _), session| with != from || session.offer.is_none() || session.offer.as_deref() != id);
        }
        let Some(jingle) = line.jingle() else { return };
        let key = (from.to_owned(), jingle.attr("sid").unwrap_or_default().to_owned());
        match jingle.attr("action") {
            Some("session-initiate") => drop(self.0.insert(key, Session { offer: None, room: room(jingle) })),
            Some("session-terminate") => drop(self.0.remove(&key)),
            _ => {}
        }
    }

    /// Somebody left the room: what was with it is over, whether that is said or not.
    pub(super) fn end_with(&mut self, gone: &FullJid) {
        self.0.retain(|(with, _), session| with != gone.as_str() || session.room.is_none());
    }

    fn offers(&self, line: &Line, jingle: &Element, to: &str, rooms: &Rooms, breach: &mut Note<'_>) {
        match jingle.attr("initiator") {
            None => breach("jingle-init-02", "an offer does not say who makes it (initiator)".to_owned()),
            Some(initiator) if initiator != line.client.as_str() => {
                breach("jingle-init-02", format!("an offer says that {initiator} makes it"));
            }
            Some(_) => {}
        }
        contents(jingle, "jingle-init-01", breach);
        security(jingle, "dtls-fp-02", &["actpass"], breach);
        let named = room(jingle);
        if let Some(room) = named.as_ref().and_then(|room| rooms.get(room))
            && !room.published
        {
            breach("muji-sess-03", "it calls before its contents are in its presence".to_owned());
        }
        let Some((name, there, other)) = to.parse::<FullJid>().ok().and_then(|to| rooms.with(&to)) else { return };
        if named.is_none() && there.published && other.publishes {
            breach("muji-sess-05", format!("it calls somebody of the call in {name}, and does not name the room"));
        }
        if named.is_some() && !other.publishes {
            breach("muji-leave-03", format!("it calls {to}, who publishes nothing there"));
        }
        let another = self.0.iter().any(|((with, _), session)| with == to && session.room == named);
        if named.is_some() && another {
            breach("muji-sess-01", format!("it calls {to}, with whom it has a session in this call already"));
        }
        let early = other.since.is_some_and(|since| line.at.saturating_sub(since) < TURN);
        if named.is_some() && other.publishes && !other.ahead && there.published && early {
            breach("muji-sess-02", format!("it calls {to}, who came later"));
        }
    }
}

/// The room that a request names.
fn room(jingle: &Element) -> Option<BareJid> {
    jingle.get_child("muji", ns::MUJI)?.attr("room")?.parse().ok()
}

/// Each content has what it needs.
fn contents(jingle: &Element, id: &'static str, breach: &mut Note<'_>) {
    let mut none = true;
    for content in jingle.children().filter(|child| child.is("content", ns::JINGLE)) {
        none = false;
        let name = content.attr("name").unwrap_or("without a name");
        let child = |wanted: &str| content.children().filter(|child| child.name() == wanted).count();
        if child("description") != 1 || child("transport") != 1 {
            breach(id, format!("the content {name} has not one description and one transport"));
        }
        let media = content.get_child("description", ns::RTP).map(|description| description.attr("media"));
        if media == Some(None) {
            breach("rtp-desc-01", format!("the content {name} does not say its medium"));
        }
        let ice = content.get_child("transport", ns::ICE_UDP);
        if ice.is_some_and(|ice| ice.attr("ufrag").is_none() || ice.attr("pwd").is_none()) {
            breach("ice-init-01", format!("the content {name} lacks ufrag or pwd"));
        }
    }
    if none {
        breach(id, "there is no content".to_owned());
    }
}

/// Each content names a certificate.
fn security(jingle: &Element, id: &'static str, setups: &[&str], breach: &mut Note<'_>) {
    let transports = jingle.children().filter_map(|content| content.get_child("transport", ns::ICE_UDP));
    for transport in transports {
        match transport.get_child("fingerprint", ns::DTLS).map(|print| print.attr("setup")) {
            // Conversations and Dino may say it encrypted instead.
            None if transport.has_child("fingerprint", ns::DTLS_OMEMO) => {}
            None => breach(
                "dtls-policy-01",
                "a content without a fingerprint: nothing vouches for the other end".to_owned(),
            ),
            Some(setup) if !setups.contains(&setup.unwrap_or_default()) => {
                breach(id, format!("the setup of a fingerprint is {}", setup.unwrap_or("missing")));
            }
            Some(_) => {}
        }
    }
}
