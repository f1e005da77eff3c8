//! Stanzas for puppets, which a test controls one by one: contents, offers and answers that are complete.

use muji_xep::Secret;
use muji_xep::dtls::{Fingerprint, Setup};
use muji_xep::ice::Transport;
use muji_xep::jingle::{Action, Content, Jingle, ReasonElement};
use muji_xep::rtp::{Description, Media, PayloadType};

/// An audio content with these encodings.
#[must_use]
pub fn audio(payload_types: Vec<PayloadType>) -> Content {
    Content { description: Some(Description::new(Media::Audio, payload_types)), ..Content::new("audio") }
}

/// A video content with these encodings.
#[must_use]
pub fn video(payload_types: Vec<PayloadType>) -> Content {
    Content { description: Some(Description::new(Media::Video, payload_types)), ..Content::new("video") }
}

/// VP8 as 98.
#[must_use]
pub fn vp8() -> PayloadType {
    PayloadType::new(98, "VP8", 90_000, 1)
}

/// Opus as 111.
#[must_use]
pub fn opus() -> PayloadType {
    PayloadType::new(111, "opus", 48_000, 2)
}

/// An ICE transport with credentials and, if told so, a fingerprint.
#[must_use]
pub fn transport(fingerprint: Option<Fingerprint>) -> Transport {
    Transport {
        ufrag: Some("ufrag".to_owned()),
        pwd: Some(Secret::new("a password of 22 letters")),
        fingerprints: fingerprint.into_iter().collect(),
        ..Transport::default()
    }
}

fn sha256(setup: Setup) -> Fingerprint {
    Fingerprint { hash: "sha-256".to_owned(), setup: Some(setup), value: vec![7; 32] }
}

/// An offer outside of rooms.
#[must_use]
pub fn direct_offer(sid: &str, content: Content) -> Jingle {
    let mut offer = Jingle::new(Action::SessionInitiate, sid);
    offer.contents = vec![content];
    offer
}

/// An audio content that lacks nothing for a session.
#[must_use]
pub fn usable(payload_types: Vec<PayloadType>) -> Content {
    Content { transport: Some(transport(Some(sha256(Setup::ActPass)))), ..audio(payload_types) }
}

/// The same for an answer.
#[must_use]
pub fn answering(payload_types: Vec<PayloadType>) -> Content {
    Content { transport: Some(transport(Some(sha256(Setup::Active)))), ..audio(payload_types) }
}

/// The end of a session.
#[must_use]
pub fn terminate(sid: &str, why: ReasonElement) -> Jingle {
    let mut end = Jingle::new(Action::SessionTerminate, sid);
    end.why = Some(why);
    end
}

/// The answer that takes of each content the first encoding.
#[must_use]
pub fn acceptance(offer: &Jingle) -> Jingle {
    let mut answer = Jingle::new(Action::SessionAccept, &offer.sid);
    let accepted = |content: &Content| {
        let description = content.description.clone().map(|mut description| {
            description.payload_types.truncate(1);
            description.extensions.clear();
            description
        });
        Content { name: content.name.clone(), description, ..answering(Vec::new()) }
    };
    answer.contents = offer.contents.iter().map(accepted).collect();
    answer
}
