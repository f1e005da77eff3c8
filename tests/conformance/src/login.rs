//! The account with which the suite logs in on a real server.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use jid::{BareJid, Jid};
use muji_core::xmpp::{Account, Server, TlsRoots};
use muji_xep::Secret;

/// Longest password file that is read; a wrong file should not fill the memory.
const MAX_PASSWORD: u64 = 4_096;

/// The account and the room.
#[derive(Debug, clap::Args)]
pub(crate) struct Login {
    /// With --subject none: the account of the suite, not of the client. The password is read from --password-file or
    /// XMPP_PASSWORD, or the program asks for it
    #[arg(long)]
    pub(crate) jid: Option<Jid>,

    /// With --subject none: the room in which suite and client meet
    #[arg(long)]
    pub(crate) room: Option<BareJid>,

    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// The server, with STARTTLS [default: found by the domain of the account]
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,

    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Login {
    /// The account, for `--subject none`.
    pub(crate) fn account(&self) -> Result<(Account, BareJid), String> {
        let (Some(jid), Some(room)) = (&self.jid, &self.room) else {
            return Err("--subject none needs --jid, an account, and --room, where to meet".to_owned());
        };
        let account = Account {
            server: self.server.as_deref().map_or(Ok(Server::Discovered), server)?,
            trust: self.ca_file.clone().map_or(TlsRoots::System, TlsRoots::Authorities),
            ..Account::new(jid.clone(), self.password(jid)?)
        };
        Ok((account, room.clone()))
    }

    fn password(&self, jid: &Jid) -> Result<Secret, String> {
        if let Some(file) = &self.password_file {
            return first_line(file).map(Secret::new).map_err(|why| format!("{}: {why}", file.display()));
        }
        if let Ok(password) = std::env::var("XMPP_PASSWORD") {
            return Ok(Secret::new(password));
        }
        let asked = rpassword::prompt_password(format!("Password of {jid}: "));
        asked.map(Secret::new).map_err(|why| {
            format!("no password: set XMPP_PASSWORD, use --password-file, or run the program in a terminal ({why})")
        })
    }
}

fn server(place: &str) -> Result<Server, String> {
    let parted = place.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let (host, port) = parted.ok_or_else(|| format!("--server {place} must look like xmpp.example.org:5222"))?;
    Ok(Server::StartTls { host, port })
}

fn first_line(file: &Path) -> std::io::Result<String> {
    let line = BufReader::new(std::fs::File::open(file)?.take(MAX_PASSWORD)).lines().next();
    line.unwrap_or_else(|| Ok(String::new()))
}
