//! Whom a client calls, and how.

use std::time::Duration;

use muji_harness::puppet::{acceptance, audio, opus};
use muji_trace::{Line, publishes};
use muji_xep::jingle::{Action, Content, Jingle};
use muji_xep::muji::MujiElement;
use muji_xep::rtp::PayloadType;
use muji_xep::session_info::SessionInfo;
use muji_xep::{Element, Skipped, ns};

use super::{Case, called, sound};
use crate::play::{Other, Play, Result, SOON, wrong};
use crate::subjects::Cannot;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "it calls everybody who was there, each once",
        ids: &["muji-sess-01", "R-INIT-1", "R-ORDER-1"],
        play: calls_all,
    },
    Case { name: "it calls nobody without Muji", ids: &["muji-leave-03", "R-XML-2"], play: not_who_left_the_call },
    Case {
        name: "it does not call those who come later",
        ids: &["muji-sess-02", "R-INIT-1"],
        play: not_one_who_comes_later,
    },
    Case { name: "it calls those who come later and do not call", ids: &["R-INIT-3"], play: calls_who_forgets },
    Case { name: "it waits for who says that it rings", ids: &["R-RING-1"], play: waits_while_it_rings },
    Case { name: "it publishes before it calls", ids: &["muji-sess-03"], play: publishes_before },
    Case { name: "it calls real JIDs", ids: &["muji-sess-04", "muc-pm-01"], play: calls_real_jids },
    Case { name: "its offer names the room", ids: &["muji-sess-05"], play: names_the_room },
    Case { name: "its offer names contents that it publishes", ids: &["muji-sess-07"], play: names_its_contents },
    Case { name: "its offer has whole contents", ids: &["jingle-init-01", "rtp-desc-01"], play: offers_whole_contents },
    Case { name: "its offer says who makes it", ids: &["jingle-init-02"], play: says_who_it_is },
    Case { name: "its offer has ICE's credentials", ids: &["ice-init-01"], play: offers_ice },
    Case {
        name: "its offer has a fingerprint, for either role",
        ids: &["dtls-fp-01", "dtls-fp-02"],
        play: offers_dtls,
    },
    Case { name: "it reads contents in Muji's namespace too", ids: &["R-XML-1"], play: reads_the_dialect },
    Case { name: "it calls who publishes no encodings", ids: &["R-XML-2"], play: calls_the_silent },
    Case { name: "it does not stumble over what it does not know", ids: &["R-XML-3"], play: skips_the_unknown },
    Case {
        name: "it publishes an encoding of those who are there, under their id",
        ids: &["muji-pt-02", "muji-pt-03", "R-PT-2"],
        play: takes_over_ids,
    },
    Case {
        name: "it calls a content as those who are there do",
        ids: &["R-NAME-1", "muji-model-01"],
        play: takes_over_names,
    },
    Case { name: "it publishes no less when somebody comes who can less", ids: &["R-PT-5"], play: does_not_shrink },
    Case { name: "of two meanings of an id that of the lower JID stands", ids: &["R-PT-3"], play: gives_ids_up },
    Case { name: "it gives no id of another another meaning", ids: &["muji-pt-01", "R-PT-1"], play: keeps_ids },
];

fn waits_while_it_rings(play: &mut Play) -> Result {
    let (other, offer) = called(play)?;
    let offer = Jingle::read(&offer, &mut Skipped::default()).expect("it was found by its action");
    let rings = Jingle { info: Some(SessionInfo::Ringing), ..Jingle::new(Action::SessionInfo, &offer.sid) };
    play.ask(&other, &rings)?;
    let again = |line: &Line| ["session-initiate", "session-terminate"].iter().any(|it| line.action(it).is_some());
    play.does_not_say("that it waits no longer", Duration::from_secs(12), again)?;
    let id = play.ask(&other, &acceptance(&offer))?;
    play.confirmed(&id)
}

