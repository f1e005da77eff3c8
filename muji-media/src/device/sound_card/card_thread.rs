//! The thread that holds a card: opens it, notices when it is gone, and has it back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use cpal::{Error, ErrorKind};

use crate::device::DeviceError;

/// Between two attempts to have a card back.
const RETRY: Duration = Duration::from_secs(1);

/// Attempts in a row, some minutes, until a card is given up; one that hangs costs a thread.
const MAX_ATTEMPTS: u32 = 300;

/// How long a sound system may take to open a card.
pub(super) const OPENING: Duration = Duration::from_secs(5);

/// Events between a card and its thread that wait.
const EVENTS: usize = 16;

/// What a card tells its thread.
pub(super) enum CardEvent {
    Fault(String),
    Stop,
}

/// A card that was opened: our end of its samples, and how many come in a second.
pub(super) struct Opened<E> {
    pub(super) end: E,
    pub(super) rate: u32,
}

/// A card and the thread that holds it. Dropped, it lets the card go.
pub(super) struct CardThread<E> {
    /// Where its samples come from or go to, while it is there.
    pub(super) end: Option<E>,
    opened: Receiver<Opened<E>>,
    news: Receiver<DeviceError>,
    events: SyncSender<CardEvent>,
}

impl<E> CardThread<E> {
    /// The rate of a card that was opened since the last question.
    pub(super) fn renewed(&mut self) -> Option<u32> {
        match self.opened.try_recv() {
            Ok(Opened { end, rate }) => {
                self.end = Some(end);
                Some(rate)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// What happened to it.
    pub(super) fn poll_notice(&mut self) -> Option<DeviceError> {
        self.news.try_recv().ok()
    }

    /// It is opened again.
    pub(super) fn fail(&mut self, why: &str) {
        self.end = None;
        let _busy = self.events.try_send(CardEvent::Fault(why.to_owned())).is_err(); // It has faults enough.
    }
}

impl<E> Drop for CardThread<E> {
    fn drop(&mut self) {
        // If the queue is full of faults, the thread ends at its next failed send.
        let _full = self.events.try_send(CardEvent::Stop).is_err();
    }
}

/// Opens a card; called in a thread of its own, since a sound system may never answer.
type Open<E> = Arc<dyn Fn(SyncSender<CardEvent>) -> Result<(cpal::Stream, Opened<E>), Error> + Send + Sync>;

/// Begins to hold a card.
pub(super) fn spawn<E: Send + 'static>(
    what: &'static str,
    open: impl Fn(SyncSender<CardEvent>) -> Result<(cpal::Stream, Opened<E>), Error> + Send + Sync + 'static,
) -> CardThread<E> {
    let open: Open<E> = Arc::new(open);
    let ((opened, to_open), (news, to_tell)) = (sync_channel(1), sync_channel(EVENTS));
    let (events, said) = sync_channel(EVENTS);
    let (own_events, told) = (events.clone(), news.clone());
    let tending = move || hold(what, &open, &own_events, &said, &opened, &news);
    if std::thread::Builder::new().name(format!("muji-{what}")).spawn(tending).is_err() {
        let _told_before = told.try_send(DeviceError(format!("the system gives no thread for the {what}"))).is_err();
    }
    CardThread { end: None, opened: to_open, news: to_tell, events }
}

/// Opens within the time for it. An attempt that hangs is left to itself, and lets its card go if it ever ends.
fn open_in_time<E: Send + 'static>(
    open: &Open<E>,
    events: &SyncSender<CardEvent>,
) -> Result<(cpal::Stream, Opened<E>), Error> {
    let ((done, ended), open, events) = (sync_channel(1), open.clone(), events.clone());
    let attempt = move || drop(done.send(open(events)));
    let no_thread = |why: std::io::Error| Error::with_message(ErrorKind::ResourceExhausted, why.to_string());
    std::thread::Builder::new().spawn(attempt).map_err(no_thread)?;
    let hangs = |_| Error::with_message(ErrorKind::HostUnavailable, "the sound system does not answer");
    ended.recv_timeout(OPENING).map_err(hangs)?
}

fn hold<E: Send + 'static>(
    what: &str,
    open: &Open<E>,
    events: &SyncSender<CardEvent>,
    said: &Receiver<CardEvent>,
    opened: &SyncSender<Opened<E>>,
    news: &SyncSender<DeviceError>,
) {
    let (mut missing, mut attempts) = (false, 0);
    // A caller that does not fetch notices misses some.
    let tell = |text: String| drop(news.try_send(DeviceError(text)));
    while attempts < MAX_ATTEMPTS {
        attempts += 1;
        let why = match open_in_time(open, events) {
            Ok((stream, ready)) => {
                attempts = 0;
                if std::mem::take(&mut missing) {
                    tell(format!("the {what} is back"));
                }
                if opened.send(ready).is_err() {
                    return;
                }
                let word = said.recv();
                // PulseAudio may never answer for a card that is gone (cpal 0.18), so nothing waits for it.
                let _dropped_here = std::thread::Builder::new().spawn(move || drop(stream)).is_err();
                match word {
                    Ok(CardEvent::Fault(why)) => why,
                    Ok(CardEvent::Stop) | Err(_) => return,
                }
            }
            Err(why) => describe(&why),
        };
        if !std::mem::replace(&mut missing, true) {
            tell(format!("the {what} is not available: {why}; retrying each second"));
        }
        match said.recv_timeout(RETRY) {
            Err(RecvTimeoutError::Timeout) | Ok(CardEvent::Fault(_)) => {}
            Err(RecvTimeoutError::Disconnected) | Ok(CardEvent::Stop) => return,
        }
    }
    tell(format!("the {what} is no longer tried"));
}

/// What is wrong with a card, in words.
pub(super) fn describe(error: &Error) -> String {
    match error.kind() {
        ErrorKind::DeviceBusy => "another program uses it".to_owned(),
        ErrorKind::DeviceNotAvailable => "it is not there".to_owned(),
        ErrorKind::PermissionDenied => "this user may not use it".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_card_is_said_in_words() {
        for (kind, words) in [
            (ErrorKind::DeviceBusy, "another program uses it"),
            (ErrorKind::DeviceNotAvailable, "it is not there"),
            (ErrorKind::PermissionDenied, "this user may not use it"),
        ] {
            assert_eq!(describe(&Error::with_message(kind, "snd_pcm_open: -16")), words);
        }
    }

    #[test]
    fn a_card_that_is_busy_is_told_once_and_tried_again_until_nobody_wants_it() {
        let attempts = Arc::new(Mutex::new(0));
        let counted = attempts.clone();
        let mut card: CardThread<()> = spawn("microphone", move |_| {
            *counted.lock().unwrap() += 1;
            Err(Error::with_message(ErrorKind::DeviceBusy, ""))
        });
        let news = card.news.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(news.0, "the microphone is not available: another program uses it; retrying each second");
        assert!(card.news.recv_timeout(RETRY * 3 / 2).is_err(), "told once");
        assert!(*attempts.lock().unwrap() >= 2);
        assert_eq!(card.renewed(), None);
    }
}
