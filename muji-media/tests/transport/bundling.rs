//! Several contents by one transport (RFC 9143).

use std::time::Duration;

use muji_core::media::OpenContent;
use muji_jingle::{SessionId, TransportId};
use muji_media::parts::codec::vp8;
use muji_media::transport::{NegotiatedContent, mid};
use muji_xep::rtp::{Media, PayloadType};

use crate::pair::*;

/// The block of header extensions that says "audio" under the id that we offer: 2 words with it, and 5 letters.
const NAMED: [u8; 10] = [0xBE, 0xDE, 0, 2, 0x34, b'a', b'u', b'd', b'i', b'o'];

/// Adds a content of pictures to both ends, with this encoding and SSRCs so far from those of sound.
fn add(pair: &mut Pair, name: &str, payload_type: &PayloadType, beyond: u32, announced: bool) {
    for (number, end) in pair.ends.iter_mut().enumerate() {
        let content = OpenContent {
            name: name.to_owned(),
            media: Media::Video,
            ssrc: SSRCS[number] + beyond,
            rtx_ssrc: None,
            transport: TransportId { session: SessionId(number as u64), index: 0 },
            payload_types: vec![payload_type.clone()],
            extensions: Vec::new(),
        };
        end.transport.add_content(&content);
        let streams = if announced { vec![(SSRCS[1 - number] + beyond).into()] } else { Vec::new() };
        let (content, send) = (name.to_owned(), Some(payload_type.clone()));
        end.transport.set_negotiated(&NegotiatedContent { content, send, rtx: None, receive: true, streams });
    }
}

/// Sends a packet each way, and gives what each end took it for.
fn exchange(pair: &mut Pair, content: &str) -> Vec<(String, u32)> {
    for end in &mut pair.ends {
        end.sources.clear();
        end.transport.send(pair.now, pair.now, content, &[packet(1)]);
    }
    pair.run(Duration::from_millis(50), |_| false);
    pair.ends.iter_mut().flat_map(|end| std::mem::take(&mut end.sources)).collect()
}

fn of(name: &str, beyond: u32) -> Vec<(String, u32)> {
    [1, 0].map(|from: usize| (name.to_owned(), SSRCS[from] + beyond)).into()
}

#[test]
fn contents_of_the_same_encoding_are_told_apart_by_their_names_alone() {
    for kinds in secure() {
        let mut pair = Pair::connected_with(kinds, false, vec![mid()]);
        add(&mut pair, "screen-2", &vp8::payload_type(), 200, false);
        assert_eq!(exchange(&mut pair, "screen-2"), of("screen-2", 200), "{kinds:?}");
        assert_eq!(exchange(&mut pair, "video"), of("video", OF_FRAMES), "{kinds:?}");
        assert_eq!(exchange(&mut pair, "audio"), of("audio", 0), "{kinds:?}");
    }
}

#[test]
fn contents_come_and_go_on_one_transport_as_often_as_their_users_like() {
    for kinds in secure() {
        let mut pair = Pair::connected_with(kinds, false, vec![mid()]);
        for number in 1..=300 {
            let name = format!("screen-of-a-long-day-{number}");
            add(&mut pair, &name, &vp8::payload_type(), 200 + 2 * number, true);
            if number % 100 == 0 {
                assert_eq!(exchange(&mut pair, &name), of(&name, 200 + 2 * number), "{kinds:?}");
            }
            pair.ends.iter_mut().for_each(|end| end.transport.remove_content(&name));
            if number % 100 == 0 {
                assert_eq!(exchange(&mut pair, &name), [], "{kinds:?}: it was removed");
            }
        }
        assert_eq!(exchange(&mut pair, "video"), of("video", OF_FRAMES), "{kinds:?}");
    }
}

#[test]
fn the_name_is_left_out_once_the_peer_has_reported_that_packets_came() {
    for kinds in secure() {
        let mut pair = Pair::connected_with(kinds, true, vec![mid()]);
        let mut named = |numbers| {
            pair.wire.clear();
            flow(&mut pair, numbers);
            let packets = pair.wire.iter().filter(|(_, bytes)| is_rtp(bytes));
            // The name stands in the head, which is not encrypted.
            let (with, without): (Vec<_>, Vec<_>) = packets.partition(|(_, bytes)| bytes[12..].starts_with(&NAMED));
            (with.len(), without.len())
        };
        assert_eq!(named(0..5), (10, 0), "{kinds:?}");
        named(5..200);
        assert_eq!(named(200..205), (0, 10), "{kinds:?}");
    }
}

#[test]
fn pictures_join_a_transport_that_was_made_for_sound_and_are_repaired_there() {
    for kinds in secure() {
        let mut pair = Pair::of_sound(kinds, vec![mid()]);
        // The peer numbers it otherwise than anybody here offers.
        let encoding = PayloadType { id: 120, ..vp8::payload_type() };
        add(&mut pair, "video", &encoding, OF_FRAMES, true);
        pair.arrives = |number| number != 5;
        for number in 1..=10 {
            pair.ends[0].transport.send(pair.now, pair.now, "video", &[packet(number)]);
            let until = pair.now + Duration::from_millis(10);
            pair.run(Duration::from_millis(10), |_| false);
            pair.now = until;
        }
        pair.run(Duration::from_secs(1), |_| false);
        let mut came: Vec<u32> = pair.ends[1].received.iter().map(|packet| packet.timestamp / 960).collect();
        came.sort_unstable();
        assert_eq!(came, (1..=10).collect::<Vec<u32>>(), "{kinds:?}");
    }
}

#[test]
fn a_content_that_is_taken_out_and_added_again_is_sent_by_its_new_source() {
    for kinds in secure() {
        let mut pair = Pair::connected_with(kinds, true, vec![mid()]);
        add(&mut pair, "slides", &vp8::payload_type(), 200, true);
        assert_eq!(exchange(&mut pair, "slides"), of("slides", 200), "{kinds:?}");
        for end in &mut pair.ends {
            let content = "slides".to_owned();
            let streams = Vec::new();
            end.transport.set_negotiated(&NegotiatedContent {
                content,
                send: None,
                rtx: None,
                receive: false,
                streams,
            });
        }
        assert_eq!(exchange(&mut pair, "slides"), []);
        add(&mut pair, "slides", &vp8::payload_type(), 300, true);
        assert_eq!(exchange(&mut pair, "slides"), of("slides", 300), "{kinds:?}");
        assert_eq!(exchange(&mut pair, "video"), of("video", OF_FRAMES), "{kinds:?}");
    }
}

#[test]
fn an_encoding_that_the_answer_numbers_otherwise_flows_each_way_with_the_number_of_who_receives() {
    for kinds in secure() {
        let mut pair = Pair::numbered(kinds, 109);
        assert_eq!(exchange(&mut pair, "video"), of("video", OF_FRAMES), "{kinds:?}");
    }
}
