//! How servers were asked, and what came of it.

use std::collections::VecDeque;
use std::net::SocketAddr;

/// Attempts remembered: they explain why no path was found.
const MAX_ATTEMPTS: usize = 32;

/// One way in which a server was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Such as `TURN by UDP at turn.example:3478`.
    pub what: String,
    /// The address that the server gave, or why there is none; `None` while nothing is known.
    pub outcome: Option<Result<SocketAddr, String>>,
}

/// The last attempts.
#[derive(Default)]
pub(super) struct Attempts(pub(super) VecDeque<Attempt>);

impl Attempts {
    pub(super) fn begin(&mut self, what: String) {
        self.0.retain(|attempt| attempt.what != what);
        if self.0.len() == MAX_ATTEMPTS {
            self.0.pop_front();
        }
        self.0.push_back(Attempt { what, outcome: None });
    }

    pub(super) fn end(&mut self, what: &str, outcome: Result<SocketAddr, String>) {
        if let Some(attempt) = self.0.iter_mut().find(|attempt| attempt.what == what) {
            // A server may give an address of each family; the first counts.
            if !matches!((&attempt.outcome, &outcome), (Some(Ok(_)), Ok(_))) {
                attempt.outcome = Some(outcome);
            }
        }
    }
}
