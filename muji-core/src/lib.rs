//! Audio and video calls over XMPP, with many (Muji, XEP-0272) or with one (Jingle, XEP-0353), for any chat client.
//!
//! A call needs nothing but the XMPP server that a client already has: people meet in a room, say in their presence what
//! they send, and each pair talks over a Jingle session of its own. This crate does all of that but the media, which a
//! [`media::MediaBackend`] does: `muji-media` is one, a client may bring its own.
//!
//! # The loop a client writes
//! ```sh
//! cargo add muji-core --features client   # once released; until then --path. tokio: any other connection; tokio-xmpp: one of this crate
//! ```
//! The client keeps its connection: it gives [`Muji`] the stanzas that come, sends those that it gets, and shows the events. Around
//! `tokio_xmpp::Client`, say:
#![cfg_attr(feature = "client", doc = "```no_run")]
#![cfg_attr(not(feature = "client"), doc = "```ignore")]
//! use std::{error::Error, pin::pin};
//!
//! use futures::{StreamExt, channel::mpsc};
//! use muji_core::media::MediaBackend;
//! use muji_core::{Event, EventScope, Handled, Join, Muji, Notice, error::EndReason};
//! use tokio_xmpp::{Client, jid::BareJid};
//!
//! async fn call(client: Client, media: impl MediaBackend + 'static, room: BareJid) -> Result<EndReason, Box<dyn Error>> {
//!     let mut muji = Muji::new(media); // A stream of notices: it owns no connection and spawns nothing.
//!     let (sender, mut receiver) = client.split();
//!     let (outbox, waiting) = mpsc::unbounded();
//!     let mut written = pin!(waiting.then(|stanza| sender.send_stanza(stanza))); // One after the other.
//!     let mut ours = None;
//!     loop {
//!         tokio::select! {
//!             event = receiver.next() => {
//!                 let event = event.ok_or("the client closed its connection")?;
//!                 if muji.handle_event(&event) != Handled::Taken {
//!                     println!("your client handles {event:?}");
//!                 }
//!                 if event.is_online() && ours.is_none() { // After a reconnection the call comes back by itself.
//!                     ours = Some(muji.join(room.clone(), Join::call_room())?); // Returns at once.
//!                 }
//!             }
//!             Some(written) = written.next() => drop(written?),
//!             Some(notice) = muji.next() => match notice {
//!                 Notice::Send(stanza) => outbox.unbounded_send(stanza.into())?,
//!                 Notice::Event(EventScope::Call(call), Event::Ended(why)) if ours == Some(call) => return Ok(why),
//!                 Notice::Event(about, event) => println!("your client shows {about:?}: {event:?}"),
//!             },
//!         }
//!     }
//! }
//! ```
//! Whole programs are `examples/tokio_client.rs` and `examples/minimal.rs` of the repository; `docs/cookbook.md` has recipes for the rest.
//!
//! `Client::send_stanza` returns when the stanza is written, which may be never while the connection is gone. Never await it where events
//! and `muji.next()` are awaited: the call would stand still meanwhile. `ClientReceiver` gives nothing while `ClientSender` writes, and
//! wakes nobody afterwards, so it is polled again after each write; in one `select!`, as here, it is.
//!
//! # Which connection
//! | | `tokio_xmpp::Client` 6.0.0 | `xmpp::Connection` (feature `tokio-xmpp`) |
//! |---|---|---|
//! | login | tries a wrong password again without a word; stalls now and then on tokio's multi-thread runtime (6 of 40; none with one worker thread) | fails with the reason |
//! | a lost connection | is not told, so [`ConnectionChange::Lost`] is never said, and invitations seem to go out | `Incoming::Lost` |
//! | a server that was restarted | was not found again in our tests | is found again, and calls go on |
//! | stanzas in odd forms, which real clients send | are dropped before anybody sees them | come as they were written |
//! | sending | waits until it is written | never waits |
//!
//! Both features take tokio-xmpp 6.0.0 and no other 6.x, whose streams may differ: a client that needs another one takes stanzas as text, see below.
//!
//! `Agent` of the crate `xmpp` 0.7 answers each request (`iq`) itself before its program sees it, so that calls are impossible with it.
//! A client that has its stanzas as elements gives them to [`Muji::handle_element`], which reads odd forms too.
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
//! Addresses are parsed: `ConnectionChange::Bound { jid: "romeo@example.org/orchard".parse()? }`; their types are those of [`jid`], which
//! is the crate of that name.
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
//! device was faster. With `Muji`, calls and invitations are answered alike: what waits is a [`Pending`], for `accept` or `decline`. A
//! caller who is no contact comes as [`Event::Stranger`] and learns nothing before the user acts: say who the contacts are
//! ([`Engine::set_contacts`]), or let [`Engine::accept_calls`] ask. To invite a third, [`Command::Invite`]: the call goes on in a room
//! ([`Event::GoesOnInRoom`]), under the same [`CallId`] and without a pause.
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
//! # What a client adds
//! - [`Engine::features`] in its disco#info and in its capabilities (XEP-0115): others ask before they call. A program that has no
//!   disco#info lets the Engine answer for it: [`Engine::answer_disco`].
//! - The server's copies (XEP-0280), turned on at each login: what other devices of the account do is known by them alone.
//! - Its contacts, those who see its presence: [`Engine::set_contacts`]. They make us ring, and others do not.
//! - What it says in each presence, such as its capabilities, that it is away, or its avatar: [`Engine::set_presence_extras_xml`], again
//!   when that changes.
//! - Available presence, without which a server delivers no call to the account's address.
//! - News of the connection: [`Engine::handle_connection`]. A call outlives a lost stream, a lost room and a restarted server by a minute;
//!   sound goes on meanwhile.
//! - Its user's name: [`config::Config::nick`]. A random one is used otherwise, which others see.
//! - If it reads its archive at login: [`Engine::handle_archived_xml`] and [`Engine::archive_done`], so that a call that still waits rings.
//!
//! A program that has none of this, such as a bot, calls [`Engine::accept_calls`], which does the presence, the copies and the contacts.
//!
//! # The contract
//! - After every input take [`Engine::poll_output`] until it is empty; the order is that of the wire.
//! - A stanza that was [`Handled::Taken`] is answered already, and nobody is shown it. [`Handled::Shared`] ones the client needs too. Of
//!   those that are [`Handled::NotOurs`], each request (`iq`) is answered by the client, if only with an error.
//! - Give the Engine the time on the wall with what comes ([`Engine::set_clock`]; [`Muji`] does): servers stamp what they deliver late, and
//!   a call that is three seconds old still rings.
//! - Nothing is opened, captured or sent before [`Engine::join`], [`Engine::call`] or [`Command::Accept`], whatever others send,
//!   but that it rings, to contacts and to those who are in a call with us.
//! - Bounds and deadlines stand in [`config`]; what is over a bound is refused and reported, the rest works on.
//!
//! # Quitting
//! [`Command::Leave`] for each call, then poll on until [`Event::Ended`] of each: all that is to be sent for it has come before, and a room
//! has five seconds to confirm it. Then send what waits, close the connection, and drop [`Muji`], which ends the media layer; that of
//! `muji-media` waits until recordings are written. A process without the time for that sends [`Engine::last_will`]. One that says
//! nothing leaves the others with a silent participant, until its server notices that its connection is gone.
//!
//! # In async code
//! - `muji.next()` may be dropped at any time and awaited again, such as in `select!`: nothing is lost. So may `xmpp::Connection::next`
//!   and `ClientReceiver::next`. `xmpp::Connection::send` waits for nothing.
//! - `ClientSender::send_stanza` may not: what was dropped is sent or not. A stream by `then`, as above, may be.
//! - Methods of [`Muji`] return at once. Neither deadlines nor the media layer have their turn while nobody polls it: a program that is
//!   busy for a second delays calls by that.
//! - While nobody polls [`Muji`], what follows from stanzas and commands waits in it, without bound; so poll it as long as you give it
//!   stanzas. Reports of `muji-media` wait in 4096 places and observations in 256, of which further ones are left out.
//!   `xmpp::Connection` reads no further while nobody awaits it; of what is to be sent 1024 stanzas wait, and 256 while it connects
//!   again, and more come back as `Incoming::Unsent`. The outbox of the loop above holds what calls say while nothing is written: some
//!   stanzas a minute.
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
pub mod bridge;
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
mod guest;
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
mod pending;
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
pub use guest::{EndpointStatus, Guest, ShownGuests};
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
pub use pending::Pending;
pub use trust::{CertificateHash, FingerprintVerifier, Opened, Verification};
pub use warning::{NotCalled, RoomRequest, Warning};
pub use xml::NotXml;
