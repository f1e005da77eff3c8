//! Answers to sessions, wanted and unwanted.

use std::time::Duration;

use muji_harness::puppet::{opus, terminate, transport, usable};
use muji_xep::jingle::{Action, Content, Jingle, Reason};
use muji_xep::{Element, Skipped, ns};

use super::{Case, because, called, newcomer, session, sound};
use crate::play::{Play, Result, SOON, wrong};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "it confirms and accepts the offer of somebody who came later",
        ids: &["jingle-ack-01", "jingle-accept-01", "ice-init-02"],
        play: accepts,
    },
    Case { name: "its acceptance has whole contents", ids: &["jingle-accept-02"], play: accepts_whole_contents },
    Case { name: "its acceptance says who accepts", ids: &["jingle-accept-03"], play: says_who_accepts },
    Case { name: "its acceptance has a fingerprint, for one role", ids: &["dtls-fp-03"], play: accepts_with_dtls },
    Case {
        name: "it does not accept a stranger who names its room",
        ids: &["muji-sess-06", "jingle-dos-01", "jingle-priv-01"],
        play: not_a_stranger,
    },
    Case { name: "it says to strangers that it can nothing", ids: &["jingle-err-01"], play: tells_strangers_nothing },
    Case { name: "it takes an offer that overtook its presence", ids: &["R-INIT-4"], play: holds_early_offers },
    Case { name: "it refuses offers that are none", ids: &["jingle-err-04"], play: refuses_malformed },
    Case {
        name: "it refuses an offer without a fingerprint, saying why",
        ids: &["dtls-policy-01"],
        play: refuses_plaintext,
    },
    Case {
        name: "it confirms and ends what carries no sound or pictures",
        ids: &["jingle-ack-02", "jingle-term-09"],
        play: ends_other_applications,
    },
    Case {
        name: "of two crossing offers its own lower one stands",
        ids: &["jingle-tie-01", "jingle-tie-02", "R-GLARE-1"],
        play: breaks_ties,
    },
    Case {
        name: "of two crossing offers another's lower one stands",
        ids: &["jingle-tie-03", "R-GLARE-1"],
        play: loses_ties,
    },
    Case { name: "it knows no sessions that are not", ids: &["jingle-state-03"], play: unknown_sessions },
    Case { name: "it knows sessions by who speaks", ids: &["jingle-state-03"], play: sessions_of_others },
    Case { name: "a second acceptance is out of order", ids: &["jingle-state-02"], play: out_of_order },
    Case { name: "it refuses an action that there is not", ids: &["jingle-action-01"], play: unknown_actions },
    Case { name: "it answers a ping inside a session", ids: &["jingle-info-02"], play: answers_pings },
    Case { name: "it says what words it does not know", ids: &["jingle-info-01"], play: unknown_words },
    Case { name: "it confirms the end of a session", ids: &["jingle-term-04"], play: confirms_the_end },
    Case { name: "it knows nothing of a session that another ended", ids: &["jingle-term-03"], play: forgets_sessions },
];

fn accepts(play: &mut Play) -> Result {
    session(play).map(drop)
}

fn accepts_whole_contents(play: &mut Play) -> Result {
    let (_, accept) = session(play)?;
    let contents: Vec<&Element> = accept.children().filter(|child| child.is("content", ns::JINGLE)).collect();
    let whole = |content: &&Element| {
        let description = content.get_child("description", ns::RTP);
        let encodings = description
            .map_or(0, |description| description.children().filter(|it| it.name() == "payload-type").count());
        encodings > 0 && content.children().any(|child| child.name() == "transport")
    };
    if contents.is_empty() || !contents.iter().all(whole) {
        return wrong("a content that it accepts lacks encodings or a transport");
    }
    Ok(())
}

fn says_who_accepts(play: &mut Play) -> Result {
    let (_, accept) = session(play)?;
    let client = play.client()?.to_string();
    match accept.attr("responder") {
        Some(responder) if responder == client => Ok(()),
        Some(other) => wrong(format!("it says that {other} accepts")),
        None => wrong("it does not say who accepts (responder)"),
    }
}

fn accepts_with_dtls(play: &mut Play) -> Result {
    let (_, accept) = session(play)?;
    let transports = accept.children().filter_map(|content| content.get_child("transport", ns::ICE_UDP));
    for transport in transports {
        let setup = transport.get_child("fingerprint", ns::DTLS).and_then(|print| print.attr("setup"));
        if !matches!(setup, Some("active" | "passive")) {
            return wrong(format!("the setup is {}", setup.unwrap_or("missing")));
        }
    }
    Ok(())
}

fn not_a_stranger(play: &mut Play) -> Result {
    play.joined()?;
    let stranger = play.other("tybalt")?;
    let offer = play.offer("s1", vec![usable(vec![opus()])]);
    play.ask(&stranger, &offer)?;
    play.does_not_say("an acceptance or its addresses to a stranger", Duration::from_secs(30), |line| {
        line.action("session-accept").is_some() || line.action("transport-info").is_some()
    })
}

fn tells_strangers_nothing(play: &mut Play) -> Result {
    play.joined()?;
    let stranger = play.other("tybalt")?;
    let mut offer = Jingle::new(Action::SessionInitiate, "s1");
    offer.contents = vec![usable(vec![opus()])];
    let id = play.ask(&stranger, &offer)?;
    play.refused(&id, &["service-unavailable"])
}

