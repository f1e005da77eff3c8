//! Real XMPP servers on this machine: Prosody and ejabberd, each on free ports of 127.0.0.1, with a certificate by an
//! authority of the test's own. They end with the value.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use super::authority::Authority;
use super::process::{Process, STOP, found, free_port};

/// Accounts on every server.
pub const PEOPLE: [&str; 6] = ["romeo", "juliet", "mercutio", "benvolio", "nurse", "tybalt"];

/// One more, whom nobody has among the contacts.
pub const STRANGER: &str = "paris";

/// For so many seconds a server waits for somebody whose connection broke, before the rooms learn of it. Usually it is minutes, which
/// no test should wait.
pub const HIBERNATION: u64 = 10;

/// Where Debian has ejabberd's code.
const ERLANG: &str = "/usr/lib/x86_64-linux-gnu";

/// What a Prosody is for.
struct Part<'a> {
    domain: &'static str,
    rooms: &'a str,
    services: &'a str,
    federates: bool,
    /// For clients that take for granted what servers usually have.
    home: bool,
    /// Where, for clients that know one port alone.
    port: Option<u16>,
    /// For clients in browsers: over WebSocket too (RFC 7395).
    websocket: bool,
}

/// A Prosody that is nothing more.
const USUAL: Part<'static> = Part {
    domain: "prosody.localhost",
    rooms: "conference.prosody.localhost",
    services: "",
    federates: false,
    home: false,
    port: None,
    websocket: false,
};

/// A running server.
pub struct RealServer {
    /// Its domain; rooms are at `conference.` and it.
    pub domain: &'static str,
    /// For STARTTLS.
    pub port: u16,
    /// For TLS from the first byte.
    pub direct_port: u16,
    process: Process,
}

impl RealServer {
    /// Prosody; `None` if it is not installed.
    ///
    /// # Errors
    /// If it does not start.
    pub fn prosody(password: &str) -> io::Result<Option<Self>> {
        Self::prosody_in(None, password, "")
    }

    /// Prosody in a network namespace, where it listens at every address, knowing `services`: the entries of its
    /// `external_services` (XEP-0215).
    ///
    /// # Errors
    /// If it does not start.
    pub fn prosody_in(place: Option<&str>, password: &str, services: &str) -> io::Result<Option<Self>> {
        Self::prosody_as(place, password, &Part { services, ..USUAL })
    }

    /// Prosody all of whose accounts are contacts of each other, and members of [`Self::chat_room`]; what is said stands in
    /// [`Self::wire`].
    ///
    /// # Errors
    /// If it does not start.
    pub fn prosody_of_friends(password: &str) -> io::Result<Option<Self>> {
        Self::prosody_as(None, password, &Part { home: true, ..USUAL })
    }

    /// The same, which clients reach over WebSocket too.
    ///
    /// # Errors
    /// If it does not start.
    pub fn prosody_for_browsers(password: &str) -> io::Result<Option<Self>> {
        Self::prosody_as(None, password, &Part { home: true, websocket: true, ..USUAL })
    }

    /// The same in a network namespace at the usual port, for clients that know no other.
    ///
    /// # Errors
    /// If it does not start.
    pub fn prosody_at_home(place: &str, password: &str) -> io::Result<Option<Self>> {
        Self::prosody_as(Some(place), password, &Part { home: true, port: Some(5_222), ..USUAL })
    }

    /// Prosody in a network namespace that speaks with other servers. Its domain and that of its rooms, if it has any, are its
    /// addresses there: so the others find it without DNS.
    ///
    /// # Errors
    /// If it does not start.
    pub fn federated(place: &str, password: &str, domain: &'static str, rooms: &str) -> io::Result<Option<Self>> {
        Self::prosody_as(Some(place), password, &Part { domain, rooms, federates: true, ..USUAL })
    }

