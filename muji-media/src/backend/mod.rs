//! The media layer as the core commands it: a thread of its own with sockets, clock and devices.
//!
//! ```text
//!  MediaCommand ─► worker ─► router ─┬─► audio      publisher, receivers, mixer, sink
//!  MediaReport  ◄─ (the loop)        ├─► video      which streams; their thread encodes and decodes
//!                                    └─► network    sockets, gathering, transports
//! ```

mod audio;
mod devices;
mod network;
mod observer;
mod pace;
mod probe;
mod router;
mod start;
mod video;
mod worker;

pub use devices::{Devices, NoMedia};
pub use probe::probe;
pub use start::{Backend, default_transports};

pub use crate::audio::sender::Sound;
pub use crate::bandwidth::BandwidthPolicy;
pub use crate::gather::{Attempt, GatherPolicy, Relays};
pub use crate::record::RecordingTemplate;
pub use crate::socket::local_addresses;
