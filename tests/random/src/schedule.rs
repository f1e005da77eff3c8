//! What happens in a random world, and when.

use std::time::Duration;

use muji_harness::seeded_random::SeededRandom;

/// People in one world at most.
const MOST: u64 = 32;

/// Everybody has joined and every fault has begun by then.
pub(crate) const BUSY: Duration = Duration::from_secs(30);

/// Something that happens to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Join,
    /// Leaves, if it has joined.
    Leave,
    /// The process dies and the server notices.
    Die,
    /// The process hangs; the server notices half a minute later.
    Hang,
    /// The connection breaks; what is under way to it is lost.
    Cut,
    /// The same stream goes on after a cut.
    Resume,
    /// A new stream under another resource after a cut.
    Rebind,
    /// The room forgets somebody without a word.
    Forget,
    /// The room puts somebody out for a technical reason.
    Removal,
    /// The whole service shuts down and knows nothing when it is back.
    Restart,
    /// Begins to show pictures, or ends it.
    Show,
    /// Somebody hostile says something.
    Shout,
}

/// A world: how many people, how far from each other, and what happens.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) people: usize,
    /// The longest that the way over the rooms takes more.
    pub(crate) detour: Duration,
    /// When, what, to whom; sorted by time.
    pub(crate) happenings: Vec<(Duration, Happening, usize)>,
}

impl Schedule {
    /// The one of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let people = usize::try_from(2 + random.number() % (MOST - 1)).expect("few");
        let detour = [300, 1_000, 5_000][(random.number() % 3) as usize];
        let mut this = Self { people, detour: Duration::from_millis(detour), happenings: Vec::new() };
        let joining = [Duration::ZERO, Duration::from_secs(3), BUSY / 2][(random.number() % 3) as usize];
        for who in 0..people {
            this.at(random.up_to(joining), Happening::Join, who);
        }
        if random.number().is_multiple_of(2) {
            // Many like to be seen at the same moment, and some change their minds.
            for _ in 0..random.number() % (2 * people as u64) {
                let who = (random.number() % people as u64) as usize;
                this.at(BUSY / 3 + random.up_to(BUSY * 2 / 3), Happening::Show, who);
            }
        }
        if !random.number().is_multiple_of(3) {
            let faults = 1 + random.number() % (people as u64).min(6);
            (0..faults).for_each(|_| this.fault(&mut random));
        }
        this.happenings.sort_by_key(|(at, ..)| *at);
        this
    }

    fn at(&mut self, at: Duration, happens: Happening, who: usize) {
        self.happenings.push((at, happens, who));
    }

    fn fault(&mut self, random: &mut SeededRandom) {
        let who = (random.number() % self.people as u64) as usize;
        let at = random.up_to(BUSY);
        let while_away = random.up_to(Duration::from_secs(20));
        match random.number() % 10 {
            0 => self.at(at, Happening::Leave, who),
            1 => self.at(at, Happening::Die, who),
            2 => self.at(at, Happening::Hang, who),
            3 => {
                self.at(at, Happening::Cut, who);
                self.at(at + while_away, Happening::Resume, who);
            }
            4 => {
                self.at(at, Happening::Cut, who);
                self.at(at + while_away, Happening::Rebind, who);
            }
            5 => self.at(at, Happening::Forget, who),
            6 => self.at(at, Happening::Removal, who),
            7 => self.at(at, Happening::Restart, who),
            8 => {
                // In and out, as a bad network makes it.
                for turn in 0..1 + random.number() % 5 {
                    let later = at + Duration::from_secs(2) * u32::try_from(turn).expect("few");
                    self.at(later, Happening::Leave, who);
                    self.at(later + random.up_to(Duration::from_secs(2)), Happening::Join, who);
                }
            }
            _ => (0..20).for_each(|_| self.at(random.up_to(BUSY), Happening::Shout, who)),
        }
    }
}
