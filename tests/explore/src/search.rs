//! The search: visits every reachable state, by as few moves as it can.
//!
//! Two moves that touch nothing in common lead to the same state in either order, so one order is tried: a move that was
//! tried in a state sleeps in the states behind the moves tried after it, until one of them touches what it touches (sleep
//! sets, Godefroid 1996). That leaves out moves and no state: what a sleeping move leads to is reached by the same moves in
//! the other order. A state that is reached again, with less asleep than before, is visited again for what woke.
//!
//! Where some moves are enough (`ample.rs`) the others are not tried: that leaves out states, too.

#[cfg(test)]
use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::check::Violation;

/// Something with states, between which lie moves.
pub(crate) trait World: Clone + Send {
    /// One thing that happens.
    type Move: Copy + Send + Sync;
    /// What may happen now.
    fn moves(&self) -> Vec<Self::Move>;
    /// Lets one thing happen.
    fn act(&mut self, happens: Self::Move);
    /// The number of a move, below 64; of two that may happen in one state it is not the same.
    fn number(&self, happens: Self::Move) -> u32;
    /// What a move reads and changes, a bit for each: two without a common bit lead to the same state in either order, and
    /// neither prevents the other.
    fn touches(&self, happens: Self::Move) -> u64;
    /// Sets of the possible moves, of which each is enough to try (`ample.rs`).
    fn ample(&self, possible: &[Self::Move]) -> Vec<Vec<Self::Move>>;
    /// What makes it the state it is.
    fn digest(&self) -> u64;
    /// What should never be.
    fn check_always(&self) -> Result<(), Violation>;
    /// Nothing is in flight: whatever happens next, somebody has to decide it.
    fn is_quiet(&self) -> bool;
    /// What must not be when nothing is in flight.
    fn check(&self) -> Result<(), Violation>;
    /// True if only time may mend it.
    fn needs_time(&self) -> bool;
    /// Lets time pass until nothing is due for a while.
    fn heal(&mut self, time: Duration);
    /// What it has come to, but for who is called what: a text by which searches are compared.
    #[cfg(test)]
    fn outcome(&self) -> String;
    /// What a move is and carries, for people.
    fn line(&self, happens: Self::Move) -> String;
}

/// Parts of the set of known states, so that threads seldom wait for each other.
const PARTS: usize = 64;

/// How long a pair may take to mend itself by rule 8: 10 s, then 5, 10 and 20.
const HEALING: Duration = Duration::from_secs(120);

/// States searched for the shortest trail to a fault that is known to exist.
const SHORTEST: usize = 300_000;

/// More states than this are not held: 16 bytes each make tables of some two gigabytes. The largest row had 2.7 million before the reductions.
pub(crate) const MOST_STATES: u64 = 50_000_000;

/// More states than this do not wait to be visited: the search goes deep first, so thousands wait, of some kilobytes each.
const MOST_WAITING: usize = 200_000;

/// Which orders of moves are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orders {
    /// All.
    All,
    /// Of those that lead to the same state for a known reason, one.
    Distinct,
}

/// What a search may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) time: Duration,
    pub(crate) states: u64,
}

/// Why a search ended before all states were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    #[error("the time was over")]
    Time,
    #[error("the memory for states was full")]
    States,
    #[error("{MOST_WAITING} states waited to be visited, the most that may")]
    Waiting,
}

/// Moves by their numbers.
type Moves = u64;

/// The trail to a state, last step first.
#[derive(Debug)]
struct Step<Move> {
    happens: Move,
    before: Trail<Move>,
}

type Trail<Move> = Option<Arc<Step<Move>>>;

fn steps<Move: Copy>(mut trail: &Trail<Move>) -> Vec<Move> {
    let mut steps = Vec::new();
    while let Some(step) = trail {
        steps.push(step.happens);
        trail = &step.before;
    }
    steps.reverse();
    steps
}

/// What a search found.
#[derive(Debug, Clone)]
pub(crate) struct Found<Move> {
    pub(crate) states: u64,
    pub(crate) moves: u64,
    /// States in which nothing was in flight.
    pub(crate) quiet: u64,
    /// Of those, such as only time mended.
    pub(crate) healed: u64,
    pub(crate) took: Duration,
    /// What the states in which nothing was in flight have come to.
    #[cfg(test)]
    pub(crate) outcomes: BTreeSet<String>,
    /// Not all states were seen.
    pub(crate) cut: Option<Cut>,
    pub(crate) fault: Option<(Violation, Vec<Move>)>,
}

