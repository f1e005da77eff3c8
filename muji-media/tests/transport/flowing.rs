//! Sound and frames by a path that is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use muji_core::media::OpenContent;
use muji_jingle::{SessionId, TransportId};
use muji_media::parts::codec::{opus, vp8};
use muji_media::transport::{Contributor, NegotiatedContent, RtpPacket, csrc_audio_level};
use muji_xep::rtp::{HeaderExtension, Media};

use crate::pair::*;

#[test]
fn a_content_added_later_flows_beside_the_first() {
    for kinds in all() {
        let mut pair = Pair::connected(kinds, true);
        for (number, end) in pair.ends.iter_mut().enumerate() {
            let content = OpenContent {
                name: "second".to_owned(),
                media: Media::Audio,
                ssrc: SSRCS[number] + 1,
                rtx_ssrc: None,
                transport: TransportId { session: SessionId(number as u64), index: 0 },
                payload_types: vec![opus::payload_type()],
                extensions: Vec::new(),
            };
            end.transport.add_content(&content);
            let send = Some(opus::payload_type());
            let (content, streams) = ("second".to_owned(), vec![(SSRCS[1 - number] + 1).into()]);
            end.transport.set_negotiated(&NegotiatedContent { content, send, rtx: None, receive: true, streams });
        }
        pair.ends[0].transport.send(pair.now, pair.now, "audio", &[packet(1)]);
        pair.ends[0].transport.send(pair.now, pair.now, "second", &[packet(2)]);
        pair.run(Duration::from_secs(1), |ends| ends[1].received.len() == 2);
        assert_eq!(pair.ends[1].received, [packet(1), packet(2)]);
    }
}

#[test]
fn packets_arrive_as_they_were_sent_with_any_transport_whether_their_source_was_announced_or_not() {
    for (kinds, announced) in all().into_iter().flat_map(|kinds| [(kinds, true), (kinds, false)]) {
        let mut pair = Pair::connected(kinds, announced);
        // str0m waits for nothing; webrtc-ice looks at its pairs ten times a second.
        let longest = Duration::from_millis(if kinds.iter().all(|kind| kind.is_str0m()) { 200 } else { 500 });
        assert!(pair.now - pair.start < longest, "{:?}", pair.now - pair.start);
        let sent: Vec<RtpPacket> = (1..=10).map(packet).collect();
        for packet in &sent {
            for index in 0..2 {
                pair.ends[index].transport.send(pair.now, pair.now, "audio", std::slice::from_ref(packet));
            }
            pair.run(Duration::from_millis(20), |_| false);
        }
        for end in &pair.ends {
            assert_eq!(end.received, sent, "{kinds:?}, announced: {announced}");
        }
    }
}

/// Lets the first send by another SSRC, of which the second knows nothing: `packets` packets.
pub(crate) fn send_by_another_source(pair: &mut Pair, ssrc: u32, packets: std::ops::Range<u32>) {
    let name = format!("music {ssrc}");
    let transport = &mut pair.ends[0].transport;
    transport.add_content(&OpenContent {
        name: name.clone(),
        media: Media::Audio,
        ssrc,
        rtx_ssrc: None,
        transport: TransportId { session: SessionId(0), index: 0 },
        payload_types: vec![opus::payload_type()],
        extensions: Vec::new(),
    });
    let (content, send) = (name.clone(), Some(opus::payload_type()));
    transport.set_negotiated(&NegotiatedContent { content, send, rtx: None, receive: false, streams: Vec::new() });
    for number in packets {
        pair.ends[0].transport.send(pair.now, pair.now, &name, &[packet(number)]);
        let until = pair.now + Duration::from_millis(20);
        pair.run(Duration::from_millis(20), |_| false);
        pair.now = until;
    }
}

#[test]
fn a_peer_that_goes_on_with_other_sources_than_it_announced_is_heard_however_often() {
    for (kinds, announced) in secure().into_iter().flat_map(|kinds| [(kinds, true), (kinds, false)]) {
        let mut pair = Pair::connected_with(kinds, announced, Vec::new());
        flow(&mut pair, 1..3);
        for change in 0..40 {
            send_by_another_source(&mut pair, 5_000 + change, 1..3);
        }
        flow(&mut pair, 3..5);
        let expected = [vec![SSRCS[0]; 2], (5_000..5_040).flat_map(|ssrc| [ssrc; 2]).collect(), vec![SSRCS[0]; 2]];
        let expected: Vec<(String, u32)> =
            expected.concat().into_iter().map(|ssrc| ("audio".to_owned(), ssrc)).collect();
        assert_eq!(pair.ends[1].sources, expected, "{kinds:?}, announced: {announced}");
    }
}