/// How often it has called somebody.
fn offers(play: &Play, other: &Other) -> usize {
    let to = other.jid.to_string();
    let calls = |line: &&Line| line.action("session-initiate").is_some() && line.stanza.attr("to") == Some(&to);
    play.said().filter(calls).count()
}

fn calls_all(play: &mut Play) -> Result {
    let others = [play.other("tybalt")?, play.other("paris")?];
    for other in &others {
        play.enter(other, Some(&sound()))?;
    }
    let listener = play.other("nurse")?;
    play.enter(&listener, None)?;
    play.accept_sessions();
    play.joined()?;
    play.pause(Duration::from_secs(5))?;
    for other in &others {
        match offers(play, other) {
            1 => {}
            many => return wrong(format!("it calls {} {many} times", other.jid)),
        }
    }
    match offers(play, &listener) {
        0 => Ok(()),
        _ => wrong("it calls somebody who takes no part in the call"),
    }
}

fn not_who_left_the_call(play: &mut Play) -> Result {
    let (ahead, gone) = (play.other("tybalt")?, play.other("paris")?);
    play.enter(&ahead, Some(&MujiElement::preparing()))?;
    play.enter(&gone, Some(&sound()))?;
    play.join()?;
    play.pause(Duration::from_secs(1))?;
    play.update(&gone, None);
    play.pause(Duration::from_millis(100))?;
    let before = offers(play, &gone); // Sent by a client that does not wait, which is another fault.
    play.update(&ahead, Some(&sound()));
    play.pause(Duration::from_secs(15))?;
    if !play.said().any(|line| line.muji().is_some_and(publishes)) {
        return wrong("it publishes nothing");
    }
    if offers(play, &gone) > before {
        return wrong("it calls somebody who has left the call");
    }
    Ok(())
}

/// The client is in the call, and two come who call nobody: by their JIDs one stands before it and one behind it.
fn newcomers(play: &mut Play) -> Result<[Other; 2]> {
    play.joined()?;
    let others = [play.other("paris")?, play.other("tybalt")?];
    for other in &others {
        play.enter(other, Some(&sound()))?;
    }
    Ok(others)
}

fn not_one_who_comes_later(play: &mut Play) -> Result {
    newcomers(play)?;
    if play.said().any(|line| line.action("session-initiate").is_some()) {
        return wrong("it calls somebody who came later");
    }
    play.does_not_say("an offer to somebody who came later", Duration::from_secs(6), |line| {
        line.action("session-initiate").is_some()
    })
}

fn calls_who_forgets(play: &mut Play) -> Result {
    let [other, _] = newcomers(play)?;
    let to = other.jid.to_string();
    play.says("an offer to who has not called", Duration::from_secs(40), |line| {
        line.action("session-initiate").filter(|_| line.stanza.attr("to") == Some(&to)).map(drop)
    })
}

fn publishes_before(play: &mut Play) -> Result {
    called(play)?;
    let first = play.said().position(|line| line.action("session-initiate").is_some());
    let published = play.said().position(|line| line.muji().is_some_and(publishes));
    match (published, first) {
        (Some(published), Some(first)) if published < first => Ok(()),
        _ => wrong("it calls before its contents are in its presence"),
    }
}

fn calls_real_jids(play: &mut Play) -> Result {
    called(play)?;
    let room = format!("{}/", play.room);
    match play
        .said()
        .find(|line| line.jingle().is_some() && line.stanza.attr("to").unwrap_or_default().starts_with(&room))
    {
        Some(line) => wrong(format!("it speaks of a session through the room: {}", line.words())),
        None => Ok(()),
    }
}

fn names_the_room(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    let marks: Vec<&Element> = offer.children().filter(|child| child.is("muji", ns::MUJI)).collect();
    match marks[..] {
        [muji] if muji.attr("room") == Some(play.room.as_str()) => Ok(()),
        [muji] => wrong(format!("it names the room {}", muji.attr("room").unwrap_or("without a name"))),
        _ => wrong(format!("it has {} elements that name a room", marks.len())),
    }
}

fn contents(element: &Element) -> Vec<&Element> {
    element.children().filter(|child| child.is("content", ns::JINGLE)).collect()
}

