//! One call: starts everybody, waits until all hear and see all, measures for some seconds, and lets all leave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use muji_harness::muji_call::Processes;
use muji_harness::real_server::RealServer;
use serde_json::Value;

use crate::chromium::Chromium;
use crate::direction::Direction;
use crate::page::PageServer;
use crate::scenarios::{Client, Device, Scenario, Shape};
use crate::{Failure, PASSWORD};

/// Until a program has started, logged in and joined. Chromium on a busy machine needs some seconds.
const START: Duration = Duration::from_secs(30);

/// From then on, until all hear and see all.
const CONNECTION: Duration = Duration::from_secs(20);

/// How long is measured then.
const MEASURED: Duration = Duration::from_secs(7);

/// In so many seconds of them the right tone and hue must come: each is told once a second, and one may fall on either end.
const RIGHT: u32 = 5;

/// Fewer pictures a second than this, of 30, is not fluent.
const MIN_PICTURES: f64 = 25.0;

/// Where packets are lost, some pictures wait until they have been sent again, and are then passed over.
const MIN_PICTURES_WITH_LOSSES: f64 = 20.0;

/// More filled-in sound than this, in percent, is heard as a fault; twice what the network loses on average comes to it, since some seconds
/// have worse luck.
const MAX_CONCEALED: f64 = 2.0;

/// Seconds from where both are there to the first sound, at most.
const MAX_FIRST_SOUND: f64 = 3.0;

/// Until all have left.
const LEAVING: Duration = Duration::from_secs(10);

/// How long `muji-call` rings before it answers, in seconds, and the page, in milliseconds.
const ANSWERS: (&str, &str) = ("1", "1000");

/// What came of a call.
#[derive(Default)]
pub(crate) struct Outcome {
    /// By listener and speaker.
    heard: BTreeMap<(usize, usize), Direction>,
    /// When each pressed "join", or the call was answered.
    began: BTreeMap<usize, Instant>,
    /// Devices that rang.
    rang: Vec<usize>,
    /// What was said by those whose call ended.
    ended: BTreeMap<usize, String>,
    /// What went wrong.
    pub(crate) faults: Vec<String>,
}

impl Outcome {
    pub(crate) fn passed(&self) -> bool {
        self.faults.is_empty()
    }

    /// Listener, speaker, what was heard and seen, and the seconds to the first sound.
    pub(crate) fn directions<'a>(
        &'a self,
        scenario: &'a Scenario,
    ) -> impl Iterator<Item = (&'a Device, &'a Device, &'a Direction, Option<f64>)> {
        let devices = &scenario.devices;
        self.heard.iter().map(|(&(listener, speaker), direction)| {
            (&devices[listener], &devices[speaker], direction, self.first_sound(listener, speaker))
        })
    }

    /// Seconds from where both were there.
    fn first_sound(&self, listener: usize, speaker: usize) -> Option<f64> {
        let there = [listener, speaker].iter().filter_map(|device| self.began.get(device)).max()?;
        let came = self.heard.get(&(listener, speaker))?.first_sound?;
        Some(came.saturating_duration_since(*there).as_secs_f64())
    }

    /// Whether all hear all, and see them if there are pictures.
    fn all_right(&self, scenario: &Scenario) -> bool {
        self.heard.values().all(|direction| direction.is_right(scenario.video))
    }

    /// An event that a device told.
    fn take(&mut self, scenario: &Scenario, device: usize, event: &Value) {
        let now = Instant::now();
        let who = scenario.devices[device].label();
        let why = event["why"].as_str().unwrap_or_default();
        match event["event"].as_str().unwrap_or_default() {
            "joined" | "begins" if scenario.shape == Shape::Room => {
                let ms = event["ms"].as_u64().unwrap_or_default();
                let ago = if event["event"] == "joined" { Duration::from_millis(ms) } else { Duration::ZERO };
                self.began.entry(device).or_insert_with(|| now.checked_sub(ago).unwrap_or(now));
            }
            "device" if event["state"] == "picked up" => {
                self.began = [(0, now), (1, now)].into();
            }
            "ringing" => self.rang.push(device),
            "ended" => {
                self.ended.insert(device, why.to_owned());
            }
            "fault" | "failed" | "refused" | "session-ended" | "warning" => {
                let fields = serde_json::to_string(event).unwrap_or_default();
                self.faults.push(format!("{who}: {fields}"));
            }
            _ => {}
        }
        let speaker = self.speaker(scenario, device, event);
        if let Some((speaker, direction)) = speaker {
            direction.take(event, scenario.devices[speaker].person, now);
        }
    }

    /// The direction that an event is about.
    fn speaker(&mut self, scenario: &Scenario, listener: usize, event: &Value) -> Option<(usize, &mut Direction)> {
        let nick = event["nick"].as_str()?.split('@').next()?;
        let talking = &scenario.devices[..scenario.talking()];
        let speaker = talking.iter().position(|device| device.person.name == nick)?;
        self.heard.get_mut(&(listener, speaker)).map(|direction| (speaker, direction))
    }
}

