//! Somebody who called a bridge, or whom it calls.

use std::time::Instant;

use jid::BareJid;
use muji_jingle::CallId;
use muji_xep::bridge::BridgeMark;
use muji_xep::conference_info::EndpointStatus;
use muji_xep::dtmf::Digit;

use crate::error::EndReason;
use crate::guest::Guest;

/// Digits that are kept before `#`; what is longer is no PIN.
const MAX_DIGITS: usize = 32;

/// What a command begins with, once it was pressed.
const STAR: &str = "*";

/// How far somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerState {
    /// It is called, and has not picked up.
    Called,
    /// Its call was taken, and connects.
    Entering,
    /// The same of one who has to enter the PIN then.
    EnteringLobby {
        /// When its time is up.
        until: Instant,
    },
    /// It is connected and has to enter the PIN.
    Lobby {
        /// When its time is up.
        until: Instant,
        /// When it is asked next.
        tone: Instant,
    },
    /// It hears and is heard.
    In,
    /// Its call is being ended.
    Leaving,
}

impl CallerState {
    /// The same once the PIN was right.
    pub(super) fn admitted(self) -> Self {
        match self {
            Self::EnteringLobby { .. } => Self::Entering,
            Self::Lobby { .. } => Self::In,
            Self::Called | Self::Entering | Self::In | Self::Leaving => self,
        }
    }
}

/// Somebody who called a bridge, or whom it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its call.
    pub call: CallId,
    /// A short name for it, such as `c1`, unique in the life of the bridge.
    pub id: String,
    /// Who it is.
    pub jid: BareJid,
    /// How far it is.
    pub state: CallerState,
    /// It pressed `*6`.
    pub muted_by_key: bool,
    /// The bridge's owner muted it.
    pub muted_by_owner: bool,
    /// Its client said that it is muted.
    pub muted_itself: bool,
    /// Its client said that it does not listen for now.
    pub holds: bool,
    /// Its call has video: it is sent who speaks.
    pub video: bool,
    /// Its client is a conference itself, such as a mixer (XEP-0298): one caller at most is.
    pub is_focus: bool,
    /// It is this bridge.
    pub bridge: Option<BridgeMark>,
    /// Why it is gone.
    pub over: Option<EndReason>,
    pub(super) tries: u32,
    /// What it was told last of what it can say: once, as what answers may be a program that answers too.
    pub(super) hint: Option<&'static str>,
    digits: String,
    /// What was told of it last.
    pub(super) told: Option<Guest>,
    /// The others, as it was told of them last.
    pub(super) informed: Vec<Guest>,
    /// What its client was told that we are.
    pub(super) marked: Option<BridgeMark>,
}

/// What a key does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    Nothing,
    /// `#` behind these digits.
    Entered(String),
    /// `*6`.
    Mute,
}

impl Caller {
    pub(super) fn new(call: CallId, id: String, jid: BareJid, state: CallerState) -> Self {
        Self {
            call,
            id,
            jid,
            state,
            muted_by_key: false,
            muted_by_owner: false,
            muted_itself: false,
            holds: false,
            video: false,
            is_focus: false,
            bridge: None,
            over: None,
            tries: 0,
            hint: None,
            digits: String::new(),
            told: None,
            informed: Vec::new(),
            marked: None,
        }
    }

    /// True if it has to enter the PIN.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self.state, CallerState::EnteringLobby { .. } | CallerState::Lobby { .. })
    }

    /// True if it is not heard, by its own decision or the owner's.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.is_muted_here() || self.muted_itself
    }

    /// True if what it sends is not passed on.
    pub(super) fn is_muted_here(&self) -> bool {
        self.muted_by_key || self.muted_by_owner
    }

    /// As the room sees it if it shows addresses.
    #[must_use]
    pub fn guest(&self) -> Guest {
        let status = match self.state {
            CallerState::Called => EndpointStatus::Alerting,
            CallerState::Entering | CallerState::EnteringLobby { .. } | CallerState::Lobby { .. } => {
                EndpointStatus::DialingIn
            }
            CallerState::Leaving => EndpointStatus::Disconnected,
            CallerState::In if self.holds => EndpointStatus::OnHold,
            CallerState::In => EndpointStatus::Connected,
        };
        let name = self.jid.node().map_or_else(|| self.jid.to_string(), ToString::to_string);
        Guest {
            id: self.id.clone(),
            name,
            jid: Some(self.jid.clone()),
            status,
            muted: self.is_muted(),
            source: Some(self.call.source()),
        }
    }

    pub(super) fn press(&mut self, digit: Digit) -> Pressed {
        match digit.key() {
            '#' => return Pressed::Entered(std::mem::take(&mut self.digits)),
            '*' => self.digits = STAR.to_owned(), // What was entered before was wrong.
            '6' if self.digits == STAR && self.state == CallerState::In => {
                self.digits.clear();
                return Pressed::Mute;
            }
            key if self.digits.len() <= MAX_DIGITS => {
                if self.digits == STAR {
                    self.digits.clear();
                }
                self.digits.push(key);
            }
            _ => {}
        }
        Pressed::Nothing
    }
}
