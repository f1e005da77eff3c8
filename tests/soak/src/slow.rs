//! A participant who suddenly has a tenth of a processor, in a call of three with sound and pictures. Sound goes on, with the right tones
//! and little made up, and no session or call ends; how many pictures are left is measured only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::call::Call;
use crate::observed::{Direction, Observed};
use crate::vitals::Vitals;
use crate::{Failure, Outcome};

const ROOM: &str = "slow";

/// Names, tones and colours.
const PEOPLE: [(&str, u16, &str); 3] =
    [("romeo", 440, "c03030"), ("juliet", 550, "30a030"), ("mercutio", 880, "b09020")];

/// Of the pictures: with smaller ones of a pattern a tenth of a processor is enough.
const SIZE: &str = "1280x720";

/// Who becomes slow.
const SLOW: usize = 2;

/// The phases, and how long each lasts. Until the first begins, all get to know each other.
const PHASES: [(&str, bool, Duration); 3] = [
    ("as it is", false, Duration::from_secs(20)),
    ("a tenth of a processor", true, Duration::from_secs(60)),
    ("as it was", false, Duration::from_secs(40)),
];

const SETTLING: Duration = Duration::from_secs(15);

/// What a slow participant may miss of the others' sound, or they of its, in percent: more is no conversation.
const MOST_CONCEALED: f64 = 20.0;

/// In how many seconds the right tone must be heard, in percent: in one that loses a packet another may be measured.
const LEAST_RIGHT: f64 = 90.0;

/// Plays all phases, and prints a table.
pub(crate) async fn play() -> Result<Outcome, Failure> {
    println!("## A participant with a tenth of a processor\n");
    let group = match ControlGroup::new() {
        Ok(group) => group,
        Err(why) => return Ok(Outcome::Skipped(format!("no control group can be made: {why}"))),
    };
    println!(
        "| {} has | its processor time | it hears: made up, delay, right tone | it is heard: made up, delay, right tone | \
         pictures a second: it shows, they show |",
        PEOPLE[SLOW].0
    );
    println!("|---|---|---|---|---|");
    let people = PEOPLE.iter().map(|(name, hz, _)| ((*name).to_owned(), *hz)).collect();
    let mut call = Call::new(people).await?;
    for (number, (.., colour)) in PEOPLE.iter().enumerate() {
        call.start(number, ROOM, &["--size", SIZE, "--video", &format!("pattern:{colour}")])?;
    }
    group.take(call.id(SLOW)?)?;
    call.watch_for(SETTLING).await?;
    let mut faults = Vec::new();
    for (name, slow, time) in PHASES {
        group.limit(slow)?;
        let [hears, heard] = phase(&mut call, name, time).await?;
        for (what, heard) in [("it hears", hears), ("it is heard", heard)] {
            if heard.concealed > MOST_CONCEALED {
                faults.push(format!("{name}: {what} with {:.0} % made up", heard.concealed));
            }
            if heard.right < LEAST_RIGHT {
                faults.push(format!("{name}: {what} with the right tone in {:.0} % of seconds", heard.right));
            }
        }
    }
    println!();
    call.observed.print_warnings();
    faults.extend(call.ended());
    let [interrupted, failed, left] = ["interrupted", "failed", "left"].map(|state| call.observed.count(state));
    if failed + left > 0 {
        faults.push(format!("{} sessions were lost", failed + left));
    }
    let sentence = format!("{interrupted} interruptions, {failed} sessions failed, {left} left");
    call.end().await?;
    Ok(Outcome::Judged { faults, sentence })
}

/// Prints a row of what the slow one hears and of how it is heard, and returns both.
async fn phase(call: &mut Call, name: &str, time: Duration) -> Result<[Heard; 2], Failure> {
    let id = call.id(SLOW)?;
    let cpu = || Vitals::of(id).map(|vitals| vitals.cpu).ok_or("it has ended");
    let (before, spent_before, begun) = (call.observed.directions.clone(), cpu()?, Instant::now());
    call.watch_for(time).await?;
    let share = cpu()?.saturating_sub(spent_before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let others = || (0..PEOPLE.len()).filter(|other| *other != SLOW);
    let hears = Heard::of(&call.observed, &before, others().map(|other| (SLOW, other)), begun.elapsed());
    let heard = Heard::of(&call.observed, &before, others().map(|other| (other, SLOW)), begun.elapsed());
    println!(
        "| {name} | {share:.2} | {} | {} | {:.1}, {:.1} |",
        hears.sound(),
        heard.sound(),
        hears.pictures,
        heard.pictures
    );
    Ok([hears, heard])
}

/// How the slow one hears the others, or they it: the worst of it.
struct Heard {
    /// In percent of what is played.
    concealed: f64,
    delay: u64,
    /// In percent of the seconds.
    right: f64,
    /// A second.
    pictures: f64,
}

impl Heard {
    fn of(
        now: &Observed,
        before: &BTreeMap<(usize, usize), Direction>,
        pairs: impl Iterator<Item = (usize, usize)>,
        time: Duration,
    ) -> Self {
        let mut worst = Self { concealed: 0.0, delay: 0, right: 100.0, pictures: f64::INFINITY };
        for heard in pairs.map(|pair| now.since(before, pair)) {
            worst.concealed = worst.concealed.max(heard.concealed_percent());
            worst.delay = worst.delay.max(heard.delay_ms);
            worst.right = worst.right.min(100.0 * f64::from(heard.right) / f64::from(heard.seconds.max(1)));
            worst.pictures = worst.pictures.min(heard.shown as f64 / time.as_secs_f64());
        }
        worst
    }

    fn sound(&self) -> String {
        format!("{:.1} %, {} ms, {:.0} %", self.concealed, self.delay, self.right)
    }
}

/// A control group of the kernel's (cgroups(7)), which limits processor time. Removed when dropped, if it is empty.
struct ControlGroup {
    folder: PathBuf,
    /// The second version of control groups, in one tree.
    unified: bool,
}

/// A tenth of a second, in microseconds, and what the slow one gets of it.
const PERIOD: u32 = 100_000;
const QUOTA: u32 = PERIOD / 10;

impl ControlGroup {
    fn new() -> Result<Self, Failure> {
        let root = Path::new("/sys/fs/cgroup");
        let unified = root.join("cgroup.controllers").exists();
        let folder = if unified { root.to_owned() } else { root.join("cpu") };
        let folder = folder.join(format!("muji-soak-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let this = Self { folder, unified };
        this.limit(false)?; // It has to be possible.
        Ok(this)
    }

    fn take(&self, process: u32) -> Result<(), Failure> {
        Ok(fs::write(self.folder.join("cgroup.procs"), process.to_string())?)
    }

    fn limit(&self, slow: bool) -> Result<(), Failure> {
        if self.unified {
            let limit = if slow { QUOTA.to_string() } else { "max".to_owned() };
            return Ok(fs::write(self.folder.join("cpu.max"), format!("{limit} {PERIOD}"))?);
        }
        let limit = if slow { QUOTA.to_string() } else { "-1".to_owned() };
        Ok(fs::write(self.folder.join("cpu.cfs_quota_us"), limit)?)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _processes_are_left_in_it = fs::remove_dir(&self.folder).is_err();
    }
}
