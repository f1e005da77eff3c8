//! Copies of earlier frames together with new ones (RED, RFC 2198): offered behind Opus, and agreed on with a peer that takes them too.

use muji_jingle::Session;
use muji_jingle::media::{MediaCommand, Sending};
use muji_xep::rtp::PayloadType;

use crate::pair::{drain, end, offer_of, offered, opus, parties, wanted};

fn red(id: u8, opus: u8) -> PayloadType {
    PayloadType::new(id, "red", 48_000, 2).repeating(opus)
}

fn sends(commands: Vec<MediaCommand>) -> Sending {
    let sends = commands.into_iter().find_map(|command| match command {
        MediaCommand::Content { send, .. } => send,
        _ => None,
    });
    sends.expect("something is sent")
}

/// What we answer to an offer of these, and as what we send.
fn answered(offers: Vec<PayloadType>) -> (Vec<PayloadType>, Sending) {
    let mut pair = offered();
    pair.offer.contents[0].description.as_mut().expect("it has one").payload_types = offers;
    let ours = wanted(vec![opus(), red(63, 111), PayloadType::new(0, "PCMU", 8_000, 1)]);
    let mut callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &ours).expect("it fits");
    callee.accept(pair.now, &mut pair.ids);
    let mut commands = drain(&mut callee).media;
    callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let drained = drain(&mut callee);
    commands.extend(drained.media);
    let [(_, answer)] = &drained.requests[..] else { panic!("one answer") };
    let description = answer.contents[0].description.as_ref().expect("it has one");
    (description.payload_types.clone(), sends(commands))
}

/// As what we send after an answer with these.
fn sent_after(answers: Vec<PayloadType>) -> Sending {
    let mut pair = offered();
    let ours = wanted(vec![opus(), red(63, 111), PayloadType::new(0, "PCMU", 8_000, 1)]);
    let (mut caller, (id, _)) = offer_of(pair.now, &mut pair.ids, ours);
    caller.handle_answer(pair.now, &mut pair.ids, &id, Ok(()));
    pair.callee.accept(pair.now, &mut pair.ids);
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let [(_, answer)] = &drain(&mut pair.callee).requests[..] else { panic!("one answer") };
    let mut answer = answer.clone();
    answer.contents[0].description.as_mut().expect("it has one").payload_types = answers;
    caller.handle_request(pair.now, &mut pair.ids, "x", &answer, &[]).expect("it is in order");
    sends(drain(&mut caller).media)
}

fn renumbered(id: u8) -> PayloadType {
    PayloadType { id, ..opus() }
}

#[test]
fn a_peer_that_takes_copies_gets_them_with_its_numbers_and_answers_name_that_of_its_opus() {
    let (answer, sends) = answered(vec![renumbered(109), red(121, 109)]);
    assert_eq!(answer, [renumbered(109), red(121, 109)]);
    assert_eq!((sends.payload_type.id, sends.red), (109, Some(121)));
    let sends = sent_after(vec![renumbered(109), red(121, 109)]);
    assert_eq!((sends.payload_type.id, sends.red), (109, Some(121)));
    let unnamed = PayloadType::new(63, "red", 48_000, 2);
    assert_eq!(answered(vec![opus(), unnamed]).0, [opus(), red(63, 111)], "it does not say what it repeats");
}

#[test]
fn nothing_changes_for_a_peer_that_takes_no_copies_of_opus() {
    for offer in [vec![opus()], vec![opus(), red(63, 9)], vec![opus(), PayloadType::new(118, "red", 90_000, 1)]] {
        let (answer, sends) = answered(offer.clone());
        assert_eq!((answer, sends.red), (vec![opus()], None), "{offer:?}");
        assert_eq!(sent_after(offer).red, None);
    }
    let pcmu = PayloadType::new(0, "PCMU", 8_000, 1);
    assert_eq!(answered(vec![red(63, 111), pcmu.clone()]).0, [pcmu], "copies alone are no codec");
}
