//! A bridge: two people in a room's call, two who call in like on a telephone and one whom the bridge calls. What each of them hears is
//! recorded, and looked at for the tones of the others and for its own. All but the one who is called have a camera; when all but one are
//! muted, they have to see that one, which itself sees another.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use muji_harness::muji_call::Processes;
use muji_harness::recognition::{SECOND, is_colour, read_colour, tone_level};
use muji_harness::room::Rules;
use muji_harness::server::Server;
use serde_json::Value;
use tokio::time::timeout;

use crate::{Failure, PASSWORD, Verdict, pictures, processes};

/// Somebody, and the tone that it sends, in Hz: none is a multiple of another.
const PEOPLE: [(&str, f64); 5] =
    [("romeo", 430.0), ("juliet", 570.0), ("nurse", 710.0), ("tybalt", 950.0), ("mercutio", 1_130.0)];

/// The numbers of the processes: those in the room first, then those who call in, then who is called; the bridge last.
const IN_ROOM: [usize; 2] = [0, 1];
const CALL_IN: [usize; 2] = [2, 3];
const CALLED: usize = 4;
const BRIDGE: usize = 5;

/// Who is seen when all others are muted, and the colours of those who have a camera.
const SPEAKER: usize = CALL_IN[0];
const COLOURS: [&str; 4] = ["c83c28", "2878c8", "28a03c", "c8a028"];

const ROOM: &str = "demo@conference.localhost";

/// How long all are in the call together, in seconds.
const TOGETHER: u64 = 5;

/// How long one alone speaks then, in seconds: a second makes the floor its own, and pictures are told once a second.
const ALONE: u64 = 5;

/// Longer than this and something hangs.
const PATIENCE: Duration = Duration::from_secs(40);

/// A tone as loud as this for so many seconds is heard, in dBFS: it was sent with -23.
const HEARD: f64 = -33.0;
const SECONDS: usize = 2;

/// Nobody hears their own tone as loud as this: 40 dB below what was sent.
const ECHO: f64 = -63.0;

/// Parts of a second in which tones are looked for. In a tenth one counts that is off by some hertz, as while clocks are fitted to each
/// other; in a half there is less of the noise of coding, which is everywhere.
const FOR_OTHERS: usize = SECOND / 10;
const FOR_ITS_OWN: usize = SECOND / 2;

pub(crate) async fn demo() -> Result<Verdict, Failure> {
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    server.with_service(|service| {
        let people = ["nurse@localhost", "tybalt@localhost", "mercutio@localhost", "phone@localhost"];
        service.contacts.extend(people.map(|jid| jid.parse().expect("it is plain")));
    });
    let folder = pictures::folder()?.join("bridge");
    let _none_was_there = std::fs::remove_dir_all(&folder).is_err();
    std::fs::create_dir_all(&folder)?;
    println!("romeo and juliet are in a room; nurse and tybalt call its bridge, which calls mercutio.");
    let mut processes = processes(&server)?;
    start(&mut processes, &folder, CALLED, &["--wait", "--once", "--auto-answer", "0"])?;
    for number in IN_ROOM {
        let name = PEOPLE[number].0;
        start(&mut processes, &folder, number, &[ROOM, "--nick", name, "--snapshot", &pictures::file(&folder, name)])?;
    }
    let told = timeout(PATIENCE, talk(&mut processes, &folder)).await;
    let told = told.map_err(|_| "somebody was not in the call in time")??;
    let guests = told.guests.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    println!(
        "romeo was shown as guests: {guests}; what his window shows at the end: {}\n",
        pictures::file(&folder, "romeo")
    );
    processes.ended().await?;
    let heard: Vec<Vec<f64>> = PEOPLE.iter().map(|(name, _)| mix(&folder, name)).collect::<Result<_, Failure>>()?;
    let (table, right, echoes) = judge(&heard);
    println!("{table}\n");
    let all = PEOPLE.len() * (PEOPLE.len() - 1);
    let (seen, themselves) = (told.see_who_speaks(), told.see_themselves());
    let passed = right == all && echoes == 0 && told.guests.len() == 3 && seen == COLOURS.len() && themselves == 0;
    let text = format!(
        "{right} of {all} directions heard, {echoes} heard themselves, {} of 3 guests shown, {seen} of {} see who speaks, {themselves} saw themselves",
        told.guests.len(),
        COLOURS.len()
    );
    Ok(Verdict { passed, text })
}

fn start(processes: &mut Processes, folder: &Path, number: usize, arguments: &[&str]) -> Result<(), Failure> {
    let (name, hz) = PEOPLE[number];
    let (audio, record) = (format!("tone:{hz}"), folder.join(format!("{name}-{{nick}}.wav")).display().to_string());
    let video = COLOURS.get(number).map_or_else(|| "off".to_owned(), |colour| format!("pattern:{colour}"));
    let all = [arguments, &["--audio", &audio, "--video", &video, "--record", &record, "--no-window"]].concat();
    Ok(processes.start(number, &format!("{name}@localhost/call"), &all)?)
}

/// What was told on the way.
#[derive(Debug, Default)]
struct Told {
    /// The guests that somebody in the room was shown, once all were in.
    guests: Vec<String>,
    /// Callers who are in.
    inside: Vec<String>,
    /// The numbers of those whose colour somebody saw last from the bridge, and in which order.
    seen: BTreeMap<usize, Vec<usize>>,
}

