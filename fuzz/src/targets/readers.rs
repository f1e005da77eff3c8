//! Every reader of `xep`, and that of stanzas. What is written of what was read must read the same, as XML too, and no list is longer than
//! its bound.

use muji_core::stanza;
use muji_xep::dtls::{EncryptedFingerprint, Fingerprint};
use muji_xep::ice::{MAX_CANDIDATES, Transport};
use muji_xep::invite::{self, CallInvite};
use muji_xep::jingle::{Content, Jingle, MAX_CONTENTS};
use muji_xep::jmi::JingleMessage;
use muji_xep::muc::{self, MucUser, Privacy};
use muji_xep::muji::MujiElement;
use muji_xep::room_invite::{self, RoomInvite};
use muji_xep::rtp::{Description, MAX_EXTENSIONS, MAX_PARAMETERS, MAX_PAYLOAD_TYPES, MAX_SOURCES};
use muji_xep::session_info::SessionInfo;
use muji_xep::{Element, Skipped, disco, extdisco, guard, roster};

use crate::choices::Choices;
use crate::stanza::{NAMES, stanza};

/// The longest report of what was skipped, in bytes.
const MAX_SKIPPED: usize = 2_048;

/// A letter or a bracket first: an element as text. Otherwise: a stanza of a real client, changed.
pub(super) fn run(bytes: &[u8]) {
    let element = if bytes.first() == Some(&b'<') {
        let text = std::str::from_utf8(bytes).ok();
        text.and_then(|text| text.parse().ok())
    } else {
        Some(stanza(&mut Choices::new(bytes), NAMES))
    };
    let Some(element) = element else { return };
    let _unreadable = stanza::read(&element).is_err(); // It takes all, and looks at the size itself.
    let excess = guard::check(&element);
    assert_eq!(excess.is_err(), guard::check(&guard::copy(&element)).is_err(), "a copy of what is refused is refused");
    if excess.is_ok() {
        if let Ok(read) = stanza::read(&element) {
            well_formed(&Element::from(read));
        }
        read(&element);
    }
}

/// All readers read it and each of its children.
fn read(element: &Element) {
    let mut skipped = Skipped::default();
    session(element, &mut skipped);
    parts(element, &mut skipped);
    payloads(element);
    answers(element, &mut skipped);
    assert!(skipped.to_string().len() <= MAX_SKIPPED);
    element.children().for_each(read);
}

/// It is well-formed, whatever is in it.
fn well_formed(written: &Element) {
    let text = String::from(written);
    let parsed: Result<Element, _> = text.parse();
    assert!(parsed.is_ok(), "{parsed:?}: {text}");
}

/// What is written of what was read reads the same.
fn round<T: PartialEq + std::fmt::Debug>(
    read: Option<T>,
    write: fn(&T) -> Element,
    again: impl Fn(&Element) -> Option<T>,
) {
    let Some(read) = read else { return };
    let written = write(&read);
    well_formed(&written);
    assert_eq!(again(&written), Some(read));
}

fn session(element: &Element, skipped: &mut Skipped) {
    if Jingle::matches(element) {
        let jingle = Jingle::read(element, skipped);
        if let Some(jingle) = &jingle {
            assert!(jingle.contents.len() <= MAX_CONTENTS);
        }
        // What is not understood is not repeated.
        let jingle = jingle.filter(|jingle| !matches!(jingle.info, Some(SessionInfo::Unknown(_))));
        let jingle = jingle.filter(|jingle| are_whole(&jingle.contents));
        round(jingle, Jingle::write, |written| Jingle::read(written, &mut Skipped::default()));
    }
    if MujiElement::find(std::slice::from_ref(element)).is_some() {
        let muji = MujiElement::read(element, skipped);
        assert!(muji.contents.len() <= MAX_CONTENTS);
        let muji = Some(muji).filter(|muji| are_whole(&muji.contents));
        round(muji, MujiElement::write, |written| Some(MujiElement::read(written, &mut Skipped::default())));
    }
}

/// What is malformed is not repeated.
fn are_whole(contents: &[Content]) -> bool {
    contents.iter().all(|content| content.transport.as_ref().is_none_or(|transport| !transport.malformed))
}

fn parts(element: &Element, skipped: &mut Skipped) {
    if Description::matches(element) {
        let description = Description::read(element, skipped);
        if let Some(description) = &description {
            assert!(description.payload_types.len() <= MAX_PAYLOAD_TYPES);
            assert!(description.extensions.len() <= MAX_EXTENSIONS);
            assert!(description.sources.len() <= MAX_SOURCES && description.source_groups.len() <= MAX_SOURCES);
            assert!(description.payload_types.iter().all(|payload| payload.parameters.len() <= MAX_PARAMETERS));
        }
        round(description, Description::write, |written| Description::read(written, &mut Skipped::default()));
    }
    if Transport::matches(element) {
        let transport = Transport::read(element, skipped);
        assert!(transport.candidates.len() <= MAX_CANDIDATES);
        let whole = Some(transport).filter(|transport| !transport.malformed);
        round(whole, Transport::write, |written| Some(Transport::read(written, &mut Skipped::default())));
    }
    round(Fingerprint::read(element, skipped), Fingerprint::write, |written| {
        Fingerprint::read(written, &mut Skipped::default())
    });
    round(EncryptedFingerprint::read(element, skipped), EncryptedFingerprint::write, |written| {
        EncryptedFingerprint::read(written, &mut Skipped::default())
    });
}

fn payloads(element: &Element) {
    let payloads: Vec<Element> = element.children().cloned().collect();
    if let Some(message) = JingleMessage::find(&payloads) {
        let written = message.write();
        written.iter().for_each(well_formed);
        assert_eq!(JingleMessage::find(&written), Some(message));
    }
    let reference = invite::reference(&payloads, element.attr("id"), None);
    if let Some(invite) = CallInvite::find(&payloads, reference.clone()) {
        let written = invite.write();
        written.iter().for_each(well_formed);
        assert_eq!(CallInvite::find(&written, reference), Some(invite));
    }
    let sender = NAMES.peer.parse().expect("a JID");
    let _invited = RoomInvite::find(&sender, &payloads);
    let _declined = room_invite::declined(&payloads);
    if let Some(user) = MucUser::find(&payloads) {
        let _real = user.real(None);
    }
}

fn answers(element: &Element, skipped: &mut Skipped) {
    assert!(extdisco::read(element, skipped).len() <= extdisco::MAX_SERVICES);
    let _contacts = roster::read(element, skipped);
    let _known = (disco::has_rooms(element), disco::has_feature(element, "urn:xmpp:jingle:1"));
    let _counted = (disco::identities(element).count(), disco::services(element).count());
    for privacy in [Privacy::Open, Privacy::Members] {
        if let Some(filled) = muc::fill_in(element, privacy) {
            well_formed(&filled);
        }
    }
}
