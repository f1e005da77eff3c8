//! Calls of up to 32 people in random worlds, with faults in most of them. In the end everybody who is there has one
//! session with everybody else who is, and none with anybody who is not.
//!
//! A seed that fails is printed; `muji-random --seed N` shows it alone.
#![forbid(unsafe_code)]

mod schedule;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use muji_core::{Command, Event, Join, Media, PairState};
use muji_harness::room::Rules;
use muji_harness::seeded_random::SeededRandom;
use muji_harness::world::{Delays, PersonId, World};
use muji_xep::muc::code;
use muji_xep::ns;
use schedule::{BUSY, Happening, Schedule};

/// How long after the last fault everything is as it should be: half a minute until the server notices who hangs, a minute
/// for the room, ten seconds for those who do not call, and three repairs.
const CALM: Duration = Duration::from_secs(240);

/// How long a media layer goes on without an answer, and the server with a client that hangs.
const CONSENT: Duration = Duration::from_secs(30);

/// After so many worlds it is said how far it is: after a minute and a half on two cores.
const PROGRESS: u64 = 1_000;

const ROOM: &str = "balcony";

/// Plays calls in random worlds and checks that everyone who stays is connected in the end.
#[derive(Debug, Parser)]
#[command(name = "muji-random")]
struct Args {
    /// Play only the world of this seed, and print what happens in it
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many worlds to play
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let holds = match args.seed {
        Some(seed) => show(seed),
        None => search(args.from, args.seeds),
    };
    ExitCode::from(u8::from(!holds))
}

/// One world with all that happens in it. True if it holds.
fn show(seed: u64) -> bool {
    let schedule = Schedule::new(seed);
    println!("{schedule:#?}");
    let faults = run(seed, &schedule);
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("random: {}", if faults.is_empty() { "holds" } else { "does not hold" });
    faults.is_empty()
}

/// Many worlds, on all cores. True if all hold.
fn search(first: u64, seeds: u64) -> bool {
    let start = Instant::now();
    let (next, people, failed) = (AtomicU64::new(first), AtomicU64::new(0), Mutex::new(Vec::new()));
    let played = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return;
            }
            let schedule = Schedule::new(seed);
            people.fetch_add(schedule.people as u64, Ordering::Relaxed);
            let faults = run(seed, &schedule);
            let mut failed = failed.lock().expect("no thread panics here");
            if !faults.is_empty() {
                failed.push((seed, faults));
            }
            let played = played.fetch_add(1, Ordering::Relaxed) + 1;
            if played.is_multiple_of(PROGRESS) && played < seeds {
                println!("{played} of {seeds} worlds played, {} do not hold", failed.len());
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let mut failed = failed.into_inner().expect("no thread panics here");
    failed.sort_by_key(|(seed, _)| *seed);
    for (seed, faults) in failed.iter().take(5) {
        println!("seed {seed}: {}", faults.join("; "));
    }
    let (people, took) = (people.into_inner(), start.elapsed().as_secs_f64());
    match failed.first() {
        None => println!("random: holds in {seeds} worlds of {people} people, {took:.0} s"),
        Some((seed, _)) => {
            println!("random: does not hold in {} of {seeds} worlds; muji-random --seed {seed} shows one", failed.len())
        }
    }
    failed.is_empty()
}

/// Somebody and what has become of it.
struct Person {
    who: PersonId,
    name: String,
    alive: bool,
    cut: bool,
    /// Told to be in the call.
    wants: bool,
    /// Told to show pictures.
    shows: bool,
    noticed_at: Option<Duration>,
    /// When the others' media layers find nobody there (RFC 7675).
    missed_at: Option<Duration>,
}

/// What is not as it should be in the end.
fn run(seed: u64, schedule: &Schedule) -> Vec<String> {
    let delays = Delays { rooms: schedule.detour, ..Delays::default() };
    let mut world = World::with(seed, delays);
    let room = world.room(ROOM);
    world.service.rooms.set(&room, Rules::default());
    let mut people: Vec<Person> = (0..schedule.people)
        .map(|index| {
            let name = format!("guest{index:02}");
            let who = world.person_without_media(&name);
            Person { who, name, alive: true, cut: false, wants: false, shows: false, noticed_at: None, missed_at: None }
        })
        .collect();
    let mut random = SeededRandom::new(!seed);
    for (at, happens, index) in &schedule.happenings {
        notice(&mut world, &mut people, *at);
        world.run_for(at.saturating_sub(world.age()));
        happen(&mut world, &mut people, *happens, *index, &mut random);
    }
    notice(&mut world, &mut people, Duration::MAX);
    world.run_for((BUSY + CALM).saturating_sub(world.age()));
    faults(&world, &people)
}

/// The server notices those who hang, and the others' media layers those who are gone, in time.
fn notice(world: &mut World, people: &mut [Person], until: Duration) {
    for person in people {
        if let Some(at) = person.noticed_at.take_if(|at| *at <= until) {
            world.run_for(at.saturating_sub(world.age()));
            world.vanish(person.who);
        }
        if let Some(at) = person.missed_at.take_if(|at| *at <= until) {
            world.run_for(at.saturating_sub(world.age()));
            world.lose_media(person.who);
        }
    }
}

