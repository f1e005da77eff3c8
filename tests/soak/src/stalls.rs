//! Somebody whose process is stopped (SIGSTOP) behind each stanza that crosses its wire while it joins a call of two, and goes on after a
//! while: the two hear each other all the time, and it comes into the call.

use std::time::Duration;

use muji_harness::muji_call::Processes;
use muji_harness::proxy::Proxy;
use muji_harness::room::Rules;
use muji_harness::server::Server;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::observed::{Observed, plain};
use crate::{Failure, Outcome, PASSWORD};

/// How long it is stopped: a busy disk, a busy machine, and a machine that swaps.
const STALLS: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(2), Duration::from_secs(20)];

/// The first two stanzas bind a resource; somebody who joins a call of two is done with the sixteenth.
const STEPS: std::ops::RangeInclusive<usize> = 3..=16;

/// Calls at once: 21 processes.
const AT_ONCE: usize = 7;

/// In a call: Romeo, Juliet, and who is stopped.
const PEOPLE: [(&str, u16); 3] = [("romeo", 440), ("juliet", 550), ("mercutio", 880)];
const STOPPED: usize = 2;

/// Everything is so within this, or it never is: others wait for 20 s for somebody who prepares, and calls are tried again.
const LIMIT: Duration = Duration::from_secs(60);

/// After that all hear all for so long, before it is looked at.
const LISTEN: Duration = Duration::from_secs(3);

/// Stops somebody at each step for each time, and prints a table.
pub(crate) async fn play() -> Result<Outcome, Failure> {
    println!("## Stopped at each of {} steps of a join\n", STEPS.count());
    println!(
        "| stopped for | in the call after it goes on, ms (median, at most) | the others were interrupted | told |\n|---|---|---|---|"
    );
    let (mut faults, mut slowest) = (Vec::new(), Duration::ZERO);
    for stall in STALLS {
        let steps: Vec<usize> = STEPS.collect();
        let (mut took, mut interrupted, mut told) = (Vec::new(), 0, Vec::new());
        for steps in steps.chunks(AT_ONCE) {
            let mut calls = Calls::start(steps).await?;
            took.extend(calls.stall(stall).await?);
            faults.extend(calls.faults(stall));
            interrupted += calls.between_others("interrupted");
            told.extend(calls.observed.warnings.keys().map(|(_, why)| plain(why)));
            calls.end().await?;
        }
        took.sort();
        told.sort();
        told.dedup();
        let [middle, last] = [took.get(took.len() / 2), took.last()].map(|it| it.copied().unwrap_or_default());
        slowest = slowest.max(last);
        let told = if told.is_empty() { "nothing".to_owned() } else { told.join("; ") };
        println!(
            "| {} ms | {}, {} | {interrupted} times | {told} |",
            stall.as_millis(),
            middle.as_millis(),
            last.as_millis()
        );
    }
    println!();
    let sentence =
        format!("{} stalls, in the call {} ms after each at most", STALLS.len() * STEPS.count(), slowest.as_millis());
    Ok(Outcome { faults, sentence })
}

/// Calls of three, one for each step.
struct Calls {
    server: Server,
    processes: Processes,
    steps: Vec<usize>,
    names: Vec<(String, u16)>,
    observed: Observed,
}

impl Calls {
    /// Romeo and Juliet of each hear each other.
    async fn start(steps: &[usize]) -> Result<Self, Failure> {
        let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
        let processes = Processes::new(&["--tls", "none"], PASSWORD)?;
        let names = steps.iter().flat_map(|step| PEOPLE.map(|(name, hz)| (format!("{name}{step}"), hz)));
        let names = names.collect();
        let mut this = Self { server, processes, steps: steps.to_vec(), names, observed: Observed::default() };
        let address = this.server.address().to_string();
        let others: Vec<usize> = this.others().collect();
        others.iter().try_for_each(|number| this.join(*number, &address))?;
        let wanted = others.len();
        if !this.watch(Instant::now() + LIMIT, |observed| observed.first.len() >= wanted).await? {
            return Err("two who join do not hear each other".into());
        }
        Ok(this)
    }

