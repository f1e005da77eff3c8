//! Where we stand in the room.

use std::time::Instant;

use crate::error::EndReason;

/// The way into the room, the stay, and the way out.
///
/// ```text
///              1, 2, 4 s              refused as not open, or it hides JIDs perhaps for now
///     Closed ─────────────┐ ┌──────────────────────────────────────────► Closed
///                         ▼ │
///     (we join) ────────► Present ── lost, not by our fault ──► Outside ── 1, 2, 4, 8 s ──► Present
///                          │  │                                   │
///           the user leaves│  │put out, refused                   │ 60 s, or the user leaves
///                          ▼  ▼                                   ▼
///     confirmed, 5 s ── Leaving ───────────────────────────────► Over
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Our presence with our part in the call is out: we are in the room, or enter it with that.
    Present,
    /// The room is closed or hides who is there, perhaps only until its creator has configured it; then we enter again.
    Closed { until: Instant },
    /// The room lost us; we enter again at this time, or when the client is back in its chat room (`None`).
    Outside { at: Option<Instant> },
    /// The presence that leaves is out.
    Leaving { until: Instant, why: EndReason },
    /// Nothing is sent any more.
    Over,
}
