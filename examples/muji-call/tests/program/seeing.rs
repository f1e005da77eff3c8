//! Pictures: who is seen, in which colour, and by whom.

use muji_harness::room::Rules;
use muji_media::device::video_file::VideoFile;
use muji_media::device::{VideoFrame, VideoSource};
use serde_json::Value;
use tokio::time::timeout;

use crate::support::*;

/// The colours in which somebody was seen.
pub(crate) fn colours<'a>(events: &'a [Value], nick: &'a str) -> Vec<&'a str> {
    let seen = events.iter().filter(|event| event["event"] == "seen" && event["nick"] == nick);
    seen.filter_map(|event| event["colour"].as_str()).collect()
}

/// Whether a colour is nearly this one.
pub(crate) fn like(colour: &str, rgb: [u8; 3]) -> bool {
    let parts = rgb.iter().enumerate();
    colour.len() == 6
        && parts.into_iter().all(|(part, wanted)| {
            let seen = u8::from_str_radix(&colour[2 * part..2 * part + 2], 16).expect("two digits");
            seen.abs_diff(*wanted) <= 32
        })
}

#[tokio::test]
async fn who_shows_pictures_is_seen_by_all_who_look_and_by_nobody_else() {
    let server = server(Rules::default()).await;
    let more = |video, seconds| ["--video", video, "--seconds", seconds, "--json", "--audio", "tone:440"];
    let romeo = call(&server, "romeo", &more("pattern:c03030", "5"));
    let juliet = call(&server, "juliet", &more("pattern:3040c0", "5"));
    let nurse = call(&server, "nurse", &more("none", "5"));
    let tybalt = call(&server, "tybalt", &more("off", "5"));
    let all = tokio::join!(run(romeo), run(juliet), run(nurse), run(tybalt));
    let [romeo, juliet, nurse, tybalt] = [all.0, all.1, all.2, all.3].map(|output| events(&output));
    for (who, sees, rgb) in [
        (&romeo, "juliet", [0x30, 0x40, 0xC0]),
        (&juliet, "romeo", [0xC0, 0x30, 0x30]),
        (&nurse, "romeo", [0xC0, 0x30, 0x30]),
        (&nurse, "juliet", [0x30, 0x40, 0xC0]),
    ] {
        let colours = colours(who, sees);
        assert!(colours.len() >= 2 && colours.iter().all(|colour| like(colour, rgb)), "{sees}: {colours:?}");
    }
    for (who, sees) in [(&romeo, "nurse"), (&juliet, "tybalt"), (&tybalt, "romeo"), (&nurse, "tybalt")] {
        assert!(colours(who, sees).is_empty(), "{sees} is seen");
    }
    let network = romeo.iter().rfind(|event| event["event"] == "network" && event["nick"] == "juliet");
    let network = network.expect("it is told each second");
    assert_eq!(network["codecs"], serde_json::json!(["VP8", "opus"]));
    assert!(network["in_kbps"].as_f64() > Some(50.0) && network["out_kbps"].as_f64() > Some(50.0), "{network}");
    let pairs = network["candidate_pairs"].as_array().expect("a list");
    let on_loopback = |end: &Value| end.as_str().is_some_and(|end| end.starts_with("127.0.0.1:"));
    // Sound and pictures share a transport.
    assert!(pairs.len() == 1 && pairs.iter().all(|pair| on_loopback(&pair[0]) && on_loopback(&pair[1])), "{network}");
    let muted = romeo.iter().any(|event| event["nick"] == "nurse" && event["state"] == "muted");
    assert!(muted, "it is told that the nurse shows nothing");
}

#[tokio::test]
async fn pictures_come_in_the_codec_that_the_first_prefers_and_are_recorded() {
    let (server, folder) = (server(Rules::default()).await, folder("codec"));
    let template = folder.join("{nick}.webm");
    let more = ["--audio", "none", "--json", "--seconds", "8"];
    let romeo = [&more[..], &["--video", "pattern:c03030", "--codec", "vp9"]].concat();
    let mut romeo = call(&server, "romeo", &romeo).spawn().unwrap();
    said(&mut romeo, "joined").await;
    let juliet = ["--video", "pattern:3040c0", "--record", text(&template)];
    let juliet = call(&server, "juliet", &[&more[..], &juliet].concat());
    let (romeo, juliet) = tokio::join!(timeout(LIMIT, romeo.wait_with_output()), run(juliet));
    let romeo = romeo.expect("in time").unwrap();
    for (output, other) in [(&romeo, "juliet"), (&juliet, "romeo")] {
        let events = events(output);
        let network = events.iter().rfind(|event| event["event"] == "network" && event["nick"] == other);
        let codecs = &network.expect("it is told each second")["codecs"];
        assert!(codecs.as_array().is_some_and(|codecs| codecs.contains(&"VP9".into())), "{other}: {codecs}");
    }
    let mut film = VideoFile::open(&folder.join("romeo.webm")).expect("it was recorded");
    let [red, green, blue] = film.capture().expect("it has frames").mean();
    assert!(like(&format!("{red:02x}{green:02x}{blue:02x}"), [0xC0, 0x30, 0x30]), "{red} {green} {blue}");
}

