//! What must be known of a room before contents may be published in it: that everybody sees real JIDs, as sessions run
//! between them (XEP-0272 section 3). A room that we have created is configured so (XEP-0045 section 10.1).

use muji_xep::muc::{self, Privacy};
use muji_xep::{Element, disco, ns};
use xmpp_parsers::stanza_error::{DefinedCondition, StanzaError};

use super::room_query::RoomQuery;
use crate::error::RoomFault;

/// What follows from an answer of the room.
pub(super) enum NextStep {
    Ask(RoomQuery, Element),
    /// Real JIDs are visible.
    Done,
    Fail(RoomFault),
    /// It was no answer of this kind.
    Unrelated,
}

/// The first question to a room that we have created.
pub(super) fn ask_form() -> (RoomQuery, Element) {
    (RoomQuery::Form, muc::ask_form())
}

/// The question to a room of which we do not know whether everybody sees real JIDs.
pub(super) fn ask_anonymity() -> (RoomQuery, Element) {
    (RoomQuery::Anonymity, Element::bare("query", ns::DISCO_INFO))
}

/// The room answers what we asked it before publishing.
pub(super) fn answered(
    asked: &RoomQuery,
    answer: Result<Option<&Element>, &StanzaError>,
    privacy: Privacy,
    shows_jids: bool,
) -> NextStep {
    match (asked, answer) {
        (RoomQuery::Form, Ok(Some(form))) => match muc::fill_in(form, privacy) {
            Some(form) => NextStep::Ask(RoomQuery::Configuration { least: false }, form),
            None => NextStep::Fail(RoomFault::Configuration),
        },
        // A service without forms: the room as it is, if that is good enough.
        (RoomQuery::Form, Err(_)) => NextStep::Ask(RoomQuery::Configuration { least: true }, muc::instant()),
        (RoomQuery::Configuration { least: false }, Err(error)) if is_policy(error) => {
            NextStep::Ask(RoomQuery::Configuration { least: true }, muc::only_real_jids())
        }
        (RoomQuery::Configuration { .. }, Ok(_)) if shows_jids => NextStep::Done,
        (RoomQuery::Configuration { .. }, Ok(_)) => {
            let (asked, query) = ask_anonymity(); // A service may take the form and have no field for it.
            NextStep::Ask(asked, query)
        }
        (RoomQuery::Form | RoomQuery::Configuration { .. }, _) => NextStep::Fail(RoomFault::Configuration),
        (RoomQuery::Anonymity, Ok(Some(info))) if shows_real_jids(info) => NextStep::Done,
        (RoomQuery::Anonymity, _) => NextStep::Fail(RoomFault::HidesRealJids),
        (RoomQuery::SelfPing | RoomQuery::Admission(_) | RoomQuery::Request(_), _) => NextStep::Unrelated,
    }
}

/// The form went against the service's policy (XEP-0045 section 10.1.3).
fn is_policy(error: &StanzaError) -> bool {
    matches!(error.defined_condition, DefinedCondition::NotAcceptable | DefinedCondition::BadRequest)
}

/// True if a room's disco#info says that everybody sees real JIDs.
pub(super) fn shows_real_jids(info: &Element) -> bool {
    disco::has_feature(info, "muc_nonanonymous")
}
