//! One content of a session.
//!
//! ```text
//!   Adding ── content-add ──► Offered ── content-accept ──┐
//!   (our end is made)                                     ▼
//!                                                    Connecting ── connected ──► Settled ── content-remove ──► Removing
//!   Waiting ── session accepted ──► Accepting ────────────▲
//!                                   (our end is made, content-accept)
//! ```
//!
//! What comes with the session itself is settled from the start.

use std::time::Instant;

use muji_xep::dtmf::Digit;
use muji_xep::jingle::{Content, Senders, Side};
use muji_xep::rtp::{AnnouncedStream, Description, HeaderExtension, Parameter, PayloadType, Source, SourceGroup};

use super::hearing::Hearing;
use super::transport::SessionTransport;
use crate::ids::{SessionId, TransportId};
use crate::media::{MediaCommand, OpenContent, Sending};
use crate::parties::ContentSpec;
use crate::timers;

/// How far a content has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentState {
    /// Part of the session: it came with it, or was added and has connected.
    Settled,
    /// Ours: the content-add goes out once our end is made.
    Adding,
    /// Our content-add is out.
    Offered,
    /// The peer's: taken once the session is accepted.
    Waiting,
    /// The peer's: taken once our end is made.
    Accepting,
    /// Agreed; its transport connects.
    Connecting,
    /// Our content-remove is out.
    Removing,
}

/// What both sides agreed on.
#[derive(Debug, Clone)]
pub(super) struct NegotiatedContent {
    pub(super) send: PayloadType,
    /// How it is sent with copies of earlier frames, if the peer takes them.
    pub(super) red: Option<PayloadType>,
    /// How what the peer misses is sent again, if it takes that by an SSRC of its own.
    pub(super) rtx: Option<PayloadType>,
    /// How keys of telephones are sent, if the peer takes them.
    pub(super) telephone_event: Option<PayloadType>,
    /// By which SSRCs the peer sends, if it announced some.
    pub(super) streams: Vec<AnnouncedStream>,
}

/// Whether packets of a content come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// None came since the session was connected.
    Nothing,
    /// They come, and the owner of the session learns it once the session is connected.
    Unreported {
        /// It has been told of a silence before.
        after_silence: bool,
    },
    /// The owner knows.
    Reported,
}

/// Who does not listen for now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) peer: bool,
    pub(super) us: bool,
}

/// A content with one peer.
#[derive(Debug, Clone)]
pub(super) struct SessionContent {
    pub(super) spec: ContentSpec,
    /// Its name in this session, which need not be that of what we publish. Each side names what it adds, so two contents
    /// can have one name (XEP-0166 section 7.3).
    pub(super) name: String,
    /// Who added it.
    pub(super) creator: Side,
    /// Its name for the media layer and the user: that of the session, if no other content has it.
    pub(super) label: String,
    pub(super) transport: TransportId,
    /// What we may receive, with this session's ids: our offer, or the answer we give.
    pub(super) payload_types: Vec<PayloadType>,
    /// The same of header extensions; once it is agreed, those that both know.
    pub(super) extensions: Vec<HeaderExtension>,
    /// RTCP of reduced size (RFC 5506): we offer it, and answer it if it was offered. Without it Chromium sends a report with each NACK.
    pub(super) rtcp_reduced_size: bool,
    /// Who may send it, as last offered or agreed.
    pub(super) senders: Senders,
    /// We offered to receive it, and the peer answered that it sends nothing.
    pub(super) answered_silent: bool,
    /// RTCP shares the RTP component, as we offer it and the peer may.
    pub(super) rtcp_mux: bool,
    pub(super) flow: Flow,
    pub(super) negotiated: Option<NegotiatedContent>,
    /// The media layer knows what was agreed.
    pub(super) started: bool,
    pub(super) state: ContentState,
    /// When its state is given up.
    pub(super) until: Option<Instant>,
    pub(super) hearing: Hearing,
}

impl SessionContent {
    pub(super) fn is(&self, creator: Side, name: &str) -> bool {
        self.creator == creator && self.name == name
    }

    pub(super) fn set_state(&mut self, state: ContentState, until: Option<Instant>) {
        self.state = state;
        self.until = until;
    }

    /// Both sides take it: it is settled as soon as its transport is connected.
    pub(super) fn agree(&mut self, now: Instant, connected: bool) {
        if connected {
            self.set_state(ContentState::Settled, None);
        } else {
            self.set_state(ContentState::Connecting, Some(now + timers::CONNECT));
        }
    }