#[tokio::test]
async fn a_screen_is_seen_and_recorded_beside_its_owner_by_all_who_look() {
    let (server, folder) = (server(Rules::default()).await, folder("screen"));
    let template = folder.join("{nick}.webm");
    let romeo = ["--video", "pattern:c03030", "--screen", "pattern:30c040", "--seconds", "8", "--json"];
    let romeo = call(&server, "romeo", &[&romeo[..], &["--audio", "tone:440"]].concat());
    let juliet = ["--video", "none", "--audio", "none", "--json", "--seconds", "8", "--record", text(&template)];
    let juliet = call(&server, "juliet", &juliet);
    let tybalt = call(&server, "tybalt", &["--video", "off", "--audio", "none", "--json", "--seconds", "8"]);
    let (romeo, juliet, tybalt) = tokio::join!(run(romeo), run(juliet), run(tybalt));
    let [romeo, juliet, tybalt] = [romeo, juliet, tybalt].map(|output| events(&output));
    let of = |media: &str| {
        let seen = juliet.iter().filter(|event| event["event"] == "seen" && event["media"] == media);
        seen.cloned().collect::<Vec<_>>()
    };
    for (media, rgb) in [("video", [0xC0, 0x30, 0x30]), ("slides", [0x30, 0xC0, 0x40])] {
        let seen = of(media);
        let colours = colours(&seen, "romeo");
        assert!(colours.len() >= 2 && colours.iter().all(|colour| like(colour, rgb)), "{media}: {colours:?}");
        let file = if media == "slides" { "romeo.screen.webm" } else { "romeo.webm" };
        let [red, green, blue] = VideoFile::open(&folder.join(file)).expect("it is whole").capture().unwrap().mean();
        assert!(like(&format!("{red:02x}{green:02x}{blue:02x}"), rgb), "{file}");
    }
    std::fs::remove_dir_all(folder).expect("it is there");
    assert!(colours(&tybalt, "romeo").is_empty() && colours(&romeo, "juliet").is_empty());
}

#[tokio::test]
async fn what_is_blurred_is_seen_blurred() {
    let (server, folder) = (server(Rules::default()).await, folder("blurred"));
    let template = folder.join("{nick}.webm");
    let romeo = call(&server, "romeo", &["--video", "pattern:c03030", "--filter", "blur", "--seconds", "6"]);
    let juliet = ["--video", "none", "--seconds", "4", "--json", "--record", text(&template)];
    let juliet = call(&server, "juliet", &juliet);
    let (romeo, juliet) = tokio::join!(run(romeo), run(juliet));
    assert!(romeo.status.success(), "{}", String::from_utf8_lossy(&romeo.stderr));
    let events = events(&juliet);
    let colours = colours(&events, "romeo");
    assert!(!colours.is_empty() && colours.iter().all(|colour| like(colour, [0xC0, 0x30, 0x30])), "{colours:?}");
    let mut film = VideoFile::open(&folder.join("romeo.webm")).expect("it is whole");
    let step =
        std::iter::repeat_with(|| film.capture().expect("it goes on")).take(30).map(|frame| steepest(&frame)).max();
    assert!(step < Some(40), "the pattern's name has sharp edges: {step:?}");
    std::fs::remove_dir_all(folder).expect("it is there");
}

/// The largest difference in brightness between two samples of a row that lie side by side.
fn steepest(frame: &VideoFrame) -> u8 {
    let brightness = frame.samples()[..frame.width() * frame.height()].chunks_exact(frame.width());
    let steps = brightness.flat_map(|row| row.windows(2).map(|pair| pair[0].abs_diff(pair[1])));
    steps.max().expect("it has samples")
}

#[tokio::test]
async fn what_is_not_filtered_is_refused() {
    for (option, what) in
        [("--video", "none"), ("--video", "off"), ("--screen", "camera"), ("--screen", "camera:/dev/video9")]
    {
        let more = ["--no-window", "--filter", "blur", option, what];
        let (code, why) = failure(program(&[&[ROOM, "--jid", "romeo@localhost"], &more[..]].concat())).await;
        // Without --video nothing is filtered either.
        assert!(
            code == Some(2) && why.contains("--filter is for --video that is sent, not for"),
            "{option} {what}: {why}"
        );
    }
}

