//! What the thread of video does: captures and encodes ours, decodes and shows everybody's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use muji_core::Media;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::capture::{Capture, Captured, Sizes};
use super::frame::VideoFrame;
use super::ladder::MAX_SENT;
use super::packetized::VideoKind;
use super::receiver::{DecodedFrame, ReceiverRequest, VideoReceiver};
use super::task::{VideoOutput, VideoTask};
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::VideoEncoding;
use crate::device::{DeviceError, VideoInput, VideoOrigin, VideoSink};
use crate::record::{RecordItem, Recorder, Recordings};
use crate::rtp::{ReceivedRtp, StreamId};
use crate::stats::Observation;

/// Where our video comes from: a camera's ([`Media::Video`]), a screen's ([`Media::Slides`]).
pub(crate) type Sources = BTreeMap<Media, VideoInput>;

/// How long the thread waits for a task when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

pub(super) struct VideoWorker {
    captures: BTreeMap<Media, Capture>,
    sink: Option<Box<dyn VideoSink>>,
    receivers: BTreeMap<StreamId, (Media, VideoReceiver)>,
    recorder: Option<Recorder>,
    /// Of whom it was told that their video is not recorded.
    unrecorded: BTreeSet<StreamId>,
    /// The size of which it was told that such frames of a camera or a screen are scaled down.
    scaled_down: BTreeMap<Media, [usize; 2]>,
    /// Packets that were given to the thread and not taken yet.
    waiting: Arc<AtomicUsize>,
    outputs: mpsc::Sender<VideoOutput>,
    observed: mpsc::Sender<Observation>,
}

/// The backend is gone.
pub(super) struct Disconnected;

impl VideoWorker {
    pub(super) fn new(
        now: Instant,
        sources: Sources,
        sink: Option<Box<dyn VideoSink>>,
        recorder: Option<Recorder>,
        waiting: Arc<AtomicUsize>,
        outputs: mpsc::Sender<VideoOutput>,
        observed: mpsc::Sender<Observation>,
    ) -> Self {
        let capture = |(media, source)| {
            let capture = Capture::new(now, &media, source, sink.is_some());
            (media, capture)
        };
        let captures = sources.into_iter().map(capture).collect();
        Self {
            captures,
            sink,
            receivers: BTreeMap::new(),
            recorder,
            unrecorded: BTreeSet::new(),
            scaled_down: BTreeMap::new(),
            waiting,
            outputs,
            observed,
        }
    }

    pub(super) fn run(mut self, to_do: &Receiver<VideoTask>) {
        loop {
            let wait = self.due().map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
            let outcome = match to_do.recv_timeout(wait) {
                Ok(task) => self.execute(Instant::now(), task),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let shown = outcome.and_then(|()| self.show_due(Instant::now()));
            if shown.and_then(|()| self.capture_due(&Instant::now)).is_err() {
                return;
            }
        }
    }

    /// When a frame is to be shown or captured next.
    fn due(&self) -> Option<Instant> {
        let shown = self.receivers.values().filter_map(|(_, receiver)| receiver.due());
        shown.chain(self.capture_at()).min()
    }

    /// When a frame is to be captured next.
    pub(super) fn capture_at(&self) -> Option<Instant> {
        self.captures.values().filter_map(Capture::next).min()
    }

    pub(super) fn execute(&mut self, now: Instant, task: VideoTask) -> Result<(), Disconnected> {
        match task {
            VideoTask::StartCapture(media) => {
                let faults = self.captures.get_mut(&media).map_or_else(Vec::new, |capture| capture.begin(now));
                self.troubles(faults)
            }
            VideoTask::StopCapture(media) => {
                if let Some(capture) = self.captures.get_mut(&media) {
                    capture.release();
                }
                self.end(&VideoOrigin::Local(media));
                Ok(())
            }
            VideoTask::Encode(kinds) => self.encode(now, &kinds),
            VideoTask::ForceKeyFrame(kinds) => {
                for (media, encoding) in kinds {
                    if let Some(capture) = self.captures.get_mut(&media) {
                        capture.force_key_frame(encoding);
                    }
                }
                Ok(())
            }
            VideoTask::Target((media, encoding), target) => {
                let capture = self.captures.get_mut(&media);
                let set = capture.map_or(Ok(()), |capture| capture.set_target(encoding, target));
                set.or_else(|DeviceError(why)| self.trouble(why))
            }
            VideoTask::Packet(id, media, encoding, received) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                self.receive(now, id, media, encoding, &received)
            }
            VideoTask::Clock(session, clock) => {
                let of_session = self.receivers.iter_mut().filter(|((of, _), _)| *of == session);
                of_session.for_each(|(_, (_, receiver))| receiver.set_clock(clock));
                Ok(())
            }
            VideoTask::StreamEnded(id) => {
                self.unrecorded.remove(&id);
                if let Some((media, _)) = self.receivers.remove(&id) {
                    let (session, content) = id;
                    self.end(&VideoOrigin::Remote(session, content, media));
                }
                Ok(())
            }
        }
    }

    /// Encodes each kind of video as peers take it.
    fn encode(&mut self, now: Instant, kinds: &BTreeMap<VideoKind, DecoderLimit>) -> Result<(), Disconnected> {
        let mut faults = Vec::new();
        for (media, capture) in &mut self.captures {
            let of_media = kinds.iter().filter(|((of, _), _)| of == media);
            let encodings = of_media.map(|((_, encoding), limit)| (*encoding, *limit)).collect();
            faults.extend(capture.set_encodings(now, encodings));
        }
        self.troubles(faults)
    }

