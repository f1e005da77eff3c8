//! How long each wait with one peer lasts.

use std::time::Duration;

/// From session-initiate to session-accept. A participant accepts by itself; a person needs to find the phone.
pub const ACCEPT: Duration = Duration::from_secs(30);

/// From session-accept to connected transports. ICE itself gives up later, people earlier.
pub const CONNECT: Duration = Duration::from_secs(30);

/// From a request to its result. Servers answer for the unreachable, so silence means that something is broken.
pub const ANSWER: Duration = Duration::from_secs(15);
