//! What is read of descriptions and transports as the XEPs mean it.

use minidom::Element;
use muji_xep::Skipped;
use muji_xep::dtls::{Fingerprint, Setup};
use muji_xep::ice::{Candidate, CandidateKind, Transport};
use muji_xep::jingle::{Action, Content, Jingle, Reason, ReasonElement, Senders};
use muji_xep::rtp::{Description, Media, PayloadType};
use muji_xep::session_info::SessionInfo;

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
         <payload-type id='98' name='L16' clockrate='48000' channels='2'/>\
         <payload-type id='99' name='L16' clockrate='48000'/>",
    );
    assert!(read[0].same_codec(&read[1]));
    assert!(!read[2].same_codec(&read[3]));
}

#[test]
fn a_codec_is_the_same_though_a_description_leaves_out_what_the_codec_fixes() {
    let read = payloads(
        "<payload-type id='111' name='opus' clockrate='48000' channels='2'/>\
         <payload-type id='112' name='OPUS'/>\
         <payload-type id='113' name='opus' clockrate='16000' channels='1'/>\
         <payload-type id='98' name='VP8' clockrate='90000'/>\
         <payload-type id='99' name='VP8' channels='2'/>\
         <payload-type id='100' name='speex' clockrate='16000'/>\
         <payload-type id='101' name='speex' clockrate='8000'/>\
         <payload-type id='102' name='speex'/>",
    );
    let same: Vec<(usize, usize)> = (0..read.len())
        .flat_map(|one| (one + 1..read.len()).map(move |other| (one, other)))
        .filter(|(one, other)| read[*one].same_codec(&read[*other]))
        .collect();
    assert_eq!(same, [(0, 1), (0, 2), (1, 2), (3, 4), (5, 7), (6, 7)]);
}

#[test]
fn what_redundant_audio_repeats_is_read_from_a_parameter_without_a_value_and_from_one_without_a_name() {
    let read = payloads(
        "<payload-type id='63' name='red' clockrate='48000' channels='2'><parameter name='111/111'/></payload-type>\
         <payload-type id='64' name='RED' clockrate='48000' channels='2'><parameter value='96/96/96'/></payload-type>\
         <payload-type id='65' name='red' clockrate='48000' channels='2'/>\
         <payload-type id='66' name='red' clockrate='48000'><parameter name='packetization-mode' value='1'/>\
         <parameter name='300/300'/></payload-type>",
    );
    let read: Vec<_> = read.iter().map(|it| (it.is_red(), it.is_codec(), it.repeated())).collect();
    // A number alone is one, too: what else could it say.
    assert_eq!(read, [(true, false, Some(111)), (true, false, Some(96)), (true, false, None), (true, false, Some(1))]);
}

#[test]
fn rtx_is_no_codec_and_names_the_payload_type_that_it_sends_again_unless_that_is_itself() {
    let read = payloads(
        "<payload-type id='97' name='rtx' clockrate='90000'><parameter name='apt' value='96'/></payload-type>\
         <payload-type id='98' name='RTX' clockrate='90000'><parameter name='apt' value=' 300 '/></payload-type>\
         <payload-type id='99' name='rtx' clockrate='90000'><parameter name='apt' value='99'/></payload-type>\
         <payload-type id='100' name='rtx' clockrate='90000'/>\
         <payload-type id='101' name='VP8' clockrate='90000'><parameter name='apt' value='96'/></payload-type>",
    );
    let read: Vec<_> = read.iter().map(|it| (it.is_codec(), it.sent_again())).collect();
    assert_eq!(read, [(false, Some(96)), (false, None), (false, None), (false, None), (true, None)]);
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
    assert_eq!(read.fingerprints, std::slice::from_ref(&fingerprint));
    for digits in [fingerprint.digits().replace(':', ""), fingerprint.digits().replace("AB:", "AB:\n  ")] {
        let text = format!(
            "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>{digits}</fingerprint>"
        );
        let element = text.parse().expect("the text is well-formed");
        assert_eq!(Fingerprint::read(&element, &mut Skipped::default()), Some(fingerprint.clone()), "{digits}");
    }
}

