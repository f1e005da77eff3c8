//! What a call is given with each input.

use std::collections::VecDeque;
use std::time::Instant;

use jid::{FullJid, Jid};
use muji_jingle::fault::PeerFault;
use muji_jingle::{CallId, ContentSpec, Ids, OutgoingMessage, Session, SessionEvent, SessionOutput};
use muji_xep::jmi::{JingleMessage, MessageKind, MessageReason};
use muji_xep::rtp::Media;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;

use crate::client_quirks::KnownClients;
use crate::config::{self, Config};
use crate::event::{Event, EventScope};
use crate::media::Capabilities;
use crate::outgoing_stanza::OutgoingStanza;
use crate::output::Output;
use crate::stanza::chat;
use crate::trust::{CertificateHash, Trust};
use crate::warning::Warning;

/// What all calls share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) ids: Ids,
    pub(crate) capabilities: Capabilities,
    pub(crate) config: Config,
    /// What the client says in every presence.
    pub(crate) extras: Vec<Element>,
    pub(crate) trust: Trust,
    pub(crate) clients: KnownClients,
    pub(crate) out: VecDeque<Output>,
    pub(crate) ended: Ended,
}

impl Shared {
    pub(crate) fn new(ids: Ids, capabilities: Capabilities, config: Config) -> Self {
        Self {
            ids,
            capabilities,
            config,
            extras: Vec::new(),
            trust: Trust::default(),
            clients: KnownClients::default(),
            out: VecDeque::new(),
            ended: Ended::default(),
        }
    }

    pub(crate) fn context(&mut self, now: Instant) -> Context<'_> {
        Context {
            now,
            ids: &mut self.ids,
            capabilities: &self.capabilities,
            config: &self.config,
            extras: &self.extras,
            trust: &mut self.trust,
            clients: &self.clients,
            out: &mut self.out,
            ended: &mut self.ended,
        }
    }
}

/// The time, what all calls share, and where to put what follows.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) ids: &'a mut Ids,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) config: &'a Config,
    /// What the client says in every presence.
    pub(crate) extras: &'a [Element],
    pub(crate) trust: &'a mut Trust,
    pub(crate) clients: &'a KnownClients,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) ended: &'a mut Ended,
}

impl Context<'_> {
    pub(crate) fn send(&mut self, stanza: impl Into<Stanza>) {
        self.out.push_back(Output::Send(OutgoingStanza::new(stanza)));
    }

    pub(crate) fn event(&mut self, call: CallId, event: Event) {
        self.out.push_back(Output::Event(EventScope::Call(call), event));
    }

    /// Takes back that somebody saw us for one call.
    pub(crate) fn hide_from(&mut self, shown_to: Option<Jid>) {
        if let Some(to) = shown_to {
            self.send(Presence::new(Type::Unavailable).with_to(to));
        }
    }

    /// Tells a device with which we talked that the call of this id is over, and by copies all other devices of both.
    pub(crate) fn say_finished(&mut self, to: &FullJid, id: &str, because: MessageReason) {
        let message = JingleMessage::new(id, MessageKind::Finish(because));
        self.say(OutgoingMessage { to: to.clone().into(), message });
    }

    /// Says something about ringing. A proposal's message has its id, by which an error is known.
    pub(crate) fn say(&mut self, mut say: OutgoingMessage) {
        if say.message.kind == MessageKind::Proceed {
            say.message.device = self.trust.own_device();
        }
        let id = if say.to.is_bare() { say.message.id.clone() } else { self.ids.token() };
        let payloads = say.message.write();
        self.send(chat(say.to, id, payloads));
    }

    /// The certificates that somebody may show, if others are refused.
    pub(crate) fn certificates(&self, who: &FullJid) -> Vec<CertificateHash> {
        if self.config.refuse_changed { self.trust.pinned(&who.to_bare()) } else { Vec::new() }
    }

    /// Hands over what a session says to others, and gives what it says to its owner.
    pub(crate) fn pass_on(&mut self, session: &mut Session) -> Vec<SessionEvent> {
        let mut events = Vec::new();
        while let Some(output) = session.poll_output() {
            match output {
                SessionOutput::Send(mut iq) => {
                    if !self.trust.seal(&mut iq) {
                        let warning = Warning::FingerprintNotSealed { nick: session.parties().name.clone() };
                        self.event(session.parties().call, Event::Warning(warning));
                    }
                    self.send(*iq);
                }
                SessionOutput::Media(command) => self.out.push_back(Output::Media(command)),
                SessionOutput::Event(event) => events.push(event),
            }
        }
        events
    }

    /// A medium as it may be received, or sent before it has a name in a room.
    pub(crate) fn of_medium(&mut self, media: &Media, sends: bool) -> ContentSpec {
        ContentSpec {
            publication: media.to_string(),
            sends,
            media: media.clone(),
            ssrc: self.ids.ssrc(),
            rtx_ssrc: self.capabilities.rtx(media).then(|| self.ids.ssrc()),
            payload_types: self.capabilities.of(media).to_vec(),
            extensions: self.capabilities.extensions(media).to_vec(),
        }
    }

    /// All that can be decoded, to be received, and to be sent too if the user wants it.
    pub(crate) fn decodable(&mut self, sends: bool) -> Vec<ContentSpec> {
        let media = [Media::Audio, Media::Video, Media::Slides]
            .into_iter()
            .filter(|media| !self.capabilities.of(media).is_empty());
        let media: Vec<Media> = media.collect();
        media.iter().map(|media| self.of_medium(media, sends)).collect()
    }
}

/// Ended sessions, so that a late request for one of them gets the right answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ended(VecDeque<(FullJid, String, Whose)>);

/// Who had a session that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    /// Another device of the user had it, or still has.
    Elsewhere,
}

impl Ended {
    pub(crate) fn remember(&mut self, peer: FullJid, sid: String, whose: Whose) {
        if self.0.len() == config::MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((peer, sid, whose));
    }

    /// What is wrong with a request for a session of this id; `None` if there was none.
    pub(crate) fn fault(&self, peer: &FullJid, sid: &str) -> Option<PeerFault> {
        let (_, _, whose) = self.0.iter().find(|(known, id, _)| known == peer && id == sid)?;
        Some(match whose {
            Whose::Ours => PeerFault::UnknownSession { sid: sid.to_owned() },
            Whose::Elsewhere => PeerFault::Elsewhere,
        })
    }
}
