//! A real call of eight over loopback: what it costs each participant, and how often each wakes up.
//!
//! Each participant is a media layer with a thread of its own, a tone, Opus, and seven peers; the XMPP side, which is
//! silent in a call, is left out. Bare str0m with the same packets and the same Opus runs at the same time: participants are threads there
//! too, because one thread for all would find everything in the caches, and wake once where eight programs wake eight times.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use muji_core::CallId;
use muji_core::media::{DtlsRole, IceRole, LocalTransport, MediaBackend, MediaCommand, MediaReport};
use muji_media::backend::{Backend, Devices};
use muji_media::device::tone::Tone;

use crate::bare::RealBare;
use crate::load::CALL;
use crate::ours::{agree, open};
use crate::{Goals, sorted, spread};

const N: usize = 8;
const ROUNDS: usize = 5;
const WINDOW: Duration = Duration::from_secs(4);
/// Of bare str0m's and Opus' CPU time: what buffers, stretches and mixes comes on top of it.
const CPU_GOAL: f64 = 1.25;
/// The tick is 50 a second; some are left for timers and commands.
const WAKE_UPS_GOAL: f64 = 60.0;
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn measure(goals: &mut Goals) {
    println!("## A call of {N} over loopback\n");
    let mut backends = connected();
    std::thread::sleep(Duration::from_secs(1));
    let mut bare = RealBare::connected(N);
    let (mut ours_cpu, mut bare_cpu, mut woken) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = threads();
        let bare_used = bare.run(WINDOW);
        let after = threads();
        let used: f64 =
            after.iter().map(|(id, now)| (now.cpu - before.get(id).map_or(0, |then| then.cpu)) as f64).sum();
        ours_cpu.push(per_participant_minute(used / 1e9));
        let waking = |id: &u32| after[id].woken - before.get(id).map_or(0, |then| then.woken);
        let most = after.keys().map(waking).max().unwrap_or_default();
        woken.push(most as f64 / WINDOW.as_secs_f64());
        bare_cpu.push(per_participant_minute(bare_used.as_secs_f64()));
    }
    let ratios = sorted(ours_cpu.iter().zip(&bare_cpu).map(|(ours, bare)| ours / bare));
    let cpu_met = goals.check(ratios[ROUNDS / 2] <= CPU_GOAL, || "CPU of a call of eight".to_owned());
    let woken = sorted(woken.into_iter());
    let met = goals.check(woken[ROUNDS / 2] <= WAKE_UPS_GOAL, || "wake-ups a second".to_owned());
    println!("{ROUNDS} rounds of {} s, both at once; medians [smallest, largest].\n", WINDOW.as_secs());
    println!("| what | ours | bare str0m and Opus | ratio | goal | met |");
    println!("|---|---|---|---|---|---|");
    println!(
        "| CPU of a participant in a minute | {} s | {} s | {} | {CPU_GOAL} | {cpu_met} |",
        spread(&sorted(ours_cpu.into_iter())),
        spread(&sorted(bare_cpu.into_iter())),
        spread(&ratios)
    );
    println!(
        "| wake-ups a second of the participant woken most | {} | | | {WAKE_UPS_GOAL} | {met} |\n",
        spread(&woken)
    );
    backends.clear();
}

fn per_participant_minute(cpu_seconds: f64) -> f64 {
    cpu_seconds / WINDOW.as_secs_f64() * 60.0 / N as f64
}

struct Thread {
    /// Nanoseconds.
    cpu: u64,
    woken: u64,
}

/// The threads of media layers in this process, as the kernel counts them.
fn threads() -> BTreeMap<u32, Thread> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let threads = tasks.filter_map(|task| {
        let read = |file| std::fs::read_to_string(task.path().join(file)).ok();
        if !["muji-media", "muji-video"].contains(&read("comm")?.trim()) {
            return None;
        }
        let cpu = read("schedstat")?.split(' ').next()?.parse().ok()?;
        let status = read("status")?;
        let woken =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()?;
        Some((task.file_name().to_str()?.parse().ok()?, Thread { cpu, woken }))
    });
    threads.collect()
}

/// Media layers that all hear each other.
fn connected() -> Vec<Backend> {
    let mut backends: Vec<Backend> = (0..N).map(|_| backend()).collect();
    let mut missing = N * (N - 1);
    for one in 0..N {
        for other in 0..one {
            connect(&mut backends, [one, other], [CALL; 2], &mut missing);
        }
    }
    settle(&mut backends, missing);
    backends
}

/// Opens a session between two, which is part of such a call at each; `missing` ends are not connected yet.
pub(crate) fn connect(backends: &mut [Backend], [one, other]: [usize; 2], calls: [CallId; 2], missing: &mut usize) {
    let first = describe(&mut backends[one], other, calls[0], IceRole::Controlling, missing);
    let second = describe(&mut backends[other], one, calls[1], IceRole::Controlled, missing);
    agree(other, second, DtlsRole::Client).into_iter().for_each(|command| backends[one].execute(command));
    agree(one, first, DtlsRole::Server).into_iter().for_each(|command| backends[other].execute(command));
}

/// Waits until all ends are connected.
pub(crate) fn settle(backends: &mut [Backend], mut missing: usize) {
    let limit = Instant::now() + LIMIT;
    while missing > 0 {
        assert!(Instant::now() < limit, "{missing} ends are not connected");
        std::thread::sleep(Duration::from_millis(5));
        for backend in &mut *backends {
            while let Some(report) = report(backend) {
                missing -= usize::from(matches!(report, MediaReport::Connected { .. }));
            }
        }
    }
}

fn backend() -> Backend {
    let source = Some(Box::new(Tone::new(440.0)) as _);
    let devices =
        Devices { audio_source: source, addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Devices::default() };
    let (mut backend, _) = Backend::start(devices).expect("media works");
    let (publication, media) = ("audio".to_owned(), muji_core::Media::Audio);
    backend.execute(MediaCommand::Publish { call: CallId(1), publication, media });
    backend
}

fn report(backend: &mut Backend) -> Option<MediaReport> {
    match backend.poll_report(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(report) => report,
        Poll::Pending => None,
    }
}

fn describe(backend: &mut Backend, with: usize, in_call: CallId, role: IceRole, missing: &mut usize) -> LocalTransport {
    let (mut command, _) = open(with, role);
    if let MediaCommand::Open { call, .. } = &mut command {
        *call = in_call;
    }
    backend.execute(command);
    let limit = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < limit, "an end is not described");
        match report(backend) {
            Some(MediaReport::Described { local, .. }) => return local,
            Some(MediaReport::Connected { .. }) => *missing -= 1,
            Some(_) => {}
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
