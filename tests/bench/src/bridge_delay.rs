//! How much later somebody is heard through a bridge than directly, in real time: four media layers, each with threads of its own, over
//! loopback. One of them speaks from time to time, in a call with a listener and with the bridge; another listener has called the bridge.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use muji_core::media::{Audibility, MediaBackend, MediaCommand};
use muji_core::{CallId, Media};
use muji_media::backend::{Backend, Devices};
use muji_media::device::tone::Tone;
use muji_media::device::{AudioFrame, AudioSink, AudioSource, DeviceError};

use crate::bridge::LATER;
use crate::call::{connect, settle};
use crate::load::CALL;
use crate::{Goals, sorted};

/// How often it speaks, how long until it does so again, and how long it may take to be heard.
const BURSTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(600);
const LIMIT: Duration = Duration::from_secs(5);

/// Between two looks whether somebody has heard it.
const LOOK: Duration = Duration::from_millis(2);

/// The call of who has called the bridge.
const CALLER: CallId = CallId(2);

/// The numbers of the media layers.
const SPEAKER: usize = 0;
const BRIDGE: usize = 1;
const DIRECTLY: usize = 2;
const THROUGH: usize = 3;

/// A tone, while it is wanted.
struct Speaker {
    tone: Tone,
    speaks: Arc<AtomicBool>,
}

impl AudioSource for Speaker {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        if self.speaks.load(Ordering::Relaxed) {
            return self.tone.fill(frame);
        }
        frame.fill(0);
        Ok(())
    }
}

/// When it heard something, from the moment on when that was forgotten.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Option<Instant>>>);

impl Listener {
    fn heard(&self) -> Option<Instant> {
        *self.0.lock().expect("nobody panics")
    }

    fn forget(&self) {
        *self.0.lock().expect("nobody panics") = None;
    }
}

impl AudioSink for Listener {
    fn put(&mut self, frame: &AudioFrame) -> Result<(), DeviceError> {
        if frame.iter().any(|sample| sample.unsigned_abs() > 1_000) {
            self.0.lock().expect("nobody panics").get_or_insert_with(Instant::now);
        }
        Ok(())
    }
}

pub(crate) fn measure(goals: &mut Goals) {
    let speaks = Arc::new(AtomicBool::new(false));
    let listeners = [Listener::default(), Listener::default()];
    let source = Speaker { tone: Tone::new(440.0), speaks: Arc::clone(&speaks) };
    let sink = |listener: &Listener| Devices { audio_sink: Some(Box::new(listener.clone())), ..Devices::default() };
    let devices = [
        Devices { audio_source: Some(Box::new(source)), ..Devices::default() },
        Devices { bridging: true, ..Devices::default() },
        sink(&listeners[0]),
        sink(&listeners[1]),
    ];
    let mut backends: Vec<Backend> = devices.into_iter().map(started).collect();
    let mut missing = 6;
    for (one, other, call) in [(SPEAKER, DIRECTLY, CALL), (SPEAKER, BRIDGE, CALL), (THROUGH, BRIDGE, CALLER)] {
        connect(&mut backends, [one, other], [CALL, call], &mut missing);
    }
    settle(&mut backends, missing);
    let calls = [CALL, CALLER].map(|call| (call, Audibility::Heard)).into();
    backends[BRIDGE].execute(MediaCommand::Bridge { calls });

    let mut later = Vec::new();
    for burst in 0..BURSTS {
        // Whatever the phases of the clocks.
        std::thread::sleep(PAUSE + Duration::from_millis(u64::from(burst * 7 % 20)));
        listeners.iter().for_each(Listener::forget);
        speaks.store(true, Ordering::Relaxed);
        let limit = Instant::now() + LIMIT;
        let heard = loop {
            if let [Some(directly), Some(through)] = listeners.each_ref().map(Listener::heard) {
                break [directly, through];
            }
            assert!(Instant::now() < limit, "a burst is not heard: {:?}", listeners.each_ref().map(Listener::heard));
            std::thread::sleep(LOOK);
        };
        speaks.store(false, Ordering::Relaxed);
        later.push((heard[1].max(heard[0]) - heard[0]).as_secs_f64() * 1_000.0);
    }
    let later = sorted(later.into_iter());
    let worst = later[later.len() * 95 / 100];
    let met = goals.check(worst <= LATER, || "the delay that a bridge adds in real time".to_owned());
    println!(
        "In real time, by media layers over loopback, {BURSTS} times: median {:.0} ms, 95 % within {worst:.0} ms; goal {LATER} ms: {met}.\n",
        later[later.len() / 2]
    );
}

fn started(devices: Devices) -> Backend {
    let devices = Devices { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..devices };
    let (mut backend, _) = Backend::start(devices).expect("media works");
    for call in [CALL, CALLER] {
        backend.execute(MediaCommand::Publish { call, publication: "audio".to_owned(), media: Media::Audio });
    }
    backend
}
