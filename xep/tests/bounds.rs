//! Of each list and text no more is kept than its bound, and what is over it is named where readers name anything.

use minidom::Element;
use muji_xep::dtls::Fingerprint;
use muji_xep::jingle::{Jingle, MAX_CONTENTS};
use muji_xep::jmi::{JingleMessage, MessageKind};
use muji_xep::muc::{MucUser, Privacy, fill_in};
use muji_xep::room_invite::{self, RoomInvite};
use muji_xep::rtp::{Description, MAX_EXTENSIONS, MAX_PARAMETERS, MAX_SOURCES, Media, PayloadType};
use muji_xep::{Skipped, extdisco};

fn element(text: &str) -> Element {
    text.parse().expect("the text is well-formed")
}

fn description(inner: &str) -> (Description, String) {
    let text = format!("<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>{inner}</description>");
    let mut skipped = Skipped::default();
    let read = Description::read(&element(&text), &mut skipped).expect("it has a medium");
    (read, skipped.to_string())
}

/// Children numbered from 1.
fn many(count: usize, child: impl Fn(usize) -> String) -> String {
    (1..=count).map(child).collect()
}

/// How many of a description's children are kept, at the bound and with one more; the one more is named `of`.
fn bounded(bound: usize, of: &str, child: impl Fn(usize) -> String, kept: impl Fn(&Description) -> usize) {
    let (read, skipped) = description(&many(bound, &child));
    assert_eq!((kept(&read), skipped.as_str()), (bound, ""), "{of}");
    let (read, skipped) = description(&many(bound + 1, &child));
    assert_eq!((kept(&read), skipped), (bound, format!("description: {of}")));
}

#[test]
fn header_extensions_sources_and_groups_of_sources() {
    let extension = |id| format!("<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='{id}' uri='u'/>");
    bounded(MAX_EXTENSIONS, "rtp-hdrext", extension, |read| read.extensions.len());
    let source = |ssrc| format!("<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='{ssrc}'/>");
    bounded(MAX_SOURCES, "source", source, |read| read.sources.len());
    let group = |ssrc| {
        format!(
            "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'><source ssrc='{ssrc}'/></ssrc-group>"
        )
    };
    bounded(MAX_SOURCES, "ssrc-group", group, |read| read.source_groups.len());
}

#[test]
fn parameters_of_a_source_and_sources_of_a_group() {
    let parameters = many(MAX_PARAMETERS + 1, |number| format!("<parameter name='p{number}' value='v'/>"));
    let sources = many(MAX_SOURCES + 1, |ssrc| format!("<source ssrc='{ssrc}'/>"));
    let (read, skipped) = description(&format!(
        "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'>{parameters}</source>\
         <ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'>{sources}</ssrc-group>"
    ));
    assert_eq!(read.sources[0].parameters.len(), MAX_PARAMETERS);
    assert_eq!(read.source_groups[0].sources.len(), MAX_SOURCES);
    assert_eq!(skipped, "source: parameter; ssrc-group: source");
}

#[test]
fn contents_of_a_session() {
    let read = |count| {
        let contents = many(count, |number| format!("<content creator='initiator' name='c{number}'/>"));
        let text = format!("<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s'>{contents}</jingle>");
        let mut skipped = Skipped::default();
        let read = Jingle::read(&element(&text), &mut skipped).expect("it is one");
        (read.contents.len(), skipped.to_string())
    };
    assert_eq!(read(MAX_CONTENTS), (MAX_CONTENTS, String::new()));
    assert_eq!(read(MAX_CONTENTS + 1), (MAX_CONTENTS, "jingle: content".to_owned()));
}

#[test]
fn parameters_and_feedback_of_a_payload_type() {
    let feedback = |number| format!("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='f{number}'/>");
    let parameter = |number| format!("<parameter name='p{number}' value='v'/>");
    let read = |inner: &str| {
        let (mut read, skipped) = description(&format!("<payload-type id='96' name='x'>{inner}</payload-type>"));
        let PayloadType { parameters, feedback, .. } = read.payload_types.remove(0);
        (parameters.len(), feedback.len(), skipped)
    };
    let full = many(MAX_PARAMETERS, parameter) + &many(MAX_PARAMETERS, feedback);
    assert_eq!(read(&full), (MAX_PARAMETERS, MAX_PARAMETERS, String::new()));
    for (name, over) in [("parameter", parameter(99)), ("rtcp-fb", feedback(99))] {
        let named = format!("payload-type: {name}");
        assert_eq!(read(&format!("{full}{over}")), (MAX_PARAMETERS, MAX_PARAMETERS, named));
    }
    // What is said of all payload types.
    let (read, skipped) =
        description(&format!("<payload-type id='96' name='x'/>{}", many(MAX_PARAMETERS + 1, feedback)));
    assert_eq!((read.payload_types[0].feedback.len(), skipped.as_str()), (MAX_PARAMETERS, "description: rtcp-fb"));
    let own = many(MAX_PARAMETERS, feedback);
    let (read, skipped) = description(&format!("<payload-type id='96' name='x'>{own}</payload-type>{}", feedback(99)));
    assert_eq!((read.payload_types[0].feedback.len(), skipped.as_str()), (MAX_PARAMETERS, "payload-type: rtcp-fb"));
}

