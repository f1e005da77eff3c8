//! More people than a machine can serve: real processes in one call with sound. What breaks first, and whether its user is told.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::Call;
use crate::median::median;
use crate::observed::{Direction, Observed};
use crate::vitals::Vitals;
use crate::{Failure, Outcome};

const ROOM: &str = "crowd";

/// The lowest tone, and from one to the next, in Hz: more than tones are told apart by.
const LOWEST: u16 = 300;
const STEP: u16 = 50;

/// A user who hears more made-up sound than this, as the median of the others, in percent, has to be told why.
const MUCH: f64 = 10.0;

/// All have heard all within this, or what is missing is missing.
const SETTLING: Duration = Duration::from_secs(60);

/// Starts this number of people, and prints a table of what they hear in the given seconds.
pub(crate) async fn play(people: u16, seconds: u32) -> Result<Outcome, Failure> {
    println!("## {people} muji-call processes in one call, with sound\n");
    let names = (0..people).map(|number| (format!("guest{number:02}"), LOWEST + STEP * number)).collect();
    let mut crowd = Crowd(Call::new(names).await?);
    for number in 0..usize::from(people) {
        crowd.0.start(number, ROOM, &[])?;
    }
    let begun = Instant::now();
    let all = crowd.pairs().count();
    let _all_heard_all = crowd.0.watch(begun + SETTLING, |observed| observed.first.len() == all).await?;
    let settled = begun.elapsed();
    let (cpu, before) = (crowd.cpu(), crowd.0.observed.directions.clone());
    let measured = Instant::now();
    crowd.0.watch_for(Duration::from_secs(seconds.into())).await?;
    let measured = Measured { settled, time: measured.elapsed(), cpu: crowd.cpu().saturating_sub(cpu), before };
    let outcome = crowd.judge(&measured);
    crowd.0.end().await?;
    Ok(outcome)
}

/// What was measured apart from events.
struct Measured {
    /// How long all were waited for.
    settled: Duration,
    /// How long it was measured.
    time: Duration,
    /// Processor time of all of them meanwhile.
    cpu: Duration,
    /// What all had heard at its beginning.
    before: BTreeMap<(usize, usize), Direction>,
}

struct Crowd(Call);

