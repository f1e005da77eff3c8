//! The sentence and the JSON object of each event. A test finds an event that has none.

use std::collections::BTreeSet;

use chrono::{DateTime, Local, TimeZone};
use jid::FullJid;
use muji_core::bridge::BridgeMark;
use muji_core::{Event, EventScope, Media, Peer, Silence, Warning};
use serde_json::json;

use super::{Report, silence};
use crate::output::{plain, printable};
use crate::ringing::stop_reason;

impl Report {
    /// Something happened to the account, in a room or in a call: to our own part in it, or else to others.
    pub(crate) fn event(&mut self, scope: &EventScope, event: &Event) {
        match event {
            Event::Joined { contents } => {
                self.say("joined", json!({ "contents": contents }), || Some("joined the call".to_owned()));
            }
            Event::ContentsChanged { contents } => {
                self.say("contents-changed", json!({ "contents": contents }), || {
                    Some(format!("you now send {}", contents.join(", ")))
                });
            }
            Event::NotAdded { media, why } => {
                let why = why.to_string();
                self.say("not-added", json!({ "media": media.as_str(), "why": why }), || {
                    Some(format!("{media} is not added: {}", plain(&why)))
                });
            }
            Event::RoomLost(why) => {
                let why = why.to_string();
                self.say("room-lost", json!({ "why": why }), || {
                    Some(format!("{why}; audio continues while the program rejoins"))
                });
            }
            Event::AffiliationChanged { who, banned } => {
                self.say("affiliation", json!({ "jid": who.to_string(), "banned": banned }), || {
                    banned.then(|| format!("{who} was banned from the room"))
                });
            }
            Event::Ended(why) => {
                let why = why.to_string();
                self.say("ended", json!({ "why": why }), || Some(format!("the call ended: {why}")));
            }
            other => self.warning_event(scope, other),
        }
    }

    /// Others take part through somebody, if it is this bridge.
    fn conference(&mut self, peer: &Peer, bridge: Option<&BridgeMark>, if_none: &str) {
        let behind = bridge.map(|bridge| &bridge.behind);
        let fields = json!({
            "nick": peer.nick, "jid": peer.jid.to_string(), "bridge": bridge.map(|bridge| &bridge.id), "behind": behind,
        });
        self.say("conference", fields, || {
            let what = match behind {
                Some(behind) if !behind.is_empty() => "is a bridge, joined with another bridge",
                Some(_) => "is a bridge",
                None => if_none,
            };
            Some(format!("{} {what}", printable(&peer.nick)))
        });
    }

    /// What the user should know, and what had no effect.
    fn warning_event(&mut self, scope: &EventScope, event: &Event) {
        match event {
            Event::Warning(Warning::MicrophoneStalled { nick, since }) => {
                let since = Local::now() - since.elapsed();
                self.warning(&microphone_stalled(nick, &since));
            }
            Event::Warning(warning) => self.warning(&warning.to_string()),
            Event::CertificateChanged(peer) => {
                let why =
                    format!("{} uses another certificate than those pinned for this person", printable(&peer.nick));
                self.warning(&why);
            }
            Event::CertificateUnbound(peer) => {
                let why = format!("{} uses a certificate that belongs to no known device", printable(&peer.nick));
                self.warning(&why);
            }
            Event::Skipped { from, what } => {
                let verbose = self.verbose;
                self.say("skipped", json!({ "from": from, "what": what }), || {
                    verbose.then(|| format!("ignored, from {from}: {what}"))
                });
            }
            other => self.invitation_event(scope, other),
        }
    }

    /// Who invites whom, and where a call is.
    fn invitation_event(&mut self, scope: &EventScope, event: &Event) {
        match event {
            Event::Invited(invitation) => {
                let (from, room) = (invitation.from.to_string(), invitation.room.to_string());
                self.say("invited", json!({ "from": from, "room": room }), || {
                    Some(format!("{from} invites you to the call in {room}"))
                });
            }
            Event::InvitationOver(invitation, why) => {
                let (room, why) = (invitation.room.to_string(), stop_reason(why));
                self.say("invitation-over", json!({ "room": room, "why": why }), || {
                    Some(format!("the invitation to {room} ended: {why}"))
                });
            }
            Event::RoomInvited(invite) => {
                let (from, room) = (invite.from.to_string(), invite.room.to_string());
                self.say("room-invited", json!({ "from": from, "room": room, "why": invite.reason }), || {
                    let why = invite.reason.as_deref().map(|why| format!(" ({})", plain(why))).unwrap_or_default();
                    Some(format!("{from} invites you to the room {room}{why}; a call there: muji-call {room}"))
                });
            }
            Event::Declined(guest, why) => {
                let guest = guest.to_string();
                self.say("declined", json!({ "guest": guest, "why": why }), || {
                    let why = why.as_deref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
                    Some(format!("{guest} declined{why}"))
                });
            }
            Event::CallRunning { people } => self.call_running(scope, people),
            other => self.direct_event(other),
        }
    }

