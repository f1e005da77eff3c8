//! What [`Backend`](crate::backend::Backend) is made of, as values: time, packets and commands come in, and nothing blocks.
//!
//! For those who build another backend: the simulated world of our scenarios drives [`Peers`] and [`AudioReceiver`] in virtual time, the
//! benchmarks measure each part, and a client with its own event loop can use them with its own sockets. A client that is content with
//! [`Backend`](crate::backend::Backend) needs none of them.

pub use crate::audio::bridge::AudioBridge;
pub use crate::audio::meter::Meter;
pub use crate::audio::packet::AudioPacket;
pub use crate::audio::receiver::{AudioReceiver, PlayoutClock};
pub use crate::audio::sender::{AudioSender, Sound};
pub use crate::audio::speech::Speech;
pub use crate::bandwidth::{INITIAL, PathBandwidths};
/// The codecs, and how they are offered.
pub mod codec {
    pub use crate::codec::encoding::{AudioEncoding, RedTakers, VideoEncoding, WantedAudio};

    /// Audio.
    pub mod opus {
        pub use crate::codec::opus::{Decoder, Encoder, OpusFault, payload_type};
    }

    /// Audio with copies of earlier frames.
    pub mod red {
        pub use crate::codec::red::{EarlierFrame, RedFault, payload_type, write};
    }

    /// Video, whatever its encoding.
    pub mod video {
        pub use crate::codec::assembler::{Assembled, AssembledFrame, Assembler};
        pub use crate::codec::offer::{ORIENTATION, TRANSPORT_CC, extensions};
        pub use crate::codec::video::{
            CLOCK_RATE, Encoded, LAYERS, Layer, Payloader, VideoDecoder, VideoEncoder, VideoFault,
        };
    }

    /// VP8.
    pub mod vp8 {
        pub use crate::codec::vp8::payload_type;
        #[cfg(feature = "vp8")]
        pub use crate::codec::vp8::{Decoder, Encoder};
    }

    /// VP9.
    #[cfg(feature = "vp8")]
    pub mod vp9 {
        pub use crate::codec::vp9::{Decoder, Encoder};
    }

    /// AV1.
    #[cfg(feature = "av1")]
    pub mod av1 {
        pub use crate::codec::av1::{Decoder, Encoder};
    }

    /// How the encoders of VP8 and VP9 keep to their bit rate.
    #[cfg(feature = "vp8")]
    pub use crate::codec::libvpx::RateControl;
}

pub use crate::gather::{ConnectionId, GatherOutput, Gatherer};
pub use crate::peers::{Peers, PeersOutput};
pub use crate::socket::{Datagram, ReceiveBuffer, Sockets};
pub use crate::video::forwarder::{Forwarded, Source, VideoForwarder};
pub use crate::video::ladder::DegradationPreference;
pub use crate::video::layers::{LayerFilter, Share};
pub use crate::video::packetized::{PacketizedFrame, VideoKind};
pub use crate::video::receiver::{DecodedFrame, ReceiverRequest, VideoReceiver};
pub use crate::video::sender::VideoSender;
