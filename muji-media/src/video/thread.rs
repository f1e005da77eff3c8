//! The thread of video.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use muji_core::{Media, SessionId};
use tokio::sync::mpsc;

use crate::audio::receiver::Clock;
use crate::bandwidth::Target;
use crate::device::{DeviceError, VideoSink, VideoSource, Whose};
use crate::record::{Piece, Recorder};
use crate::rtp::{Coded, ReceivedRtp};
use crate::stats::Observation;
use crate::video::capture::Show;
use crate::video::frame::VideoFrame;
use crate::video::receiver::{Decoded, Theirs, Wanted};

/// Where our pictures come from: a camera's ([`Media::Video`]), a screen's ([`Media::Slides`]).
pub(crate) type Sources = BTreeMap<Media, Box<dyn VideoSource>>;

/// Packets that wait: those of a second from seven peers. More means that this machine cannot keep up, and the packets behind
/// are lost as if the network had lost them.
const WAITING: usize = 2_048;

/// Packets and requests that wait for the backend.
const DONE: usize = 1_024;

/// Without work the thread looks so rarely whether it is still wanted.
const IDLE: Duration = Duration::from_secs(3_600);

/// A stream: the session and the content's name in it.
pub(crate) type StreamId = (SessionId, Arc<str>);

/// Something to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Take pictures, or do not any more.
    Capture(Media, bool),
    /// Somebody cannot show what we send before it begins anew.
    KeyFrame,
    /// What to encode to.
    Target(Media, Target),
    /// A packet of a peer.
    Packet(StreamId, Media, ReceivedRtp),
    /// What is heard of a participant now.
    Clock(SessionId, Clock),
    /// A stream is no more.
    Drop(StreamId),
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Done {
    /// Another picture of ours, and when it was taken.
    VideoFrame(Media, Instant, Coded),
    /// A peer is to be asked for a key frame.
    AskKeyFrame(StreamId),
    /// Something does not do what it should.
    DeviceError(DeviceError),
}

/// The thread, as the backend has it. It ends with this.
pub(crate) struct Pictures {
    tasks: Sender<Task>,
    /// Packets on their way to it.
    waiting: Arc<AtomicUsize>,
    /// It could not keep up, which was told.
    behind: bool,
    done: Receiver<Done>,
}

impl Pictures {
    pub(crate) fn start(
        sources: Sources,
        sink: Option<Box<dyn VideoSink>>,
        recorder: Option<Recorder>,
        observed: mpsc::Sender<Observation>,
    ) -> std::io::Result<Self> {
        let ((tasks, to_do), (report, done)) = (channel(), sync_channel(DONE));
        let waiting = Arc::new(AtomicUsize::new(0));
        let worker = Worker { recorder, ..Worker::new(sources, sink, waiting.clone(), report, observed) };
        std::thread::Builder::new().name("muji-pictures".to_owned()).spawn(move || worker.run(&to_do))?;
        Ok(Self { tasks, waiting, behind: false, done })
    }

    /// Gives the thread something to do.
    pub(crate) fn give(&self, task: Task) {
        let _ended = self.tasks.send(task).is_err(); // With the program alone.
    }

    /// A packet of a peer. The first that is lost because the thread is behind is told.
    pub(crate) fn packet(&mut self, id: StreamId, media: &Media, received: ReceivedRtp) -> Result<(), DeviceError> {
        if self.waiting.load(Ordering::Relaxed) < WAITING {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.give(Task::Packet(id, media.clone(), received));
        } else if !std::mem::replace(&mut self.behind, true) {
            return Err(DeviceError("this machine is too slow for all the pictures that come".to_owned()));
        }
        Ok(())
    }

