//! Which of our contents, codecs and header extensions a peer's offer or answer matches.

use std::collections::BTreeSet;

use muji_xep::jingle::Content;
use muji_xep::rtp::{Description, HeaderExtension, Media, PayloadType};

use crate::parties::ContentSpec;

/// Ids of header extensions from here on are only proposed (XEP-0294 section 3).
const PROPOSED: u16 = 4_096;

/// Ids that fit into the one-byte form (RFC 8285 section 4.2).
const ONE_BYTE: std::ops::RangeInclusive<u16> = 1..=14;

/// Ids that may be given to any encoding (RFC 3551 section 6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// Our content that a peer's content matches; only if we send none, one that we could receive.
pub(super) fn match_content<'a>(
    specs: impl Iterator<Item = &'a ContentSpec> + Clone,
    name: &str,
    media: &Media,
) -> Option<&'a ContentSpec> {
    let of_media = specs.filter(|spec| spec.media == *media);
    let sent = of_media.clone().filter(|spec| spec.sends);
    let by_name = sent.clone().find(|spec| spec.publication == name);
    // By media if only one fits: Movim's names are `0`, `1`.
    let by_media = || sent.clone().next().filter(|_| sent.clone().nth(1).is_none());
    by_name.or_else(by_media).or_else(|| of_media.clone().find(|spec| !spec.sends))
}

/// An encoding of an offer that we can do.
pub(super) struct ChosenCodec {
    /// As we answer it, with our parameters: they say what we receive.
    pub(super) receive: PayloadType,
    /// As we send it, with the peer's.
    pub(super) send: PayloadType,
}

/// The peer's best encoding that we can do, with its id. One only: Dino uses the first.
pub(super) fn choose_codec(offered: &[PayloadType], ours: &[PayloadType]) -> Option<ChosenCodec> {
    codecs(offered).find_map(|offered| {
        let own = ours.iter().find(|own| own.same_codec(offered))?;
        let mut receive = PayloadType { id: offered.id, ..own.clone() };
        receive.feedback.retain(|kind| offered.feedback.contains(kind)); // An answer adds none (XEP-0293 section 4).
        let send = PayloadType { parameters: offered.parameters.clone(), ..receive.clone() };
        Some(ChosenCodec { receive, send })
    })
}

/// The first encoding of an answer that we know, with the id under which the peer wants to receive it. That it is our id is only a
/// SHOULD (RFC 3264 section 6.1), so one with another counts if none has ours.
pub(super) fn answered_codec(ours: &[PayloadType], answered: &[PayloadType]) -> Option<PayloadType> {
    let by_id = codecs(answered).find(|it| ours.iter().any(|own| own.id == it.id && own.same_codec(it)));
    by_id.or_else(|| codecs(answered).find(|it| ours.iter().any(|own| own.same_codec(it)))).cloned()
}

fn codecs(payload_types: &[PayloadType]) -> impl Iterator<Item = &PayloadType> {
    payload_types.iter().filter(|payload| payload.is_codec())
}

/// Copies of earlier frames of a codec together with new ones (RED), if both know them. A peer's own that repeats something else is none; one that
/// does not say what it repeats is taken for that of the codec.
pub(super) fn red(codec: &PayloadType, ours: &[PayloadType], theirs: &[PayloadType]) -> Option<PayloadType> {
    let both = |theirs: &&PayloadType| theirs.is_red() && ours.iter().any(|own| own.is_red() && own.same_codec(theirs));
    let mut known = theirs.iter().filter(both);
    let red = known.find(|red| red.repeated().is_none_or(|repeated| repeated == codec.id))?;
    Some(red.clone().repeating(codec.id))
}

/// What sends packets of a codec again (RTX), if the peer takes it for that codec.
pub(super) fn rtx(codec: &PayloadType, theirs: &[PayloadType]) -> Option<PayloadType> {
    let rtx = theirs.iter().find(|it| it.sent_again() == Some(codec.id))?;
    codec.is_nacked().then(|| PayloadType::rtx(rtx.id, codec))
}

/// Our payload types of a content, and behind each codec whose lost packets may be asked for what sends them again, if our media layer can.
/// Its id is none of `used`, nor of the content's own.
pub(super) fn with_rtx<'a>(spec: &'a ContentSpec, used: impl Iterator<Item = &'a PayloadType>) -> Vec<PayloadType> {
    let mut used: BTreeSet<u8> = used.chain(&spec.payload_types).map(|payload| payload.id).collect();
    let mut all = Vec::new();
    for payload in &spec.payload_types {
        all.push(payload.clone());
        let free = || DYNAMIC.rev().find(|id| !used.contains(id));
        if spec.rtx_ssrc.is_some()
            && payload.is_codec()
            && payload.is_nacked()
            && let Some(id) = free()
        {
            used.insert(id);
            all.push(PayloadType::rtx(id, payload));
        }
    }
    all
}

