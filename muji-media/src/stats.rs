//! What a media layer measures: per session, per path, per content.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::{Media, SessionId};

pub use crate::bandwidth::Target;
pub use crate::codec::encoding::VideoEncoding;
pub use crate::codec::red::RedFault;

/// What a media layer measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Observation {
    /// The first audio of a participant that is louder than silence.
    FirstSound {
        /// The session.
        session: SessionId,
        /// When it was decoded.
        at: Instant,
    },
    /// Five times a second: how loud a participant is, to mark who speaks.
    Loudness {
        /// The session.
        session: SessionId,
        /// Root mean square of these 200 ms in dBFS; silence is -120.
        level: f32,
    },
    /// Five times a second while somebody is heard, and once when nobody is any more: how loud those are who take part through a
    /// participant that mixes them (RFC 6465).
    Guests {
        /// The session.
        session: SessionId,
        /// Each by [`Guest::source`](muji_core::Guest::source), with the loudest 20 ms of these 200 ms in dBFS.
        levels: BTreeMap<u32, f32>,
    },
    /// Once a second: the audio of a participant.
    Audio {
        /// The session.
        session: SessionId,
        /// Measured on the decoded audio of that second.
        level: Level,
        /// Counted since the session began.
        stats: AudioStats,
    },
    /// The first packet of a participant's audio that is not what its headers say; others are only counted.
    MalformedAudio {
        /// The session.
        session: SessionId,
        /// What is wrong with it.
        why: RedFault,
    },
    /// Once a second while video of a participant is shown.
    Video {
        /// The session.
        session: SessionId,
        /// A camera or a screen.
        media: Media,
        /// Width and height, in pixels.
        size: [usize; 2],
        /// The mean colour of the last frame: red, green, blue.
        colour: [u8; 3],
        /// Counted since the session began.
        stats: VideoStats,
    },
    /// Once a second: the paths of a session.
    Paths {
        /// The session.
        session: SessionId,
        /// A path for each transport that has one.
        paths: Vec<Path>,
        /// The codecs of received packets, by their names in SDP.
        codecs: BTreeSet<String>,
    },
    /// What our video is encoded to from now on.
    Target {
        /// A camera or a screen.
        media: Media,
        /// Each encoding that some peer takes has a target of its own.
        encoding: VideoEncoding,
        /// The new one.
        target: Target,
    },
    /// Once a second while we send: bytes of audio payload so far, to each peer.
    Sent {
        /// Bytes.
        bytes: u64,
    },
}

/// The audio of a participant, since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AudioStats {
    /// What became of its packets.
    pub counts: PacketCounts,
    /// Frames played, of 20 ms.
    pub played: u64,
    /// Those of them that were concealed, or recovered from the packet behind.
    pub concealed: u64,
    /// How long packets wait in the jitter buffer now.
    pub delay: Duration,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter: Duration,
    /// The round-trip time of its path, as last measured by ICE's checks. A peer that answers with its next tick, as we do, adds up to
    /// 20 ms.
    pub round_trip: Option<Duration>,
}

/// What became of the packets of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Packets received.
    pub received: u64,
    /// Packets that came too late, twice, or beyond the size of the buffer.
    pub discarded: u64,
    /// Packets that did not come in time.
    pub lost: u64,
    /// Packets, and copies of earlier ones in them, that are not what their headers say (RED, RFC 2198).
    pub malformed: u64,
    /// Packets left out to catch up.
    pub skipped: u64,
    /// Bytes of payload received.
    pub bytes: u64,
}

/// The video of a participant, since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VideoStats {
    /// Bytes of payload received.
    pub bytes: u64,
    /// Frames decoded.
    pub decoded: u64,
    /// Frames shown: of several that were due at once only the last.
    pub shown: u64,
    /// Freezes: the time between two frames was three times the usual one, and at least 150 ms longer.
    pub freezes: u64,
    /// The length of all freezes together.
    pub frozen: Duration,
}

/// Audio measured over a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Root mean square in dBFS: a full-scale sine is -3, silence -120.
    pub level: f32,
    /// The frequency in Hz, if one tone holds most of the power.
    pub frequency: Option<f32>,
}

impl Level {
    /// True if there was any sound.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.level > SILENCE
    }
}

/// Below this level audio counts as silence, in dBFS.
pub const SILENCE: f32 = -60.0;

/// The path of a transport, and its traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Datagrams sent since the transport began.
    pub sent: Traffic,
    /// Datagrams received.
    pub received: Traffic,
    /// The round-trip time, as last measured.
    pub round_trip: Option<Duration>,
}

/// A count of datagrams.
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