    pub(crate) fn poll(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

struct Worker {
    shows: BTreeMap<Media, Show>,
    sink: Option<Box<dyn VideoSink>>,
    theirs: BTreeMap<StreamId, (Media, Theirs)>,
    recorder: Option<Recorder>,
    /// Packets that were given and not yet taken.
    taken: Arc<AtomicUsize>,
    report: SyncSender<Done>,
    observed: mpsc::Sender<Observation>,
}

/// The backend is gone.
struct Abandoned;

impl Worker {
    fn new(
        sources: Sources,
        sink: Option<Box<dyn VideoSink>>,
        taken: Arc<AtomicUsize>,
        report: SyncSender<Done>,
        observed: mpsc::Sender<Observation>,
    ) -> Self {
        let shows = sources.into_iter().map(|(media, source)| (media, Show::new(source))).collect();
        Self { shows, sink, theirs: BTreeMap::new(), recorder: None, taken, report, observed }
    }

    fn run(mut self, to_do: &Receiver<Task>) {
        loop {
            let theirs = self.theirs.values().filter_map(|(_, theirs)| theirs.due());
            let due = theirs.chain(self.shows.values().filter_map(Show::next)).min();
            let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
            let outcome = match to_do.recv_timeout(wait) {
                Ok(task) => self.task(Instant::now(), task),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let shown = outcome.and_then(|()| self.show_due(Instant::now()));
            if shown.and_then(|()| self.send(Instant::now())).is_err() {
                return;
            }
        }
    }

    fn task(&mut self, now: Instant, task: Task) -> Result<(), Abandoned> {
        match task {
            Task::Capture(media, true) => {
                let begun = self.shows.get_mut(&media).map_or(Ok(()), |show| show.begin(now));
                begun.or_else(|why| self.trouble(why.to_string()))
            }
            Task::Capture(media, false) => {
                if let Some(show) = self.shows.get_mut(&media) {
                    show.rest();
                }
                self.end(&Whose::Ours(media));
                Ok(())
            }
            Task::KeyFrame => {
                self.shows.values_mut().for_each(Show::ask_key_frame);
                Ok(())
            }
            Task::Target(media, target) => {
                let set = self.shows.get_mut(&media).map_or(Ok(()), |show| show.set_target(target));
                set.or_else(|why| self.trouble(why.to_string()))
            }
            Task::Packet(id, media, received) => {
                self.taken.fetch_sub(1, Ordering::Relaxed);
                self.receive(now, id, media, &received)
            }
            Task::Clock(session, clock) => {
                let of_session = self.theirs.iter_mut().filter(|((of, _), _)| *of == session);
                of_session.for_each(|(_, (_, theirs))| theirs.set_clock(clock));
                Ok(())
            }
            Task::Drop(id) => {
                if let Some((media, _)) = self.theirs.remove(&id) {
                    let (session, content) = id;
                    self.end(&Whose::Theirs(session, content, media));
                }
                Ok(())
            }
        }
    }

    /// Takes and encodes the pictures that are due.
    fn send(&mut self, now: Instant) -> Result<(), Abandoned> {
        let due = self.shows.iter_mut().filter_map(|(media, show)| Some((media.clone(), show.take(now).transpose()?)));
        for (media, taken) in due.collect::<Vec<_>>() {
            match taken {
                Ok((picture, coded)) => {
                    self.show(&Whose::Ours(media.clone()), picture);
                    coded.map_or(Ok(()), |coded| self.done(Done::VideoFrame(media, now, coded)))?;
                }
                Err(DeviceError(why)) => {
                    self.end(&Whose::Ours(media));
                    self.trouble(why)?;
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, now: Instant, id: StreamId, of: Media, received: &ReceivedRtp) -> Result<(), Abandoned> {
        if !self.theirs.contains_key(&id) {
            match Theirs::new(now) {
                Ok(theirs) => drop(self.theirs.insert(id.clone(), (of, theirs))),
                Err(why) => return self.trouble(why.to_string()),
            }
        }
        let (_, theirs) = self.theirs.get_mut(&id).expect("it was just made");
        for wanted in theirs.receive(now, received) {
            match wanted {
                Wanted::KeyFrame => self.done(Done::AskKeyFrame(id.clone()))?,
                Wanted::Complaint(why) => {
                    self.trouble(format!("a picture of a participant cannot be shown: {why}"))?;
                }
            }
        }
        Ok(())
    }

    /// Shows what is due of everybody, and records it.
    fn show_due(&mut self, now: Instant) -> Result<(), Abandoned> {
        let mut troubles = Vec::new();
        for ((session, content), (media, theirs)) in &mut self.theirs {
            let mut last = None;
            for Decoded { picture, encoded, .. } in theirs.take(now) {
                // A file has one track of pictures: whoever speaks.
                if let Some(recorder) = self.recorder.as_ref().filter(|_| *media == Media::Video) {
                    troubles.extend(recorder.give(Piece::VideoFrame(*session, now, encoded)).err());
                }
                last = Some(picture);
            }
            let Some(picture) = last else { continue };
            if let Some(stats) = theirs.tell(now) {
                let (session, media) = (*session, media.clone());
                let (size, colour) = ([picture.width(), picture.height()], picture.mean());
                let seen = Observation::Seen { session, media, size, colour, stats };
                drop(self.observed.try_send(seen)); // Missed by a slow observer, the next second tells anew.
            }
            if let Some(sink) = &mut self.sink {
                sink.show(&Whose::Theirs(*session, content.clone(), media.clone()), picture);
            }
        }
        troubles.into_iter().try_for_each(|DeviceError(why)| self.trouble(why))
    }

    fn show(&mut self, whose: &Whose, picture: VideoFrame) {
        if let Some(sink) = &mut self.sink {
            sink.show(whose, picture);
        }
    }

    fn end(&mut self, whose: &Whose) {
        if let Some(sink) = &mut self.sink {
            sink.end(whose);
        }
    }

    fn trouble(&self, why: String) -> Result<(), Abandoned> {
        self.done(Done::DeviceError(DeviceError(why)))
    }

    /// What the backend is too busy to take is lost as if by the network.
    fn done(&self, done: Done) -> Result<(), Abandoned> {
        match self.report.try_send(done) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Disconnected(_)) => Err(Abandoned),
        }
    }
}

#[cfg(all(test, feature = "vp8"))]
mod tests {
    use super::*;
    use crate::codec::vp8::{Encoder, Payloader};
    use crate::rtp::RtpPacket;
    use crate::video::frame::INTERVAL;

    /// Pictures of one colour, counted; it ends after some.
    struct Counted {
        taken: Arc<AtomicUsize>,
        ends_after: usize,
        rested: Arc<AtomicUsize>,
    }

    impl VideoSource for Counted {
        fn size(&self) -> [usize; 2] {
            [160, 96]
        }

        fn take(&mut self) -> Result<VideoFrame, DeviceError> {
            if self.taken.fetch_add(1, Ordering::Relaxed) == self.ends_after {
                return Err(DeviceError("it ended".to_owned()));
            }
            Ok(VideoFrame::filled(160, 96, [200, 60, 40]))
        }

        fn rest(&mut self) {
            self.rested.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The thread's work without the thread.
    struct Bench {
        worker: Worker,
        done: Receiver<Done>,
        seen: mpsc::Receiver<Observation>,
        now: Instant,
        taken: Arc<AtomicUsize>,
        rested: Arc<AtomicUsize>,
    }

    impl Bench {
        fn new() -> Self {
            Self::with_pictures(usize::MAX)
        }

        fn with_pictures(ends_after: usize) -> Self {
            let ((report, done), (observed, seen)) = (sync_channel(DONE), mpsc::channel(64));
            let (taken, rested) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let source = Counted { taken: taken.clone(), ends_after, rested: rested.clone() };
            let worker = Worker::new(sources(source), None, Arc::new(AtomicUsize::new(0)), report, observed);
            Self { worker, done, seen, now: Instant::now(), taken, rested }
        }

        fn give(&mut self, task: Task) {
            assert!(self.worker.task(self.now, task).is_ok());
            self.worker.show_due(self.now).unwrap_or_else(|_| panic!("the bench listens"));
        }

        /// Lets time pass; what came of it.
        fn run(&mut self, time: Duration) -> Vec<Done> {
            let until = self.now + time;
            let next = |worker: &Worker| worker.shows.values().filter_map(Show::next).min();
            while let Some(next) = next(&self.worker).filter(|next| *next < until) {
                self.now = next;
                assert!(self.worker.send(next).is_ok());
            }
            self.now = until;
            self.done.try_iter().collect()
        }

        fn taken(&self) -> usize {
            self.taken.load(Ordering::Relaxed)
        }
    }

    fn sources(source: impl VideoSource + 'static) -> Sources {
        Sources::from([(Media::Video, Box::new(source) as _)])
    }

    fn id(session: u64) -> StreamId {
        (SessionId(session), "video".into())
    }

    fn packets(done: Vec<Done>) -> Vec<RtpPacket> {
        done.into_iter()
            .flat_map(|done| if let Done::VideoFrame(_, _, coded) = done { coded.packets } else { Vec::new() })
            .collect()
    }

    /// As they come over a network that loses none.
    fn received(packets: &[RtpPacket], first: u64, now: Instant) -> Vec<ReceivedRtp> {
        let received = |(sequence, packet): (u64, &RtpPacket)| ReceivedRtp {
            payload_type: 98,
            sequence,
            arrived: now,
            captured: None,
            turns: None,
            packet: packet.clone(),
        };
        (first..).zip(packets).map(received).collect()
    }

    fn is_key(packet: &RtpPacket) -> bool {
        packet.payload[0] & 0x10 != 0 && packet.payload[6] & 1 == 0
    }

    #[test]
    fn nothing_is_captured_unless_it_is_wanted_and_the_camera_is_let_go_when_not() {
        let mut bench = Bench::new();
        assert!(bench.run(Duration::from_secs(1)).is_empty());
        assert_eq!(bench.taken(), 0);
        bench.give(Task::Capture(Media::Video, true));
        assert_eq!(packets(bench.run(INTERVAL * 30)).iter().filter(|packet| packet.marker).count(), 30);
        bench.give(Task::Capture(Media::Video, false));
        assert!(bench.run(Duration::from_secs(1)).is_empty());
        assert_eq!((bench.taken(), bench.rested.load(Ordering::Relaxed)), (30, 1));
    }

    #[test]
    fn a_key_frame_comes_first_and_when_asked_but_not_more_often_than_all_can_bear() {
        let mut bench = Bench::new();
        bench.give(Task::Capture(Media::Video, true));
        let mut keys = packets(bench.run(Duration::from_secs(1))).iter().filter(|packet| is_key(packet)).count();
        assert_eq!(keys, 1);
        for _ in 0..100 {
            bench.give(Task::KeyFrame);
            keys += packets(bench.run(Duration::from_millis(10))).iter().filter(|packet| is_key(packet)).count();
        }
        assert!((4..=5).contains(&keys), "{keys} in two seconds");
    }

    #[test]
    fn what_one_sends_is_seen_by_another_in_its_colour() {
        let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
        romeo.give(Task::Capture(Media::Video, true));
        let sent = packets(romeo.run(Duration::from_secs(1)));
        for packet in received(&sent, 1, juliet.now) {
            juliet.give(Task::Packet(id(1), Media::Video, packet));
        }
        let Ok(Observation::Seen { session, size, colour, stats, .. }) = juliet.seen.try_recv() else {
            panic!("not seen")
        };
        assert_eq!((session, size, stats.shown), (SessionId(1), [160, 96], 1));
        assert!(colour.iter().zip([200, 60, 40]).all(|(seen, sent)| seen.abs_diff(sent) < 10), "{colour:?}");
        assert!(juliet.done.try_iter().next().is_none(), "nobody was asked for anything");
    }

    #[test]
    fn what_a_phone_sends_as_it_is_held_is_shown_upright_until_it_says_otherwise() {
        let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
        romeo.give(Task::Capture(Media::Video, true));
        let sent = packets(romeo.run(Duration::from_secs(3)));
        for (number, mut packet) in received(&sent, 1, juliet.now).into_iter().enumerate() {
            packet.turns = match number {
                0 => Some(1),
                60 => Some(2),
                _ => None,
            };
            juliet.give(Task::Packet(id(1), Media::Video, packet));
            juliet.now += INTERVAL;
        }
        let seen = std::iter::from_fn(|| juliet.seen.try_recv().ok());
        let sizes: Vec<_> =
            seen.filter_map(|seen| if let Observation::Seen { size, .. } = seen { Some(size) } else { None }).collect();
        assert_eq!(sizes, [[96, 160], [96, 160], [160, 96]]);
    }

    #[test]
    fn who_stops_for_a_while_goes_on_with_the_timestamps_of_then() {
        let mut bench = Bench::new();
        bench.give(Task::Capture(Media::Video, true));
        bench.run(Duration::from_secs(1));
        bench.give(Task::Capture(Media::Video, false));
        bench.run(Duration::from_secs(2));
        bench.give(Task::Capture(Media::Video, true));
        let first = packets(bench.run(Duration::from_secs(1))).remove(0);
        assert_eq!(first.timestamp, 270_000, "three seconds");
        assert!(is_key(&first));
    }

    #[test]
    fn a_source_that_ends_is_told_once() {
        let mut bench = Bench::with_pictures(3);
        bench.give(Task::Capture(Media::Video, true));
        let done = bench.run(Duration::from_secs(1));
        assert_eq!(done.iter().filter(|done| matches!(done, Done::DeviceError(_))).count(), 1);
        assert_eq!(bench.taken(), 4);
    }

    #[test]
    fn a_hostile_stream_is_told_once_asks_for_key_frames_and_touches_no_other() {
        let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
        romeo.give(Task::Capture(Media::Video, true));
        let sent = packets(romeo.run(Duration::from_secs(1)));
        // A key frame that says 16383 times 16383 pixels, in every form of it that may be cut off.
        let huge = [0x90, 0x80, 0x80, 1, 0x10, 0, 0, 0x9D, 0x01, 0x2A, 0xFF, 0x3F, 0xFF, 0x3F, 7, 7, 7];
        let mut nonsense = Vec::new();
        for length in (1..=huge.len()).cycle().take(400) {
            let payload = Arc::from(&huge[..length]);
            nonsense.push(RtpPacket { timestamp: nonsense.len() as u32 * 3_000, marker: true, payload });
        }
        for packet in received(&nonsense, 1, juliet.now) {
            juliet.give(Task::Packet(id(666), Media::Video, packet));
            juliet.now += Duration::from_millis(5);
        }
        for packet in received(&sent, 1, juliet.now) {
            juliet.give(Task::Packet(id(1), Media::Video, packet));
        }
        let done: Vec<Done> = juliet.done.try_iter().collect();
        let troubles = done.iter().filter(|done| matches!(done, Done::DeviceError(_))).count();
        let asked = done.iter().filter(|done| matches!(done, Done::AskKeyFrame(of) if *of == id(666))).count();
        assert_eq!(troubles, 1);
        assert!(done.len() == troubles + asked && asked <= 5, "{asked} in two seconds");
        assert!(matches!(juliet.seen.try_recv(), Ok(Observation::Seen { session: SessionId(1), .. })));
    }

    /// How often pictures stood still for somebody who gets nothing for two seconds in the middle: the sender paused, or all was lost.
    fn freezes(paused: bool) -> u64 {
        let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
        romeo.give(Task::Capture(Media::Video, true));
        let before = romeo.run(Duration::from_secs(1));
        romeo.give(Task::Capture(Media::Video, !paused));
        let lost = romeo.run(Duration::from_secs(2));
        romeo.give(Task::Capture(Media::Video, true));
        romeo.give(Task::KeyFrame);
        let behind = romeo.run(Duration::from_secs(2));
        let mut number = 1;
        for (arrives, done) in [(true, before), (false, lost), (true, behind)] {
            for done in done {
                let Done::VideoFrame(_, at, Coded { packets, .. }) = done else { panic!("nothing else") };
                juliet.now = at;
                for packet in received(&packets, number, at).into_iter().filter(|_| arrives) {
                    juliet.give(Task::Packet(id(1), Media::Video, packet));
                }
                number += packets.len() as u64;
            }
        }
        let seen = std::iter::from_fn(|| juliet.seen.try_recv().ok());
        let stats = seen.filter_map(|seen| if let Observation::Seen { stats, .. } = seen { Some(stats) } else { None });
        stats.last().expect("it is told each second").freezes
    }

    #[test]
    fn pictures_that_stand_still_are_counted_but_a_sender_that_pauses_is_not() {
        assert_eq!((freezes(true), freezes(false)), (0, 1));
    }

    #[test]
    fn a_stream_whose_pictures_change_their_size_goes_on() {
        let (mut romeo, mut juliet) = (Bench::new(), Bench::new());
        romeo.give(Task::Capture(Media::Video, true));
        let mut sent = packets(romeo.run(Duration::from_millis(100)));
        let mut larger = Encoder::new(320, 192, 300_000).expect("libvpx works");
        let (mut payloader, picture) = (Payloader::default(), VideoFrame::filled(320, 192, [0, 0, 255]));
        let encoded = larger.encode(&picture, 0, true).unwrap().expect("it is small");
        sent.extend(payloader.packets(&encoded, 90_000));
        for packet in received(&sent, 1, juliet.now) {
            juliet.give(Task::Packet(id(1), Media::Video, packet));
            juliet.now += Duration::from_secs(1);
        }
        let sizes: Vec<[usize; 2]> = std::iter::from_fn(|| juliet.seen.try_recv().ok())
            .filter_map(|seen| if let Observation::Seen { size, .. } = seen { Some(size) } else { None })
            .collect();
        assert_eq!((sizes.first(), sizes.last()), (Some(&[160, 96]), Some(&[320, 192])));
    }
}
