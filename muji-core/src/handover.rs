//! A call that moves between one person and a room.

use std::time::Instant;

use jid::Jid;
use muji_jingle::Session;
use muji_xep::rtp::Media;

use crate::pair::PairState;
use crate::trust::Verification;

/// What a call with one person takes into a room.
#[derive(Debug, Clone)]
pub(crate) struct Handover {
    pub(crate) session: Session,
    pub(crate) media: Vec<Media>,
    pub(crate) muted: Vec<Media>,
    pub(crate) holding: bool,
    pub(crate) state: PairState,
    pub(crate) since: Instant,
    pub(crate) verification: Verification,
    /// To whom we showed ourselves for this call.
    pub(crate) shown_to: Option<Jid>,
    /// Under what id it was proposed, if it was: at its end that is said.
    pub(crate) proposed: Option<String>,
}