// Shows rtp-desc-02.
#[test]
fn a_description_may_name_its_stream_and_what_it_may_use_of_the_network() {
    let element: Element = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio' ssrc='4294967295'>\
         <bandwidth type='AS'>128</bandwidth><rtcp-mux/><rtcp-reduced-size/></description>"
        .parse()
        .unwrap();
    let mut skipped = Skipped::default();
    let read = Description::read(&element, &mut skipped).expect("it has a medium");
    assert!(skipped.is_empty(), "{skipped}");
    assert_eq!((read.ssrc, read.streams()), (Some(u32::MAX), vec![u32::MAX.into()]));
    assert!(read.rtcp_mux && read.rtcp_reduced_size);
    let bandwidth = read.bandwidth.as_ref().map(|bandwidth| (bandwidth.kind.as_str(), bandwidth.value));
    assert_eq!(bandwidth, Some(("AS", 128)));
    assert_eq!(Description::read(&read.write(), &mut skipped), Some(read));
}

// Shows hdrx-01.
#[test]
fn header_extensions_have_ids_that_packets_can_name_or_that_are_only_proposed() {
    let ext = |attributes: &str| format!("<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' {attributes}/>");
    let ids = ["1", "256", "4096", "4351", "0", "257", "4095", "4352", "70000", "-1"];
    let all: String = ids.map(|id| ext(&format!("id='{id}' uri='urn:x:{id}'"))).concat();
    let of_one = ext("id='2' uri='urn:x:one' senders='initiator'") + &ext("id='3' uri='urn:x:nobody' senders='me'");
    let read = description(&(all + &of_one)).expect("it has a medium");
    let ids: Vec<u16> = read.extensions.iter().map(|extension| extension.id).collect();
    assert_eq!(ids, [1, 256, 4096, 4351, 2]);
    let senders: Vec<Senders> = read.extensions.iter().map(|extension| extension.senders).collect();
    assert_eq!(senders[0], Senders::Both, "if it is not said");
    assert_eq!(senders[4], Senders::Initiator);
    assert_eq!(Description::read(&read.write(), &mut Skipped::default()), Some(read));
}

// Shows ssma-01.
#[test]
fn a_source_says_what_it_is_and_of_some_things_only_that_they_are_so() {
    let read = description(
        "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='4294967295'>\
         <parameter name='cname' value='Yv/wrtRIWTGbQ=='/><parameter name='msid' value='a b'/><parameter name='x'/></source>\
         <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='4294967296'/>\
         <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='-1'/>",
    )
    .expect("it has a medium");
    let [source] = &read.sources[..] else { panic!("an SSRC has 32 bits: {:?}", read.sources) };
    let said: Vec<_> = source.parameters.iter().map(|it| (it.name.as_str(), it.value.as_deref())).collect();
    assert_eq!(said, [("cname", Some("Yv/wrtRIWTGbQ==")), ("msid", Some("a b")), ("x", None)]);
    assert_eq!(Description::read(&read.write(), &mut Skipped::default()), Some(read));
}

// Shows ssma-02.
#[test]
fn sources_that_belong_together_stay_so_whatever_that_means() {
    let group = |semantics: &str| {
        format!(
            "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='{semantics}'>\
             <source ssrc='1'/><source ssrc='2'/></ssrc-group>"
        )
    };
    let read = description(&(group("FID") + &group("SOMETHING"))).expect("it has a medium");
    let groups: Vec<_> = read.source_groups.iter().map(|it| (it.semantics.as_str(), it.sources.as_slice())).collect();
    assert_eq!(groups, [("FID", &[1, 2][..]), ("SOMETHING", &[1, 2])]);
    assert_eq!(Description::read(&read.write(), &mut Skipped::default()), Some(read));
}

