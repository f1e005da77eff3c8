//! What may be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use jid::{BareJid, Jid};
use muji_core::xmpp::Server;
use muji_media::bandwidth::Policy;
use muji_media::record::Template;
use serde::Deserialize;

use crate::doctor::Patient;
use crate::exit::Failure;
use crate::network::Network;

const EXAMPLES: &str = "Examples:
  muji-call balcony@conference.example.org --jid romeo@example.org
  muji-call balcony@conference.example.org --jid romeo@example.org --record 'calls/{nick}.webm'
  muji-call balcony@conference.example.org --profile work --audio speech.wav --seconds 60 --expect 3 --json
  muji-call balcony@conference.example.org --jid romeo@example.org --video pattern:c83c28
  muji-call conference.example.org --new --invite juliet@example.org --jid romeo@example.org
  muji-call juliet@example.org --jid romeo@example.org
  muji-call --wait --jid juliet@example.org
  muji-call balcony@conference.localhost --jid romeo@localhost --server localhost:5222 --ca-file ca.pem
";

const NOTES: &str = "The password comes from --password-file, XMPP_PASSWORD, the profile, the keyring, or is asked for; never from an
option. That of a room comes from XMPP_ROOM_PASSWORD, that for --turn from TURN_PASSWORD. What is said here wins over the environment, and that over the profile.

Keys: m mutes and unmutes, v stops and shows pictures, q leaves; of a call that rings a accepts and d declines. Ctrl-C leaves the
call, a second one quits at once.

Exit codes: 0 ok, 1 call failed, 2 usage, 3 login, 4 room, 5 nobody came, 130 interrupted";

/// What is sent if nothing else is said.
#[cfg(feature = "devices")]
const AUDIO: &str = "mic";
#[cfg(not(feature = "devices"))]
const AUDIO: &str = "tone:440";

/// Join the call in an XMPP room, call somebody, or wait to be called.
#[derive(Debug, Parser)]
#[command(name = "muji-call", version, before_help = EXAMPLES, after_help = NOTES)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) other: Option<Other>,

    /// The room, such as balcony@conference.example.org, with --new the service that has it, conference.example.org; or
    /// whom to call, such as juliet@example.org, on all devices or on one, juliet@example.org/phone
    #[arg(required_unless_present = "wait", conflicts_with = "wait")]
    pub(crate) whom: Option<Jid>,

    #[command(flatten)]
    pub(crate) login: Login,

    /// Your name in the room; without it one of chance
    #[arg(long)]
    pub(crate) nick: Option<String>,

    /// Take part in the call inside this chat room, as Movim does, instead of entering a room for the call
    #[arg(long, conflicts_with = "new")]
    pub(crate) in_chat: bool,

    /// Make a room for this call, for members only; its name is told
    #[arg(long)]
    pub(crate) new: bool,

    /// With --new: let this person in; may be given several times
    #[arg(long, value_name = "JID", requires = "new")]
    pub(crate) admit: Vec<BareJid>,

    /// Invite this person to the call, which goes on in a room if it is with one person; may be given several times
    #[arg(long, value_name = "JID", conflicts_with = "wait")]
    pub(crate) invite: Vec<BareJid>,

    /// Wait to be called or invited: a accepts, d declines
    #[arg(long)]
    pub(crate) wait: bool,

    /// With --wait: sit in this chat room, where calls are announced to all; may be given several times
    #[arg(long, value_name = "ROOM", requires = "wait")]
    pub(crate) chat: Vec<BareJid>,

    /// With --wait: end with the first call
    #[arg(long, requires = "wait")]
    pub(crate) once: bool,

    /// With --wait: accept by itself after so many seconds, but not strangers
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    pub(crate) auto_answer: Option<u64>,

    /// With --wait: let people ring who are not among your contacts, and so learn that you are there
    #[arg(long, requires = "wait")]
    pub(crate) anybody: bool,

    /// What is sent: mic, mic:NAME, tone:HZ, a WAV file of 48 kHz and 16 bits, the sound of a WebM file, or none
    #[arg(long, value_name = "WHAT")]
    pub(crate) audio: Option<String>,

    /// What is shown: camera, camera:NAME, pattern, pattern:RRGGBB, FILE.webm, FILE.ivf, FILE.y4m, none to see the others alone
    /// (usual with a window), or off for sound alone (usual without)
    #[arg(long, value_name = "WHAT")]
    pub(crate) video: Option<String>,

    /// What is shown beside it as slides, as --video takes it
    #[arg(long, value_name = "WHAT")]
    pub(crate) screen: Option<String>,

    /// To whom the bit rate of our pictures is fitted: layers, those on slow paths get fewer pictures a second; slowest, all get what
    /// the slowest can carry; or 80%, so many get all, and the others what comes through
    #[arg(long, value_name = "WHOM", value_parser = policy, default_value = "layers")]
    pub(crate) fit: Policy,

    /// Open no window, though there is a screen
    #[cfg(feature = "window")]
    #[arg(long)]
    pub(crate) no_window: bool,

    /// Write what the window shows, or would show, into this file, anew each second of the call
    #[cfg(feature = "window")]
    #[arg(long, value_name = "FILE.png")]
    pub(crate) snapshot: Option<PathBuf>,

    /// Where the others are heard: default, the NAME of a device, or none
    #[arg(long, value_name = "NAME")]
    pub(crate) speaker: Option<String>,

    /// Record everybody, and all as "mix": a file name that holds {nick} and ends in .webm, or in .wav for sound alone
    #[arg(long, value_name = "DIR/{nick}.webm", value_parser = template)]
    pub(crate) record: Option<Template>,

    /// Show once a second how the network fares with each: bit rates, round trip, codecs, pictures that stood still, addresses
    #[arg(long)]
    pub(crate) stats: bool,

    /// Take the whole terminal: everybody with a bar of how loud they are, the network, what happened last
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub(crate) tui: bool,

    /// Leave after so many seconds in the call
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,

    /// Fail unless at least so many others were heard
    #[arg(long, value_name = "N")]
    pub(crate) expect: Option<usize>,

    /// Say everything as JSON, an object a line, on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Say more: what had no effect and how the login went; twice, what the libraries do; three times, all of it
    #[arg(long, short, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Say nothing but errors
    #[arg(long, short, conflicts_with_all = ["verbose", "json"])]
    pub(crate) quiet: bool,

    /// Write every stanza into this file, passwords left out
    #[arg(long, value_name = "FILE.xml")]
    pub(crate) trace: Option<PathBuf>,

    /// Draw the call as a sequence diagram into this file when it is over
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) diagram: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) network: Network,
}

