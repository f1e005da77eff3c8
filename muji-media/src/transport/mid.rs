//! The header extension that names the content of a packet, its MID (RFC 9143 section 15): the contents of a bundle share one transport.

use muji_xep::jingle::Senders;
use muji_xep::rtp::HeaderExtension;

/// The id under which we offer it with every content; those of video are lower.
const ID: u16 = 3;

/// Longest name that fits into the one-byte form (RFC 8285 section 4.2).
pub(super) const MAX_NAME: usize = 16;

/// The extension as we offer it with every content.
#[must_use]
pub fn mid() -> HeaderExtension {
    HeaderExtension { id: ID, uri: HeaderExtension::MID.to_owned(), senders: Senders::Both }
}
