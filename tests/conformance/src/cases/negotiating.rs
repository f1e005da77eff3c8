//! What is negotiated in a session: payload types, transports, certificates.

use std::time::Duration;

use muji_harness::puppet::{acceptance as acceptance_to, opus, transport, usable, video, vp8};
use muji_trace::Line;
use muji_xep::jingle::{Action, Content, Jingle};
use muji_xep::rtp::{Description, Media, PayloadType};
use muji_xep::{Element, Skipped, ns};

use super::{Case, because, called, newcomer, session, sound};
use crate::play::{Play, Result, SOON, wrong};
use crate::subjects::Order;

pub(super) const CASES: &[Case] = &[
    Case { name: "it keeps the ids that were offered", ids: &["rtp-answer-02", "R-PT-6"], play: keeps_offered_ids },
    Case { name: "it answers with nothing that was not offered", ids: &["rtp-answer-01"], play: answers_a_subset },
    Case { name: "it says that it can none of the encodings", ids: &["rtp-answer-04"], play: no_encoding },
    Case { name: "its encodings have ids and names", ids: &["rtp-pt-01", "rtp-pt-04"], play: names_encodings },
    Case { name: "it takes no feedback that it does not know", ids: &["fb-02", "fb-03"], play: unknown_feedback },
    Case { name: "it takes no header extension that it does not know", ids: &["hdrx-02"], play: unknown_extension },
    Case { name: "it groups nothing that was not grouped", ids: &["grp-02", "R-DINO-4"], play: groups_nothing },
    Case {
        name: "it reads a fingerprint in lower case, with blanks around it",
        ids: &["dtls-fp-01"],
        play: reads_fingerprints,
    },
    Case { name: "its credentials are long enough and never the same", ids: &["ice-cred-02"], play: fresh_credentials },
    Case { name: "its candidates come with its credentials", ids: &["ice-cred-01"], play: credentials_with_candidates },
    Case {
        name: "its candidates say all that they must",
        ids: &["ice-cand-01", "ice-cand-02"],
        play: whole_candidates,
    },
    Case {
        name: "it takes candidates that come before it accepts",
        ids: &["ice-cand-04", "jingle-state-01"],
        play: early_candidates,
    },
    Case { name: "it refuses candidates that are none", ids: &["ice-cand-03"], play: refuses_candidates },
    Case { name: "it says that it knows none of the transports", ids: &["jingle-term-08"], play: no_transport },
    Case { name: "its sessions have random ids", ids: &["jingle-init-06", "R-DINO-2"], play: has_random_sids },
    Case { name: "it answers the sender, no matter who is named", ids: &["jingle-init-04"], play: answers_who_speaks },
    Case {
        name: "who begins and who accepts is said where that happens alone",
        ids: &["jingle-init-03"],
        play: names_nobody_else,
    },
    Case { name: "it refuses an offer that makes no session", ids: &["jingle-init-05"], play: refuses_early_sessions },
    Case { name: "it says whose content it accepts", ids: &["jingle-content-01"], play: keeps_creators },
    Case { name: "it is what the other is not in DTLS", ids: &["dtls-role-01"], play: takes_the_other_role },
    Case { name: "it rejects an added content that it cannot use", ids: &["rtp-add-01"], play: rejects_additions },
    Case {
        name: "its feedback, header extensions and sources are whole",
        ids: &["fb-01", "hdrx-01", "ssma-01"],
        play: describes_wholly,
    },
    Case {
        name: "it ends a session that is accepted without a fingerprint",
        ids: &["rtp-srtp-03"],
        play: ends_plaintext,
    },
    Case { name: "it accepts nothing that was not offered", ids: &["jingle-accept-05"], play: accepts_what_is_offered },
    Case { name: "it confirms candidates that come late", ids: &["ice-new-01"], play: late_candidates },
    Case { name: "its groups are of what is in its offer", ids: &["grp-01", "ssma-02"], play: groups_wholly },
    Case { name: "it answers new credentials with new ones", ids: &["ice-restart-02"], play: restarts },
];

fn description(payload_types: Vec<PayloadType>) -> Content {
    Content { description: Some(Description::new(Media::Audio, payload_types)), ..usable(Vec::new()) }
}

/// The answer to an offer of this content.
fn acceptance(play: &mut Play, content: Content) -> Result<Element> {
    let other = newcomer(play)?;
    let offer = play.offer("s1", vec![content]);
    play.ask(&other, &offer)?;
    play.says("an acceptance", SOON, |line| line.action("session-accept").cloned())
}

