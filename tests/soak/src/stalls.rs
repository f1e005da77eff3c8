//! Somebody whose process is stopped (SIGSTOP) behind each stanza that crosses its wire while it joins a call of two, and goes on after a
//! while: the session of the two is never interrupted, and the third enters the call.

use std::collections::BTreeSet;
use std::time::Duration;

use muji_harness::proxy::Proxy;
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::call::Call;
use crate::median::median;
use crate::observed::Observed;
use crate::{Failure, Outcome};

/// How long it is stopped: a busy disk, a busy machine, and a machine that swaps.
const STALLS: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(2), Duration::from_secs(20)];

/// The first two stanzas bind a resource; somebody who joins a call of two is done with the sixteenth.
const STEPS: std::ops::RangeInclusive<usize> = 3..=16;

/// Calls at once: 21 processes.
const AT_ONCE: usize = 7;

/// In a call: Romeo, Juliet, and who is stopped.
const PEOPLE: [(&str, u16); 3] = [("romeo", 440), ("juliet", 550), ("mercutio", 880)];
const STOPPED: usize = 2;

/// A step is reached and the call entered within this, or never: others wait for 20 s for somebody who prepares, and calls are tried again.
const LIMIT: Duration = Duration::from_secs(60);

/// How long they go on after all heard all, before they are judged.
const LISTEN: Duration = Duration::from_secs(3);

/// Stops somebody at each step for each time, and prints a table.
pub(crate) async fn play() -> Result<Outcome, Failure> {
    println!("## Stopped at each of {} steps of a join\n", STEPS.count());
    println!(
        "| stopped for | in the call after it goes on, ms (median, at most) | the others were interrupted | warnings |\n|---|---|---|---|"
    );
    let steps: Vec<usize> = STEPS.collect();
    let (mut faults, mut slowest, mut entered) = (Vec::new(), Duration::ZERO, 0);
    for stall in STALLS {
        let (mut took, mut interrupted, mut warnings) = (Vec::new(), 0, BTreeSet::new());
        for steps in steps.chunks(AT_ONCE) {
            let mut calls = Calls::start(steps).await?;
            took.extend(calls.stall(stall).await?);
            faults.extend(calls.faults(stall));
            interrupted += calls.between_others("interrupted");
            warnings.extend(calls.call.observed.warnings.keys().map(|(_, why)| why.clone()));
            calls.end().await?;
        }
        let middle = median(took.iter().copied()).unwrap_or_default();
        let last = took.iter().max().copied().unwrap_or_default();
        entered += took.len();
        slowest = slowest.max(last);
        let warnings =
            if warnings.is_empty() { "none".to_owned() } else { warnings.into_iter().collect::<Vec<_>>().join("; ") };
        println!(
            "| {} ms | {}, {} | {interrupted} times | {warnings} |",
            stall.as_millis(),
            middle.as_millis(),
            last.as_millis()
        );
    }
    println!();
    let sentence = format!(
        "after {entered} of {} stalls in the call, within {} ms at most",
        STALLS.len() * STEPS.count(),
        slowest.as_millis()
    );
    Ok(Outcome::Judged { faults, sentence })
}

/// Calls of three, one for each step.
struct Calls {
    call: Call,
    steps: Vec<usize>,
    /// What the third of each reaches the server by.
    proxies: Vec<Proxy>,
}

impl Calls {
    /// Romeo and Juliet of each hear each other.
    async fn start(steps: &[usize]) -> Result<Self, Failure> {
        let people = steps.iter().flat_map(|step| PEOPLE.map(|(name, hz)| (format!("{name}{step}"), hz))).collect();
        let mut this = Self { call: Call::new(people).await?, steps: steps.to_vec(), proxies: Vec::new() };
        let others: Vec<usize> = (0..this.call.people.len()).filter(|number| is_other(*number)).collect();
        for number in &others {
            this.call.start(*number, &this.room(*number), &[])?;
        }
        let wanted = others.len();
        if !this.call.watch(Instant::now() + LIMIT, |observed| observed.first.len() >= wanted).await? {
            return Err("two who join do not hear each other".into());
        }
        Ok(this)
    }

    fn room(&self, number: usize) -> String {
        format!("step{}", self.steps[number / PEOPLE.len()])
    }

    /// The third of each joins, and is stopped at its step for this time. How long it took, once it went on, until all heard each other.
    async fn stall(&mut self, stall: Duration) -> Result<Vec<Duration>, Failure> {
        let mut stopped = JoinSet::new();
        for (index, step) in self.steps.iter().enumerate() {
            let number = index * PEOPLE.len() + STOPPED;
            let proxy = Proxy::before(self.call.server(), *step).await?;
            self.call.start_by(proxy.address(), number, &self.room(number), &[])?;
            let id = Pid::from_raw(self.call.id(number)?.cast_signed()).ok_or("a process has no id")?;
            stopped.spawn(async move { stop(proxy, id, stall).await.map(|proxy| (number, Instant::now(), proxy)) });
        }
        let (mut begun, mut took) = (Vec::new(), Vec::new());
        let limit = Instant::now() + LIMIT + stall + LIMIT;
        while took.len() < self.steps.len() {
            tokio::select! {
                Some(result) = stopped.join_next() => {
                    let (number, at, proxy) = result?.ok_or("a process could not be stopped at its step")?;
                    begun.push((number, at));
                    self.proxies.push(proxy);
                }
                event = self.call.next(limit) => if !event? {
                    return Ok(took);
                },
            }
            let observed = &self.call.observed;
            begun.retain(|(number, at)| {
                let there = hear_each_other(observed, *number);
                took.extend(there.then(|| at.elapsed()));
                !there
            });
        }
        self.call.watch_for(LISTEN).await?;
        Ok(took)
    }

    /// How often sessions between those who were not stopped entered this state.
    fn between_others(&self, state: &str) -> usize {
        self.call.observed.count_between(state, is_other)
    }

    fn faults(&self, stall: Duration) -> Vec<String> {
        let milliseconds = stall.as_millis();
        let mut faults = self.call.ended();
        for (index, step) in self.steps.iter().enumerate() {
            if !hear_each_other(&self.call.observed, index * PEOPLE.len() + STOPPED) {
                faults.push(format!("stopped for {milliseconds} ms at step {step}, it did not enter the call"));
            }
        }
        for state in ["interrupted", "failed", "left"] {
            let times = self.between_others(state);
            if times > 0 {
                faults
                    .push(format!("somebody was stopped for {milliseconds} ms: {state} between others {times} times"));
            }
        }
        faults
    }

    /// All leave, and the proxies end behind them.
    async fn end(self) -> Result<(), Failure> {
        self.call.end().await
    }
}

/// Stops a process for this time once its proxy has reached its step. `None` if that is impossible.
async fn stop(mut proxy: Proxy, id: Pid, stall: Duration) -> Option<Proxy> {
    timeout(LIMIT, proxy.frozen()).await.ok()?;
    kill_process(id, Signal::STOP).ok()?;
    proxy.release();
    tokio::time::sleep(stall).await;
    kill_process(id, Signal::CONT).ok()?;
    Some(proxy)
}

/// Whether this is one of the two who are not stopped.
fn is_other(number: usize) -> bool {
    number % PEOPLE.len() != STOPPED
}

/// Whether somebody and the two before it have heard each other.
fn hear_each_other(observed: &Observed, number: usize) -> bool {
    let mut others = (number - STOPPED)..number;
    others.all(|other| [(number, other), (other, number)].iter().all(|pair| observed.first.contains(pair)))
}
