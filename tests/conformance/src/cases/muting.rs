//! What a client sends when it is muted.

use muji_xep::{Element, ns};

use super::{Case, session};
use crate::play::{Play, Result, SOON, wrong};
use crate::subjects::Order;

pub(super) const CASES: &[Case] = &[
    Case { name: "it takes every word about the state of a session", ids: &["rtp-info-01"], play: takes_every_word },
    Case {
        name: "it says that it is muted, and that it is no more",
        ids: &["rtp-info-06"],
        play: says_that_it_is_muted,
    },
];

const WORDS: [&str; 6] = ["hold", "unhold", "mute", "unmute", "ringing", "active"];

fn takes_every_word(play: &mut Play) -> Result {
    let (other, _) = session(play)?;
    for word in WORDS {
        let text = format!(
            "<jingle xmlns='{}' action='session-info' sid='s1'><{word} xmlns='{}'/></jingle>",
            ns::JINGLE,
            ns::RTP_INFO
        );
        let id = play.ask_raw(&other, text.parse().expect("it is well-formed"))?;
        play.confirmed(&id)?;
    }
    Ok(())
}

fn says_that_it_is_muted(play: &mut Play) -> Result {
    session(play)?;
    for (order, word) in [(Order::Mute, "mute"), (Order::Unmute, "unmute")] {
        play.order(&order)?;
        let info = play.says(word, SOON, |line| line.action("session-info").cloned())?;
        let said: Vec<&str> = info.children().filter(|child| child.is(word, ns::RTP_INFO)).map(Element::name).collect();
        if said.is_empty() {
            return wrong(format!("it says something else than {word}"));
        }
    }
    Ok(())
}