/// The elements of this name in the descriptions of a request.
fn described<'a>(jingle: &'a Element, name: &'a str) -> Vec<&'a Element> {
    let descriptions = jingle.children().filter_map(|content| content.get_child("description", ns::RTP));
    descriptions.flat_map(Element::children).filter(|child| child.name() == name).collect()
}

fn keeps_offered_ids(play: &mut Play) -> Result {
    let accept = acceptance(play, description(vec![PayloadType::new(120, "opus", 48_000, 2)]))?;
    match described(&accept, "payload-type").first().and_then(|payload| payload.attr("id")) {
        Some("120") => Ok(()),
        id => wrong(format!("opus was offered as 120, and it answers {}", id.unwrap_or("nothing"))),
    }
}

fn answers_a_subset(play: &mut Play) -> Result {
    let offered = vec![PayloadType::new(99, "juggling", 8_000, 1), PayloadType::new(120, "opus", 48_000, 2)];
    let accept = acceptance(play, description(offered))?;
    let other = |payload: &&&Element| payload.attr("id") != Some("120");
    match described(&accept, "payload-type").iter().find(other) {
        Some(payload) => {
            wrong(format!("it answers {}, which nobody can use", payload.attr("id").unwrap_or("without an id")))
        }
        None => Ok(()),
    }
}

/// The end of a session that is offered with this content.
fn refusal(play: &mut Play, content: Element) -> Result<Element> {
    let other = newcomer(play)?;
    let mut offer = play.offer("s1", Vec::new()).write();
    offer.append_child(content);
    let id = play.ask_raw(&other, offer)?;
    play.confirmed(&id)?;
    play.says("the end of the session", SOON, |line| line.action("session-terminate").cloned())
}

fn no_encoding(play: &mut Play) -> Result {
    let end = refusal(play, description(vec![PayloadType::new(99, "juggling", 8_000, 1)]).write())?;
    because(&end, &["failed-application"])
}

fn no_transport(play: &mut Play) -> Result {
    let text = String::from(&usable(vec![opus()]).write()).replace(ns::ICE_UDP, "urn:xmpp:jingle:transports:pigeon:1");
    let end = refusal(play, text.parse().expect("it is well-formed"))?;
    because(&end, &["unsupported-transports"])
}

