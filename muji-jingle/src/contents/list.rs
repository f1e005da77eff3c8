//! The contents of a session by name, publication and state.

use std::time::Instant;

use muji_xep::jingle::{Content, Senders, Side};
use muji_xep::rtp::{Media, PayloadType};

use super::bundle::clash;
use super::content::{ContentState, Flow, SessionContent};
use crate::parties::ContentSpec;

/// The contents of a session, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContentList(Vec<SessionContent>);

impl ContentList {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, SessionContent> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, SessionContent> {
        self.0.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, content: SessionContent) -> &mut SessionContent {
        self.0.push(content);
        self.0.last_mut().expect("it was just added")
    }

    /// Takes out those for which `gone` is true, and returns them.
    pub(super) fn take_out(&mut self, gone: impl FnMut(&mut SessionContent) -> bool) -> Vec<SessionContent> {
        self.0.extract_if(.., gone).collect()
    }

    /// The content that a peer's stanza names: by creator and name, else by name alone (Dino and Movim always say that the
    /// initiator created it).
    pub(super) fn named(&self, content: &Content) -> Option<&SessionContent> {
        let exactly = self.exactly_named(content.creator, &content.name);
        exactly.or_else(|| self.iter().find(|ours| ours.name == content.name))
    }

    pub(super) fn named_mut(&mut self, content: &Content) -> Option<&mut SessionContent> {
        let (creator, name) = self.named(content).map(|ours| (ours.creator, ours.name.clone()))?;
        self.iter_mut().find(|ours| ours.is(creator, &name))
    }

    fn exactly_named(&self, creator: Side, name: &str) -> Option<&SessionContent> {
        self.iter().find(|ours| ours.is(creator, name))
    }

    /// True if a content can be told from these others in one transport: its name is the MID, and its payload types mean there what they
    /// mean to the others (RFC 9143 section 9). The label of a content whose name another one has too is not its name.
    pub(super) fn is_distinct(
        &self,
        name: &str,
        payload_types: &[PayloadType],
        others: impl Fn(&SessionContent) -> bool,
    ) -> bool {
        let used = self.iter().filter(|content| others(content)).flat_map(|content| &content.payload_types);
        self.iter().all(|content| content.label != name) && !clash(payload_types, used)
    }

    /// Those that are part of the session itself.
    pub(super) fn settled(&self) -> impl Iterator<Item = &SessionContent> {
        self.iter().filter(|content| content.state == ContentState::Settled)
    }

    /// True if a content sends this publication, or will.
    pub(crate) fn carries(&self, publication: &str) -> bool {
        self.iter().any(|content| content.sends(publication) && !content.is_removing())
    }

    /// True if the content that sent this publication is being taken out.
    pub(crate) fn is_removing(&self, publication: &str) -> bool {
        self.iter().any(|content| content.is_removing() && content.spec.publication == publication)
    }

    /// The content that carries a publication, as stanzas name it.
    pub(crate) fn carrier(&self, publication: &str) -> Option<Content> {
        self.iter().find(|content| content.sends(publication)).map(SessionContent::reference)
    }

    /// True if one of our content-adds waits for its answer.
    pub(crate) fn has_offered(&self) -> bool {
        self.iter().any(|content| content.state == ContentState::Offered)
    }