#[test]
fn sound_of_a_telephone_flows_one_way_and_opus_the_other() {
    for kinds in secure() {
        let mut pair = Pair::connected_with(kinds, true, Vec::new());
        let (content, send, streams) = ("audio".to_owned(), Some(pcmu()), vec![SSRCS[1].into()]);
        let negotiated = NegotiatedContent { content, send, rtx: None, receive: true, streams };
        pair.ends[0].transport.set_negotiated(&negotiated);
        pair.wire.clear();
        assert_eq!(flow(&mut pair, 1..20), [19, 19], "{kinds:?}");
        let sent = |sender: usize| {
            let packets = pair.wire.iter().filter(move |(of, bytes)| *of == sender && is_rtp(bytes));
            packets.map(|(_, bytes)| bytes[1] & 0x7F).collect::<std::collections::BTreeSet<u8>>()
        };
        assert!(sent(0).contains(&0) && !sent(0).contains(&111), "{:?}", sent(0));
        assert!(sent(1).contains(&111), "{:?}", sent(1));
    }
}

#[test]
fn keys_of_a_telephone_travel_with_the_sound_under_their_own_payload_type() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        let key = RtpPacket { timestamp: 48_000, marker: true, payload: Arc::from(&[5, 10, 3, 192][..]) };
        pair.wire.clear();
        pair.ends[0].transport.send_as(pair.now, None, "audio", 0, &key);
        pair.run(Duration::from_millis(50), |_| false);
        assert_eq!(pair.ends[1].received, [key], "{kinds:?}");
        assert_eq!(pair.ends[1].sources, [("audio".to_owned(), SSRCS[0])]);
    }
}

#[test]
fn copies_of_earlier_frames_travel_under_their_own_payload_type_with_the_time_of_the_new_frame() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        let packet = RtpPacket { timestamp: 48_000, marker: false, payload: Arc::from(&[111, 1, 2, 3][..]) };
        pair.wire.clear();
        pair.ends[0].transport.send_as(pair.now, Some(pair.now), "audio", 63, &packet);
        pair.run(Duration::from_millis(50), |_| false);
        assert_eq!(pair.ends[1].received, [packet], "{kinds:?}");
        assert!(pair.wire.iter().any(|(of, bytes)| *of == 0 && is_rtp(bytes) && bytes[1] & 0x7F == 63));
    }
}

#[test]
fn keys_of_a_telephone_reach_a_peer_whose_answer_numbers_them_otherwise_than_our_offer() {
    // What gateways take, the highest number, and what browsers take where those are used up.
    for (kinds, id) in secure().into_iter().flat_map(|kinds| [101, 127, 35, 63].map(|id| (kinds, id))) {
        let mut pair = Pair::connected(kinds, true);
        let key = RtpPacket { timestamp: 8_000, marker: true, payload: Arc::from(&[5, 10, 0, 160][..]) };
        pair.wire.clear();
        pair.ends[0].transport.send_as(pair.now, None, "audio", id, &key);
        pair.run(Duration::from_millis(50), |_| false);
        assert_eq!(pair.ends[1].received, [key], "{kinds:?}, {id}");
        assert!(pair.wire.iter().any(|(of, bytes)| *of == 0 && is_rtp(bytes) && bytes[1] & 0x7F == id));
    }
}

