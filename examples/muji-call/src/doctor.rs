//! `muji-call doctor`: checks login, room service, STUN and TURN servers, and shows why a connection failed last.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jid::{BareJid, Jid};
use muji_core::media::{IceServer, ServerKind, ServerTransport, ice_server};
use muji_core::stanza;
use muji_core::xmpp::{Connection, Incoming};
use muji_media::backend::{Attempt, local_addresses, probe};
use muji_xep::{Element, Skipped, disco, extdisco, ns};
use tokio::time::timeout;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::StanzaError;

use crate::args::Login;
use crate::exit::Failure;
use crate::network::Network;
use crate::run::account;

/// What to check.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) login: Login,

    #[command(flatten)]
    network: Network,
}

/// A server that does not answer within this answers no call either.
const ANSWER: Duration = Duration::from_secs(10);

/// Services that are asked whether rooms can be made there.
const MAX_SERVICES: usize = 16;

/// Prints what works, one line a matter; the failures are among them.
pub(crate) async fn check(options: DoctorArgs) -> Result<(), Failure> {
    let addresses = if options.network.bind.is_empty() { local_addresses() } else { options.network.bind.clone() };
    say("addresses", &addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let account = account(&options.login)?;
    let own = account.jid.domain().to_string();
    let mut client = Connection::open(account).await?;
    let login = client.login();
    let tls = if login.encrypted { "encrypted" } else { "not encrypted" };
    say("login", &format!("ok: {}, {tls}, {}", login.server, login.mechanism.name()));
    rooms(&mut client, &own).await;
    let mut servers = discovered(&mut client, &own).await;
    let gather_policy = options.network.gather_policy(options.login.ca_file.as_deref())?;
    servers.extend(gather_policy.servers);
    let _slow = timeout(ANSWER, client.close()).await.is_err();
    let mut asked = tokio::task::JoinSet::new();
    for (index, server) in servers.iter().cloned().enumerate() {
        let (addresses, trust) = (addresses.clone(), gather_policy.trust.clone());
        asked.spawn(async move { (index, probe(server, addresses, trust).await) });
    }
    let mut outcomes = asked.join_all().await;
    outcomes.sort_by_key(|(index, _)| *index);
    let outcomes: Vec<Outcome> =
        outcomes.into_iter().map(|(index, found)| Outcome::of(&servers[index], found)).collect();
    outcomes.iter().for_each(|outcome| say(&outcome.what, &outcome.found));
    say("from here", &verdict(&outcomes));
    say("last failure", &last_failure().unwrap_or_else(|| "none recorded".to_owned()));
    Ok(())
}

fn say(what: &str, found: &str) {
    crate::output::line(format_args!("{what:<16} {found}"));
}

/// What a server said.
struct Outcome {
    what: String,
    found: String,
    kind: Kind,
    works: bool,
    /// How it sees us, each of our sockets.
    seen: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stun,
    Turn(ServerTransport),
}

impl Outcome {
    fn of(server: &IceServer, found: Result<Vec<Attempt>, String>) -> Self {
        let kind = match server.kind {
            ServerKind::Stun => Kind::Stun,
            ServerKind::Turn { .. } => Kind::Turn(server.by),
        };
        let what = match kind {
            Kind::Stun => "STUN".to_owned(),
            Kind::Turn(by) => format!("TURN by {by}"),
        };
        let name = format!("{}:{}", server.host, server.port);
        let attempts = match found {
            Ok(attempts) => attempts,
            Err(why) => {
                return Self { what, found: format!("{name}: {why}"), kind, works: false, seen: Vec::new() };
            }
        };
        // A TURN server is asked how it sees us too; here only what it relays counts.
        let own = |attempt: &&Attempt| attempt.what.starts_with("TURN") == (kind != Kind::Stun);
        let given: Vec<SocketAddr> =
            attempts.iter().filter(own).filter_map(|attempt| attempt.outcome.clone()?.ok()).collect();
        let why = attempts.iter().filter(own).find_map(|attempt| attempt.outcome.clone()?.err());
        let seen = if kind == Kind::Stun { given.clone() } else { Vec::new() };
        let found = match (given.first(), kind) {
            (Some(address), Kind::Stun) => format!("{name} sees this machine as {address}"),
            (Some(address), Kind::Turn(_)) => format!("{name} relays from {address}"),
            (None, _) => format!("{name}: {}", why.unwrap_or_else(|| "no answer".to_owned())),
        };
        Self { what, found, kind, works: !given.is_empty(), seen }
    }
}

/// What can be expected of calls.
fn verdict(outcomes: &[Outcome]) -> String {
    let relays: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| match outcome.kind {
            Kind::Turn(by) if outcome.works => Some(by.to_string()),
            Kind::Turn(_) | Kind::Stun => None,
        })
        .collect();
    let seen = outcomes.iter().flat_map(|outcome| &outcome.seen).count();
    let directly = match seen {
        0 => "direct connections work only within this network or over IPv6",
        _ => "direct connections work to many networks",
    };
    match relays.is_empty() {
        true => format!("{directly}; where they do not, calls fail, since no TURN server works"),
        false => format!("{directly}; all others are reached through a TURN relay ({})", relays.join(", ")),
    }
}

