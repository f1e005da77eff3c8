//! What a client answers when participants query it.

use muji_xep::{Element, ns};
use xmpp_parsers::caps::{compute_disco, hash_caps};
use xmpp_parsers::disco::DiscoInfoResult;
use xmpp_parsers::hashes::Algo;

use super::{Case, called, sound};
use crate::play::{Fault, Other, Play, Result, SOON, wrong};

pub(super) const CASES: &[Case] = &[
    Case { name: "it says what it is and can", ids: &["disco-01"], play: says_what_it_is },
    Case {
        name: "it says that it can Jingle with RTP",
        ids: &["jingle-disco-01", "rtp-disco-01", "ice-disco-01"],
        play: says_that_it_can_jingle,
    },
    Case { name: "it says that it can encrypt", ids: &["dtls-disco-01"], play: says_that_it_can_encrypt },
    Case {
        name: "it says that it can what its offers need in RTP",
        ids: &["fb-06", "hdrx-04", "ssma-03"],
        play: says_what_its_offers_need,
    },
    Case { name: "it says that it can group if it groups", ids: &["grp-04"], play: says_that_it_groups },
    Case { name: "its capabilities are what it says of itself", ids: &["caps-02", "caps-04"], play: hashes_its_info },
    Case { name: "it says that it can Muji", ids: &["R-CAP-1"], play: says_that_it_can_muji },
    Case { name: "it knows no nodes that are not", ids: &["disco-02", "disco-03"], play: unknown_nodes },
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
    answer(play, &id)
}

fn answer(play: &mut Play, id: &str) -> Result<Element> {
    let answer = play.says("what it is", SOON, |line| line.answers(id).then(|| line.stanza.clone()))?;
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
    can(&info, &[ns::JINGLE, ns::RTP, "urn:xmpp:jingle:apps:rtp:audio", ns::ICE_UDP])
}

fn says_that_it_can_encrypt(play: &mut Play) -> Result {
    let info = info(play)?;
    can(&info, &[ns::DTLS])
}

/// A word like this stands somewhere in it.
fn has(element: &Element, word: &str) -> bool {
    element.name() == word || element.children().any(|child| has(child, word))
}

/// What it offers, and what it says that it can.
fn offer_and_info(play: &mut Play) -> Result<(Element, Element)> {
    let (other, offer) = called(play)?;
    let id = play.query(&other, query(None))?;
    Ok((offer, answer(play, &id)?))
}

fn says_what_its_offers_need(play: &mut Play) -> Result {
    let (offer, info) = offer_and_info(play)?;
    for (word, feature) in [("rtcp-fb", ns::RTCP_FB), ("rtp-hdrext", ns::RTP_HDREXT), ("source", ns::SOURCES_FEATURE)] {
        if has(&offer, word) {
            can(&info, &[feature])?;
        }
    }
    Ok(())
}

fn says_that_it_groups(play: &mut Play) -> Result {
    let (offer, info) = offer_and_info(play)?;
    if has(&offer, "group") { can(&info, &[ns::GROUPING_FEATURE]) } else { Ok(()) }
}

fn hashes_its_info(play: &mut Play) -> Result {
    let other = occupant(play)?;
    let caps = play.said().rev().find_map(|line| line.stanza.get_child("c", ns::CAPS).cloned());
    let Some(caps) = caps else { return wrong("its presence has no capabilities") };
    let [node, ver] = ["node", "ver"].map(|name| caps.attr(name).unwrap_or_default().to_owned());
    if caps.attr("hash") != Some("sha-1") {
        return wrong("its capabilities are hashed by something else than SHA-1, which all know");
    }
    let id = play.query(&other, query(Some(&format!("{node}#{ver}"))))?;
    let answer =
        play.says("what its capabilities stand for", SOON, |line| line.answers(&id).then(|| line.stanza.clone()))?;
    let info = answer.get_child("query", ns::DISCO_INFO).cloned().and_then(|info| DiscoInfoResult::try_from(info).ok());
    let Some(info) = info else { return wrong("it does not say what its capabilities stand for") };
    let hash = hash_caps(&compute_disco(&info), Algo::Sha_1).expect("it is a known algorithm").to_base64();
    if hash == ver { Ok(()) } else { wrong(format!("what it says hashes to {hash}, and its capabilities are {ver}")) }
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