fn names_its_contents(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    let published = play.said().rev().find_map(|line| line.muji().filter(|muji| publishes(muji)));
    let published: Vec<&str> =
        published.into_iter().flat_map(Element::children).filter_map(|content| content.attr("name")).collect();
    match contents(&offer).iter().find(|content| content.attr("name").is_none_or(|name| !published.contains(&name))) {
        Some(content) => wrong(format!(
            "it offers the content {}, and publishes {}",
            content.attr("name").unwrap_or("without a name"),
            published.join(", ")
        )),
        None => Ok(()),
    }
}

fn offers_whole_contents(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    let contents = contents(&offer);
    if contents.is_empty() {
        return wrong("it offers no content");
    }
    for content in contents {
        let description = content.get_child("description", ns::RTP);
        let transports = content.children().filter(|child| child.name() == "transport").count();
        if description.and_then(|description| description.attr("media")).is_none() {
            return wrong("a content has no description that says its medium");
        }
        if transports != 1 {
            return wrong(format!("a content has {transports} transports"));
        }
    }
    Ok(())
}

fn says_who_it_is(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    let client = play.client()?.to_string();
    match offer.attr("initiator") {
        Some(initiator) if initiator == client => Ok(()),
        Some(other) => wrong(format!("it says that {other} calls")),
        None => wrong("it does not say who calls (initiator)"),
    }
}

fn offers_ice(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    let lacks = |content: &&&Element| {
        let transport = content.get_child("transport", ns::ICE_UDP);
        transport.is_none_or(|transport| transport.attr("ufrag").is_none() || transport.attr("pwd").is_none())
    };
    match contents(&offer).iter().find(lacks) {
        Some(_) => wrong("a content has no ICE-UDP transport with ufrag and pwd"),
        None => Ok(()),
    }
}

fn offers_dtls(play: &mut Play) -> Result {
    let (_, offer) = called(play)?;
    for content in contents(&offer) {
        let transport = content.get_child("transport", ns::ICE_UDP);
        let Some(print) = transport.and_then(|transport| transport.get_child("fingerprint", ns::DTLS)) else {
            return wrong("a content has no fingerprint");
        };
        if print.attr("setup") != Some("actpass") {
            return wrong(format!("the setup is {}, not actpass", print.attr("setup").unwrap_or("missing")));
        }
        let text = print.text();
        let bytes: Vec<&str> = text.split(':').collect();
        let hex = |byte: &&str| {
            byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_lowercase())
        };
        if print.attr("hash") != Some("sha-256") || bytes.len() != 32 || !bytes.iter().all(hex) {
            return wrong("the fingerprint is not SHA-256 in 32 bytes of upper-case hex");
        }
    }
    Ok(())
}

fn reads_the_dialect(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    play.enter(&other, None)?;
    let text = format!(
        "<presence xmlns='jabber:client' to='{}/tybalt'><muji xmlns='{}'><content creator='initiator' name='voice'><description \
         xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type id='111' name='opus' clockrate='48000' channels='2'/>\
         </description></content></muji></presence>",
        play.room,
        ns::MUJI
    );
    play.say(&other, text.parse::<Element>().expect("it is well-formed"));
    play.pause(Duration::from_millis(500))?;
    play.join()?;
    play.calls(&other).map(drop)
}

fn calls_the_silent(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    play.enter(&other, Some(&MujiElement::with(vec![audio(Vec::new())])))?;
    play.join()?;
    play.calls(&other).map(drop)
}

fn skips_the_unknown(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    play.enter(&other, None)?;
    let muji = String::from(&sound().write());
    let muji = muji.replacen("<muji ", "<muji device='telephone' ", 1);
    let muji = muji.replace("</muji>", "<juggling xmlns='https://example.org/juggling' balls='3'/></muji>");
    let text = format!("<presence xmlns='jabber:client' to='{}/tybalt'>{muji}</presence>", play.room);
    play.say(&other, text.parse::<Element>().expect("it is well-formed"));
    play.pause(Duration::from_millis(500))?;
    play.join()?;
    play.calls(&other).map(drop)
}

