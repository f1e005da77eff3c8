//! Calls and invitations that ring until the user answers: bell, desktop notification, automatic answer.

use std::process::Stdio;
use std::time::Duration;

use muji_core::{CallId, Event, EventScope, Pending, RingStopped};
use tokio::process::Command;
use tokio::time::Instant;

/// The interval between two bells.
const BELL: Duration = Duration::from_secs(2);

/// What rings, if anything does.
#[derive(Debug, Default)]
pub(crate) struct Ringing {
    waiting: Option<Pending>,
    who: String,
    bell_at: Option<Instant>,
    answer_at: Option<Instant>,
}

/// How it alerts the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alerting {
    Aloud {
        answer_after: Option<Duration>,
    },
    /// A stranger's call is only shown.
    Silent,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Bell,
    Answer,
}

impl Ringing {
    /// Begins to ring; false if something rings already.
    pub(crate) fn begin(&mut self, waiting: Pending, alerting: Alerting, who: &str) -> bool {
        if self.waiting.is_some() {
            return false;
        }
        self.waiting = Some(waiting);
        who.clone_into(&mut self.who);
        if let Alerting::Aloud { answer_after } = alerting {
            self.bell_at = Some(Instant::now());
            self.answer_at = answer_after.map(|after| Instant::now() + after);
            notify(who);
        }
        true
    }

    /// Who rings.
    pub(crate) fn who(&self) -> Option<&str> {
        self.waiting.is_some().then_some(&self.who)
    }

    /// What the user answers: it rings no more.
    pub(crate) fn take(&mut self) -> Option<Pending> {
        (self.bell_at, self.answer_at) = (None, None);
        self.waiting.take()
    }

    /// True if it is this call that rings.
    pub(crate) fn is(&self, call: CallId) -> bool {
        matches!(self.waiting, Some(Pending::Call(ringing)) if ringing == call)
    }

    /// True if this event ends what rang.
    pub(crate) fn is_over(&mut self, about: &EventScope, event: &Event) -> bool {
        let over = self.waiting.as_ref().is_some_and(|waiting| waiting.is_over(about, event));
        over && self.take().is_some()
    }

    /// Waits for what is due next; for ever if nothing rings.
    pub(crate) async fn due(&self) -> Due {
        let (at, due) = match (self.bell_at, self.answer_at) {
            (Some(bell), Some(answer)) if answer <= bell => (answer, Due::Answer),
            (Some(bell), _) => (bell, Due::Bell),
            (None, _) => return std::future::pending().await,
        };
        tokio::time::sleep_until(at).await;
        due
    }

    /// The bell rang.
    pub(crate) fn bell_rang(&mut self) {
        self.bell_at = Some(Instant::now() + BELL);
    }
}

/// Shows it on the desktop, where there is one.
fn notify(who: &str) {
    let mut command = Command::new("notify-send");
    command.args(["--app-name=muji-call", "--urgency=critical", "--", "muji-call", who]);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _no_desktop = quiet.spawn().is_err();
}

/// Why the ringing stopped, for the user.
pub(crate) fn stop_reason(why: &RingStopped) -> String {
    match why {
        RingStopped::Elsewhere(device) => format!("answered on {device}"),
        RingStopped::DeclinedElsewhere(device) => format!("declined on {device}"),
        RingStopped::Cancelled => "cancelled by the caller".to_owned(),
        RingStopped::Expired => "not answered in time".to_owned(),
        RingStopped::NoOffer => "the caller sent no offer".to_owned(),
    }
}
