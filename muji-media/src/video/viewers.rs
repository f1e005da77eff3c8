//! What those can take who are sent pictures that are passed on. Pictures become no smaller without being encoded again, so each sender is told what the
//! slowest of its viewers takes. One that takes far less than most gets sound alone instead, and is tried again later.
//!
//! ```text
//!           takes less than half of what most take            for 5 s, and no more
//!  Keeps up ─────────────────────────────────────► Doubted ───────────────────────► Lags
//!     ▲                                            │     ▲                          │  │
//!     │       takes 70 % of what most take         │     └──── is tried again ──────┘  │
//!     └────────────────────────────────────────────┴───────────────────────────────────┘
//! ```
//!
//! A path by which little is sent is not known to be slow: what it carries is found out by what is sent, so only one is doubted by which nearly
//! as much is sent as it is said to carry.
//!
//! One that lags is sent pictures all the same while no other sees them that keeps up: then nobody else sees less for it. Nobody is sent fewer
//! temporal layers: clients that have one viewer, the bridge, encode in one layer, and ours too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muji_jingle::TransportId;

/// Who takes less than this share of what most take, lags. Pictures with half the bits are still good ones, and better for somebody than none.
const LAGS: f32 = 0.5;

/// Who takes this share again, keeps up: estimates of one path vary by less than what is between the two.
const KEEPS_UP: f32 = 0.7;

/// Estimates of a path by which less than this share of them is sent say what it carries at least, not at most.
const USED: f32 = 0.7;

/// So long somebody is doubted. An estimate that fell while a machine was busy has risen again by then, and peers that report losses alone
/// do it within this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who takes so many times as much as when it was doubted is doubted from then on: a path of which little is known yet gets 8 % more with each report.
const GROWS: f32 = 1.05;

/// Who lags is tried again after so long: what a peer says by REMB does not rise while it gets nothing. What it hears may have gaps meanwhile, so
/// after each time in vain it takes twice as long, up to four minutes.
const TRIED_AGAIN: Duration = Duration::from_secs(30);
const MOST_DOUBLED: u32 = 3;

/// What becomes of the pictures for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// They are not sent.
    Rests {
        /// They were always sent before.
        first: bool,
    },
    /// They are sent again.
    GoesOn,
}

/// A path by which pictures are passed on.
#[derive(Debug, Clone)]
pub(super) struct View<S> {
    /// How many bits a second it carries, as far as that is known.
    pub(super) takes: u32,
    /// Whose pictures are to be seen there.
    pub(super) sees: Option<S>,
    /// How many bits a second were passed on there lately, or would have been if it had not rested.
    pub(super) passed: u32,
}

/// Those by whose paths pictures are sent.
pub(super) struct Viewers<S> {
    viewers: BTreeMap<TransportId, Viewer<S>>,
}

impl<S> Default for Viewers<S> {
    /// Nobody is known.
    fn default() -> Self {
        Self { viewers: BTreeMap::new() }
    }
}

/// One of them.
struct Viewer<S> {
    /// In bits a second.
    takes: u32,
    sees: Option<S>,
    state: State,
    /// How often it was tried in vain, since it kept up.
    in_vain: u32,
    /// It gets sound alone.
    rests: bool,
    has_rested: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    KeepsUp,
    /// What it took then, in bits a second.
    Doubted {
        since: Instant,
        took: u32,
    },
    Lags {
        until: Instant,
    },
}

impl<S> Viewer<S> {
    fn new() -> Self {
        Self { takes: 0, sees: None, state: State::KeepsUp, in_vain: 0, rests: false, has_rested: false }
    }

    fn keeps_up(&self) -> bool {
        matches!(self.state, State::KeepsUp)
    }

    /// It takes so much now, and most take so much; `used` if as much was sent.
    fn compare(&mut self, now: Instant, takes: u32, most: u32, used: bool) {
        self.takes = takes;
        let share = takes as f32 / most.max(1) as f32;
        if share >= KEEPS_UP {
            self.state = State::KeepsUp;
            self.in_vain = 0;
            return;
        }
        self.state = match self.state {
            State::KeepsUp if share >= LAGS => State::KeepsUp,
            State::KeepsUp | State::Doubted { .. } if !used => State::KeepsUp,
            State::KeepsUp => State::Doubted { since: now, took: takes },
            State::Doubted { took, .. } if takes as f32 > took as f32 * GROWS => {
                State::Doubted { since: now, took: takes }
            }
            // One that is tried again, and takes even less then, has shown it.
            State::Doubted { since, took } if now < since + PATIENCE && !(self.in_vain > 0 && takes < took) => {
                self.state
            }
            State::Doubted { .. } => {
                let until = now + TRIED_AGAIN * 2u32.pow(self.in_vain.min(MOST_DOUBLED));
                self.in_vain = self.in_vain.saturating_add(1);
                State::Lags { until }
            }
            State::Lags { until } if now < until => self.state,
            State::Lags { .. } => State::Doubted { since: now, took: takes },
        };
    }
}

impl<S: Clone + Ord> Viewers<S> {
    /// These are all there are now.
    pub(super) fn decide(&mut self, now: Instant, viewers: BTreeMap<TransportId, View<S>>) -> Vec<(TransportId, Step)> {
        let mut takes: Vec<u32> = viewers.values().map(|view| view.takes).collect();
        takes.sort_unstable();
        // The median; of two the one that takes more.
        let most = takes.get(takes.len() / 2).copied().unwrap_or(0);
        let mut before = std::mem::take(&mut self.viewers);
        for (path, View { takes, sees, passed }) in viewers {
            let mut viewer = before.remove(&path).unwrap_or_else(Viewer::new);
            viewer.sees = sees;
            viewer.compare(now, takes, most, passed as f32 >= takes as f32 * USED);
            self.viewers.insert(path, viewer);
        }
        let gone = before.into_iter().filter(|(_, viewer)| viewer.rests).map(|(path, _)| (path, Step::GoesOn));
        gone.chain(self.rest()).collect()
    }

    /// Who lags gets nothing of what others see that keep up. It is said again each time, as contents may have been negotiated again.
    fn rest(&mut self) -> Vec<(TransportId, Step)> {
        let keep_up = self.viewers.values().filter(|viewer| viewer.keeps_up());
        let seen: BTreeSet<S> = keep_up.filter_map(|viewer| viewer.sees.clone()).collect();
        let step = |(path, viewer): (&TransportId, &mut Viewer<S>)| {
            let lags = matches!(viewer.state, State::Lags { .. });
            let rests = lags && viewer.sees.as_ref().is_some_and(|sees| seen.contains(sees));
            let rested = std::mem::replace(&mut viewer.rests, rests);
            if rests {
                let first = !std::mem::replace(&mut viewer.has_rested, true);
                return Some((*path, Step::Rests { first }));
            }
            rested.then_some((*path, Step::GoesOn))
        };
        self.viewers.iter_mut().filter_map(step).collect()
    }

    /// How many bits a second the slowest takes that sees this one's pictures; of what nobody sees, the slowest that could be next. `None` if nothing is
    /// known.
    pub(super) fn slowest(&self, of: &S) -> Option<u32> {
        let least = |fits: &dyn Fn(&Viewer<S>) -> bool| {
            let fitting = self.viewers.values().filter(|viewer| fits(viewer));
            fitting.map(|viewer| viewer.takes).min()
        };
        let sees = |viewer: &Viewer<S>| viewer.sees.as_ref() == Some(of);
        let both = |viewer: &Viewer<S>| sees(viewer) && viewer.keeps_up();
        least(&both).or_else(|| least(&sees)).or_else(|| least(&Viewer::keeps_up))
    }
}