    fn prosody_as(place: Option<&str>, password: &str, part: &Part<'_>) -> io::Result<Option<Self>> {
        let Some(program) = found("prosody") else { return Ok(None) };
        let Part { domain, rooms, services, federates, home, port, websocket } = *part;
        let mut this = Self::prepare(domain, rooms, if websocket { 3 } else { 2 })?;
        if let Some(port) = port {
            this.port = port;
            this.process.ports[0] = port;
        }
        for (name, text) in MODULES {
            std::fs::write(this.process.folder.join(format!("mod_{name}.lua")), text)?;
        }
        let contacts = PEOPLE.iter().map(|name| format!("{name}@{domain}={name}\n")).collect::<String>();
        std::fs::write(this.process.folder.join("contacts"), format!("[everybody]\n{contacts}"))?;
        place.into_iter().for_each(|place| this.process.settle(place));
        for name in PEOPLE.into_iter().chain([STRANGER]) {
            this.register(name, password)?;
        }
        let folder = this.process.folder.display();
        let text = PROSODY
            .replace("FOLDER", &folder.to_string())
            .replace("BESIDE", if federates { FEDERATED } else { ALONE })
            .replace("OF_THE_ROOMS", if home { OF_THE_ROOMS } else { "" })
            .replace("OF_HOME", if home { OF_HOME } else { "" })
            .replace("OVER_WEBSOCKET", if websocket { OVER_WEBSOCKET } else { "" })
            .replace("WEB_PORTS", &this.process.ports[2..].iter().map(u16::to_string).collect::<String>())
            .replace("CHAT", CHAT)
            .replace("MEMBERS", &PEOPLE.map(|name| format!("{name:?}")).join(", "))
            .replace("ROOMS", rooms)
            .replace("DOMAIN", domain)
            .replace("HIBERNATION", &HIBERNATION.to_string())
            .replace("DIRECT", &this.direct_port.to_string())
            .replace("PORT", &this.port.to_string())
            .replace("INTERFACE", if place.is_some() { "\"*\", \"::\"" } else { "\"127.0.0.1\"" })
            .replace("SERVICES", services);
        std::fs::write(this.process.folder.join("prosody.cfg.lua"), text)?;
        this.process.script(&format!("exec {} --config {folder}/prosody.cfg.lua -F", program.display()))?;
        this.start()?;
        Ok(Some(this))
    }

    /// ejabberd; `None` if it is not installed.
    ///
    /// # Errors
    /// If it does not start.
    pub fn ejabberd(password: &str) -> io::Result<Option<Self>> {
        let code = std::fs::read_dir(ERLANG).into_iter().flatten().flatten().map(|entry| entry.path());
        let code = code.map(|path| path.join("ebin/ejabberd.app")).find(|path| path.exists());
        let (Some(erl), Some(code)) = (found("erl"), code) else { return Ok(None) };
        let mut this = Self::prepare("ejabberd.localhost", "conference.ejabberd.localhost", 2)?;
        let api = free_port()?;
        let folder = this.process.folder.display().to_string();
        let text = EJABBERD
            .replace("FOLDER", &folder)
            .replace("DOMAIN", this.domain)
            .replace("HIBERNATION", &HIBERNATION.to_string())
            .replace("DIRECT", &this.direct_port.to_string())
            .replace("API", &api.to_string())
            .replace("PORT", &this.port.to_string());
        std::fs::write(this.process.folder.join("ejabberd.yml"), text)?;
        let code = code.parent().unwrap_or_else(|| Path::new(ERLANG)).display().to_string();
        // Without epmd and without a node's name: nothing of it outlives the test, and two never meet.
        this.process.script(&format!(
            "export HOME={folder} EJABBERD_CONFIG_PATH={folder}/ejabberd.yml EJABBERD_LOG_PATH={folder}/ejabberd.log
export ERL_LIBS={ERLANG}:/usr/lib/erlang/lib
exec {} -noinput -boot start_clean -pa {code} +S 1:1 -mnesia dir '\"{folder}/spool\"' -s ejabberd",
            erl.display()
        ))?;
        this.start()?;
        this.process.answers(api)?;
        for name in PEOPLE {
            let account = format!("{{\"user\":\"{name}\",\"host\":\"{}\",\"password\":{password:?}}}", this.domain);
            post(api, "/api/register", &account)?;
        }
        Ok(Some(this))
    }

    fn prepare(domain: &'static str, rooms: &str, ports: usize) -> io::Result<Self> {
        let process = Process::prepare(domain, ports)?;
        let folder = &process.folder;
        std::fs::create_dir_all(folder.join("certs"))?;
        let authority = Authority::new();
        let certified = authority.certify(&[domain, rooms]);
        std::fs::write(folder.join("ca.pem"), authority.pem())?;
        for name in [domain, rooms] {
            std::fs::write(folder.join("certs").join(format!("{name}.crt")), &certified.certificate)?;
            std::fs::write(folder.join("certs").join(format!("{name}.key")), &certified.key)?;
        }
        std::fs::write(folder.join("both.pem"), certified.certificate + &certified.key)?;
        let [port, direct_port, ..] = process.ports[..] else { unreachable!("two were asked for") };
        Ok(Self { domain, port, direct_port, process })
    }

    /// Starts it, again if it was killed, and waits until it listens.
    ///
    /// # Errors
    /// If it ends at once, or does not listen in time.
    pub fn start(&mut self) -> io::Result<()> {
        self.process.start()
    }

