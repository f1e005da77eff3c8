//! Jingle itself (XEP-0166), with grouping (XEP-0338) and Muji's marker (XEP-0272 section 5).

use std::fmt;

use jid::BareJid;
use minidom::Element;

use crate::bridge::{self, BridgeMark};
pub use crate::content::{Content, MAX_CONTENTS};
use crate::element::{Build, parsed, text};
use crate::session_info::SessionInfo;
pub use crate::side::{Senders, Side};
use crate::{Skipped, muji, ns};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A name that is not known here.
            Other(String),
        }

        impl $name {
            /// The name on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            fn from_word(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word.chars().take(64).collect()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What a Jingle stanza asks for (XEP-0166 section 7.2).
    Action {
        /// Adds a content.
        ContentAdd = "content-add",
        /// Takes an added content.
        ContentAccept = "content-accept",
        /// Changes who sends.
        ContentModify = "content-modify",
        /// Refuses an added content.
        ContentReject = "content-reject",
        /// Removes a content.
        ContentRemove = "content-remove",
        /// Changes parameters of a description.
        DescriptionInfo = "description-info",
        /// Changes parameters of a security precondition.
        SecurityInfo = "security-info",
        /// Takes the session.
        SessionAccept = "session-accept",
        /// News about the session.
        SessionInfo = "session-info",
        /// Offers a session.
        SessionInitiate = "session-initiate",
        /// Ends the session.
        SessionTerminate = "session-terminate",
        /// Takes another transport.
        TransportAccept = "transport-accept",
        /// More candidates.
        TransportInfo = "transport-info",
        /// Refuses another transport.
        TransportReject = "transport-reject",
        /// Offers another transport.
        TransportReplace = "transport-replace",
    }
}

words! {
    /// Why something ended (XEP-0166 section 7.4). Underscores, which Dino sends, are read as hyphens.
    Reason {
        /// Another session takes its place.
        AlternativeSession = "alternative-session",
        /// The user is in another call.
        Busy = "busy",
        /// The initiator gave up.
        Cancel = "cancel",
        /// No way through.
        ConnectivityError = "connectivity-error",
        /// The user declined.
        Decline = "decline",
        /// Nobody answered in time.
        Expired = "expired",
        /// The application could not be set up.
        FailedApplication = "failed-application",
        /// The transport could not be set up.
        FailedTransport = "failed-transport",
        /// Anything else.
        GeneralError = "general-error",
        /// The other side left.
        Gone = "gone",
        /// No common parameters.
        IncompatibleParameters = "incompatible-parameters",
        /// The media failed.
        MediaError = "media-error",
        /// A security precondition failed.
        SecurityError = "security-error",
        /// The call is over as it should be.
        Success = "success",
        /// No answer in time.
        Timeout = "timeout",
        /// None of the applications is known.
        UnsupportedApplications = "unsupported-applications",
        /// None of the transports is known.
        UnsupportedTransports = "unsupported-transports",
    }
}

words! {
    /// Jingle's own conditions inside a stanza error (XEP-0166 section 10).
    Condition {
        /// The action makes no sense in this state.
        OutOfOrder = "out-of-order",
        /// Two crossing requests, this one loses.
        TieBreak = "tie-break",
        /// There is no such session with this peer.
        UnknownSession = "unknown-session",
        /// A session-info that is not understood.
        UnsupportedInfo = "unsupported-info",
    }
}

impl Condition {
    /// The element to put into a stanza error.
    #[must_use]
    pub fn write(&self) -> Element {
        Element::bare(self.as_str(), ns::JINGLE_ERRORS)
    }

    /// Reads the application-specific element of a stanza error.
    #[must_use]
    pub fn read(element: &Element) -> Option<Self> {
        (element.ns() == ns::JINGLE_ERRORS).then(|| Self::from_word(element.name()))
    }
}

/// A `<reason/>` with its text (XEP-0166 section 7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonElement {
    /// The reason.
    pub reason: Reason,
    /// The sentence for people.
    pub text: Option<String>,
    /// The session that takes its place, with [`Reason::AlternativeSession`].
    pub instead: Option<String>,
    /// The sender talks only with encryption, and the other offered none (XEP-0167 section 7.2).
    pub crypto_required: bool,
}

impl From<Reason> for ReasonElement {
    fn from(reason: Reason) -> Self {
        Self { reason, text: None, instead: None, crypto_required: false }
    }
}

impl ReasonElement {
    /// Longest text for people that is kept.
    const MAX_TEXT: usize = 256;

    pub(crate) fn read(element: &Element) -> Self {
        let mut this = Self::from(Reason::GeneralError);
        for child in element.children().filter(|child| child.ns() == ns::JINGLE) {
            if child.name() == "text" {
                this.text = Some(child.text().chars().take(Self::MAX_TEXT).collect());
            } else {
                this.reason = Reason::from_word(&child.name().replace('_', "-"));
                this.instead = child.get_child("sid", ns::JINGLE).map(|sid| sid.text().chars().take(64).collect());
            }
        }
        this.crypto_required = element.has_child("crypto-required", ns::RTP_ERRORS);
        this
    }

    pub(crate) fn write(&self) -> Element {
        let text = self.text.as_ref().map(|text| {
            let mut element = Element::bare("text", ns::JINGLE);
            element.append_text(text);
            element
        });
        let instead = self.instead.as_ref().map(|instead| {
            let mut sid = Element::bare("sid", ns::JINGLE);
            sid.append_text(instead);
            sid
        });
        let reason = Element::bare(self.reason.as_str(), ns::JINGLE).children_from(instead);
        let crypto_required = self.crypto_required.then(|| Element::bare("crypto-required", ns::RTP_ERRORS));
        Element::bare("reason", ns::JINGLE).child(reason).children_from(text).children_from(crypto_required)
    }
}