/// A state to be visited.
struct Visit<W: World> {
    state: W,
    trail: Trail<W::Move>,
    /// Moves whose outcome is reached in another order.
    asleep: Moves,
    /// What is to be tried of a state that was visited before.
    woke: Option<Moves>,
}

struct Search<W: World> {
    /// The digests of all states, and what sleeps in them.
    known: Vec<Mutex<HashMap<u64, Moves>>>,
    /// States whose moves were not tried, for threads that have none left.
    spare: Mutex<Vec<Visit<W>>>,
    threads: usize,
    orders: Orders,
    busy: AtomicUsize,
    stop: AtomicBool,
    cut: Mutex<Option<Cut>>,
    until: Instant,
    most_states: u64,
    #[cfg(test)]
    outcomes: Mutex<BTreeSet<String>>,
    states: AtomicU64,
    moves: AtomicU64,
    quiet: AtomicU64,
    healed: AtomicU64,
    fault: Mutex<Option<(Violation, Trail<W::Move>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds the lock")
}

/// Sees every state that follows from the first, or as many as time and memory allow.
pub(crate) fn exhaust<W: World>(first: &W, orders: Orders, threads: usize, bounds: Bounds) -> Found<W::Move> {
    let start = Instant::now();
    let search = Search {
        known: (0..PARTS).map(|_| Mutex::default()).collect(),
        spare: Mutex::default(),
        threads,
        orders,
        busy: AtomicUsize::new(threads),
        stop: AtomicBool::new(false),
        cut: Mutex::default(),
        until: start + bounds.time,
        most_states: bounds.states,
        #[cfg(test)]
        outcomes: Mutex::default(),
        states: AtomicU64::new(0),
        moves: AtomicU64::new(0),
        quiet: AtomicU64::new(0),
        healed: AtomicU64::new(0),
        fault: Mutex::default(),
    };
    lock(&search.spare).extend(search.reach(first.clone(), None, 0));
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(|| search.work())));
    });
    let fault = lock(&search.fault).take();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Found {
        states: count(&search.states),
        moves: count(&search.moves),
        quiet: count(&search.quiet),
        healed: count(&search.healed),
        took: start.elapsed(),
        #[cfg(test)]
        outcomes: std::mem::take(&mut *lock(&search.outcomes)),
        cut: *lock(&search.cut),
        fault: fault.map(|(violation, trail)| shortest(first).unwrap_or_else(|| (violation, steps(&trail)))),
    }
}

impl<W: World> Search<W> {
    /// What is to be visited of a state that a trail leads to.
    fn reach(&self, state: W, trail: Trail<W::Move>, asleep: Moves) -> Option<Visit<W>> {
        let digest = state.digest();
        match lock(&self.known[digest as usize % PARTS]).entry(digest) {
            Entry::Vacant(unknown) => {
                unknown.insert(asleep);
                if self.states.fetch_add(1, Ordering::Relaxed) >= self.most_states {
                    self.cut(Cut::States);
                }
                Some(Visit { state, trail, asleep, woke: None })
            }
            Entry::Occupied(mut slept) => {
                let woke = slept.get() & !asleep;
                *slept.get_mut() &= asleep;
                (woke != 0).then(|| Visit { state, trail, asleep: *slept.get(), woke: Some(woke) })
            }
        }
    }

    fn work(&self) {
        let mut own: Vec<Visit<W>> = Vec::new();
        let mut working = true;
        while !self.stop.load(Ordering::Relaxed) {
            let Some(visit) = own.pop().or_else(|| lock(&self.spare).pop()) else {
                if std::mem::replace(&mut working, false) {
                    self.busy.fetch_sub(1, Ordering::SeqCst);
                }
                if self.busy.load(Ordering::SeqCst) == 0 {
                    return;
                }
                std::thread::yield_now();
                continue;
            };
            if !std::mem::replace(&mut working, true) {
                self.busy.fetch_add(1, Ordering::SeqCst);
            }
            self.visit(visit, &mut own);
            if own.len() > 1 && self.busy.load(Ordering::Relaxed) < self.threads {
                let half = own.len() / 2;
                lock(&self.spare).extend(own.drain(..half));
            }
            if own.len() > MOST_WAITING {
                self.cut(Cut::Waiting);
            }
            if Instant::now() >= self.until {
                self.cut(Cut::Time);
            }
        }
    }

    fn cut(&self, why: Cut) {
        lock(&self.cut).get_or_insert(why);
        self.stop.store(true, Ordering::Relaxed);
    }

