//! Changes within an established session.

use muji_harness::puppet::{answering, opus, usable, video, vp8};
use muji_xep::jingle::{Action, Content, Jingle, Senders, Side};
use muji_xep::{Element, ns};

use super::{Case, session};
use crate::play::{Play, Result, SOON, wrong};

pub(super) const CASES: &[Case] = &[
    Case { name: "it answers who adds a content", ids: &["jingle-cadd-02"], play: answers_additions },
    Case { name: "it confirms who sends no more for a while", ids: &["jingle-cmod-02"], play: confirms_modifications },
    Case {
        name: "it refuses a change that does not say what changes",
        ids: &["jingle-cmod-01"],
        play: refuses_empty_changes,
    },
    Case { name: "it ends a session without contents", ids: &["jingle-crem-03"], play: ends_without_contents },
    Case { name: "it confirms hints, and goes on", ids: &["jingle-dinfo-01", "rtp-param-01"], play: confirms_hints },
    Case { name: "it answers who wants another transport", ids: &["jingle-trep-01"], play: answers_replacements },
];

/// A request about the session of [`session`] with one content.
fn about(action: Action, content: Content) -> Jingle {
    let mut jingle = Jingle::new(action, "s1");
    jingle.contents = vec![content];
    jingle
}

fn audio() -> Content {
    Content { creator: Side::Initiator, ..Content::new("audio") }
}

fn answers_additions(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let added = Content { transport: usable(Vec::new()).transport, ..video(vec![vp8()]) };
    let id = play.ask(&other, &about(Action::ContentAdd, added))?;
    play.confirmed(&id)?;
    play.says("whether it takes the content", SOON, |line| {
        line.action("content-accept").or_else(|| line.action("content-reject")).map(drop)
    })
}

fn confirms_modifications(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let quiet = Content { senders: Senders::None, ..audio() };
    let id = play.ask(&other, &about(Action::ContentModify, quiet))?;
    play.confirmed(&id)
}

fn refuses_empty_changes(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let text = format!(
        "<jingle xmlns='{}' action='content-modify' sid='s1'><content creator='initiator' name='audio'/></jingle>",
        ns::JINGLE
    );
    let id = play.ask_raw(&other, text.parse().expect("it is well-formed"))?;
    play.refused(&id, &["bad-request"])
}

fn ends_without_contents(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let id = play.ask(&other, &about(Action::ContentRemove, audio()))?;
    play.confirmed(&id)?;
    play.says("the end of the session", SOON, |line| line.action("session-terminate").map(drop))
}

fn confirms_hints(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let text = format!(
        "<jingle xmlns='{}' action='description-info' sid='s1'><content creator='initiator' name='audio'><description xmlns='{}' \
         media='audio'><payload-type id='111' name='opus' clockrate='48000' channels='2'><parameter name='juggling' \
         value='4000'/></payload-type></description></content></jingle>",
        ns::JINGLE,
        ns::RTP
    );
    let id = play.ask_raw(&other, text.parse().expect("it is well-formed"))?;
    play.confirmed(&id)?;
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, "s1"))?;
    play.confirmed(&id)
}

fn answers_replacements(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let replaced = Content { description: None, name: "audio".to_owned(), ..answering(vec![opus()]) };
    let id = play.ask(&other, &about(Action::TransportReplace, replaced))?;
    if play.answered(&id)?.is_some() {
        return wrong("it refuses to be asked");
    }
    play.says("whether it takes the transport", SOON, |line| {
        let answer: Option<&Element> = line.action("transport-accept").or_else(|| line.action("transport-reject"));
        answer.map(drop)
    })
}
