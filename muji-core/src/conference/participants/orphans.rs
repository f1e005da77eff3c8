//! Sessions under a JID that is not ours any more. Nothing can be signalled about them, but sound goes on until another
//! session takes their place.

use std::time::Instant;

use jid::FullJid;
use muji_jingle::{Session, SessionId};

use crate::config;
use crate::context::Context;
use crate::media::MediaCommand;
use crate::output::Output;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orphan {
    pub(super) session: SessionId,
    pub(super) peer: FullJid,
    pub(super) until: Instant,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Orphans(Vec<Orphan>);

impl Orphans {
    /// Keeps a session's media if there is any yet; closes it if not.
    pub(super) fn take_in(&mut self, cx: &mut Context<'_>, session: &Session) {
        let id = session.parties().session;
        if session.is_connected() {
            let peer = session.parties().peer.clone();
            self.0.push(Orphan { session: id, peer, until: cx.now + config::ROOM_LOSS });
        } else {
            cx.out.push_back(Output::Media(MediaCommand::Close { session: id }));
        }
    }

    pub(super) fn close(&mut self, cx: &mut Context<'_>, which: impl Fn(&Orphan) -> bool) {
        for orphan in self.0.extract_if(.., |orphan| which(orphan)) {
            cx.out.push_back(Output::Media(MediaCommand::Close { session: orphan.session }));
        }
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().map(|orphan| orphan.until)
    }
}
