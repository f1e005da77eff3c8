//! Telling the other's client who takes part besides it, if it can show that (XEP-0298): for a bridge, whose callers know nothing of the room.
//!
//! ```text
//!  Unknown ── guests to tell ──► Asked ── it has the feature ──► Reads ── a document at most each second
//!                                  └── it has not, an error, no answer ──► DoesNotRead ◄── it refuses a document
//! ```
//!
//! Nothing waits for an answer: the call goes on whatever its client does with it.

use std::time::{Duration, Instant};

use jid::FullJid;
use muji_jingle::Session;
use muji_jingle::pending::PendingRequests;
use muji_xep::{Element, disco, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::StanzaError;

use super::call::DirectCall;
use crate::context::Context;
use crate::guest::{self, Guest};

/// From one document to the next: people who come and go together are told together, and each document is whole.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the other's client reads documents about a conference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reader {
    #[default]
    Unknown,
    Asked,
    Reads,
    DoesNotRead,
}

/// What we asked its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Features,
    ToRead,
}

/// Who takes part besides the other, and what of it its client was told.
#[derive(Debug, Clone, Default)]
pub(super) struct GuestList {
    reader: Reader,
    guests: Vec<Guest>,
    /// It rises with each document.
    version: u32,
    /// The guests are others than those of the last document.
    untold: bool,
    /// When the next document may be sent.
    next: Option<Instant>,
    asked: PendingRequests<Asked>,
}

impl GuestList {
    /// The other is on another device now, whose client is another one.
    pub(super) fn moved(&mut self) {
        self.reader = Reader::Unknown;
        self.untold = self.version > 0 || self.untold;
        self.asked.clear();
    }

    fn tell(&mut self, cx: &mut Context<'_>, us: &FullJid, peer: &FullJid) {
        let due = self.next.is_none_or(|next| next <= cx.now);
        match self.reader {
            Reader::Unknown if self.untold => {
                self.reader = Reader::Asked;
                let id = self.ask(cx, Asked::Features);
                let payload = Element::bare("query", ns::DISCO_INFO);
                cx.send(Iq::Get { from: None, to: Some(peer.clone().into()), id, payload });
            }
            Reader::Reads if self.untold && due => {
                self.untold = false;
                self.version = self.version.saturating_add(1);
                self.next = Some(cx.now + PAUSE);
                let id = self.ask(cx, Asked::ToRead);
                let payload = guest::document(Some(us.to_bare()), self.version, &self.guests).write();
                cx.send(Iq::Set { from: None, to: Some(peer.clone().into()), id, payload });
            }
            Reader::Unknown | Reader::Asked | Reader::Reads | Reader::DoesNotRead => {}
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>, asked: Asked) -> String {
        let id = cx.ids.token();
        self.asked.asked(cx.now, &id, asked);
        id
    }

    fn answered(&mut self, asked: Asked, answer: Result<Option<&Element>, &StanzaError>) {
        let reads = match (asked, answer) {
            (Asked::Features, Ok(Some(info))) => disco::has_feature(info, ns::COIN),
            (Asked::Features, Ok(None)) | (_, Err(_)) => false,
            (Asked::ToRead, Ok(_)) => return,
        };
        self.reader = if reads { Reader::Reads } else { Reader::DoesNotRead };
    }
}

impl DirectCall {
    /// These people take part besides the other.
    pub(super) fn set_guests(&mut self, cx: &mut Context<'_>, guests: Vec<Guest>) {
        if self.guest_list.guests != guests {
            self.guest_list.guests = guests;
            self.guest_list.untold = true;
            self.tell_guests(cx);
        }
    }

    /// Tells the other's client of them, once we are connected.
    pub(super) fn tell_guests(&mut self, cx: &mut Context<'_>) {
        let session = self.session.as_ref().filter(|_| self.state.is_connected());
        let peer = session.map(|session| session.parties().peer.clone());
        peer.iter().for_each(|peer| self.guest_list.tell(cx, &self.us, peer));
    }

    /// The other's client answers what we asked it about that. False if we did not.
    pub(super) fn guests_answered(
        &mut self,
        cx: &mut Context<'_>,
        peer: &FullJid,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        if self.session.as_ref().map(Session::parties).is_none_or(|parties| parties.peer != *peer) {
            return false;
        }
        let Some(asked) = self.guest_list.asked.answered(id) else { return false };
        self.guest_list.answered(asked, answer);
        self.tell_guests(cx);
        true
    }

    pub(super) fn guests_timeout(&mut self, cx: &mut Context<'_>) {
        if self.guest_list.asked.expired(cx.now).contains(&Asked::Features) {
            self.guest_list.reader = Reader::DoesNotRead;
        }
        self.tell_guests(cx);
    }

    /// When the next document, or an answer, is due.
    pub(super) fn guests_due(&self) -> Option<Instant> {
        let list = &self.guest_list;
        let waits = list.reader == Reader::Reads && list.untold && self.state.is_connected() && self.session.is_some();
        list.next.filter(|_| waits).into_iter().chain(list.asked.poll_timeout()).min()
    }
}
