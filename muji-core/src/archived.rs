//! Calls found in an archive, after an absence: one may still ring (XEP-0353 section 3.2).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use muji_jingle::timers;
use muji_xep::jmi::MessageKind;

use crate::call_message::{Heard, Sender};
use crate::{config, wall_clock};

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    /// The caller gave up.
    GivenUp,
    /// The user decided on another device.
    Decided,
}

/// Proposals found so far, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archived {
    proposals: VecDeque<(Heard, Fate)>,
}

impl Archived {
    /// Something found in the archive.
    pub(crate) fn found(&mut self, now: Instant, age: Duration, heard: Heard) {
        if !matches!((&heard.sender, &heard.message.kind), (Sender::Peer(_), MessageKind::Propose(_))) {
            return self.said(&heard);
        }
        if self.proposals.len() == config::MAX_ARCHIVED {
            self.proposals.pop_front();
        }
        // A caller gives up after a minute, whether or not its message about that has got here.
        let since = wall_clock::since(now, age, timers::CALLING);
        self.proposals.push_back((Heard { since, ..heard }, Fate::Open));
    }

    /// Something was said that may be about one of these.
    pub(crate) fn said(&mut self, heard: &Heard) {
        let of_peer = |known: &Heard| known.sender.jid().to_bare() == heard.sender.jid().to_bare();
        let fate = match (&heard.sender, &heard.message.kind) {
            (Sender::Peer(_), MessageKind::Retract(_) | MessageKind::Finish(_)) => Fate::GivenUp,
            (
                Sender::Device(_),
                MessageKind::Proceed | MessageKind::Accept | MessageKind::Reject(_) | MessageKind::Finish(_),
            ) => Fate::Decided,
            (Sender::Peer(_) | Sender::Device(_), _) => return,
        };
        for (known, became) in &mut self.proposals {
            let about = known.message.id == heard.message.id && (fate == Fate::Decided || of_peer(known));
            if about && *became == Fate::Open {
                *became = fate;
            }
        }
    }

    /// These were all: those that ring, and those that were missed.
    pub(crate) fn take(&mut self) -> Vec<Heard> {
        let undecided = self.proposals.drain(..).filter(|(_, fate)| *fate != Fate::Decided);
        undecided.map(|(heard, fate)| Heard { since: heard.since.filter(|_| fate == Fate::Open), ..heard }).collect()
    }
}
