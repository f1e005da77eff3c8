//! The wire format of Muji calls: tolerant readers, strict writers.
//!
//! | XEP | version | module |
//! |---|---|---|
//! | 0272 Multiparty Jingle (Muji) | 0.2.0 | [`muji`] |
//! | 0166 Jingle, 0338 grouping | 1.1.2, 1.0.0 | [`jingle`] |
//! | 0167 Jingle RTP, 0293 feedback, 0294 header extensions, 0339 sources | 1.2.3, 1.0.2, 1.1.2, 1.0.1 | [`rtp`] |
//! | 0167 session-info payloads | 1.2.3 | [`session_info`] |
//! | 0181 keys of telephones, read only | 0.12 | [`dtmf`] |
//! | 0176 ICE-UDP | 1.1.1 | [`ice`] |
//! | 0320 DTLS-SRTP | 1.0.0 | [`dtls`] |
//! | 0045 Multi-User Chat | 1.35.5 | [`muc`] |
//! | 0353 Jingle Message Initiation | 0.8.0 | [`jmi`] |
//! | 0482 Call invites, 0334 hints | 0.1.0, 1.0.0 | [`invite`] |
//! | 0215 External services | 1.0.0 | [`extdisco`] |
//! | RFC 4575, who is in a conference; 0298 | 0.2 | [`conference_info`] |
//! | 0298, that one end is a conference; bridges in a ring | 0.2 | [`bridge`] |
//! | 0030 Service discovery: answers | 2.5.0 | [`disco`] |
//! | RFC 6121, contacts | | [`roster`] |
//! | SDP, for media layers: RFC 8839, RFC 8122 | | [`sdp`] |
//!
//! ```
//! use muji_xep::{Element, Skipped, muji::MujiElement};
//!
//! let element: Element = "<muji xmlns='urn:xmpp:jingle:muji:0'><preparing/><device id='7'/></muji>".parse()?;
//! let mut skipped = Skipped::default();
//! let muji = MujiElement::read(&element, &mut skipped);
//! assert!(muji.preparing);
//! assert_eq!(skipped.to_string(), "muji: device");
//! # Ok::<(), minidom::Error>(())
//! ```
//!
//! # The contract
//! - A reader never fails because of an unknown element or attribute. It takes what it knows and names the rest in [`Skipped`].
//! - Call [`guard::check`] on anything a stranger sent before reading it: cloning, printing or dropping a deep tree can
//!   exhaust the stack.
//! - A writer writes one form only, the one that every known client reads.
//!
//! Out of scope: stanzas (`muji_core::stanza` reads them), caps and data forms, which `xmpp-parsers` does well.
#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]
// What the network says must not be able to end the process.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod bridge;
mod codec_parameters;
pub mod conference_info;
mod content;
pub mod disco;
pub mod dtls;
pub mod dtmf;
mod element;
pub mod extdisco;
pub mod guard;
pub mod ice;
pub mod invite;
pub mod jingle;
pub mod jmi;
pub mod muc;
pub mod muji;
pub mod ns;
pub mod room_invite;
pub mod roster;
pub mod rtp;
pub mod sdp;
mod secret;
pub mod session_info;
mod side;
mod skipped;

pub use minidom::Element;
pub use secret::Secret;
pub use skipped::Skipped;
