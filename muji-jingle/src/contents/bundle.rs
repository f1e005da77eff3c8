//! Contents that share one transport (XEP-0338, RFC 9143).
//!
//! Each content of our offer has a transport of its own, and the group names those that may share one. A peer that answers with the
//! group uses the transport of the first (RFC 9143 section 7.3), and the others are closed. One that answers without it, as Dino does,
//! uses them all: neither costs a round trip.

use muji_xep::jingle::Group;
use muji_xep::rtp::PayloadType;

use crate::ids::TransportId;

/// What a group means whose contents share one transport (RFC 9143).
const BUNDLE: &str = "BUNDLE";

/// The bundle of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Bundle {
    /// The contents that may share one transport.
    pub(super) names: Vec<String>,
    /// That transport, once both sides agreed on it.
    pub(super) transport: Option<TransportId>,
}

impl Bundle {
    pub(super) fn of(group: Option<&Group>) -> Self {
        let names = group.filter(|group| group.semantics == BUNDLE).map(|group| group.contents.clone());
        Self { names: names.unwrap_or_default(), transport: None }
    }

    pub(super) fn includes(&self, name: &str) -> bool {
        self.names.iter().any(|bundled| bundled == name)
    }

    /// Where a content stands in the group; behind all others if it is not in it.
    pub(super) fn position(&self, name: &str) -> usize {
        self.names.iter().position(|bundled| bundled == name).unwrap_or(self.names.len())
    }

    /// These contents may share the transport too.
    pub(super) fn add(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if !self.includes(&name) {
                self.names.push(name);
            }
        }
    }

    /// The group that names these contents, if there are any.
    pub(super) fn group(contents: Vec<String>) -> Option<Group> {
        (!contents.is_empty()).then(|| Group { semantics: BUNDLE.to_owned(), contents })
    }
}

/// True if a payload type would mean two codecs in one transport (RFC 9143 section 9.1).
pub(super) fn clash<'a>(these: &[PayloadType], mut others: impl Iterator<Item = &'a PayloadType>) -> bool {
    others.any(|other| these.iter().any(|it| it.id == other.id && !it.same_codec(other)))
}