#[tokio::test]
async fn a_film_is_shown() {
    let (server, folder) = (server(Rules::default()).await, folder("film"));
    let film = folder.join("film.y4m");
    let (width, height, blue) = (64, 36, VideoFrame::filled(64, 36, [0x30, 0x40, 0xC0]));
    let header = format!("YUV4MPEG2 W{width} H{height} F25:1 C420jpeg\nFRAME\n");
    std::fs::write(&film, [header.as_bytes(), blue.samples()].concat()).expect("a temporary file");
    let romeo = call(&server, "romeo", &["--video", text(&film), "--seconds", "4", "--stats"]);
    let juliet = call(&server, "juliet", &["--video", "none", "--seconds", "4", "--json"]);
    let (romeo, juliet) = tokio::join!(run(romeo), run(juliet));
    let said = String::from_utf8_lossy(&romeo.stdout).into_owned();
    let of_juliet = said.lines().filter(|line| line.starts_with("juliet") && line.contains("127.0.0.1:"));
    assert!(of_juliet.count() >= 3, "with the network each second and at the end:\n{said}");
    let events = events(&juliet);
    let colours = colours(&events, "romeo");
    assert!(!colours.is_empty() && colours.iter().all(|colour| like(colour, [0x30, 0x40, 0xC0])), "{colours:?}");
    std::fs::remove_dir_all(folder).expect("it is there");
}

#[tokio::test]
async fn a_call_is_recorded_with_pictures_and_played_back_into_another() {
    let (server, folder) = (server(Rules::default()).await, folder("recorded"));
    let template = folder.join("{nick}.webm");
    let romeo = call(&server, "romeo", &["--video", "pattern:c03030", "--audio", "tone:440", "--seconds", "5"]);
    let juliet =
        call(&server, "juliet", &["--video", "none", "--audio", "none", "--record", text(&template), "--seconds", "4"]);
    let (_, _) = tokio::join!(run(romeo), run(juliet));
    let recording = folder.join("romeo.webm");
    let (film, sound) = (["--video", text(&recording)], ["--audio", text(&recording)]);
    let romeo = call(&server, "romeo", &[&film[..], &sound, &["--seconds", "6"]].concat());
    let juliet = call(&server, "juliet", &["--video", "none", "--audio", "none", "--json", "--seconds", "6"]);
    let (_, juliet) = tokio::join!(run(romeo), run(juliet));
    let events = events(&juliet);
    let colours = colours(&events, "romeo");
    assert!(colours.len() >= 3 && colours.iter().all(|colour| like(colour, [0xC0, 0x30, 0x30])), "{colours:?}");
    let tones: Vec<f64> = events.iter().filter_map(|event| event["hz"].as_f64()).collect();
    let right = tones.iter().filter(|tone| (**tone - 440.0).abs() < 5.0).count();
    assert!(right >= 3, "{tones:?}");
    std::fs::remove_dir_all(folder).expect("it is there");
}

#[tokio::test]
async fn a_terminal_is_taken_as_a_whole_and_given_back() {
    let server = server(Rules::default()).await;
    let romeo = call(&server, "romeo", &["--seconds", "4", "--tui"]);
    let juliet = call(&server, "juliet", &["--seconds", "4"]);
    let romeo = on_a_terminal(&romeo);
    let (romeo, _) = tokio::join!(run(romeo), run(juliet));
    let said = String::from_utf8_lossy(&romeo.stdout).into_owned();
    let (before, full) = said.split_once("\x1b[?1049h").expect("the other screen is asked for");
    let (full, behind) = full.split_once("\x1b[?1049l").expect("and given back");
    assert!(!before.contains("juliet"));
    let screens: Vec<&str> = full.split("\x1b[H").collect();
    assert!(screens.len() > 10, "{} times drawn in four seconds", screens.len());
    // Not the last one: juliet may have left by then.
    let whole = screens.iter().filter(|screen| {
        screen.contains('█') && screen.contains("juliet") && screen.contains("flowing") && screen.contains("127.0.0.1:")
    });
    assert!(whole.count() > 5, "{full}");
    assert!(behind.contains("participant") && behind.contains("juliet"), "the table stays: {behind}");
}

#[tokio::test]
async fn what_is_no_picture_is_told_with_what_there_is() {
    let (code, why) = failure(program(&[ROOM, "--jid", "romeo@localhost", "--video", "nowhere.y4m"])).await;
    assert!(code == Some(2) && why.contains("nowhere.y4m cannot be read"), "{why}");
    for what in ["camcorder", "pattern:blue", "pattern:"] {
        let (code, why) = failure(program(&[ROOM, "--jid", "romeo@localhost", "--video", what])).await;
        assert_eq!(code, Some(2));
        assert!(why.contains("pattern:RRGGBB") && why.contains(what), "{why}");
    }
}
