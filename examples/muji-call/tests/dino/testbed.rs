//! A server, Dinos and our programs, all on one machine in a network of its own.

use std::time::{Duration, Instant};

use muji_harness::dino::{Dino, Owner};
use muji_harness::network::Network;
use muji_harness::real_server::{PEOPLE, RealServer};
use muji_harness::recognition::{is_colour, is_tone, read_colour};
use muji_harness::replay::{self, Breach};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::support::*;

/// The longest that sound may take to come through: Dino's own begins within seconds, if it begins.
pub(crate) const SOUND: Duration = Duration::from_secs(20);

/// The tone of Dino's microphone, in Hertz.
pub(crate) const HUM: u16 = 400;

/// Colours of our test pictures.
pub(crate) const RED: [u8; 3] = [0xC0, 0x30, 0x30];
pub(crate) const BLUE: [u8; 3] = [0x30, 0x50, 0xC0];

/// Why a call with Dino could not be tested.
#[derive(Debug)]
pub(crate) enum DinoError {
    /// Something is not installed.
    Missing(String),
    /// Dino's sound does not come, as happens to it with every client.
    Silent(String),
}

/// Holds a call, and again if Dino is silent, and tells what came of it.
pub(crate) async fn held(what: &str, times: usize, call: impl AsyncFn(&Testbed) -> Result<String, DinoError>) {
    for _ in 0..times {
        let result = match Testbed::new() {
            Ok(testbed) => {
                let result = call(&testbed).await;
                if result.is_ok() {
                    testbed.nothing_is_broken();
                }
                result
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(result) => return println!("dino | {what} | {result}"),
            Err(DinoError::Missing(why)) => return skipped(&why),
            Err(DinoError::Silent(why)) => println!("dino | {what} | once more: {why}"),
        }
    }
    panic!("Dino is silent in each of {times} calls");
}

/// All of it ends with the value.
pub(crate) struct Testbed {
    // In this order: the server ends before its network.
    pub(crate) xmpp: RealServer,
    pub(crate) net: Network,
}

impl Testbed {
    fn new() -> Result<Self, DinoError> {
        let net = Network::new().unwrap_or_else(|why| panic!("{why}")).map_err(DinoError::Missing)?;
        let xmpp = RealServer::prosody_at_home(net.place(), PASSWORD).unwrap_or_else(|why| panic!("{why}"));
        let xmpp = xmpp.ok_or_else(|| DinoError::Missing("Prosody is not installed".to_owned()))?;
        Ok(Self { xmpp, net })
    }

    /// By the server's log we broke no requirement, whatever Dino did.
    fn nothing_is_broken(&self) {
        let wire = self.wire();
        if let Some(copy) = std::env::var_os("DINO_WIRE") {
            std::fs::write(copy, &wire).unwrap_or_else(|why| panic!("{why}"));
        }
        let lines = muji_trace::read(&wire).unwrap_or_else(|why| panic!("{why}"));
        let muji_call = |breach: &Breach| breach.client.resource().as_str() != "dino";
        let broken: Vec<Breach> = replay::breaches(&lines).into_iter().filter(muji_call).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    pub(crate) fn jid(&self, name: &str) -> String {
        format!("{name}@{}", self.xmpp.domain)
    }

    /// The Dino of somebody, who has a conversation with everybody else.
    pub(crate) fn dino(&self, name: &str) -> Result<Dino, DinoError> {
        self.dino_with(name, HUM, None)
    }

    /// The same with another tone at its microphone, and with a camera.
    pub(crate) fn dino_with(&self, name: &str, tone: u16, camera: Option<[u8; 3]>) -> Result<Dino, DinoError> {
        let friends: Vec<String> = PEOPLE.iter().filter(|other| **other != name).map(|other| self.jid(other)).collect();
        let (jid, authority) = (self.jid(name), self.xmpp.authority());
        let authority = authority.as_ref();
        let owner = Owner { jid: &jid, password: PASSWORD, authority, friends: &friends, tone, camera };
        let dino = Dino::start(self.net.place(), &owner).unwrap_or_else(|why| panic!("{why}"));
        let dino = dino.map_err(DinoError::Missing)?;
        // Its window comes before its presence: until then calls reach only other devices.
        let jid = format!("{jid}/dino");
        assert!(soon(|| self.is_present(&jid)), "{jid} says that it is there");
        Ok(dino)
    }

    /// By the server's log somebody has said that he is there.
    fn is_present(&self, jid: &str) -> bool {
        let lines = muji_trace::read(&self.wire()).unwrap_or_default();
        lines.iter().any(|(_, line)| line.said && line.client.as_str() == jid && line.stanza.name() == "presence")
    }

    /// Who offered a session to whom, by the server's log: localparts, in order.
    pub(crate) fn offers(&self) -> Vec<[String; 2]> {
        let name = |jid: &str| jid.split('@').next().unwrap_or_default().to_owned();
        let lines = muji_trace::read(&self.wire()).unwrap_or_else(|why| panic!("{why}"));
        let offers = lines.iter().filter(|(_, line)| line.said && line.action("session-initiate").is_some());
        offers.map(|(_, line)| [name(line.client.as_str()), name(line.stanza.attr("to").unwrap_or_default())]).collect()
    }

    /// What the server's log says.
    fn wire(&self) -> String {
        std::fs::read_to_string(self.xmpp.wire()).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Between whom there were sessions, each as often as there were: localparts.
    pub(crate) fn pairs(&self) -> Vec<[String; 2]> {
        let mut pairs = self.offers();
        pairs.iter_mut().for_each(|pair| pair.sort());
        pairs.sort();
        pairs
    }

    /// Our program, waiting in the chat room, where it accepts calls after so many seconds.
    pub(crate) async fn waiting(&self, name: &str, seconds: &str, more: &[&str]) -> MujiCall {
        let chat = self.xmpp.chat_room();
        let wait = ["--wait", "--once", "--auto-answer", seconds, "--chat", &chat, "--nick", name];
        let mut muji_call = self.muji_call(name, &[&wait, more].concat());
        muji_call.tells("that it is in the chat room", LIMIT, |event| event["event"] == "chat").await;
        muji_call
    }

    /// Our program for somebody.
    pub(crate) fn muji_call(&self, name: &str, more: &[&str]) -> MujiCall {
        let (jid, server, authority) = (self.jid(name), self.xmpp.address(), self.xmpp.authority());
        let mut arguments = vec!["--jid", &jid, "--server", &server, "--ca-file", &authority, "--json", "--no-window"];
        arguments.extend(more);
        let mut command = through(self.net.command("env"), &program(&arguments));
        let mut child = command.spawn().expect("it is built");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        MujiCall { name: name.to_owned(), child, lines, seen: Vec::new() }
    }
}

/// Our program, and what it told so far.
pub(crate) struct MujiCall {
    name: String,
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<Value>,
}

impl MujiCall {
    /// The next event of this kind; a failure if it does not come in time.
    pub(crate) async fn tells(&mut self, what: &str, limit: Duration, is: impl Fn(&Value) -> bool) -> Value {
        match self.tells_within(limit, is).await {
            Some(event) => event,
            None => {
                let told: Vec<String> = self.seen.iter().map(Value::to_string).collect();
                panic!("{} did not tell: {what}\n{}", self.name, told.join("\n"));
            }
        }
    }

    async fn tells_within(&mut self, limit: Duration, is: impl Fn(&Value) -> bool) -> Option<Value> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(Ok(Some(line))) = tokio::time::timeout(left, self.lines.next_line()).await else { return None };
            let event: Value = serde_json::from_str(&line).expect("each line is an object");
            self.seen.push(event.clone());
            if is(&event) {
                return Some(event);
            }
        }
    }

    /// It hears Dino's microphone.
    pub(crate) async fn hears_dino(&mut self, dino: &Dino) -> Result<(), DinoError> {
        let heard = self.tells_within(SOUND, |event| hears(event, dino.tone)).await;
        heard.map(drop).ok_or_else(|| DinoError::Silent(format!("{} does not hear Dino's {} Hz", self.name, dino.tone)))
    }

    /// It hears this tone.
    pub(crate) async fn hears(&mut self, tone: u16) {
        self.tells(&format!("a tone of {tone} Hz"), SOUND, |event| hears(event, tone)).await;
    }

    /// It sees this colour: the mean of a picture.
    pub(crate) async fn sees_colour(&mut self, colour: [u8; 3]) {
        let is = |event: &Value| {
            let seen = event["colour"].as_str().and_then(read_colour);
            event["event"] == "seen" && seen.is_some_and(|seen| is_colour(seen, colour))
        };
        self.tells("the colour of a picture", SOUND, is).await;
    }

    /// Dino has picked up: we hear each other.
    pub(crate) async fn talks_with(&mut self, dino: &Dino, tone: u16) -> Result<(), DinoError> {
        assert!(dino.answer("accept"), "it rings at Dino's");
        self.sees("connected").await;
        self.hears_dino(dino).await?;
        heard_by(dino, &[tone]);
        Ok(())
    }

    /// Dino is in this state.
    pub(crate) async fn sees(&mut self, state: &str) -> Value {
        let is = |event: &Value| event["event"] == "peer" && event["state"] == state && is_dino(event);
        self.tells(state, LIMIT, is).await
    }

    /// The call is over.
    pub(crate) async fn ends(&mut self) -> String {
        let ended = self.tells("the end", LIMIT, |event| event["event"] == "ended").await;
        ended["why"].as_str().unwrap_or_default().to_owned()
    }
}

fn hears(event: &Value, tone: u16) -> bool {
    event["event"] == "heard" && event["hz"].as_f64().is_some_and(|hz| is_tone(hz, tone))
}

fn is_dino(event: &Value) -> bool {
    event["jid"].as_str().is_some_and(|jid| jid.ends_with("/dino"))
}

/// Something happens within the limit.
pub(crate) fn soon(mut happens: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + LIMIT;
    loop {
        if happens() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Dino hears these tones, sooner or later.
pub(crate) fn heard_by(dino: &Dino, tones: &[u16]) {
    let until = Instant::now() + SOUND;
    loop {
        let heard = dino.hears(tones).unwrap_or_else(|why| panic!("{why}"));
        if heard == tones {
            return;
        }
        assert!(Instant::now() < until, "Dino hears {heard:?} of {tones:?}");
    }
}

/// Dino hears nothing of these now.
pub(crate) fn unheard_by(dino: &Dino, tones: &[u16]) {
    let heard = dino.hears(tones).unwrap_or_else(|why| panic!("{why}"));
    assert!(heard.is_empty(), "Dino still hears {heard:?}");
}

/// Dino shows this colour, sooner or later: the share of its screen that has it.
pub(crate) fn shown_by(dino: &Dino, colour: [u8; 3]) -> f64 {
    let folder = folder("dino-screen");
    let file = folder.join("screen.png");
    let until = Instant::now() + SOUND;
    loop {
        dino.picture(&file).unwrap_or_else(|why| panic!("{why}"));
        let share = share_of(colour, &file);
        if share > 0.05 {
            std::fs::remove_dir_all(folder).expect("it was made");
            return share;
        }
        assert!(Instant::now() < until, "{share} of its screen has the colour of our picture");
    }
}

/// How much of a picture has nearly this colour, of 1.
fn share_of(colour: [u8; 3], file: &std::path::Path) -> f64 {
    let file = std::io::BufReader::new(std::fs::File::open(file).expect("it was written"));
    let mut decoder = png::Decoder::new(file);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().expect("a picture");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it has a size")];
    let info = reader.next_frame(&mut pixels).expect("a picture");
    let like = |pixel: &&[u8]| pixel.iter().zip(colour).all(|(seen, wanted)| seen.abs_diff(wanted) <= 40);
    let all = pixels[..info.buffer_size()].chunks_exact(info.color_type.samples());
    all.clone().filter(like).count() as f64 / all.len().max(1) as f64
}
