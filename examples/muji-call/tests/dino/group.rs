//! Calls in rooms.

use crate::support::*;
use crate::testbed::*;

#[tokio::test(flavor = "multi_thread")]
async fn we_make_a_room_dino_accepts_another_of_us_comes_and_all_hear_all() {
    held("we make a room, Dino and another of us come", 2, async |testbed| {
        let mut dino = testbed.dino("romeo")?;
        let (romeo, mercutio, service) =
            (testbed.jid("romeo"), testbed.jid("mercutio"), format!("conference.{}", testbed.xmpp.domain));
        let room = [&service, "--new", "--admit", &romeo, "--admit", &mercutio, "--invite", &romeo];
        let mut juliet = testbed.muji_call("juliet", &[&room[..], &["--audio", "tone:660"]].concat());
        let room = juliet.tells("the room", LIMIT, |event| event["event"] == "room").await;
        let room = room["room"].as_str().expect("its name").to_owned();
        juliet.talks_with(&dino, 660).await?;
        let mut mercutio = testbed.muji_call("mercutio", &[&room, "--audio", "tone:770"]);
        mercutio.sees("connected").await;
        mercutio.hears_dino(&dino).await?;
        mercutio.hears(660).await;
        heard_by(&dino, &[660, 770]);
        signal(&mercutio.child, "-INT").await;
        mercutio.ends().await;
        juliet.hears_dino(&dino).await?;
        unheard_by(&dino, &[770]);
        dino.kill();
        juliet.sees("interrupted").await;
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;
        // Each newcomer calls those who were there.
        let mut offers = testbed.offers();
        offers[1..].sort();
        assert_eq!(offers, [["romeo", "juliet"], ["mercutio", "juliet"], ["mercutio", "romeo"]]);
        Ok("all hear all, one session a pair; one leaves, Dino is killed".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_declines_an_invitation_and_later_accepts_another_and_leaves_first() {
    held("Dino declines a room, then accepts another", 2, async |testbed| {
        let dino = testbed.dino("romeo")?;
        let (romeo, service) = (testbed.jid("romeo"), format!("conference.{}", testbed.xmpp.domain));
        let arguments = [&service, "--new", "--admit", &romeo, "--invite", &romeo, "--audio", "tone:660"];
        let mut juliet = testbed.muji_call("juliet", &arguments);
        assert!(dino.answer("reject"));
        juliet.tells("that Dino does not come", LIMIT, |event| event["event"] == "declined").await;
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;
        let mut juliet = testbed.muji_call("juliet", &arguments);
        juliet.talks_with(&dino, 660).await?;
        assert!(dino.press("hang up"));
        juliet.sees("left").await;
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;
        Ok("sound both ways, and it leaves first".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_starts_a_call_in_a_chat_room_one_of_us_accepts_and_dino_leaves_first() {
    held("Dino starts a call in a chat room", 2, async |testbed| {
        let mut juliet = testbed.waiting("juliet", "1", &["--audio", "tone:660"]).await;
        let dino = testbed.dino("romeo")?;
        assert!(dino.call(&testbed.xmpp.chat_room(), "audio"));
        juliet.tells("the invitation", LIMIT, |event| event["event"] == "invited").await;
        juliet.sees("connected").await;
        juliet.hears_dino(&dino).await?;
        heard_by(&dino, &[660]);
        assert!(dino.press("microphone"));
        juliet.sees("muted").await;
        assert!(dino.press("microphone"));
        juliet.hears_dino(&dino).await?;
        assert!(dino.press("hang up"));
        juliet.sees("left").await;
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;
        assert_eq!(testbed.offers(), [["juliet", "romeo"]]);
        Ok("one of us accepts; sound both ways, muted and unmuted, and it leaves first".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dinos_and_two_of_ours_hear_each_other_and_see_ours() {
    // In every other of such calls a Dino's microphone falls silent for good when another comes: it sends nothing to anybody, and
    // muting does not mend it.
    held("two Dinos and two muji-call, one comes late", 6, async |testbed| {
        let chat = testbed.xmpp.chat_room();
        let mut juliet = testbed.waiting("juliet", "1", &["--audio", "tone:660", "--video", "pattern:c03030"]).await;
        let mut mercutio =
            testbed.waiting("mercutio", "12", &["--audio", "tone:770", "--video", "pattern:3050c0"]).await;
        let romeo = testbed.dino("romeo")?;
        let benvolio = testbed.dino_with("benvolio", 500, None)?;
        assert!(romeo.call(&chat, "video"));
        juliet.sees("connected").await;
        juliet.hears_dino(&romeo).await?;
        assert!(benvolio.answer("accept"), "it rings at the other Dino's");
        juliet.hears_dino(&benvolio).await?;
        mercutio.hears(660).await;
        juliet.hears(770).await;
        assert_eq!(testbed.pairs(), PAIRS, "one session a pair");
        for dino in [&romeo, &benvolio] {
            juliet.hears_dino(dino).await?;
            mercutio.hears_dino(dino).await?;
        }
        for (dino, other) in [(&romeo, &benvolio), (&benvolio, &romeo)] {
            heard_by(dino, &[660, 770, other.tone]);
            shown_by(dino, RED);
            shown_by(dino, BLUE);
        }
        if let Some(picture) = std::env::var_os("DINO_PICTURE") {
            romeo.picture(picture.as_ref()).unwrap_or_else(|why| panic!("{why}"));
        }
        for muji_call in [&mut juliet, &mut mercutio] {
            signal(&muji_call.child, "-INT").await;
            muji_call.ends().await;
        }
        Ok("everyone hears everyone and sees the video of muji-call, one session per pair".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_call_dino_and_invite_another_with_whom_it_becomes_a_group() {
    held("we make a group of a call with Dino", 2, async |testbed| {
        let dino = testbed.dino("romeo")?;
        let mut mercutio =
            testbed.muji_call("mercutio", &["--wait", "--once", "--auto-answer", "1", "--audio", "tone:770"]);
        mercutio.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
        let mut juliet = testbed
            .muji_call("juliet", &[&testbed.jid("romeo"), "--audio", "tone:660", "--invite", &testbed.jid("mercutio")]);
        assert!(dino.answer("accept"), "it rings at Dino's");
        juliet.tells("that it goes on in a room", LIMIT, |event| event["event"] == "goes-on-in-room").await;
        mercutio.hears(660).await;
        mercutio.hears_dino(&dino).await?;
        juliet.hears(770).await;
        juliet.hears_dino(&dino).await?;
        heard_by(&dino, &[660, 770]);
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;
        mercutio.hears_dino(&dino).await?;
        heard_by(&dino, &[770]);
        signal(&mercutio.child, "-INT").await;
        mercutio.ends().await;
        Ok("all hear all, and we leave first".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_calls_us_and_invites_another_with_whom_it_becomes_a_group() {
    held("Dino makes a group of a call with us", 2, async |testbed| {
        let mut mercutio =
            testbed.muji_call("mercutio", &["--wait", "--once", "--auto-answer", "1", "--audio", "tone:770"]);
        mercutio.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
        let mut juliet =
            testbed.muji_call("juliet", &["--wait", "--once", "--auto-answer", "1", "--audio", "tone:660"]);
        juliet.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
        let dino = testbed.dino("romeo")?;
        assert!(dino.call(&testbed.jid("juliet"), "audio"));
        juliet.hears_dino(&dino).await?;
        assert!(dino.invite(&testbed.jid("mercutio")));
        mercutio.hears_dino(&dino).await?;
        mercutio.hears(660).await;
        juliet.hears(770).await;
        juliet.hears_dino(&dino).await?;
        heard_by(&dino, &[660, 770]);
        assert!(dino.press("hang up"));
        juliet.hears(770).await;
        for muji_call in [&mut juliet, &mut mercutio] {
            signal(&muji_call.child, "-INT").await;
            muji_call.ends().await;
        }
        Ok("all hear all, and Dino leaves first".to_owned())
    })
    .await;
}

/// Every two of them.
const PAIRS: [[&str; 2]; 6] = [
    ["benvolio", "juliet"],
    ["benvolio", "mercutio"],
    ["benvolio", "romeo"],
    ["juliet", "mercutio"],
    ["juliet", "romeo"],
    ["mercutio", "romeo"],
];
