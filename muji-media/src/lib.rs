//! A default media layer for muji-core: transports by str0m, Opus, jitter buffer, mixer; tones, WAV files and, with feature
//! `devices`, microphones and loudspeakers; with feature `vp8`, pictures, and with `camera`, cameras on Linux. Feature `webrtc-ice` brings
//! another kind of transports, for [`backend::Backend::start_with`].
//!
//! ```no_run
//! use muji_media::backend::{Backend, Devices};
//! use muji_media::device::tone::Tone;
//!
//! let source = Some(Box::new(Tone::new(440.0)) as _);
//! let (media, _observations) = Backend::start(Devices { source, ..Devices::default() })?;
//! let muji = muji_core::Muji::new(media);
//! # Ok::<(), muji_media::backend::NoMedia>(())
//! ```
//!
//! ```text
//!  device::Source ─► codec ─► publish: one packet ─► peers ─┬─► transport ─► socket     sequence, SSRC and payload type
//!                                                           └─► transport ─► socket     are each peer's own
//!  device::Sink, record, meter ◄─ sound::mix ◄─ receive ◄─ drift ◄─ jitter ◄─ peers ◄─ transport ◄─ socket
//!
//!  gather ◄─► STUN and TURN servers: which addresses a transport may use; relayed packets go by it
//!
//!  device::VideoSource ─► codec::vp8 ─► peers, and back, in a thread of its own: sound waits for no picture
//!  record writes in another: sound waits for no disk
//! ```
//!
//! # The contract
//! - [`backend::Backend`] has a thread of its own; it ends with the backend. Sockets are bound when the first session is opened,
//!   sound and pictures are captured while a call publishes them and they are not muted.
//! - Once every peer is connected the thread of a call with sound alone wakes each 20 ms and not otherwise: packets are fetched
//!   with the tick and have the kernel's times. Before, and in a call with pictures, each packet wakes it.
//! - While there are sessions the machine's addresses are looked at each 2 s, and STUN and TURN servers are asked; before and after nobody is.
//! - A fault of one peer's packets is that peer's silence; a fault of a device or file is a report, and the call goes on.
//! - [`transport::Transport`] is ICE and DTLS-SRTP over one path, as values: no socket, no clock. [`gather`] is the same for
//!   servers. Everything but [`backend`], [`socket`] and [`device`] runs in virtual time as well.
//!
//! Out of scope: deciding whom to call, and everything on the XMPP side.
#![deny(unsafe_code)] // Allowed in codec::vp8::libvpx alone.

pub mod audio;
pub mod backend;
pub mod bandwidth;
pub mod codec;
pub mod device;
pub mod gather;
pub mod peers;
pub mod record;
pub mod rtp;
pub mod socket;
pub mod stats;
pub mod transport;
pub mod video;

// The paths until the public face is decided.
pub use audio::{drift, frame as sound, jitter, meter, publisher as publish, receiver as receive};
pub use video::{frame as video_frame, layers};
