//! A call of four `muji-call` processes in real time. Three stay, with tones and pictures, and what they take of the system must not grow;
//! the fourth comes and goes.

use std::time::Duration;

use muji_harness::muji_call::Processes;
use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::time::{Instant, interval, timeout};

use crate::growth::growth;
use crate::observed::{Direction, Observed};
use crate::vitals::Vitals;
use crate::{Failure, Outcome, PASSWORD};

/// Names, tones in Hz and colours; the last one comes and goes.
const PEOPLE: [(&str, u16, &str); 4] =
    [("romeo", 440, "c03030"), ("juliet", 550, "30a030"), ("nurse", 660, "3040c0"), ("tybalt", 880, "b09020")];

/// How many of them stay.
const STAY: usize = 3;

const GUEST: usize = 3;

/// How long the guest is there, and how long it is away, in seconds.
const THERE: &str = "40";
const AWAY: Duration = Duration::from_secs(10);

/// So often it is measured; a row of the table is the highest of these.
const SAMPLE: Duration = Duration::from_secs(2);

/// Rows of the table; the first is left out, since libraries and devices are loaded in it.
const ROWS: u32 = 10;

/// What a process may take more in the last third of the time than in the first, in kilobytes: a leaked session is a hundred, and in twenty
/// minutes there are 24; what the allocator has of memory that was freed is a few megabytes.
const MAX_GROWTH: i64 = 4 * 1_024;

/// All leave within this, or something hangs.
const LEAVING: Duration = Duration::from_secs(30);

/// One row: the highest of each process that stays.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    resident: [i64; STAY],
    descriptors: [i64; STAY],
    threads: [i64; STAY],
}

/// Talks for so many minutes, and prints a table.
pub(crate) async fn play(minutes: u32) -> Result<Outcome, Failure> {
    println!("## {minutes} minutes in real time, four muji-call processes with sound and pictures\n");
    println!(
        "| minute | resident, MB, of each who stays | descriptors | threads | concealed since the row above | delay, ms |"
    );
    println!("|---|---|---|---|---|---|");
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    let processes = Processes::new(&["--server", &server.address().to_string(), "--tls", "none"], PASSWORD)?;
    let mut soak = Soak::new(processes)?;
    let row = Duration::from_secs(60) * minutes / ROWS;
    let mut rows = Vec::new();
    for number in 1..=ROWS {
        let measured = soak.measure(row).await?;
        println!("{}", soak.text(f64::from(number * minutes) / f64::from(ROWS), &measured));
        rows.push(measured);
    }
    println!();
    soak.end(&rows).await
}

struct Soak {
    processes: Processes,
    observed: Observed,
    people: Vec<(String, u16)>,
    /// When the guest comes back.
    returns: Option<Instant>,
    visits: usize,
    /// At the end of the row before.
    before: Vec<Direction>,
}

impl Soak {
    fn new(processes: Processes) -> Result<Self, Failure> {
        let people: Vec<(String, u16)> = PEOPLE.iter().map(|(name, hz, _)| ((*name).to_owned(), *hz)).collect();
        let before = vec![Direction::default(); pairs().count()];
        let mut this = Self { processes, observed: Observed::default(), people, returns: None, visits: 0, before };
        (0..STAY).try_for_each(|number| this.start(number, &[]))?;
        this.visit()?;
        Ok(this)
    }

    fn start(&mut self, number: usize, more: &[&str]) -> Result<(), Failure> {
        let (name, hz, colour) = PEOPLE[number];
        let (audio, video) = (format!("tone:{hz}"), format!("pattern:{colour}"));
        let mut arguments = vec!["soak@conference.localhost", "--nick", name, "--no-window"];
        arguments.extend(["--audio", &audio, "--video", &video]);
        arguments.extend(more);
        Ok(self.processes.start(number, &format!("{name}@localhost"), &arguments)?)
    }

    fn visit(&mut self) -> Result<(), Failure> {
        self.visits += 1;
        self.start(GUEST, &["--seconds", THERE])
    }

    async fn measure(&mut self, time: Duration) -> Result<Row, Failure> {
        let until = Instant::now() + time;
        let mut sample = interval(SAMPLE);
        let mut row = Row::default();
        while Instant::now() < until {
            tokio::select! {
                event = self.processes.next() => {
                    let (number, event) = event.ok_or("all processes have ended")?;
                    if number == GUEST && event["event"] == "ended" {
                        self.returns = Some(Instant::now() + AWAY);
                    }
                    self.observed.take(number, &event, &self.people);
                }
                _ = sample.tick() => {
                    for (number, (name, ..)) in PEOPLE.iter().enumerate().take(STAY) {
                        let id = self.processes.id(number).ok_or("a process was not started")?;
                        let now = Vitals::of(id).ok_or_else(|| format!("{name} has ended"))?;
                        row.resident[number] = row.resident[number].max(now.resident_kilobytes);
                        row.descriptors[number] = row.descriptors[number].max(now.descriptors);
                        row.threads[number] = row.threads[number].max(now.threads);
                    }
                    if self.returns.take_if(|at| *at <= Instant::now()).is_some() {
                        self.visit()?;
                    }
                }
            }
        }
        Ok(row)
    }