// Shows brg-show-09.
#[test]
fn who_is_heard_in_mixed_sound_and_how_loud_reaches_a_peer_that_agreed_on_it_and_no_other() {
    let heard: Vec<Contributor> = (1..20).map(|source| Contributor { source, level: 100 + source as u8 * 2 }).collect();
    let named = |agreed: Vec<HeaderExtension>| {
        let mut pair = Pair::of_sound([Kind::Str0m; 2], agreed);
        pair.wire.clear();
        for contributors in [&heard[..1], &heard, &[]] {
            pair.ends[0].transport.set_contributors("audio", contributors);
            flow(&mut pair, 1..3);
        }
        let sent = pair.wire.iter().filter(|(of, bytes)| *of == 0 && is_rtp(bytes)).map(|(_, bytes)| bytes[0] & 0xf);
        (sent.collect::<Vec<u8>>(), std::mem::take(&mut pair.ends[1].contributors))
    };
    let (counts, heard_of) = named(vec![csrc_audio_level()]);
    assert_eq!(counts, [1, 1, 15, 15, 0, 0]);
    let as_many_as_fit: Vec<Contributor> =
        heard[..15].iter().map(|one| Contributor { level: one.level.min(127), ..*one }).collect();
    assert_eq!(heard_of, [&heard[..1], &heard[..1], &as_many_as_fit, &as_many_as_fit]);
    assert_eq!(named(Vec::new()), (vec![0; 6], Vec::new()));
}

/// What the second got of a content of which every tenth packet was lost, and how many packets that took.
fn across_a_lossy_path(pair: &mut Pair, content: &str) -> (Vec<u32>, usize) {
    pair.wire.clear();
    pair.arrives = |number| number % 10 != 0;
    for number in 1..=110 {
        pair.ends[0].transport.send(pair.now, pair.now, content, &[packet(number)]);
        let until = pair.now + Duration::from_millis(10);
        pair.run(Duration::from_millis(10), |_| false);
        pair.now = until;
    }
    pair.run(Duration::from_secs(1), |_| false);
    pair.arrives = |_| true;
    let mut received: Vec<u32> = pair.ends[1].received.iter().map(|packet| packet.timestamp / 960).collect();
    received.sort_unstable();
    received.retain(|number| *number <= 100); // Behind the last nothing shows that it is missing.
    (received, pair.packets)
}

// Pictures that a bridge passes on are sent by the same call as our own, and so kept to be sent again as they left.
// Shows brg-vid-08.
#[test]
fn lost_packets_of_frames_are_asked_for_and_come_again_and_those_of_sound_are_not() {
    for kinds in secure() {
        // Without bandwidth estimates, whose probes are packets too.
        let across = |content| across_a_lossy_path(&mut Pair::connected_with(kinds, true, Vec::new()), content);
        let (frames, packets) = across("video");
        assert_eq!(frames, (1..=100).collect::<Vec<u32>>(), "{packets}");
        assert!((120..=126).contains(&packets), "{packets}");
        let (sound, packets) = across("audio");
        assert_eq!((sound.len(), packets), (90, 110));
    }
}

/// The payload types by which the first sent, by their SSRCs, and how many packets each had.
fn sent_by(pair: &Pair) -> BTreeMap<(u32, u8), usize> {
    let mut sent = BTreeMap::new();
    for (_, bytes) in pair.wire.iter().filter(|(of, bytes)| *of == 0 && is_rtp(bytes)) {
        let ssrc = u32::from_be_bytes(bytes[8..12].try_into().expect("four bytes"));
        *sent.entry((ssrc, bytes[1] & 0x7F)).or_default() += 1;
    }
    sent
}

#[test]
fn a_peer_that_takes_it_gets_lost_frames_by_a_source_of_their_own_that_was_announced_or_not() {
    for (kinds, announced) in secure().into_iter().flat_map(|kinds| [(kinds, true), (kinds, false)]) {
        let mut pair = Pair::with_rtx(kinds, announced);
        let (frames, packets) = across_a_lossy_path(&mut pair, "video");
        assert_eq!(frames, (1..=100).collect::<Vec<u32>>(), "{packets} packets, announced: {announced}");
        let (frames, again) = ((SSRCS[0] + OF_FRAMES, vp8::payload_type().id), (SSRCS[0] + OF_RTX, RTX));
        assert_eq!(sent_by(&pair), BTreeMap::from([(frames, 110), (again, packets - 110)]), "{kinds:?}");
        assert!((10..=16).contains(&(packets - 110)), "{packets}: what came again is not asked for once more");
        let got = &pair.ends[1];
        assert!(got.sources.iter().all(|source| *source == ("video".to_owned(), SSRCS[0] + OF_FRAMES)));
        assert!(got.received.iter().all(|it| it.payload == packet(1).payload), "without the number before it");
    }
}

