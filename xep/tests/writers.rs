//! Each element that we write, compared whole with what XEP and peers expect, and read back.

use minidom::Element;
use muji_xep::Secret;
use muji_xep::dtls::{self, EncryptedFingerprint, Fingerprint, Setup};
use muji_xep::ice::{Candidate, CandidateKind, Transport};
use muji_xep::jingle::{Action, Condition, Content, Group, Jingle, Reason, ReasonElement, Side};
use muji_xep::jmi::{self, JingleMessage};
use muji_xep::muji::MujiElement;
use muji_xep::rtp::{Description, Feedback, Media, Parameter, PayloadType, Source};
use muji_xep::session_info::{ContentRef, SessionInfo};
use muji_xep::{Skipped, extdisco, muc};

fn xml(text: &str) -> Element {
    text.parse().unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn audio() -> Content {
    let opus = PayloadType::new(111, "opus", 48_000, 2).with_parameter("useinbandfec", "1");
    Content { description: Some(Description::new(Media::Audio, vec![opus])), ..Content::new("audio") }
}

/// The element is written as `expected`, and `expected` is read as the value.
fn assert_jingle(jingle: &Jingle, expected: &str) {
    assert_eq!(jingle.write(), xml(expected), "wrote {}", String::from(&jingle.write()));
    let mut skipped = Skipped::default();
    assert_eq!(Jingle::read(&xml(expected), &mut skipped).as_ref(), Some(jingle));
    assert!(skipped.is_empty(), "{skipped}");
}

const AUDIO: &str = "<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='audio'>\
    <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>\
    <payload-type id='111' name='opus' clockrate='48000' channels='2'><parameter name='useinbandfec' value='1'/>\
    </payload-type></description></content>";

#[test]
fn a_participant_preparing_and_one_with_contents() {
    let preparing = xml("<muji xmlns='urn:xmpp:jingle:muji:0'><preparing/></muji>");
    assert_eq!(MujiElement::preparing().write(), preparing);
    let contents = xml(&format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{AUDIO}</muji>"));
    assert_eq!(MujiElement::with(vec![audio()]).write(), contents);
    let adding = MujiElement { preparing: true, contents: vec![audio()] };
    assert_eq!(adding.write(), xml(&format!("<muji xmlns='urn:xmpp:jingle:muji:0'><preparing/>{AUDIO}</muji>")));
}

#[test]
fn a_content_is_read_in_muji_s_namespace_too_with_the_old_description_and_behind_it_preparing() {
    let element = xml("<muji xmlns='urn:xmpp:jingle:muji:0'><content name='audio'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:0' media='audio'>\
         <payload-type id='111' name='opus' clockrate='48000' channels='2'><parameter name='useinbandfec' value='1'/>\
         </payload-type></description></content><preparing/></muji>");
    let muji = MujiElement::read(&element, &mut Skipped::default());
    assert_eq!(muji, MujiElement { preparing: true, contents: vec![audio()] });
}

#[test]
fn of_two_contents_with_one_name_the_first_counts_and_the_second_is_reported() {
    let element = xml("<muji xmlns='urn:xmpp:jingle:muji:0'><content name='a' xmlns='urn:xmpp:jingle:1'/>\
         <content name='a' xmlns='urn:xmpp:jingle:1' senders='none'/></muji>");
    let mut skipped = Skipped::default();
    assert_eq!(MujiElement::read(&element, &mut skipped).contents, [Content::new("a")]);
    assert_eq!(skipped.to_string(), "muji: a second content named a");
}

fn offer() -> Jingle {
    let mut content = audio();
    let description = content.description.as_mut().expect("audio has one");
    description.rtcp_mux = true;
    description.rtcp_reduced_size = true;
    let cname = Parameter { name: "cname".to_owned(), value: Some("c1".to_owned()) };
    description.sources = vec![Source { ssrc: 1_234_567, parameters: vec![cname] }];
    content.transport = Some(Transport {
        ufrag: Some("Ab3d".to_owned()),
        pwd: Some(Secret::new("0123456789abcdefghijkl")),
        fingerprints: vec![Fingerprint {
            hash: "sha-256".to_owned(),
            setup: Some(Setup::ActPass),
            value: vec![0xAA, 0x0B],
        }],
        candidates: vec![Candidate {
            component: 1,
            foundation: "1".to_owned(),
            generation: 0,
            id: Some("c1".to_owned()),
            address: "192.0.2.1:50000".parse().expect("an address"),
            priority: 2_130_706_431,
            kind: CandidateKind::Host,
            related: None,
        }],
        ..Transport::default()
    });
    let mut jingle = Jingle::new(Action::SessionInitiate, "s1");
    jingle.initiator = Some("alice@x/a".to_owned());
    jingle.contents = vec![content];
    jingle.room = Some("r@conf.x".parse().expect("a JID"));
    jingle
}

#[test]
fn an_offer_with_muji_s_marker_behind_everything() {
    assert_jingle(
        &offer(),
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' initiator='alice@x/a' sid='s1'>\
         <content creator='initiator' name='audio'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>\
         <payload-type id='111' name='opus' clockrate='48000' channels='2'><parameter name='useinbandfec' value='1'/>\
         </payload-type><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1234567'>\
         <parameter name='cname' value='c1'/></source><rtcp-mux/><rtcp-reduced-size/></description>\
         <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='Ab3d' pwd='0123456789abcdefghijkl'>\
         <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AA:0B</fingerprint>\
         <candidate component='1' foundation='1' generation='0' id='c1' ip='192.0.2.1' network='0' port='50000' \
         priority='2130706431' protocol='udp' type='host'/></transport></content>\
         <muji xmlns='urn:xmpp:jingle:muji:0' room='r@conf.x'/></jingle>",
    );
}

#[test]
fn the_password_of_a_transport_is_not_printed() {
    assert!(!format!("{:?}", offer()).contains("0123456789abcdefghijkl"));
}

#[test]
fn an_answer_in_a_group_news_and_the_end() {
    let mut accept = Jingle::new(Action::SessionAccept, "s1");
    accept.responder = Some("bob@x/b".to_owned());
    accept.contents = vec![Content { creator: Side::Initiator, ..Content::new("audio") }];
    accept.group = Some(Group { semantics: "BUNDLE".to_owned(), contents: vec!["audio".to_owned()] });
    assert_jingle(
        &accept,
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' responder='bob@x/b' sid='s1'>\
         <content creator='initiator' name='audio'/>\
         <group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'><content name='audio'/></group></jingle>",
    );
    let mut mute = Jingle::new(Action::SessionInfo, "s1");
    mute.info = Some(SessionInfo::Mute(Some(ContentRef { creator: Side::Initiator, name: "audio".to_owned() })));
    assert_jingle(
        &mute,
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='s1'>\
         <mute xmlns='urn:xmpp:jingle:apps:rtp:info:1' creator='initiator' name='audio'/></jingle>",
    );
    let mut end = Jingle::new(Action::SessionTerminate, "s1");
    end.why = Some(ReasonElement { text: Some("no way through".to_owned()), ..Reason::FailedTransport.into() });
    assert_jingle(
        &end,
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='s1'>\
         <reason><failed-transport/><text>no way through</text></reason></jingle>",
    );
}

// Shows jingle-reason-01.
#[test]
fn a_reason_with_an_underscore_is_read_as_with_a_hyphen_and_an_unknown_one_is_kept() {
    let read = |reason: &str| {
        let element = xml(&format!(
            "<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='s'><reason><{reason}/></reason></jingle>"
        ));
        Jingle::read(&element, &mut Skipped::default()).and_then(|jingle| jingle.why).map(|why| why.reason)
    };
    assert_eq!(read("failed_transport"), Some(Reason::FailedTransport));
    assert_eq!(read("sunspots"), Some(Reason::Other("sunspots".to_owned())));
}

// Shows jcc-01, jcc-02.
#[test]
fn a_screen_is_pictures_of_category_slides_in_offers_presences_and_proposals() {
    let description = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>\
         <category xmlns='urn:xmpp:jingle:apps:category:0' name='slides'/>";
    let expected = xml(&format!("{description}<payload-type id='98' name='VP8' clockrate='90000'/></description>"));
    let slides = Description::new(Media::Slides, vec![PayloadType::new(98, "VP8", 90_000, 1)]);
    assert_eq!(slides.write(), expected);
    let mut skipped = Skipped::default();
    assert_eq!(Description::read(&expected, &mut skipped), Some(slides));
    assert_eq!(skipped, Skipped::default());
    let propose = format!(
        "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>{description}</description></propose>"
    );
    assert_jmi("c1", jmi::MessageKind::Propose(vec![Media::Audio, Media::Slides]), &propose);
}

// Shows jcc-03.
#[test]
fn of_several_categories_slides_counts_and_others_leave_pictures_what_they_are() {
    let read = |media: &str, categories: &[&str]| {
        let categories: String = categories
            .iter()
            .map(|name| format!("<category xmlns='urn:xmpp:jingle:apps:category:0' name='{name}'/>"))
            .collect();
        let description =
            format!("<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{media}'>{categories}</description>");
        Description::read(&xml(&description), &mut Skipped::default()).map(|description| description.media)
    };
    assert_eq!(read("video", &["alt", "slides"]), Some(Media::Slides));
    assert_eq!(read("video", &["speaker"]), Some(Media::Video));
    assert_eq!(read("video", &["sunspots"]), Some(Media::Video));
    assert_eq!(read("audio", &["slides"]), Some(Media::Audio));
}

#[test]
fn feedback_stands_behind_the_parameters_of_its_payload_type() {
    let mut vp8 = PayloadType::new(98, "VP8", 90_000, 1);
    vp8.feedback = vec![Feedback { kind: "ccm".to_owned(), subtype: Some("fir".to_owned()) }];
    let expected = xml("<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>\
         <payload-type id='98' name='VP8' clockrate='90000'>\
         <rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='ccm' subtype='fir'/></payload-type></description>");
    assert_eq!(Description::new(Media::Video, vec![vp8]).write(), expected);
}

#[test]
fn the_other_elements_of_ours() {
    assert_eq!(Condition::TieBreak.write(), xml("<tie-break xmlns='urn:xmpp:jingle:errors:1'/>"));
    assert_eq!(
        muc::enter(Some("secret")),
        xml("<x xmlns='http://jabber.org/protocol/muc'><history maxchars='0'/><password>secret</password></x>")
    );
    assert_eq!(extdisco::ask(), xml("<services xmlns='urn:xmpp:extdisco:2'/>"));
}

// Shows muc-create-04.
#[test]
fn a_rooms_form_is_filled_in_with_our_wishes_and_its_own_defaults() {
    let form = xml(
        "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='form'><title>Room</title>\
         <field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
         <field var='muc#roomconfig_whois' type='list-single'><value>moderators</value><option><value>anyone</value></option></field>\
         <field var='muc#roomconfig_membersonly'><value>0</value></field>\
         <field var='example#taste'><required/><value>sweet</value></field><field type='fixed'><value>words</value></field>\
         </x></query>",
    );
    let filled = |members: &str| {
        xml(&format!(
            "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
             <field var='muc#roomconfig_whois'><value>anyone</value></field>\
             <field var='muc#roomconfig_membersonly'><value>{members}</value></field>\
             <field var='example#taste'><value>sweet</value></field></x></query>"
        ))
    };
    assert_eq!(muc::fill_in(&form, muc::Privacy::Members), Some(filled("1")));
    assert_eq!(muc::fill_in(&form, muc::Privacy::Open), Some(filled("0")));
    assert_eq!(muc::fill_in(&muc::ask_form(), muc::Privacy::Open), None);
}

#[test]
fn the_orders_of_a_rooms_owner() {
    let guest = "juliet@capulet.example".parse().expect("a JID");
    assert_eq!(
        muc::admit(&guest),
        xml(
            "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='juliet@capulet.example'/></query>"
        )
    );
    assert_eq!(muc::destroy(), xml("<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"));
    assert_eq!(
        muc::cancel(),
        xml("<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='cancel'/></query>")
    );
}

#[test]
fn what_cannot_be_used_of_a_transport_is_named_and_the_rest_stays() {
    let element = xml("<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u'>\
         <candidate component='1' ip='host.local' port='1' priority='1' type='host' protocol='udp'/>\
         <candidate component='1' ip='192.0.2.1' port='1' priority='1' type='host' protocol='tcp'/>\
         <candidate component='1' ip='192.0.2.1' port='9' priority='7' type='srflx' protocol='udp' tcptype='active'/>\
         <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='SHA-256' setup='sideways'>ab:CD</fingerprint>\
         <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'>nonsense</fingerprint></transport>");
    let mut skipped = Skipped::default();
    let transport = Transport::read(&element, &mut skipped);
    assert_eq!(transport.candidates.len(), 1);
    assert_eq!(transport.fingerprints[0].hash, "sha-256");
    assert_eq!(transport.fingerprints[0].value, [0xAB, 0xCD]);
    assert_eq!(
        skipped.to_string(),
        "candidate: host.local is no literal address; candidate: protocol tcp; fingerprint setup: sideways; \
         fingerprint: not pairs of hexadecimal digits"
    );
}

// Shows muji-xml-02.
#[test]
fn preparing_is_read_whatever_stands_in_it_and_however_often() {
    for inside in ["<preparing/>", "<preparing>soon</preparing>", "<preparing><x/></preparing><preparing/>"] {
        let muji = xml(&format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{inside}</muji>"));
        let mut skipped = Skipped::default();
        assert_eq!(MujiElement::read(&muji, &mut skipped), MujiElement::preparing(), "{inside}");
    }
    let both = MujiElement { preparing: true, contents: vec![Content::new("audio"), Content::new("video")] };
    assert_eq!(MujiElement::read(&both.write(), &mut Skipped::default()), both);
}

fn assert_jmi(id: &str, word: jmi::MessageKind, expected: &str) {
    let message = JingleMessage::new(id, word);
    let written = message.write();
    assert_eq!(written, [xml(expected), xml("<store xmlns='urn:xmpp:hints'/>")]);
    assert_eq!(JingleMessage::find(&written), Some(message));
}

#[test]
fn what_is_said_of_a_call_before_its_session() {
    use jmi::{MessageKind, MessageReason};
    let propose = "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/></propose>";
    assert_jmi("c1", MessageKind::Propose(vec![Media::Audio, Media::Video]), propose);
    for (word, name) in
        [(MessageKind::Ringing, "ringing"), (MessageKind::Proceed, "proceed"), (MessageKind::Accept, "accept")]
    {
        assert_jmi("c1", word, &format!("<{name} xmlns='urn:xmpp:jingle-message:0' id='c1'/>"));
    }
    let busy =
        "<reject xmlns='urn:xmpp:jingle-message:0' id='c1'><reason xmlns='urn:xmpp:jingle:1'><busy/></reason></reject>";
    assert_jmi("c1", MessageKind::Reject(Reason::Busy.into()), busy);
    let tie = "<retract xmlns='urn:xmpp:jingle-message:0' id='c1'>\
         <reason xmlns='urn:xmpp:jingle:1'><expired/></reason><tie-break/></retract>";
    assert_jmi("c1", MessageKind::Retract(MessageReason::tie_break()), tie);
    let moved = "<finish xmlns='urn:xmpp:jingle-message:0' id='c1'>\
         <reason xmlns='urn:xmpp:jingle:1'><expired/></reason><migrated to='c2'/></finish>";
    assert_jmi("c1", MessageKind::Finish(MessageReason::migrated("c2")), moved);
}

/// Dino's words: a device is named where somebody may offer a session to it, and a fingerprint is encrypted for that device.
#[test]
fn a_device_and_a_fingerprint_that_only_a_device_can_read() {
    const NS: &str = "http://gultsch.de/xmpp/drafts/omemo/dlts-srtp-verification";
    let device = format!("<device xmlns='{NS}' id='27'/>");
    let proceed = JingleMessage { device: Some(27), ..JingleMessage::new("c1", jmi::MessageKind::Proceed) };
    let written = xml(&format!("<proceed xmlns='urn:xmpp:jingle-message:0' id='c1'>{device}</proceed>"));
    assert_eq!(proceed.write()[0], written);
    assert_eq!(JingleMessage::find(&proceed.write()), Some(proceed));
    let muji = xml(&format!("<muji xmlns='urn:xmpp:jingle:muji:0'><preparing/>{device}</muji>"));
    let mut skipped = Skipped::default();
    assert_eq!((MujiElement::read(&muji, &mut skipped), dtls::device_id(&muji)), (MujiElement::preparing(), Some(27)));

    let plain = Fingerprint { hash: "sha-256".to_owned(), setup: Some(Setup::Active), value: vec![0xab; 32] };
    let payload = xml("<encrypted xmlns='eu.siacs.conversations.axolotl'><payload>YWJj</payload></encrypted>");
    let sealed = EncryptedFingerprint::new(&plain, payload.clone());
    let transport = Transport { encrypted_fingerprints: vec![sealed.clone()], ..Transport::default() };
    let expected = xml(&format!(
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'><fingerprint xmlns='{NS}' hash='sha-256' setup='active'>{}\
         </fingerprint></transport>",
        String::from(&payload)
    ));
    assert_eq!(transport.write(), expected);
    assert_eq!(Transport::read(&expected, &mut skipped), transport);
    assert!(skipped.is_empty(), "{skipped}");
    assert_eq!(sealed.opened(&format!(" {}\n", plain.digits())), Some(plain));
    assert_eq!(sealed.opened("three words only"), None);
}
