//! The pictures of a participant on their way in.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use crate::codec::vp8::{Assembled, Assembler, Decoder, Vp8Fault};
use crate::picture::Picture;
use crate::receive::Clock;
use crate::transport::ReceivedRtp;

/// How often it is told what is shown.
const TELL: Duration = Duration::from_secs(1);

/// How long a picture waits for its sound at most: a clock that says more is wrong.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Pictures that wait at once: those of the longest wait.
const MAX_WAITING: usize = 16;

/// What a packet leads to.
pub enum Wanted {
    /// Nothing can be shown before the sender begins anew.
    KeyFrame,
    /// Something is wrong with what it sends; this is said once.
    Complaint(Vp8Fault),
}

struct Waiting {
    picture: Picture,
    since: Instant,
    captured: Option<SystemTime>,
}

/// Puts together, decodes, and waits for the sound that belongs to a picture.
pub struct Theirs {
    assembler: Assembler,
    decoder: Decoder,
    waiting: VecDeque<Waiting>,
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
                Assembled::Frame(frame, captured) => wanted.extend(self.decode(now, &frame, captured)),
            }
        }
        wanted
    }

    fn decode(&mut self, since: Instant, frame: &[u8], captured: Option<SystemTime>) -> Option<Wanted> {
        match self.decoder.decode(frame) {
            Ok(picture) => {
                let picture = picture.map(|picture| Waiting { picture, since, captured });
                if self.waiting.len() == MAX_WAITING {
                    self.waiting.pop_front();
                }
                self.waiting.extend(picture);
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
            let with_sound = next.captured.and_then(|captured| self.clock?.due(captured));
            with_sound.map_or(next.since, |due| due.clamp(next.since, next.since + MAX_WAIT))
        })
    }

    /// The picture that is to be seen now: the last, if several are due.
    pub fn take(&mut self, now: Instant) -> Option<Picture> {
        let mut last = None;
        while self.due().is_some_and(|due| due <= now) {
            last = self.waiting.pop_front();
        }
        self.shown += u64::from(last.is_some());
        last.map(|last| last.picture)
    }

    /// How many pictures were shown so far, if it is time to tell.
    pub fn tell(&mut self, now: Instant) -> Option<u64> {
        (now >= self.tell).then(|| {
            self.tell = now + TELL;
            self.shown
        })
    }
}