impl Told {
    /// Somebody saw this through the bridge.
    fn see(&mut self, number: usize, event: &Value) {
        let is_bridge = IN_ROOM.iter().all(|other| event["nick"] != PEOPLE[*other].0);
        let colour = event["colour"].as_str().and_then(read_colour).filter(|_| is_bridge);
        let is = |wanted: &str| colour.zip(read_colour(wanted)).is_some_and(|(seen, wanted)| is_colour(seen, wanted));
        self.seen.entry(number).or_default().extend(COLOURS.iter().position(|wanted| is(wanted)));
    }

    /// How many see who speaks, and it somebody else.
    fn see_who_speaks(&self) -> usize {
        let last = self.seen.iter().filter_map(|(number, seen)| Some((*number, *seen.last()?)));
        last.filter(|(number, seen)| (*number == SPEAKER) != (*seen == SPEAKER)).count()
    }

    fn see_themselves(&self) -> usize {
        self.seen.iter().filter(|(number, seen)| seen.contains(number)).count()
    }
}

/// The bridge comes once the two hear each other; callers once it is there; when all have talked for a while, all but one are muted, and then
/// all leave.
async fn talk(processes: &mut Processes, folder: &Path) -> Result<Told, Failure> {
    let mut told = Told::default();
    let (mut until, mut alone) = (None, false);
    loop {
        let next = async {
            match until {
                Some(at) => tokio::time::timeout_at(at, processes.next()).await.map_err(drop),
                None => Ok(processes.next().await),
            }
        };
        let Ok(event) = next.await else {
            if !std::mem::replace(&mut alone, true) {
                for number in (0..PEOPLE.len()).filter(|number| *number != SPEAKER) {
                    processes.press_one(number, "m").await;
                }
                until = Some(tokio::time::Instant::now() + Duration::from_secs(ALONE));
                continue;
            }
            processes.press("q").await;
            processes.all_started();
            while processes.next().await.is_some() {}
            return Ok(told);
        };
        let Some((number, event)) = event else { return Err("all ended too soon".into()) };
        match (number, event["event"].as_str().unwrap_or_default()) {
            (0, "first-sound") if event["nick"] == "juliet" => {
                let bridge =
                    [ROOM, "--bridge", "--nick", "phone bridge", "--dial", "mercutio@localhost", "--no-window"];
                processes.start(BRIDGE, "phone@localhost/bridge", &bridge)?;
            }
            (BRIDGE, "joined") => {
                for caller in CALL_IN {
                    start(processes, folder, caller, &["phone@localhost"])?;
                }
            }
            (BRIDGE, "caller") => {
                println!("the bridge: caller {} {} {}", event["id"], event["jid"], event["state"]);
                if event["state"] == "in" {
                    told.inside.push(event["jid"].to_string());
                }
            }
            (0..BRIDGE, "seen") => told.see(number, &event),
            (0, "guests") => told.guests = connected(&event),
            (_, "warning") => println!("{number}: {}", event["why"]),
            _ => {}
        }
        if until.is_none() && told.inside.len() == 3 && told.guests.len() == 3 {
            until = Some(tokio::time::Instant::now() + Duration::from_secs(TOGETHER));
        }
    }
}

/// The names of guests who take part.
fn connected(event: &Value) -> Vec<String> {
    let guests = event["guests"].as_array().into_iter().flatten();
    guests.filter(|guest| guest["state"] == "connected").map(|guest| guest["name"].to_string()).collect()
}

/// What somebody heard.
fn mix(folder: &Path, name: &str) -> Result<Vec<f64>, Failure> {
    let file: PathBuf = folder.join(format!("{name}-mix.wav"));
    let mut file = hound::WavReader::open(&file).map_err(|why| format!("{}: {why}", file.display()))?;
    Ok(file
        .samples::<i16>()
        .map(|sample| sample.map(|sample| f64::from(sample) / 32_768.0))
        .collect::<Result<_, _>>()?)
}

/// Listeners down, speakers across; in how many directions the tone was heard, and how many heard their own.
fn judge(heard: &[Vec<f64>]) -> (String, usize, usize) {
    let (mut table, mut right, mut echoes) = (format!("{:<10}", "dBFS"), 0, 0);
    for (name, hz) in PEOPLE {
        let _infallible = write!(table, "{:>16}", format!("{name} {hz}"));
    }
    for (listener, samples) in heard.iter().enumerate() {
        let _infallible = write!(table, "\n{:<10}", PEOPLE[listener].0);
        for (speaker, (_, hz)) in PEOPLE.iter().enumerate() {
            let part = if listener == speaker { FOR_ITS_OWN } else { FOR_OTHERS };
            let mut levels: Vec<f64> =
                samples.chunks_exact(SECOND).map(|second| tone_level(second, *hz, part)).collect();
            levels.sort_by(|one, other| other.total_cmp(one));
            let lasting = levels.get(SECONDS - 1).copied();
            let shown = lasting.map_or_else(|| "nothing".to_owned(), |level| format!("{level:.0}"));
            let _infallible = write!(table, "{shown:>16}");
            right += usize::from(listener != speaker && lasting.is_some_and(|level| level > HEARD));
            echoes += usize::from(listener == speaker && lasting.is_none_or(|level| level > ECHO));
        }
    }
    (table, right, echoes)
}
