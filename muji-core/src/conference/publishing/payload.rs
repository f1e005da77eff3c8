//! The payload map: what we publish, given what the others have published (XEP-0272 section 3).
//!
//! One id means one encoding to everybody, so that a content is encoded and packetised once. The map helps, it is never a
//! condition: each session settles its own ids.

use std::collections::{BTreeMap, BTreeSet};

use jid::FullJid;
use muji_xep::jingle::Content;
use muji_xep::rtp::{Description, Media, PayloadType};

/// The contents to publish for `media`, and the media for which nobody has one of our codecs.
///
/// A pure function: the order in which presences came does not count.
pub(crate) fn derive<'a>(
    others: &BTreeMap<FullJid, &'a [Content]>,
    media: &[Media],
    ours: impl Fn(&Media) -> &'a [PayloadType],
) -> (Vec<Content>, Vec<Media>) {
    let mut contents = Vec::new();
    let mut without = Vec::new();
    for media in media {
        let lists = lists(others, media);
        // Somebody with whom we have nothing in common cannot talk to us whatever we publish, and must not keep us from
        // those who can.
        let common = |list: &&[PayloadType]| {
            list.iter().any(|it| it.is_codec() && ours(media).iter().any(|own| own.same_codec(it)))
        };
        let participants: Vec<&[PayloadType]> = lists.iter().copied().filter(common).collect();
        let list = if lists.is_empty() { ours(media).to_vec() } else { usable(&participants, ours(media)) };
        if !list.iter().any(PayloadType::is_codec) {
            without.push(media.clone());
            continue;
        }
        let name = name(others, media);
        contents.push(Content { description: Some(Description::new(media.clone(), list)), ..Content::new(&name) });
    }
    (contents, without)
}

/// The encodings of each participant that names some, that with the octet-lowest JID first.
fn lists<'a>(others: &BTreeMap<FullJid, &'a [Content]>, media: &Media) -> Vec<&'a [PayloadType]> {
    let mut others: Vec<_> = others.iter().collect();
    others.sort_by_key(|(jid, _)| jid.to_string());
    let descriptions = others.into_iter().filter_map(|(_, contents)| {
        let mut of_media = contents.iter().filter_map(|content| content.description.as_ref());
        of_media.find(|description| description.media == *media)
    });
    // Dino publishes none if it found no encoding in common: then it says nothing about the map.
    descriptions.map(|description| &*description.payload_types).filter(|list| !list.is_empty()).collect()
}

/// What all have, then what some have, of what we can do, verbatim: Dino compares everything.
fn usable(lists: &[&[PayloadType]], ours: &[PayloadType]) -> Vec<PayloadType> {
    let mut definitions: BTreeMap<u8, &PayloadType> = BTreeMap::new();
    let mut ambiguous = BTreeSet::new();
    for payload in lists.iter().copied().flatten() {
        let first = definitions.entry(payload.id).or_insert(payload);
        if !first.same_codec(payload) {
            ambiguous.insert(payload.id);
        }
    }
    let able = |payload: &&PayloadType| ours.iter().any(|own| own.same_codec(payload));
    let mut usable: Vec<&PayloadType> = Vec::new();
    for payload in lists.iter().copied().flatten().filter(able) {
        if !ambiguous.contains(&payload.id) && usable.iter().all(|known| known.id != payload.id) {
            usable.push(payload);
        }
    }
    let common = |it: &&PayloadType| lists.iter().all(|list| list.iter().any(|payload| payload.id == it.id));
    let (shared, rest): (Vec<&PayloadType>, Vec<&PayloadType>) = usable.into_iter().partition(common);
    let mut list: Vec<PayloadType> = shared.into_iter().chain(rest).cloned().collect();
    leave_out_stray_red(&mut list);
    list
}