fn names_encodings(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    for payload in described(&offer, "payload-type") {
        let id = payload.attr("id").and_then(|id| id.parse::<u8>().ok());
        match id {
            None => return wrong("an encoding has no id"),
            Some(id) if id >= 96 && payload.attr("name").is_none() => return wrong(format!("{id} has no name")),
            Some(id) if !(96..128).contains(&id) && id >= 35 => {
                return wrong(format!("{id} is no id for what has no fixed one"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

const OPUS: &str = "<payload-type id='111' name='opus' clockrate='48000' channels='2'/>";

/// A content as it is written, with this in its description and as its fingerprint.
fn written(described: &str, fingerprint: &str) -> Element {
    let text = format!(
        "<content xmlns='{}' creator='initiator' name='audio'><description xmlns='{}' media='audio'>{described}</description>\
         <transport xmlns='{}' ufrag='ufrag' pwd='a password of 22 letters'><fingerprint xmlns='{}' hash='sha-256' \
         setup='actpass'>{fingerprint}</fingerprint></transport></content>",
        ns::JINGLE,
        ns::RTP,
        ns::ICE_UDP,
        ns::DTLS
    );
    text.parse().expect("it is well-formed")
}

/// The answer to an offer of a content as it stands.
fn acceptance_of(play: &mut Play, content: Element) -> Result<Element> {
    let other = newcomer(play)?;
    let mut offer = play.offer("s1", Vec::new()).write();
    offer.append_child(content);
    play.ask_raw(&other, offer)?;
    play.says("an acceptance", SOON, |line| line.action("session-accept").cloned())
}

fn unknown_feedback(play: &mut Play) -> Result {
    let strange = "<payload-type id='111' name='opus' clockrate='48000' channels='2'><rtcp-fb \
                   xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='juggling'/></payload-type>";
    let accept = acceptance_of(play, written(strange, &["AB"; 32].join(":")))?;
    let payloads = described(&accept, "payload-type");
    let kept =
        payloads.iter().flat_map(|payload| payload.children()).any(|child| child.attr("type") == Some("juggling"));
    if kept { wrong("it takes feedback of a kind that there is not") } else { Ok(()) }
}

fn unknown_extension(play: &mut Play) -> Result {
    let strange = "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='7' uri='urn:example:juggling'/>";
    let accept = acceptance_of(play, written(&format!("{OPUS}{strange}"), &["AB"; 32].join(":")))?;
    let taken = |extension: &&&Element| extension.attr("uri") == Some("urn:example:juggling");
    match described(&accept, "rtp-hdrext").iter().find(taken) {
        Some(_) => wrong("it takes a header extension that there is not"),
        None => Ok(()),
    }
}

fn groups_nothing(play: &mut Play) -> Result {
    let accept = acceptance(play, usable(vec![opus()]))?;
    match accept.children().any(|child| child.name() == "group") {
        true => wrong("it answers with a group, and none was offered"),
        false => Ok(()),
    }
}

fn reads_fingerprints(play: &mut Play) -> Result {
    let lower = format!("\n {}\n ", ["ab"; 32].join(":"));
    acceptance_of(play, written(OPUS, &lower)).map(drop)
}

fn transports(jingle: &Element) -> Vec<&Element> {
    jingle.children().filter_map(|content| content.get_child("transport", ns::ICE_UDP)).collect()
}

/// Two are there, and the client comes and calls both: its offers.
fn two_offers(play: &mut Play) -> Result<Vec<Element>> {
    for name in ["tybalt", "paris"] {
        let other = play.other(name)?;
        play.enter(&other, Some(&sound()))?;
    }
    play.join()?;
    play.published()?;
    play.pause(Duration::from_secs(3))?;
    let offers: Vec<Element> = play.said().filter_map(|line| line.action("session-initiate").cloned()).collect();
    if offers.len() == 2 { Ok(offers) } else { wrong(format!("it makes {} offers to two who are there", offers.len())) }
}

fn fresh_credentials(play: &mut Play) -> Result {
    let offers = two_offers(play)?;
    let mut seen = Vec::new();
    for transport in offers.iter().flat_map(transports) {
        let (ufrag, pwd) = (transport.attr("ufrag").unwrap_or_default(), transport.attr("pwd").unwrap_or_default());
        if ufrag.len() < 4 || pwd.len() < 22 {
            return wrong(format!("credentials of {} and {} letters are too short", ufrag.len(), pwd.len()));
        }
        if seen.contains(&pwd) {
            return wrong("two sessions have the same credentials");
        }
        seen.push(pwd);
    }
    Ok(())
}

/// Every candidate that it told within some seconds, with the transport in which it stood.
fn candidates(play: &mut Play) -> Result<Vec<(Element, Element)>> {
    called(play)?;
    play.accept_sessions();
    play.pause(Duration::from_secs(4))?;
    let requests = play.said().filter_map(|line| line.jingle());
    let told = requests.flat_map(transports).flat_map(|transport| {
        let candidates = transport.children().filter(|child| child.name() == "candidate");
        candidates.map(move |candidate| (transport.clone(), candidate.clone()))
    });
    let told: Vec<_> = told.collect();
    if told.is_empty() { wrong("it tells no candidates within some seconds") } else { Ok(told) }
}

fn credentials_with_candidates(play: &mut Play) -> Result {
    let bare =
        |(transport, _): &(Element, Element)| transport.attr("ufrag").is_none() || transport.attr("pwd").is_none();
    match candidates(play)?.iter().any(bare) {
        true => wrong("it tells candidates without the credentials that they belong to"),
        false => Ok(()),
    }
}

fn whole_candidates(play: &mut Play) -> Result {
    const PARTS: [&str; 10] =
        ["component", "foundation", "generation", "id", "ip", "network", "port", "priority", "protocol", "type"];
    for (_, candidate) in candidates(play)? {
        if let Some(part) = PARTS.into_iter().find(|part| candidate.attr(*part).is_none()) {
            return wrong(format!("a candidate has no {part}"));
        }
        let kind = candidate.attr("type").unwrap_or_default();
        if !["host", "prflx", "relay", "srflx"].contains(&kind) {
            return wrong(format!("there are no candidates of type {kind}"));
        }
    }
    Ok(())
}

/// A request that tells this candidate.
fn trickle(sid: &str, candidate: &str) -> Element {
    let text = format!(
        "<jingle xmlns='{}' action='transport-info' sid='{sid}'><content creator='initiator' name='audio'><transport xmlns='{}' \
         ufrag='ufrag' pwd='a password of 22 letters'>{candidate}</transport></content></jingle>",
        ns::JINGLE,
        ns::ICE_UDP
    );
    text.parse().expect("it is well-formed")
}

const CANDIDATE: &str = "<candidate component='1' foundation='1' generation='0' id='c1' ip='192.0.2.7' network='0' port='40000' \
                         priority='2130706431' protocol='udp' type='host'/>";

fn early_candidates(play: &mut Play) -> Result {
    let other = newcomer(play)?;
    let offer = play.offer("s1", vec![usable(vec![opus()])]);
    play.ask(&other, &offer)?;
    let id = play.ask_raw(&other, trickle("s1", CANDIDATE))?;
    play.confirmed(&id)
}

fn refuses_candidates(play: &mut Play) -> Result {
    let other = newcomer(play)?;
    let offer = play.offer("s1", vec![usable(vec![opus()])]);
    let id = play.ask(&other, &offer)?;
    play.confirmed(&id)?;
    let id = play.ask_raw(&other, trickle("s1", &CANDIDATE.replace("40000", "99999")))?;
    play.refused(&id, &["bad-request"])?;
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, "s1"))?;
    play.confirmed(&id)
}

fn has_random_sids(play: &mut Play) -> Result {
    let mut sids: Vec<String> =
        two_offers(play)?.iter().map(|offer| offer.attr("sid").unwrap_or_default().to_owned()).collect();
    let token = |sid: &String| sid.chars().all(|sign| sign.is_ascii_alphanumeric() || "._:-".contains(sign));
    // A UUID has 122 random bits, at least 22 letters of 6 bits each; some clients use fewer.
    if let Some(sid) = sids.iter().find(|sid| !token(sid) || sid.len() < 16) {
        return wrong(format!("{sid} is not a random id"));
    }
    sids.sort();
    if sids.windows(2).any(|pair| pair[0] == pair[1]) { wrong("two sessions have the same id") } else { Ok(()) }
}

fn answers_who_speaks(play: &mut Play) -> Result {
    let other = newcomer(play)?;
    let mut offer = play.offer("s1", vec![usable(vec![opus()])]);
    offer.initiator = Some("somebody@example.org/else".to_owned());
    play.ask(&other, &offer)?;
    let to = play.says("an acceptance", SOON, |line| {
        line.action("session-accept").and_then(|_| line.stanza.attr("to").map(str::to_owned))
    })?;
    if to == other.jid.as_str() { Ok(()) } else { wrong(format!("it answers {to}, who has said nothing")) }
}

fn names(element: &Element) -> Vec<&str> {
    element.children().filter(|child| child.name() == "content").filter_map(|content| content.attr("name")).collect()
}

fn accepts_what_is_offered(play: &mut Play) -> Result {
    let other = newcomer(play)?;
    let sound = usable(vec![opus()]);
    let window = Content { name: "window".to_owned(), transport: sound.transport.clone(), ..video(vec![vp8()]) };
    let offer = play.offer("s1", vec![sound, window]);
    play.ask(&other, &offer)?;
    let accept = play.says("an acceptance", SOON, |line| line.action("session-accept").cloned())?;
    let accepted = names(&accept);
    let offered = |name: &&str| ["audio", "window"].contains(name);
    match !accepted.is_empty() && accepted.iter().all(offered) {
        true => Ok(()),
        false => wrong(format!("it accepts {} of audio and window", accepted.join(" and "))),
    }
}

fn late_candidates(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    play.pause(Duration::from_secs(1))?;
    let id = play.ask_raw(&other, trickle("s1", CANDIDATE))?;
    play.confirmed(&id)
}

fn groups_wholly(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    let offered = names(&offer);
    let groups = offer.children().filter(|child| child.name() == "group");
    for group in groups {
        let members: Vec<&str> = group.children().filter_map(|content| content.attr("name")).collect();
        if members.is_empty() || !members.iter().all(|name| offered.contains(name)) || group.attr("semantics").is_none()
        {
            return wrong("a group has no semantics, or has what is not offered");
        }
    }
    let sources: Vec<&str> = described(&offer, "source").into_iter().filter_map(|source| source.attr("ssrc")).collect();
    for group in described(&offer, "ssrc-group") {
        let mut members = group.children().filter_map(|source| source.attr("ssrc"));
        if group.attr("semantics").is_none() || !members.all(|ssrc| sources.contains(&ssrc)) {
            return wrong("a group of sources has no semantics, or has what is not described");
        }
    }
    Ok(())
}

fn describes_wholly(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    let nested = described(&offer, "payload-type").into_iter().flat_map(Element::children);
    let feedback = nested.filter(|child| child.name() == "rtcp-fb").chain(described(&offer, "rtcp-fb"));
    if feedback.into_iter().any(|feedback| feedback.attr("type").is_none()) {
        return wrong("a feedback has no type");
    }
    let extensions = described(&offer, "rtp-hdrext");
    let id = |extension: &&Element| extension.attr("id").and_then(|id| id.parse::<u8>().ok()).is_some_and(|id| id > 0);
    if !extensions.iter().all(|extension| id(extension) && extension.attr("uri").is_some()) {
        return wrong("a header extension has no id or no URI");
    }
    let ssrc = |source: &&Element| source.attr("ssrc").is_some_and(|ssrc| ssrc.parse::<u32>().is_ok());
    if !described(&offer, "source").iter().all(ssrc) {
        return wrong("a source has no SSRC");
    }
    Ok(())
}

fn ends_plaintext(play: &mut Play) -> Result {
    let (other, offer) = called(play)?;
    let offer = Jingle::read(&offer, &mut Skipped::default()).expect("it is an offer");
    let mut accept = acceptance_to(&offer);
    accept.contents.iter_mut().for_each(|content| content.transport = Some(transport(None)));
    let id = play.ask(&other, &accept)?;
    play.answered(&id)?;
    let end = play.says("the end of the session", SOON, |line| line.action("session-terminate").cloned())?;
    because(&end, &["security-error"])
}

fn names_nobody_else(play: &mut Play) -> Result {
    session(play)?;
    play.order(&Order::Leave)?;
    play.says("the end of the session", SOON, |line| line.action("session-terminate").map(drop))?;
    for jingle in play.said().filter_map(Line::jingle) {
        let action = jingle.attr("action").unwrap_or_default();
        let initiator = jingle.attr("initiator").is_some() && action != "session-initiate";
        if initiator || jingle.attr("responder").is_some() && action != "session-accept" {
            return wrong(format!("{action} says who began or accepted"));
        }
    }
    Ok(())
}

fn refuses_early_sessions(play: &mut Play) -> Result {
    let other = newcomer(play)?;
    let offer = String::from(&play.offer("s1", vec![usable(vec![opus()])]).write());
    let early = offer.replacen("<content ", "<content disposition='early-session' ", 1);
    let id = play.ask_raw(&other, early.parse().expect("it is well-formed"))?;
    play.refused(&id, &["bad-request"])
}

fn keeps_creators(play: &mut Play) -> Result {
    let accept = acceptance(play, usable(vec![opus()]))?;
    for content in accept.children().filter(|child| child.name() == "content") {
        match content.attr("creator") {
            Some("initiator") => {}
            creator => {
                return wrong(format!("the caller is the creator of the content, not {}", creator.unwrap_or("nobody")));
            }
        }
    }
    Ok(())
}

fn takes_the_other_role(play: &mut Play) -> Result {
    let text = String::from(&usable(vec![opus()]).write()).replace("actpass", "active");
    let accept = acceptance_of(play, text.parse().expect("it is well-formed"))?;
    let prints = transports(&accept).into_iter().filter_map(|transport| transport.get_child("fingerprint", ns::DTLS));
    let setups: Vec<&str> = prints.filter_map(|print| print.attr("setup")).collect();
    match setups[..] {
        ["passive"] => Ok(()),
        _ => wrong(format!("the other is active, and it is {}", setups.join(" and "))),
    }
}

fn rejects_additions(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let useless = Description::new(Media::Video, vec![PayloadType::new(99, "juggling", 90_000, 1)]);
    let mut add = Jingle::new(Action::ContentAdd, "s1");
    add.contents = vec![Content { name: "video".to_owned(), description: Some(useless), ..usable(Vec::new()) }];
    let id = play.ask(&other, &add)?;
    play.confirmed(&id)?;
    let reject = play.says("that it rejects the content", SOON, |line| line.action("content-reject").cloned())?;
    because(&reject, &["failed-application"])
}

fn restarts(play: &mut Play) -> Result {
    let (other, accept) = session(play)?;
    let ufrag = |transport: &Element| transport.attr("ufrag").map(str::to_owned);
    let before: Vec<String> = transports(&accept).into_iter().filter_map(ufrag).collect();
    let renewed = String::from(&trickle("s1", &CANDIDATE.replace("generation='0'", "generation='1'")));
    let renewed = renewed.replace("ufrag='ufrag'", "ufrag='renewed'").replace("pwd='a password", "pwd='a new password");
    let id = play.ask_raw(&other, renewed.parse().expect("it is well-formed"))?;
    play.confirmed(&id)?;
    play.says("new credentials", SOON, |line| {
        let info = line.action("transport-info")?;
        let new = transports(info).into_iter().filter_map(ufrag).any(|ufrag| !before.contains(&ufrag));
        new.then_some(())
    })
}
