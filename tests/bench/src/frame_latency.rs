//! How long an encoded video frame waits for the socket, beside a running audio call.
//!
//! A media layer with its own threads sends a tone and video over loopback. The encoder is done when the sender's own view is given the
//! frame: that is the next thing the encoding thread does. The frame has left when the kernel stamped its packets at the receiving socket.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use muji_core::Media;
use muji_core::media::{DtlsRole, IceRole, LocalTransport, MediaBackend, MediaCommand, MediaReport};
use muji_harness::test_content::picture;
use muji_media::backend::{Backend, Devices};
use muji_media::device::tone::Tone;
use muji_media::device::{VideoFrame, VideoInput, VideoOrigin, VideoSink};
use muji_media::parts::{Datagram, Peers, PeersOutput, ReceiveBuffer, Sockets};
use muji_media::transport::str0m::Str0m;
use muji_media::transport::{LocalCandidate, ReceivedRtp, TransportOutput, hosts};

use crate::load::CALL;
use crate::ours::{agree_on, open_with};
use crate::seeing::{Film, described, devices, start};
use crate::{Goals, sorted};

const MEDIA: [Media; 2] = [Media::Audio, Media::Video];
/// Until the handshakes are done and the bit rate has settled.
const BEGINNING: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(20);
/// Milliseconds in the median, for the first packet of a frame.
const GOAL: f64 = 1.0;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## From the encoder to the socket, beside an audio call over loopback\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let encoded = Encoded::default();
    let devices = Devices {
        audio_source: Some(Box::new(Tone::new(440.0))),
        video_source: Some(VideoInput::Raw(Box::new(Film(Arc::new((0..60).map(picture).collect()), 0)))),
        video_sink: Some(Box::new(encoded.clone())),
        ..devices()
    };
    let mut sender = start(devices).0;
    let arrivals = runtime.block_on(async {
        let mut receiver = Receiver::new(&mut sender);
        receiver.run(BEGINNING).await;
        receiver.arrivals.clear();
        receiver.run(WINDOW).await;
        receiver.arrivals
    });
    let encoded = encoded.0.lock().expect("nobody panics").clone();
    let waits = |arrivals: Vec<Instant>| sorted(arrivals.iter().filter_map(|arrived| wait(&encoded, *arrived)));
    let first = waits(arrivals.iter().map(|frame| frame.first).collect());
    let last = waits(arrivals.iter().filter_map(|frame| frame.last).collect());
    let audio = arrivals.iter().map(|frame| frame.audio_before).sum::<u64>();
    let enough = first.len() > 15 * WINDOW.as_secs() as usize && audio > 40 * WINDOW.as_secs();
    let met = goals.check(enough && at(&first, 0.5) <= GOAL, || "time from the encoder to the socket".to_owned());
    println!("{} frames and {audio} audio packets in {} s.\n", first.len(), WINDOW.as_secs());
    println!("| from the encoder to the socket, ms | median | 90 % | goal | met |\n|---|---|---|---|---|");
    println!("| first packet of a frame | {:.2} | {:.2} | {GOAL} | {met} |", at(&first, 0.5), at(&first, 0.9));
    println!(
        "| last packet of a frame, which the transport paces | {:.2} | {:.2} | | |\n",
        at(&last, 0.5),
        at(&last, 0.9)
    );
}

/// Milliseconds since the encoder was done last.
fn wait(encoded: &[Instant], arrived: Instant) -> Option<f64> {
    let done = encoded.iter().rfind(|done| **done <= arrived)?;
    Some(arrived.duration_since(*done).as_secs_f64() * 1_000.0)
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// When the encoder was done with each frame.
#[derive(Clone, Default)]
struct Encoded(Arc<Mutex<Vec<Instant>>>);

impl VideoSink for Encoded {
    fn show(&mut self, _origin: &VideoOrigin, _frame: VideoFrame) {
        self.0.lock().expect("nobody panics").push(Instant::now());
    }

    fn end(&mut self, _origin: &VideoOrigin) {}
}

/// When the packets of a frame arrived.
struct Arrival {
    timestamp: u32,
    first: Instant,
    last: Option<Instant>,
    /// Audio packets since the frame before.
    audio_before: u64,
}

/// The other end: transports and sockets, and nothing that decodes.
struct Receiver {
    peers: Peers,
    sockets: Sockets,
    arrivals: Vec<Arrival>,
    audio: u64,
}

impl Receiver {
    /// A receiver and the sender know each other.
    fn new(sender: &mut Backend) -> Self {
        let now = Instant::now();
        let peers = Peers::new(Str0m::new().expect("a certificate").maker());
        let mut this = Self { peers, sockets: Sockets::default(), arrivals: Vec::new(), audio: 0 };
        let open = open_with(0, IceRole::Controlled, &MEDIA).0;
        while this.peers.socket_sets() < this.peers.socket_sets_needed(&open) {
            this.peers.add_socket_set(bind(&mut this.sockets));
        }
        this.peers.execute(now, &open);
        for media in MEDIA {
            sender.execute(MediaCommand::Publish { call: CALL, publication: media.to_string(), media });
        }
        sender.execute(open_with(0, IceRole::Controlling, &MEDIA).0);
        for _ in MEDIA {
            let ((index, ours), (of_sender, theirs)) = (this.described(), described(sender));
            let media = |index: u32| &MEDIA[index as usize];
            for command in agree_on(0, of_sender, media(of_sender), theirs, DtlsRole::Client) {
                this.peers.execute(now, &command);
            }
            agree_on(0, index, media(index), ours, DtlsRole::Server)
                .into_iter()
                .for_each(|command| sender.execute(command));
        }
        this
    }

    fn described(&mut self) -> (u32, LocalTransport) {
        loop {
            match self.peers.poll_output().expect("an end is described at once") {
                PeersOutput::Report(MediaReport::Described { transport, local }) => return (transport.index, local),
                PeersOutput::Transport { output: TransportOutput::Datagram { from, to, bytes }, .. } => {
                    self.sockets.send(from, to, &bytes)
                }
                _ => {}
            }
        }
    }

    async fn run(&mut self, time: Duration) {
        let (end, mut buffer) = (Instant::now() + time, ReceiveBuffer::default());
        while Instant::now() < end {
            let now = Instant::now();
            while self.sockets.receive(now, &mut buffer) {
                for Datagram { local, from, arrived, bytes } in buffer.datagrams() {
                    self.peers.handle_datagram(arrived, local, from, bytes);
                    self.drain();
                }
            }
            self.peers.handle_timeout(now);
            self.drain();
            self.sockets.flush();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.peers.poll_output() {
            let PeersOutput::Transport { output, .. } = output else { continue };
            match output {
                TransportOutput::Datagram { from, to, bytes } => self.sockets.send(from, to, &bytes),
                TransportOutput::Rtp { content, received } => self.received(&content, &received),
                _ => {}
            }
        }
    }

    fn received(&mut self, content: &str, received: &ReceivedRtp) {
        if content == Media::Audio.to_string() {
            self.audio += 1;
            return;
        }
        let timestamp = received.packet.timestamp;
        if self.arrivals.last().is_none_or(|frame| frame.timestamp != timestamp) {
            let audio_before = std::mem::take(&mut self.audio);
            self.arrivals.push(Arrival { timestamp, first: received.arrived, last: None, audio_before });
        }
        let frame = self.arrivals.last_mut().expect("it was just there");
        frame.last = received.packet.marker.then_some(received.arrived).or(frame.last);
    }
}

fn bind(sockets: &mut Sockets) -> Vec<LocalCandidate> {
    hosts(&sockets.bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)]).expect("a free port"))
}