    fn directions(&self) -> Vec<Direction> {
        pairs().map(|pair| self.observed.directions.get(&pair).copied().unwrap_or_default()).collect()
    }

    fn text(&mut self, minute: f64, row: &Row) -> String {
        let list = |numbers: [i64; STAY]| numbers.map(|number| number.to_string()).join(", ");
        let megabytes = row.resident.map(|kilobytes| format!("{:.1}", kilobytes as f64 / 1_024.0)).join(", ");
        let now = self.directions();
        let before = std::mem::replace(&mut self.before, now.clone());
        let worst = now.iter().zip(&before).map(|(now, before)| now.concealed_percent(before)).fold(0.0, f64::max);
        let longest = now.iter().map(|direction| direction.delay_ms).max().unwrap_or_default();
        let (descriptors, threads) = (list(row.descriptors), list(row.threads));
        format!("| {minute:.1} | {megabytes} | {descriptors} | {threads} | {worst:.1} % at worst | {longest} at most |")
    }

    /// All leave, and what was measured is judged.
    async fn end(mut self, rows: &[Row]) -> Result<Outcome, Failure> {
        let stayed: Vec<String> = self.observed.ended.iter().filter(|(number, _)| **number < STAY).map(said).collect();
        let (failed, left) = (self.lost("failed"), self.lost("left"));
        self.processes.press("q").await;
        self.processes.all_started();
        let drained = async { while self.processes.next().await.is_some() {} };
        timeout(LEAVING, drained).await.map_err(|_| "a process did not end in time")?;
        let of = |what: fn(&Row) -> [i64; STAY]| -> Vec<Option<i64>> {
            let measured = |number: usize| rows.iter().skip(1).map(|row| what(row)[number]).collect::<Vec<i64>>();
            (0..STAY).map(|number| growth(&measured(number))).collect()
        };
        let most = |grown: Vec<Option<i64>>| grown.into_iter().max().flatten();
        let (memory, descriptors) = (most(of(|row| row.resident)), most(of(|row| row.descriptors)));
        let threads = most(of(|row| row.threads));
        let mut faults: Vec<String> = stayed.into_iter().chain(failed).chain(left).collect();
        for (grown, most, what) in
            [(memory, MAX_GROWTH, "kB"), (descriptors, 0, "descriptors"), (threads, 0, "threads")]
        {
            if grown.is_none_or(|grown| grown > most) {
                faults.push(format!("{grown:?} {what} more"));
            }
        }
        let observed = &self.observed;
        // Unless one of both was told why: beside other work the machine may be too slow.
        let is_told = |number: usize| observed.warnings.keys().any(|(of, _)| *of == number);
        let hears =
            |pair: &(usize, usize)| observed.directions.get(pair).is_some_and(|it| it.right * 10 >= it.seconds * 9);
        let deaf = pairs().filter(|pair| !hears(pair) && !is_told(pair.0) && !is_told(pair.1));
        faults.extend(deaf.map(|(to, from)| format!("{} seldom heard {}", PEOPLE[to].0, PEOPLE[from].0)));
        observed.print_warnings();
        let sentence = format!(
            "{} visits, {} kB, {} descriptors and {} threads more at most, {} interruptions",
            self.visits,
            memory.unwrap_or_default(),
            descriptors.unwrap_or_default(),
            threads.unwrap_or_default(),
            observed.count("interrupted"),
        );
        Ok(Outcome { faults, sentence })
    }

    /// Sessions between those who stay that came to this state.
    fn lost(&self, state: &str) -> Vec<String> {
        let of = self.observed.lost.iter().filter(|((to, from, of), _)| of == state && *to < STAY && *from < STAY);
        of.map(|((to, from, _), times)| format!("for {}, {} {state} {times} times", PEOPLE[*to].0, PEOPLE[*from].0))
            .collect()
    }
}

fn said((number, why): (&usize, &String)) -> String {
    format!("the call of {} ended: {why}", PEOPLE[*number].0)
}

/// Listener and speaker of those who stay.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..STAY).flat_map(|to| (0..STAY).map(move |from| (to, from))).filter(|(to, from)| to != from)
}