    /// Some people are in a call in a room in which we are, or nobody any more.
    fn call_running(&mut self, scope: &EventScope, people: &[Peer]) {
        let EventScope::Room(room) = scope else { return }; // It is said of rooms alone.
        let nicks: Vec<&str> = people.iter().map(|peer| peer.nick.as_str()).collect();
        self.say("call-running", json!({ "room": room.to_string(), "nicks": nicks }), || {
            let nicks = nicks.iter().map(|nick| printable(nick)).collect::<Vec<_>>().join(", ");
            Some(if nicks.is_empty() {
                format!("the call in {room} is over")
            } else {
                format!("in the call in {room}: {nicks}")
            })
        });
    }

    /// A call with one person, until there is a session.
    fn direct_event(&mut self, event: &Event) {
        match event {
            Event::DeviceRings(device) => self.device(device, "rings"),
            Event::PickedUp(device) => self.device(device, "picked up"),
            Event::PeerMoved(peer) => self.device(&peer.jid, "goes on with the call"),
            Event::Ringing { from, media } => self.rings(from, media, true),
            Event::Stranger { from, media } => self.rings(from, media, false),
            Event::Missed { from, media } => {
                let (from, media) = (from.to_string(), names(media));
                self.say("missed", json!({ "from": from, "media": media }), || {
                    Some(format!("missed call from {from} ({})", media.join(", ")))
                });
            }
            Event::GoesOnInRoom(room) => {
                let room = room.to_string();
                self.say("goes-on-in-room", json!({ "room": room }), || Some(format!("the call continues in {room}")));
            }
            Event::NotInRoom(fault) => {
                let why = fault.to_string();
                self.say("not-in-room", json!({ "why": why }), || {
                    Some(format!("the call continues without a room, and nobody can be invited: {why}"))
                });
            }
            other => self.content_event(other),
        }
    }

    /// What one of the others sends.
    fn content_event(&mut self, event: &Event) {
        let verbose = self.verbose;
        match event {
            Event::PeerContents(peer, contents) => {
                let names: Vec<&str> = contents.iter().map(|(name, _)| name.as_str()).collect();
                self.say("contents", json!({ "nick": peer.nick, "contents": names }), || {
                    Some(format!("{} now sends {}", printable(&peer.nick), printable(&names.join(", "))))
                });
            }
            Event::PeerGuests(peer, guests) => {
                self.people.entry(peer.nick.clone()).or_default().guests.clone_from(guests);
                let of = guests.named.iter().map(|guest| {
                    let jid = guest.jid.as_ref().map(ToString::to_string);
                    json!({ "id": guest.id, "name": guest.name, "jid": jid, "state": guest.status.as_str(), "muted": guest.muted })
                });
                let fields = json!({ "nick": peer.nick, "guests": of.collect::<Vec<_>>(), "more": guests.more });
                let more = (guests.more > 0).then(|| format!("{} more", guests.more));
                let names = guests.named.iter().map(|guest| printable(&guest.name)).chain(more);
                let names = names.collect::<Vec<_>>().join(", ");
                self.say("guests", fields, || {
                    let names = if names.is_empty() { "nobody" } else { &names };
                    Some(format!("through {} take part: {names}", printable(&peer.nick)))
                });
                self.show_people();
            }
            Event::PeerFocus(peer, bridge) => self.conference(peer, bridge.as_ref(), "is a conference"),
            Event::PeerBridge(peer, bridge) => self.conference(peer, bridge.as_ref(), "is no bridge any more"),
            Event::PeerContentAdded { peer: Peer { nick, jid }, content, media, .. } => {
                let fields =
                    json!({ "nick": nick, "jid": jid.to_string(), "content": content, "media": media.as_str() });
                self.say("content-added", fields, || {
                    verbose.then(|| format!("{media} was added to the session with {}", printable(nick)))
                });
            }
            Event::PeerContentRemoved(Peer { nick, jid }, _, content) => {
                let fields = json!({ "nick": nick, "jid": jid.to_string(), "content": content });
                self.say("content-removed", fields, || {
                    verbose.then(|| {
                        format!("{} was taken out of the session with {}", printable(content), printable(nick))
                    })
                });
            }
            Event::PeerDigit(Peer { nick, jid }, digit) => {
                let fields = json!({ "nick": nick, "jid": jid.to_string(), "digit": digit.to_string() });
                self.say("digit", fields, || Some(format!("{} pressed {digit}", printable(nick))));
            }
            Event::PeerSilent { peer, content, media, why, .. } => self.silent(peer, content, media, *why),
            Event::PeerMuted(peer, content) => {
                let content = content.as_ref().map(|(name, _)| name.clone());
                self.people.entry(peer.nick.clone()).or_default().muted.insert(content.clone());
                self.peer(peer, "muted", content.map(|content| ("content", content)));
            }
            Event::PeerUnmuted(peer, content) => {
                let content = content.as_ref().map(|(name, _)| name.clone());
                let known = self.people.entry(peer.nick.clone()).or_default();
                known.muted.retain(|muted| content.is_some() && *muted != content);
                self.peer(peer, "unmuted", content.map(|content| ("content", content)));
            }
            other => self.peer_event(other),
        }
    }

