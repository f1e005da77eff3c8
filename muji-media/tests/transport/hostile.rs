//! What others send to disturb.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use muji_core::media::OpenContent;
use muji_jingle::{SessionId, TransportId};
use muji_media::parts::codec::{opus, vp8};
use muji_media::transport::{NegotiatedContent, RtpPacket};
use muji_xep::rtp::{Media, PayloadType};

use crate::flowing::send_by_another_source;
use crate::pair::*;

#[test]
fn a_packet_that_comes_again_or_is_not_whole_is_dropped() {
    for kinds in secure() {
        let mut pair = Pair::connected_with(kinds, true, Vec::new());
        let before = pair.wire.len();
        pair.ends[0].transport.send(pair.now, pair.now, "audio", &[packet(1)]);
        pair.run(Duration::from_millis(20), |_| false);
        let sent = pair.wire[before..].iter().find(|(sender, bytes)| *sender == 0 && is_rtp(bytes));
        let (_, sent) = sent.expect("it was sent").clone();
        assert_eq!(pair.ends[1].received.len(), 1);
        let (from, to) = (pair.ends[0].address, pair.ends[1].address);
        pair.arrive((0, from, to, sent.clone()));
        for length in 1..sent.len() {
            pair.arrive((0, from, to, sent[..length].to_vec()));
        }
        for index in 0..sent.len() {
            let mut forged = sent.clone();
            forged[index] ^= 0x10;
            pair.arrive((0, from, to, forged));
        }
        // An RTCP packet shorter than what protects it (RFC 3711 section 3.4).
        (4..20).for_each(|length| {
            pair.arrive((0, from, to, [&[0x81, 201, 0, 1][..], &[0; 16]].concat()[..length].to_vec()))
        });
        pair.run(Duration::from_millis(100), |_| false);
        assert_eq!(pair.ends[1].received.len(), 1, "{kinds:?}");
        assert_eq!(flow(&mut pair, 2..50), [48, 48], "and all goes on");
    }
}

#[test]
fn packets_of_made_up_sources_do_not_keep_a_new_one_from_being_heard() {
    for kinds in secure() {
        let mut pair = Pair::connected_with(kinds, true, Vec::new());
        let (from, to) = (pair.ends[0].address, pair.ends[1].address);
        for ssrc in 0..2_000u32 {
            let mut forged = vec![0x80, opus::payload_type().id, 0, 1, 0, 0, 0, 1];
            forged.extend(ssrc.to_be_bytes());
            forged.extend([7; 40]);
            pair.arrive((0, from, to, forged));
        }
        pair.run(Duration::from_millis(20), |_| false);
        assert_eq!(pair.ends[1].sources, [], "{kinds:?}");
        send_by_another_source(&mut pair, 7_000, 1..4);
        assert_eq!(pair.ends[1].sources, vec![("audio".to_owned(), 7_000); 3], "{kinds:?}");
    }
}

/// The first sends these payloads by a source and as what is sent again, of which nobody asked for anything.
fn send_again(pair: &mut Pair, ssrc: u32, payloads: &[&[u8]]) {
    let transport = &mut pair.ends[0].transport;
    let (name, rtx) = (format!("made up {ssrc}"), PayloadType::rtx(RTX, &vp8::payload_type()));
    transport.add_content(&OpenContent {
        name: name.clone(),
        media: Media::Video,
        ssrc,
        rtx_ssrc: None,
        transport: TransportId { session: SessionId(0), index: 0 },
        payload_types: vec![rtx.clone()],
        extensions: Vec::new(),
    });
    let (content, send) = (name.clone(), Some(rtx));
    transport.set_negotiated(&NegotiatedContent { content, send, rtx: None, receive: false, streams: Vec::new() });
    for payload in payloads {
        let sent = RtpPacket { payload: Arc::from(*payload), ..packet(2) };
        pair.ends[0].transport.send(pair.now, pair.now, &name, &[sent]);
        pair.run(Duration::from_millis(20), |_| false);
    }
}

#[test]
fn what_is_sent_again_unasked_or_without_its_number_disturbs_nothing() {
    for (kinds, announced) in secure().into_iter().flat_map(|kinds| [(kinds, true), (kinds, false)]) {
        let mut pair = Pair::with_rtx(kinds, announced);
        let payloads: [&[u8]; 6] = [&[], &[1], &[0, 1], &[0, 1, 7], &[0xFF, 0xFF, 7], &[0x12, 0x34, 7]];
        send_again(&mut pair, 9_000, &payloads); // Before anything that it could belong to.
        let frames: Vec<_> = (1..=10).map(packet).collect();
        pair.ends[0].transport.send(pair.now, pair.now, "video", &frames);
        pair.run(Duration::from_millis(50), |_| false);
        for ssrc in 9_000..9_040 {
            send_again(&mut pair, ssrc, &payloads);
        }
        // Of an empty payload and one of a byte nothing can be made.
        assert!(pair.ends[1].received.len() <= 10 + 41 * (payloads.len() - 2));
        assert!(frames.iter().all(|frame| pair.ends[1].received.contains(frame)), "{kinds:?}, announced: {announced}");
        assert_eq!(flow(&mut pair, 2..50), [48, 48], "and all goes on");
    }
}