impl Device {
    /// What the table says.
    pub(crate) fn label(&self) -> String {
        let client = match self.client {
            Client::MujiCall => "ours",
            Client::Chromium { .. } => "Chromium",
        };
        format!("{} ({client})", self.person.name)
    }
}

/// Everybody in one call.
struct Call<'a> {
    scenario: &'a Scenario,
    room: String,
    server: &'a RealServer,
    programs: Processes,
    pages: PageServer,
    browsers: Vec<Chromium>,
    outcome: Outcome,
}

/// Makes one call. `number` tells its room from the others'.
pub(crate) async fn run(
    scenario: &Scenario,
    number: usize,
    server: &RealServer,
    chromium: &Path,
    logs: &Path,
) -> Result<Outcome, Failure> {
    let room = format!("call{number}@conference.{}", server.domain);
    let login = ["--server", &server.address(), "--ca-file", &server.authority()];
    let (programs, pages) = (Processes::new(&login, PASSWORD)?, PageServer::start().await?);
    let mut outcome = Outcome::default();
    for listener in 0..scenario.talking() {
        let others = (0..scenario.talking()).filter(|speaker| *speaker != listener);
        outcome.heard.extend(others.map(|speaker| ((listener, speaker), Direction::default())));
    }
    let mut call = Call { scenario, room, server, programs, pages, browsers: Vec::new(), outcome };
    let began = call.begin(chromium, logs).await?;
    if began {
        call.measure().await;
    }
    call.judge();
    call.leave().await;
    Ok(call.outcome)
}

