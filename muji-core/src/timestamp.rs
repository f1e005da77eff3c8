//! Times on the wire (XEP-0082).

use std::time::{Duration, SystemTime};

use xmpp_parsers::date::DateTime;

/// Reads a time; `None` if it is none, or before 1970.
pub(crate) fn read(stamp: &str) -> Option<SystemTime> {
    let DateTime(at) = stamp.trim().parse().ok()?;
    let since_epoch = Duration::from_millis(u64::try_from(at.timestamp_millis()).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}
