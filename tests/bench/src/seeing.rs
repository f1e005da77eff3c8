//! One who looks at three over loopback, with sound, and draws what comes; all four in this process, so that the encoders of the three
//! take their part of the machine too. And what the buffers of a participant hold.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use muji_core::media::{DtlsRole, IceRole, MediaBackend, MediaCommand, MediaReport};
use muji_core::{Media, SessionId};
use muji_harness::test_content::{HEIGHT, WIDTH, picture};
use muji_media::backend::{Backend, Devices};
use muji_media::device::tone::Tone;
use muji_media::device::{
    AudioSource, DeviceError, FRAME, FRAME_TIME, VideoFrame, VideoInput, VideoOrigin, VideoSink, VideoSource,
};
use muji_media::parts::codec::VideoEncoding;
use muji_media::parts::codec::opus::{self, Encoder};
use muji_media::parts::{AudioReceiver, VideoReceiver};
use muji_media::stats::{AudioStats, Observation};
use muji_media::transport::{ReceivedRtp, RtpPacket};
use tokio::sync::mpsc;

use crate::Goals;
use crate::fan_out::{INTERVAL, encode};
use crate::load::{CALL, resident};
use crate::ours::{agree_on, open_with};

const OTHERS: usize = 3;
const MEDIA: [Media; 2] = [Media::Audio, Media::Video];
/// Until the bit rate has settled.
const BEGINNING: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(20);
/// Pictures a second of each, and the share of sound that may be made up: one picture in thirty may fall beside the window.
const PICTURES_GOAL: f64 = 29.0;
const CONCEALED_GOAL: f64 = 0.01;
/// A picture needs some pictures before it; so many seconds fill the buffers.
const FILLED: u64 = 2;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## Looking at {OTHERS} over loopback\n");
    let drawn = Drawn::default();
    let (mut viewer, mut observations) = start(Devices { video_sink: Some(Box::new(drawn.clone())), ..devices() });
    let pictures: Arc<Vec<VideoFrame>> = Arc::new((0..60).map(picture).collect());
    let show = || Devices {
        audio_source: Some(Box::new(Tone::new(440.0))),
        video_source: Some(VideoInput::Raw(Box::new(Film(pictures.clone(), 0)))),
        ..devices()
    };
    let mut others: Vec<Backend> = (0..OTHERS).map(|_| start(show()).0).collect();
    for (number, other) in others.iter_mut().enumerate() {
        for media in MEDIA {
            other.execute(MediaCommand::Publish { call: CALL, publication: media.to_string(), media });
        }
        introduce(&mut viewer, other, number);
    }
    std::thread::sleep(BEGINNING);
    let (before, heard_before) = (drawn.counts(), heard(&mut observations));
    let (begun, cpu) = (Instant::now(), ProcessTime::now());
    std::thread::sleep(WINDOW);
    let (elapsed, cpu) = (begun.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    let (after, heard_after) = (drawn.counts(), heard(&mut observations));
    let rate = |whose: &VideoOrigin| (after[whose] - before.get(whose).copied().unwrap_or_default()) as f64 / elapsed;
    let slowest = after.keys().map(rate).fold(f64::INFINITY, f64::min);
    let slowest = if after.len() == OTHERS { slowest } else { 0.0 };
    let concealed = heard_after.iter().map(|(session, now)| {
        let then = heard_before.get(session).copied().unwrap_or_default();
        (now.concealed - then.concealed) as f64 / (now.played - then.played).max(1) as f64
    });
    let concealed = if heard_after.len() == OTHERS { concealed.fold(0.0, f64::max) } else { 1.0 };
    let seen = goals.check(slowest >= PICTURES_GOAL, || "pictures a second of three".to_owned());
    let sound = goals.check(concealed <= CONCEALED_GOAL, || "sound beside the pictures of three".to_owned());
    println!("{WIDTH} x {HEIGHT}, {elapsed:.0} s.\n\n| what | measured | goal | met |\n|---|---|---|---|");
    println!(
        "| pictures a second received, decoded and drawn, of the one with fewest | {slowest:.1} | {PICTURES_GOAL} | {seen} |"
    );
    println!(
        "| sound made up, of the one with most | {:.1} % | {} % | {sound} |",
        concealed * 100.0,
        CONCEALED_GOAL * 100.0
    );
    println!("| CPU of all four, of one core | {:.0} % | | |", cpu / elapsed * 100.0);
    match (buffers(8), buffers(1)) {
        (Some(many), Some(one)) => println!(
            "| memory that the buffers and decoders of a further participant add | {:.0} kB | | |\n",
            (many - one) / 7.0
        ),
        _ => println!("| memory of buffers | the system does not tell | | |\n"),
    }
}

pub(crate) fn devices() -> Devices {
    Devices { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Devices::default() }
}

pub(crate) fn start(devices: Devices) -> (Backend, mpsc::Receiver<Observation>) {
    Backend::start(devices).expect("media works")
}

