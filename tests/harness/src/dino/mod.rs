//! A Dino without a screen: with a desktop of its own around it, whose buttons tests press, a microphone that hums and a loudspeaker that
//! is listened to. It ends with the value.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::network;
use super::process::{Process, found};
use super::recognition::{SECOND, tone_level};

/// Dino as Debian names it.
const DEBIAN: &str = "dino-im";

/// What Debian's packages bring for the desktop around it.
const PROGRAMS: [&str; 10] = [
    "Xvfb",
    "dbus-daemon",
    "openbox",
    "pulseaudio",
    "parec",
    "sqlite3",
    "import",
    "pipewire",
    "wireplumber",
    "gst-launch-1.0",
];

/// Dino makes its database and shows its window within five seconds on an idle machine.
const START: Duration = Duration::from_secs(60);

/// What it does when it is asked, it does within this.
const ANSWER: Duration = Duration::from_secs(10);

/// Between two looks whether something has happened.
const LOOK: Duration = Duration::from_millis(100);

/// The desk is silent for longer only if it hangs.
const DESK: Duration = Duration::from_secs(20);

/// How loud a tone must be to be heard, in dBFS. Those of the tests have -23 and more.
const AUDIBLE: f64 = -37.0;

/// Parts of a second in which tones are looked for: one that is off by some hertz counts, as while clocks are fitted to each other.
const PART: usize = SECOND / 10;

/// Whose Dino it is.
pub struct Owner<'a> {
    /// The account.
    pub jid: &'a str,
    /// Its password.
    pub password: &'a str,
    /// The file of the authority that vouches for the server.
    pub authority: &'a Path,
    /// Bare JIDs of those with whom there is a conversation: others Dino neither calls nor lets ring.
    pub friends: &'a [String],
    /// At which the microphone hums, in Hertz.
    pub tone: u16,
    /// What its camera sees, if it has one: red, green, blue.
    pub camera: Option<[u8; 3]>,
}

/// A running Dino.
pub struct Dino {
    process: Process,
    /// At which its microphone hums, in Hertz.
    pub tone: u16,
}

