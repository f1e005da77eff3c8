//! Time as the STUN and TURN libraries count it.

use std::time::{Duration, Instant};

use turn_client_proto::stun::Instant as Count;

/// Counts from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct StunClock {
    start: Instant,
}

impl StunClock {
    /// Between two looks at something that is due and does not happen.
    pub(super) const STEP: Duration = Duration::from_millis(50);

    pub(super) fn new(start: Instant) -> Self {
        Self { start }
    }

    pub(super) fn at(self, now: Instant) -> Count {
        let since = now.saturating_duration_since(self.start).as_nanos();
        Count::from_nanos(i64::try_from(since).unwrap_or(i64::MAX))
    }

    pub(super) fn instant(self, at: Count) -> Instant {
        self.start + Duration::from_nanos(u64::try_from(at.as_nanos()).unwrap_or_default())
    }
}
