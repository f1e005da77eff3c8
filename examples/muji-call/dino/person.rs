//! Calls with one person.

use std::time::Duration;

use crate::home::*;
use crate::support::*;

const TONE: u16 = 660;
const OUR_TONE: &str = "tone:660";

#[tokio::test(flavor = "multi_thread")]
async fn dino_calls_and_is_answered_mutes_and_hangs_up() {
    let Some(home) = Home::new() else { return };
    let mut juliet = home.ours("juliet", &["--wait", "--once", "--auto-answer", "1", "--audio", OUR_TONE]);
    juliet.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
    let Some(dino) = home.dino("romeo") else { return };
    assert!(dino.call(&home.jid("juliet"), "audio"));
    juliet.tells("that it rings", LIMIT, |event| event["event"] == "ringing").await;
    juliet.sees("connected").await;
    juliet.hears_the_hum().await;
    heard_by(&dino, &[TONE]);
    assert!(dino.press("microphone"));
    juliet.sees("muted").await;
    assert!(dino.press("microphone"));
    juliet.sees("unmuted").await;
    juliet.hears_the_hum().await;
    assert!(dino.press("hang up"));
    let why = juliet.ends().await;
    assert_eq!(why, "the other hung up");
    told("Dino calls one of us", "sound both ways, muted and unmuted, hung up");
}

#[tokio::test(flavor = "multi_thread")]
async fn we_call_dino_which_answers_and_we_hang_up() {
    let Some(home) = Home::new() else { return };
    let Some(dino) = home.dino("romeo") else { return };
    let whom = home.jid("romeo");
    let mut juliet = home.ours("juliet", &[&whom, "--audio", OUR_TONE]);
    juliet.talks_with(&dino, TONE).await;
    signal(&juliet.child, "-INT").await;
    juliet.ends().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    unheard_by(&dino, &[TONE]);
    told("we call Dino", "sound both ways, hung up");
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_declines() {
    let Some(home) = Home::new() else { return };
    let Some(dino) = home.dino("romeo") else { return };
    let whom = home.jid("romeo");
    let mut juliet = home.ours("juliet", &[&whom, "--audio", OUR_TONE]);
    assert!(dino.answer("reject"));
    let why = juliet.ends().await;
    assert!(why.starts_with("declined on"), "{why}");
    told("Dino declines", &why);
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_shows_our_pictures() {
    let Some(home) = Home::new() else { return };
    let Some(dino) = home.dino("romeo") else { return };
    let (whom, folder) = (home.jid("romeo"), folder("dino-pictures"));
    let mut juliet = home.ours("juliet", &[&whom, "--audio", OUR_TONE, "--video", "pattern:c03030"]);
    juliet.talks_with(&dino, TONE).await;
    let file = folder.join("screen.png");
    let until = std::time::Instant::now() + SOUND;
    let mut share = 0.0;
    while share < 0.05 {
        assert!(std::time::Instant::now() < until, "{share} of its screen has the colour of our picture");
        dino.picture(&file).unwrap_or_else(|why| panic!("{why}"));
        share = share_of([0xC0, 0x30, 0x30], &file);
    }
    signal(&juliet.child, "-INT").await;
    juliet.ends().await;
    told("we show Dino a picture", &format!("{:.0} % of its screen have its colour", share * 100.0));
    std::fs::remove_dir_all(folder).expect("it was made");
}

/// How much of a picture has nearly this colour, of 1.
fn share_of(colour: [u8; 3], file: &std::path::Path) -> f64 {
    let file = std::io::BufReader::new(std::fs::File::open(file).expect("it was written"));
    let mut decoder = png::Decoder::new(file);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().expect("a picture");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it has a size")];
    let info = reader.next_frame(&mut pixels).expect("a picture");
    let like = |pixel: &&[u8]| pixel.iter().zip(colour).all(|(seen, wanted)| seen.abs_diff(wanted) <= 40);
    let all = pixels[..info.buffer_size()].chunks_exact(info.color_type.samples());
    all.clone().filter(like).count() as f64 / all.len().max(1) as f64
}