/// Copies of frames of a codec that is not in the list are of no use (RED, RFC 2198).
fn leave_out_stray_red(list: &mut Vec<PayloadType>) {
    let codecs: BTreeSet<u8> = list.iter().filter(|it| it.is_codec()).map(|it| it.id).collect();
    list.retain(|it| !it.is_red() || it.repeated().is_none_or(|repeated| codecs.contains(&repeated)));
}

/// The name the participants use for a medium: that of the octet-lowest JID, else the medium's own.
fn name(others: &BTreeMap<FullJid, &[Content]>, media: &Media) -> String {
    let mut named: Vec<(String, &str)> = Vec::new();
    for (jid, contents) in others {
        let content = contents
            .iter()
            .find(|content| content.description.as_ref().is_some_and(|description| description.media == *media));
        named.extend(content.map(|content| (jid.to_string(), content.name.as_str())));
    }
    named.into_iter().min().map_or_else(|| media.to_string(), |(_, name)| name.to_owned())
}

/// Ids that may be given to any encoding (RFC 3551 section 6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// What we publish instead of `ours`, as one of our ids means something else to one of the `winners`, or they know one of
/// our encodings by another id; `None` if we agree.
///
/// Of two who disagree the one with the octet-smallest real JID keeps its meaning; the other takes the id under which the
/// winner knows the encoding, or one that nobody has used in this call (`used`). The XEP forbids the conflict and does not
/// say what to do about it; only time-outs and faulty clients make one.
pub(crate) fn yielding(ours: &[Content], winners: &[&[Content]], used: &BTreeSet<u8>) -> Option<Vec<Content>> {
    let mut changed = false;
    let mut used = used.clone();
    let mut contents = ours.to_vec();
    for description in contents.iter_mut().filter_map(|content| content.description.as_mut()) {
        let theirs: Vec<&PayloadType> = winners
            .iter()
            .flat_map(|contents| contents.iter().filter_map(|content| content.description.as_ref()))
            .filter(|theirs| theirs.media == description.media)
            .flat_map(|theirs| &theirs.payload_types)
            .collect();
        let mut kept: Vec<PayloadType> = Vec::new();
        let mut renumbered: BTreeMap<u8, u8> = BTreeMap::new();
        for payload in &description.payload_types {
            let mut payload = payload.clone();
            let agreed = theirs.iter().any(|theirs| theirs.id == payload.id && theirs.same_codec(&payload));
            let conflict = theirs.iter().any(|theirs| theirs.id == payload.id && !theirs.same_codec(&payload));
            let known = theirs.iter().find(|theirs| theirs.same_codec(&payload)).map(|theirs| theirs.id);
            if conflict || (!agreed && known.is_some()) {
                changed = true;
                let Some(id) = known.or_else(|| DYNAMIC.rev().find(|id| !used.contains(id))) else { continue };
                renumbered.insert(payload.id, id);
                payload.id = id;
            }
            used.insert(payload.id);
            if kept.iter().all(|other| other.id != payload.id) {
                kept.push(payload);
            }
        }
        for red in kept.iter_mut().filter(|it| it.is_red()) {
            if let Some(id) = red.repeated().and_then(|repeated| renumbered.get(&repeated)) {
                *red = red.clone().repeating(*id);
            }
        }
        leave_out_stray_red(&mut kept);
        description.payload_types = kept;
    }
    changed.then_some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opus(id: u8) -> PayloadType {
        PayloadType::new(id, "opus", 48_000, 2).with_parameter("useinbandfec", "1")
    }

    fn speex(id: u8) -> PayloadType {
        PayloadType::new(id, "speex", 32_000, 1)
    }

    fn audio(name: &str, list: &[PayloadType]) -> Vec<Content> {
        let description = Description::new(Media::Audio, list.to_vec());
        vec![Content { description: Some(description), ..Content::new(name) }]
    }

    /// Ids published for audio by somebody who knows `ours`, given what others published.
    fn published(others: &[(&str, Vec<Content>)], ours: &[PayloadType]) -> Option<(String, Vec<PayloadType>)> {
        let others =
            others.iter().map(|(jid, contents)| (jid.parse().expect("a full JID"), contents.as_slice())).collect();
        let (contents, without) = derive(&others, &[Media::Audio], |_| ours);
        assert_eq!(contents.len() + without.len(), 1);
        let content = contents.into_iter().next()?;
        Some((content.name, content.description.expect("contents have one").payload_types))
    }

    #[test]
    fn the_first_participant_publishes_all_it_has() {
        let ours = [opus(111), speex(112)];
        assert_eq!(published(&[], &ours), Some(("audio".to_owned(), ours.to_vec())));
    }

    // Shows R-PT-1.
    #[test]
    fn entries_are_taken_over_verbatim_the_common_ones_first() {
        let strange = opus(96).with_parameter("stereo", "1");
        let others = [
            ("a@x/1", audio("voice", &[speex(112), strange.clone()])),
            ("b@x/1", audio("audio", std::slice::from_ref(&strange))),
        ];
        let list = vec![strange, speex(112)];
        assert_eq!(published(&others, &[opus(111), speex(100)]), Some(("voice".to_owned(), list)));
    }

    // Shows R-PT-2.
    #[test]
    fn an_id_with_two_meanings_is_left_out() {
        let others = [("a@x/1", audio("a", &[opus(96), opus(97)])), ("b@x/1", audio("a", &[speex(96), opus(97)]))];
        assert_eq!(published(&others, &[opus(111)]), Some(("a".to_owned(), vec![opus(97)])));
    }

    // Shows R-XML-2.
    #[test]
    fn a_participant_without_encodings_says_nothing_about_the_map() {
        assert_eq!(
            published(&[("a@x/1", audio("audio", &[]))], &[opus(111)]).map(|(_, list)| list),
            Some(vec![opus(111)])
        );
    }

    #[test]
    fn a_participant_that_has_nothing_in_common_with_us_does_not_count() {
        let noise = (96..128).map(|id| PayloadType::new(id, "x-noise", 8_000, 1)).collect::<Vec<_>>();
        let others = [("a@x/1", audio("audio", &noise)), ("b@x/1", audio("audio", &[opus(111)]))];
        assert_eq!(published(&others, &[opus(111)]).map(|(_, list)| list), Some(vec![opus(111)]));
    }

    #[test]
    fn without_a_common_codec_nothing_is_published() {
        assert_eq!(published(&[("a@x/1", audio("audio", &[speex(112)]))], &[opus(111)]), None);
    }

    /// Ids published for audio by somebody with `ours` after a participant who wins has published `theirs`.
    fn yielded(ours: &[PayloadType], theirs: &[PayloadType]) -> Option<Vec<u8>> {
        let used = ours.iter().chain(theirs).map(|payload| payload.id).collect();
        let contents = yielding(&audio("audio", ours), &[&audio("audio", theirs)], &used)?;
        let description = contents[0].description.as_ref().expect("it was there");
        Some(description.payload_types.iter().map(|payload| payload.id).collect())
    }

    // Shows R-PT-3.
    #[test]
    fn who_must_yield_an_id_takes_that_of_the_winner_or_a_free_one() {
        assert_eq!(yielded(&[opus(96)], &[speex(96), opus(97)]), Some(vec![97]));
        assert_eq!(yielded(&[opus(96)], &[speex(96)]), Some(vec![127]));
        assert_eq!(yielded(&[opus(96), speex(97)], &[opus(96), speex(98)]), Some(vec![96, 98]));
    }

    // Shows rtp-pt-04.
    #[test]
    fn a_free_id_is_a_dynamic_one_and_when_none_is_left_the_encoding_is_left_out() {
        let ours = audio("audio", &[opus(96)]);
        let mut used = BTreeSet::from([96]);
        for _ in 97..=127 {
            let given = yielding(&ours, &[&audio("audio", &[speex(96)])], &used).expect("it must yield");
            let id = given[0].description.as_ref().expect("it was there").payload_types[0].id;
            assert!((96..=127).contains(&id) && used.insert(id), "{id}");
        }
        let given = yielding(&ours, &[&audio("audio", &[speex(96)])], &used).expect("it must yield");
        assert_eq!(given[0].description.as_ref().expect("it was there").payload_types, []);
    }

    fn red(id: u8, opus: u8) -> PayloadType {
        PayloadType::new(id, "red", 48_000, 2).repeating(opus)
    }

    #[test]
    fn copies_of_earlier_frames_follow_their_codec_to_its_new_id_and_go_with_it() {
        let ours = audio("audio", &[opus(96), red(63, 96)]);
        let used = BTreeSet::from([96, 97, 63]);
        let given = yielding(&ours, &[&audio("audio", &[speex(96), opus(97)])], &used).expect("it must yield");
        let description = given[0].description.as_ref().expect("it was there");
        assert_eq!(description.payload_types, [opus(97), red(63, 97)]);
        let others =
            [("a@x/1", audio("a", &[opus(96), opus(97), red(63, 96)])), ("b@x/1", audio("a", &[speex(96), opus(97)]))];
        let list = published(&others, &[opus(111), red(63, 111)]).map(|(_, list)| list);
        assert_eq!(list, Some(vec![opus(97)]), "96 means two things");
        let others = [("a@x/1", audio("audio", &[red(63, 111)]))];
        let list = published(&others, &[opus(111), red(63, 111)]).map(|(_, list)| list);
        assert_eq!(list, None, "copies alone are no codec");
    }

    #[test]
    fn encodings_that_yield_at_once_take_an_id_each_and_those_that_become_the_same_are_one() {
        let noise = |id, name| PayloadType::new(id, name, 8_000, 1);
        assert_eq!(yielded(&[opus(96), speex(97)], &[noise(96, "x"), noise(97, "y")]), Some(vec![127, 126]));
        assert_eq!(yielded(&[opus(96), opus(98)], &[speex(96), opus(97)]), Some(vec![97]));
    }

    #[test]
    fn what_somebody_publishes_of_another_medium_says_nothing_about_this_one() {
        let pictures = Description::new(Media::Video, vec![PayloadType::new(111, "VP8", 90_000, 1)]);
        let pictures = Content { description: Some(pictures), ..Content::new("camera") };
        let both = [std::slice::from_ref(&pictures), &audio("voice", &[opus(96)])].concat();
        let list = published(&[("a@x/1", both)], &[opus(111)]);
        assert_eq!(list, Some(("voice".to_owned(), vec![opus(96)])));
        let list = published(&[("a@x/1", vec![pictures.clone()])], &[opus(111)]);
        assert_eq!(list, Some(("audio".to_owned(), vec![opus(111)])));
        let ours = audio("audio", &[opus(111)]);
        assert_eq!(yielding(&ours, &[&[pictures]], &BTreeSet::from([111])), None);
    }

    #[test]
    fn a_participant_that_agrees_yields_nothing() {
        assert_eq!(yielded(&[opus(96), speex(97)], &[opus(96)]), None);
    }

    // Shows R-PT-2.
    #[test]
    fn the_octet_lowest_jid_gives_the_definition_and_the_order() {
        let stereo = opus(96).with_parameter("stereo", "1");
        let first = [speex(97), stereo];
        // Octets are compared: "A" comes before "a", and "10" before "2".
        for [low, high] in [["a@x/1", "b@x/1"], ["b@x/A", "b@x/a"], ["b@x/10", "b@x/2"]] {
            let others = [(high, audio("audio", &[opus(96), speex(97)])), (low, audio("audio", &first))];
            assert_eq!(
                published(&others, &[opus(111), speex(112)]),
                Some(("audio".to_owned(), first.to_vec())),
                "{low} and {high}"
            );
        }
    }
}
