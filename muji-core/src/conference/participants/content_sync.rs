//! Contents that one of a pair publishes while their session runs are added to it (XEP-0272 sections 5 and 6).
//!
//! Of two who publish the same medium, the one that published it later adds it to the session; if it does not, the other
//! does after a while, so that no pair stays without.

use jid::FullJid;
use muji_jingle::{Session, SessionId};
use muji_xep::jingle::Content;
use muji_xep::rtp::Media;

use super::Participants;
use super::recovery::lacked_content;
use super::view::ConferenceView;
use crate::conference::participant::Turn;
use crate::config;
use crate::context::Context;
use crate::event::Event;
use crate::occupants;
use crate::pair::PairState;

impl Participants {
    /// We published these media after all who have them by now: it is our turn to add them to our sessions.
    pub(crate) fn owe_everybody(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, media: &[Media]) {
        for jid in self.people.keys().cloned().collect::<Vec<_>>() {
            let theirs: Vec<Media> = view.occupants.contents(&jid).into_iter().map(|(_, media)| media).collect();
            let Some(participant) = self.people.get_mut(&jid) else { continue };
            participant.ours.retain(|ours| !media.contains(ours));
            participant.ours.extend(media.iter().filter(|media| theirs.contains(media)).cloned());
            self.add_missing(cx, view, &jid);
        }
    }

    /// A participant that we know described what it has; `before` is what it described the last time in this stay.
    pub(super) fn contents_heard(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        nick: &str,
        jid: &FullJid,
        before: Option<&[Content]>,
    ) {
        let now = view.occupants.get(nick).map(|occupant| occupant.muji.contents.as_slice()).unwrap_or_default();
        if before == Some(now) {
            return;
        }
        let now: Vec<(String, Media)> = occupants::described(now).collect();
        let Some(participant) = self.people.get_mut(jid) else { return };
        participant.describes(cx.now, &now, before);
        let before = before.unwrap_or_default();
        if occupants::described(before).eq(now.iter().cloned()) {
            return;
        }
        if !before.is_empty() {
            self.peer_event(cx, view, jid, |peer| Event::PeerContents(peer, now));
        }
        if view.is_public() {
            self.add_missing(cx, view, jid);
        }
    }

    /// What we and a participant have published and their session lacks is added to it: by us at once if we published it
    /// later, else by the other, and if it does not, by us all the same. If it lacked a session for want of it, it gets one.
    pub(super) fn add_missing(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, jid: &FullJid) {
        let theirs = view.occupants.contents(jid);
        let shared = view.contents.iter().filter(|content| theirs.iter().any(|(_, it)| content.media() == Some(it)));
        let Some(participant) = self.people.get_mut(jid) else { return };
        let Some(id) = participant.session else {
            let lacked = matches!(&participant.state, PairState::Failed(end) if lacked_content(end));
            let shared: Vec<&Media> = shared.filter_map(Content::media).filter(|_| lacked).collect();
            if shared.iter().any(|media| participant.ours.contains(media)) {
                self.call(cx, view, jid, Turn::Ours);
            } else if !shared.is_empty() {
                participant.recover_at(cx.now + config::CALL_FALLBACK);
            }
            return;
        };
        // One that has just ended tells so last.
        let Some(session) = self.sessions.get(&id).filter(|session| session.is_active()) else { return };
        let lacking = shared.filter(|content| !session.sends(&content.name)).filter_map(Content::media);
        let (now, later): (Vec<&Media>, Vec<&Media>) = lacking.partition(|media| participant.ours.contains(media));
        participant.share_at = (!later.is_empty()).then_some(cx.now + config::CALL_FALLBACK);
        self.add_to(cx, view, id, |media| now.contains(&media));
    }

    /// The other did not add what was its to add.
    pub(super) fn add_missing_late(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, jid: &FullJid) {
        let Some(participant) = self.people.get_mut(jid) else { return };
        let due = participant.share_at.take_if(|at| *at <= cx.now);
        if let (Some(_), Some(id)) = (due, participant.session) {
            let theirs = view.occupants.contents(jid);
            self.add_to(cx, view, id, |media| theirs.iter().any(|(_, of)| of == media));
        }
    }

    /// Takes out what a participant has not published for a while: it should have done so itself, but our adding it may have
    /// crossed its removing it.
    pub(super) fn remove_stale(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, jid: &FullJid) {
        let Some(participant) = self.people.get_mut(jid) else { return };
        let theirs = view.occupants.contents(jid);
        let due = participant.dropped.extract_if(.., |(_, at)| *at <= cx.now).map(|(media, _)| media);
        let due: Vec<Media> = due.filter(|media| theirs.iter().all(|(_, of)| of != media)).collect();
        let Some(id) = participant.session.filter(|_| !due.is_empty()) else { return };
        if !self.sessions.get(&id).is_some_and(Session::is_active) {
            let again = cx.now + config::STALE_PRESENCE;
            return participant.dropped.extend(due.into_iter().map(|media| (media, again)));
        }
        for content in view.contents.iter().filter(|content| content.media().is_some_and(|media| due.contains(media))) {
            self.with_session(cx, view, id, |session, cx| session.remove(cx.now, cx.ids, &content.name));
        }
    }

    fn add_to(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        session: SessionId,
        which: impl Fn(&Media) -> bool,
    ) {
        if !view.contents.iter().filter_map(Content::media).any(&which) {
            return;
        }
        let specs = view.published(cx);
        for spec in specs.into_iter().filter(|spec| which(&spec.media)) {
            self.with_session(cx, view, session, |session, cx| session.add(cx.now, cx.ids, spec));
        }
    }
}