/// Who you are and where your server is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Login {
    /// Your account, such as romeo@example.org
    #[arg(long, env = "XMPP_JID")]
    pub(crate) jid: Option<Jid>,

    /// Take what is not said from this profile of ~/.config/muji-call/config.toml
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// The server, if it is not to be found by the domain of your account
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) server: Option<String>,

    /// How TLS begins there; none only with a server on this machine
    #[arg(long, value_name = "HOW")]
    pub(crate) tls: Option<Tls>,

    /// Trust the authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Read the password from the first line of a file, or of standard input (-)
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Take the password from the system's keyring, where "muji-call remember" puts it
    #[arg(long)]
    pub(crate) keyring: bool,
}

/// How TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tls {
    /// By STARTTLS, as on port 5222
    Starttls,
    /// With the first byte, as on port 5223
    Direct,
    /// Not at all
    None,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Other {
    /// List microphones, loudspeakers and cameras
    #[cfg(any(feature = "devices", feature = "camera"))]
    Devices,
    /// Put a password into the system's keyring
    #[cfg(feature = "keyring")]
    Remember(Login),
    /// Say what would work from here: login, rooms, STUN and TURN; and why a pair failed last time
    Doctor(Box<Patient>),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

fn template(text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|why| why.to_string())
}

fn policy(text: &str) -> Result<Policy, String> {
    let share = || text.strip_suffix('%')?.parse().ok().filter(|share| *share <= 100);
    match text {
        "layers" => Ok(Policy::Layers),
        "slowest" => Ok(Policy::Slowest),
        _ => share().map(Policy::Most).ok_or_else(|| "it is layers, slowest, or a share such as 80%".to_owned()),
    }
}

impl Args {
    /// What is sent.
    pub(crate) fn audio(&self) -> &str {
        self.audio.as_deref().unwrap_or(AUDIO)
    }
}

/// Where the server is.
pub(crate) fn server(place: Option<&str>, tls: Option<Tls>) -> Result<Server, Failure> {
    let Some(place) = place else {
        return match tls {
            None => Ok(Server::Discovered),
            Some(_) => Err(Failure::Usage("--tls says how to speak with --server, which is missing".to_owned())),
        };
    };
    let wrong = || Failure::Usage(format!("--server {place} must look like xmpp.example.org:5222"));
    let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
    let (host, port) = (host.to_owned(), port.parse().map_err(|_| wrong())?);
    Ok(match tls.unwrap_or(Tls::Starttls) {
        Tls::Starttls => Server::StartTls { host, port },
        Tls::Direct => Server::DirectTls { host, port },
        Tls::None => {
            let local = if host == "localhost" { format!("127.0.0.1:{port}") } else { place.to_owned() };
            let address: Result<SocketAddr, _> = local.parse();
            Server::Plaintext(address.map_err(|_| {
                Failure::Usage(format!("without TLS --server takes an address of this machine, not {place}"))
            })?)
        }
    })
}