/// Lets two know each other.
fn introduce(viewer: &mut Backend, other: &mut Backend, number: usize) {
    viewer.execute(open_with(number, IceRole::Controlling, &MEDIA).0);
    other.execute(open_with(0, IceRole::Controlled, &MEDIA).0);
    for _ in MEDIA {
        let (ours, theirs) = (described(viewer), described(other));
        let media = |index: u32| MEDIA[index as usize].clone();
        for command in agree_on(number, theirs.0, &media(theirs.0), theirs.1, DtlsRole::Client) {
            viewer.execute(command);
        }
        agree_on(0, ours.0, &media(ours.0), ours.1, DtlsRole::Server)
            .into_iter()
            .for_each(|command| other.execute(command));
    }
}

pub(crate) fn described(backend: &mut Backend) -> (u32, muji_core::media::LocalTransport) {
    let limit = Instant::now() + LIMIT;
    loop {
        match backend.poll_report(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(MediaReport::Described { transport, local })) => return (transport.index, local),
            Poll::Ready(_) => {}
            Poll::Pending => std::thread::sleep(Duration::from_millis(1)),
        }
        assert!(Instant::now() < limit, "an end is not described");
    }
}

/// What was heard of each so far, as it was told last.
fn heard(observations: &mut mpsc::Receiver<Observation>) -> BTreeMap<SessionId, AudioStats> {
    let mut last = BTreeMap::new();
    while let Ok(observation) = observations.try_recv() {
        if let Observation::Audio { session, stats, .. } = observation {
            last.insert(session, stats);
        }
    }
    last
}

/// The same pictures forth and back: behind a cut an encoder leaves out pictures, which says nothing about the viewer.
pub(crate) struct Film(pub(crate) Arc<Vec<VideoFrame>>, pub(crate) usize);

impl VideoSource for Film {
    fn size(&self) -> [usize; 2] {
        [WIDTH, HEIGHT]
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        self.1 += 1;
        let (number, last) = (self.1 % (2 * self.0.len()), self.0.len() - 1);
        Ok(self.0[if number > last { 2 * last + 1 - number } else { number }].clone())
    }
}

/// Draws as a window does, and counts.
#[derive(Clone, Default)]
struct Drawn(Arc<Mutex<BTreeMap<VideoOrigin, u64>>>);

impl Drawn {
    fn counts(&self) -> BTreeMap<VideoOrigin, u64> {
        self.0.lock().expect("nobody panics").clone()
    }
}

impl VideoSink for Drawn {
    fn show(&mut self, whose: &VideoOrigin, picture: VideoFrame) {
        black_box(picture.to_rgba());
        *self.0.lock().expect("nobody panics").entry(whose.clone()).or_default() += 1;
    }

    fn end(&mut self, _whose: &VideoOrigin) {}
}

// ---- memory --------------------------------------------------------------------------------------------------------

/// Kilobytes of a process that receives so many.
fn buffers(participants: usize) -> Option<f64> {
    let number = participants.to_string();
    let output = Command::new(std::env::current_exe().ok()?).args(["buffers", "of", &number]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// What this program does when it is run as `buffers of N`.
pub(crate) fn child(arguments: &[String]) -> Option<()> {
    let ["buffers", "of", number] = *arguments.iter().map(String::as_str).collect::<Vec<_>>() else { return None };
    let (begun, number) = (Instant::now(), number.parse().ok()?);
    let pictures = encode(&(0..30 * FILLED as usize).map(picture).collect::<Vec<_>>());
    let (mut tone, mut encoder) = (Tone::new(440.0), Encoder::new().expect("libopus works"));
    let sound: Vec<RtpPacket> = (0..50 * FILLED as u32)
        .map(|frame| {
            let mut samples = [0; FRAME];
            tone.fill(&mut samples).expect("a tone does not end");
            let payload = encoder.encode(&samples).expect("libopus works");
            RtpPacket { timestamp: frame * FRAME as u32, marker: false, payload }
        })
        .collect();
    let received = |sequence: u64, arrived: Instant, packet: &RtpPacket| {
        let packet = RtpPacket { payload: Arc::from(&*packet.payload), ..packet.clone() }; // As each comes by itself.
        ReceivedRtp { ssrc: 1, payload_type: 98, sequence, arrived, captured: None, turns: None, packet }
    };
    let held: Vec<(AudioReceiver, VideoReceiver)> = (0..number)
        .map(|_| {
            let (mut hears, mut sees) = (AudioReceiver::new(&[opus::payload_type()]), VideoReceiver::new(begun));
            let mut sequences = 0..;
            for (coded, at) in pictures.iter().zip(1..).map(|(coded, number)| (coded, begun + INTERVAL * number)) {
                for (packet, sequence) in coded.packets.iter().zip(&mut sequences) {
                    drop(sees.receive(at, VideoEncoding::Vp8, &received(sequence, at, packet)));
                }
                drop(sees.take(at));
            }
            for (packet, sequence) in sound.iter().zip(0u32..) {
                let at = begun + FRAME_TIME * sequence;
                hears.insert(received(sequence.into(), at, packet));
                black_box(hears.frame(at));
            }
            (hears, sees)
        })
        .collect();
    resident(&held);
    Some(())
}
