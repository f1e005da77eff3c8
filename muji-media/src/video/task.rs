//! The tasks of the video thread, and what comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muji_core::{Media, SessionId};

use crate::audio::receiver::PlayoutClock;
use crate::bandwidth::Target;
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::VideoEncoding;
use crate::device::DeviceError;
use crate::rtp::{ReceivedRtp, StreamId};
use crate::video::packetized::{PacketizedFrame, VideoKind};

/// Something to do.
#[derive(Debug)]
pub(crate) enum VideoTask {
    /// Begin to capture.
    StartCapture(Media),
    /// Let the camera or the screen go.
    StopCapture(Media),
    /// These are encoded from now on, each by an encoder of its own and for decoders that can do so much.
    Encode(BTreeMap<VideoKind, DecoderLimit>),
    /// A peer cannot show one of these before a key frame comes.
    ForceKeyFrame(Vec<VideoKind>),
    /// What to encode to from now on.
    Target(VideoKind, Target),
    /// A packet of a peer.
    Packet(StreamId, Media, VideoEncoding, ReceivedRtp),
    /// Which moment of a participant's audio is played now.
    Clock(SessionId, PlayoutClock),
    /// A stream has ended.
    StreamEnded(StreamId),
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum VideoOutput {
    /// One of our encoded frames, and when it was captured.
    Frame(Media, Instant, PacketizedFrame),
    /// From now on our frames have this size at most.
    LargestSize(Media, [usize; 2]),
    /// A peer is to be asked for a key frame.
    RequestKeyFrame(StreamId),
    /// A participant is shown so much later than its sound is played; each second.
    BehindSound(SessionId, Duration),
    /// A device or a stream does not do what it should.
    Trouble(DeviceError),
}
