//! What GStreamer encodes is seen by others in the call, those who come later too.

use std::process::Stdio;
use std::time::Duration;

use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const PASSWORD: &str = "canary-in-the-gold-mine";

/// A busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Two who are seen in red and in blue. The first gives a key frame only when it is asked for one.
const H264: &str = "videotestsrc is-live=true pattern=solid-color foreground-color=0xffc03030 ! video/x-raw,width=320,height=180,framerate=30/1 \
                    ! openh264enc name=encoder gop-size=100000 ! h264parse";
const VP8: &str = "videotestsrc is-live=true pattern=solid-color foreground-color=0xff3040c0 ! video/x-raw,width=640,height=360,framerate=30/1 \
                   ! vp8enc name=encoder deadline=1 keyframe-max-dist=100000";

/// The program, and what it says.
struct Person(Child, Lines<BufReader<ChildStdout>>);

impl Person {
    fn new(server: &Server, name: &str, pipeline: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_muji-gstreamer"));
        program.args(["balcony@conference.localhost", pipeline]).kill_on_drop(true).stdout(Stdio::piped());
        program.env("MUJI_JID", format!("{name}@localhost")).env("MUJI_PASSWORD", PASSWORD);
        program.env("MUJI_SERVER", server.address().to_string());
        let mut child = program.spawn().expect("it is built");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self(child, lines)
    }

    async fn says(&mut self, what: impl Fn(&str) -> bool) -> String {
        let Self(child, lines) = self;
        let mut before = Vec::new();
        let found = timeout(LIMIT, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if what(&line) {
                    return Some(line);
                }
                before.push(line);
            }
            None
        });
        let found = found.await.ok().flatten();
        found.unwrap_or_else(|| panic!("{child:?} never said it, but:\n{}", before.join("\n")))
    }

    /// Waits until a picture of this size and colour is seen.
    async fn sees(&mut self, size: &str, rgb: [u8; 3]) {
        self.says(|line| {
            let Some((seen, colour)) = line.strip_prefix("sees ").and_then(|rest| rest.split_once(" of ")) else {
                return false;
            };
            let parts = colour.trim_matches(['[', ']']).split(", ").filter_map(|part| part.parse::<u8>().ok());
            let near = parts.zip(rgb).filter(|(seen, sent)| seen.abs_diff(*sent) < 24).count() == 3;
            seen == size && near
        })
        .await;
    }
}

#[tokio::test]
async fn what_gstreamer_encodes_is_seen_and_by_who_comes_later_too() {
    let server = Server::start("localhost", PASSWORD, Rules::default()).await.expect("a free port");
    let mut romeo = Person::new(&server, "romeo", H264);
    let mut juliet = Person::new(&server, "juliet", VP8);
    let (red, blue) = ([0xC0, 0x30, 0x30], [0x30, 0x40, 0xC0]);
    tokio::join!(juliet.sees("320 x 180", red), romeo.sees("640 x 360", blue));
    // Whichever came first, one of them sends what it encodes itself, and the other what was encoded again.
    let mut tybalt = Person::new(&server, "tybalt", VP8);
    tybalt.sees("320 x 180", red).await;
    tybalt.sees("640 x 360", blue).await;
}

#[test]
fn a_pipeline_that_makes_no_sense_is_refused_in_words() {
    let refused = |pipeline: &str| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_muji-gstreamer"));
        let output = program.args(["balcony@conference.localhost", pipeline]).output().expect("it is built");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused("videotestsrc ! vp8enc").contains("no element of the pipeline has name=encoder"));
    assert!(refused("videotestsrc ! identity name=encoder").contains("identity encodes neither H.264 nor VP8"));
    assert!(refused("videotestsrc ! no-such-element name=encoder").contains("no-such-element"));
}