    pub(super) fn is_removing(&self) -> bool {
        self.state == ContentState::Removing
    }

    /// True if it carries, or will carry, this publication.
    pub(super) fn sends(&self, publication: &str) -> bool {
        self.spec.sends && self.spec.publication == publication
    }

    /// The peer answers who sends. It cannot take back that we offered to receive: Siskin answers that it sends nothing and sends all
    /// the same, so what comes is taken, and the peer counts as sending once something came.
    pub(super) fn answer_senders(&mut self, side: Side, answered: Senders) {
        self.answered_silent = self.senders.include(side.other()) && !answered.include(side.other());
        // It may narrow who sends, never widen it.
        let narrowed = [Side::Initiator, Side::Responder].into_iter().filter(|side| !answered.include(*side));
        self.senders = narrowed.fold(self.senders, |senders, side| senders.with(side, false));
    }

    /// True if the peer sends it, as agreed or as seen.
    pub(super) fn is_received(&self, side: Side) -> bool {
        let seen = self.answered_silent && self.flow != Flow::Nothing;
        self.negotiated.is_some() && (self.senders.include(side.other()) || seen)
    }

    /// Sends keys of telephones, if they were agreed on and we send.
    pub(super) fn send_digits(&self, session: SessionId, side: Side, digits: &[Digit]) -> Option<MediaCommand> {
        let payload_type = self.negotiated.as_ref()?.telephone_event.clone()?;
        let sends = self.started && !self.is_removing() && self.spec.sends && self.senders.include(side);
        let (content, digits) = (self.label.clone(), digits.to_vec());
        sends.then_some(MediaCommand::SendDigits { session, content, payload_type, digits })
    }

    /// The content with its name, creator and senders only.
    pub(super) fn reference(&self) -> Content {
        Content { creator: self.creator, senders: self.senders, ..Content::new(&self.name) }
    }

    /// The content as an offer or an answer has it.
    pub(super) fn write(&self, transport: &SessionTransport, cname: Option<u32>) -> Content {
        let cname = Parameter { name: "cname".to_owned(), value: cname.map(|cname| format!("{cname:08x}")) };
        let ssrcs = std::iter::once(self.spec.ssrc).chain(self.rtx_ssrc());
        let description = Description {
            sources: ssrcs.map(|ssrc| Source { ssrc, parameters: vec![cname.clone()] }).collect(),
            source_groups: Vec::from_iter(self.rtx_ssrc().map(|by| SourceGroup::sent_again(self.spec.ssrc, by))),
            rtcp_mux: self.rtcp_mux,
            rtcp_reduced_size: self.rtcp_reduced_size,
            extensions: self.extensions.clone(),
            ..Description::new(self.spec.media.clone(), self.payload_types.clone())
        };
        let offering = self.state == ContentState::Adding;
        Content { description: Some(description), transport: Some(transport.write(offering)), ..self.reference() }
    }

    /// The SSRC by which we send again what the peer misses, if that is offered or agreed on.
    fn rtx_ssrc(&self) -> Option<u32> {
        self.spec.rtx_ssrc.filter(|_| self.payload_types.iter().any(PayloadType::is_rtx))
    }

    /// What the media layer needs to make our end.
    pub(super) fn open(&self) -> OpenContent {
        OpenContent {
            name: self.label.clone(),
            media: self.spec.media.clone(),
            ssrc: self.spec.ssrc,
            rtx_ssrc: self.rtx_ssrc(),
            transport: self.transport,
            payload_types: self.payload_types.clone(),
            extensions: self.extensions.clone(),
        }
    }

    /// Tells the media layer what is agreed and new; nothing while it waits for the session.
    pub(super) fn start(&mut self, session: SessionId, side: Side, holding: Holding) -> Option<MediaCommand> {
        if self.started || self.state == ContentState::Waiting {
            return None;
        }
        let negotiated = self.negotiated.clone()?;
        self.started = true;
        let flows = !self.is_removing() && !holding.us;
        let sends = flows && !holding.peer && self.spec.sends && self.senders.include(side);
        let sending = Sending {
            publication: self.spec.publication.clone(),
            payload_type: negotiated.send,
            red: negotiated.red.map(|red| red.id),
            rtx: negotiated.rtx.map(|rtx| rtx.id),
        };
        Some(MediaCommand::Content {
            session,
            content: self.label.clone(),
            send: sends.then_some(sending),
            receive: flows && (self.senders.include(side.other()) || self.answered_silent),
            streams: negotiated.streams,
        })
    }
}
