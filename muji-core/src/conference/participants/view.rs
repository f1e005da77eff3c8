//! What sessions need to know of the rest of the conference.

use jid::{BareJid, FullJid};
use muji_jingle::{CallId, ContentSpec, Hold, Session};
use muji_xep::jingle::Content;
use muji_xep::rtp::{Description, Media, PayloadType};

use crate::context::Context;
use crate::media::Capabilities;
use crate::occupants::Occupants;

/// What the others know of our contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishState {
    /// Nothing: we are on the way into the room, or back.
    Unpublished,
    /// The presence with them is out; the room has not repeated it yet.
    Published,
    /// The room has repeated it: all who come now come later than we.
    Public,
    /// We are leaving, or have left.
    Leaving,
}

/// What sessions are made of, and what they depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConferenceView<'a> {
    pub(crate) call: CallId,
    pub(crate) us: &'a FullJid,
    pub(crate) room: &'a BareJid,
    pub(crate) occupants: &'a Occupants,
    /// What we publish.
    pub(crate) contents: &'a [Content],
    /// What the user wants to send.
    pub(crate) media: &'a [Media],
    pub(crate) muted: &'a [Media],
    pub(crate) holding: bool,
    pub(crate) state: PublishState,
    /// We were in this room before: offers to us in that stay may still be under way.
    pub(crate) later_stay: bool,
}

impl ConferenceView<'_> {
    /// True if others have seen what we send, or are about to.
    pub(super) fn is_public(&self) -> bool {
        matches!(self.state, PublishState::Published | PublishState::Public)
    }

    /// True if we and a participant have published something of one medium.
    pub(super) fn shares_content(&self, peer: &FullJid) -> bool {
        let theirs = self.occupants.contents(peer);
        self.contents.iter().any(|content| theirs.iter().any(|(_, media)| content.media() == Some(media)))
    }

    /// A session learns that we hold, if we do; the peer is told once the session is accepted.
    pub(super) fn hold_if_held(&self, cx: &mut Context<'_>, session: &mut Session) {
        if self.holding {
            session.set_hold(cx.now, cx.ids, Hold::On);
        }
    }

    /// What we offer: our contents as we publish them.
    pub(super) fn published(&self, cx: &mut Context<'_>) -> Vec<ContentSpec> {
        self.specs(cx, |description, _| description.payload_types.clone())
    }

    /// What may be answered: all our codecs, whatever ids the room uses. Before we publish the names are not known.
    pub(super) fn answerable(&self, cx: &mut Context<'_>) -> Vec<ContentSpec> {
        if !self.contents.is_empty() {
            return self.specs(cx, |description, capabilities| capabilities.of(&description.media).to_vec());
        }
        self.media.iter().map(|media| cx.of_medium(media, true)).collect()
    }

    /// What a peer may add: all that we send, and everything else that we can decode (Dino sends its camera to everybody
    /// without announcing it in the room). Nothing is captured for it.
    pub(super) fn addable(&self, cx: &mut Context<'_>) -> Vec<ContentSpec> {
        let mut specs = self.answerable(cx);
        specs.extend(cx.decodable(false));
        specs
    }

    fn specs(
        &self,
        cx: &mut Context<'_>,
        payload_types: impl Fn(&Description, &Capabilities) -> Vec<PayloadType>,
    ) -> Vec<ContentSpec> {
        let described = self.contents.iter().filter_map(|content| Some((content, content.description.as_ref()?)));
        let specs = described.map(|(content, description)| ContentSpec {
            publication: content.name.clone(),
            sends: true,
            media: description.media.clone(),
            ssrc: cx.ids.ssrc(),
            rtx_ssrc: cx.capabilities.rtx(&description.media).then(|| cx.ids.ssrc()),
            payload_types: payload_types(description, cx.capabilities),
            extensions: cx.capabilities.extensions(&description.media).to_vec(),
        });
        specs.collect()
    }
}
