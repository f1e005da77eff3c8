//! What other clients do in their own way, known by the node of their entity capabilities (XEP-0115).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jid::FullJid;
use muji_jingle::timers::SILENCE;
use muji_jingle::{SessionQuirks, Silence};
use muji_xep::ns;
use muji_xep::rtp::Media;
use xmpp_parsers::minidom::Element;

use crate::config;
use crate::warning::Warning;

/// What a participant's client cannot do, known by the node of its entity capabilities (XEP-0115).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientQuirks {
    /// It takes another offer after one that came to nothing.
    pub(crate) takes_another_offer: bool,
    /// How long after the room repeated our contents it may be called; `None`: right behind our sending them.
    pub(crate) call_after: Option<Duration>,
    /// Its microphone may fall silent when somebody else joins, until its user mutes and unmutes it.
    pub(crate) revived_by_mute: bool,
    /// What it does in sessions in its own way.
    pub(crate) in_session: SessionQuirks,
}

impl ClientQuirks {
    const USUAL: Self = Self {
        takes_another_offer: true,
        call_after: None,
        revived_by_mute: false,
        in_session: SessionQuirks { wants_full_accept: false, restarts_ice: true },
    };

    /// The quirks of the client that sends this presence; `None` if it does not say who made the client, which means nothing
    /// (XEP-0115 section 8.4).
    pub(crate) fn find(payloads: &[Element]) -> Option<Self> {
        let caps = payloads.iter().find(|payload| payload.is("c", ns::CAPS))?;
        Some(match caps.attr("node").unwrap_or_default().trim_end_matches('/') {
            // Parks a second offer until it sees us join again, and hangs up with its last session; takes other credentials for
            // candidates of the old ones; stops sending sound when another joins (0.4 and 0.5).
            "https://dino.im" => {
                let in_session = SessionQuirks { restarts_ice: false, ..Self::USUAL.in_session };
                Self { takes_another_offer: false, revived_by_mute: true, in_session, ..Self::USUAL }
            }
            // Drops an offer that comes before our presence; the two travel by different routes.
            "https://movim.eu" => {
                let in_session = SessionQuirks { wants_full_accept: true, ..Self::USUAL.in_session };
                Self { call_after: Some(config::MOVIM_GRACE), in_session, ..Self::USUAL }
            }
            _ => Self::USUAL,
        })
    }

    /// What helps against a silence of this client that was just reported, if something is known to.
    pub(crate) fn advice(&self, now: Instant, nick: &str, media: &Media, why: Silence) -> Option<Warning> {
        let stalled = self.revived_by_mute && *media == Media::Audio && why == Silence::Unexplained;
        let since = now.checked_sub(SILENCE).unwrap_or(now);
        stalled.then(|| Warning::MicrophoneStalled { nick: nick.to_owned(), since })
    }
}

impl Default for ClientQuirks {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Devices whose clients do something in their own way, as their presences tell it, wherever we see them: a call with one person has
/// no other presence. Of the usual clients nothing is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownClients(VecDeque<(FullJid, ClientQuirks)>);

impl KnownClients {
    /// A device is there, with this client, or one that it named before.
    pub(crate) fn seen(&mut self, device: &FullJid, quirks: Option<ClientQuirks>) {
        let Some(quirks) = quirks.filter(|quirks| self.find(device) != *quirks) else { return };
        self.gone(device);
        if quirks == ClientQuirks::default() {
            return;
        }
        if self.0.len() == config::MAX_KNOWN_CLIENTS {
            self.0.pop_front();
        }
        self.0.push_back((device.clone(), quirks));
    }

    /// A device is not there any more.
    pub(crate) fn gone(&mut self, device: &FullJid) {
        self.0.retain(|(known, _)| known != device);
    }

    /// What the client of a device does in its own way, as far as we know.
    pub(crate) fn find(&self, device: &FullJid) -> ClientQuirks {
        self.peculiar(device).unwrap_or_default()
    }

    /// The same, if it is other than usual.
    pub(crate) fn peculiar(&self, device: &FullJid) -> Option<ClientQuirks> {
        self.0.iter().find(|(known, _)| known == device).map(|(_, quirks)| *quirks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> FullJid {
        format!("juliet@capulet.example/{number}").parse().expect("a full JID")
    }

    /// The quirks of a client with this caps node.
    fn of(node: &str) -> Option<ClientQuirks> {
        let caps = format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{node}' ver='x'/>");
        ClientQuirks::find(&[caps.parse().expect("it is XML")])
    }

    #[test]
    fn a_device_is_known_by_the_last_client_that_it_named_until_it_is_gone() {
        let mut clients = KnownClients::default();
        let dino = of("https://dino.im").expect("it has a node");
        assert_ne!(dino, ClientQuirks::default());
        clients.seen(&device(1), Some(dino));
        clients.seen(&device(1), None);
        assert_eq!(clients.find(&device(1)), dino, "a presence need not say it each time");
        assert_eq!(clients.find(&device(2)), ClientQuirks::default());
        clients.seen(&device(1), of("https://example.org"));
        assert_eq!(clients.find(&device(1)), ClientQuirks::default());
        clients.seen(&device(1), Some(dino));
        clients.gone(&device(1));
        assert_eq!(clients.find(&device(1)), ClientQuirks::default());
    }

    #[test]
    fn usual_clients_need_no_memory_and_of_others_the_latest_are_kept() {
        let mut clients = KnownClients::default();
        (0..=config::MAX_KNOWN_CLIENTS).for_each(|number| clients.seen(&device(number), of("https://example.org")));
        assert!(clients.0.is_empty());
        (0..=config::MAX_KNOWN_CLIENTS).for_each(|number| clients.seen(&device(number), of("https://dino.im")));
        assert_eq!(clients.0.len(), config::MAX_KNOWN_CLIENTS);
        assert_eq!(clients.find(&device(0)), ClientQuirks::default());
        assert_ne!(clients.find(&device(config::MAX_KNOWN_CLIENTS)), ClientQuirks::default());
    }
}