#[test]
fn when_sound_and_frames_were_captured_is_known_by_the_first_report_and_to_a_millisecond() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        let begun = pair.now;
        // The timestamps of both begin anywhere, and the frames' wrap on the way.
        let (sound, frames) = (1_000_000u32, u32::MAX - 45_000);
        for turn in 0..200u32 {
            let captured = begun + Duration::from_millis(20) * turn;
            let of_sound = RtpPacket { timestamp: sound + turn * 960, ..packet(turn) };
            let of_frames = RtpPacket { timestamp: frames.wrapping_add(turn * 1_800), ..packet(turn) };
            // What is captured leaves later, and frames later than sound.
            pair.now = pair.now.max(captured + Duration::from_millis(20));
            pair.ends[0].transport.send(pair.now, captured, "audio", &[of_sound]);
            pair.run(Duration::from_millis(13), |_| false);
            pair.ends[0].transport.send(pair.now, captured, "video", &[of_frames]);
            pair.run(Duration::from_millis(1), |_| false);
        }
        let end = &pair.ends[1];
        let known =
            end.captured.iter().zip(&end.received).filter_map(|(captured, packet)| Some(((*captured)?, packet)));
        let since = |(captured, packet): (SystemTime, &RtpPacket)| {
            let ticks = packet.timestamp.wrapping_sub(sound);
            let turn = if ticks < 200 * 960 { ticks / 960 } else { packet.timestamp.wrapping_sub(frames) / 1_800 };
            captured - Duration::from_millis(20) * turn // All of the same moment, then.
        };
        let moments: Vec<SystemTime> = known.map(since).collect();
        let (first, last) = (moments.iter().min().expect("some"), moments.iter().max().expect("some"));
        assert!(moments.len() >= 295, "of 400 packets {} say when", moments.len());
        assert!(last.duration_since(*first).expect("it is later") <= Duration::from_millis(1));
    }
}

#[test]
fn a_peer_that_cannot_show_what_comes_asks_for_a_key_frame_and_is_heard_once() {
    for kinds in secure() {
        for announced in [true, false] {
            let mut pair = Pair::connected(kinds, announced);
            pair.ends[0].transport.send(pair.now, pair.now, "video", &[packet(1)]);
            pair.run(Duration::from_millis(20), |_| false);
            assert_eq!((pair.ends[1].received.len(), pair.ends[0].asked), (1, 0));
            pair.ends[1].transport.request_key_frame(pair.now, "video");
            pair.run(Duration::from_secs(2), |_| false);
            assert_eq!(pair.ends.each_ref().map(|end| end.asked), [1, 0], "announced: {announced}");
        }
    }
}

#[test]
fn no_datagram_is_longer_than_what_every_network_carries() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        // As long as our packets of frames are at most.
        let frame = RtpPacket { timestamp: 90, marker: true, payload: Arc::from(vec![7; 1_150]) };
        pair.ends[0].transport.send(pair.now, pair.now, "video", &[frame]);
        pair.run(Duration::from_secs(1), |_| false);
        let longest = pair.wire.iter().map(|(_, bytes)| bytes.len()).max();
        // IPv6 carries 1280 bytes everywhere, of which IP and UDP take 48.
        assert!(longest.is_some_and(|longest| longest <= 1_232), "{longest:?} bytes, {kinds:?}");
    }
}

/// Packets until the numbers of RTP begin again at nothing.
const WRAP: usize = 1 << 16;

#[test]
fn numbers_begin_again_after_65535_though_the_packets_around_it_are_lost() {
    for kinds in secure() {
        let mut pair = Pair::connected_with(kinds, true, Vec::new());
        let sound = |numbers: std::ops::Range<usize>| numbers.map(|number| packet(number as u32)).collect::<Vec<_>>();
        pair.arrives = |number| !(WRAP - 8..WRAP + 8).contains(&number);
        for from in (1..WRAP + 2_000).step_by(100) {
            pair.ends[0].transport.send(pair.now, pair.now, "audio", &sound(from..from + 100));
            let until = pair.now + Duration::from_millis(20);
            pair.run(Duration::from_millis(20), |_| false);
            pair.now = until;
        }
        let received = &pair.ends[1].received;
        assert_eq!(received.len(), pair.packets - 16);
        let last = &received[received.len() - 1_000..];
        assert_eq!(last, sound(pair.packets - 999..pair.packets + 1));
    }
}
