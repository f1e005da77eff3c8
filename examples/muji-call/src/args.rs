//! The command line: options, subcommands, help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use jid::{BareJid, Jid};
use muji_core::xmpp::Server;
use muji_media::backend::{BandwidthPolicy, RecordingTemplate};
use serde::Deserialize;

use crate::doctor::DoctorArgs;
use crate::exit::Failure;
use crate::network::Network;
use crate::serve::ServeArgs;

const EXAMPLES: &str = "Examples:
  muji-call balcony@conference.example.org --jid romeo@example.org
  muji-call balcony@conference.example.org --jid romeo@example.org --record 'calls/{nick}.webm'
  muji-call balcony@conference.example.org --profile work --audio speech.wav --seconds 60 --expect 3 --json
  muji-call balcony@conference.example.org --jid romeo@example.org --video pattern:c83c28
  muji-call conference.example.org --new --invite juliet@example.org --jid romeo@example.org
  muji-call juliet@example.org --jid romeo@example.org
  muji-call --wait --jid juliet@example.org
  muji-call balcony@conference.example.org --bridge --jid phone@example.org --dial nurse@example.org
  muji-call balcony@conference.localhost --jid romeo@localhost --server localhost:5222 --ca-file ca.pem
";

const NOTES: &str = "The account's password is read from --password-file, XMPP_PASSWORD, the profile's password file or the keyring, or the program asks for
it; no option takes it. A room's password is read from XMPP_ROOM_PASSWORD, the one for --turn from TURN_PASSWORD. Options override the
environment, and the environment overrides the profile.

Keys: m mutes and unmutes the microphone, v turns the camera off and on, q leaves; while a call rings, a accepts and d declines it. Ctrl-C
leaves the call, a second Ctrl-C quits at once.

Exit codes: 0 ok, 1 call failed, 2 usage, 3 login, 4 room, 5 nobody came, 130 interrupted";

/// What is sent without --audio.
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

    /// The room, such as balcony@conference.example.org; with --new the service that hosts it, such as
    /// conference.example.org; or the person to call, such as juliet@example.org for all devices and
    /// juliet@example.org/phone for one
    #[arg(required_unless_present = "wait", conflicts_with = "wait")]
    pub(crate) whom: Option<Jid>,

    #[command(flatten)]
    pub(crate) login: Login,

    /// Your nick in the room [default: a random one]
    #[arg(long)]
    pub(crate) nick: Option<String>,

    /// Join the call inside this chat room, as Movim does, instead of entering a room made for the call
    #[arg(long, conflicts_with = "new")]
    pub(crate) in_chat: bool,

    /// Make a members-only room for this call and print its name
    #[arg(long)]
    pub(crate) new: bool,

    /// With --new: make this person a member of the room; with --bridge: let this person call in though it is no contact, and without the
    /// PIN; may be given several times
    #[arg(long, value_name = "JID")]
    pub(crate) admit: Vec<BareJid>,

    #[command(flatten)]
    pub(crate) bridge: BridgeArgs,

    /// Invite this person; a call with one person then continues in a room; may be given several times
    #[arg(long, value_name = "JID", conflicts_with = "wait")]
    pub(crate) invite: Vec<BareJid>,

    /// Wait for calls and invitations: a accepts, d declines
    #[arg(long)]
    pub(crate) wait: bool,

    /// With --wait: enter this chat room, where calls are announced to everyone; may be given several times
    #[arg(long, value_name = "ROOM", requires = "wait")]
    pub(crate) chat: Vec<BareJid>,

    /// With --wait: exit after the first call
    #[arg(long, requires = "wait")]
    pub(crate) once: bool,

    /// With --wait: accept automatically after this many seconds, except calls of strangers
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    pub(crate) auto_answer: Option<u64>,

    /// With --wait: let people call who are not in your contact list; they learn that you are online
    #[arg(long, requires = "wait")]
    pub(crate) anybody: bool,

    #[command(flatten)]
    pub(crate) media: MediaArgs,

    /// Open no window, even if there is a display
    #[cfg(feature = "window")]
    #[arg(long)]
    pub(crate) no_window: bool,

    /// Write what the window shows, or would show, to this file, once a second
    #[cfg(feature = "window")]
    #[arg(long, value_name = "FILE.png")]
    pub(crate) snapshot: Option<PathBuf>,

    /// Show network statistics of each participant once a second: bit rates, round-trip time, codecs, freezes, addresses
    #[arg(long)]
    pub(crate) stats: bool,

    /// Use the whole terminal: a level meter for each participant, network statistics, the latest messages
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub(crate) tui: bool,

    /// Leave after this many seconds in the call
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,

    /// Fail unless at least this many others were heard
    #[arg(long, value_name = "N")]
    pub(crate) expect: Option<usize>,

    /// Print events as JSON on standard output, one object per line
    #[arg(long)]
    pub(crate) json: bool,

    /// Print more: how the login went and what was ignored; -vv adds debug logs of the libraries, -vvv trace logs
    #[arg(long, short, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Print nothing but errors
    #[arg(long, short, conflicts_with_all = ["verbose", "json"])]
    pub(crate) quiet: bool,

    /// Write every stanza to this file, without passwords
    #[arg(long, value_name = "FILE.xml")]
    pub(crate) trace: Option<PathBuf>,

    /// Draw the call as a sequence diagram to this file when it has ended
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) diagram: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) network: Network,
}

