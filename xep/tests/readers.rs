//! What is read of descriptions and transports as the XEPs mean it.

use minidom::Element;
use muji_xep::Skipped;
use muji_xep::dtls::{Fingerprint, Setup};
use muji_xep::ice::{Candidate, CandidateKind, Transport};
use muji_xep::rtp::{Description, PayloadType};

fn description(inner: &str) -> Option<Description> {
    let element: Element =
        format!("<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>{inner}</description>").parse().unwrap();
    Description::read(&element, &mut Skipped::default())
}

fn payloads(inner: &str) -> Vec<PayloadType> {
    description(inner).expect("it has a medium").payload_types
}

// Shows rtp-desc-01.
#[test]
fn a_description_without_a_medium_is_none() {
    let element: Element = "<description xmlns='urn:xmpp:jingle:apps:rtp:1'/>".parse().unwrap();
    assert_eq!(Description::read(&element, &mut Skipped::default()), None);
    assert!(description("").is_some());
}

// Shows rtp-pt-01.
#[test]
fn a_payload_type_without_a_name_is_one_of_the_static_ones_or_none() {
    let read = payloads("<payload-type id='0'/><payload-type id='96'/><payload-type id='8' clockrate='8000'/>");
    let read: Vec<_> = read.iter().map(|it| (it.id, it.name.as_deref(), it.clockrate)).collect();
    assert_eq!(read, [(0, Some("PCMU"), Some(8_000)), (8, Some("PCMA"), Some(8_000))]);
}

// Shows rtp-pt-02.
#[test]
fn no_channels_mean_one() {
    let read = payloads(
        "<payload-type id='96' name='speex' clockrate='16000'/>\
         <payload-type id='97' name='speex' clockrate='16000' channels='1'/>\
         <payload-type id='98' name='opus' clockrate='48000' channels='2'/>\
         <payload-type id='99' name='opus' clockrate='48000'/>",
    );
    assert!(read[0].same_codec(&read[1]));
    assert!(!read[2].same_codec(&read[3]));
}

// Shows rtp-pt-03.
#[test]
fn parameters_are_found_in_any_order_and_by_their_exact_names() {
    let read = payloads(
        "<payload-type id='111' name='opus' clockrate='48000' channels='2'>\
         <parameter name='minptime' value='10'/><parameter name='useinbandfec' value='1'/></payload-type>\
         <payload-type id='112' name='opus' clockrate='48000' channels='2'>\
         <parameter name='UseInbandFec' value='1'/><parameter name='minptime' value='10'/></payload-type>",
    );
    assert_eq!([0, 1].map(|index| read[index].parameter("minptime")), [Some("10"), Some("10")]);
    assert_eq!([0, 1].map(|index| read[index].parameter("useinbandfec")), [Some("1"), None]);
}

// Shows fb-01.
#[test]
fn feedback_beside_the_payload_types_is_said_of_each() {
    let fb = |attributes: &str| format!("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' {attributes}/>");
    let read = payloads(&format!(
        "<payload-type id='98' name='VP8' clockrate='90000'>{}{}</payload-type>\
         <payload-type id='99' name='VP9' clockrate='90000'/>{}{}",
        fb("type='nack' subtype='pli'"),
        fb("type='goog-remb'"),
        fb("type='transport-cc'"),
        fb("type='goog-remb'"),
    ));
    let kinds = |index: usize| read[index].feedback.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>();
    assert_eq!(kinds(0), ["nack", "goog-remb", "transport-cc"]);
    assert_eq!(kinds(1), ["transport-cc", "goog-remb"]);
}

fn transport(inner: &str) -> (Transport, Skipped) {
    let element: Element =
        format!("<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='a' pwd='b'>{inner}</transport>")
            .parse()
            .unwrap();
    let mut skipped = Skipped::default();
    (Transport::read(&element, &mut skipped), skipped)
}

const GOOD: &str = "<candidate component='1' foundation='1' generation='0' id='c' ip='192.0.2.1' network='1' port='5000' \
                    priority='1' protocol='udp' type='host'/>";

// Shows ice-cand-01.
#[test]
fn a_candidate_is_written_with_all_that_it_has_and_read_with_less() {
    let relayed = Candidate {
        component: 1,
        foundation: "7".to_owned(),
        generation: 2,
        id: Some("r1".to_owned()),
        address: "[2001:db8::1]:3478".parse().unwrap(),
        priority: 41_885_439,
        kind: CandidateKind::Relayed,
        related: Some("192.0.2.9:40000".parse().unwrap()),
    };
    let written = Transport { candidates: vec![relayed.clone()], ..Transport::default() }.write();
    let candidate = written.children().next().unwrap();
    let expected = [
        ("component", "1"),
        ("foundation", "7"),
        ("generation", "2"),
        ("id", "r1"),
        ("ip", "2001:db8::1"),
        ("network", "0"),
        ("port", "3478"),
        ("priority", "41885439"),
        ("protocol", "udp"),
        ("rel-addr", "192.0.2.9"),
        ("rel-port", "40000"),
        ("type", "relay"),
    ];
    for (name, value) in expected {
        assert_eq!(candidate.attr(name), Some(value), "{name}");
    }
    assert_eq!(Transport::read(&written, &mut Skipped::default()).candidates, [relayed]);
    let (read, _) = transport(&GOOD.replace("id='c' ", "").replace("network='1' ", ""));
    assert_eq!((read.candidates.len(), read.malformed), (1, false));
}

// Shows ice-cand-02.
#[test]
fn other_protocols_and_host_names_are_left_out_and_are_no_mistake() {
    for other in [GOOD.replace("udp", "tcp"), GOOD.replace("192.0.2.1", "host.local")] {
        let (read, skipped) = transport(&format!("{other}{GOOD}"));
        assert_eq!((read.candidates.len(), read.malformed), (1, false), "{other}");
        assert!(!skipped.is_empty());
    }
}

// Shows ice-cand-02.
#[test]
fn what_is_no_candidate_is_a_mistake() {
    for (right, wrong) in [("type='host'", "type='guest'"), ("port='5000'", "port='99999'"), ("priority='1' ", "")] {
        let (read, _) = transport(&format!("{}{GOOD}", GOOD.replace(right, wrong)));
        assert_eq!((read.candidates.len(), read.malformed), (1, true), "{wrong}");
    }
}

// Shows dtls-fp-01.
#[test]
fn a_fingerprint_is_written_in_capitals_and_read_in_any_form() {
    let fingerprint = Fingerprint {
        hash: "sha-256".to_owned(),
        setup: Some(Setup::ActPass),
        value: (0..32).map(|it| it * 8).collect(),
    };
    let written = fingerprint.write();
    let digits = written.text();
    assert_eq!((digits.len(), digits.split(':').count()), (95, 32));
    assert!(digits.chars().all(|letter| letter == ':' || letter.is_ascii_digit() || ('A'..='F').contains(&letter)));
    assert_eq!((written.attr("hash"), written.attr("setup")), (Some("sha-256"), Some("actpass")));
    let (read, _) = transport(&format!(
        "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='SHA-256' setup='actpass'>\n  {}\n</fingerprint>",
        digits.to_lowercase()
    ));
    assert_eq!(read.fingerprints, [fingerprint]);
}