    /// True if nothing is left but what is being removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.iter().all(SessionContent::is_removing)
    }

    /// The content that a peer's stanza names, if it is there in this state.
    pub(crate) fn find(&self, content: &Content, state: ContentState) -> Option<Content> {
        self.named(content).filter(|ours| ours.state == state).map(SessionContent::reference)
    }

    /// The content that a peer's stanza names, in any state.
    pub(crate) fn known(&self, content: &Content) -> Option<Content> {
        self.named(content).map(SessionContent::reference)
    }

    /// Exactly this content, if it is there.
    pub(crate) fn exactly(&self, content: &Content) -> Option<Content> {
        self.exactly_named(content.creator, &content.name).map(SessionContent::reference)
    }

    /// True if the peer's new content is there already, and is not one that both add at once.
    pub(crate) fn has(&self, content: &Content) -> bool {
        let crossing = self.crossing(content).map(|(ours, _)| ours.name);
        self.exactly(content).is_some_and(|ours| Some(ours.name) != crossing)
    }

    /// The label of a content that the peer names.
    pub(crate) fn label(&self, content: &Content) -> Option<String> {
        self.named(content).map(|ours| ours.label.clone())
    }

    /// The medium of a content.
    pub(crate) fn media(&self, content: &Content) -> Option<Media> {
        self.named(content).map(|ours| ours.spec.media.clone())
    }

    /// A content that we are adding and that is for the same medium as one the peer adds, and whether the peer knows of ours.
    pub(crate) fn crossing(&self, content: &Content) -> Option<(Content, bool)> {
        let media = content.media()?;
        let adding = |ours: &&SessionContent| matches!(ours.state, ContentState::Adding | ContentState::Offered);
        let ours = self.iter().filter(adding).find(|ours| ours.spec.media == *media)?;
        Some((ours.reference(), ours.state == ContentState::Offered))
    }

    /// Contents that have been in their state for too long.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<(ContentState, Content)> {
        let overdue = self.iter().filter(|content| content.until.is_some_and(|until| until <= now));
        overdue.map(|content| (content.state, content.reference())).collect()
    }

    /// When the next one will have been.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.iter().filter_map(|content| content.until).min()
    }

    /// The session is over: nothing is waited for any more.
    pub(crate) fn give_up(&mut self) {
        self.iter_mut().for_each(|content| content.until = None);
    }

    /// The peer changes who sends a content.
    pub(crate) fn set_senders(&mut self, content: &Content, senders: Senders) {
        if let Some(ours) = self.named_mut(content) {
            ours.senders = senders;
            ours.answered_silent = false;
            ours.started = false;
        }
    }

    /// The peer does not take our removal: the content stays and nothing flows by it.
    pub(crate) fn keep_idle(&mut self, content: &Content) {
        if let Some(ours) = self.named_mut(content).filter(|ours| ours.is_removing()) {
            ours.set_state(ContentState::Settled, None);
            ours.spec.sends = false;
        }
    }

    /// Sends this too by a content that only the peer sends so far; `None` if there is none. The content as it is now, and whether the
    /// peer has to be told that we send.
    pub(crate) fn widen(&mut self, side: Side, spec: &ContentSpec) -> Option<(Content, bool)> {
        let idle = |content: &&mut SessionContent| {
            let agreed = matches!(content.state, ContentState::Settled | ContentState::Connecting);
            agreed && !content.spec.sends && content.spec.media == spec.media
        };
        let content = self.iter_mut().find(idle)?;
        content.spec.sends = true;
        content.spec.publication.clone_from(&spec.publication);
        content.started = false;
        let before = content.senders;
        content.senders = before.with(side, true);
        Some((content.reference(), before != content.senders))
    }

    /// The user sends these media only.
    pub(super) fn send_only(&mut self, side: Side, media: &[Media]) {
        for content in self.iter_mut().filter(|content| !media.contains(&content.spec.media)) {
            content.spec.sends = false;
            content.senders = content.senders.with(side, false);
        }
    }

    /// What we send of a medium has another name. True if that changes anything.
    pub(crate) fn publish_as(&mut self, media: &Media, name: &str) -> bool {
        let mut changed = false;
        for content in self.iter_mut() {
            let spec = &mut content.spec;
            if spec.media == *media && spec.sends && spec.publication != name {
                name.clone_into(&mut spec.publication);
                content.started = false;
                changed = true;
            }
        }
        changed
    }

    /// The contents that flow and were not reported, and whether a silence of them was.
    pub(crate) fn take_flowing(&mut self) -> Vec<(String, bool)> {
        let mut flowing = Vec::new();
        for content in self.iter_mut() {
            if let Flow::Unreported { after_silence } = content.flow {
                content.flow = Flow::Reported;
                flowing.push((content.label.clone(), after_silence));
            }
        }
        flowing
    }

    /// The session is connected again: the media layer reports again what flows.
    pub(crate) fn forget_reported_flow(&mut self) {
        for content in self.iter_mut().filter(|content| content.flow == Flow::Reported) {
            content.flow = Flow::Nothing;
        }
    }

    /// The media layer has to learn again what flows.
    pub(super) fn start_again(&mut self) {
        self.iter_mut().filter(|content| content.negotiated.is_some()).for_each(|content| content.started = false);
    }
}

/// The first of `name`, `name-2`, … that is free.
pub(super) fn free(name: &str, is_free: impl Fn(&String) -> bool) -> String {
    let others = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(others).find(is_free).expect("a session has few contents")
}
