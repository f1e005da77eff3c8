//! What may be said on the command line and in the environment.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Parser;
use jid::{BareJid, Jid};
use muji_core::xmpp::Password;
use muji_media::device::Source;
use muji_media::device::tone::Tone;
use muji_media::device::wav::WavSource;

use crate::exit::Failure;

const EXAMPLES: &str = "Examples:
  XMPP_PASSWORD=secret muji-call balcony@conference.localhost --jid romeo@localhost
  muji-call balcony@conference.localhost --jid romeo@localhost --audio speech.wav --record recordings
  muji-call balcony@conference.localhost --jid romeo@localhost --seconds 10 --expect 3 --json

The password comes from XMPP_PASSWORD, from --password-file, or is asked for; that of a room from XMPP_ROOM_PASSWORD.
Ctrl-C leaves the call, a second one quits at once.

Exit codes: 0 ok, 1 call failed, 2 usage, 3 login, 4 room, 5 nobody came, 130 interrupted";

/// Join the call in an XMPP room.
#[derive(Debug, Parser)]
#[command(name = "muji-call", version, before_help = EXAMPLES)]
pub(crate) struct Args {
    /// The room, such as balcony@conference.example.org
    pub(crate) room: BareJid,

    /// Your account, such as romeo@example.org
    #[arg(long)]
    pub(crate) jid: Jid,

    /// The server's address. This version speaks without TLS, so it must be on this machine
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5222")]
    pub(crate) server: SocketAddr,

    /// Read the password from the first line of a file, or of standard input (-)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Your name in the room; without it one of chance
    #[arg(long)]
    pub(crate) nick: Option<String>,

    /// What is sent: tone:HZ, a WAV file of 48 kHz and 16 bits, or none
    #[arg(long, value_name = "WHAT", default_value = "tone:440")]
    audio: String,

    /// Record everybody and the mix as WAV files into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,

    /// Leave after so many seconds in the call
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,

    /// Fail unless at least so many others were heard
    #[arg(long, value_name = "N")]
    pub(crate) expect: Option<usize>,

    /// Say everything as JSON, an object a line, on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Write every stanza into this file, passwords left out
    #[arg(long, value_name = "FILE.xml")]
    pub(crate) trace: Option<PathBuf>,

    /// Use only this address of the machine for media; may be given several times
    #[arg(long, value_name = "IP")]
    pub(crate) bind: Vec<IpAddr>,
}

impl Args {
    /// The password, by file, environment or question.
    pub(crate) fn password(&self) -> Result<Password, Failure> {
        if let Some(path) = &self.password_file {
            return first_line(path).map(Password::new);
        }
        if let Ok(password) = std::env::var("XMPP_PASSWORD") {
            return Ok(Password::new(password));
        }
        let asked = rpassword::prompt_password(format!("Password of {}: ", self.jid));
        asked.map(Password::new).map_err(|why| {
            Failure::Usage(format!(
                "no password: set XMPP_PASSWORD, or give --password-file, or run it in a terminal ({why})"
            ))
        })
    }

    /// What is sent.
    pub(crate) fn source(&self) -> Result<Option<Box<dyn Source>>, Failure> {
        if self.audio == "none" {
            return Ok(None);
        }
        if let Some(frequency) = self.audio.strip_prefix("tone:") {
            let frequency = frequency.parse().ok().filter(|hz| (20.0..=20_000.0).contains(hz));
            let hz = frequency.ok_or_else(|| Failure::Usage("--audio tone:HZ takes 20 to 20000".to_owned()))?;
            return Ok(Some(Box::new(Tone::new(hz))));
        }
        match WavSource::open(Path::new(&self.audio)) {
            Ok(source) => Ok(Some(Box::new(source))),
            Err(why) => Err(Failure::Usage(why.to_string())),
        }
    }
}

/// Longest password file that is read; a wrong file should not fill the memory.
const MAX_PASSWORD: u64 = 4_096;

fn first_line(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(MAX_PASSWORD).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_PASSWORD).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text.lines().next().unwrap_or_default().to_owned()),
        Err(why) => Err(Failure::Usage(format!("{} cannot be read: {why}", path.display()))),
    }
}