#[test]
fn media_of_a_proposal() {
    let read = |media: &[&str]| {
        let described =
            media.iter().map(|media| format!("<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{media}'/>"));
        let described: String = described.collect();
        let text = format!("<propose xmlns='urn:xmpp:jingle-message:0' id='c'>{described}</propose>");
        JingleMessage::find(&[element(&text)]).expect("it is one").kind
    };
    assert_eq!(read(&["audio", "audio", "audio", "video"]), MessageKind::Propose(vec![Media::Audio, Media::Video]));
    assert_eq!(read(&["audio", "audio", "audio", "audio", "video"]), MessageKind::Propose(vec![Media::Audio]));
}

#[test]
fn status_codes_and_devices_of_an_occupant() {
    let user = |inner: &str| {
        let x = format!("<x xmlns='http://jabber.org/protocol/muc#user'>{inner}</x>");
        MucUser::find(&[element(&x)]).expect("it is the room's")
    };
    let codes = user(&many(17, |number| format!("<status code='{}'/>", 100 + number)));
    assert!(codes.has(116) && !codes.has(117));
    let devices = user(&many(17, |number| format!("<item jid='juliet@x/{number}'/>")));
    assert_eq!(devices.devices.len(), 16);
}

#[test]
fn fields_of_a_rooms_form_and_their_values() {
    let values = many(129, |number| format!("<value>{number}</value>"));
    let fields = many(129, |number| format!("<field var='f{number}'>{values}</field>"));
    let form = format!(
        "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='form'>{fields}</x></query>"
    );
    let filled = fill_in(&element(&form), Privacy::Open).expect("it is a form");
    let filled = filled.children().next().expect("the form");
    let copied: Vec<usize> = filled
        .children()
        .filter(|field| field.attr("var") != Some("FORM_TYPE"))
        .map(|field| field.children().count())
        .collect();
    assert_eq!(copied, [128; 128]);
}

#[test]
fn services_of_an_answer() {
    let services = |count| {
        let services = many(count, |number| format!("<service type='stun' host='h{number}'/>"));
        let mut skipped = Skipped::default();
        let text = format!("<services xmlns='urn:xmpp:extdisco:2'>{services}</services>");
        (extdisco::read(&element(&text), &mut skipped).len(), skipped.to_string())
    };
    assert_eq!(services(extdisco::MAX_SERVICES), (32, String::new()));
    assert_eq!(services(extdisco::MAX_SERVICES + 1), (32, "services: service".to_owned()));
}

#[test]
fn texts_for_people() {
    let long = "é".repeat(300);
    let end = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='s'><reason><alternative-session><sid>{long}\
         </sid></alternative-session><text>{long}</text></reason></jingle>"
    );
    let why = Jingle::read(&element(&end), &mut Skipped::default()).and_then(|end| end.why).expect("it has a reason");
    let lengths = [why.text, why.instead].map(|text| text.map(|text| text.chars().count()));
    assert_eq!(lengths, [Some(256), Some(64)]);
    let x = |inner: &str| element(&format!("<x xmlns='http://jabber.org/protocol/muc#user'>{inner}</x>"));
    let room = "r@conf.x".parse().expect("a JID");
    let invite = x(&format!("<invite from='romeo@x/1'><reason>{long}</reason></invite>"));
    let reason = RoomInvite::find(&room, &[invite]).and_then(|invite| invite.reason);
    assert_eq!(reason.map(|reason| reason.chars().count()), Some(256));
    let decline = x(&format!("<decline from='juliet@x/1'><reason>{long}</reason></decline>"));
    let reason = room_invite::declined(&[decline]).and_then(|(_, reason)| reason);
    assert_eq!(reason.map(|reason| reason.chars().count()), Some(256));
}

#[test]
fn bytes_of_a_fingerprint() {
    let read = |bytes: usize| {
        let text = format!(
            "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-512'>{}</fingerprint>",
            "AB:".repeat(bytes)
        );
        let read = Fingerprint::read(&element(&text), &mut Skipped::default());
        read.map(|fingerprint| fingerprint.value.len())
    };
    assert_eq!([0, 1, 64, 65].map(read), [None, Some(1), Some(64), None]);
}