fn holds_early_offers(play: &mut Play) -> Result {
    play.joined()?;
    let early = play.other("tybalt")?;
    let offer = play.offer("s1", vec![usable(vec![opus()])]);
    play.ask(&early, &offer)?;
    play.pause(Duration::from_secs(1))?;
    play.enter(&early, Some(&sound()))?;
    // A client that accepted before is too trusting, which is another fault.
    if play.said().any(|line| line.action("session-accept").is_some()) {
        return Ok(());
    }
    play.says("an acceptance", SOON, |line| line.action("session-accept").map(drop))
}

fn refuses_malformed(play: &mut Play) -> Result {
    let other = newcomer(play)?;
    let offer = String::from(&play.offer("s1", vec![usable(vec![opus()])]).write());
    let without_sid = offer.replace("sid='s1'", "").replace("sid=\"s1\"", "").parse().expect("it is well-formed");
    let without_contents = play.offer("s2", Vec::new()).write();
    for malformed in [without_sid, without_contents] {
        let id = play.ask_raw(&other, malformed)?;
        play.refused(&id, &["bad-request"])?;
    }
    Ok(())
}

fn refuses_plaintext(play: &mut Play) -> Result {
    let other = newcomer(play)?;
    let plain = Content { transport: Some(transport(None)), ..usable(vec![opus()]) };
    let offer = play.offer("s1", vec![plain]);
    play.ask(&other, &offer)?;
    let end = play.says("the end of the session", SOON, |line| line.jingle().cloned())?;
    if end.attr("action") != Some("session-terminate") {
        return wrong("it goes on with a session without encryption");
    }
    because(&end, &["security-error"])
}

fn ends_other_applications(play: &mut Play) -> Result {
    let other = newcomer(play)?;
    let text = format!(
        "<jingle xmlns='{}' action='session-initiate' sid='s1'><content creator='initiator' name='file'>\
         <description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/><transport xmlns='urn:xmpp:jingle:transports:ibb:1' \
         block-size='4096' sid='i1'/></content><muji xmlns='{}' room='{}'/></jingle>",
        ns::JINGLE,
        ns::MUJI,
        play.room
    );
    let id = play.ask_raw(&other, text.parse().expect("it is well-formed"))?;
    play.confirmed(&id)?;
    let end = play.says("the end of the session", SOON, |line| line.action("session-terminate").cloned())?;
    because(&end, &["unsupported-applications"])
}

/// Somebody who was there is called by the client, says nothing to it, and calls the client under this sid; the answer to that.
fn crossing(play: &mut Play, sid: &str) -> Result<Option<Vec<String>>> {
    let other = play.other("tybalt")?;
    play.enter(&other, Some(&sound()))?;
    play.fall_silent();
    play.join()?;
    play.calls(&other)?;
    let offer = play.offer(sid, vec![usable(vec![opus()])]);
    let id = play.ask(&other, &offer)?;
    play.answered(&id)
}

fn breaks_ties(play: &mut Play) -> Result {
    match crossing(play, "~~~~")? {
        Some(given) if given.iter().any(|name| name == "tie-break") => Ok(()),
        Some(given) => wrong(format!("it refuses the higher offer with {}, not with tie-break", given.join(" and "))),
        None => wrong("it confirms the higher offer, and so there are two"),
    }
}

fn loses_ties(play: &mut Play) -> Result {
    match crossing(play, "!")? {
        Some(given) => wrong(format!("it refuses the lower offer with {}", given.join(" and "))),
        None => play.says("an acceptance of the lower offer", SOON, |line| line.action("session-accept").map(drop)),
    }
}

fn unknown_sessions(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, "there-is-none"))?;
    play.refused(&id, &["item-not-found", "unknown-session"])
}

fn sessions_of_others(play: &mut Play) -> Result {
    let (_, _) = session(play)?;
    let third = play.other("paris")?;
    play.enter(&third, Some(&sound()))?;
    let id = play.ask(&third, &terminate("s1", Reason::Success.into()))?;
    play.refused(&id, &["item-not-found", "unknown-session"])
}

fn out_of_order(play: &mut Play) -> Result {
    let (other, offer) = called(play)?;
    let offer = Jingle::read(&offer, &mut Skipped::default()).expect("it is an offer");
    let accept = muji_harness::puppet::acceptance(&offer);
    let id = play.ask(&other, &accept)?;
    play.confirmed(&id)?;
    let id = play.ask(&other, &accept)?;
    play.refused(&id, &["unexpected-request", "out-of-order"])
}

fn unknown_actions(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let text = format!("<jingle xmlns='{}' action='session-juggle' sid='s1'/>", ns::JINGLE);
    let id = play.ask_raw(&other, text.parse().expect("it is well-formed"))?;
    play.refused(&id, &["bad-request"])
}

fn answers_pings(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, "s1"))?;
    play.confirmed(&id)
}

fn unknown_words(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let text = format!(
        "<jingle xmlns='{}' action='session-info' sid='s1'><juggling xmlns='https://example.org/juggling'/></jingle>",
        ns::JINGLE
    );
    let id = play.ask_raw(&other, text.parse().expect("it is well-formed"))?;
    play.refused(&id, &["feature-not-implemented", "unsupported-info"])
}

fn confirms_the_end(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let id = play.ask(&other, &terminate("s1", Reason::Success.into()))?;
    play.confirmed(&id)
}

fn forgets_sessions(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    let id = play.ask(&other, &terminate("s1", Reason::Success.into()))?;
    play.confirmed(&id)?;
    let id = play.ask(&other, &Jingle::new(Action::SessionInfo, "s1"))?;
    play.refused(&id, &["item-not-found", "unknown-session"])
}
