//! More people than a machine can serve: real processes in one call with sound. What breaks first, and whether its user is told.

use std::collections::BTreeMap;
use std::time::Duration;

use muji_harness::muji_call::Processes;
use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::time::{Instant, timeout_at};

use crate::observed::{Direction, Observed};
use crate::vitals::Vitals;
use crate::{Failure, Outcome, PASSWORD};

/// The lowest tone, and from one to the next, in Hz: more than tones are told apart by.
const LOWEST: u16 = 300;
const STEP: u16 = 50;

/// Who hears so much made-up sound from the median of the others, in percent, has to be told why.
const MUCH: f64 = 10.0;

/// All have heard all within this, or what is missing is missing.
const SETTLING: Duration = Duration::from_secs(60);

/// All leave within this, or something hangs.
const LEAVING: Duration = Duration::from_secs(60);

/// So many talk for so many seconds.
pub(crate) async fn play(people: u16, seconds: u32) -> Result<Outcome, Failure> {
    println!("## {people} muji-call processes in one call, with sound\n");
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    let mut processes = Processes::new(&["--server", &server.address().to_string(), "--tls", "none"], PASSWORD)?;
    let names: Vec<(String, u16)> =
        (0..people).map(|number| (format!("guest{number:02}"), LOWEST + STEP * number)).collect();
    for (number, (name, hz)) in names.iter().enumerate() {
        let audio = format!("tone:{hz}");
        let arguments = ["crowd@conference.localhost", "--nick", name, "--no-window", "--audio", &audio];
        processes.start(number, &format!("{name}@localhost"), &arguments)?;
    }
    let mut crowd = Crowd { processes, names, observed: Observed::default() };
    let begun = Instant::now();
    let all = usize::from(people) * usize::from(people - 1);
    crowd.watch(begun + SETTLING, |observed| observed.first.len() == all).await?;
    let settled = begun.elapsed();
    let (cpu, before) = (crowd.cpu(), crowd.observed.directions.clone());
    let measured = Instant::now();
    crowd.watch(measured + Duration::from_secs(seconds.into()), |_| false).await?;
    let spent = crowd.cpu().saturating_sub(cpu);
    let outcome = crowd.judge(all, settled, measured.elapsed(), spent, &before);
    crowd.processes.press("q").await;
    crowd.processes.all_started();
    let drained = async { while crowd.processes.next().await.is_some() {} };
    tokio::time::timeout(LEAVING, drained).await.map_err(|_| "a process did not end in time")?;
    Ok(outcome)
}

struct Crowd {
    processes: Processes,
    names: Vec<(String, u16)>,
    observed: Observed,
}

impl Crowd {
    /// Until then, or until something is so.
    async fn watch(&mut self, until: Instant, done: impl Fn(&Observed) -> bool) -> Result<(), Failure> {
        while !done(&self.observed) {
            let Ok(event) = timeout_at(until, self.processes.next()).await else { break };
            let (number, event) = event.ok_or("all processes have ended")?;
            self.observed.take(number, &event, &self.names);
        }
        Ok(())
    }

    /// Processor time of all of them so far.
    fn cpu(&self) -> Duration {
        let ids = (0..self.names.len()).filter_map(|number| self.processes.id(number));
        ids.filter_map(Vitals::of).map(|vitals| vitals.cpu).sum()
    }

    fn judge(
        &self,
        all: usize,
        settled: Duration,
        measured: Duration,
        cpu: Duration,
        before: &BTreeMap<(usize, usize), Direction>,
    ) -> Outcome {
        let observed = &self.observed;
        let before = |pair: &(usize, usize)| before.get(pair).copied().unwrap_or_default();
        let concealed: BTreeMap<(usize, usize), f64> =
            observed.directions.iter().map(|(pair, now)| (*pair, now.concealed_percent(&before(pair)))).collect();
        let frames = |pair: &(usize, usize), now: &Direction| now.played.saturating_sub(before(pair).played) as f64;
        let played =
            sorted(observed.directions.iter().map(|(pair, now)| frames(pair, now) * 2.0 / measured.as_secs_f64()));
        let right = observed.directions.values().filter(|direction| direction.right * 2 > direction.seconds).count();
        let shares = sorted(concealed.values().copied());
        let delays = sorted(observed.directions.values().map(|direction| direction.delay_ms as f64));
        let joined = sorted(observed.joined.values().map(|ms| *ms as f64 / 1_000.0));
        let rows = [
            ("joined after, s (median, last)", format!("{:.1}, {:.1}", middle(&joined), last(&joined))),
            ("first sounds", format!("{} of {all} within {:.0} s", observed.first.len(), settled.as_secs_f64())),
            ("directions in which the right tone was heard in most seconds", format!("{right} of {all}")),
            ("processor time of all", format!("{:.2} cores", cpu.as_secs_f64() / measured.as_secs_f64())),
            ("sound made up, % (median, worst direction)", format!("{:.1}, {:.1}", middle(&shares), last(&shares))),
            ("delay in jitter buffers, ms (median, worst)", format!("{:.0}, {:.0}", middle(&delays), last(&delays))),
            (
                "sound played, % of the time (median, worst direction)",
                format!("{:.0}, {:.0}", middle(&played), first(&played)),
            ),
            (
                "interrupted, failed, left",
                ["interrupted", "failed", "left"].map(|it| observed.count(it).to_string()).join(", "),
            ),
            ("calls that ended", observed.ended.len().to_string()),
        ];
        println!("| what | measured |\n|---|---|");
        rows.iter().for_each(|(what, measured)| println!("| {what} | {measured} |"));
        println!();
        observed.print_warnings();
        let faults = self.faults(&concealed);
        let sentence = format!(
            "{} people, {} of {all} directions heard, sound played {:.0} % of the time, {:.1} % of it made up",
            self.names.len(),
            observed.first.len(),
            middle(&played),
            middle(&shares)
        );
        Outcome { faults, sentence }
    }

    /// Nobody may be thrown out, and who hears badly has to know.
    fn faults(&self, concealed: &BTreeMap<(usize, usize), f64>) -> Vec<String> {
        let observed = &self.observed;
        let mut faults: Vec<String> = observed
            .ended
            .iter()
            .map(|(number, why)| format!("the call of {} ended: {why}", self.names[*number].0))
            .collect();
        let thrown = observed.count("failed") + observed.count("left");
        if thrown > 0 {
            faults.push(format!("{thrown} sessions were lost"));
        }
        for (number, (name, _)) in self.names.iter().enumerate() {
            let heard = sorted(concealed.iter().filter(|((to, _), _)| *to == number).map(|(_, share)| *share));
            let is_told = observed.warnings.keys().any(|(of, _)| *of == number);
            if middle(&heard) > MUCH && !is_told {
                faults.push(format!("{name} heard {:.0} % of made-up sound and was not told why", middle(&heard)));
            }
        }
        faults
    }
}

fn sorted(of: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = of.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn first(sorted: &[f64]) -> f64 {
    sorted.first().copied().unwrap_or_default()
}

fn last(sorted: &[f64]) -> f64 {
    sorted.last().copied().unwrap_or_default()
}
