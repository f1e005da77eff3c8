//! Calls in rooms.

use serde_json::Value;

use crate::home::*;
use crate::support::*;

/// How many sessions began in a trace, by whomever.
fn offers(trace: &str) -> usize {
    trace.matches("action='session-initiate'").count() + trace.matches("action=\"session-initiate\"").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn we_make_a_room_dino_accepts_another_of_us_comes_and_all_hear_all() {
    let Some(home) = Home::new() else { return };
    let Some(mut dino) = home.dino("romeo") else { return };
    let folder = folder("dino-group");
    let (first, second) = (folder.join("juliet.xml"), folder.join("mercutio.xml"));
    let (romeo, mercutio, service) =
        (home.jid("romeo"), home.jid("mercutio"), format!("conference.{}", home.xmpp.domain));
    let room = [&service, "--new", "--admit", &romeo, "--admit", &mercutio, "--invite", &romeo];
    let more = ["--audio", "tone:660", "--trace", text(&first)];
    let mut juliet = home.ours("juliet", &[&room[..], &more].concat());
    let room = juliet.tells("the room", LIMIT, |event| event["event"] == "room").await;
    let room = room["room"].as_str().expect("its name").to_owned();
    juliet.talks_with(&dino, 660).await;
    let mut mercutio = home.ours("mercutio", &[&room, "--audio", "tone:770", "--trace", text(&second)]);
    mercutio.sees("connected").await;
    mercutio.hears_the_hum().await;
    let from_juliet =
        |event: &Value| event["event"] == "heard" && event["hz"].as_f64().is_some_and(|hz| (hz - 660.0).abs() < 3.0);
    mercutio.tells("juliet's tone", SOUND, from_juliet).await;
    heard_by(&dino, &[660, 770]);
    if let Some(picture) = std::env::var_os("DINO_PICTURE") {
        dino.picture(picture.as_ref()).unwrap_or_else(|why| panic!("{why}"));
    }
    signal(&mercutio.child, "-INT").await;
    mercutio.ends().await;
    juliet.hears_the_hum().await;
    unheard_by(&dino, &[770]);
    dino.kill();
    juliet.sees("interrupted").await;
    signal(&juliet.child, "-INT").await;
    juliet.ends().await;
    // Juliet was there first: Dino called her, and Mercutio called both.
    let trace = |path| std::fs::read_to_string(path).expect("it was written");
    assert_eq!((offers(&trace(&first)), offers(&trace(&second))), (2, 2));
    std::fs::remove_dir_all(folder).expect("it was made");
    told("we make a room, Dino and another of us come", "all hear all, one session a pair; one leaves, Dino is killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_declines_an_invitation_and_later_accepts_another_and_leaves_first() {
    let Some(home) = Home::new() else { return };
    let Some(dino) = home.dino("romeo") else { return };
    let (romeo, service) = (home.jid("romeo"), format!("conference.{}", home.xmpp.domain));
    let arguments = [&service, "--new", "--admit", &romeo, "--invite", &romeo, "--audio", "tone:660"];
    let mut juliet = home.ours("juliet", &arguments);
    assert!(dino.answer("reject"));
    juliet.tells("that Dino does not come", LIMIT, |event| event["event"] == "declined").await;
    signal(&juliet.child, "-INT").await;
    juliet.ends().await;
    let mut juliet = home.ours("juliet", &arguments);
    juliet.talks_with(&dino, 660).await;
    assert!(dino.press("hang up"));
    juliet.sees("left").await;
    signal(&juliet.child, "-INT").await;
    juliet.ends().await;
    told("Dino declines a room, then accepts another", "sound both ways, and it leaves first");
}
