//! What a media layer measures: per session, per path, per content.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::{Media, SessionId};

use crate::bandwidth::Target;

/// What is heard of a participant, for whoever wants to look.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Observation {
    /// The first frame that was louder than silence.
    FirstSound {
        /// The session.
        session: SessionId,
        /// When it was decoded.
        at: Instant,
    },
    /// Five times a second: how loud it is, for a mark at whoever speaks.
    Loud {
        /// The session.
        session: SessionId,
        /// Root mean square of these 200 ms in dBFS: silence has -120.
        level: f32,
    },
    /// Once a second.
    Heard {
        /// The session.
        session: SessionId,
        /// How it sounded, measured on what was decoded.
        level: Level,
        /// How it fared since the session began.
        stats: Stats,
    },
    /// Once a second while pictures of a participant are shown.
    Seen {
        /// The session.
        session: SessionId,
        /// A person, or a screen.
        media: Media,
        /// Width and height, in pixels.
        size: [usize; 2],
        /// The mean colour of the last picture: red, green, blue.
        colour: [u8; 3],
        /// How they fared since the session began.
        stats: VideoStats,
    },
    /// Once a second: the network's view of a session.
    Paths {
        /// The session.
        session: SessionId,
        /// A path for each transport that has one.
        paths: Vec<Path>,
        /// The codecs of what came, by their names in SDP.
        codecs: BTreeSet<String>,
    },
    /// What our pictures are encoded to from now on.
    Target(Media, Target),
    /// Once a second while we send: bytes of payload so far, the same to everybody.
    Sent {
        /// Bytes.
        bytes: u64,
    },
}

/// How a stream fared so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// What became of its packets.
    pub counts: Counts,
    /// Frames heard, of 20 ms.
    pub played: u64,
    /// Those of them that were made up, or recovered from the packet behind.
    pub concealed: u64,
    /// How long packets wait in the jitter buffer now.
    pub delay: Duration,
    /// How unevenly they come now (RFC 3550 section 6.4.1).
    pub jitter: Duration,
    /// There and back on its path, as last measured by ICE's checks: a peer that answers with its next tick, as we do, adds up
    /// to 20 ms.
    pub round_trip: Option<Duration>,
}

/// What became of the packets of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came.
    pub received: u64,
    /// Packets that came too late, twice, or beyond the bound.
    pub discarded: u64,
    /// Packets that never came in time.
    pub lost: u64,
    /// Packets left out to catch up.
    pub skipped: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

/// How the pictures of a participant fared so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VideoStats {
    /// Bytes of payload that came.
    pub bytes: u64,
    /// Pictures decoded.
    pub decoded: u64,
    /// Pictures shown: of several that were due at once the last.
    pub shown: u64,
    /// How often one stood still: for three times as long as usual, and 150 ms longer at least.
    pub freezes: u64,
    /// For how long together.
    pub frozen: Duration,
}

/// What was measured over a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Root mean square in dBFS: a full-scale sine has -3, silence -120.
    pub level: f32,
    /// The tone in Hz, if one holds most of the power.
    pub frequency: Option<f32>,
}

impl Level {
    /// True if there was sound at all.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.level > SILENCE
    }
}

/// Below this nothing is called sound, in dBFS.
pub const SILENCE: f32 = -60.0;

/// What goes by a transport, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Our address.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Datagrams sent since the transport began, and their bytes above UDP.
    pub sent: Traffic,
    /// Those that came.
    pub received: Traffic,
    /// There and back, as last measured.
    pub round_trip: Option<Duration>,
}

/// Datagrams so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub datagrams: u64,
    /// Their bytes, without the headers of UDP and IP.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        self.datagrams += 1;
        self.bytes += bytes.len() as u64;
    }
}
