//! Contents that share one transport (XEP-0338).

use muji_xep::jingle::Group;

use crate::ids::TransportId;

/// What a group means whose contents share one transport (RFC 9143).
const BUNDLE: &str = "BUNDLE";

/// The bundle of a session, if the peer's offer makes one.
#[derive(Debug, Clone, Default)]
pub(super) struct Bundle {
    pub(super) names: Vec<String>,
    /// The transport of the first of them.
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

    /// The group that names these contents, if there are any.
    pub(super) fn group(contents: Vec<String>) -> Option<Group> {
        (!contents.is_empty()).then(|| Group { semantics: BUNDLE.to_owned(), contents })
    }
}
