//! The thread of video, as the backend holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll};
use std::time::Instant;

use muji_core::Media;
use tokio::sync::mpsc;

use super::task::{VideoOutput, VideoTask};
use super::worker::{Sources, VideoWorker};
use crate::codec::encoding::VideoEncoding;
use crate::device::{DeviceError, VideoSink};
use crate::record::Recorder;
use crate::rtp::{ReceivedRtp, StreamId};
use crate::stats::Observation;

/// Packets that wait for the thread: those of a second from seven peers. More means that this machine cannot keep up, and further packets
/// are lost as if the network had lost them.
const MAX_WAITING: usize = 2_048;

/// Frames and requests that wait for the backend.
const MAX_OUTPUTS: usize = 1_024;

/// The thread. It ends when this is dropped.
pub(crate) struct VideoThread {
    tasks: Sender<VideoTask>,
    /// Packets on their way to it.
    waiting: Arc<AtomicUsize>,
    /// It could not keep up, which was reported.
    overloaded: bool,
    outputs: mpsc::Receiver<VideoOutput>,
}

impl VideoThread {
    pub(crate) fn start(
        sources: Sources,
        sink: Option<Box<dyn VideoSink>>,
        recorder: Option<Recorder>,
        observed: mpsc::Sender<Observation>,
    ) -> std::io::Result<Self> {
        let (tasks, to_do) = channel();
        let (done, outputs) = mpsc::channel(MAX_OUTPUTS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let worker = VideoWorker::new(Instant::now(), sources, sink, recorder, waiting.clone(), done, observed);
        std::thread::Builder::new().name("muji-video".to_owned()).spawn(move || worker.run(&to_do))?;
        Ok(Self { tasks, waiting, overloaded: false, outputs })
    }

    /// Gives the thread something to do.
    pub(crate) fn give(&self, task: VideoTask) {
        let _ended = self.tasks.send(task).is_err(); // It ends with the program alone.
    }

    /// A packet of a peer.
    ///
    /// # Errors
    /// Once, if packets are lost because the thread cannot keep up.
    pub(crate) fn receive(
        &mut self,
        id: StreamId,
        media: &Media,
        encoding: VideoEncoding,
        received: ReceivedRtp,
    ) -> Result<(), DeviceError> {
        if self.waiting.load(Ordering::Relaxed) < MAX_WAITING {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.give(VideoTask::Packet(id, media.clone(), encoding, received));
        } else if !std::mem::replace(&mut self.overloaded, true) {
            return Err(DeviceError("this machine is too slow for all the video that comes".to_owned()));
        }
        Ok(())
    }

    /// The next output. The task of `cx` is woken as soon as there is one: a frame leaves when it is encoded.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<VideoOutput> {
        match self.outputs.poll_recv(cx) {
            Poll::Ready(Some(output)) => Poll::Ready(output),
            // A thread that has ended makes nothing any more.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// The next output, if there is one.
    pub(crate) fn try_output(&mut self) -> Option<VideoOutput> {
        self.outputs.try_recv().ok()
    }
}
