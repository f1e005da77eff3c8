//! How long each wait with one peer lasts.

use std::time::Duration;

/// From session-initiate to session-accept. A participant accepts by itself. One that says that it rings (XEP-0167 section 8) asks its
/// user, for the camera say, and is waited for as long as [`RINGING`].
pub const ACCEPT: Duration = Duration::from_secs(30);

/// From session-accept to connected transports. ICE itself gives up later, people earlier.
pub const CONNECT: Duration = Duration::from_secs(30);

/// From a request to its result. Servers answer for the unreachable, so silence means that something is broken.
pub const ANSWER: Duration = Duration::from_secs(15);

/// From one ICE restart to the next, as long as a path does not work.
pub const RESTART: Duration = Duration::from_secs(5);

/// From opening our ends to their description. Sockets and certificates are quick; a device that hangs must not block the call.
pub const DESCRIBE: Duration = Duration::from_secs(10);

/// From the confirmation of our offer to its answer, before the owner is told that there is none yet: Movim confirms an
/// offer that overtook its presence and drops it.
pub const UNANSWERED: Duration = Duration::from_secs(5);

/// From proposing a call to an answer. People need to find the phone, and some clients ring until the caller gives up.
pub const CALLING: Duration = Duration::from_secs(60);

/// From the return of a proposal to the end of the call, unless a device is heard. A server that gives up one of several devices says
/// the same as one that knows nobody of this name; a device that rings says so within a round trip, woken by a push within seconds.
pub const UNDELIVERED: Duration = Duration::from_secs(5);

/// Longest that a device rings. It is longer than [`CALLING`]: the caller's retract comes first, unless it is lost.
pub const RINGING: Duration = Duration::from_secs(90);

/// From accepting to the caller's session-initiate. It takes a round trip and the caller's ends; if another device has answered and
/// the caller does not say so, this ends the wait.
pub const OFFER: Duration = Duration::from_secs(15);

/// Without a packet for so long, though the path works, a content is silent; so it is if none comes for so long after the peer's word
/// that it sends again. Opus sends one each 400 ms even while nobody speaks (DTX, RFC 7587 section 3.1.3), and a user who hears nothing
/// for longer asks whether the call still works.
pub const SILENCE: Duration = Duration::from_secs(5);

/// Where the time of unit tests begins.
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need one moment to count from")]
pub(crate) fn epoch() -> std::time::Instant {
    static EPOCH: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    *EPOCH
}
