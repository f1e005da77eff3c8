//! x
#![forbid(unsafe_code)]

mod conference;
pub mod config;
mod engine;
pub mod error;
mod event;
pub mod media;
mod payload;
mod queue;
mod roster;

pub use engine::{Engine, Output};
pub use event::{About, Command, Connection, Event, Handled, Join, Peer};
pub use muji_jingle::{CallId, Mute, SessionId};
pub use muji_xep::rtp::Media;