/// Being a bridge.
#[derive(Debug, clap::Args)]
pub(crate) struct BridgeArgs {
    /// Take part in the room's call for others: people who call this account like a person hear the room and are heard there, and so do
    /// those who are called with --dial; your contacts may call, and who is named with --admit or knows the --pin
    #[arg(long, conflicts_with_all = ["wait", "in_chat"])]
    pub(crate) bridge: bool,

    /// With --bridge: call this person into the room; may be given several times
    #[arg(long, value_name = "JID", requires = "bridge")]
    pub(crate) dial: Vec<BareJid>,

    /// With --bridge: who is not named with --admit has to enter this PIN, 6 to 32 digits and #, with keys of a telephone or as a line of
    /// chat; in MUJI_PIN other users of this machine do not see it
    #[arg(long, value_name = "DIGITS", env = "MUJI_PIN", hide_env_values = true, requires = "bridge")]
    pub(crate) pin: Option<String>,

    /// With --bridge: let so many people call in at once, 1 to 32
    #[arg(long, value_name = "N", requires = "bridge", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) callers: Option<u8>,
}

/// What is sent, and where what comes goes.
#[derive(Debug, clap::Args)]
pub(crate) struct MediaArgs {
    /// The sound to send: mic, mic:NAME, tone:HZ, FILE.wav (48 kHz, 16 bit), FILE.webm, or none
    #[arg(long, value_name = "WHAT")]
    pub(crate) audio: Option<String>,

    /// Send music: in stereo and full band, at 128 kbit/s, and a microphone without noise suppression and echo cancellation
    #[arg(long)]
    pub(crate) music: bool,

    /// Send nothing in pauses of speech: fewer bits, but the network can see who speaks when
    #[arg(long, conflicts_with = "music")]
    pub(crate) dtx: bool,

    /// The video to send: camera, camera:NAME, pattern, pattern:RRGGBB, FILE.webm, FILE.ivf, FILE.y4m, or what --screen takes;
    /// none to only watch the others (the default with a window); off for a call without video (the default without a window)
    #[arg(long, value_name = "WHAT")]
    pub(crate) video: Option<String>,

    /// The size of --video camera and pattern, from 320x180 to 1920x1080 [default: 1280x720, or what the camera has near it; pattern:
    /// 640x360]; on a slow path or machine smaller frames are sent
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub(crate) size: Option<[usize; 2]>,

    /// Change the pictures of --video, not those of --screen, before anybody sees them: blur makes all of it unrecognisable, mirror swaps left and right
    #[arg(long, value_name = "HOW")]
    pub(crate) filter: Option<Filter>,

    /// Offer this video codec first, where others take it: vp8 takes the least of the processor, av1 the fewest bits
    #[arg(long, value_name = "CODEC")]
    pub(crate) codec: Option<Codec>,

