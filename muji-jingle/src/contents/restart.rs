//! ICE restarts of one transport (XEP-0176 section 5.9): other credentials after a path failed or its address is gone.
//!
//! Each side makes its own credentials and sends them by transport-info; the certificate stays, and with it DTLS. A side that receives
//! other credentials and has sent none itself answers with its own. If both send them at once, each takes the other's for the answer.

use std::time::{Duration, Instant};

use muji_xep::jingle::MAX_CONTENTS;

use crate::timers;

/// Restarts sent and not answered. A peer that does not answer two does not know them.
const MAX_UNANSWERED: u8 = 2;

/// User names of the peer that are remembered because they do not count any more, or never did: as many as an offer has contents.
const MAX_FORMER: usize = MAX_CONTENTS;

/// How far a transport is with its restarts.
#[derive(Debug, Clone)]
pub(super) struct IceRestart {
    /// The media layer can do it.
    able: bool,
    /// How many restarts there were on our side.
    generation: u32,
    /// When the next one is due.
    at: Option<Instant>,
    /// The media layer makes other credentials.
    making: bool,
    /// These answer the peer's restart.
    answers: bool,
    /// Our restarts that the peer has not answered.
    unanswered: u8,
    /// User names (ufrag) of the peer that do not count.
    former: Vec<String>,
}

impl IceRestart {
    /// None yet, nor ever without a media layer that is `able`.
    pub(super) fn new(able: bool) -> Self {
        Self { able, generation: 0, at: None, making: false, answers: false, unanswered: 0, former: Vec::new() }
    }

    /// False if the media layer keeps the credentials of a transport.
    pub(super) fn is_able(&self) -> bool {
        self.able
    }

    /// The number of the restart that our candidates belong to (XEP-0176 section 5.9).
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// A path does not work, or its address is gone: restart, and again until it works.
    pub(super) fn want(&mut self, now: Instant) {
        if !self.able {
            return;
        }
        // While one is under way, addresses that come meanwhile are sent as candidates.
        let pause = if self.unanswered > 0 { timers::RESTART } else { Duration::ZERO };
        self.at.get_or_insert(now + pause);
    }

    /// True if the media layer has to make other credentials now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.at.is_none_or(|at| at > now) {
            return false;
        }
        self.at = Some(now + timers::RESTART);
        let starts = !self.making && self.unanswered < MAX_UNANSWERED;
        self.making |= starts;
        starts
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.at
    }

    /// Our restart did not reach the peer.
    pub(super) fn undelivered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// The media layer has made other credentials. False if it was not asked to.
    pub(super) fn made(&mut self) -> bool {
        if !std::mem::take(&mut self.making) {
            return false;
        }
        self.generation += 1;
        if !std::mem::take(&mut self.answers) {
            self.unanswered += 1;
        }
        true
    }

    /// The transport works.
    pub(super) fn connected(&mut self) {
        self.at = None;
    }

    /// True if what arrives with this user name does not count: the peer has restarted since, or never used it here.
    pub(super) fn is_former(&self, ufrag: &str) -> bool {
        self.former.iter().any(|former| former == ufrag)
    }

    /// What arrives with this user name is late, or about a transport that is not used.
    pub(super) fn disregard(&mut self, ufrag: String) {
        if self.former.len() == MAX_FORMER {
            self.former.remove(0);
        }
        self.former.push(ufrag);
    }

    /// The peer has other credentials than those under the user name `former`: its restart, or its answer to ours. True if the media
    /// layer has to make other credentials for our answer.
    pub(super) fn peer_restarted(&mut self, former: String) -> bool {
        self.disregard(former);
        if self.unanswered > 0 {
            self.unanswered -= 1;
            return false;
        }
        self.answers = true;
        !std::mem::replace(&mut self.making, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timers::epoch;

    /// One whose restart is under way: other credentials are made and sent.
    fn sent() -> IceRestart {
        let mut restart = IceRestart::new(true);
        restart.want(epoch());
        assert!(restart.handle_timeout(epoch()) && restart.made());
        restart
    }

    #[test]
    fn credentials_are_made_once_and_again_while_the_transport_does_not_work() {
        let mut restart = IceRestart::new(true);
        assert!(!restart.handle_timeout(epoch()) && !restart.made(), "nobody wants it");
        restart.want(epoch());
        assert!(restart.handle_timeout(epoch()));
        assert!(!restart.handle_timeout(epoch() + timers::RESTART), "they are being made");
        assert!(restart.made() && !restart.made());
        assert_eq!(restart.generation(), 1);
        assert!(restart.handle_timeout(epoch() + 2 * timers::RESTART));
        restart.connected();
        assert_eq!(restart.poll_timeout(), None);
    }

    #[test]
    fn a_restart_comes_when_it_is_due_and_the_next_one_after_a_pause() {
        let (mut restart, start) = (IceRestart::new(true), epoch() + timers::RESTART);
        restart.want(start);
        assert!(!restart.handle_timeout(epoch()), "it is early");
        let late = start + Duration::from_millis(1);
        assert!(restart.handle_timeout(late) && restart.made());
        assert_eq!(restart.poll_timeout(), Some(late + timers::RESTART));
    }

    #[test]
    fn a_peer_that_answers_no_restart_gets_two() {
        let mut restart = sent();
        assert!(restart.handle_timeout(epoch() + timers::RESTART) && restart.made());
        assert!(!restart.handle_timeout(epoch() + 2 * timers::RESTART));
        restart.undelivered();
        assert!(restart.handle_timeout(epoch() + 3 * timers::RESTART));
    }

    #[test]
    fn a_restart_under_way_delays_the_next_one() {
        let mut restart = sent();
        restart.connected();
        restart.want(epoch());
        assert_eq!(restart.poll_timeout(), Some(epoch() + timers::RESTART));
    }

    #[test]
    fn the_peers_restart_is_answered_with_other_credentials_and_its_answer_is_not() {
        let mut restart = IceRestart::new(true);
        assert!(restart.peer_restarted("first".to_owned()), "credentials are to be made");
        assert!(!restart.peer_restarted("second".to_owned()), "they are being made");
        assert!(restart.made());
        assert_eq!(restart.unanswered, 0, "the peer owes no answer to an answer");
        let mut restart = sent();
        assert!(!restart.peer_restarted("first".to_owned()), "this is the answer to ours");
        assert_eq!(restart.unanswered, 0);
    }

    #[test]
    fn the_last_former_user_names_of_the_peer_are_known() {
        let mut restart = IceRestart::new(true);
        let names: Vec<String> = (0..=MAX_FORMER).map(|number| number.to_string()).collect();
        for name in &names {
            restart.peer_restarted(name.clone());
        }
        let known: Vec<&String> = names.iter().filter(|name| restart.is_former(name)).collect();
        assert_eq!(known, names[1..].iter().collect::<Vec<_>>());
    }
}