/// Contents that belong together, such as those that share one transport (XEP-0338).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `BUNDLE`, `LS`.
    pub semantics: String,
    /// The contents' names.
    pub contents: Vec<String>,
}

impl Group {
    fn read(element: &Element) -> Option<Self> {
        let contents = element.children().filter(|child| child.is("content", ns::GROUPING));
        let contents = contents.filter_map(|content| text(content, "name")).take(MAX_CONTENTS).collect();
        Some(Self { semantics: text(element, "semantics")?, contents })
    }

    fn write(&self) -> Element {
        let contents = self.contents.iter().map(|name| Element::bare("content", ns::GROUPING).with("name", name));
        Element::bare("group", ns::GROUPING).with("semantics", &self.semantics).children_from(contents)
    }
}

/// A `<jingle/>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jingle {
    /// What it asks for.
    pub action: Action,
    /// The session, unique between the two.
    pub sid: String,
    /// Written by us; never trusted of others, whose stanza's `from` counts (Movim swaps the two).
    pub initiator: Option<String>,
    /// As `initiator`.
    pub responder: Option<String>,
    /// The contents it speaks of.
    pub contents: Vec<Content>,
    /// Contents that belong together.
    pub group: Option<Group>,
    /// The Muji room this session belongs to; first child at Movim, last at Dino.
    pub room: Option<BareJid>,
    /// Why it ends.
    pub why: Option<ReasonElement>,
    /// The payload of a session-info.
    pub info: Option<SessionInfo>,
    /// The sender is a conference, such as a mixer (XEP-0298); read with an offer and its answer.
    pub is_focus: bool,
    /// The sender is this bridge; read with an offer and its answer.
    pub bridge: Option<BridgeMark>,
}

impl Jingle {
    /// An element with nothing in it yet.
    #[must_use]
    pub fn new(action: Action, sid: &str) -> Self {
        Self {
            action,
            sid: sid.to_owned(),
            initiator: None,
            responder: None,
            contents: Vec::new(),
            group: None,
            room: None,
            why: None,
            info: None,
            is_focus: false,
            bridge: None,
        }
    }

    /// True for the element that [`Self::read`] takes.
    #[must_use]
    pub fn matches(element: &Element) -> bool {
        element.is("jingle", ns::JINGLE)
    }

    /// Reads a `<jingle/>`; `None` without an action or a session id, if it modifies contents without saying who sends them,
    /// or if it offers a session none of whose contents are the session's own: that is the sender's fault (`bad-request`).
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let action = Action::from_word(element.attr("action")?);
        let mut this = Self::new(action, &text(element, "sid")?);
        this.initiator = text(element, "initiator");
        this.responder = text(element, "responder");
        let begins = matches!(this.action, Action::SessionInitiate | Action::SessionAccept);
        let mut info = None;
        let contents = || element.children().filter(|child| child.is("content", ns::JINGLE));
        if this.action == Action::ContentModify && contents().any(|content| content.attr("senders").is_none()) {
            return None;
        }
        // Such as early media alone (XEP-0166 section 7.2.9).
        let own = |content: &Element| content.attr("disposition").is_none_or(|disposition| disposition == "session");
        if this.action == Action::SessionInitiate && contents().next().is_some() && !contents().any(own) {
            return None;
        }
        for child in element.children() {
            if child.is("content", ns::JINGLE) && this.contents.len() < MAX_CONTENTS {
                this.contents.extend(Content::read(child, skipped));
            } else if child.is("reason", ns::JINGLE) {
                this.why = Some(ReasonElement::read(child));
            } else if child.is("group", ns::GROUPING) {
                this.group = Group::read(child);
            } else if child.is("muji", ns::MUJI) {
                this.room = parsed(child, "room");
                if let Some(room) = child.attr("room").filter(|_| this.room.is_none()) {
                    skipped.note("muji", format_args!("the room {room}, which is no JID"));
                }
            } else if begins && bridge::is_focus(child) {
                this.is_focus = true;
            } else if begins && child.is("bridge", ns::BRIDGE) {
                this.bridge = BridgeMark::read(child);
            } else if this.action == Action::SessionInfo && info.is_none() {
                info = Some(child);
            } else {
                skipped.note("jingle", child.name());
            }
        }
        if this.action == Action::SessionInfo {
            this.info = Some(SessionInfo::read(info));
        }
        Some(this)
    }

    /// Writes the element, Muji's marker last as Dino does.
    #[must_use]
    pub fn write(&self) -> Element {
        let modifies = self.action == Action::ContentModify; // Who sends is mandatory there (XEP-0166 section 7.2.3).
        let contents = self.contents.iter().map(|content| match modifies {
            true => content.write_with(Some(content.senders)),
            false => content.write(),
        });
        Element::bare("jingle", ns::JINGLE)
            .with("action", &self.action)
            .with_opt("initiator", self.initiator.as_ref())
            .with_opt("responder", self.responder.as_ref())
            .with("sid", &self.sid)
            .children_from(contents)
            .children_from(self.group.as_ref().map(Group::write))
            .children_from(self.is_focus.then(bridge::focus))
            .children_from(self.bridge.as_ref().map(BridgeMark::write))
            .children_from(self.info.as_ref().and_then(SessionInfo::write))
            .children_from(self.why.as_ref().map(ReasonElement::write))
            .children_from(self.room.as_ref().map(muji::marker))
    }
}
