//! Microphones and loudspeakers, on a PulseAudio of the test's own whose cards are null sinks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use muji_harness::room::Rules;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::support::*;

/// A sound system with two cards for each of two people: what is played into `NAME-mouth` is what NAME's microphone hears,
/// what NAME's loudspeaker plays is to be heard at `NAME-ear`.
struct Sound {
    folder: PathBuf,
    daemon: Child,
}

impl Sound {
    /// Starts it; `None` where PulseAudio is not installed.
    async fn start(name: &str) -> Option<Self> {
        if !Path::new("/usr/bin/pulseaudio").exists() || !Path::new("/usr/bin/pactl").exists() {
            skipped("PulseAudio is not installed");
            return None;
        }
        let mut this = Self { folder: folder(name), daemon: Command::new("true").spawn().unwrap() };
        this.daemon = this.daemon();
        this.ready().await;
        for card in ["romeo-mouth", "romeo-ear", "juliet-mouth", "juliet-ear"] {
            this.load(card).await;
        }
        Some(this)
    }

    fn daemon(&self) -> Child {
        let socket = format!("module-native-protocol-unix socket={} auth-anonymous=1", self.socket().display());
        let mut daemon = Command::new("/usr/bin/pulseaudio");
        daemon.args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"]);
        daemon.args(["-L", &socket]).env("XDG_RUNTIME_DIR", &self.folder).env("HOME", &self.folder);
        daemon.kill_on_drop(true).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        daemon.spawn().expect("it is installed")
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("pulse.socket")
    }

