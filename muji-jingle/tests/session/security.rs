//! A session is encrypted with keys that the peer has promised, or there is none.

use muji_jingle::media::{MediaCommand, MediaReport, PathFailure, TransportFailure};
use muji_jingle::{End, Session, SessionEvent, SessionParams, fault::NegotiationError};
use muji_xep::dtls::{EncryptedFingerprint, Fingerprint};
use muji_xep::jingle::{Action, Content, Jingle, Reason, ReasonElement};

use crate::pair::{agreed, answer, drain, offered, opus, parties, transport, wanted};

fn disarm(jingle: &mut Jingle) -> Vec<Fingerprint> {
    let transport = jingle.contents[0].transport.as_mut().expect("it has one");
    std::mem::take(&mut transport.fingerprints)
}

// Shows rtp-srtp-02.
#[test]
fn an_offer_without_encryption_is_refused_for_that_reason() {
    let mut offer = offered().offer;
    disarm(&mut offer);
    let refused =
        Session::incoming(parties("juliet", "romeo"), &offer, &wanted(vec![opus()])).expect_err("it is plain");
    let told = ReasonElement::from(&refused);
    assert_eq!((told.reason, told.crypto_required), (Reason::SecurityError, true));
}

#[test]
fn a_weak_hash_and_one_of_another_length_promise_no_certificate() {
    for (hash, bytes) in [("sha-1", 20), ("md5", 16), ("sha-1", 32), ("sha-256", 31), ("sha-256", 33)] {
        let mut offer = offered().offer;
        let transport = offer.contents[0].transport.as_mut().expect("it has one");
        transport.fingerprints[0] = Fingerprint { hash: hash.to_owned(), setup: None, value: vec![1; bytes] };
        let refused = Session::incoming(parties("juliet", "romeo"), &offer, &wanted(vec![opus()]));
        assert_eq!(refused.err(), Some(NegotiationError::Fingerprint("audio".to_owned())), "{hash}, {bytes} bytes");
    }
}

// Shows rtp-srtp-03.
#[test]
fn an_answer_without_encryption_ends_the_session_before_anything_is_sent() {
    let mut pair = offered();
    let (id, mut accept) = answer(&mut pair);
    disarm(&mut accept);
    pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    let given = drain(&mut pair.caller);
    assert_eq!(given.told().map(|why| (&why.reason, why.crypto_required)), Some((&Reason::SecurityError, true)));
    assert!(matches!(&given.media[..], [MediaCommand::Close { .. }]));
    assert_eq!(
        given.events,
        [SessionEvent::Ended(End::NegotiationError(NegotiationError::Fingerprint("audio".to_owned())))]
    );
}

/// What the peer tells of its transport before it answers.
fn early(fingerprints: Vec<Fingerprint>) -> Jingle {
    let mut news = Jingle::new(Action::TransportInfo, "s1");
    let told = muji_xep::ice::Transport { fingerprints, ..Default::default() };
    news.contents = vec![Content { transport: Some(told), ..Content::new("audio") }];
    news
}

// Shows dtls-fp-04.
#[test]
fn a_fingerprint_that_comes_before_the_answer_is_that_of_the_answer() {
    let mut pair = offered();
    let (id, mut accept) = answer(&mut pair);
    let promised = disarm(&mut accept);
    let news = early(promised.clone());
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect("it is in order");
    assert!(drain(&mut pair.caller).media.is_empty(), "nothing is begun by it");
    pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    let remote = drain(&mut pair.caller).media.into_iter().find_map(|command| match command {
        MediaCommand::Remote { remote, .. } => Some(remote.fingerprint),
        _ => None,
    });
    assert_eq!(remote.as_ref(), Some(&promised[0].value));
}

