//! How long each wait with one peer lasts.

use std::time::Duration;

/// From session-initiate to session-accept. A participant accepts by itself; a person needs to find the phone.
pub const ACCEPT: Duration = Duration::from_secs(30);

/// From session-accept to connected transports. ICE itself gives up later, people earlier.
pub const CONNECT: Duration = Duration::from_secs(30);

/// From a request to its result. Servers answer for the unreachable, so silence means that something is broken.
pub const ANSWER: Duration = Duration::from_secs(15);

/// From opening our ends to their description. Sockets and certificates are quick; a hung device must not hang the call.
pub const DESCRIBE: Duration = Duration::from_secs(10);

/// From the confirmation of our offer to its answer, before the owner is told that there is none yet: Movim confirms an
/// offer that overtook its presence and drops it.
pub const UNANSWERED: Duration = Duration::from_secs(5);