/// A ClientHello in one record without anything in it, and an alert that ends everything (RFC 6347, RFC 5246 section 7.2).
const FORGED: [&[u8]; 2] = [
    &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
];

#[test]
fn a_handshake_that_somebody_else_forges_is_read_by_nobody() {
    let elsewhere = SocketAddr::from(([10, 0, 0, 1], 6_666)); // The right machine, another port.
    let forge = |pair: &mut Pair| {
        for bytes in FORGED {
            let to = pair.ends[1].address;
            assert!(!pair.ends[1].transport.accepts(pair.now, to, elsewhere, bytes));
        }
    };
    for kinds in secure() {
        let mut pair = Pair::new(kinds);
        forge(&mut pair);
        pair.introduce(true, |_| ());
        while !pair.ends.iter().all(|end| end.connected) {
            forge(&mut pair);
            let until = pair.now + Duration::from_millis(5);
            pair.run(Duration::from_millis(5), |_| false);
            pair.now = until;
            assert!(pair.now - pair.start < Duration::from_secs(5));
        }
        forge(&mut pair);
        assert_eq!(flow(&mut pair, 1..50), [49, 49]);
    }
}

/// The two datagrams of a Chromium's ClientHello.
const CHROMIUM: [&[u8]; 2] = [
    include_bytes!("../fixtures/chromium156-clienthello-1.bin"),
    include_bytes!("../fixtures/chromium156-clienthello-2.bin"),
];

#[test]
fn a_greeting_in_two_datagrams_is_answered_in_whichever_order_they_come() {
    for order in [[0, 1], [1, 0]] {
        for kinds in secure() {
            let mut pair = Pair::new(kinds);
            pair.client = 2; // Both wait to be greeted.
            pair.introduce(true, |_| ());
            pair.run(Duration::from_millis(400), |_| false);
            let before = pair.wire.len();
            let (from, to) = (pair.ends[0].address, pair.ends[1].address);
            order.into_iter().for_each(|index| pair.arrive((0, from, to, CHROMIUM[index].to_vec())));
            pair.run(Duration::from_millis(200), |_| false);
            let answers =
                pair.wire[before..].iter().filter(|(sender, bytes)| *sender == 1 && bytes.first() == Some(&22));
            assert!(answers.count() > 0, "{order:?}, {kinds:?}");
            assert!(pair.ends[1].failed.is_none());
        }
    }
}

/// A handshake message of the first epoch in one record (RFC 6347 sections 4.1 and 4.2.2).
fn record(kind: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).expect("short");
    let mut record =
        vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 12 + length, kind, 0, 0, length, 0, number, 0, 0, 0];
    record.extend([0, 0, length]);
    record.extend(body);
    record
}

/// What made parsers of rtp, rtcp, webrtc-srtp and dtls 0.17.2 panic.
fn stumbling_blocks() -> Vec<Vec<u8>> {
    let hello = |behind: usize| {
        let mut body = vec![254, 253];
        body.extend([7; 32]);
        body.extend([0, 0, 0, 2, 0xC0, 0x2B, 1, 0, 0, 4 + behind as u8, 0, 23, 0, 0]);
        body.extend(vec![0; behind]);
        body
    };
    let mut blocks = vec![
        // An extension longer than the block of extensions.
        vec![
            0xb2, 0xe0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0xff, 0, 5, 0, 0, 0x80, 6, 0x10, 0, 0, 1, 1, 0x88, 3, 4, 1, 2,
            3, 3,
        ],
        // REMB of more sources than there are, NACK of nothing, slices of nothing.
        vec![0x8f, 0xce, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x45, 0x4d, 0x42, 0x0f, 4, 0, 0, 1, 0, 0, 2],
        vec![0x81, 205, 0, 1, 0, 0, 0, 1],
        vec![0x82, 206, 0, 1, 0, 0, 0, 1],
        // A STUN message that is nothing but its integrity, and an empty one.
        vec![0, 1, 0, 4, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 8, 0, 0],
        vec![],
    ];
    // Bytes behind the last extension, and key exchanges of nothing.
    blocks.extend((1..4).map(|behind| record(1, 7, &hello(behind))));
    blocks.extend([record(12, 7, &[]), record(16, 7, &[]), record(16, 7, &[0])]);
    // SRTCP shorter than what protects it, and RTP that is only a head.
    blocks.extend((1..24).map(|length| [&[0x81, 201, 0, 1][..], &[0; 24]].concat()[..length].to_vec()));
    blocks.extend((1..24).map(|length| [&[0x80, 111, 0, 1][..], &[0; 24]].concat()[..length].to_vec()));
    blocks
}