    /// What to share as a screen, as well as the video: screen (the primary monitor; on Wayland as portal, if that is built in), portal
    /// (the desktop asks which screen or window), screen:NAME, window:TITLE (a part that no other title has), or what --video takes
    #[arg(long, value_name = "WHAT")]
    pub(crate) screen: Option<String>,

    /// Whose network sets the bit rate of our video: layers (participants on slow paths get fewer frames per second), slowest
    /// (everyone gets what the slowest path carries), or a share such as 80% (that share gets full quality, the others lose
    /// packets)
    #[arg(long, value_name = "WHOM", value_parser = policy, default_value = "layers")]
    pub(crate) fit: BandwidthPolicy,

    /// The loudspeaker: default, the NAME of a device, or none
    #[arg(long, value_name = "NAME")]
    pub(crate) speaker: Option<String>,

    /// Record each participant, and all of them as "mix": a file name that contains {nick} and ends in .webm, or in .wav for
    /// audio only
    #[arg(long, value_name = "DIR/{nick}.webm", value_parser = template)]
    pub(crate) record: Option<RecordingTemplate>,
}

/// The account and its server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Login {
    /// Your account, such as romeo@example.org
    #[arg(long, env = "XMPP_JID")]
    pub(crate) jid: Option<Jid>,

    /// Read missing options from this profile in ~/.config/muji-call/config.toml
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// The server [default: found by the domain of your account]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) server: Option<String>,

    /// How TLS starts with --server; none works only with a server on this machine
    #[arg(long, value_name = "HOW")]
    pub(crate) tls: Option<Tls>,

    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Read the password from the first line of this file, or of standard input (-)
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the password from the system's keyring, where "muji-call remember" stores it
    #[arg(long)]
    pub(crate) keyring: bool,
}

/// What is done with our video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Filter {
    /// All of it is blurred
    Blur,
    /// Left and right change places
    Mirror,
}

/// How our video is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Codec {
    /// VP8
    Vp8,
    /// VP9
    Vp9,
    /// H.264
    H264,
    /// AV1
    Av1,
}

/// How TLS starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tls {
    /// STARTTLS, as on port 5222
    Starttls,
    /// Direct TLS, as on port 5223
    Direct,
    /// No TLS
    None,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Other {
    /// List microphones, loudspeakers, cameras, screens and windows
    #[cfg(any(feature = "devices", feature = "camera", feature = "screen"))]
    Devices,
    /// Store a password in the system's keyring
    #[cfg(feature = "keyring")]
    Remember(Login),
    /// Check what works from this machine: login, rooms, STUN and TURN; and show why a connection failed last
    Doctor(Box<DoctorArgs>),
    /// Hold calls for a program in any language, which keeps its own connection to the XMPP server: JSON-RPC, see docs/serve.md
    Serve(Box<ServeArgs>),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

fn template(text: &str) -> Result<RecordingTemplate, String> {
    RecordingTemplate::parse(text).map_err(|why| why.to_string())
}

/// Pixels of the smallest and the largest frames that can be asked for.
const PIXELS: std::ops::RangeInclusive<usize> = 320 * 180..=1_920 * 1_080;

pub(crate) fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    let fits = |[width, height]: &[usize; 2]| {
        width.checked_mul(*height).is_some_and(|pixels| PIXELS.contains(&pixels)) && width % 2 + height % 2 == 0
    };
    sides.filter(fits).ok_or_else(|| "must be two even numbers, from 320x180 to 1920x1080".to_owned())
}

fn policy(text: &str) -> Result<BandwidthPolicy, String> {
    let share = || text.strip_suffix('%')?.parse().ok().filter(|share| *share <= 100);
    match text {
        "layers" => Ok(BandwidthPolicy::Layers),
        "slowest" => Ok(BandwidthPolicy::Slowest),
        _ => share()
            .map(BandwidthPolicy::Most)
            .ok_or_else(|| "must be layers, slowest, or a share such as 80%".to_owned()),
    }
}

impl MediaArgs {
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
            Some(_) => Err(Failure::Usage("--tls needs --server".to_owned())),
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
                Failure::Usage(format!("without TLS, --server must be an IP address of this machine, not {place}"))
            })?)
        }
    })
}