// Shows jingle-init-05.
#[test]
fn an_offer_has_a_content_of_the_session_itself() {
    let offer = |contents: &[&str]| {
        let contents =
            contents.iter().map(|disposition| format!("<content creator='initiator' {disposition} name='a'/>"));
        let contents: String = contents.collect();
        let element: Element =
            format!("<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s'>{contents}</jingle>")
                .parse()
                .unwrap();
        Jingle::read(&element, &mut Skipped::default()).is_some()
    };
    assert!(!offer(&["disposition='early-session'"]));
    assert!(offer(&["disposition='early-session'", "disposition='session'"]));
    assert!(offer(&["disposition='early-session'", ""]), "it is so if nothing is said");
}

#[test]
fn that_somebody_talks_only_with_encryption_is_said_with_the_reason() {
    let mut end = Jingle::new(Action::SessionTerminate, "s");
    end.why = Some(ReasonElement { crypto_required: true, ..Reason::SecurityError.into() });
    let written = end.write();
    let reason = written.get_child("reason", "urn:xmpp:jingle:1").expect("it has one");
    assert!(reason.has_child("crypto-required", "urn:xmpp:jingle:apps:rtp:errors:1"));
    assert_eq!(Jingle::read(&written, &mut Skipped::default()), Some(end));
}

#[test]
fn keys_of_sdes_are_named_and_not_kept() {
    let text = "<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='audio'><description \
         xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><encryption required='1'><crypto tag='1' \
         crypto-suite='AES_CM_128_HMAC_SHA1_80' key-params='inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz'/>\
         </encryption></description></content>";
    let mut skipped = Skipped::default();
    let read = Content::read(&text.parse().unwrap(), &mut skipped).expect("it is a content");
    assert_eq!(skipped.to_string(), "description: encryption");
    assert!(!String::from(&read.write()).contains("crypto"));
}

#[test]
fn a_payload_type_that_no_packet_can_have_or_that_says_nothing_is_named() {
    let named = |attributes: &str| {
        let text = format!(
            "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type {attributes}/></description>"
        );
        let mut skipped = Skipped::default();
        let read = Description::read(&text.parse().unwrap(), &mut skipped).expect("it has a medium");
        (read.payload_types.len(), skipped.to_string())
    };
    assert_eq!(named("id='127' name='x'"), (1, String::new()));
    for attributes in ["id='128' name='x'", "id='-1' name='x'", "name='x'"] {
        assert_eq!(named(attributes), (0, "payload-type: no id between 0 and 127".to_owned()));
    }
    assert_eq!(named("id='100'"), (0, "payload-type: 100 without a name".to_owned()));
}

#[test]
fn of_two_descriptions_and_of_two_transports_in_one_content_the_first_counts() {
    let text = "<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='a'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/>\
         <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='a'/>\
         <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='b'/></content>";
    let mut skipped = Skipped::default();
    let read = Content::read(&text.parse().unwrap(), &mut skipped).expect("it is a content");
    assert_eq!(read.media(), Some(&Media::Audio));
    assert_eq!(read.transport.and_then(|transport| transport.ufrag).as_deref(), Some("a"));
    assert_eq!(skipped.to_string(), "content: description; content: transport");
}

#[test]
fn of_several_things_in_a_session_info_the_first_counts_and_the_rest_is_named() {
    let news: Element = "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='s'>\
                         <mute xmlns='urn:xmpp:jingle:apps:rtp:info:1'/><hold xmlns='urn:xmpp:jingle:apps:rtp:info:1'/></jingle>"
        .parse()
        .unwrap();
    let mut skipped = Skipped::default();
    assert_eq!(Jingle::read(&news, &mut skipped).unwrap().info, Some(SessionInfo::Mute(None)));
    assert!(skipped.to_string().contains("hold"), "{skipped}");
}
