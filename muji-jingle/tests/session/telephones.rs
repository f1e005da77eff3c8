//! G.711 behind Opus (RFC 7874 section 3, XEP-0266): who has Opus uses it, and a gateway that has not is heard all the same.

use muji_jingle::media::MediaCommand;
use muji_jingle::{Hold, Session, SessionEvent};
use muji_xep::dtmf::Digit;
use muji_xep::jingle::{Action, Jingle};
use muji_xep::rtp::{Media, PayloadType};
use muji_xep::session_info::SessionInfo;

use crate::pair::{drain, end, offer_of, offered, opus, parties, wanted};

fn pcmu() -> PayloadType {
    PayloadType::new(0, "PCMU", 8_000, 1)
}

fn pcma() -> PayloadType {
    PayloadType::new(8, "PCMA", 8_000, 1)
}

fn encodings(jingle: &Jingle) -> Vec<u8> {
    let description = jingle.contents[0].description.as_ref().expect("it has one");
    description.payload_types.iter().map(|payload| payload.id).collect()
}

/// The encodings of our answer to an offer of these.
fn answered(offers: Vec<PayloadType>) -> Vec<u8> {
    let mut pair = offered();
    pair.offer.contents[0].description.as_mut().expect("it has one").payload_types = offers;
    let ours = wanted(vec![opus(), pcmu(), pcma()]);
    let mut callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &ours).expect("it fits");
    callee.accept(pair.now, &mut pair.ids);
    callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let [(_, answer)] = &drain(&mut callee).requests[..] else { panic!("one answer") };
    encodings(answer)
}

/// The encodings of our offer, and what we send after an answer with these.
fn sent_after(answers: Vec<PayloadType>) -> (Vec<u8>, u8) {
    let mut pair = offered();
    let ours = wanted(vec![opus(), pcmu(), pcma()]);
    let (mut caller, (id, offer)) = offer_of(pair.now, &mut pair.ids, ours);
    caller.handle_answer(pair.now, &mut pair.ids, &id, Ok(()));
    pair.callee.accept(pair.now, &mut pair.ids);
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let [(_, answer)] = &drain(&mut pair.callee).requests[..] else { panic!("one answer") };
    let mut answer = answer.clone();
    assert_eq!(answer.action, Action::SessionAccept);
    answer.contents[0].description.as_mut().expect("it has one").payload_types = answers;
    caller.handle_request(pair.now, &mut pair.ids, "x", &answer, &[]).expect("it is in order");
    let sends = drain(&mut caller).media.into_iter().find_map(|command| match command {
        MediaCommand::Content { send, .. } => send,
        _ => None,
    });
    (encodings(&offer), sends.expect("something is sent").payload_type.id)
}

#[test]
fn dino_and_movim_offer_opus_first_and_get_it_alone_and_a_gateway_gets_what_it_has() {
    let dino = [
        opus(),
        PayloadType::new(112, "speex", 32_000, 1),
        PayloadType::new(113, "speex", 16_000, 1),
        PayloadType::new(114, "speex", 8_000, 1),
        pcmu(),
        pcma(),
    ];
    assert_eq!(answered(dino.to_vec()), [111]);
    let browser = [
        opus(),
        PayloadType::new(9, "G722", 8_000, 1),
        pcmu(),
        pcma(),
        PayloadType::new(110, "telephone-event", 48_000, 1),
    ];
    assert_eq!(answered(browser.to_vec()), [111]);
    assert_eq!(answered(vec![pcma(), PayloadType::new(101, "telephone-event", 8_000, 1)]), [8]);
    assert_eq!(answered(vec![PayloadType::new(18, "G729", 8_000, 1), pcmu()]), [0]);
}

#[test]
fn our_offer_begins_with_opus_and_the_first_of_the_answer_is_sent() {
    let offer = vec![111, 0, 8];
    assert_eq!(sent_after(vec![opus()]), (offer.clone(), 111), "Dino answers with the first that it can");
    assert_eq!(sent_after(vec![opus(), pcmu(), pcma()]), (offer.clone(), 111), "browsers answer with all");
    assert_eq!(sent_after(vec![pcma()]), (offer, 8), "a gateway");
}

