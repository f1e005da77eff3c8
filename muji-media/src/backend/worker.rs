//! The thread of the media layer: the loop, and when it wakes.
//!
//! There are two ways to wait. While connections are made or video flows, each command, datagram, encoded frame and timer wakes the loop:
//! an event loop of tokio waits for all of them. In a settled call with audio alone only the next tick of 20 ms does, and a command: the
//! thread is parked, and packets are fetched with the tick, with the kernel's times. Packets are played with the tick anyway, and each
//! wake-up costs more than what it does; with seven peers there would be hundreds a second.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use muji_core::media::MediaCommand;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::network::NetworkEvent;
use super::router::{Disconnected, Router};
use crate::video::task::VideoOutput;

/// How long the loop waits if nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// After this many waits tokio's tasks and its driver get a turn, even if something is ready: they do not run before a wait really waits,
/// so a flood at one socket could keep the other sockets and the connections to servers from being looked at.
const WAITS_PER_TURN: u32 = 16;

/// The loop.
pub(super) struct Worker {
    router: Router,
    commands: mpsc::Receiver<MediaCommand>,
    runtime: Runtime,
    waits: u32,
}

/// What ended the wait.
enum Wakeup {
    Command(MediaCommand),
    /// The backend was dropped.
    Ended,
    /// A frame was encoded, or the thread of video has another request.
    Video(VideoOutput),
    Network(NetworkEvent),
    /// It is time for something.
    Timeout,
}

impl Worker {
    pub(super) fn new(router: Router, commands: mpsc::Receiver<MediaCommand>, runtime: Runtime) -> Self {
        Self { router, commands, runtime, waits: 0 }
    }

    /// Works until the backend is dropped, or nobody listens to its reports. The backend unparks the thread with each command.
    pub(super) fn run(mut self) {
        let handle = self.runtime.handle().clone();
        let _sockets_belong_to_it = handle.enter();
        loop {
            let wakeup = self.wait();
            let now = Instant::now();
            let outcome = match wakeup {
                Wakeup::Ended => return,
                Wakeup::Command(command) => self.router.execute(now, &command),
                Wakeup::Video(output) => self.router.handle_video(now, output),
                Wakeup::Network(event) => self.router.handle_network(now, event),
                Wakeup::Timeout => self.router.receive_datagrams(now),
            };
            if outcome.and_then(|()| self.finish(now)).is_err() {
                return;
            }
        }
    }

    /// After each input, whatever it was: a flood of packets must not keep the loop from looking at the time.
    fn finish(&mut self, now: Instant) -> Result<(), Disconnected> {
        while let Some(output) = self.router.video.try_output() {
            self.router.handle_video(now, output)?;
        }
        self.router.handle_timeout(now)?;
        self.router.drain(now)
    }

    fn wait(&mut self) -> Wakeup {
        match self.router.settled_until() {
            Some(tick) => self.wait_for_tick(tick),
            None => self.wait_for_event(),
        }
    }

    /// Parks the thread. Otherwise tokio's timers would also wake it each 64 ms, and its sockets with each datagram.
    fn wait_for_tick(&mut self, tick: Instant) -> Wakeup {
        if let Some(wakeup) = self.next_command() {
            return wakeup;
        }
        std::thread::park_timeout(tick.saturating_duration_since(Instant::now()));
        self.next_command().unwrap_or(Wakeup::Timeout)
    }

    fn next_command(&mut self) -> Option<Wakeup> {
        match self.commands.try_recv() {
            Ok(command) => Some(Wakeup::Command(command)),
            Err(TryRecvError::Disconnected) => Some(Wakeup::Ended),
            Err(TryRecvError::Empty) => None,
        }
    }

    fn wait_for_event(&mut self) -> Wakeup {
        self.waits = self.waits.wrapping_add(1);
        let Self { router, commands, runtime, waits } = self;
        let due = router.poll_timeout().unwrap_or_else(|| Instant::now() + IDLE);
        runtime.block_on(async {
            if waits.is_multiple_of(WAITS_PER_TURN) {
                tokio::task::yield_now().await;
            }
            let mut timer = pin!(tokio::time::sleep_until(due.into()));
            poll_fn(|cx| match poll_inputs(router, commands, cx) {
                Poll::Ready(wakeup) => Poll::Ready(wakeup),
                Poll::Pending => timer.as_mut().poll(cx).map(|()| Wakeup::Timeout),
            })
            .await
        })
    }
}

/// Commands come before packets, so that a closed session receives nothing more; frames come before packets, so that a flood of packets
/// does not delay them.
fn poll_inputs(router: &mut Router, commands: &mut mpsc::Receiver<MediaCommand>, cx: &mut Context<'_>) -> Poll<Wakeup> {
    if let Poll::Ready(command) = commands.poll_recv(cx) {
        return Poll::Ready(command.map_or(Wakeup::Ended, Wakeup::Command));
    }
    if let Poll::Ready(output) = router.video.poll_output(cx) {
        return Poll::Ready(Wakeup::Video(output));
    }
    router.network.poll_event(cx).map(Wakeup::Network)
}