fn happen(world: &mut World, people: &mut [Person], happens: Happening, index: usize, random: &mut SeededRandom) {
    let room = world.room(ROOM);
    if happens == Happening::Restart {
        return world.with_rooms(|rooms| rooms.shut_down());
    }
    let person = &mut people[index];
    if !person.alive {
        return;
    }
    let who = person.who;
    match happens {
        Happening::Join if !person.cut => {
            let joined = world.try_join(who, &room, Join::call_room().nick(person.name.clone()));
            if joined.is_ok() {
                (person.wants, person.shows) = (true, false);
            }
        }
        Happening::Leave if person.wants && !person.cut => {
            person.wants = false;
            let _over_already = world.try_command(who, Command::Leave).is_err();
        }
        Happening::Show if person.wants => {
            let command = if person.shows { Command::Remove(Media::Video) } else { Command::Add(Media::Video) };
            if world.try_command(who, command).is_ok() {
                person.shows = !person.shows;
            }
        }
        Happening::Die => {
            person.alive = false;
            person.missed_at = Some(world.age() + CONSENT);
            world.vanish(who);
        }
        Happening::Hang => {
            person.alive = false;
            person.noticed_at = Some(world.age() + CONSENT);
            person.missed_at = person.noticed_at;
            world.freeze(who);
        }
        Happening::Cut if !person.cut => {
            person.cut = true;
            world.cut(who);
        }
        Happening::Resume if person.cut => {
            person.cut = false;
            world.resume(who);
        }
        Happening::Rebind if person.cut => {
            person.cut = false;
            world.rebind(who);
        }
        Happening::Forget => {
            let jid = world.jid(who);
            world.service.rooms.forget(&room, &jid);
        }
        Happening::Removal => world.put_out(who, ROOM, &[code::KICKED, code::TECHNICAL]),
        Happening::Shout if !person.cut => world.forge(who, &shout(&room, random)),
        Happening::Join
        | Happening::Leave
        | Happening::Cut
        | Happening::Resume
        | Happening::Rebind
        | Happening::Restart
        | Happening::Show
        | Happening::Shout => {}
    }
}

/// Something that nobody should say in a room.
fn shout(room: &jid::BareJid, random: &mut SeededRandom) -> String {
    let number = random.number() % 200;
    let content = format!(
        "<content xmlns='{}' name='audio'><description xmlns='{}' media='audio'/></content>",
        ns::JINGLE,
        ns::RTP
    );
    let muji = match number % 4 {
        0 => format!("<muji xmlns='{}'><preparing/></muji>", ns::MUJI),
        1 => format!("<muji xmlns='{}'>{content}</muji>", ns::MUJI),
        2 => format!("<muji xmlns='{}'>{}</muji>", ns::MUJI, "<x>".repeat(60) + &"</x>".repeat(60)),
        _ => String::new(),
    };
    // None, or that of somebody who does not answer: whose it is the room alone says.
    let item = match random.number() % 3 {
        0 => "<item/>".to_owned(),
        _ => format!("<item jid='nobody{number}@nowhere.example/1'/>"),
    };
    let kind = if number.is_multiple_of(5) { "type='unavailable'" } else { "" };
    format!(
        "<presence xmlns='jabber:client' from='{room}/mallory{number}' {kind}>{muji}<x xmlns='{}'>{item}</x></presence>",
        ns::MUC_USER
    )
}

fn shows(world: &World, person: &Person) -> bool {
    world.public(person.who).iter().any(|content| content == "video")
}

fn was_refused(world: &World, person: &Person) -> bool {
    world.events(person.who).iter().any(|event| matches!(event, Event::NotAdded { .. }))
}

fn faults(world: &World, people: &[Person]) -> Vec<String> {
    let mut faults = Vec::new();
    let is_in = |person: &Person| person.alive && person.wants && world.is_in_call(person.who);
    for person in people.iter().filter(|person| person.alive) {
        if person.wants && !is_in(person) {
            // A call may end for a reason that was told; silence is a fault.
            let ended = world.events(person.who).iter().any(|event| matches!(event, Event::Ended(_)));
            if !ended {
                faults.push(format!("{} never came in and was not told why", person.name));
            }
            continue;
        }
        if is_in(person) && shows(world, person) != person.shows && !was_refused(world, person) {
            faults.push(format!("{} did not get its way with pictures and was not told why", person.name));
        }
        let pairs = world.pairs(person.who);
        for other in people.iter().filter(|other| other.who != person.who) {
            let jid = world.jid(other.who);
            let with = pairs.iter().filter(|pair| pair.peer.jid == jid);
            let up = with.filter(|pair| pair.state == PairState::Connected).count();
            let both = is_in(person) && is_in(other);
            let wanted = usize::from(both);
            if up != wanted {
                faults.push(format!("{} has {up} sessions with {}, not {wanted}", person.name, other.name));
            }
            let seen = both && shows(world, person) && shows(world, other);
            if both && world.flows(person.who, other.who, "video") != (seen, seen) {
                let what = if seen { "do not see" } else { "still see" };
                faults.push(format!("{} and {} {what} each other", person.name, other.name));
            }
        }
    }
    faults
}
