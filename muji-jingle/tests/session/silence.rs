//! A content of which nothing comes though the path works: told with its reason.

use std::time::Duration;

use muji_jingle::media::{MediaCommand, MediaReport};
use muji_jingle::{SessionEvent, SessionId, Silence, timers};
use muji_xep::jingle::{Action, Content, Jingle, Side};
use muji_xep::rtp::{Description, Media, Source};
use muji_xep::session_info::{ContentRef, SessionInfo};

use crate::pair::{Pair, drain, up};

/// What the caller's owner is told.
fn told(pair: &mut Pair) -> Vec<SessionEvent> {
    drain(&mut pair.caller).events
}

/// The caller's media layer reports this.
fn reports(pair: &mut Pair, report: fn(SessionId, String) -> MediaReport) -> Vec<SessionEvent> {
    pair.caller.handle_media(pair.now, &mut pair.ids, report(SessionId(1), "audio".to_owned()));
    told(pair)
}

/// The callee says this.
fn says(pair: &mut Pair, info: SessionInfo) {
    let request = Jingle { info: Some(info), ..Jingle::new(Action::SessionInfo, "s1") };
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &request, &[]).expect("it is in order");
    told(pair);
}

fn silent(session: SessionId, content: String) -> MediaReport {
    MediaReport::Silent { session, content }
}

fn flowing(session: SessionId, content: String) -> MediaReport {
    MediaReport::Flowing { session, content }
}

fn silence(why: Silence) -> Vec<SessionEvent> {
    vec![SessionEvent::Silent { content: "audio".to_owned(), media: Media::Audio, why }]
}

#[test]
fn silence_is_told_with_its_reason_if_the_peer_gave_one() {
    for (info, why) in [
        (None, Silence::Unexplained),
        (Some(SessionInfo::Mute(None)), Silence::Muted),
        (Some(SessionInfo::Hold), Silence::Held),
    ] {
        let mut pair = up();
        reports(&mut pair, flowing);
        if let Some(info) = info {
            says(&mut pair, info);
        }
        assert_eq!(reports(&mut pair, silent), silence(why));
        assert_eq!(pair.caller.silent(), [("audio".to_owned(), Media::Audio, why)]);
        reports(&mut pair, flowing);
        assert_eq!((pair.caller.silent(), pair.caller.poll_timeout()), (Vec::new(), None));
    }
}

#[test]
fn a_peer_that_unmutes_and_sends_nothing_is_silent_for_no_known_reason_after_five_seconds() {
    let mut pair = up();
    says(&mut pair, SessionInfo::Mute(None));
    reports(&mut pair, silent);
    says(&mut pair, SessionInfo::Unmute(None));
    let due = pair.now + timers::SILENCE;
    pair.caller.handle_timeout(due - Duration::from_millis(1), &mut pair.ids);
    assert_eq!(told(&mut pair), []);
    pair.caller.handle_timeout(due, &mut pair.ids);
    assert_eq!(told(&mut pair), silence(Silence::Unexplained));
    pair.caller.handle_timeout(due + timers::SILENCE, &mut pair.ids);
    assert_eq!((told(&mut pair), pair.caller.poll_timeout()), (Vec::new(), None), "once");
}

#[test]
fn a_peer_that_listens_again_and_sends_nothing_is_silent_for_no_known_reason_after_five_seconds() {
    for word in [SessionInfo::Unhold, SessionInfo::Active] {
        let mut pair = up();
        says(&mut pair, SessionInfo::Hold);
        reports(&mut pair, silent);
        says(&mut pair, word);
        pair.caller.handle_timeout(pair.now + timers::SILENCE, &mut pair.ids);
        assert_eq!(told(&mut pair), silence(Silence::Unexplained));
    }
}

#[test]
fn what_the_peer_says_of_another_content_does_not_matter() {
    let other = || Some(ContentRef { creator: Side::Initiator, name: "video".to_owned() });
    let mut pair = up();
    says(&mut pair, SessionInfo::Mute(other()));
    assert_eq!(reports(&mut pair, silent), silence(Silence::Unexplained));
    let mut pair = up();
    says(&mut pair, SessionInfo::Mute(None));
    says(&mut pair, SessionInfo::Unmute(other()));
    assert_eq!(reports(&mut pair, silent), silence(Silence::Muted));
}

// Shows jingle-dinfo-01.
#[test]
fn sources_that_the_peer_names_later_count_and_the_last_ones_if_there_are_many() {
    let mut pair = up();
    let mut tell = |ssrcs: std::ops::Range<u32>| {
        let sources = ssrcs.map(|ssrc| Source { ssrc, parameters: Vec::new() }).collect();
        let description = Description { sources, ..Description::new(Media::Audio, Vec::new()) };
        let mut news = Jingle::new(Action::DescriptionInfo, "s1");
        news.contents = vec![Content { description: Some(description), ..Content::new("audio") }];
        pair.caller.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect("it is in order");
        let given = drain(&mut pair.caller);
        assert_eq!(given.events, []);
        let ssrcs = given.media.into_iter().map(|command| match command {
            MediaCommand::Content { streams, receive: true, send: Some(_), .. } => {
                streams.iter().map(|stream| stream.ssrc).collect()
            }
            other => panic!("{other:?}"),
        });
        ssrcs.collect::<Vec<Vec<u32>>>()
    };
    assert_eq!(tell(100..101), [[100, 7]]);
    assert_eq!(tell(100..101), [[0; 0]; 0], "nothing new");
    assert_eq!(tell(200..400), [(200..216).collect::<Vec<u32>>()]);
}
