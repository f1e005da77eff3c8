//! The way of measurements to the program that watches a call.

use tokio::sync::mpsc;

use crate::stats::Observation;

/// The way to the program that watches a call.
#[derive(Clone)]
pub(super) struct Observer(mpsc::Sender<Observation>);

impl Observer {
    pub(super) fn new(observations: mpsc::Sender<Observation>) -> Self {
        Self(observations)
    }

    /// A program that is slow misses it: the next second has another. False if it did.
    pub(super) fn send(&self, observation: Observation) -> bool {
        self.0.try_send(observation).is_ok()
    }

    /// True if nobody watches: then nothing need be measured.
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}