    /// The numbers of all who are not stopped.
    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.names.len()).filter(|number| number % PEOPLE.len() != STOPPED)
    }

    fn join(&mut self, number: usize, server: &str) -> Result<(), Failure> {
        let (name, hz) = &self.names[number];
        let room = format!("step{}@conference.localhost", self.steps[number / PEOPLE.len()]);
        let (jid, audio) = (format!("{name}@localhost"), format!("tone:{hz}"));
        let arguments = [room.as_str(), "--nick", name, "--no-window", "--audio", &audio, "--server", server];
        Ok(self.processes.start(number, &jid, &arguments)?)
    }

    /// The third of each joins, and is stopped for so long at its step; how long it took, once it went on, until all heard each other.
    async fn stall(&mut self, stall: Duration) -> Result<Vec<Duration>, Failure> {
        let (tell, mut told) = mpsc::channel(self.steps.len());
        for (index, step) in self.steps.clone().into_iter().enumerate() {
            let number = index * PEOPLE.len() + STOPPED;
            let mut proxy = Proxy::before(self.server.address(), step).await?;
            self.join(number, &proxy.address().to_string())?;
            let id = self.processes.id(number).and_then(|id| Pid::from_raw(id.cast_signed()));
            let (id, tell) = (id.ok_or("it has ended")?, tell.clone());
            tokio::spawn(async move {
                let reached = timeout_at(Instant::now() + LIMIT, proxy.frozen()).await.is_ok();
                let stopped = reached && kill_process(id, Signal::STOP).is_ok();
                proxy.release();
                tokio::time::sleep(stall).await;
                let goes_on = kill_process(id, Signal::CONT).is_ok();
                let _gone = tell.send((number, stopped && goes_on, Instant::now())).await.is_err();
                std::future::pending::<()>().await; // The wire stays.
                drop(proxy);
            });
        }
        drop(tell);
        let (mut begun, mut took) = (Vec::new(), Vec::new());
        let limit = Instant::now() + stall + LIMIT;
        while took.len() < self.steps.len() {
            tokio::select! {
                Some((number, stopped, at)) = told.recv() => {
                    if !stopped {
                        return Err(format!("{} was not stopped", self.names[number].0).into());
                    }
                    begun.push((number, at));
                }
                event = timeout_at(limit, self.processes.next()) => match event {
                    Ok(Some((number, event))) => self.observed.take(number, &event, &self.names),
                    Ok(None) => return Err("all processes have ended".into()),
                    Err(_) => return Ok(took),
                },
            }
            let observed = &self.observed;
            begun.retain(|(number, at)| {
                let there = hear_each_other(observed, *number);
                took.extend(there.then(|| at.elapsed()));
                !there
            });
        }
        self.watch(Instant::now() + LISTEN, |_| false).await?;
        Ok(took)
    }

    /// Until then, or until something is so.
    async fn watch(&mut self, until: Instant, done: impl Fn(&Observed) -> bool) -> Result<bool, Failure> {
        while !done(&self.observed) {
            let Ok(event) = timeout_at(until, self.processes.next()).await else { return Ok(false) };
            let (number, event) = event.ok_or("all processes have ended")?;
            self.observed.take(number, &event, &self.names);
        }
        Ok(true)
    }

    /// How often sessions between those who were not stopped came to this state.
    fn between_others(&self, state: &str) -> usize {
        let lost = self.observed.lost.iter();
        let of = lost
            .filter(|((to, from, of), _)| of == state && [to, from].iter().all(|it| **it % PEOPLE.len() != STOPPED));
        of.map(|(_, times)| times).sum()
    }

    fn faults(&self, stall: Duration) -> Vec<String> {
        let milliseconds = stall.as_millis();
        let mut faults = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            if !hear_each_other(&self.observed, index * PEOPLE.len() + STOPPED) {
                faults.push(format!("stopped for {milliseconds} ms at step {step}, it did not come into the call"));
            }
        }
        let ended = self.observed.ended.iter();
        faults.extend(ended.map(|(number, why)| format!("the call of {} ended: {why}", self.names[*number].0)));
        for state in ["failed", "left"] {
            if self.between_others(state) > 0 {
                faults.push(format!("somebody who was not stopped {state}"));
            }
        }
        faults
    }

    async fn end(mut self) -> Result<(), Failure> {
        self.processes.press("q").await;
        self.processes.all_started();
        let drained = async { while self.processes.next().await.is_some() {} };
        Ok(tokio::time::timeout(LIMIT, drained).await.map_err(|_| "a process did not end in time")?)
    }
}

/// Whether somebody and the two before it have heard each other.
fn hear_each_other(observed: &Observed, number: usize) -> bool {
    let mut others = (number - STOPPED)..number;
    others.all(|other| [(number, other), (other, number)].iter().all(|pair| observed.first.contains_key(pair)))
}
