//! Audio and video calls over XMPP, with many (Muji, XEP-0272) or with one (Jingle, XEP-0353), for any chat client.
//!
//! A call needs nothing but the XMPP server that a client already has: people meet in a room, say in their presence what
//! they send, and each pair talks over a Jingle session of its own. This crate does all of that but the media, which a
//! [`media::MediaBackend`] does: `muji-media` is one, a client may bring its own.
//!
//! # The loop a client writes
//! ```sh
//! cargo add muji-core --features tokio
//! ```
//! The client keeps its connection: it gives [`Muji`] the stanzas that come, sends those that it gets, and shows the events. Around
//! `tokio_xmpp::Client`, say:
#![cfg_attr(feature = "tokio", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! use futures::StreamExt;
//! use muji_core::media::MediaBackend;
//! use muji_core::{ConnectionChange, Event, Handled, Join, Muji, Notice, error::EndReason};
//! use tokio_xmpp::{Client, Event as Xmpp, jid::BareJid};
//!
//! async fn call(
//!     client: &mut Client,
//!     media: impl MediaBackend + 'static,
//!     room: BareJid,
//! ) -> Result<EndReason, Box<dyn std::error::Error>> {
//!     let mut muji = Muji::new(media); // A stream of notices: it owns no connection and spawns nothing.
//!     muji.connected(client.bound_jid().ok_or("log in first")?.clone());
//!     muji.join(room, Join::call_room())?; // Returns at once; events say what becomes of it.
//!     loop {
//!         tokio::select! {
//!             event = client.next() => match event {
//!                 Some(Xmpp::Stanza(stanza)) if muji.handle_stanza(&stanza) == Handled::Taken => {}
//!                 Some(Xmpp::Stanza(stanza)) => println!("your client handles {stanza:?}"),
//!                 Some(Xmpp::Online { resumed: true, .. }) => muji.connection(ConnectionChange::Resumed),
//!                 Some(Xmpp::Online { bound_jid, .. }) => muji.connected(bound_jid.try_into_full().or(Err("bare JID"))?),
//!                 Some(Xmpp::Disconnected(_)) => muji.connection(ConnectionChange::Lost),
//!                 None => return Err("the client closed its connection".into()),
//!             },
//!             Some(notice) = muji.next() => match notice {
//!                 Notice::Send(stanza) => drop(client.send_stanza(stanza.into()).await?),
//!                 Notice::Event(_, Event::Ended(why)) => return Ok(why),
//!                 Notice::Event(about, event) => println!("your client shows {about:?}: {event:?}"),
//!             },
//!         }
//!     }
//! }
//! ```
//! A whole program is `examples/minimal.rs` of the repository.
//!
//! `tokio_xmpp::Client` drops stanzas in odd forms, which real clients send, before anybody sees them. A client that has its stanzas as
//! elements gives them to [`Muji::handle_element`], which reads all of them; so does `xmpp::Connection` here.
//!
//! # With another XMPP crate
//! Types of xmpp-parsers and minidom are only in the API with the feature `xmpp-parsers`, which is on by default. A client on other
//! crates, or on other versions of these, gives each stanza as text and takes it as text, and needs no other version of this crate for it:
//!
//! ```sh
//! cargo add muji-core --no-default-features --features tokio
//! ```
#![cfg_attr(feature = "tokio", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! use muji_core::{Handled, Muji, NotXml, Notice};
//!
//! fn came(muji: &mut Muji, stanza: &str) -> Result<bool, NotXml> {
//!     Ok(muji.handle_xml(stanza)? == Handled::Taken)
//! }
//!
//! fn to_send(notice: Notice) -> Option<String> {
//!     if let Notice::Send(stanza) = notice { Some(stanza.to_xml()) } else { None }
//! }
//! ```
//! Addresses are parsed: `muji.connected("romeo@example.org/orchard".parse()?)`; their types are those of [`jid`], which is
//! the crate of that name.
//!
//! # With an event loop of its own
//! Without `Muji`: [`Engine`], which takes stanzas, media reports, commands and the time as values and gives [`Output`]s.
//! It holds no clock, task, lock or socket.
//!
//! ```text
//!   client's connection ── handle_stanza ──►  Muji (feature "tokio")  ◄── poll_report ── MediaBackend
//!                       ◄── Notice::Send ──   Engine                  ── execute ──►
//!   client's window     ◄── Notice::Event ──    Conference: one room, one muji_jingle::Session with each participant
//!                                               DirectCall: one person, several devices, one muji_jingle::Session
//! ```
//!
//! # With one person
//! [`Engine::call`] rings on all devices of somebody and talks with the one that picks up first. Who calls us comes as
//! [`Event::Ringing`], on each of our devices; [`Command::Accept`] or [`Command::Decline`] it, and [`Event::Ended`] says if another
//! device was faster. A caller who is no contact comes as [`Event::Stranger`] and learns nothing before the user acts: say who the
//! contacts are ([`Engine::set_contacts`]), or let [`Engine::accept_calls`] ask. To invite a third, [`Command::Invite`]: the call goes on in
//! a room ([`Event::GoesOnInRoom`]), under the same [`CallId`] and without a pause.
//!
//! A client that makes such calls by other code sets [`config::Config::one_to_one`] to false.
//!
//! # In which room
//! | the call is | the client |
//! |---|---|
//! | in a room of its own, known by name | [`Join::call_room`]; on an invitation [`Engine::accept`] |
//! | in a room made for it | [`Engine::open`], then [`Command::Invite`], [`Command::InviteToRoom`] or [`Command::Admit`] |
//! | inside a chat room | enters it, [`Engine::set_presence_extras`], [`Join::chat_room`]; before that [`Engine::people_in_call`] |
//!
//! # What is sent
//! [`Join::media`] says what we take part in, [`Command::Add`] and [`Command::Remove`] change it in a running call, and
//! [`Command::Mute`] stops sending without giving it up. Others send us what both take part in: to see them without showing
//! oneself, take part with [`Media::Video`] and mute it. A screen is [`Media::Slides`], beside it and by the same rules.
//!
//! How it stands with each of the others, since when and what is done about it: [`Engine::pairs`].
//!
//! # The contract
//! - After every input take [`Engine::poll_output`] until it is empty; the order is that of the wire.
//! - A stanza that was [`Handled::Taken`] is answered already. [`Handled::Shared`] ones the client needs too.
//! - Add [`Engine::features`] to the client's disco#info: others ask before they call. A program that has no disco#info
//!   lets the Engine answer for it: [`Engine::answer_disco`].
//! - Tell the Engine what becomes of the connection: [`Engine::handle_connection`]. A call outlives a lost stream, a lost room and a
//!   restarted server by a minute; sound goes on meanwhile.
//! - Give the Engine the time on the wall with what comes ([`Engine::set_clock`]; [`Muji`] does): servers stamp what they deliver late, and
//!   a call that is three seconds old still rings.
//! - Turn on the server's copies (XEP-0280) at each login: what other devices of the account do is known by them alone.
//! - Nothing is opened, captured or sent before [`Engine::join`], [`Engine::call`] or [`Command::Accept`], whatever others send,
//!   but that it rings, to contacts and to those who are in a call with us.
//! - Bounds and deadlines stand in [`config`]; what is over a bound is refused and reported, the rest works on.
//!
//! Who is at the other end the servers say, unless the users compare [`Engine::authentication`], the client knows
//! certificates ([`Engine::pin`]), or it has an encryption between devices to which they are tied ([`FingerprintVerifier`]).
//!
//! Out of scope: packets and codecs (`muji-media`), chat, archives, encryption beyond DTLS-SRTP. Feature `tokio-xmpp` has
//! a connection for programs without one.
#![cfg_attr(docsrs, feature(doc_cfg))] // Shows which feature an item needs.
#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]
// What the network says must not be able to end the process.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod archived;
mod availability;
mod call_message;
mod client_quirks;
mod command;
mod conference;
pub mod config;
mod context;
mod delay;
mod direct;
mod disco;
mod engine;
pub mod error;
mod event;
mod handover;
mod ice_servers;
mod incoming_element;
mod invitation;
pub mod media;
#[cfg(feature = "tokio")]
mod muji;
mod occupants;
mod outgoing_stanza;
mod output;
mod pair;
mod peer;
mod room_service;
mod room_state;
mod shown_invitations;
#[cfg(feature = "xmpp-parsers")]
pub mod stanza;
#[cfg(not(feature = "xmpp-parsers"))]
#[expect(unreachable_pub, unused_imports, reason = "it is public with the feature")]
mod stanza;
mod timestamp;
#[cfg(feature = "tls")]
pub mod tls;
mod trust;
mod wall_clock;
mod warning;
mod xml;
#[cfg(feature = "tokio-xmpp")]
pub mod xmpp;

pub use command::{Command, Join};
pub use disco::Disco;
pub use engine::Engine;
pub use event::{ConnectionChange, Event, EventScope, Handled};
pub use invitation::Invitation;
pub use jid;
#[cfg(feature = "tokio")]
pub use muji::{Call, Muji, Notice};
pub use muji_jingle::{CallId, Hold, Mute, RingStopped, SessionId, Silence};
pub use muji_xep::Secret;
pub use muji_xep::dtmf::Digit;
pub use muji_xep::room_invite::{RoomInvite, Via};
pub use muji_xep::rtp::Media;
pub use outgoing_stanza::OutgoingStanza;
pub use output::Output;
pub use pair::{Pair, PairState, Recovery};
pub use peer::Peer;
pub use trust::{CertificateHash, FingerprintVerifier, Opened, Verification};
pub use warning::{NotCalled, RoomRequest, Warning};
pub use xml::NotXml;
