//! A Jingle call with one other user, as values: stanzas and media reports in, stanzas and media commands out.
//!
//! ```text
//!   we initiate                                     they initiate
//!
//!   Opening ── described, permitted ──► Offered      Incoming ── accept ─► Answering
//!      │       session-initiate           │           │   described,      │
//!      │                    session-accept│           │ session-accept    │
//!      │                                  ▼           │                   │
//!      │                             Connecting ◄─────┼───────────────────┘
//!      │                                  │ every transport connected
//!      │                                  ▼           │
//!      │                                 Up           │
//!      └──────────► Ended ◄───────────────┴───────────┘
//!                   terminate from either side, a refusal, a deadline, a failed transport
//!
//!   a content in Connecting or Up
//!
//!   Adding ── described ──► Offered ── content-accept ──► Connecting ── connected ──► there ──► Removing ──► gone
//!             content-add      │                              ▲                        content-remove
//!                              └─ rejected, 30 s ─► gone      │ described, content-accept
//!                                  their content-add ──► Accepting
//! ```
//!
//! An [`OutgoingCall`], which calls all devices of a person, or an [`IncomingCall`], which is one of several devices that are called, comes before a
//! session; the session then has its id.
//!
//! # The contract
//! - After every call that may change a [`Session`], take [`Session::poll_output`] until it is empty: the order of the
//!   outputs is the order on the wire.
//! - Call [`Session::handle_timeout`] when the time of [`Session::poll_timeout`] has come. No state waits without a deadline
//!   but [`Session::is_connected`] and an offer held for its user, which has the user's.
//! - Nothing is opened, gathered or sent to a peer before [`Session::accept`] or [`Session::outgoing`].
//! - Who may call whom, and when, is not decided here; the room of a session is only written and read.
//!
//! Out of scope: rooms, connections, packets.
#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]
// What the network says must not be able to end the process.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod authentication;
mod contents;
pub mod fault;
mod ids;
pub mod incoming_call;
pub mod media;
pub mod outgoing_call;
mod parties;
pub mod pending;
mod session;
pub mod timers;

pub use contents::Silence;
pub use ids::{CallId, Ids, SessionId, TransportId};
pub use incoming_call::{IncomingCall, RingStopped, RingingReply};
pub use outgoing_call::{OutgoingCall, OutgoingCallEvent, OutgoingMessage, Returned, Unanswered};
pub use parties::{ContentSpec, SessionParams, SessionQuirks, TransportAbilities};
pub use session::{
    Awaited, ContentFailure, End, Hold, Mute, Session, SessionEvent, SessionOutput, SessionWarning, acknowledge,
    dismiss, refuse,
};