    fn report(&self, violation: Violation, trail: &Trail<W::Move>) {
        lock(&self.fault).get_or_insert_with(|| (violation, trail.clone()));
        self.stop.store(true, Ordering::Relaxed);
    }

    fn count(&self, kind: StateKind) {
        if kind == StateKind::Busy {
            return;
        }
        self.quiet.fetch_add(1, Ordering::Relaxed);
        self.healed.fetch_add(u64::from(kind == StateKind::Healed), Ordering::Relaxed);
    }

    fn visit(&self, visit: Visit<W>, own: &mut Vec<Visit<W>>) {
        let Visit { state, trail, mut asleep, woke } = visit;
        if woke.is_none() {
            match faults(&state) {
                Err(violation) => return self.report(violation, &trail),
                Ok(kind) => {
                    self.count(kind);
                    #[cfg(test)]
                    if kind != StateKind::Busy {
                        lock(&self.outcomes).insert(state.outcome());
                    }
                }
            }
        }
        let possible = state.moves();
        let enough = match self.orders {
            Orders::Distinct => smallest(&state, &possible),
            Orders::All => {
                if woke.is_none()
                    && let Err(violation) = check_ample(&state, &possible)
                {
                    return self.report(violation, &trail);
                }
                Moves::MAX
            }
        };
        let moves: Vec<Numbered<W::Move>> = possible.into_iter().map(|happens| numbered(&state, happens)).collect();
        let todo = woke.unwrap_or(!asleep) & enough;
        let first = own.len();
        for Numbered { happens, bit, touches } in moves.iter().filter(|it| it.bit & todo != 0) {
            let mut next = state.clone();
            next.act(*happens);
            self.moves.fetch_add(1, Ordering::Relaxed);
            let trail = Some(Arc::new(Step { happens: *happens, before: trail.clone() }));
            // How it came about counts too, and another trail to the same state may be blameless.
            if let Err(violation) = next.check_always() {
                return self.report(violation, &trail);
            }
            let sleeps_on = moves.iter().filter(|other| other.bit & asleep != 0 && other.touches & touches == 0);
            let asleep_there = sleeps_on.fold(0, |all, other| all | other.bit);
            own.extend(self.reach(next, trail, asleep_there));
            if self.orders == Orders::Distinct {
                asleep |= bit;
            }
        }
        own[first..].reverse(); // The first is visited first: least sleeps behind it, so little wakes when states are reached again.
    }
}

/// A move with what the search asks about it.
struct Numbered<Move> {
    happens: Move,
    bit: Moves,
    touches: u64,
}

fn numbered<W: World>(state: &W, happens: W::Move) -> Numbered<W::Move> {
    Numbered { happens, bit: 1 << state.number(happens), touches: state.touches(happens) }
}

/// Moves as a set of their numbers.
fn numbers<W: World>(state: &W, moves: &[W::Move]) -> Moves {
    moves.iter().fold(0, |all, happens| all | 1 << state.number(*happens))
}

/// The smallest of the sets of moves that are enough.
fn smallest<W: World>(state: &W, possible: &[W::Move]) -> Moves {
    let sets = state.ample(possible).into_iter().map(|moves| numbers(state, &moves));
    sets.min_by_key(|set| set.count_ones()).unwrap_or(Moves::MAX)
}

/// Each move of a set that is said to be enough commutes with each that is not in it, and behind that the set, or what is possible of it, is
/// still enough. So, step by step, it commutes with all that may come before it.
fn check_ample<W: World>(state: &W, possible: &[W::Move]) -> Result<(), Violation> {
    for set in state.ample(possible) {
        let ours = numbers(state, &set);
        for other in possible.iter().filter(|happens| ours & 1 << state.number(**happens) == 0) {
            if let Some(why) = disturbs(state, &set, *other) {
                let lines: Vec<String> = set.iter().map(|happens| state.line(*happens)).collect();
                return Err(Violation::NotAmple(lines.join(", "), state.line(*other), why));
            }
        }
    }
    Ok(())
}

fn disturbs<W: World>(state: &W, set: &[W::Move], other: W::Move) -> Option<&'static str> {
    let ours = numbers(state, set);
    let mut after = state.clone();
    after.act(other);
    let left = after.moves();
    if !after.ample(&left).iter().any(|set| numbers(&after, set) & !ours == 0) {
        return Some("is not enough any more behind");
    }
    let still = numbers(&after, &left) & ours;
    for happens in set.iter().filter(|happens| still & 1 << state.number(**happens) != 0) {
        let (mut one, mut two) = (state.clone(), after.clone());
        one.act(*happens);
        if numbers(&one, &one.moves()) & 1 << state.number(other) == 0 {
            return Some("prevents");
        }
        one.act(other);
        two.act(*happens);
        if one.digest() != two.digest() || one.check_always() != two.check_always() {
            return Some("does not commute with");
        }
    }
    None
}

