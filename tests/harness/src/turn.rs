//! A real TURN server on this machine: coturn on free ports of 127.0.0.1, over UDP, TCP and TLS. It is ended when dropped.

use std::io;

use super::authority::Authority;
use super::process::{Process, found};

/// Who may use it.
pub const USER: &str = "romeo";

/// What proves it.
pub const PASSWORD: &str = "turn-secret-of-romeo";

/// The name that its certificate is for.
pub const NAME: &str = "localhost";

/// A running server.
pub struct Turn {
    process: Process,
}

impl Turn {
    /// Starts it; `None` if it is not installed.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start() -> io::Result<Option<Self>> {
        Self::start_in(None, "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nallow-loopback-peers\n")
    }

    /// Starts it in a network namespace, with these addresses of it as well as its loopback.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_at(place: &str, addresses: &[&str]) -> io::Result<Option<Self>> {
        let own = addresses.iter().map(|address| format!("listening-ip={address}\nrelay-ip={address}\n"));
        let own: String = own.collect();
        Self::start_in(Some(place), &format!("listening-ip=127.0.0.1\n{own}"))
    }

    fn start_in(place: Option<&str>, addresses: &str) -> io::Result<Option<Self>> {
        let Some(program) = found("turnserver") else { return Ok(None) };
        let mut this = Self { process: Process::prepare("coturn", 2)? };
        place.into_iter().for_each(|place| this.process.settle(place));
        let folder = this.process.folder.clone();
        let authority = Authority::new();
        let certified = authority.certify(&[NAME]);
        std::fs::write(folder.join("ca.pem"), authority.pem())?;
        std::fs::write(folder.join("certificate.pem"), certified.certificate)?;
        std::fs::write(folder.join("key.pem"), certified.key)?;
        let text = CONFIG
            .replace("FOLDER", &folder.display().to_string())
            .replace("TLS_PORT", &this.tls_port().to_string())
            .replace("PORT", &this.port().to_string())
            .replace("USER", USER)
            .replace("PASSWORD", PASSWORD);
        std::fs::write(folder.join("turnserver.conf"), format!("{addresses}{text}"))?;
        this.process.script(&format!("exec {} -c {}/turnserver.conf", program.display(), folder.display()))?;
        this.process.start()?;
        Ok(Some(this))
    }

    /// Where it is by UDP and TCP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.process.ports[0]
    }

    /// Where it is within TLS.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.process.ports[1]
    }

    /// The file of the authority that vouches for it.
    #[must_use]
    pub fn authority(&self) -> std::path::PathBuf {
        self.process.folder.join("ca.pem")
    }

    /// What Prosody's `external_services` says of it, at an address of its.
    #[must_use]
    pub fn services(&self, host: &str) -> String {
        let (port, tls) = (self.port(), self.tls_port());
        let mut services = format!("{{ type = \"stun\", host = \"{host}\", port = {port}, transport = \"udp\" }};");
        for (kind, port, by) in [("turn", port, "udp"), ("turn", port, "tcp"), ("turns", tls, "tcp")] {
            services += &format!(
                "{{ type = \"{kind}\", host = \"{host}\", port = {port}, transport = \"{by}\", username = \"{USER}\", password = \"{PASSWORD}\" }};"
            );
        }
        services
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        self.process.signal("-KILL");
    }

    /// Starts it again.
    ///
    /// # Errors
    /// If it does not.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process.start()
    }
}

const CONFIG: &str = "listening-port=PORT
tls-listening-port=TLS_PORT
lt-cred-mech
user=USER:PASSWORD
realm=turn.localhost
cert=FOLDER/certificate.pem
pkey=FOLDER/key.pem
no-cli
no-dtls
no-rfc5780
cli-password=unused
log-file=FOLDER/turn.log
simple-log
userdb=FOLDER/turndb
pidfile=FOLDER/turn.pid
";