impl Crowd {
    /// Listeners and speakers.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let people = self.0.people.len();
        (0..people).flat_map(move |to| (0..people).map(move |from| (to, from))).filter(|(to, from)| to != from)
    }

    /// Processor time of all of them so far.
    fn cpu(&self) -> Duration {
        let ids = (0..self.0.people.len()).filter_map(|number| self.0.processes.id(number));
        ids.filter_map(Vitals::of).map(|vitals| vitals.cpu).sum()
    }

    fn judge(&self, measured: &Measured) -> Outcome {
        let observed = &self.0.observed;
        let heard: BTreeMap<(usize, usize), Direction> =
            self.pairs().map(|pair| (pair, observed.since(&measured.before, pair))).collect();
        let (all, first) = (heard.len(), observed.first.len());
        let right = heard.values().filter(|direction| direction.right * 2 > direction.seconds).count();
        let seconds = measured.time.as_secs_f64();
        let of = |what: &dyn Fn(&Direction) -> f64| heard.values().map(what).collect::<Vec<f64>>();
        let played = of(&|direction| direction.played as f64 * 2.0 / seconds);
        let concealed = of(&Direction::concealed_percent);
        let delays = of(&|direction| direction.delay_ms as f64);
        let joined: Vec<f64> = observed.joined.values().map(|ms| *ms as f64 / 1_000.0).collect();
        let lost = ["interrupted", "failed", "left"].map(|state| observed.count(state));
        let middle = |all: &[f64]| median(all.iter().copied()).unwrap_or_default();
        let rows = [
            ("joined after, s (median, last)", format!("{:.1}, {:.1}", middle(&joined), highest(&joined))),
            ("first sounds", format!("{first} of {all} within {:.0} s", measured.settled.as_secs_f64())),
            ("directions in which the right tone was heard in most seconds", format!("{right} of {all}")),
            ("processor time of all", format!("{:.2} cores", measured.cpu.as_secs_f64() / seconds)),
            ("sound made up, % (median, worst)", format!("{:.1}, {:.1}", middle(&concealed), highest(&concealed))),
            ("delay in jitter buffers, ms (median, worst)", format!("{:.0}, {:.0}", middle(&delays), highest(&delays))),
            ("sound played, % of the time (median, worst)", format!("{:.0}, {:.0}", middle(&played), lowest(&played))),
            ("interrupted, failed, left", lost.map(|times| times.to_string()).join(", ")),
            ("calls that ended", observed.ended.len().to_string()),
        ];
        println!("| what | measured |\n|---|---|");
        rows.iter().for_each(|(what, measured)| println!("| {what} | {measured} |"));
        println!();
        observed.print_warnings();
        let sentence = format!(
            "{} people, {first} of {all} first sounds, sound played {:.0} % of the time, {:.1} % of it made up",
            self.0.people.len(),
            middle(&played),
            middle(&concealed)
        );
        Outcome::Judged { faults: self.faults(&heard), sentence }
    }

    /// No session or call may end, and a user who hears badly has to be told that the machine is too slow.
    fn faults(&self, heard: &BTreeMap<(usize, usize), Direction>) -> Vec<String> {
        let observed = &self.0.observed;
        let mut faults = self.0.ended();
        let lost = observed.count("failed") + observed.count("left");
        if lost > 0 {
            faults.push(format!("{lost} sessions were lost"));
        }
        for (number, (name, _)) in self.0.people.iter().enumerate() {
            faults.extend(untold(observed, heard, number).into_iter().map(|what| format!("{name} {what}")));
        }
        faults
    }
}

/// What this user hears badly without being told why.
fn untold(observed: &Observed, heard: &BTreeMap<(usize, usize), Direction>, number: usize) -> Vec<String> {
    if observed.knows_too_slow(number) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let heard: Vec<_> = heard.iter().filter(|((to, _), _)| *to == number).collect();
    let silent = heard.iter().filter(|(pair, now)| !observed.first.contains(*pair) || now.played == 0).count();
    if silent > 0 {
        faults.push(format!("did not hear {silent} of {}, and was not told why", heard.len()));
    }
    let concealed = median(heard.iter().map(|(_, now)| now.concealed_percent())).unwrap_or(100.0);
    if concealed > MUCH {
        faults.push(format!("heard {concealed:.0} % of made-up sound, and was not told why"));
    }
    faults
}

fn lowest(of: &[f64]) -> f64 {
    of.iter().copied().reduce(f64::min).unwrap_or_default()
}

fn highest(of: &[f64]) -> f64 {
    of.iter().copied().reduce(f64::max).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use muji_core::media::MediaTrouble;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_user_who_hears_nobody_has_to_be_told_why() {
        let well = Direction { played: 100, ..Direction::default() };
        let heard = BTreeMap::from([((0, 1), well), ((1, 0), Direction::default())]);
        let mut observed = Observed { first: [(0, 1)].into(), ..Observed::default() };
        assert_eq!(untold(&observed, &heard, 0), [""; 0]);
        let silence =
            ["did not hear 1 of 1, and was not told why", "heard 100 % of made-up sound, and was not told why"];
        assert_eq!(untold(&observed, &heard, 1), silence);
        observed.take(1, &json!({ "event": "warning", "why": "no microphone" }), &[]);
        assert_eq!(untold(&observed, &heard, 1), silence);
        let slow = MediaTrouble::TooSlow(Duration::from_millis(660)).to_string();
        observed.take(1, &json!({ "event": "warning", "why": slow }), &[]);
        assert_eq!(untold(&observed, &heard, 1), [""; 0]);
    }
}
