//! From the packets of one stream to its sound, a frame every 20 ms.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::codec::opus::{Decoder, OpusFault};
use crate::jitter::{Counts, JitterBuffer, Turn};
use crate::sound::{FRAME, Frame};
use crate::transport::ReceivedRtp;

/// Frames made up in a row when nothing comes; then silence is more honest.
const MAX_CONCEALED: u32 = 5;

/// One stream of a peer.
pub struct Receiver {
    buffer: JitterBuffer,
    decoder: Decoder,
    /// Decoded and not yet played; packets need not be as long as frames.
    sound: VecDeque<i16>,
    concealed: u32,
    begun: bool,
}

impl Receiver {
    /// A stream of which nothing came yet.
    ///
    /// # Errors
    /// If there is no memory for a decoder.
    pub fn new() -> Result<Self, OpusFault> {
        Ok(Self {
            buffer: JitterBuffer::default(),
            decoder: Decoder::new()?,
            sound: VecDeque::new(),
            concealed: 0,
            begun: false,
        })
    }

    /// A packet came.
    pub fn insert(&mut self, received: ReceivedRtp) {
        self.buffer.insert(received);
    }

    /// The sound of the next 20 ms; `None` while the peer is silent.
    pub fn frame(&mut self, now: Instant) -> Option<Frame> {
        while self.sound.len() < FRAME {
            let decoded = match self.buffer.take(now) {
                Turn::Packet(payload) => {
                    (self.begun, self.concealed) = (true, 0);
                    self.decoder.decode(&payload)
                }
                Turn::Lost(following) => self.decoder.recover(&following),
                Turn::Empty if self.begun && self.concealed < MAX_CONCEALED => {
                    self.concealed += 1;
                    self.decoder.conceal()
                }
                Turn::Empty => {
                    self.begun = false;
                    self.sound.clear();
                    return None;
                }
            };
            // What is no Opus is a gap; a peer that sends nothing else is silent, not the end of us.
            self.sound.extend(decoded.unwrap_or_else(|_| vec![0; FRAME]));
        }
        let mut frame = [0; FRAME];
        frame.iter_mut().zip(self.sound.drain(..FRAME)).for_each(|(sample, decoded)| *sample = decoded);
        Some(frame)
    }

    /// What became of its packets.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.buffer.counts()
    }

    /// How long packets wait.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.buffer.delay()
    }
}