impl Call<'_> {
    /// Starts all, in order; in a call to a person she who is called comes first. False if one does not come.
    async fn begin(&mut self, chromium: &Path, logs: &Path) -> Result<bool, Failure> {
        let mut order: Vec<usize> = (0..self.scenario.devices.len()).collect();
        let there = match self.scenario.shape {
            Shape::Room => "joined",
            Shape::Call => {
                order.rotate_left(1);
                "waiting"
            }
        };
        for device in order {
            self.start(device, chromium, logs)?;
            if self.scenario.shape == Shape::Call && device == 0 {
                break;
            }
            let limit = Instant::now() + START;
            let came = self.watch(limit, |told, event, _| told == device && event["event"] == there).await;
            if !came {
                let who = self.scenario.devices[device].label();
                self.outcome.faults.push(format!("{who} was not there in {} s", START.as_secs()));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn start(&mut self, device: usize, chromium: &Path, logs: &Path) -> Result<(), Failure> {
        match self.scenario.devices[device].client {
            Client::MujiCall => self.start_muji_call(device),
            Client::Chromium { bundle, names, hides_addresses } => {
                let page = self.page(device, bundle, names);
                let Device { person, resource, .. } = self.scenario.devices[device];
                let log = logs.join(format!("{}-{resource}.log", person.name));
                self.browsers.push(Chromium::open(chromium, &page, hides_addresses, &log)?);
                Ok(())
            }
        }
    }

    fn start_muji_call(&mut self, device: usize) -> Result<(), Failure> {
        let Device { person, resource, .. } = &self.scenario.devices[device];
        let jid = format!("{}@{}/{resource}", person.name, self.server.domain);
        let audio = format!("tone:{}", person.hz);
        let video = if self.scenario.video { format!("pattern:{}", person.colour) } else { "off".to_owned() };
        let called = self.called();
        let mut arguments = vec!["--no-window", "--audio", &audio, "--video", &video];
        if let Some((option, _)) = self.scenario.codec {
            arguments.extend(["--codec", option]);
        }
        match (self.scenario.shape, device) {
            (Shape::Room, _) => arguments.extend([self.room.as_str(), "--nick", person.name]),
            (Shape::Call, 0) => arguments.push(&called),
            (Shape::Call, 1) => arguments.extend(["--wait", "--once", "--auto-answer", ANSWERS.0]),
            (Shape::Call, _) => arguments.extend(["--wait", "--once"]),
        }
        Ok(self.programs.start(device, &jid, &arguments)?)
    }

    /// Whom the first device calls.
    fn called(&self) -> String {
        format!("{}@{}", self.scenario.devices[1].person.name, self.server.domain)
    }

    /// The address of the page for a device.
    fn page(&self, device: usize, bundle: &str, names: &str) -> String {
        let Device { person, resource, .. } = &self.scenario.devices[device];
        let (tone, called) = (person.hz.to_string(), self.called());
        let websocket = self.server.websocket().expect("this Prosody has one");
        let mut parameters = vec![
            ("name", person.name),
            ("resource", resource),
            ("domain", self.server.domain),
            ("password", PASSWORD),
            ("websocket", &websocket),
            ("tone", &tone),
            ("colour", person.colour),
            ("bundle", bundle),
            ("names", names),
        ];
        if self.scenario.video {
            parameters.push(("video", ""));
        }
        match (self.scenario.shape, device) {
            (Shape::Room, _) => parameters.push(("room", &self.room)),
            (Shape::Call, 0) => parameters.push(("calls", &called)),
            (Shape::Call, 1) => parameters.push(("accepts", ANSWERS.1)),
            (Shape::Call, _) => {}
        }
        self.pages.page(&parameters)
    }

    /// Takes what all tell until something is so; false if it is not in time.
    async fn watch(&mut self, limit: Instant, mut until: impl FnMut(usize, &Value, &Outcome) -> bool) -> bool {
        loop {
            let event = tokio::select! {
                event = self.programs.next() => event,
                report = self.pages.next() => report.and_then(|report| Some((self.device(&report)?, report))),
                () = tokio::time::sleep_until(limit.into()) => return false,
            };
            let Some((device, event)) = event else { continue };
            self.outcome.take(self.scenario, device, &event);
            if until(device, &event, &self.outcome) {
                return true;
            }
        }
    }

    /// Who sent a report.
    fn device(&self, report: &Value) -> Option<usize> {
        let (name, resource) = report["who"].as_str()?.split_once('/')?;
        self.scenario.devices.iter().position(|device| device.person.name == name && device.resource == resource)
    }

    /// Waits until all hear all, and counts from then on.
    async fn measure(&mut self) {
        let scenario = self.scenario;
        self.watch(Instant::now() + CONNECTION, |_, _, outcome| outcome.all_right(scenario)).await;
        self.outcome.heard.values_mut().for_each(Direction::count_again);
        self.watch(Instant::now() + MEASURED, |_, _, _| false).await;
    }

    /// What is not as it should be. How Chromiums hear each other is shown, and is no fault of ours.
    fn judge(&mut self) {
        let mut faults = Vec::new();
        for (listener, speaker, direction, first_sound) in self.outcome.directions(self.scenario) {
            if [listener, speaker].iter().any(|device| device.client == Client::MujiCall) {
                let wrong = wrongs(direction, first_sound, self.scenario);
                faults
                    .extend(wrong.iter().map(|what| format!("{} from {}: {what}", listener.label(), speaker.label())));
            }
        }
        for (index, device) in self.scenario.devices.iter().enumerate().skip(self.scenario.talking()) {
            let ended = self.outcome.ended.get(&index);
            let fell_silent = ended.is_some_and(|why| why.starts_with("answered on"));
            if !self.outcome.rang.contains(&index) || !fell_silent {
                faults.push(format!("{} did not ring and then fall silent: {ended:?}", device.label()));
            }
        }
        self.outcome.faults.extend(faults);
    }

    /// All leave as users do.
    async fn leave(&mut self) {
        let before = self.outcome.faults.len();
        self.pages.leave();
        self.programs.press("q").await;
        let mut left = BTreeSet::new();
        let talking = self.scenario.talking();
        let over = |device: usize, event: &Value, _: &Outcome| {
            if device < talking && (event["event"] == "left" || event["event"] == "summary") {
                left.insert(device);
            }
            left.len() == talking
        };
        let all_left = self.watch(Instant::now() + LEAVING, over).await;
        self.outcome.faults.truncate(before); // Sessions end now.
        if !all_left {
            self.outcome.faults.push(format!(
                "only {} of {talking} had left after {} s",
                left.len(),
                LEAVING.as_secs()
            ));
        }
    }
}

/// What is wrong with a direction.
fn wrongs(direction: &Direction, first_sound: Option<f64>, scenario: &Scenario) -> Vec<&'static str> {
    if direction.first_sound.is_none() {
        return vec!["nothing was heard"];
    }
    let max_concealed = MAX_CONCEALED + 2.0 * f64::from(scenario.lost);
    let min_pictures = if scenario.lost > 0 { MIN_PICTURES_WITH_LOSSES } else { MIN_PICTURES };
    let mut wrong = vec![
        (direction.right_tones < RIGHT, "not the right tone all the time"),
        (direction.concealed().is_none_or(|share| share > max_concealed), "too much sound is filled in"),
        (first_sound.is_none_or(|seconds| seconds > MAX_FIRST_SOUND), "the first sound comes too late"),
    ];
    if scenario.video {
        wrong.push((direction.right_hues < RIGHT, "not the right colour all the time"));
        let repaired = direction.repaired.is_none_or(|[came, sent]| came > 0 && sent > 0);
        // In a room the page takes the encodings of the room alone, and so no RTX.
        let takes_rtx = scenario.shape == Shape::Call;
        wrong.push((scenario.lost > 0 && takes_rtx && !repaired, "lost pictures do not come again by RTX both ways"));
        wrong.push((direction.pictures().is_none_or(|rate| rate < min_pictures), "too few pictures"));
        let other = scenario.codec.is_some_and(|(_, name)| direction.codec.as_deref() != Some(name));
        wrong.push((other, "not in the codec that was preferred"));
    }
    wrong.into_iter().filter(|(wrong, _)| *wrong).map(|(_, what)| what).collect()
}
