//! What a client says of itself to those in its call.

use muji_xep::{Element, ns};

use super::{Case, sound};
use crate::play::{Fault, Other, Play, Result, SOON, wrong};

pub(super) const CASES: &[Case] = &[
    Case { name: "it says what it is and can", ids: &["disco-01"], play: says_what_it_is },
    Case {
        name: "it says that it can Jingle with RTP",
        ids: &["jingle-disco-01", "dtls-disco-01"],
        play: says_that_it_can_jingle,
    },
    Case { name: "it says that it can Muji", ids: &["R-CAP-1"], play: says_that_it_can_muji },
    Case { name: "it knows no nodes that are not", ids: &["disco-02"], play: unknown_nodes },
    Case { name: "it answers pings", ids: &["ping-08"], play: answers_pings },
];

/// The client is in the call with somebody.
fn occupant(play: &mut Play) -> Result<Other> {
    let other = play.other("tybalt")?;
    play.enter(&other, Some(&sound()))?;
    play.joined()?;
    Ok(other)
}

fn query(node: Option<&str>) -> Element {
    let node = node.map(|node| format!(" node='{node}'")).unwrap_or_default();
    format!("<query xmlns='{}'{node}/>", ns::DISCO_INFO).parse().expect("it is well-formed")
}

/// What it says.
fn info(play: &mut Play) -> Result<Element> {
    let other = occupant(play)?;
    let id = play.query(&other, query(None))?;
    let answer = play.says("what it is", SOON, |line| line.answers(&id).then(|| line.stanza.clone()))?;
    let info = answer.get_child("query", ns::DISCO_INFO).cloned();
    info.ok_or_else(|| Fault::Wrong("it does not answer who asks what it is".to_owned()))
}

fn can(info: &Element, features: &[&str]) -> Result {
    let missing =
        |feature: &&&str| !info.children().any(|child| child.name() == "feature" && child.attr("var") == Some(feature));
    match features.iter().find(missing) {
        Some(feature) => wrong(format!("it does not say that it can {feature}")),
        None => Ok(()),
    }
}

fn says_what_it_is(play: &mut Play) -> Result {
    let info = info(play)?;
    if !info.children().any(|child| child.name() == "identity") {
        return wrong("it has no identity");
    }
    can(&info, &[ns::DISCO_INFO])
}

fn says_that_it_can_jingle(play: &mut Play) -> Result {
    let info = info(play)?;
    can(&info, &[ns::JINGLE, ns::RTP, "urn:xmpp:jingle:apps:rtp:audio", ns::ICE_UDP, ns::DTLS])
}

fn says_that_it_can_muji(play: &mut Play) -> Result {
    let info = info(play)?;
    can(&info, &[ns::MUJI])
}

fn unknown_nodes(play: &mut Play) -> Result {
    let other = occupant(play)?;
    let id = play.query(&other, query(Some("https://example.org/no-such-node")))?;
    play.refused(&id, &["item-not-found"])
}

fn answers_pings(play: &mut Play) -> Result {
    let other = occupant(play)?;
    let id = play.query(&other, format!("<ping xmlns='{}'/>", ns::PING).parse().expect("it is well-formed"))?;
    play.confirmed(&id)
}