    /// Makes another account on Prosody, also while it runs: tests that share a server do not ring each other's people. The name
    /// has letters and digits alone, as it is that of a file.
    ///
    /// # Errors
    /// If the file of the account cannot be written.
    pub fn register(&self, name: &str, password: &str) -> io::Result<()> {
        let accounts = self.process.folder.join("data").join(self.domain.replace('.', "%2e")).join("accounts");
        std::fs::create_dir_all(&accounts)?;
        std::fs::write(accounts.join(format!("{name}.dat")), format!("return {{ password = {password:?} }};\n"))
    }

    /// Where to reach it with STARTTLS.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where to reach it with TLS from the first byte.
    #[must_use]
    pub fn direct_address(&self) -> String {
        format!("127.0.0.1:{}", self.direct_port)
    }

    /// Where browsers reach it, if they do.
    #[must_use]
    pub fn websocket(&self) -> Option<String> {
        self.process.ports.get(2).map(|port| format!("ws://127.0.0.1:{port}/xmpp-websocket"))
    }

    /// The file of the authority that vouches for it.
    #[must_use]
    pub fn authority(&self) -> String {
        self.process.folder.join("ca.pem").display().to_string()
    }

    /// At home: a room for members, in which all are and see each other's JIDs.
    #[must_use]
    pub fn chat_room(&self) -> String {
        format!("{CHAT}@conference.{}", self.domain)
    }

    /// At home: the file in which stands what every client said and heard.
    #[must_use]
    pub fn wire(&self) -> PathBuf {
        self.process.folder.join("wire.xml")
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        self.process.signal("-KILL");
    }
}

fn post(port: u16, path: &str, body: &str) -> io::Result<()> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(STOP))?;
    write!(
        socket,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(io::Error::other(answer)) }
}

/// Nobody else is there.
const ALONE: &str = "modules_disabled = { \"s2s\" }; s2s_ports = {}";

/// Other servers are, whom nobody vouches for but their addresses (XEP-0220).
const FEDERATED: &str = "s2s_ports = { 5269 }; s2s_require_encryption = false; s2s_secure_auth = false";

const PROSODY: &str = r#"
pidfile = "FOLDER/prosody.pid"; data_path = "FOLDER/data"; run_as_root = true; daemonize = false
log = { { levels = { min = "info" }; to = "file"; filename = "FOLDER/prosody.log" } }
modules_enabled = { "disco"; "roster"; "saslauth"; "tls"; "carbons"; "pep"; "smacks"; "ping"; "posix"; "external_services"; "dialback" OF_HOME OVER_WEBSOCKET }
plugin_paths = { "FOLDER" }; wire = "FOLDER/wire.xml"; groups_file = "FOLDER/contacts"
BESIDE
authentication = "internal_plain"
c2s_require_encryption = false
smacks_hibernation_time = HIBERNATION
interfaces = { INTERFACE }
external_services = { SERVICES }
c2s_ports = { PORT }; c2s_direct_tls_ports = { DIRECT }; http_ports = { WEB_PORTS }; https_ports = {}
consider_websocket_secure = true; http_default_host = "DOMAIN"
certificates = "certs"
c2s_direct_tls_ssl = { key = "FOLDER/certs/DOMAIN.key"; certificate = "FOLDER/certs/DOMAIN.crt" }
limits = {}
VirtualHost "DOMAIN"
Component "ROOMS" "muc"
  restrict_room_creation = false
OF_THE_ROOMS
"#;

/// What a server at home can beside.
const OF_HOME: &str = r#"; "groups"; "bookmarks"; "wire""#;

/// For browsers: without TLS, since they would not trust an authority of the test's own.
const OVER_WEBSOCKET: &str = r#"; "websocket""#;

/// What its rooms can.
const OF_THE_ROOMS: &str = r#"  modules_enabled = { "chat_room" }
  chat_room = "CHAT"; chat_members = { MEMBERS }; chat_domain = "DOMAIN""#;

/// The chat room's name.
const CHAT: &str = "verona";

/// Our own modules for Prosody.
const MODULES: [(&str, &str); 2] =
    [("chat_room", include_str!("prosody/mod_chat_room.lua")), ("wire", include_str!("prosody/mod_wire.lua"))];

const EJABBERD: &str = r#"
loglevel: info
hosts: ["DOMAIN"]
certfiles: ["FOLDER/both.pem"]
ca_file: "FOLDER/ca.pem"
auth_method: internal
listen:
  - {port: PORT, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true}
  - {port: DIRECT, ip: "127.0.0.1", module: ejabberd_c2s, tls: true}
  - {port: API, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {/api: mod_http_api}}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}, c2s: {allow: all}}
api_permissions: {"tests": {from: [mod_http_api], who: {ip: [127.0.0.0/8]}, what: "register"}}
modules:
  mod_carboncopy: {}
  mod_disco: {}
  mod_muc: {host: "conference.@HOST@", access_create: local}
  mod_ping: {}
  mod_roster: {}
  mod_stream_mgmt: {resume_timeout: HIBERNATION}
"#;
