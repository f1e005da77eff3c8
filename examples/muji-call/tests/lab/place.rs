//! An internet with its servers, and people at sites of it.

use std::time::Duration;

use muji_harness::network::{Access, Host, Network, SERVER, SERVER6};
use muji_harness::real_server::RealServer;
use muji_harness::turn::Turn;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::support::*;

/// What a test waits for at most, unless it says otherwise.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// An internet with an XMPP server, and a TURN server that it knows.
pub(crate) struct Internet {
    pub(crate) net: Network,
    pub(crate) xmpp: RealServer,
    _turn: Option<Turn>,
}

impl Internet {
    /// `None` if it cannot be: it is said why.
    pub(crate) fn new(relays: bool) -> Option<Self> {
        let net = match Network::new().unwrap_or_else(|why| panic!("{why}")) {
            Ok(net) => net,
            Err(why) => {
                skipped(&why);
                return None;
            }
        };
        let turn =
            relays.then(|| Turn::start_at(net.place(), &[SERVER, SERVER6]).unwrap_or_else(|why| panic!("{why}")));
        let turn = match turn {
            Some(None) => {
                skipped("coturn is not installed");
                return None;
            }
            Some(turn) => turn,
            None => None,
        };
        let services = turn.as_ref().map(|turn| turn.services(SERVER) + &turn.services(SERVER6)).unwrap_or_default();
        let xmpp = RealServer::prosody_in(Some(net.place()), PASSWORD, &services).unwrap_or_else(|why| panic!("{why}"));
        let Some(xmpp) = xmpp else {
            skipped("Prosody is not installed");
            return None;
        };
        Some(Self { net, xmpp, _turn: turn })
    }

    pub(crate) fn site(&mut self, access: Access) -> Host {
        self.net.site(access).unwrap_or_else(|why| panic!("{access:?}: {why}"))
    }

    /// The program for somebody at a site, in the call of the room.
    pub(crate) fn call(&self, site: &Host, name: &str, more: &[&str]) -> Command {
        let room = format!("balcony@conference.{}", self.xmpp.domain);
        self.call_to(&room, site, name, &[&["--nick", name], more].concat())
    }

    /// The program for somebody at a site, who calls a room or somebody.
    pub(crate) fn call_to(&self, whom: &str, site: &Host, name: &str, more: &[&str]) -> Command {
        let host = if site.address.contains(':') { SERVER6.to_owned() } else { SERVER.to_owned() };
        let (jid, server) = (format!("{name}@{}", self.xmpp.domain), format!("{host}:{}", self.xmpp.port));
        let authority = self.xmpp.authority();
        let mut arguments = vec![whom, "--jid", &jid, "--server", &server];
        arguments.extend(["--ca-file", &authority, "--json", "--no-window"]);
        arguments.extend(more);
        at(site, &program(&arguments))
    }
}

/// The same program at a site.
pub(crate) fn at(site: &Host, inner: &Command) -> Command {
    through(site.command("env"), inner)
}

/// Waits for an event of which this is so.
pub(crate) async fn event(child: &mut Child, limit: Duration, is: impl Fn(&Value) -> bool) -> Option<Value> {
    let search = async {
        while let Some(line) = next_line(child).await {
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line} is no JSON"));
            if is(&event) {
                return Some(event);
            }
        }
        None
    };
    tokio::time::timeout(limit, search).await.ok().flatten()
}

/// A line of the table that is printed at the end of a test.
pub(crate) fn told(what: &str, result: &str) {
    println!("lab | {what} | {result}");
}
