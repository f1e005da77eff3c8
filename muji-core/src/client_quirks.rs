//! What other clients do in their own way, known by the node of their entity capabilities (XEP-0115).

use std::time::Duration;

use muji_jingle::SessionQuirks;
use muji_xep::ns;
use xmpp_parsers::minidom::Element;

use crate::config;

/// What a participant's client cannot do, known by the node of its entity capabilities (XEP-0115).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientQuirks {
    /// It takes another offer after one that came to nothing.
    pub(crate) takes_another_offer: bool,
    /// How long after the room repeated our contents it may be called; `None`: right behind our sending them.
    pub(crate) call_after: Option<Duration>,
    /// What it does in sessions in its own way.
    pub(crate) in_session: SessionQuirks,
}

impl ClientQuirks {
    const USUAL: Self = Self {
        takes_another_offer: true,
        call_after: None,
        in_session: SessionQuirks { wants_full_accept: false, restarts_ice: true },
    };

    /// The quirks of the client that sends this presence; `None` if it does not say who made the client, which means nothing
    /// (XEP-0115 section 8.4).
    pub(crate) fn find(payloads: &[Element]) -> Option<Self> {
        let caps = payloads.iter().find(|payload| payload.is("c", ns::CAPS))?;
        Some(match caps.attr("node").unwrap_or_default().trim_end_matches('/') {
            // Parks a second offer until it sees us join again, and hangs up with its last session; takes other credentials for
            // candidates of the old ones.
            "https://dino.im" => {
                let in_session = SessionQuirks { restarts_ice: false, ..Self::USUAL.in_session };
                Self { takes_another_offer: false, in_session, ..Self::USUAL }
            }
            // Drops an offer that comes before our presence; the two travel by different routes.
            "https://movim.eu" => {
                let in_session = SessionQuirks { wants_full_accept: true, ..Self::USUAL.in_session };
                Self { call_after: Some(config::MOVIM_GRACE), in_session, ..Self::USUAL }
            }
            _ => Self::USUAL,
        })
    }
}

impl Default for ClientQuirks {
    fn default() -> Self {
        Self::USUAL
    }
}