    /// How it stands with one of the others.
    fn peer_event(&mut self, event: &Event) {
        match event {
            Event::PeerPreparing(peer) => self.peer(peer, "preparing", None),
            Event::PeerOffered(peer) => self.peer(peer, "offered", None),
            Event::PeerInterrupted(peer) => self.peer(peer, "interrupted", None),
            Event::PeerJoined(peer) => self.peer(peer, "joined", None),
            Event::PeerConnecting(peer, session) => {
                self.names.insert(*session, peer.nick.clone());
                let known = self.people.entry(peer.nick.clone()).or_default();
                (known.session, known.muted) = (Some(*session), BTreeSet::new());
                self.peer(peer, "connecting", None);
            }
            Event::PeerConnected(peer, _) => self.peer(peer, "connected", None),
            Event::PeerFlowing(peer, _) => self.peer(peer, "flowing", None),
            Event::PeerHeld(peer) => self.peer(peer, "held", None),
            Event::PeerUnheld(peer) => self.peer(peer, "unheld", None),
            Event::PeerFailed(peer, failure) => self.peer(peer, "failed", Some(("why", failure.to_string()))),
            Event::PeerLeft(peer) => self.peer(peer, "left", None),
            // The compiler asks for this, as the library may get more events; a test that all of today are above.
            other => self.warning(&format!("an event that this program does not know: {other:?}")),
        }
    }

    /// Nothing comes of a content of somebody, though the path works.
    fn silent(&mut self, peer: &Peer, content: &str, media: &Media, why: Silence) {
        let Peer { nick, jid } = peer;
        let fields = json!({
            "nick": nick, "jid": jid.to_string(), "state": "silent", "content": content, "media": media.as_str(),
            "why": silence(why),
        });
        let reason = match why {
            Silence::Muted | Silence::Held => format!(": {}", silence(why)),
            Silence::Unexplained => ", though the path works".to_owned(), // What helps is a warning of its own.
        };
        let sentence = format!("no {} comes from {}{reason}", media.as_str(), printable(nick));
        self.say("peer", fields, || Some(sentence));
    }

    /// What a device of somebody whom we call does.
    fn device(&mut self, device: &FullJid, does: &'static str) {
        let jid = device.to_string();
        self.say("device", json!({ "jid": jid, "state": does }), || Some(format!("{jid} {does}")));
    }

    /// Somebody calls us.
    fn rings(&mut self, from: &FullJid, media: &[Media], known: bool) {
        let from = from.to_string();
        let names = names(media);
        self.say("ringing", json!({ "from": from, "media": names, "contact": known }), || {
            let who =
                if known { "" } else { ", who is not in your contact list and does not learn that you are online," };
            Some(format!("{from}{who} is calling ({}): a accepts, d declines", names.join(", ")))
        });
    }
}

/// What helps if a client has stopped sending sound (Dino does), and since when, by the user's clock.
fn microphone_stalled(nick: &str, since: &DateTime<impl TimeZone>) -> String {
    let since = since.naive_local().format("%H:%M");
    format!("nothing comes from {}'s microphone since {since}; ask them to mute and unmute", printable(nick))
}

fn names(media: &[Media]) -> Vec<&str> {
    media.iter().map(Media::as_str).collect()
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    #[test]
    fn a_microphone_that_fell_silent_is_told_with_the_time_on_the_users_clock() {
        let verona = FixedOffset::east_opt(2 * 3_600).expect("two hours");
        let since = verona.with_ymd_and_hms(2026, 7, 1, 18, 4, 59).unwrap();
        assert_eq!(
            microphone_stalled("juliet", &since),
            "nothing comes from juliet's microphone since 18:04; ask them to mute and unmute"
        );
    }
}
