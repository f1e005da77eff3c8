//! A default media layer for muji-core: str0m transports, Opus, jitter buffer, mixer; tones, WAV files and, with feature `devices`,
//! microphones and loudspeakers; with features `vp8`, `h264` and `av1`, video, and with `camera`, `screen` and `portal`, cameras and
//! screens on Linux. Feature `webrtc-ice` brings a second kind of transports, for [`backend::Backend::start_with`].
//!
//! ```no_run
//! use muji_media::backend::{Backend, Devices};
//! use muji_media::device::tone::Tone;
//!
//! let audio_source = Some(Box::new(Tone::new(440.0)) as _);
//! let (media, _observations) = Backend::start(Devices { audio_source, ..Devices::default() })?;
//! let muji = muji_core::Muji::new(media);
//! # Ok::<(), muji_media::backend::NoMedia>(())
//! ```
//!
//! ```text
//!  device::AudioSource ─► codec::opus ─► audio::sender: one packet ─► peers ─┬─► transport ─► socket   sequence, SSRC and
//!                                                                               └─► transport ─► socket   payload type are
//!                                                                                                         each peer's own
//!  device::AudioSink, record, meter ◄─ mix ◄─ audio::receiver ◄─ drift ◄─ jitter ◄─ peers ◄─ transport ◄─ socket
//!
//!  gather ◄─► STUN and TURN servers: which addresses a transport may use; relayed packets go by it
//!
//!  device::VideoSource ─► codec::video ─► peers, and back, in a thread of its own: audio does not wait for a frame
//!  record writes in another: audio does not wait for a disk
//! ```
//!
//! # The contract
//! - [`backend::Backend`] has a thread of its own, which ends with the backend. Sockets are bound when the first session is opened; audio
//!   and video are captured while a call publishes them and they are not muted.
//! - Once every peer is connected, the thread of a call with audio alone wakes each 20 ms and not otherwise: packets are fetched
//!   with the tick and have the kernel's times. Before, and in a call with video, each packet wakes it. Our frames leave as soon as they
//!   are encoded.
//! - While there are sessions, the machine's addresses are looked at each 2 s and STUN and TURN servers are asked; before and after, none
//!   is.
//! - Faulty packets of a peer silence that peer; a fault of a device or file is a report, and the call goes on.
//! - [`transport::Transport`] is ICE and DTLS-SRTP over one path, as values: no socket, no clock. All but [`backend`] and [`device`] runs
//!   in virtual time as well.
//! - Video can be filtered before anybody sees it: [`device::filter`].
//!
//! # What is public
//! A client needs [`backend`], [`device`] and, to show what happens, [`stats`]. [`transport`] is public because the kind of transports is
//! a choice, and because tests put their own between the media layer and the network. [`parts`] holds what the backend is made of, for
//! those who build another: the simulated world of our scenarios, the benchmarks, and a client that has its own event loop.
//!
//! Out of scope: deciding whom to call, and everything on the XMPP side.
#![cfg_attr(docsrs, feature(doc_cfg))] // Shows which feature an item needs.
#![deny(unsafe_code)] // Allowed in codec::libvpx, codec::h264::openh264 and codec::av1::libaom alone.

mod audio;
pub mod backend;
mod bandwidth;
mod codec;
pub mod device;
mod gather;
pub mod parts;
mod peers;
mod record;
mod rtp;
mod socket;
pub mod stats;
pub mod transport;
mod video;
