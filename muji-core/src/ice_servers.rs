//! STUN and TURN servers that the own server knows (XEP-0215): asked for when a call begins, and again before their
//! credentials end.

use std::time::{Duration, Instant};

use jid::{BareJid, DomainRef, Jid};
use muji_jingle::Ids;
use muji_jingle::media::{IceServer, ServerKind, ServerTransport};
use muji_jingle::pending::PendingRequests;
use muji_xep::extdisco::{self, ExternalService};
use muji_xep::{Skipped, disco, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;

use crate::wall_clock::WallClock;
use crate::{config, timestamp};

#[derive(Debug, Clone)]
enum IceServersQuery {
    Support,
    Services,
    Credentials(ExternalService),
}

/// What is known of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct IceServers {
    /// The server knows such services; `None` before it was asked.
    supported: Option<bool>,
    asked: PendingRequests<IceServersQuery>,
    known: Vec<IceServer>,
    /// When they are asked for again; `None` before they were asked for.
    again: Option<Instant>,
}

/// What follows from an answer.
pub(crate) struct Learned {
    /// What to ask next.
    pub(crate) questions: Vec<Iq>,
    /// The servers, if they are others than before.
    pub(crate) servers: Option<Vec<IceServer>>,
    /// What was left out.
    pub(crate) skipped: Skipped,
}

impl IceServers {
    /// Another stream, maybe with another server.
    pub(crate) fn rebound(&mut self) {
        self.supported = None;
        self.again = None;
        self.asked.clear();
    }

    /// A call begins, or goes on: what to ask, if anything is.
    pub(crate) fn needed(&mut self, now: Instant, ids: &mut Ids, own: &DomainRef) -> Option<Iq> {
        if self.again.is_some_and(|again| now < again) || self.asked.poll_timeout().is_some() {
            return None;
        }
        match self.supported {
            None => Some(self.ask(now, ids, own, IceServersQuery::Support)),
            Some(true) => Some(self.ask(now, ids, own, IceServersQuery::Services)),
            Some(false) => None,
        }
    }

    fn ask(&mut self, now: Instant, ids: &mut Ids, own: &DomainRef, asked: IceServersQuery) -> Iq {
        let payload = match &asked {
            IceServersQuery::Support => Element::bare("query", ns::DISCO_INFO),
            IceServersQuery::Services => extdisco::ask(),
            IceServersQuery::Credentials(service) => extdisco::ask_credentials(service),
        };
        let id = ids.token();
        self.asked.asked(now, &id, asked);
        Iq::Get { from: None, to: Some(Jid::from(BareJid::from_parts(None, own))), id, payload }
    }

