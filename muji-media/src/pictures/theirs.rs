//! The pictures of a participant on their way in.

use std::time::{Duration, Instant};

use crate::codec::vp8::{Assembled, Assembler, Decoder, Vp8Fault};
use crate::picture::Picture;
use crate::transport::ReceivedRtp;

/// How often it is told what is shown.
const TELL: Duration = Duration::from_secs(1);

/// What comes of a packet.
pub(super) enum Output {
    /// To be shown.
    Picture(Picture),
    /// Nothing can be shown before the sender begins anew.
    AskKeyFrame,
    /// Something is wrong with what it sends; this is said once.
    Faulty(Vp8Fault),
}

/// Puts together and decodes.
pub(super) struct Theirs {
    assembler: Assembler,
    decoder: Decoder,
    shown: u64,
    /// When it is told again.
    tell: Instant,
    faulty: bool,
}

impl Theirs {
    /// A stream of which nothing came yet.
    pub(super) fn new(now: Instant) -> Result<Self, Vp8Fault> {
        Ok(Self { assembler: Assembler::default(), decoder: Decoder::new()?, shown: 0, tell: now, faulty: false })
    }

    /// A packet came.
    pub(super) fn receive(&mut self, now: Instant, received: &ReceivedRtp) -> Vec<Output> {
        self.assembler.insert(received);
        let mut outputs = Vec::new();
        while let Some(assembled) = self.assembler.poll(now) {
            outputs.extend(match assembled {
                Assembled::Broken => Some(Output::AskKeyFrame),
                Assembled::Frame(frame) => self.decode(&frame),
            });
        }
        outputs
    }

    fn decode(&mut self, frame: &[u8]) -> Option<Output> {
        match self.decoder.decode(frame) {
            Ok(picture) => picture.map(|picture| {
                self.shown += 1;
                Output::Picture(picture)
            }),
            Err(why) => {
                self.assembler.broke();
                (!std::mem::replace(&mut self.faulty, true)).then_some(Output::Faulty(why))
            }
        }
    }

    /// How many pictures were shown so far, if it is time to tell.
    pub(super) fn tell(&mut self, now: Instant) -> Option<u64> {
        (now >= self.tell).then(|| {
            self.tell = now + TELL;
            self.shown
        })
    }
}