/// What kind of state it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StateKind {
    Busy,
    Quiet,
    Healed,
}

fn faults<W: World>(state: &W) -> Result<StateKind, Violation> {
    state.check_always()?;
    if !state.is_quiet() {
        return Ok(StateKind::Busy);
    }
    match state.check() {
        Ok(()) => Ok(StateKind::Quiet),
        Err(violation) if !state.needs_time() => Err(violation),
        Err(_) => {
            let mut later = state.clone();
            later.heal(HEALING);
            later.check().map(|()| StateKind::Healed)
        }
    }
}

/// The shortest trail to a fault, if it is not too far.
fn shortest<W: World>(first: &W) -> Option<(Violation, Vec<W::Move>)> {
    let mut known = HashSet::from([first.digest()]);
    let mut next: VecDeque<(W, Trail<W::Move>)> = VecDeque::from([(first.clone(), None)]);
    while let Some((state, trail)) = next.pop_front() {
        if let Err(violation) = faults(&state) {
            return Some((violation, steps(&trail)));
        }
        for happens in state.moves() {
            let mut after = state.clone();
            after.act(happens);
            if let Err(violation) = after.check_always() {
                return Some((violation, steps(&Some(Arc::new(Step { happens, before: trail })))));
            }
            if known.len() < SHORTEST && known.insert(after.digest()) {
                next.push_back((after, Some(Arc::new(Step { happens, before: trail.clone() }))));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Bounds = Bounds { time: Duration::from_secs(60), states: MOST_STATES };

    /// Counters that are counted up to three, each by a move of its own, and that may be said to have nothing in common.
    #[derive(Debug, Clone)]
    struct Counters {
        at: [u64; 3],
        common: u64,
    }

    impl World for Counters {
        type Move = usize;

        fn moves(&self) -> Vec<usize> {
            (0..3).filter(|which| self.at[*which] < 3).collect()
        }

        fn act(&mut self, which: usize) {
            self.at[which] += 1;
        }

        fn number(&self, which: usize) -> u32 {
            u32::try_from(which).expect("few")
        }

        fn touches(&self, which: usize) -> u64 {
            (1 << which) | self.common
        }

        fn ample(&self, _possible: &[usize]) -> Vec<Vec<usize>> {
            Vec::new()
        }

        fn digest(&self) -> u64 {
            self.at.iter().fold(0, |all, at| all * 4 + at)
        }

        fn check_always(&self) -> Result<(), Violation> {
            Ok(())
        }

        fn is_quiet(&self) -> bool {
            self.moves().is_empty()
        }

        fn check(&self) -> Result<(), Violation> {
            Ok(())
        }

        fn needs_time(&self) -> bool {
            false
        }

        fn heal(&mut self, _time: Duration) {}

        fn outcome(&self) -> String {
            format!("{:?}", self.at)
        }

        fn line(&self, which: usize) -> String {
            which.to_string()
        }
    }

    #[test]
    fn of_moves_that_commute_one_order_is_tried_and_every_state_is_seen() {
        for threads in [1, 2] {
            let independent = exhaust(&Counters { at: [0; 3], common: 0 }, Orders::Distinct, threads, ALL);
            assert_eq!((independent.states, independent.moves, independent.cut), (64, 63, None));
            let all = exhaust(&Counters { at: [0; 3], common: 0 }, Orders::All, threads, ALL);
            assert_eq!((all.states, all.moves, all.quiet), (64, 144, 1));
        }
    }

    #[test]
    fn of_moves_with_something_in_common_every_order_is_tried() {
        let found = exhaust(&Counters { at: [0; 3], common: 1 << 8 }, Orders::Distinct, 1, ALL);
        assert_eq!((found.states, found.moves), (64, 144));
    }

    #[test]
    fn a_search_ends_when_the_memory_for_states_is_full() {
        let found = exhaust(&Counters { at: [0; 3], common: 0 }, Orders::All, 1, Bounds { states: 10, ..ALL });
        assert_eq!(found.cut, Some(Cut::States));
        assert!(found.states <= 13, "{} states", found.states);
    }
}