/// All of them come to both ends, as if from the other.
fn throw_stumbling_blocks(pair: &mut Pair) {
    for (one, other) in [(0, 1), (1, 0)] {
        let (from, to) = (pair.ends[one].address, pair.ends[other].address);
        let end = &mut pair.ends[other].transport;
        stumbling_blocks().iter().for_each(|block| end.handle_datagram(pair.now, to, from, block));
    }
}

#[test]
fn what_parsers_have_stumbled_over_ends_a_handshake_at_worst_and_that_is_told() {
    for kinds in secure() {
        for client in [0, 1] {
            let mut pair = Pair::new(kinds);
            pair.client = client;
            throw_stumbling_blocks(&mut pair);
            pair.introduce(true, |_| ());
            // ICE first: before it nobody reads anything else.
            for _ in 0..1_500 {
                throw_stumbling_blocks(&mut pair);
                let until = pair.now + Duration::from_millis(20);
                pair.run(Duration::from_millis(20), |_| false);
                pair.now = until;
            }
            // str0m gives up a handshake in which a message of the first epoch was left over.
            let told = |end: &End| end.connected || end.failed.is_some();
            assert!(pair.ends.iter().all(told), "client {client}");
            if !kinds.iter().any(|kind| kind.is_str0m()) {
                assert!(pair.ends.iter().all(|end| end.connected), "client {client}");
            }
        }
    }
}

#[test]
fn what_parsers_have_stumbled_over_does_not_disturb_what_flows() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        for number in 1..20 {
            throw_stumbling_blocks(&mut pair);
            // As if from the peer itself, but without its keys.
            for (one, other) in [(0, 1), (1, 0)] {
                let (from, to) = (pair.ends[one].address, pair.ends[other].address);
                FORGED
                    .into_iter()
                    .for_each(|bytes| pair.ends[other].transport.handle_datagram(pair.now, to, from, bytes));
            }
            assert_eq!(flow(&mut pair, number..number + 1), [1, 1]);
        }
    }
}

#[test]
fn a_peer_that_asks_from_everywhere_or_without_end_makes_us_send_little_and_disturbs_nothing() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        let check = |(sender, bytes): &&(usize, Vec<u8>)| *sender == 1 && stun(bytes).is_some_and(|it| it.0 == BINDING);
        // A true one: a host that sends it again from elsewhere knows no more than that.
        let (_, check) = pair.wire.iter().rfind(check).expect("the other checks").clone();
        let (first, to) = (pair.wire.len(), pair.ends[0].address);
        let begun = pair.now;
        for number in 0..20_000u16 {
            let from = SocketAddr::from(([203, 0, 113, (number % 200) as u8], 1_000 + number / 200));
            pair.arrive((1, from, to, check.clone()));
        }
        pair.run(Duration::from_millis(1), |_| false);
        let sent = |pair: &Pair| {
            pair.wire[first..].iter().filter(|(sender, _)| *sender == 0).map(|(_, bytes)| bytes.len()).sum::<usize>()
        };
        // At most 32 of 20 000 are answered, with a check each.
        assert!(sent(&pair) <= 32 * 3 * check.len(), "{} bytes for {}", sent(&pair), 20_000 * check.len());
        pair.run(Duration::from_secs(30), |_| false);
        assert!(sent(&pair) <= 32 * 45 * check.len(), "{} bytes in {:?}", sent(&pair), pair.now - begun);
        let before = sent(&pair);
        let from = pair.ends[1].address;
        (0..20_000).for_each(|_| pair.arrive((1, from, to, check.clone())));
        pair.run(Duration::from_millis(1), |_| false);
        assert!(sent(&pair) - before <= 51 * 3 * check.len(), "{} bytes", sent(&pair) - before);
        assert!(pair.ends.iter().all(|end| end.failed.is_none()));
        let until = pair.now + Duration::from_secs(1);
        pair.run(Duration::from_secs(1), |_| false);
        pair.now = until;
        assert_eq!(flow(&mut pair, 1..50), [49, 49]);
    }
}