async fn rooms(client: &mut Connection, own: &str) {
    let items = ask(client, own, Element::bare("query", ns::DISCO_ITEMS)).await;
    let items = match items {
        Ok(items) => items,
        Err(why) => return say("rooms", &format!("the server does not list its services: {why}")),
    };
    for service in disco::services(&items).take(MAX_SERVICES) {
        let service = service.to_string();
        let info = ask(client, &service, Element::bare("query", ns::DISCO_INFO)).await;
        if info.is_ok_and(|info| disco::has_rooms(&info)) {
            return say("rooms", &format!("can be made at {service}"));
        }
    }
    say("rooms", "this server has no room service: a call of more than two needs a room elsewhere");
}

/// The servers that the XMPP server knows.
async fn discovered(client: &mut Connection, own: &str) -> Vec<IceServer> {
    let answer = match ask(client, own, extdisco::ask()).await {
        Ok(answer) => answer,
        Err(why) => {
            say("XEP-0215", &format!("the XMPP server announces no STUN or TURN servers: {why}"));
            return Vec::new();
        }
    };
    let mut skipped = Skipped::default();
    let services = extdisco::read(&answer, &mut skipped);
    let servers: Vec<IceServer> = services.iter().filter_map(ice_server).collect();
    let unusable = services.len() - servers.len();
    let others = if unusable == 0 { String::new() } else { format!(", and {unusable} that cannot be used here") };
    say("XEP-0215", &format!("the XMPP server announces {} STUN and TURN servers{others}", servers.len()));
    servers
}

/// What somebody answers, or why there is no answer.
async fn ask(client: &mut Connection, whom: &str, payload: Element) -> Result<Element, String> {
    let to: BareJid = whom.parse().map_err(|_| format!("{whom} is no JID"))?;
    let id = format!("doctor-{}", payload.ns());
    let question = Iq::Get { from: None, to: Some(Jid::from(to.clone())), id: id.clone(), payload };
    client.send(question).await;
    let answer = async {
        loop {
            match client.next().await {
                Incoming::Stanza(stanza) => match stanza::read(&stanza) {
                    Ok(Stanza::Iq(Iq::Result { from, id: of, payload, .. }))
                        if of == id && is_from(from.as_ref(), &to) =>
                    {
                        return payload.ok_or_else(|| "an empty answer".to_owned());
                    }
                    Ok(Stanza::Iq(Iq::Error { from, id: of, error, .. }))
                        if of == id && is_from(from.as_ref(), &to) =>
                    {
                        return Err(condition(&error));
                    }
                    Ok(_) | Err(_) => {} // Something else.
                },
                Incoming::Over(why) => return Err(why.to_string()),
                Incoming::Bound(_) | Incoming::Lost(_) | Incoming::Resumed | Incoming::Unsent(_) => {}
            }
        }
    };
    timeout(ANSWER, answer).await.unwrap_or_else(|_| Err("no answer".to_owned()))
}

/// The name of an error's condition, such as service-unavailable.
fn condition(error: &StanzaError) -> String {
    Element::from(error.defined_condition.clone()).name().to_owned()
}

fn is_from(from: Option<&Jid>, to: &BareJid) -> bool {
    from.is_none_or(|from| *from == *to)
}

/// Where the last failure of a pair is kept for the next look: `~/.local/state/muji-call/last-failure`.
fn place() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    Some(state.or_else(home)?.join("muji-call").join("last-failure"))
}

fn last_failure() -> Option<String> {
    std::fs::read_to_string(place()?).ok().map(|text| text.trim().to_owned())
}

/// Keeps why a pair failed. Without a place for it nothing is kept.
pub(crate) fn remember(nick: &str, why: &str) {
    let Some(place) = place() else { return };
    let _nowhere = place.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_err());
    let _nowhere = std::fs::write(place, format!("{nick}: {why}\n")).is_err();
}
