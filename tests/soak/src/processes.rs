//! A call of four `muji-call` processes in real time. Three stay, with tones and pictures, and what they take of the system must not grow;
//! the fourth comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::Call;
use crate::growth::growth;
use crate::observed::Direction;
use crate::vitals::Vitals;
use crate::{Failure, Outcome};

const ROOM: &str = "soak";

/// Names, tones in Hz and colours; the last one comes and goes.
const PEOPLE: [(&str, u16, &str); 4] =
    [("romeo", 440, "c03030"), ("juliet", 550, "30a030"), ("nurse", 660, "3040c0"), ("tybalt", 880, "b09020")];

/// How many of them stay.
const STAY: usize = 3;

const GUEST: usize = 3;

/// How long the guest is there, and how long it is away, in seconds.
const THERE: &str = "40";
const AWAY: Duration = Duration::from_secs(10);

/// How often it is measured; a row of the table is the highest of these.
const SAMPLE: Duration = Duration::from_secs(2);

/// Rows of the table; the first is left out, since libraries and devices are loaded in it.
const ROWS: u32 = 10;

/// What a process may take more in the last third of the time than in the first, in kilobytes: a leaked session is a hundred, and in twenty
/// minutes there are 24; what the allocator has of memory that was freed is a few megabytes.
const MAX_GROWTH: i64 = 4 * 1_024;

/// One row: the highest of each process that stays.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    resident: [i64; STAY],
    descriptors: [i64; STAY],
    threads: [i64; STAY],
}

/// Talks for the given minutes, and prints a table.
pub(crate) async fn play(minutes: u32) -> Result<Outcome, Failure> {
    println!("## {minutes} minutes in real time, four muji-call processes with sound and pictures\n");
    println!(
        "| minute | resident, MB, of each who stays | descriptors | threads | concealed since the row above | delay, ms |"
    );
    println!("|---|---|---|---|---|---|");
    let mut soak = Soak::new().await?;
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
    call: Call,
    /// When the guest comes back.
    returns: Option<Instant>,
    visits: usize,
    /// At the end of the row before.
    before: BTreeMap<(usize, usize), Direction>,
}

impl Soak {
    async fn new() -> Result<Self, Failure> {
        let people = PEOPLE.iter().map(|(name, hz, _)| ((*name).to_owned(), *hz)).collect();
        let mut this = Self { call: Call::new(people).await?, returns: None, visits: 0, before: BTreeMap::new() };
        (0..STAY).try_for_each(|number| this.start(number, &[]))?;
        this.visit()?;
        Ok(this)
    }

    fn start(&mut self, number: usize, further: &[&str]) -> Result<(), Failure> {
        let video = format!("pattern:{}", PEOPLE[number].2);
        self.call.start(number, ROOM, &[&["--video", &video], further].concat())
    }

    fn visit(&mut self) -> Result<(), Failure> {
        self.visits += 1;
        self.start(GUEST, &["--seconds", THERE])
    }

    async fn measure(&mut self, time: Duration) -> Result<Row, Failure> {
        let until = Instant::now() + time;
        let mut row = Row::default();
        while Instant::now() < until {
            self.call.watch_for(SAMPLE).await?;
            if self.call.observed.ended.remove(&GUEST).is_some() {
                self.returns = Some(Instant::now() + AWAY);
            }
            if self.returns.take_if(|at| *at <= Instant::now()).is_some() {
                self.visit()?;
            }
            for (number, (name, ..)) in PEOPLE.iter().enumerate().take(STAY) {
                let now = Vitals::of(self.call.id(number)?).ok_or_else(|| format!("{name} has ended"))?;
                row.resident[number] = row.resident[number].max(now.resident_kilobytes);
                row.descriptors[number] = row.descriptors[number].max(now.descriptors);
                row.threads[number] = row.threads[number].max(now.threads);
            }
        }
        Ok(row)
    }

    fn text(&mut self, minute: f64, row: &Row) -> String {
        let list = |numbers: [i64; STAY]| numbers.map(|number| number.to_string()).join(", ");
        let megabytes = row.resident.map(|kilobytes| format!("{:.1}", kilobytes as f64 / 1_024.0)).join(", ");
        let heard: Vec<Direction> = pairs().map(|pair| self.call.observed.since(&self.before, pair)).collect();
        self.before = self.call.observed.directions.clone();
        let worst = heard.iter().map(Direction::concealed_percent).fold(0.0, f64::max);
        let longest = heard.iter().map(|direction| direction.delay_ms).max().unwrap_or_default();
        let (descriptors, threads) = (list(row.descriptors), list(row.threads));
        format!("| {minute:.1} | {megabytes} | {descriptors} | {threads} | {worst:.1} % at worst | {longest} at most |")
    }

    /// All leave, and what was measured is judged.
    async fn end(self, rows: &[Row]) -> Result<Outcome, Failure> {
        let growths = |what: fn(&Row) -> [i64; STAY]| -> Vec<Option<i64>> {
            let measured = |number: usize| rows.iter().skip(1).map(|row| what(row)[number]).collect::<Vec<i64>>();
            (0..STAY).map(|number| growth(&measured(number))).collect()
        };
        let most = |grown: Vec<Option<i64>>| grown.into_iter().max().flatten();
        let memory = most(growths(|row| row.resident));
        let descriptors = most(growths(|row| row.descriptors));
        let threads = most(growths(|row| row.threads));
        let mut faults = self.faults();
        for (grown, most, what) in
            [(memory, MAX_GROWTH, "kB"), (descriptors, 0, "descriptors"), (threads, 0, "threads")]
        {
            if grown.is_none_or(|grown| grown > most) {
                faults.push(format!("{grown:?} {what} more"));
            }
        }
        let observed = &self.call.observed;
        observed.print_warnings();
        let sentence = format!(
            "{} visits, {} kB, {} descriptors and {} threads more at most, {} interruptions",
            self.visits,
            memory.unwrap_or_default(),
            descriptors.unwrap_or_default(),
            threads.unwrap_or_default(),
            observed.count("interrupted"),
        );
        self.call.end().await?;
        Ok(Outcome::Judged { faults, sentence })
    }

    /// Those who stay must not lose each other, and hear each other unless one of both is told that its machine is too slow.
    fn faults(&self) -> Vec<String> {
        let observed = &self.call.observed;
        let mut faults = self.call.ended();
        for state in ["failed", "left"] {
            let times = observed.count_between(state, |number| number < STAY);
            if times > 0 {
                faults.push(format!("{times} sessions between those who stay {state}"));
            }
        }
        let hears =
            |pair: &(usize, usize)| observed.directions.get(pair).is_some_and(|it| it.right * 10 >= it.seconds * 9);
        let knows = |(to, from): &(usize, usize)| observed.knows_too_slow(*to) || observed.knows_too_slow(*from);
        let deaf = pairs().filter(|pair| !hears(pair) && !knows(pair));
        faults.extend(deaf.map(|(to, from)| format!("{} seldom heard {}", PEOPLE[to].0, PEOPLE[from].0)));
        faults
    }
}

/// Listener and speaker of those who stay.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..STAY).flat_map(|to| (0..STAY).map(move |from| (to, from))).filter(|(to, from)| to != from)
}