#[test]
fn an_answer_that_contradicts_what_came_before_it_ends_the_session() {
    let mut pair = offered();
    let (id, accept) = answer(&mut pair);
    let mut forged = accept.contents[0].transport.as_ref().expect("it has one").fingerprints.clone();
    forged[0].value = vec![0; 32];
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &early(forged), &[]).expect("it is in order");
    pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    assert_eq!(drain(&mut pair.caller).told().map(|why| &why.reason), Some(&Reason::SecurityError));
}

#[test]
fn a_certificate_that_no_transport_can_do_ends_the_session_for_that_reason() {
    let mut pair = agreed();
    let failure = PathFailure::from(TransportFailure::RsaCertificate);
    let report = MediaReport::Failed { transport: transport(), failure: failure.clone() };
    pair.caller.handle_media(pair.now, &mut pair.ids, report);
    let given = drain(&mut pair.caller);
    assert_eq!(given.told().map(|why| &why.reason), Some(&Reason::SecurityError));
    assert_eq!(given.events, [SessionEvent::Ended(End::Path(failure))]);
}

/// As a device of the peer's encrypts it.
fn seal(fingerprint: &Fingerprint) -> EncryptedFingerprint {
    let payload = "<encrypted xmlns='eu.siacs.conversations.axolotl'/>".parse().expect("it is well-formed");
    EncryptedFingerprint::new(fingerprint, payload)
}

/// What a callee who requires this of certificates says to an offer that promises this one, sealed for a device or not.
fn required(certificates: &[[u8; 32]], bound_only: bool, promised: [u8; 32], sealed: bool) -> Option<NegotiationError> {
    let mut offer = offered().offer;
    let transport = offer.contents[0].transport.as_mut().expect("it has one");
    transport.fingerprints[0].value = promised.to_vec();
    if sealed {
        transport.encrypted_fingerprints = vec![seal(&transport.fingerprints[0])];
    }
    let us = SessionParams { certificates: certificates.to_vec(), bound_only, ..parties("juliet", "romeo") };
    Session::incoming(us, &offer, &wanted(vec![opus()])).err()
}

#[test]
fn of_known_certificates_one_has_to_be_shown_and_where_all_have_to_be_bound_a_plain_one_does_not_count() {
    let audio = || "audio".to_owned();
    let (known, other, strange) = ([1; 32], [2; 32], [3; 32]);
    assert_eq!(required(&[], false, strange, false), None, "nothing is required");
    assert_eq!(required(&[other, known], false, known, false), None);
    assert_eq!(required(&[other, known], false, strange, false), Some(NegotiationError::Certificate(audio())));
    assert_eq!(required(&[], true, strange, false), Some(NegotiationError::Unbound(audio())));
    assert_eq!(required(&[], true, strange, true), None);
    assert_eq!(required(&[known], true, known, false), Some(NegotiationError::Unbound(audio())));
    assert_eq!(required(&[known], true, strange, true), Some(NegotiationError::Certificate(audio())));
}

#[test]
fn a_plain_fingerprint_before_the_answer_does_not_count_where_all_have_to_be_bound() {
    let mut pair = offered();
    let us = SessionParams { bound_only: true, ..parties("romeo", "juliet") };
    let mut caller = Session::outgoing(pair.now, us, "s1".to_owned(), wanted(vec![opus()]));
    caller.permit_offer(pair.now, &mut pair.ids);
    caller.handle_media(pair.now, &mut pair.ids, crate::pair::end("romeo"));
    drain(&mut caller);
    let (id, mut accept) = answer(&mut pair);
    let forged = disarm(&mut accept);
    caller.handle_request(pair.now, &mut pair.ids, "x", &early(forged.clone()), &[]).expect("it is in order");
    let transport = accept.contents[0].transport.as_mut().expect("it has one");
    transport.encrypted_fingerprints = vec![seal(&forged[0])];
    caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    let why = NegotiationError::Encrypted("audio".to_owned());
    assert_eq!(drain(&mut caller).events, [SessionEvent::Ended(End::NegotiationError(why))]);
}
