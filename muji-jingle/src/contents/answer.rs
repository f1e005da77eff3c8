//! The peer's answer to what we offered: which contents it takes, by which transport, and with which codec.

use std::time::Instant;

use muji_xep::jingle::{Content, Jingle, Side};

use super::bundle::Bundle;
use super::content::{ContentState, NegotiatedContent, SessionContent};
use super::matching::{answered_codec, shared_extensions};
use super::{SessionContents, description, offer_role};
use crate::fault::NegotiationError;
use crate::ids::TransportId;
use crate::media::MediaCommand;
use crate::parties::SessionParams;

/// What follows from the peer's answer.
pub(crate) struct Answered {
    /// For the media layer.
    pub(crate) commands: Vec<MediaCommand>,
    /// Contents that it answers as nobody can use them, and why; they have to be taken out.
    pub(crate) unusable: Vec<(Content, NegotiationError)>,
}

impl SessionContents {
    /// The peer's answer to our offer. Contents it leaves out are gone, for the media layer too: it would take one that is added later
    /// under the same name for the one that was refused.
    ///
    /// # Errors
    /// What makes the whole answer unusable: a peer that cannot prove who it is, or no content that both can use.
    pub(crate) fn answered(&mut self, parties: &SessionParams, answer: &Jingle) -> Result<Answered, NegotiationError> {
        let session = parties.session;
        let named = |name: &str| answer.contents.iter().find(|content| content.name == name);
        let left_out =
            self.list.take_out(|content| content.state == ContentState::Settled && named(&content.name).is_none());
        let dropped =
            left_out.into_iter().map(|content| MediaCommand::RemoveContent { session, content: content.label });
        let mut commands: Vec<MediaCommand> = dropped.collect();
        let bundle = Bundle::of(answer.group.as_ref());
        commands.extend(self.share_transport(parties, &bundle));
        self.forget_unused_transports();
        let mut settled: Vec<(Side, String)> =
            self.list.settled().map(|content| (content.creator, content.name.clone())).collect();
        if settled.is_empty() {
            return Err(NegotiationError::Contents);
        }
        // The first of the peer's group names its end (RFC 9143 section 7.3.3).
        settled.sort_by_key(|(_, name)| bundle.position(name));
        let (all, mut unusable) = (settled.len(), Vec::new());
        for (creator, name) in settled {
            let content = named(&name).expect("those left out are gone");
            match self.content_answered(creator, content) {
                Ok(()) => {}
                Err(why) if why.concerns_one_content() => {
                    unusable.push((Content { creator, ..Content::new(&name) }, why))
                }
                Err(why) => return Err(why),
            }
        }
        if unusable.len() == all {
            return Err(unusable.swap_remove(0).1);
        }
        Ok(Answered { commands, unusable })
    }

    /// What the peer bundles travels by the transport of the first that we offered of it; the media layer opens it there again.
    fn share_transport(&mut self, parties: &SessionParams, answered: &Bundle) -> Vec<MediaCommand> {
        let both = |content: &&SessionContent| self.bundle.includes(&content.name) && answered.includes(&content.name);
        let shares: Vec<(TransportId, String)> =
            self.list.settled().filter(both).map(|content| (content.transport, content.name.clone())).collect();
        let shared = shares.first().map(|(transport, _)| *transport);
        self.bundle = Bundle { names: shares.into_iter().map(|(_, name)| name).collect(), transport: shared };
        let Some(shared) = shared else { return Vec::new() };
        let mut commands = Vec::new();
        let mut moved: Vec<String> = Vec::new();
        for content in
            self.list.iter_mut().filter(|content| self.bundle.includes(&content.name) && content.transport != shared)
        {
            content.transport = shared;
            moved.push(content.label.clone());
            commands.push(MediaCommand::RemoveContent { session: parties.session, content: content.label.clone() });
        }
        if !moved.is_empty() {
            commands.push(self.open_those(parties, |content| moved.contains(&content.label)));
        }
        commands
    }

    /// The peer's answer to one of our contents.
    fn content_answered(&mut self, creator: Side, content: &Content) -> Result<(), NegotiationError> {
        let description = description(content)?;
        let Some(ours) = self.list.iter().find(|ours| ours.is(creator, &content.name)) else {
            return Err(NegotiationError::Contents);
        };
        let send = answered_codec(&ours.payload_types, &description.payload_types)
            .ok_or_else(|| NegotiationError::Codec(content.name.clone()))?;
        let transport = ours.transport;
        let remote = self.remote_end(Some(transport), content, offer_role)?;
        let side = self.side;
        let ours = self.list.named_mut(content).expect("it was found above");
        ours.negotiated = Some(NegotiatedContent { send, ssrcs: description.ssrcs() });
        ours.extensions = shared_extensions(&ours.extensions, &description.extensions);
        ours.answer_senders(side, content.senders);
        self.transports.of_mut(transport).take_remote(content, &remote)
    }

    /// The peer accepts one of our contents.
    ///
    /// # Errors
    /// What makes its answer unusable.
    pub(crate) fn accepted(&mut self, now: Instant, content: &Content) -> Result<(), NegotiationError> {
        let creator = self.list.named(content).map_or(Side::Initiator, |ours| ours.creator);
        self.content_answered(creator, content)?;
        if let Some(ours) = self.list.named_mut(content) {
            let connected = self.transports.of(ours.transport).connected;
            ours.agree(now, connected);
        }
        Ok(())
    }
}