impl Dino {
    /// Starts it in a network namespace, for an account on the server of its domain there at port 5222, whose authority it trusts. `None`,
    /// with the reason, if something is not installed. The variable `DINO` names another Dino than Debian's, with its path.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(place: &str, owner: &Owner<'_>) -> io::Result<Result<Self, String>> {
        let program = std::env::var("DINO").unwrap_or_else(|_| DEBIAN.to_owned());
        if let Some(missing) = PROGRAMS.iter().copied().chain([&*program]).find(|program| found(program).is_none()) {
            return Ok(Err(format!("{missing} is not installed")));
        }
        if !Command::new("/usr/bin/python3")
            .args(["-c", "import dbus, gi, pyatspi"])
            .stderr(Stdio::null())
            .status()?
            .success()
        {
            return Ok(Err("python3-pyatspi and python3-dbus are not installed".to_owned()));
        }
        furnish(place, owner)?;
        let mut process = Process::prepare("dino", 0)?;
        process.settle(place);
        let folder = process.folder.display().to_string();
        std::fs::write(process.folder.join("desk.py"), include_str!("desk.py"))?;
        let friend = |jid: &String| FRIEND.replace("JID", jid);
        let friends: String = owner.friends.iter().map(friend).collect();
        std::fs::write(
            process.folder.join("account.sql"),
            ACCOUNT.replace("JID", owner.jid).replace("PASSWORD", owner.password) + &friends,
        )?;
        let camera = owner.camera.map_or(String::new(), |[red, green, blue]| {
            CAMERA.replace("COLOUR", &format!("{:#x}", u32::from_be_bytes([0xFF, red, green, blue])))
        });
        let session =
            SESSION.replace("FOLDER", &folder).replace("TONE", &owner.tone.to_string()).replace("CAMERA", &camera);
        let session = session.replace("DINO", &program);
        process.script(&session)?;
        process.start()?;
        let this = Self { process, tone: owner.tone };
        let limit = Instant::now() + START;
        while this.ask(r#"{"do": "ready"}"#).is_none_or(|answer| !is_done(&answer)) {
            if Instant::now() > limit {
                let out = std::fs::read_to_string(this.process.folder.join("out")).unwrap_or_default();
                return Err(io::Error::other(format!("Dino shows no window: {out}")));
            }
            std::thread::sleep(LOOK);
        }
        Ok(Ok(this))
    }

    /// Calls somebody with whom there is a conversation; `media` is `audio` or `video`. True if there was such a button.
    #[must_use]
    pub fn call(&self, jid: &str, media: &str) -> bool {
        self.open(jid) && self.does(&call(media))
    }

    /// Shows the conversation with somebody. True if there is one.
    #[must_use]
    pub fn open(&self, jid: &str) -> bool {
        self.does(&format!(r#"{{"do": "open", "jid": "{jid}"}}"#))
    }

    /// Calls the contact that is shown, if the button is there now: it appears when Dino knows that the contact can be called.
    #[must_use]
    pub fn calls(&self, media: &str) -> bool {
        self.ask(&call(media)).is_some_and(|answer| is_done(&answer))
    }

    /// Whether somebody calls it.
    #[must_use]
    pub fn rings(&self) -> bool {
        self.ask(r#"{"do": "rings"}"#).is_some_and(|answer| answer.contains("\"rings\": true"))
    }

    /// Answers who calls, with `accept` or `reject`. True if somebody does.
    #[must_use]
    pub fn answer(&self, how: &str) -> bool {
        self.does(&format!(r#"{{"do": "answer", "with": "{how}"}}"#))
    }

    /// Asks somebody among its contacts to come to the call. True if there is a call, and such a contact.
    #[must_use]
    pub fn invite(&self, jid: &str) -> bool {
        self.does(&format!(r#"{{"do": "invite", "jid": "{jid}"}}"#))
    }

    /// Presses `microphone`, `camera` or `hang up`. True if there is a call.
    #[must_use]
    pub fn press(&self, button: &str) -> bool {
        self.does(&format!(r#"{{"do": "press", "button": "{button}"}}"#))
    }

    /// Which of these tones, in Hertz, come out of its loudspeaker, listening for a second.
    ///
    /// # Errors
    /// If its sound system does not let us.
    pub fn hears(&self, tones: &[u16]) -> io::Result<Vec<u16>> {
        let levels = self.levels(tones)?;
        Ok(tones.iter().copied().zip(levels).filter(|(_, level)| *level > AUDIBLE).map(|(tone, _)| tone).collect())
    }

    /// How loud each of these tones, in Hertz, comes out of its loudspeaker, in dBFS, listening for a second.
    ///
    /// # Errors
    /// If its sound system does not let us.
    pub fn levels(&self, tones: &[u16]) -> io::Result<Vec<f64>> {
        let server = format!("unix:{}", self.process.folder.join("pulse").display());
        let mut record = Command::new("parec");
        record.args(["--device=speaker.monitor", "--format=s16le", "--rate=48000", "--channels=1"]);
        let mut record = record.env("PULSE_SERVER", server).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut sound = vec![0; 2 * SECOND];
        let heard = record.stdout.take().map_or(Ok(()), |mut out| io::Read::read_exact(&mut out, &mut sound));
        record.kill()?;
        record.wait()?;
        heard?;
        let samples: Vec<f64> = sound
            .chunks_exact(2)
            .map(|two| f64::from(i16::from_le_bytes([two[0], two[1]])) / f64::from(i16::MAX))
            .collect();
        Ok(tones.iter().map(|tone| tone_level(&samples, f64::from(*tone), PART)).collect())
    }

    /// Writes what its screen shows.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn picture(&self, file: &Path) -> io::Result<()> {
        let display = std::fs::read_to_string(self.process.folder.join("display"))?;
        let display = format!(":{}", display.trim());
        let status = Command::new("import").args(["-window", "root", "-display", &display]).arg(file).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("import fails")) }
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process.signal("-KILL");
    }

    /// Whether something is done before the limit.
    fn does(&self, order: &str) -> bool {
        let limit = Instant::now() + ANSWER;
        loop {
            if self.ask(order).is_some_and(|answer| is_done(&answer)) {
                return true;
            }
            if Instant::now() > limit {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The desk's answer; `None` if it is not there (yet).
    fn ask(&self, order: &str) -> Option<String> {
        let mut desk = UnixStream::connect(self.process.folder.join("desk")).ok()?;
        desk.set_read_timeout(Some(DESK)).ok()?;
        desk.write_all(order.as_bytes()).ok()?;
        let mut answer = String::new();
        BufReader::new(desk).read_line(&mut answer).ok()?;
        Some(answer)
    }
}

/// The desk says so.
fn is_done(answer: &str) -> bool {
    answer.contains("\"ok\": true")
}

fn call(media: &str) -> String {
    format!(r#"{{"do": "call", "media": "{media}"}}"#)
}

/// Programs in this namespace trust the authority beside those of the system, and are told at once that there is no name server: they see
/// other files in `/etc`.
fn furnish(place: &str, owner: &Owner<'_>) -> io::Result<()> {
    let etc = network::instead_of_etc(place);
    let certs = etc.join("ssl/certs");
    std::fs::create_dir_all(&certs)?;
    let system = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    std::fs::write(certs.join("ca-certificates.crt"), [std::fs::read(owner.authority)?, system].concat())?;
    std::fs::write(etc.join("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")?;
    let domain = owner.jid.split('@').next_back().unwrap_or(owner.jid);
    std::fs::write(etc.join("hosts"), format!("127.0.0.1 localhost {domain} conference.{domain}\n"))
}

const ACCOUNT: &str = "insert into account (id, bare_jid, resourcepart, password, alias, enabled) values (1, 'JID', 'dino', 'PASSWORD', '', 1);
";

const FRIEND: &str = "insert or ignore into jid (bare_jid) values ('JID');
insert into conversation (account_id, jid_id, active, active_last_changed, last_active, type, encryption, notification, send_typing, send_marker)
    select 1, id, 1, 1700000000, 1700000000, 0, 0, 0, 0, 0 from jid where bare_jid = 'JID';
";

/// All of it ends with the group of the shell.
const SESSION: &str = r#"
set -e
mkdir -p home data/dino config cache run && chmod 700 run
export HOME=FOLDER/home XDG_DATA_HOME=FOLDER/data XDG_CONFIG_HOME=FOLDER/config XDG_CACHE_HOME=FOLDER/cache XDG_RUNTIME_DIR=FOLDER/run
export DBUS_SESSION_BUS_ADDRESS=unix:path=FOLDER/bus PULSE_SERVER=unix:FOLDER/pulse PULSE_RUNTIME_PATH=FOLDER/run
export GSK_RENDERER=cairo GDK_BACKEND=x11 GTK_A11Y=atspi GSETTINGS_BACKEND=memory LC_ALL=C.UTF-8
unset WAYLAND_DISPLAY
there() { for _ in $(seq 300); do eval "$1" >/dev/null 2>&1 && return 0; sleep 0.1; done; echo "in vain: $1"; exit 1; }
Xvfb -displayfd 1 -screen 0 1000x740x24 -nolisten tcp -noreset >display 2>xvfb.log &
there '[ -s display ]'
export DISPLAY=:$(cat display)
dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS" >dbus.log 2>&1 &
there '[ -S bus ]'
openbox >openbox.log 2>&1 &
pulseaudio -n --daemonize=no --exit-idle-time=-1 --use-pid-file=no --disable-shm=true \
    -L "module-native-protocol-unix socket=FOLDER/pulse auth-anonymous=1" \
    -L "module-null-sink sink_name=speaker rate=48000" -L "module-null-sink sink_name=mouth rate=48000" \
    -L "module-remap-source master=mouth.monitor source_name=microphone" -L "module-sine sink=mouth frequency=TONE" >pulse.log 2>&1 &
there 'pactl info'
pactl set-default-sink speaker && pactl set-default-source microphone
CAMERA
# Dino makes its database itself, in the form that it has in this version; then it is given an account.
DINO --gapplication-service >first.log 2>&1 &
first=$!
there 'sqlite3 data/dino/dino.db "select count(*) from settings"'
sleep 0.5
kill $first && wait $first || true
sqlite3 data/dino/dino.db <account.sql
/usr/bin/python3 desk.py FOLDER/desk FOLDER/data/dino/dino.db $(basename DINO) >desk.log 2>&1 &
there '[ -S desk ]'
exec DINO --print-xmpp='no-ansi;show-ns;all' >dino.log 2>&1
"#;

/// By PipeWire, which looks for it where Dino does. Larger or faster pictures stand still after some seconds.
const CAMERA: &str = r#"
pipewire >pipewire.log 2>&1 &
there '[ -S run/pipewire-0 ]'
wireplumber >wireplumber.log 2>&1 &
there 'pw-dump | grep -q wireplumber'
gst-launch-1.0 videotestsrc is-live=true pattern=solid-color foreground-color=COLOUR \
    ! video/x-raw,format=YUY2,width=320,height=240,framerate=5/1 ! queue leaky=downstream max-size-buffers=2 \
    ! pipewiresink mode=provide sync=false \
    stream-properties="props,media.class=Video/Source,media.role=Camera,node.name=camera,node.description=Camera" >camera.log 2>&1 &
there 'pw-dump | grep -q node.description.*Camera'
"#;
