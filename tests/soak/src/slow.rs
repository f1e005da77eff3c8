//! A participant who suddenly has a tenth of a processor, in a call of three with sound and pictures. Sound comes first, pictures become
//! fewer, and nobody is thrown out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use muji_harness::muji_call::Processes;
use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::time::{Instant, timeout_at};

use crate::observed::{Direction, Observed};
use crate::vitals::Vitals;
use crate::{Failure, Outcome, PASSWORD};

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

/// All leave within this, or something hangs.
const LEAVING: Duration = Duration::from_secs(30);

/// What a slow participant may miss of the others' sound, or they of its, in percent: more is no conversation.
const MOST_CONCEALED: f64 = 20.0;

/// Plays all phases, and prints a table.
pub(crate) async fn play() -> Result<Outcome, Failure> {
    println!("## A participant with a tenth of a processor\n");
    let cage = match Cage::new() {
        Ok(cage) => cage,
        Err(why) => {
            return Ok(Outcome {
                faults: Vec::new(),
                sentence: format!("skipped, no group of processes can be made: {why}"),
            });
        }
    };
    println!(
        "| {} has | its processor time | it hears: made up, delay | it is heard: made up, delay | pictures a second: it shows, they show |",
        PEOPLE[SLOW].0
    );
    println!("|---|---|---|---|---|");
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    let mut processes = Processes::new(&["--server", &server.address().to_string(), "--tls", "none"], PASSWORD)?;
    for (number, (name, hz, colour)) in PEOPLE.iter().enumerate() {
        let (audio, video) = (format!("tone:{hz}"), format!("pattern:{colour}"));
        let mut arguments = vec!["slow@conference.localhost", "--nick", name, "--no-window", "--size", SIZE];
        arguments.extend(["--audio", &audio, "--video", &video]);
        processes.start(number, &format!("{name}@localhost"), &arguments)?;
    }
    let id = processes.id(SLOW).ok_or("it has ended")?;
    cage.take(id)?;
    let people = PEOPLE.iter().map(|(name, hz, _)| ((*name).to_owned(), *hz)).collect();
    let mut call = Call { processes, people, observed: Observed::default() };
    call.watch(SETTLING).await?;
    let mut faults = Vec::new();
    for (name, slow, time) in PHASES {
        cage.limit(slow)?;
        let before = (call.observed.directions.clone(), Vitals::of(id).ok_or("it has ended")?);
        let begun = Instant::now();
        call.watch(time).await?;
        let spent = Vitals::of(id).ok_or("it has ended")?.cpu.saturating_sub(before.1.cpu);
        let of = |here: bool| Heard::of(&call.observed, &before.0, here, begun.elapsed());
        let (hears, heard) = (of(true), of(false));
        let share = spent.as_secs_f64() / begun.elapsed().as_secs_f64();
        println!(
            "| {name} | {share:.2} | {:.1} %, {} ms | {:.1} %, {} ms | {:.1}, {:.1} |",
            hears.concealed, hears.delay, heard.concealed, heard.delay, hears.pictures, heard.pictures
        );
        if hears.concealed.max(heard.concealed) > MOST_CONCEALED {
            faults.push(format!("{name}: {:.0} and {:.0} % of sound are made up", hears.concealed, heard.concealed));
        }
    }
    println!();
    call.observed.print_warnings();
    faults.extend(call.observed.ended.values().map(|why| format!("a call ended: {why}")));
    let lost = ["failed", "left"].map(|state| call.observed.count(state));
    if lost != [0, 0] {
        faults.push(format!("{lost:?} sessions failed and left"));
    }
    let sentence = format!("nobody is thrown out, {} interruptions", call.observed.count("interrupted"));
    call.end().await?;
    Ok(Outcome { faults, sentence })
}

struct Call {
    processes: Processes,
    people: Vec<(String, u16)>,
    observed: Observed,
}

impl Call {
    async fn watch(&mut self, time: Duration) -> Result<(), Failure> {
        let until = Instant::now() + time;
        while let Ok(event) = timeout_at(until, self.processes.next()).await {
            let (number, event) = event.ok_or("all processes have ended")?;
            self.observed.take(number, &event, &self.people);
        }
        Ok(())
    }

    async fn end(mut self) -> Result<(), Failure> {
        self.processes.press("q").await;
        self.processes.all_started();
        let drained = async { while self.processes.next().await.is_some() {} };
        Ok(tokio::time::timeout(LEAVING, drained).await.map_err(|_| "a process did not end in time")?)
    }
}

/// How the slow one hears the others, or they it: the worst of it.
struct Heard {
    concealed: f64,
    delay: u64,
    pictures: f64,
}

impl Heard {
    fn of(now: &Observed, before: &BTreeMap<(usize, usize), Direction>, here: bool, time: Duration) -> Self {
        let concerns = |pair: &(usize, usize)| if here { pair.0 == SLOW } else { pair.1 == SLOW };
        let mut all = Self { concealed: 0.0, delay: 0, pictures: f64::INFINITY };
        for (pair, now) in now.directions.iter().filter(|(pair, _)| concerns(pair)) {
            let before = before.get(pair).copied().unwrap_or_default();
            all.concealed = all.concealed.max(now.concealed_percent(&before));
            all.delay = all.delay.max(now.delay_ms);
            let pictures = now.shown.saturating_sub(before.shown) as f64 / time.as_secs_f64();
            all.pictures = all.pictures.min(pictures);
        }
        all
    }
}

/// A group of processes of the kernel's that gets a share of the processor. Removed when dropped, if it is empty.
struct Cage {
    folder: PathBuf,
    /// The second version of control groups, in one tree.
    unified: bool,
}

/// In a tenth of a second, in microseconds.
const PERIOD: u32 = 100_000;
const QUOTA: u32 = PERIOD / 10;

impl Cage {
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

impl Drop for Cage {
    fn drop(&mut self) {
        let _processes_are_left_in_it = fs::remove_dir(&self.folder).is_err();
    }
}
