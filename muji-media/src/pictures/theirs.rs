//! The pictures of a participant on their way in.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use crate::codec::vp8::{Assembled, Assembler, Decoder, Encoded, Vp8Fault};
use crate::picture::Picture;
use crate::receive::Clock;
use crate::transport::ReceivedRtp;

/// How often it is told what is shown.
const TELL: Duration = Duration::from_secs(1);

/// How long a picture waits for its sound at most: a clock that says more is wrong.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Pictures that wait at once: those of the longest wait. With more the first waits no longer.
const MAX_WAITING: usize = 16;

/// What a packet leads to.
pub enum Wanted {
    /// Nothing can be shown before the sender begins anew.
    KeyFrame,
    /// Something is wrong with what it sends; this is said once.
    Complaint(Vp8Fault),
}

/// A picture, and what it was decoded from.
pub struct Decoded {
    /// What is shown.
    pub picture: Picture,
    /// What came.
    pub encoded: Encoded,
    since: Instant,
    captured: Option<SystemTime>,
}

/// Puts together, decodes, and waits for the sound that belongs to a picture.
pub struct Theirs {
    assembler: Assembler,
    decoder: Decoder,
    waiting: VecDeque<Decoded>,
    /// What is heard of the same participant.
    clock: Option<Clock>,
    shown: u64,
    /// When it is told again.
    tell: Instant,
    faulty: bool,
}

impl Theirs {
    /// A stream of which nothing came yet.
    ///
    /// # Errors
    /// If there is no decoder.
    pub fn new(now: Instant) -> Result<Self, Vp8Fault> {
        Ok(Self {
            assembler: Assembler::default(),
            decoder: Decoder::new()?,
            waiting: VecDeque::new(),
            clock: None,
            shown: 0,
            tell: now,
            faulty: false,
        })
    }

    /// Its sound is heard by this clock.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = Some(clock);
    }

    /// A packet came.
    pub fn receive(&mut self, now: Instant, received: &ReceivedRtp) -> Vec<Wanted> {
        self.assembler.insert(received);
        let mut wanted = Vec::new();
        while let Some(assembled) = self.assembler.poll(now) {
            match assembled {
                Assembled::Broken => wanted.push(Wanted::KeyFrame),
                Assembled::Frame(frame, captured) => wanted.extend(self.decode(now, frame, captured)),
            }
        }
        wanted
    }

    fn decode(&mut self, since: Instant, frame: Vec<u8>, captured: Option<SystemTime>) -> Option<Wanted> {
        match self.decoder.decode(&frame) {
            Ok(picture) => {
                // The first bit of a frame is zero in key frames (RFC 6386 section 9.1).
                let encoded = Encoded { key: frame.first().is_some_and(|first| first & 1 == 0), bytes: frame };
                self.waiting.extend(picture.map(|picture| Decoded { picture, encoded, since, captured }));
                None
            }
            Err(why) => {
                self.assembler.broke();
                (!std::mem::replace(&mut self.faulty, true)).then_some(Wanted::Complaint(why))
            }
        }
    }

    /// When the next picture is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.waiting.front().map(|next| {
            if self.waiting.len() > MAX_WAITING {
                return next.since;
            }
            let with_sound = next.captured.and_then(|captured| self.clock?.due(captured));
            with_sound.map_or(next.since, |due| due.clamp(next.since, next.since + MAX_WAIT))
        })
    }

    /// The pictures that are due. If they are several, only the last can be seen.
    pub fn take(&mut self, now: Instant) -> Vec<Decoded> {
        let mut due = Vec::new();
        while self.due().is_some_and(|at| at <= now) {
            due.extend(self.waiting.pop_front());
        }
        self.shown += u64::from(!due.is_empty());
        due
    }

    /// How many pictures were shown so far, if it is time to tell.
    pub fn tell(&mut self, now: Instant) -> Option<u64> {
        (now >= self.tell).then(|| {
            self.tell = now + TELL;
            self.shown
        })
    }
}