    /// The own server answers, `None` for an error. `None` if it was asked nothing with this id.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        clock: WallClock,
        ids: &mut Ids,
        own: &DomainRef,
        id: &str,
        payload: Option<&Element>,
    ) -> Option<Learned> {
        let asked = self.asked.answered(id)?;
        let mut learned = Learned { questions: Vec::new(), servers: None, skipped: Skipped::default() };
        let services = payload.map(|payload| extdisco::read(payload, &mut learned.skipped)).unwrap_or_default();
        match asked {
            IceServersQuery::Support => {
                learned.skipped = Skipped::default(); // It was no list of services.
                let supported = payload.is_some_and(|info| disco::has_feature(info, ns::EXTDISCO));
                self.supported = Some(supported);
                if supported {
                    learned.questions.push(self.ask(now, ids, own, IceServersQuery::Services));
                }
            }
            // What was known may go on being of use.
            IceServersQuery::Services if payload.is_none() => self.again = Some(now + config::SERVERS_LEAST),
            IceServersQuery::Services => {
                self.again = Some(now + config::SERVERS_MOST);
                let before = std::mem::take(&mut self.known);
                let (lacking, whole): (Vec<ExternalService>, Vec<ExternalService>) =
                    services.into_iter().partition(lacks_credentials);
                whole.iter().for_each(|service| self.take(now, clock, service, &mut learned.skipped));
                let room = config::MAX_ICE_SERVERS.saturating_sub(self.known.len());
                let lacking = lacking.into_iter().take(room).map(IceServersQuery::Credentials);
                learned.questions = lacking.map(|asked| self.ask(now, ids, own, asked)).collect();
                learned.servers = (before != self.known).then(|| self.known.clone());
            }
            // An answer may leave out what was in the question.
            IceServersQuery::Credentials(asked) => match services.into_iter().find(|given| given.host == asked.host) {
                Some(given) if !lacks_credentials(&given) => {
                    let ExternalService { username, password, expires, .. } = given;
                    let service = ExternalService { username, password, expires, ..asked };
                    self.take(now, clock, &service, &mut learned.skipped);
                    learned.servers = Some(self.known.clone());
                }
                _ => learned.skipped.note("services", format!("{} gives no credentials", asked.host)),
            },
        }
        Some(learned)
    }

    /// Keeps a service that is of use.
    fn take(&mut self, now: Instant, clock: WallClock, service: &ExternalService, skipped: &mut Skipped) {
        match ice_server(service).filter(|_| self.known.len() < config::MAX_ICE_SERVERS) {
            Some(server) if !self.known.contains(&server) => self.known.push(server),
            Some(_) => {}
            None => {
                let by = service.transport.as_deref().unwrap_or("any way");
                skipped.note("services", format!("{} at {} by {by}", service.kind, service.host));
            }
        }
        if service.password.is_some() {
            let again = now + lasts(now, clock, service) - config::SERVERS_AHEAD;
            self.again = Some(self.again.map_or(again, |earlier| earlier.min(again)));
        }
    }

    /// Forgets what is not answered: a server that says nothing has none.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.asked.expired(now).is_empty() {
            self.again = Some(now + config::SERVERS_LEAST);
        }
    }

    /// When something is due; `needed`: there are calls.
    pub(crate) fn poll_timeout(&self, needed: bool) -> Option<Instant> {
        let asked = self.asked.poll_timeout();
        asked.or_else(|| self.again.filter(|_| needed && self.supported == Some(true) && !self.known.is_empty()))
    }
}

/// How long a service's credentials last.
fn lasts(now: Instant, clock: WallClock, service: &ExternalService) -> Duration {
    let ends = service.expires.as_deref().and_then(timestamp::read);
    let lasts = ends.zip(clock.shows(now)).map(|(ends, wall)| ends.duration_since(wall).unwrap_or_default());
    lasts.unwrap_or(config::SERVERS_MOST).clamp(config::SERVERS_LEAST, config::SERVERS_MOST)
}

fn lacks_credentials(service: &ExternalService) -> bool {
    let relays = matches!(service.kind.as_str(), "turn" | "turns");
    relays && service.restricted && (service.username.is_none() || service.password.is_none())
}

/// A service that an XMPP server names (XEP-0215) as a media layer uses it; `None` for one of another kind, or without its credentials.
#[must_use]
pub fn ice_server(service: &ExternalService) -> Option<IceServer> {
    let secure = matches!(service.kind.as_str(), "stuns" | "turns");
    let by = match (service.transport.as_deref(), secure) {
        (Some("udp") | None, false) => ServerTransport::Udp,
        (Some("tcp"), false) => ServerTransport::Tcp,
        (Some("tcp") | None, true) => ServerTransport::Tls,
        _ => return None, // DTLS among them.
    };
    let kind = match service.kind.as_str() {
        // What a server sees of a stream says nothing of datagrams.
        "stun" if by == ServerTransport::Udp => ServerKind::Stun,
        "turn" | "turns" => {
            let (username, password) = service.username.clone().zip(service.password.clone())?;
            ServerKind::Turn { username, password }
        }
        _ => return None,
    };
    let port = service.port.unwrap_or_else(|| by.usual_port());
    Some(IceServer { kind, by, host: service.host.clone(), port })
}
