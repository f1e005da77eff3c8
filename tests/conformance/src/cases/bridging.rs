//! Bridges to people who know nothing of Muji: as participants, and as callers. The client need know nothing of them.

use std::time::Duration;

use muji_harness::puppet::{direct_offer, opus, usable};
use muji_trace::Line;
use muji_xep::bridge::BridgeMark;
use muji_xep::conference_info::{ConferenceInfo, ConferenceUser, EndpointStatus};
use muji_xep::jingle::{Action, Jingle};
use muji_xep::{Element, muc, ns};

use super::call_forking::{called, says_to};
use super::{Case, sound};
use crate::play::{Other, Play, Result, SOON, wrong};
use crate::subjects::Order;

pub(super) const CASES: &[Case] = &[
    Case { name: "it calls a bridge as any other participant", ids: &["brg-show-03"], play: calls_a_bridge },
    Case { name: "it accepts the offer of a bridge", ids: &["brg-show-03"], play: accepts_a_bridge },
    Case {
        name: "guests of a bridge come and go without a change of its session",
        ids: &["brg-show-03", "brg-show-08"],
        play: guests_come_and_go,
    },
    Case {
        name: "a document of guests that is none, or too large, keeps nobody out",
        ids: &["brg-show-08"],
        play: documents_that_are_none,
    },
    Case {
        name: "it answers a caller that is a conference as any other",
        ids: &["brg-call-07"],
        play: answers_a_conference,
    },
    Case {
        name: "a document about a conference in a session does not end it",
        ids: &["brg-call-07", "jingle-info-01"],
        play: documents_in_a_session,
    },
];

/// A client that has something against a document says so within this time.
const A_WHILE: Duration = Duration::from_secs(2);

fn mark() -> BridgeMark {
    BridgeMark { id: "9f2c".to_owned(), behind: Vec::new() }
}

/// Who called a bridge, as it says it the `version`th time: as many as that, and the last of them is muted.
fn document(version: u32) -> Element {
    let user = |number: u32| ConferenceUser {
        id: format!("c{number}"),
        jid: Some(format!("guest{number}@example.org").parse().expect("a JID")),
        name: Some(format!("Guest {number}")),
        status: EndpointStatus::Connected,
        muted: number == version,
        source: Some(number),
    };
    ConferenceInfo { version, users: (1..=version).map(user).collect(), ..ConferenceInfo::default() }.write()
}

/// What a bridge says of the call, with this document.
fn bridge_with(document: Element) -> Vec<Element> {
    vec![sound().write(), mark().write(), document]
}

/// A bridge is in the room, or comes into it.
fn bridge(play: &mut Play, document: Element) -> Result<Other> {
    let other = play.other("tybalt")?;
    let payloads = [vec![muc::enter(None)], bridge_with(document)].concat();
    play.update_raw(&other, payloads);
    play.pause(Duration::from_millis(500))?;
    Ok(other)
}

/// The client is in the call, and a bridge comes and offers a session, which it accepts.
fn session_with(play: &mut Play, document: Element) -> Result<Other> {
    play.joined()?;
    let other = bridge(play, document)?;
    let offer = play.offer("s1", vec![usable(vec![opus()])]);
    accepts(play, &other, offer)?;
    Ok(other)
}

/// It accepts the offer of somebody who says that it is a bridge.
fn accepts(play: &mut Play, other: &Other, offer: Jingle) -> Result {
    let offer = Jingle { is_focus: true, bridge: Some(mark()), ..offer };
    let id = play.ask(other, &offer)?;
    play.confirmed(&id)?;
    play.says("an acceptance", SOON, |line| line.action("session-accept").map(drop))
}

fn calls_a_bridge(play: &mut Play) -> Result {
    let other = bridge(play, document(2))?;
    play.join()?;
    play.calls(&other).map(drop)
}

fn accepts_a_bridge(play: &mut Play) -> Result {
    session_with(play, document(1)).map(drop)
}

/// It says nothing of the call or a session.
fn stays_as_it_is(play: &mut Play) -> Result {
    play.does_not_say("something of the call", A_WHILE, |line: &Line| line.jingle().is_some() || line.muji().is_some())
}

/// The session is still there: an empty request in it is confirmed.
fn goes_on(play: &mut Play, other: &Other, sid: &str) -> Result {
    let id = play.ask(other, &Jingle::new(Action::SessionInfo, sid))?;
    play.confirmed(&id)
}

fn guests_come_and_go(play: &mut Play) -> Result {
    let other = session_with(play, document(1))?;
    for version in [2, 3, 1] {
        play.update_raw(&other, bridge_with(document(version)));
        stays_as_it_is(play)?;
    }
    // The last guest is gone, and it says nothing of guests any more.
    play.update_raw(&other, vec![sound().write()]);
    stays_as_it_is(play)?;
    goes_on(play, &other, "s1")
}

/// Documents that no client can read whole.
fn odd_documents() -> Vec<Element> {
    let of = |attributes: &str, inside: &str| {
        let text = format!("<conference-info xmlns='{}' {attributes}>{inside}</conference-info>", ns::CONFERENCE_INFO);
        text.parse().expect("it is well-formed")
    };
    let crowd: String = (0..500).map(|number| format!("<user entity='c{number}'/>")).collect();
    let deep = format!("{}{}", "<users>".repeat(100), "</users>".repeat(100));
    vec![
        of("entity='xmpp:@@' version='-7' state='none'", "<users><user entity='xmpp:@'/><user/><other/></users>"),
        of("", "<users><user entity='c1'><endpoint><status>asleep</status></endpoint></user></users>"),
        of(
            "version='1'",
            &format!("<conference-state><user-count>1e9</user-count></conference-state><users>{crowd}</users>"),
        ),
        of("version='2'", &deep),
    ]
}

fn documents_that_are_none(play: &mut Play) -> Result {
    let [first, others @ ..] = &odd_documents()[..] else { return wrong("there are no documents") };
    let other = session_with(play, first.clone())?;
    for document in others {
        play.update_raw(&other, bridge_with(document.clone()));
        stays_as_it_is(play)?;
    }
    goes_on(play, &other, "s1")
}

/// A contact of the client that is a bridge calls it, and it picks up.
fn taken_from_a_conference(play: &mut Play) -> Result<Other> {
    let other = called(play, true)?;
    says_to(play, &other, "ringing")?;
    play.order(&Order::Accept)?;
    says_to(play, &other, "proceed")?;
    accepts(play, &other, direct_offer("call1", usable(vec![opus()])))?;
    Ok(other)
}

fn answers_a_conference(play: &mut Play) -> Result {
    let other = taken_from_a_conference(play)?;
    goes_on(play, &other, "call1")
}

fn documents_in_a_session(play: &mut Play) -> Result {
    let other = taken_from_a_conference(play)?;
    let mut info = Jingle::new(Action::SessionInfo, "call1").write();
    info.append_child(document(1));
    let id = play.ask_raw(&other, info)?;
    play.refused(&id, &["feature-not-implemented", "unsupported-info"])?;
    play.does_not_say("the end of the session", A_WHILE, |line| line.action("session-terminate").is_some())?;
    goes_on(play, &other, "call1")
}
