//! The search: visits every reachable state once.

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
    /// What a move is and carries, for people.
    fn line(&self, happens: Self::Move) -> String;
}

/// Parts of the set of known states, so that threads seldom wait for each other.
const PARTS: usize = 64;

/// How long a pair may take to mend itself by rule 8: 10 s, then 5, 10 and 20.
const HEALING: Duration = Duration::from_secs(120);

/// States searched for the shortest trail to a fault that is known to exist.
const SHORTEST: usize = 300_000;

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
    /// The time was over before all states were seen.
    pub(crate) cut: bool,
    pub(crate) fault: Option<(Violation, Vec<Move>)>,
}

struct Search<W: World> {
    known: Vec<Mutex<HashSet<u64>>>,
    /// States whose moves were not tried, for threads that have none left.
    spare: Mutex<Vec<(W, Trail<W::Move>)>>,
    threads: usize,
    busy: AtomicUsize,
    stop: AtomicBool,
    cut: AtomicBool,
    until: Instant,
    states: AtomicU64,
    moves: AtomicU64,
    quiet: AtomicU64,
    healed: AtomicU64,
    fault: Mutex<Option<(Violation, Trail<W::Move>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds the lock")
}

/// Sees every state that follows from the first, or as many as the time allows.
pub(crate) fn exhaust<W: World>(first: &W, threads: usize, limit: Duration) -> Found<W::Move> {
    let start = Instant::now();
    let search = Search {
        known: (0..PARTS).map(|_| Mutex::default()).collect(),
        spare: Mutex::default(),
        threads,
        busy: AtomicUsize::new(threads),
        stop: AtomicBool::new(false),
        cut: AtomicBool::new(false),
        until: start + limit,
        states: AtomicU64::new(0),
        moves: AtomicU64::new(0),
        quiet: AtomicU64::new(0),
        healed: AtomicU64::new(0),
        fault: Mutex::default(),
    };
    search.is_new(first.digest());
    lock(&search.spare).push((first.clone(), None));
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
        cut: search.cut.load(Ordering::Relaxed),
        fault: fault.map(|(violation, trail)| shortest(first).unwrap_or_else(|| (violation, steps(&trail)))),
    }
}

impl<W: World> Search<W> {
    fn is_new(&self, digest: u64) -> bool {
        let new = lock(&self.known[digest as usize % PARTS]).insert(digest);
        self.states.fetch_add(u64::from(new), Ordering::Relaxed);
        new
    }

    fn work(&self) {
        let mut own: Vec<(W, Trail<W::Move>)> = Vec::new();
        let mut working = true;
        while !self.stop.load(Ordering::Relaxed) {
            let Some((state, trail)) = own.pop().or_else(|| lock(&self.spare).pop()) else {
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
            self.visit(&state, &trail, &mut own);
            if own.len() > 1 && self.busy.load(Ordering::Relaxed) < self.threads {
                let half = own.len() / 2;
                lock(&self.spare).extend(own.drain(..half));
            }
            if Instant::now() >= self.until {
                self.cut.store(true, Ordering::Relaxed);
                self.stop.store(true, Ordering::Relaxed);
            }
        }
    }

    fn report(&self, violation: Violation, trail: &Trail<W::Move>) {
        lock(&self.fault).get_or_insert_with(|| (violation, trail.clone()));
        self.stop.store(true, Ordering::Relaxed);
    }

    fn visit(&self, state: &W, trail: &Trail<W::Move>, own: &mut Vec<(W, Trail<W::Move>)>) {
        match faults(state) {
            Err(violation) => return self.report(violation, trail),
            Ok(StateKind::Busy) => {}
            Ok(StateKind::Quiet) => drop(self.quiet.fetch_add(1, Ordering::Relaxed)),
            Ok(StateKind::Healed) => {
                self.quiet.fetch_add(1, Ordering::Relaxed);
                self.healed.fetch_add(1, Ordering::Relaxed);
            }
        }
        for happens in state.moves() {
            let mut next = state.clone();
            next.act(happens);
            self.moves.fetch_add(1, Ordering::Relaxed);
            let trail = Some(Arc::new(Step { happens, before: trail.clone() }));
            // How it came about counts too, and another trail to the same state may be blameless.
            if let Err(violation) = next.check_always() {
                return self.report(violation, &trail);
            }
            if self.is_new(next.digest()) {
                own.push((next, trail));
            }
        }
    }
}

/// What kind of state it is.
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