/// The keys of telephones, if both know them: of several the one with the clock of the codec, whose timestamps they share.
pub(super) fn telephone_event(
    codec: &PayloadType,
    ours: &[PayloadType],
    theirs: &[PayloadType],
) -> Option<PayloadType> {
    let both = |theirs: &&PayloadType| theirs.is_telephone_event() && ours.iter().any(|own| own.same_codec(theirs));
    let known: Vec<&PayloadType> = theirs.iter().filter(both).collect();
    let same_clock = known.iter().find(|event| event.clockrate == codec.clockrate);
    same_clock.or_else(|| known.first()).map(|event| (*event).clone())
}

/// Our header extensions that an offer or answer has too, with the ids that it gives them. Where it only proposes an id, ours
/// is taken; where the id is too large for the one-byte form, the extension is not (XEP-0294 section 3, RFC 8285 section 4.2).
pub(super) fn shared_extensions(ours: &[HeaderExtension], theirs: &[HeaderExtension]) -> Vec<HeaderExtension> {
    let both = ours.iter().filter_map(|ours| {
        let theirs = theirs.iter().find(|theirs| theirs.uri == ours.uri)?;
        let id = if theirs.id >= PROPOSED { ours.id } else { theirs.id };
        ONE_BYTE.contains(&id).then(|| HeaderExtension { id, ..theirs.clone() })
    });
    HeaderExtension::unite(both)
}

/// What we could have taken instead of a content that we refuse.
pub(crate) fn alternative(content: &Content, specs: &[ContentSpec]) -> Content {
    let ours = content.media().and_then(|media| match_content(specs.iter(), &content.name, media));
    let description = ours.map(|ours| Description::new(ours.media.clone(), ours.payload_types.clone()));
    Content { creator: content.creator, description, ..Content::new(&content.name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(id: u8, profile: &str, mode: &str) -> PayloadType {
        let h264 = PayloadType::new(id, "H264", 90_000, 1);
        h264.with_parameter("packetization-mode", mode).with_parameter("profile-level-id", profile)
    }

    /// As Chromium offers them (`xep/fixtures/chromium`).
    fn chromium() -> Vec<PayloadType> {
        let profiles = [(102, "42001f", "1"), (104, "42001f", "0"), (108, "42e01f", "1"), (114, "42e01f", "0")];
        let others = [(116, "4d001f", "1"), (39, "4d001f", "0")];
        profiles.into_iter().chain(others).map(|(id, profile, mode)| h264(id, profile, mode)).collect()
    }

    #[test]
    fn of_browsers_profiles_of_h264_ours_is_chosen_in_the_packets_that_both_take() {
        let chosen = |ours: &[PayloadType]| choose_codec(&chromium(), ours).map(|chosen| chosen.receive.id);
        assert_eq!(chosen(&[h264(99, "42e01f", "1")]), Some(108));
        assert_eq!(chosen(&[h264(99, "42e034", "0")]), Some(114), "whatever the level");
        assert_eq!(chosen(&[h264(99, "640c1f", "1")]), None);
    }

    #[test]
    fn h264_of_a_client_that_names_no_parameters_is_taken_in_packets_of_one_unit() {
        let dino = [PayloadType::new(96, "H264", 90_000, 1)];
        let ours = [h264(102, "42e01f", "1"), h264(97, "42e01f", "0")];
        let chosen = choose_codec(&dino, &ours).expect("it is taken");
        assert_eq!((chosen.receive.id, chosen.receive.parameter("packetization-mode")), (96, Some("0")));
    }

    #[test]
    fn what_we_answer_says_what_we_can_decode_and_what_we_send_what_the_peer_can() {
        let level = |codec: &PayloadType| codec.parameter("profile-level-id").map(str::to_owned);
        let chosen = choose_codec(&[h264(108, "42e015", "1")], &[h264(99, "42e01f", "1")]).expect("it is taken");
        assert_eq!(level(&chosen.receive).as_deref(), Some("42e01f"));
        assert_eq!((level(&chosen.send).as_deref(), chosen.send.id), (Some("42e015"), 108));
    }

    #[test]
    fn an_answer_with_another_profile_under_our_id_is_not_the_encoding_that_we_offered() {
        let ours = [PayloadType::new(98, "VP8", 90_000, 1), h264(102, "42e01f", "1")];
        let answered = [h264(102, "42001f", "1"), PayloadType::new(98, "VP8", 90_000, 1)];
        assert_eq!(answered_codec(&ours, &answered).map(|codec| codec.id), Some(98));
    }
}