    /// Captures and encodes the frames that are due by this clock.
    pub(super) fn capture_due(&mut self, clock: &dyn Fn() -> Instant) -> Result<(), Disconnected> {
        let now = clock();
        let captures = self.captures.iter_mut();
        let due = captures.filter_map(|(media, capture)| Some((media.clone(), capture.take(now, clock).transpose()?)));
        for (media, taken) in due.collect::<Vec<_>>() {
            match taken {
                Ok(Captured { frame, encoded, faults }) => {
                    self.troubles(faults)?;
                    self.tell_sizes(&media, frame.as_ref())?;
                    if let Some(frame) = frame {
                        self.show(&VideoOrigin::Local(media.clone()), frame);
                    }
                    let frames = encoded.into_iter().map(|packets| VideoOutput::Frame(media.clone(), now, packets));
                    frames.into_iter().try_for_each(|frame| self.put(frame))?;
                    if self.captures.get(&media).is_some_and(Capture::has_ended) {
                        self.end(&VideoOrigin::Local(media));
                    }
                }
                Err(DeviceError(why)) => {
                    self.end(&VideoOrigin::Local(media));
                    self.trouble(why)?;
                }
            }
        }
        Ok(())
    }

    fn tell_sizes(&mut self, media: &Media, frame: Option<&VideoFrame>) -> Result<(), Disconnected> {
        let sizes = self.captures.get_mut(media).and_then(|capture| capture.sizes_if_new(frame));
        let Some(Sizes { captured, largest }) = sizes else { return Ok(()) };
        let is_new = self.scaled_down.get(media) != Some(&captured);
        if captured[0] * captured[1] > MAX_SENT && is_new {
            self.scaled_down.insert(media.clone(), captured);
            let of = if *media == Media::Slides { "screen" } else { "camera" };
            let [[width, height], [to_width, to_height]] = [captured, largest];
            self.trouble(format!(
                "frames of the {of} of {width} x {height} are scaled down to {to_width} x {to_height}"
            ))?;
        }
        self.put(VideoOutput::LargestSize(media.clone(), largest))
    }

    fn receive(
        &mut self,
        now: Instant,
        id: StreamId,
        media: Media,
        encoding: VideoEncoding,
        received: &ReceivedRtp,
    ) -> Result<(), Disconnected> {
        let new = || (media, VideoReceiver::new(now));
        let (_, receiver) = self.receivers.entry(id.clone()).or_insert_with(new);
        for request in receiver.receive(now, encoding, received) {
            match request {
                ReceiverRequest::KeyFrame => self.put(VideoOutput::RequestKeyFrame(id.clone()))?,
                ReceiverRequest::Undecodable(why) => {
                    self.trouble(format!("video of a participant cannot be shown: {why}"))?;
                }
            }
        }
        Ok(())
    }

    /// Shows the frames of everybody that are due, and records them.
    pub(super) fn show_due(&mut self, now: Instant) -> Result<(), Disconnected> {
        let (mut troubles, mut behind) = (Vec::new(), Vec::new());
        for ((session, content), (media, receiver)) in &mut self.receivers {
            let mut last = None;
            for DecodedFrame { frame, encoding, encoded, .. } in receiver.take(now) {
                if let Some(recorder) = self.recorder.as_ref().filter(|_| Recordings::takes(encoding)) {
                    let item = RecordItem::Video(*session, media.clone(), now, encoding, encoded);
                    troubles.extend(recorder.give(item).err());
                } else if self.recorder.is_some() && self.unrecorded.insert((*session, content.clone())) {
                    let name = encoding.name();
                    troubles
                        .push(DeviceError(format!("WebM cannot hold {name}: video of a participant is not recorded")));
                }
                last = Some(frame);
            }
            let Some(frame) = last else { continue };
            if let Some(stats) = receiver.stats_if_due(now) {
                // A screen may lag behind the voice that explains it.
                behind.extend(receiver.behind_sound().filter(|_| *media == Media::Video).map(|it| (*session, it)));
                let (session, media) = (*session, media.clone());
                let (size, colour) = ([frame.width(), frame.height()], frame.mean());
                let observation = Observation::Video { session, media, size, colour, stats };
                drop(self.observed.try_send(observation)); // A slow observer misses it; the next second has another.
            }
            if let Some(sink) = &mut self.sink {
                sink.show(&VideoOrigin::Remote(*session, content.clone(), media.clone()), frame);
            }
        }
        behind.into_iter().try_for_each(|(session, behind)| self.put(VideoOutput::BehindSound(session, behind)))?;
        self.troubles(troubles)
    }

    fn show(&mut self, origin: &VideoOrigin, frame: VideoFrame) {
        if let Some(sink) = &mut self.sink {
            sink.show(origin, frame);
        }
    }

    fn end(&mut self, origin: &VideoOrigin) {
        if let Some(sink) = &mut self.sink {
            sink.end(origin);
        }
    }

    fn troubles(&self, faults: Vec<DeviceError>) -> Result<(), Disconnected> {
        faults.into_iter().try_for_each(|DeviceError(why)| self.trouble(why))
    }

    fn trouble(&self, why: String) -> Result<(), Disconnected> {
        self.put(VideoOutput::Trouble(DeviceError(why)))
    }

    /// What the backend is too busy to take is lost as if by the network.
    fn put(&self, output: VideoOutput) -> Result<(), Disconnected> {
        match self.outputs.try_send(output) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Disconnected),
        }
    }
}
