//! What of a peer's offer or answer fits what is ours.

use muji_xep::rtp::{Extension, Media, PayloadType};

use crate::session::ContentSpec;

/// Ids of header extensions from here on are only proposed (XEP-0294 section 3).
const PROPOSED: u16 = 4_096;

/// Ids that fit into the one-byte form (RFC 8285 section 4.2).
const ONE_BYTE: std::ops::RangeInclusive<u16> = 1..=14;

/// What of ours a peer's content stands for; only if there is nothing, what we could hear or see.
pub(super) fn bind<'a>(
    wanted: impl Iterator<Item = &'a ContentSpec> + Clone,
    name: &str,
    media: &Media,
) -> Option<&'a ContentSpec> {
    let of_media = wanted.filter(|wanted| wanted.media == *media);
    let sent = of_media.clone().filter(|wanted| wanted.sends);
    let by_name = sent.clone().find(|wanted| wanted.publication == name);
    // By media if only one fits: Movim's names are `0`, `1`.
    let by_media = || sent.clone().next().filter(|_| sent.clone().nth(1).is_none());
    by_name.or_else(by_media).or_else(|| of_media.clone().find(|wanted| !wanted.sends))
}

/// The peer's best encoding that we can do, with its id and our parameters. One only: Dino uses the first.
pub(super) fn choose(offered: &[PayloadType], ours: &[PayloadType]) -> Option<PayloadType> {
    offered.iter().find_map(|offered| {
        let own = ours.iter().find(|own| own.same_codec(offered))?;
        let mut chosen = PayloadType { id: offered.id, ..own.clone() };
        chosen.feedback.retain(|kind| offered.feedback.contains(kind)); // An answer adds none (XEP-0293 section 4).
        Some(chosen)
    })
}

/// The first encoding of an answer that is one of ours.
pub(super) fn same_id(ours: &[PayloadType], answered: &[PayloadType]) -> Option<PayloadType> {
    answered.iter().find(|answered| ours.iter().any(|own| own.id == answered.id && own.same_codec(answered))).cloned()
}

/// The header extensions of ours that an offer or answer has too, with the ids that it gives them. Where it only proposes an id, ours
/// is taken; where the id is too large for the one-byte form, the extension is not (XEP-0294 section 3, RFC 8285 section 4.2).
pub(super) fn shared(ours: &[Extension], theirs: &[Extension]) -> Vec<Extension> {
    let both = ours.iter().filter_map(|ours| {
        let theirs = theirs.iter().find(|theirs| theirs.uri == ours.uri)?;
        let id = if theirs.id >= PROPOSED { ours.id } else { theirs.id };
        ONE_BYTE.contains(&id).then(|| Extension { id, ..theirs.clone() })
    });
    Extension::unite(both)
}