fn telephone_event(id: u8, clockrate: u32) -> PayloadType {
    PayloadType::new(id, "telephone-event", clockrate, 1)
}

#[test]
fn keys_are_agreed_on_with_the_clock_of_the_codec_and_sent_with_the_number_of_the_peer() {
    let ours = wanted(vec![opus(), pcmu(), pcma(), telephone_event(110, 48_000), telephone_event(126, 8_000)]);
    let keys: Vec<Digit> = "1#".chars().filter_map(Digit::of_key).collect();
    for (offers, answer, sent) in [
        (vec![opus()], vec![111], None),
        (vec![telephone_event(101, 8_000), telephone_event(102, 48_000), opus()], vec![111, 102], Some(102)),
        (vec![opus(), telephone_event(101, 8_000)], vec![111, 101], Some(101)),
        (vec![pcma(), telephone_event(101, 8_000)], vec![8, 101], Some(101)),
    ] {
        let mut pair = offered();
        pair.offer.contents[0].description.as_mut().expect("it has one").payload_types = offers;
        let mut callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &ours).expect("it fits");
        callee.accept(pair.now, &mut pair.ids);
        callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
        let [(_, accept)] = &drain(&mut callee).requests[..] else { panic!("one answer") };
        assert_eq!(encodings(accept), answer);
        assert_eq!(callee.send_digits(&keys), sent.is_some());
        let commands: Vec<MediaCommand> = drain(&mut callee).media;
        let numbers: Vec<u8> = commands
            .iter()
            .map(|command| match command {
                MediaCommand::SendDigits { payload_type, digits, .. } if *digits == keys => payload_type.id,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers, Vec::from_iter(sent));
    }
}

#[test]
fn no_key_is_sent_while_either_side_holds() {
    let ours = wanted(vec![opus(), telephone_event(110, 48_000)]);
    let key = [Digit::of_key('7').expect("it is one")];
    let mut pair = offered();
    pair.offer.contents[0].description.as_mut().expect("it has one").payload_types =
        vec![opus(), telephone_event(102, 48_000)];
    let mut callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &ours).expect("it fits");
    callee.accept(pair.now, &mut pair.ids);
    assert!(!callee.send_digits(&key), "nobody listens before the answer");
    callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    assert!(callee.send_digits(&key));
    for (hold, sent) in [(Hold::On, false), (Hold::Off, true)] {
        callee.set_hold(pair.now, &mut pair.ids, hold);
        assert_eq!(callee.send_digits(&key), sent, "{hold:?} by us");
    }
    for (info, sent) in [(SessionInfo::Hold, false), (SessionInfo::Unhold, true)] {
        let news = Jingle { info: Some(info.clone()), ..Jingle::new(Action::SessionInfo, "s1") };
        callee.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect("it is in order");
        assert_eq!(callee.send_digits(&key), sent, "{info:?} by the peer");
    }
}

#[test]
fn no_key_is_sent_by_who_sends_no_sound() {
    let ours = wanted(vec![opus(), telephone_event(110, 48_000)]);
    let key = [Digit::of_key('7').expect("it is one")];
    let mut pair = offered();
    pair.offer.contents[0].description.as_mut().expect("it has one").payload_types =
        vec![opus(), telephone_event(102, 48_000)];
    for media in [&[Media::Audio], &[Media::Video]] {
        let mut callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &ours).expect("it fits");
        callee.sends_only(media);
        callee.accept(pair.now, &mut pair.ids);
        callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
        assert_eq!(callee.send_digits(&key), media == &[Media::Audio], "{media:?}");
    }
}

#[test]
fn a_key_that_the_peer_presses_by_session_info_is_told() {
    let mut pair = crate::pair::up();
    let digit = Digit::of_key('7').expect("it is one");
    let info = Jingle { info: Some(SessionInfo::Digit(digit)), ..Jingle::new(Action::SessionInfo, "s1") };
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &info, &[]).expect("it is in order");
    assert_eq!(drain(&mut pair.caller).events, [SessionEvent::Digit(digit)]);
}