/// What it publishes: the encodings of its contents, each with its id and name.
fn encodings(muji: &Element) -> Vec<(String, String)> {
    let types = muji.children().flat_map(Element::children).flat_map(Element::children);
    let types = types.filter(|child| child.name() == "payload-type");
    let attribute = |child: &Element, name: &str| child.attr(name).unwrap_or_default().to_lowercase();
    types.map(|child| (attribute(child, "id"), attribute(child, "name"))).collect()
}

fn takes_over_ids(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    let theirs = vec![PayloadType::new(101, "opus", 48_000, 2)];
    play.enter(&other, Some(&MujiElement::with(vec![audio(theirs)])))?;
    play.join()?;
    if encodings(&play.published()?).contains(&("101".to_owned(), "opus".to_owned())) {
        return Ok(());
    }
    wrong("opus is 101 to who is there, and it does not publish that")
}

fn takes_over_names(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    let voice = Content { name: "voice".to_owned(), ..audio(vec![opus()]) };
    play.enter(&other, Some(&MujiElement::with(vec![voice])))?;
    play.join()?;
    let muji = play.published()?;
    let names: Vec<&str> = muji.children().filter_map(|content| content.attr("name")).collect();
    match names[..] {
        ["voice"] => Ok(()),
        _ => wrong(format!("sound is voice to who is there, and it publishes {}", names.join(", "))),
    }
}

fn does_not_shrink(play: &mut Play) -> Result {
    play.join()?;
    let before = encodings(&play.published()?).len();
    let other = play.other("tybalt")?;
    let least = vec![PayloadType::new(0, "PCMU", 8_000, 1)];
    play.enter(&other, Some(&MujiElement::with(vec![audio(least)])))?;
    play.does_not_say("that it can less", Duration::from_secs(5), |line| {
        line.muji().is_some_and(|muji| publishes(muji) && encodings(muji).len() < before)
    })?;
    if before == 0 { wrong("it publishes no encodings") } else { Ok(()) }
}

fn gives_ids_up(play: &mut Play) -> Result {
    play.join()?;
    let published = encodings(&play.published()?);
    let dynamic = |(id, _): &&(String, String)| id.parse::<u8>().is_ok_and(|id| id >= 96);
    let Some(own) = published.iter().find(dynamic).cloned() else {
        return wrong("it publishes no encoding with an id of its own");
    };
    // Before all others that cases know.
    let other = play.other("abram")?;
    if other.jid.as_str() > play.client()?.as_str() {
        return Err(Cannot::Here("nobody here has a lower JID than the client").into());
    }
    let theirs = PayloadType::new(own.0.parse().expect("it was looked at"), "juggling", 48_000, 2);
    play.enter(&other, Some(&MujiElement::with(vec![audio(vec![theirs, PayloadType::new(0, "PCMU", 8_000, 1)])])))?;
    let gives_up = |line: &Line| line.muji().is_some_and(|muji| publishes(muji) && !encodings(muji).contains(&own));
    if play.said().any(gives_up) {
        return Ok(());
    }
    play.says("that the id has its meaning no more", SOON, |line| gives_up(line).then_some(()))
}

fn keeps_ids(play: &mut Play) -> Result {
    let other = play.other("tybalt")?;
    let theirs = vec![PayloadType::new(111, "speex", 8_000, 1), PayloadType::new(112, "opus", 48_000, 2)];
    play.enter(&other, Some(&MujiElement::with(vec![audio(theirs)])))?;
    play.join()?;
    let muji = play.published()?;
    let types = muji.children().flat_map(Element::children).flat_map(Element::children);
    for payload in types.filter(|child| child.name() == "payload-type") {
        if payload.attr("id") == Some("111")
            && payload.attr("name").is_none_or(|name| !name.eq_ignore_ascii_case("speex"))
        {
            return wrong("it publishes 111 as something else than another did before");
        }
    }
    Ok(())
}
