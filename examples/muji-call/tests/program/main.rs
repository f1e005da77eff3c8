//! `muji-call` as its user sees it: what it says, what it leaves behind, how it ends.

mod bridging;
mod c_client;
mod calling;
#[cfg(feature = "devices")]
mod devices;
mod failing;
mod library;
mod login;
mod odd_stanzas;
mod own_media;
#[cfg(all(feature = "portal", target_os = "linux"))]
mod portal;
mod python;
mod real_servers;
mod relays;
mod ringing;
mod seeing;
mod serve;
#[cfg(all(feature = "screen", feature = "window", target_os = "linux"))]
mod sharing;
#[path = "../support/mod.rs"]
mod support;
mod telling;
mod tokio_client;
#[cfg(feature = "webrtc-ice")]
mod transports;
#[cfg(feature = "window")]
mod window;