    fn server(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    async fn control(&self, words: &[&str]) -> bool {
        let mut control = Command::new("/usr/bin/pactl");
        control.args(words).env("PULSE_SERVER", self.server()).env("HOME", &self.folder);
        let done = control.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().await;
        done.is_ok_and(|status| status.success())
    }

    async fn ready(&self) {
        let ready = async {
            while !self.control(&["info"]).await {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(LIMIT, ready).await.expect("PulseAudio starts");
    }

    async fn load(&self, card: &str) {
        let (name, text) = (format!("sink_name={card}"), format!("sink_properties=device.description={card}"));
        assert!(self.control(&["load-module", "module-null-sink", &name, &text, "rate=48000"]).await);
    }

    fn program(&self, server: &muji_harness::server::Server, name: &str, more: &[&str]) -> Command {
        let mut command = call(server, name, more);
        command.env("PULSE_SERVER", self.server()).env("HOME", &self.folder);
        command
    }

    /// Plays a tone into somebody's microphone.
    fn hum(&self, name: &str, hz: f32) -> Child {
        let file = self.folder.join(format!("{name}.wav"));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&file, spec).unwrap();
        for sample in 0..48_000 * 40 {
            let turn = f64::from(hz) * f64::from(sample) / 48_000.0;
            writer.write_sample((6_000.0 * (turn * std::f64::consts::TAU).sin()) as i16).unwrap();
        }
        writer.finalize().unwrap();
        let mut player = Command::new("/usr/bin/paplay");
        player.args(["--device", &format!("{name}-mouth"), text(&file)]);
        player.env("PULSE_SERVER", self.server()).env("HOME", &self.folder).kill_on_drop(true);
        player.spawn().expect("it comes with pactl")
    }

    /// Records what somebody's loudspeaker plays.
    fn listen(&self, name: &str) -> (Child, PathBuf) {
        let file = self.folder.join(format!("{name}-heard.wav"));
        let mut recorder = Command::new("/usr/bin/parecord");
        recorder.args(["--device", &format!("{name}-ear.monitor"), "--rate=48000", "--channels=1"]);
        recorder.args(["--format=s16le", "--file-format=wav", text(&file)]);
        recorder.env("PULSE_SERVER", self.server()).env("HOME", &self.folder).kill_on_drop(true);
        (recorder.spawn().expect("it comes with pactl"), file)
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        let _left_over = std::fs::remove_dir_all(&self.folder).is_err();
    }
}

#[tokio::test]
async fn two_talk_by_microphone_and_loudspeaker() {
    let Some(sound) = Sound::start("talk").await else { return };
    let server = server(Rules::default()).await;
    let _humming = [sound.hum("romeo", 440.0), sound.hum("juliet", 660.0)];
    let (mut recorder, heard) = sound.listen("romeo");
    let person = |name: &str| {
        let (microphone, loudspeaker) = (format!("mic:{name}-mouth"), format!("{name}-ear"));
        let more = ["--audio", &microphone, "--speaker", &loudspeaker, "--seconds", "8", "--expect", "1", "--json"];
        run(sound.program(&server, name, &more))
    };
    let (romeo, juliet) = tokio::join!(person("romeo"), person("juliet"));
    for output in [&romeo, &juliet] {
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    signal(&recorder, "-INT").await;
    recorder.wait().await.unwrap();
    let heard = tone(&heard);
    assert!(heard.is_some_and(|hz| (hz - 660.0).abs() < 7.0), "romeo's loudspeaker played {heard:?}");
    let hz = events(&romeo)
        .iter()
        .filter(|event| event["event"] == "heard")
        .filter_map(|event| event["hz"].as_f64())
        .collect::<Vec<_>>();
    assert!(hz.iter().filter(|hz| (**hz - 660.0).abs() < 7.0).count() >= 3, "{hz:?}");
}

#[tokio::test]
async fn devices_are_listed_and_a_wrong_name_is_told_with_the_right_ones() {
    let Some(sound) = Sound::start("list").await else { return };
    let mut listing = program(&["devices"]);
    listing.env("PULSE_SERVER", sound.server()).env("HOME", &sound.folder);
    let output = run(listing).await;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.contains("--audio mic:") && listed.contains("--speaker juliet-ear"), "{listed}");
    let mut wrong = program(&[ROOM, "--jid", "romeo@localhost", "--audio", "mic:Headset"]);
    wrong.env("PULSE_SERVER", sound.server()).env("HOME", &sound.folder);
    let (code, why) = failure(wrong).await;
    assert_eq!(code, Some(2));
    assert!(why.contains("there is no microphone called Headset, but: ") && why.contains("romeo-mouth"), "{why}");
}

#[tokio::test]
async fn no_sound_system_at_all() {
    let nowhere = folder("silent");
    let mut silent = program(&[ROOM, "--jid", "romeo@localhost", "--server", "127.0.0.1:9", "--tls", "none"]);
    silent.env("PULSE_SERVER", "unix:/nowhere").env("HOME", &nowhere).env("XDG_RUNTIME_DIR", &nowhere);
    let (code, why) = failure(silent).await;
    assert_eq!(code, Some(2), "{why}");
    assert!(why.contains("no microphone is to be had on this machine") && why.contains("--audio FILE.wav"), "{why}");
    std::fs::remove_dir_all(nowhere).unwrap();
}

#[tokio::test]
async fn cards_and_a_sound_system_that_go_are_told_and_used_again_when_they_are_back() {
    let Some(mut sound) = Sound::start("vanish").await else { return };
    let server = server(Rules::default()).await;
    let more = ["--audio", "mic:romeo-mouth", "--speaker", "romeo-ear", "--json", "--seconds", "60"];
    let mut romeo = sound.program(&server, "romeo", &more).spawn().unwrap();
    let _juliet = call(&server, "juliet", &["--audio", "tone:660", "--seconds", "60"]).spawn().unwrap();
    said(&mut romeo, "\"first-sound\"").await;
    for whole in [false, true] {
        if whole {
            sound.daemon.start_kill().unwrap();
            sound.daemon.wait().await.unwrap();
        } else {
            assert!(sound.control(&["unload-module", "module-null-sink"]).await);
        }
        said(&mut romeo, "the microphone is not available").await;
        if whole {
            sound.daemon = sound.daemon();
            sound.ready().await;
        }
        for card in ["romeo-mouth", "romeo-ear"] {
            sound.load(card).await;
        }
        said(&mut romeo, "the microphone is back").await;
    }
}
