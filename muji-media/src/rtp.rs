//! RTP packets before and after a transport, and how they are distinguished from STUN.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use muji_core::SessionId;

/// A packet of ours, encoded and packetised once for all peers. Each transport adds its own SSRC, sequence number and payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPacket {
    /// In ticks of the codec's clock rate.
    pub timestamp: u32,
    /// The first of a talkspurt, or the last of a frame.
    pub marker: bool,
    /// What the codec made.
    pub payload: Arc<[u8]>,
}

/// A packet a peer sent, checked and decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRtp {
    /// Which of the sender's sources it is from. Another than before begins with other sequence numbers and timestamps.
    pub ssrc: u32,
    /// Its payload type in this session.
    pub payload_type: u8,
    /// The sequence number, extended beyond 16 bits.
    pub sequence: u64,
    /// When it reached the socket.
    pub arrived: Instant,
    /// When it was captured, by the sender's clock; `None` before a sender report came (RFC 3550 section 6.4.1).
    pub captured: Option<SystemTime>,
    /// By how many quarter turns to the right the frame is to be rotated, if the packet says so (3GPP TS 26.114 section 7.4.5).
    pub turns: Option<u8>,
    /// The packet.
    pub packet: RtpPacket,
}

/// Follows a content from one SSRC to the next, as senders take another for music on hold or after a restart.
///
/// The second packet in a row of another SSRC proves that the sender goes on with it (RFC 3550 appendix A.1): late packets of the old one,
/// and a stray of any other, change nothing.
#[derive(Debug, Default)]
pub(crate) struct CurrentSource {
    ssrc: Option<u32>,
    /// The first packet of another SSRC, which waits for the second.
    next: Option<ReceivedRtp>,
}

/// What follows from a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SourceStep {
    /// It continues the stream.
    Same(ReceivedRtp),
    /// It waits for another that proves it, or is dropped.
    Unproven,
    /// A stream begins with these packets: nothing is left of the one before.
    Begins([ReceivedRtp; 2]),
}

impl CurrentSource {
    /// A packet came.
    pub(crate) fn step(&mut self, received: ReceivedRtp) -> SourceStep {
        if *self.ssrc.get_or_insert(received.ssrc) == received.ssrc {
            self.next = None;
            return SourceStep::Same(received);
        }
        match self.next.take_if(|next| next.ssrc == received.ssrc) {
            Some(first) => {
                self.ssrc = Some(received.ssrc);
                SourceStep::Begins([first, received])
            }
            None => {
                self.next = Some(received);
                SourceStep::Unproven
            }
        }
    }
}

/// STUN begins with two zero bits (RFC 7983). It can come from any address; its user name says which transport it is for.
pub(crate) fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4)
}

/// A stream of a peer: the session, and the content's name in it.
pub(crate) type StreamId = (SessionId, Arc<str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ssrc: u32) -> ReceivedRtp {
        let packet = RtpPacket { timestamp: 0, marker: false, payload: Arc::from(&b"sound"[..]) };
        ReceivedRtp {
            ssrc,
            payload_type: 111,
            sequence: 1,
            arrived: Instant::now(),
            captured: None,
            turns: None,
            packet,
        }
    }

    #[test]
    fn a_sender_goes_on_with_another_source_once_two_packets_of_it_came_in_a_row() {
        let mut current = CurrentSource::default();
        let steps = [1, 1, 2, 1, 2, 3, 2, 2, 1, 2, 1, 1].map(|ssrc| match current.step(packet(ssrc)) {
            SourceStep::Same(_) => 's',
            SourceStep::Unproven => '-',
            SourceStep::Begins([first, second]) => {
                assert_eq!((first.ssrc, second.ssrc), (ssrc, ssrc));
                'b'
            }
        });
        assert_eq!(steps.iter().collect::<String>(), "ss-s---b-s-b");
    }
}
