//! People behind a participant that is a bridge.

use jid::BareJid;
use muji_xep::conference_info::{ConferenceInfo, ConferenceUser};

pub use muji_xep::conference_info::EndpointStatus;

/// Somebody who takes part through a bridge: all its guests are heard as one participant, the bridge, and what it hears they may hear. Who a
/// guest is, the bridge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// What tells it from other guests of this bridge.
    pub id: String,
    /// What people call it. Chosen by others: no file name as it is.
    pub name: String,
    /// Who it is, if the bridge says it.
    pub jid: Option<BareJid>,
    /// How its call stands.
    pub status: EndpointStatus,
    /// It hears and is not heard.
    pub muted: bool,
    /// What its sound is called in that of the bridge, which may tell how loud each guest is.
    pub source: Option<u32>,
}

/// Who takes part through a bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownGuests {
    /// Those whom it names.
    pub named: Vec<Guest>,
    /// How many more it counts: they are too many for its presence.
    pub more: u32,
}

/// The guests that a document names and counts. Without a name of its own one has its address, or its id.
pub(crate) fn of(info: ConferenceInfo) -> ShownGuests {
    let guest = |ConferenceUser { id, jid, name, status, muted, source }| {
        let name = name.or_else(|| jid.as_ref().map(ToString::to_string)).unwrap_or_else(|| id.clone());
        Guest { id, name, jid, status, muted, source }
    };
    let there = info.users.into_iter().filter(|user| user.status != EndpointStatus::Disconnected);
    ShownGuests { named: there.map(guest).collect(), more: info.more }
}

/// The document that names these guests; `entity` is what people call.
pub(crate) fn document(entity: Option<BareJid>, version: u32, guests: &[Guest]) -> ConferenceInfo {
    let user = |guest: &Guest| ConferenceUser {
        id: guest.id.clone(),
        jid: guest.jid.clone(),
        name: Some(guest.name.clone()),
        status: guest.status,
        muted: guest.muted,
        source: guest.source,
    };
    ConferenceInfo { entity, version, users: guests.iter().map(user).collect(), more: 0 }
}
