//! What [`Backend`](crate::backend::Backend) is made of, as values: time, packets and commands come in, and nothing blocks.
//!
//! For those who build another backend: the simulated world of our scenarios drives [`Peers`] and [`AudioReceiver`] in virtual time, the
//! benchmarks measure each part, and a client with its own event loop can use them with its own sockets. A client that is content with
//! [`Backend`](crate::backend::Backend) needs none of them.

pub use crate::audio::frame::mix;
pub use crate::audio::meter::Meter;
pub use crate::audio::receiver::{AudioReceiver, PlayoutClock};
pub use crate::audio::sender::AudioSender;
pub use crate::bandwidth::{INITIAL, PathBandwidths};
/// The codecs, and how they are offered.
pub mod codec {
    pub use crate::codec::encoding::AudioEncoding;

    /// Audio.
    pub mod opus {
        pub use crate::codec::opus::{Decoder, Encoder, OpusFault, payload_type};
    }

    /// Video.
    pub mod vp8 {
        pub use crate::codec::vp8::{
            Assembled, AssembledFrame, Assembler, CLOCK_RATE, Decoder, Encoded, Encoder, LAYERS, Layer, ORIENTATION,
            Payloader, RateControl, TRANSPORT_CC, Vp8Fault, extensions, payload_type,
        };
    }
}

pub use crate::gather::{ConnectionId, GatherOutput, Gatherer};
pub use crate::peers::{Peers, PeersOutput};
pub use crate::rtp::PacketizedFrame;
pub use crate::socket::{Datagram, Sockets};
pub use crate::video::layers::{LayerFilter, Share};
pub use crate::video::receiver::{DecodedFrame, ReceiverRequest, VideoReceiver};
pub use crate::video::sender::VideoSender;
