//! Options for the network: addresses, STUN and TURN servers, the transport.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use muji_core::Secret;
use muji_core::media::{IceServer, ServerKind, ServerTransport};
use muji_core::tls::TlsRoots;
use muji_media::backend::{GatherPolicy, NoMedia, Relays};
use muji_media::transport::MakeTransport;

use crate::exit::Failure;
use crate::password;

/// How media travels.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Network {
    /// Use only this address of the machine for media; may be given several times
    #[arg(long, value_name = "IP")]
    pub(crate) bind: Vec<IpAddr>,

    /// Use this STUN server in addition to those that the XMPP server announces; may be given several times
    #[arg(long, value_name = "HOST[:PORT]", value_parser = stun)]
    pub(crate) stun: Vec<IceServer>,

    /// Use this TURN server in addition to those that the XMPP server announces; may be given several times. The password is
    /// read from TURN_PASSWORD or --turn-password-file
    #[arg(long, value_name = "turn:HOST[:PORT][?transport=tcp], turns:HOST", value_parser = turn, requires = "turn_user")]
    pub(crate) turn: Vec<Turn>,

    /// The user name for --turn
    #[arg(long, value_name = "NAME")]
    pub(crate) turn_user: Option<String>,

    /// Read the password for --turn from the first line of this file
    #[arg(long, value_name = "FILE", requires = "turn")]
    pub(crate) turn_password_file: Option<PathBuf>,

    /// Send all media through TURN servers, so that nobody in the call learns your addresses
    #[arg(long, conflicts_with = "no_relay")]
    pub(crate) relay_only: bool,

    /// Never send media through TURN servers
    #[arg(long)]
    pub(crate) no_relay: bool,

    /// Do not announce addresses of private networks, and do not try those of the others
    #[arg(long)]
    pub(crate) hide_private: bool,

    /// The implementation of ICE, DTLS and SRTP
    #[cfg(feature = "webrtc-ice")]
    #[arg(long, value_enum, default_value_t)]
    pub(crate) transport: Kind,
}

/// Which transport.
#[cfg(feature = "webrtc-ice")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// str0m
    #[default]
    Str0m,
    /// webrtc-ice, dtls and webrtc-srtp: DTLS 1.2, no bandwidth estimation
    WebrtcIce,
}

/// A TURN server without its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    by: ServerTransport,
    host: String,
    port: u16,
}

impl Network {
    /// What the media backend may do.
    pub(crate) fn gather_policy(&self, ca_file: Option<&Path>) -> Result<GatherPolicy, Failure> {
        let mut servers = self.stun.clone();
        if let Some(username) = self.turn_user.as_ref().filter(|_| !self.turn.is_empty()) {
            let password = self.password()?;
            servers.extend(self.turn.iter().map(|turn| IceServer {
                kind: ServerKind::Turn { username: username.clone(), password: password.clone() },
                by: turn.by,
                host: turn.host.clone(),
                port: turn.port,
            }));
        }
        let relays = match (self.relay_only, self.no_relay) {
            (true, _) => Relays::Only,
            (_, true) => Relays::Never,
            _ => Relays::Allowed,
        };
        let trust = ca_file.map_or(TlsRoots::System, |file| TlsRoots::Authorities(file.to_owned()));
        Ok(GatherPolicy { servers, relays, private: !self.hide_private, trust })
    }

    /// What makes the transports.
    pub(crate) fn transports(&self) -> Result<MakeTransport, NoMedia> {
        #[cfg(feature = "webrtc-ice")]
        if self.transport == Kind::WebrtcIce {
            return Ok(muji_media::transport::webrtc_ice::WebrtcIce::new()?.maker());
        }
        Ok(muji_media::backend::default_transports()?)
    }

    fn password(&self) -> Result<Secret, Failure> {
        if let Some(path) = &self.turn_password_file {
            return password::first_line(path);
        }
        let password = std::env::var("TURN_PASSWORD");
        password.map(Secret::new).map_err(|_| {
            Failure::Usage("no password for --turn: set TURN_PASSWORD or use --turn-password-file".to_owned())
        })
    }
}

fn stun(text: &str) -> Result<IceServer, String> {
    let (host, port) = host_and_port(text)?;
    let by = ServerTransport::Udp;
    Ok(IceServer { kind: ServerKind::Stun, by, host, port: port.unwrap_or_else(|| by.usual_port()) })
}

/// As URIs name it (RFC 7065).
fn turn(text: &str) -> Result<Turn, String> {
    let (scheme, rest) = text.split_once(':').ok_or("must begin with turn: or turns:")?;
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let by = match (scheme, query) {
        ("turn", None | Some("transport=udp")) => ServerTransport::Udp,
        ("turn", Some("transport=tcp")) => ServerTransport::Tcp,
        ("turns", None | Some("transport=tcp")) => ServerTransport::Tls,
        ("turn" | "turns", Some(other)) => return Err(format!("{other} is not supported")),
        _ => return Err("must begin with turn: or turns:".to_owned()),
    };
    let (host, port) = host_and_port(place)?;
    Ok(Turn { by, host, port: port.unwrap_or_else(|| by.usual_port()) })
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let wrong = || format!("{text} must look like turn.example.org:3478, or [2001:db8::1]:3478 for an IPv6 address");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
    if host.is_empty() { Err(wrong()) } else { Ok((host.to_owned(), port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(ServerTransport, String, u16), String> {
        turn(text).map(|Turn { by, host, port }| (by, host, port))
    }

    #[test]
    fn turn_servers_are_named_as_uris_do() {
        let server = |by, host: &str, port| Ok((by, host.to_owned(), port));
        assert_eq!(read("turn:turn.example"), server(ServerTransport::Udp, "turn.example", 3_478));
        assert_eq!(read("turn:turn.example:99?transport=udp"), server(ServerTransport::Udp, "turn.example", 99));
        assert_eq!(read("turn:192.0.2.1?transport=tcp"), server(ServerTransport::Tcp, "192.0.2.1", 3_478));
        assert_eq!(read("turns:turn.example"), server(ServerTransport::Tls, "turn.example", 5_349));
        assert_eq!(read("turn:[2001:db8::1]:3479"), server(ServerTransport::Udp, "2001:db8::1", 3_479));
        assert_eq!(read("turn:[2001:db8::1]"), server(ServerTransport::Udp, "2001:db8::1", 3_478));
        for wrong in ["turn.example", "stun:turn.example", "turn:", "turn:x:y", "turn:[::1", "turns:x?transport=udp"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stun_server_is_a_host_with_a_port_or_without() {
        assert_eq!(
            stun("stun.example").map(|server| (server.host, server.port)),
            Ok(("stun.example".to_owned(), 3_478))
        );
        assert_eq!(stun("[::1]:19302").map(|server| (server.host, server.port)), Ok(("::1".to_owned(), 19_302)));
    }
}
