//! The cost of the Engine itself: per presence and per Jingle request, and the memory per participant.

use std::process::Command;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use jid::{BareJid, FullJid};
use muji_core::{ConnectionChange, Engine, Join, Output};
use muji_harness::instant_backend;
use muji_harness::person::usual;
use muji_xep::{Element, ns};
use xmpp_parsers::stanza::Stanza;

use crate::Goals;
use crate::load::resident_kilobytes;

const SIZES: [usize; 3] = [4, 32, 64];

/// Times that each participant says the same.
const ROUNDS: usize = 400;

/// Engines of which the memory is taken together: one alone is less than a page of the system's book-keeping.
const ENGINES: usize = 40;

/// How much more a participant of 64 may keep than one of 32.
const GROWTH: f64 = 1.25;

/// Hostile presences in a minute of a thousand a second.
const FLOOD: usize = 60_000;

/// What they may leave behind, in kilobytes.
const LEFT_BEHIND: i64 = 8 * 1024;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## The Engine alone\n");
    println!(
        "A participant in a call of N, whose others repeat themselves; CPU of one thread. Memory: of {ENGINES} engines.\n"
    );
    println!("| N | a presence | a Jingle request | kept for a participant |");
    println!("|---|---|---|---|");
    let mut kept = Vec::new();
    let mut presences = Vec::new();
    for n in SIZES {
        let mut call = Call::of(n);
        let presence = call.presence();
        let request = call.request();
        let bytes = memory(n);
        presences.push(presence);
        kept.push(bytes);
        let bytes = bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.1} kB", bytes / 1_024.0));
        println!("| {n} | {presence:.1} µs | {request:.1} µs | {bytes} |");
    }
    // A presence looks at every other participant, no more.
    let linear = presences[2] / presences[0] <= (SIZES[2] / SIZES[0]) as f64;
    let constant = kept[1].zip(kept[2]).is_some_and(|(some, many)| many <= some * GROWTH);
    let met = goals.check(linear && constant, || "linear growth of the Engine".to_owned());
    println!("\nGrowth is linear (a presence at most 16 times from 4 to 64, memory of each at most {GROWTH}): {met}\n");
    flood(goals);
}

/// A thousand presences a second of fifty nicks under seventy JIDs, for a minute.
fn flood(goals: &mut Goals) {
    let mut call = Call::of(4);
    let stanzas: Vec<Stanza> = (0..1_000)
        .map(|number| {
            let jid = format!("mallory{}@x/1", number % 70).parse().expect("a JID");
            call.says(&format!("mallory{}", number % 50), &jid, number % 3 != 0)
        })
        .collect();
    let before = resident_kilobytes();
    let start = ProcessTime::now();
    for second in 0..FLOOD / stanzas.len() {
        let now = call.now + Duration::from_secs(second as u64);
        for stanza in &stanzas {
            let _whose = call.engine.handle_stanza(now, stanza);
            call.drain();
        }
        call.engine.handle_timeout(now);
        call.drain();
    }
    let cost = start.elapsed().as_secs_f64() * 1e6 / FLOOD as f64;
    let more = resident_kilobytes().zip(before).map(|(after, before)| after - before);
    let met = more.is_some_and(|more| more <= LEFT_BEHIND) && cost <= 100.0;
    let met = goals.check(met, || "a minute of hostile presences".to_owned());
    let more = more.map_or_else(|| "unknown".to_owned(), |more| format!("{more} kB"));
    println!(
        "A minute of a thousand hostile presences a second: {cost:.1} µs each (goal 100), {more} more resident memory (goal \
         {LEFT_BEHIND}): {met}\n"
    );
}

