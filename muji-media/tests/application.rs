//! What becomes of a media layer whose application panics, or does not listen to it any more: it ends, lets the microphone go, and keeps no
//! more than its queues hold.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use muji_core::media::{IceRole, MediaBackend, MediaCommand, OpenContent};
use muji_core::{CallId, Media, SessionId};
use muji_jingle::TransportId;
use muji_media::backend::{Backend, Devices};
use muji_media::device::{AudioFrame, AudioSource, DeviceError};
use muji_media::parts::codec::opus;
use muji_media::transport::{MakeTransport, TransportParams, loopback};

/// A busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Reports that may wait, as the media layer says.
const MAX_WAITING: usize = 4_096;

const CALL: CallId = CallId(1);

/// What the media layer does.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Opened,
    Captured,
    Released,
}

/// Tells when it is asked, and when it is let go.
struct Microphone(Sender<Seen>);

impl AudioSource for Microphone {
    fn fill(&mut self, _frame: &mut AudioFrame) -> Result<(), DeviceError> {
        let _test_over = self.0.send(Seen::Captured).is_err();
        Ok(())
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        let _test_over = self.0.send(Seen::Released).is_err();
    }
}

/// Does not come back before it is told to.
struct Hanging(Microphone, Receiver<()>);

impl AudioSource for Hanging {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        self.0.fill(frame)?;
        let _test_over = self.1.recv().is_err();
        Ok(())
    }
}

fn start() -> (Backend, Receiver<Seen>) {
    start_with(|microphone| Box::new(microphone))
}

fn start_with(source: impl FnOnce(Microphone) -> Box<dyn AudioSource>) -> (Backend, Receiver<Seen>) {
    let (tell, seen) = channel();
    let audio_source = Some(source(Microphone(tell.clone())));
    let devices = Devices { audio_source, addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Devices::default() };
    let MakeTransport { mut make, transport_cc, for_rsa } = loopback::maker();
    let make = move |now, params: TransportParams| {
        let _test_over = tell.send(Seen::Opened).is_err();
        make(now, params)
    };
    let make = MakeTransport { make: Box::new(make), transport_cc, for_rsa };
    (Backend::start_with(make, devices).expect("a media layer").0, seen)
}

fn open(number: u64) -> MediaCommand {
    let session = SessionId(number);
    let content = OpenContent {
        name: "audio".to_owned(),
        media: Media::Audio,
        ssrc: 1,
        rtx_ssrc: None,
        transport: TransportId { session, index: 0 },
        payload_types: vec![opus::payload_type()],
        extensions: Vec::new(),
    };
    let (peer, name) = ("juliet@capulet.example".parse().expect("a bare JID"), "juliet".to_owned());
    MediaCommand::Open { call: CALL, session, peer, name, role: IceRole::Controlling, contents: vec![content] }
}

fn publish() -> MediaCommand {
    MediaCommand::Publish { call: CALL, publication: "audio".to_owned(), media: Media::Audio }
}

/// Waits until the media layer does this; what it does before is skipped.
fn wait_for(seen: &Receiver<Seen>, wanted: &Seen) {
    while seen.recv_timeout(LIMIT).expect("it is done in time") != *wanted {}
}

#[test]
fn an_application_that_panics_in_a_call_lets_the_microphone_go() {
    let (mut backend, seen) = start();
    let (wait, captures) = channel::<()>();
    let application = std::thread::spawn(move || {
        backend.execute(publish());
        captures.recv_timeout(LIMIT).expect("something is captured");
        panic!("the application fails, as this test wants it");
    });
    wait_for(&seen, &Seen::Captured);
    wait.send(()).expect("the application waits");
    assert!(application.join().is_err(), "it panicked");
    wait_for(&seen, &Seen::Released);
}

#[test]
fn an_application_that_takes_no_reports_ends_its_media_layer_and_finds_no_more_than_fit_its_queue() {
    let (mut backend, seen) = start();
    backend.execute(open(0)); // So that the sockets stay.
    wait_for(&seen, &Seen::Opened);
    let mut has_ended = false;
    for number in 1..=2 * MAX_WAITING as u64 {
        backend.execute(open(number));
        has_ended = seen.recv_timeout(LIMIT).expect("it is done in time") == Seen::Released;
        if has_ended {
            break;
        }
        backend.execute(MediaCommand::Close { session: SessionId(number) });
    }
    assert!(has_ended, "nobody listens, and it goes on");
    let (mut context, mut reports) = (Context::from_waker(Waker::noop()), 0);
    // The microphone is let go a moment before the queue.
    let until = Instant::now() + LIMIT;
    loop {
        match backend.poll_report(&mut context) {
            Poll::Ready(Some(_)) => reports += 1,
            Poll::Ready(None) => break,
            Poll::Pending if Instant::now() < until => std::thread::yield_now(),
            Poll::Pending => panic!("it is not told to have ended"),
        }
    }
    assert!(reports <= MAX_WAITING, "{reports} reports waited");
}

#[test]
fn a_media_layer_that_hangs_is_told_to_be_gone_before_a_command_is_lost() {
    let (go_on, wait) = channel();
    let (mut backend, seen) = start_with(|microphone| Box::new(Hanging(microphone, wait)));
    let mut context = Context::from_waker(Waker::noop());
    backend.execute(publish());
    wait_for(&seen, &Seen::Captured);
    for number in 0..MAX_WAITING as u64 {
        backend.execute(MediaCommand::Close { session: SessionId(number) });
    }
    assert!(backend.poll_report(&mut context).is_pending(), "so many may wait");
    backend.execute(MediaCommand::Close { session: SessionId(0) });
    assert!(matches!(backend.poll_report(&mut context), Poll::Ready(None)), "the last one did not fit");
    drop(go_on);
    wait_for(&seen, &Seen::Released);
}