/// Bytes that each of n participants keeps, or nothing where the system does not tell.
fn memory(n: usize) -> Option<f64> {
    let of = |n: usize| -> Option<f64> {
        let output = Command::new(std::env::current_exe().ok()?).args(["engines", &n.to_string()]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let (with, without) = (of(n)?, of(0)?);
    Some((with - without) * 1_024.0 / (ENGINES * n) as f64)
}

/// What this program does when it is run by itself: `engines N`.
pub(crate) fn child(arguments: &[String]) -> Option<()> {
    let [kind, n] = arguments else { return None };
    let n = n.parse().ok().filter(|_| kind == "engines")?;
    let engines: Vec<Call> = (0..ENGINES).map(|_| Call::of(n)).collect();
    println!("{}", resident_kilobytes()?);
    drop(engines);
    Some(())
}

/// An Engine in a call with others, who are words only.
struct Call {
    engine: Engine,
    now: Instant,
    room: BareJid,
    others: Vec<FullJid>,
    sids: Vec<(FullJid, String)>,
}

impl Call {
    fn of(n: usize) -> Self {
        let now = Instant::now();
        let room: BareJid = "balcony@conference.x".parse().expect("a room");
        let us: FullJid = "romeo@x/1".parse().expect("a JID");
        let mut engine = Engine::new([1; 32], usual());
        engine.handle_connection(now, ConnectionChange::Bound { jid: us.clone() });
        engine.join(now, room.clone(), Join::call_room().nick("romeo")).expect("nothing keeps it");
        let others = (0..n).map(|index| format!("guest{index}@x/1").parse().expect("a JID")).collect();
        let mut this = Self { engine, now, room, others, sids: Vec::new() };
        this.drain();
        for index in 0..n {
            let jid = this.others[index].clone();
            let says = this.says(&format!("guest{index}"), &jid, true);
            this.hear(&says);
        }
        for contents in [false, true] {
            let echo = this.presence_of("romeo", &us, contents, "<status code='100'/><status code='110'/>");
            this.hear(&echo);
        }
        for (jid, sid) in this.sids.clone() {
            let accept = this.jingle(&jid, "session-accept", &sid, ACCEPTED);
            this.hear(&accept);
        }
        assert_eq!(this.sids.len(), n, "everybody is called");
        this
    }

    fn says(&self, nick: &str, jid: &FullJid, contents: bool) -> Stanza {
        self.presence_of(nick, jid, contents, "")
    }

    fn presence_of(&self, nick: &str, jid: &FullJid, contents: bool, codes: &str) -> Stanza {
        let inside = if contents { CONTENT } else { "<preparing/>" };
        stanza(&format!(
            "<presence xmlns='jabber:client' from='{}/{nick}'><muji xmlns='{}'>{inside}</muji><x xmlns='{}'>\
             <item jid='{jid}'/>{codes}</x></presence>",
            self.room,
            ns::MUJI,
            ns::MUC_USER
        ))
    }

    fn jingle(&self, from: &FullJid, action: &str, sid: &str, inside: &str) -> Stanza {
        stanza(&format!(
            "<iq xmlns='jabber:client' type='set' id='i' from='{from}'><jingle xmlns='{}' action='{action}' sid='{sid}'>\
             {inside}</jingle></iq>",
            ns::JINGLE
        ))
    }

    fn hear(&mut self, stanza: &Stanza) {
        let _whose = self.engine.handle_stanza(self.now, stanza);
        self.drain();
    }

    /// Confirms requests and does what the media layer would.
    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Media(command) => {
                    let reports = instant_backend::obey(&command);
                    reports.iter().for_each(|report| self.engine.handle_media(self.now, report));
                }
                Output::Send(stanza) => self.note(stanza.as_stanza()),
                _ => {}
            }
        }
    }

    fn note(&mut self, stanza: &Stanza) {
        let Stanza::Iq(xmpp_parsers::iq::Iq::Set { to: Some(to), payload, .. }) = stanza else { return };
        let offers = payload.attr("action") == Some("session-initiate");
        let to = to.clone().try_into_full().ok().filter(|_| offers);
        if let (Some(to), Some(sid)) = (to, payload.attr("sid")) {
            self.sids.push((to, sid.to_owned()));
        }
    }

    /// Microseconds of a presence of somebody who is in the call.
    fn presence(&mut self) -> f64 {
        let said: Vec<Stanza> = (0..self.others.len())
            .map(|index| self.says(&format!("guest{index}"), &self.others[index], true))
            .collect();
        self.repeated(&said)
    }

    /// Microseconds of a request in a session.
    fn request(&mut self) -> f64 {
        let info = "<active xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>";
        let said: Vec<Stanza> =
            self.sids.iter().map(|(jid, sid)| self.jingle(jid, "session-info", sid, info)).collect();
        self.repeated(&said)
    }

    fn repeated(&mut self, said: &[Stanza]) -> f64 {
        let start = ProcessTime::now();
        for _ in 0..ROUNDS {
            said.iter().for_each(|stanza| self.hear(stanza));
        }
        start.elapsed().as_secs_f64() * 1e6 / (ROUNDS * said.len()) as f64
    }
}

const CONTENT: &str = "<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='audio'><description \
     xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type id='111' name='opus' clockrate='48000' \
     channels='2'><parameter name='useinbandfec' value='1'/></payload-type></description></content>";

const ACCEPTED: &str = "<content creator='initiator' name='audio'><description xmlns='urn:xmpp:jingle:apps:rtp:1' \
     media='audio'><payload-type id='111' name='opus' clockrate='48000' channels='2'/><rtcp-mux/></description>\
     <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='ufrag' pwd='a password of 22 letters'><fingerprint \
     xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='active'>07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:\
     07:07:07:07:07:07:07:07:07:07:07:07:07:07:07</fingerprint></transport></content>";

fn stanza(text: &str) -> Stanza {
    let element: Element = text.parse().expect("the text is well-formed");
    Stanza::try_from(element).expect("the text is a stanza")
}
