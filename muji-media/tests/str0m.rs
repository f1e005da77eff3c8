//! Two transports by str0m talk to each other in virtual time: real ICE, DTLS and SRTP, no socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use muji_core::CallId;
use muji_core::media::{DtlsRole, IceRole, OpenContent, RemoteTransport};
use muji_jingle::{SessionId, TransportId};
use muji_media::codec::{opus, vp8};
use muji_media::gather::hosts;
use muji_media::transport::str0m::{Dtls, Str0m};
use muji_media::transport::{Agreed, Opening, RtpPacket, Transport, TransportOutput};
use muji_xep::rtp::{Extension, Media};

/// One end, its address and what came out of it.
struct End {
    transport: Box<dyn Transport>,
    address: SocketAddr,
    connected: bool,
    interrupted: bool,
    failed: Option<String>,
    impostor: bool,
    /// How often a key frame was asked for.
    asked: usize,
    received: Vec<RtpPacket>,
    /// When each of those was captured, by the sender's clock.
    captured: Vec<Option<SystemTime>>,
}

struct Pair {
    now: Instant,
    start: Instant,
    ends: [End; 2],
    datagrams: usize,
    /// What each sent.
    wire: Vec<(usize, Vec<u8>)>,
    /// Of the packets of the first with sound or pictures, whether each arrives: by its number among them.
    arrives: fn(usize) -> bool,
    packets: usize,
    /// Answers to checks come from this address instead of the true one.
    answers_from: Option<SocketAddr>,
    /// Who opens the handshake.
    client: usize,
    /// Header extensions that both know.
    extensions: Vec<Extension>,
    /// What the network does to the order of datagrams.
    disorder: Option<Disorder>,
}

/// Every so many datagrams are lost, come twice, or come behind the next; the same with the same beginning.
struct Disorder {
    state: u32,
    /// One that waits for the next.
    held: Option<Flight>,
}

/// By whom, from where, to where, and what.
type Flight = (usize, SocketAddr, SocketAddr, Vec<u8>);

impl Disorder {
    /// What arrives now that this was sent.
    fn passes(&mut self, flight: Flight) -> Vec<Flight> {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut arrives = match self.state >> 24 {
            0..26 => Vec::new(),
            26..52 => vec![flight.clone(), flight],
            52..104 if self.held.is_none() => {
                self.held = Some(flight);
                return Vec::new();
            }
            _ => vec![flight],
        };
        arrives.extend(self.held.take());
        arrives
    }
}

const SSRCS: [u32; 2] = [1_000, 2_000];

/// An SSRC of pictures is so far from that of sound.
const OF_PICTURES: u32 = 100;

fn end(now: Instant, number: u8, dtls: Dtls) -> End {
    let role = if number == 0 { IceRole::Controlling } else { IceRole::Controlled };
    end_as(now, number, dtls, role)
}

fn end_as(now: Instant, number: u8, dtls: Dtls, role: IceRole) -> End {
    let address = SocketAddr::from(([10, 0, 0, number + 1], 5_000));
    let id = TransportId { session: SessionId(u64::from(number)), index: 0 };
    let ssrc = SSRCS[usize::from(number % 2)];
    let content = |name: &str, media, ssrc, payload_type| OpenContent {
        name: name.to_owned(),
        media,
        ssrc,
        transport: id,
        payload_types: vec![payload_type],
        extensions: vp8::extensions(),
    };
    let contents = vec![
        content("audio", Media::Audio, ssrc, opus::payload_type()),
        content("video", Media::Video, ssrc + OF_PICTURES, vp8::payload_type()),
    ];
    let opening = Opening { call: CallId(1), id, role, contents, candidates: hosts(&[address]) };
    let transport = Str0m::with_dtls(dtls).expect("there is chance").maker()(now, opening);
    End {
        transport,
        address,
        connected: false,
        interrupted: false,
        failed: None,
        impostor: false,
        asked: 0,
        received: Vec::new(),
        captured: Vec::new(),
    }
}

impl Pair {
    fn new(dtls: Dtls) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            ends: [end(now, 0, dtls), end(now, 1, dtls)],
            datagrams: 0,
            wire: Vec::new(),
            arrives: |_| true,
            packets: 0,
            answers_from: None,
            client: 1,
            extensions: vp8::extensions(),
            disorder: None,
        }
    }

    /// Tells each of the other; `fingerprint` may change what the first expects of the second.
    fn introduce(&mut self, announced: bool, fingerprint: impl Fn(&mut Vec<u8>)) {
        for (one, other) in [(1, 0), (0, 1)] {
            let local = self.ends[other].transport.local();
            let mut expected = local.fingerprint;
            if one == 0 {
                fingerprint(&mut expected);
            }
            let dtls = if one == self.client { DtlsRole::Client } else { DtlsRole::Server };
            let extensions = self.extensions.clone();
            let remote =
                RemoteTransport { ufrag: local.ufrag, pwd: local.pwd, fingerprint: expected, dtls, extensions };
            let agreed = |content: &str, ssrc, payload_type| Agreed {
                content: content.to_owned(),
                send: Some(payload_type),
                receive: true,
                ssrcs: if announced { vec![ssrc] } else { Vec::new() },
            };
            let audio = agreed("audio", SSRCS[other], opus::payload_type());
            let video = agreed("video", SSRCS[other] + OF_PICTURES, vp8::payload_type());
            let now = self.now;
            let transport = &mut self.ends[one].transport;
            local.candidates.iter().for_each(|candidate| transport.candidate(now, candidate));
            transport.remote(now, &remote);
            [audio, video].iter().for_each(|agreed| transport.agreed(agreed));
        }
    }

    /// Tells each the credentials that the other has after a restart.
    fn renew(&mut self) {
        for (one, other) in [(1, 0), (0, 1)] {
            let local = self.ends[other].transport.local();
            let dtls = if one == self.client { DtlsRole::Client } else { DtlsRole::Server };
            let (ufrag, pwd, fingerprint) = (local.ufrag, local.pwd, local.fingerprint);
            let remote = RemoteTransport { ufrag, pwd, fingerprint, dtls, extensions: self.extensions.clone() };
            let (now, transport) = (self.now, &mut self.ends[one].transport);
            transport.remote(now, &remote);
            local.candidates.iter().for_each(|candidate| transport.candidate(now, candidate));
        }
    }

    /// Carries datagrams and lets time pass until `done` or the limit.
    fn run(&mut self, limit: Duration, done: impl Fn(&[End; 2]) -> bool) {
        let until = self.now + limit;
        while !done(&self.ends) {
            if self.carry() {
                continue;
            }
            let next = self.ends.iter().filter_map(|end| end.transport.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else { return };
            self.now = self.now.max(next);
            for end in &mut self.ends {
                if end.transport.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.transport.handle_timeout(self.now);
                }
            }
        }
    }

    fn carry(&mut self) -> bool {
        let mut carried = false;
        for index in 0..2 {
            while let Some(output) = self.ends[index].transport.poll_output() {
                match output {
                    TransportOutput::Datagram { from, to, bytes } => {
                        carried = true;
                        self.datagrams += 1;
                        self.wire.push((index, bytes.clone()));
                        if index == 0 && is_rtp(&bytes) {
                            self.packets += 1;
                            if !(self.arrives)(self.packets) {
                                continue;
                            }
                        }
                        let from = self.answers_from.filter(|_| bytes.starts_with(&[1, 1])).unwrap_or(from);
                        let flight = (index, from, to, bytes);
                        let arrives = match &mut self.disorder {
                            Some(disorder) => disorder.passes(flight),
                            None => vec![flight],
                        };
                        arrives.into_iter().for_each(|flight| self.arrive(flight));
                    }
                    TransportOutput::Rtp { received, .. } => {
                        self.ends[index].captured.push(received.captured);
                        self.ends[index].received.push(received.packet);
                    }
                    TransportOutput::Connected => {
                        (self.ends[index].connected, self.ends[index].interrupted) = (true, false);
                    }
                    TransportOutput::Interrupted => self.ends[index].interrupted = true,
                    TransportOutput::Failed(why) => self.ends[index].failed = Some(why),
                    TransportOutput::Impostor => self.ends[index].impostor = true,
                    TransportOutput::KeyFrameAsked => self.ends[index].asked += 1,
                    // The scenarios look at these.
                    TransportOutput::Estimate(_) | TransportOutput::Lost(_) | TransportOutput::Overflowed(_) => {}
                }
            }
        }
        carried
    }

    fn arrive(&mut self, (index, from, to, bytes): Flight) {
        let peer = &mut self.ends[1 - index];
        if peer.address == to && peer.transport.accepts(self.now, to, from, &bytes) {
            peer.transport.datagram(self.now, to, from, &bytes);
        }
    }

    fn connected(dtls: Dtls, announced: bool) -> Self {
        Self::connected_with(dtls, announced, vp8::extensions())
    }

    /// Connected, and both know these header extensions of those that were offered.
    fn connected_with(dtls: Dtls, announced: bool, extensions: Vec<Extension>) -> Self {
        let mut pair = Self { extensions, ..Self::new(dtls) };
        pair.introduce(announced, |_| ());
        pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
        assert!(pair.ends.iter().all(|end| end.connected));
        pair
    }
}

fn is_rtp(bytes: &[u8]) -> bool {
    (128..=191).contains(&bytes[0]) && !(64..=95).contains(&(bytes[1] & 0x7F))
}

fn packet(number: u32) -> RtpPacket {
    RtpPacket { timestamp: number * 960, marker: number == 1, payload: Arc::from(&b"sound"[..]) }
}

#[test]
fn a_content_added_later_flows_beside_the_first() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    for (number, end) in pair.ends.iter_mut().enumerate() {
        let content = OpenContent {
            name: "second".to_owned(),
            media: Media::Audio,
            ssrc: SSRCS[number] + 1,
            transport: TransportId { session: SessionId(number as u64), index: 0 },
            payload_types: vec![opus::payload_type()],
            extensions: Vec::new(),
        };
        end.transport.add(&content);
        let send = Some(opus::payload_type());
        let ssrcs = vec![SSRCS[1 - number] + 1];
        end.transport.agreed(&Agreed { content: "second".to_owned(), send, receive: true, ssrcs });
    }
    pair.ends[0].transport.send(pair.now, pair.now, "audio", &[packet(1)]);
    pair.ends[0].transport.send(pair.now, pair.now, "second", &[packet(2)]);
    pair.run(Duration::from_secs(1), |ends| ends[1].received.len() == 2);
    assert_eq!(pair.ends[1].received, [packet(1), packet(2)]);
}

#[test]
fn before_it_is_told_whom_to_connect_to_nothing_is_sent() {
    let mut pair = Pair::new(Dtls::Auto);
    pair.run(Duration::from_secs(60), |_| false);
    assert_eq!(pair.datagrams, 0);
}

#[test]
fn packets_arrive_as_they_were_sent_with_either_dtls_whether_their_source_was_announced_or_not() {
    for (dtls, announced) in [(Dtls::Auto, true), (Dtls::Auto, false), (Dtls::V12, true), (Dtls::V12, false)] {
        let mut pair = Pair::connected(dtls, announced);
        assert!(pair.now - pair.start < Duration::from_millis(200), "no fixed timer: {:?}", pair.now - pair.start);
        let sent: Vec<RtpPacket> = (1..=10).map(packet).collect();
        for packet in &sent {
            for index in 0..2 {
                pair.ends[index].transport.send(pair.now, pair.now, "audio", std::slice::from_ref(packet));
            }
            pair.run(Duration::from_millis(20), |_| false);
        }
        for end in &pair.ends {
            assert_eq!(end.received, sent, "{dtls:?}, announced: {announced}");
        }
    }
}

/// What the second got of a content of which every tenth packet was lost, and how many packets that took.
fn across_a_lossy_path(content: &str) -> (Vec<u32>, usize) {
    // Without bandwidth estimates, whose probes are packets too.
    let mut pair = Pair::connected_with(Dtls::Auto, true, Vec::new());
    pair.arrives = |number| number % 10 != 0;
    for number in 1..=100 {
        pair.ends[0].transport.send(pair.now, pair.now, content, &[packet(number)]);
        let until = pair.now + Duration::from_millis(10);
        pair.run(Duration::from_millis(10), |_| false);
        pair.now = until;
    }
    pair.run(Duration::from_secs(1), |_| false);
    let mut received: Vec<u32> = pair.ends[1].received.iter().map(|packet| packet.timestamp / 960).collect();
    received.sort_unstable();
    (received, pair.packets)
}

#[test]
fn lost_packets_of_pictures_are_asked_for_and_come_again_and_those_of_sound_are_not() {
    let (pictures, packets) = across_a_lossy_path("video");
    assert_eq!(pictures, (1..=100).collect::<Vec<u32>>());
    assert!((110..=115).contains(&packets), "{packets}");
    let (sound, packets) = across_a_lossy_path("audio");
    assert_eq!((sound.len(), packets), (90, 100));
}

#[test]
fn when_sound_and_pictures_were_captured_is_known_by_the_first_report_and_to_a_millisecond() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    let begun = pair.now;
    // The timestamps of both begin anywhere, and the pictures' wrap on the way.
    let (sound, pictures) = (1_000_000u32, u32::MAX - 45_000);
    for turn in 0..200u32 {
        let captured = begun + Duration::from_millis(20) * turn;
        let of_sound = RtpPacket { timestamp: sound + turn * 960, ..packet(turn) };
        let of_pictures = RtpPacket { timestamp: pictures.wrapping_add(turn * 1_800), ..packet(turn) };
        // What is captured leaves later, and pictures later than sound.
        pair.now = pair.now.max(captured + Duration::from_millis(20));
        pair.ends[0].transport.send(pair.now, captured, "audio", &[of_sound]);
        pair.run(Duration::from_millis(13), |_| false);
        pair.ends[0].transport.send(pair.now, captured, "video", &[of_pictures]);
        pair.run(Duration::from_millis(1), |_| false);
    }
    let end = &pair.ends[1];
    let known = end.captured.iter().zip(&end.received).filter_map(|(captured, packet)| Some(((*captured)?, packet)));
    let since = |(captured, packet): (SystemTime, &RtpPacket)| {
        let ticks = packet.timestamp.wrapping_sub(sound);
        let turn = if ticks < 200 * 960 { ticks / 960 } else { packet.timestamp.wrapping_sub(pictures) / 1_800 };
        captured - Duration::from_millis(20) * turn // All of the same moment, then.
    };
    let moments: Vec<SystemTime> = known.map(since).collect();
    let (first, last) = (moments.iter().min().expect("some"), moments.iter().max().expect("some"));
    assert!(moments.len() >= 295, "of 400 packets {} say when", moments.len());
    assert!(last.duration_since(*first).expect("it is later") <= Duration::from_millis(1));
}

#[test]
fn whoever_cannot_show_what_comes_asks_for_a_key_frame_and_is_heard_once() {
    for announced in [true, false] {
        let mut pair = Pair::connected(Dtls::Auto, announced);
        pair.ends[0].transport.send(pair.now, pair.now, "video", &[packet(1)]);
        pair.run(Duration::from_millis(20), |_| false);
        assert_eq!((pair.ends[1].received.len(), pair.ends[0].asked), (1, 0));
        pair.ends[1].transport.ask_key_frame(pair.now, "video");
        pair.run(Duration::from_secs(2), |_| false);
        assert_eq!(pair.ends.each_ref().map(|end| end.asked), [1, 0], "announced: {announced}");
    }
}

// Shows dtls-bind-01.
#[test]
fn a_peer_with_another_certificate_than_promised_is_never_connected_to() {
    for dtls in [Dtls::Auto, Dtls::V12] {
        let mut pair = Pair::new(dtls);
        pair.introduce(true, |fingerprint| fingerprint[0] ^= 1);
        pair.run(Duration::from_secs(60), |ends| ends[0].impostor);
        assert!(pair.ends[0].impostor && !pair.ends[0].connected, "{dtls:?}");
        pair.ends[1].transport.send(pair.now, pair.now, "audio", &[packet(1)]);
        pair.run(Duration::from_secs(1), |_| false);
        assert!(pair.ends[0].received.is_empty());
    }
}

#[test]
fn to_a_peer_that_does_not_answer_any_more_nothing_is_sent_after_thirty_seconds_and_it_is_given_up_after_sixty() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    pair.ends[1].address.set_port(1); // Whatever is sent to it is lost.
    let connected = pair.now;
    let mut last = Duration::ZERO;
    for number in 1..=700 {
        let before = pair.packets;
        pair.ends[0].transport.send(pair.now, pair.now, "audio", &[packet(number)]);
        let until = pair.now + Duration::from_millis(100);
        pair.run(Duration::from_millis(100), |ends| ends[0].failed.is_some());
        if pair.packets > before {
            last = pair.now - connected;
        }
        if pair.ends[0].failed.is_some() {
            break;
        }
        pair.now = until;
    }
    assert!(pair.ends[0].failed.as_deref().is_some_and(|why| why.contains("no answer from the peer")));
    let took = pair.now - connected;
    assert!((Duration::from_secs(25)..=Duration::from_secs(30)).contains(&last), "sent until {last:?}");
    assert!((Duration::from_secs(55)..=Duration::from_secs(60)).contains(&took), "{took:?}");
}

/// Sounds go both ways; how many of the packets arrive.
fn flow(pair: &mut Pair, numbers: std::ops::Range<u32>) -> [usize; 2] {
    let before = pair.ends.each_ref().map(|end| end.received.len());
    for number in numbers {
        for index in 0..2 {
            pair.ends[index].transport.send(pair.now, pair.now, "audio", &[packet(number)]);
        }
        let until = pair.now + Duration::from_millis(20);
        pair.run(Duration::from_millis(20), |_| false);
        pair.now = until;
    }
    let after = pair.ends.each_ref().map(|end| end.received.len());
    [after[0] - before[0], after[1] - before[1]]
}

#[test]
fn a_restart_changes_credentials_and_nothing_else_and_until_it_is_answered_all_goes_on_as_before() {
    for dtls in [Dtls::Auto, Dtls::V12] {
        let mut pair = Pair::connected(dtls, true);
        let before = pair.ends[0].transport.local();
        pair.ends[0].transport.restart();
        let after = pair.ends[0].transport.local();
        assert!(before.ufrag != after.ufrag && before.pwd.expose() != after.pwd.expose());
        assert_eq!(before.fingerprint, after.fingerprint);
        assert_eq!(flow(&mut pair, 1..300), [299, 299], "the peer has not answered");
        pair.ends[1].transport.restart();
        pair.renew();
        let flowed = flow(&mut pair, 300..600);
        assert!(flowed.iter().all(|arrived| *arrived >= 298), "{flowed:?} of 300 after the answer, {dtls:?}");
        assert!(pair.ends.iter().all(|end| end.failed.is_none() && !end.interrupted));
        let wire = pair.wire.len();
        pair.run(Duration::from_secs(20), |_| false);
        let requests =
            pair.wire[wire..].iter().filter_map(|(_, bytes)| stun(bytes)).filter(|(kind, _)| *kind == BINDING);
        let attributes = requests.flat_map(|(_, attributes)| attributes);
        let names: Vec<Vec<u8>> = attributes.filter(|(kind, _)| *kind == USERNAME).map(|(_, name)| name).collect();
        let old = |name: &Vec<u8>| String::from_utf8_lossy(name).contains(&before.ufrag);
        assert!(!names.is_empty() && !names.iter().any(old), "the old names are forgotten");
    }
}

#[test]
fn after_thirty_seconds_without_a_network_a_restart_brings_sound_back_at_once() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    let places = pair.ends.each_ref().map(|end| end.address);
    pair.ends.iter_mut().for_each(|end| end.address.set_port(1)); // Whatever is sent to them is lost.
    pair.run(Duration::from_secs(30), |_| false);
    pair.now += Duration::from_millis(1);
    pair.ends.iter_mut().zip(places).for_each(|(end, place)| end.address = place);
    pair.ends.iter_mut().for_each(|end| end.transport.restart());
    pair.renew();
    let back = pair.now;
    pair.run(Duration::from_secs(10), |ends| ends.iter().all(|end| !end.interrupted));
    let took = pair.now - back;
    assert!(took <= Duration::from_millis(500), "{took:?}");
    let flowed = flow(&mut pair, 1..100);
    assert!(flowed.iter().all(|arrived| *arrived >= 97), "{flowed:?}");
}

#[test]
fn whoever_gets_another_address_goes_on_there_after_a_restart() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    assert_eq!(flow(&mut pair, 1..50), [49, 49]);
    let old = pair.ends[0].address;
    pair.ends[0].address = SocketAddr::from(([10, 0, 0, 77], 6_000));
    let now = pair.now;
    let found = hosts(&[pair.ends[0].address]);
    pair.ends[0].transport.found(now, &found[0]);
    pair.ends[0].transport.lost(now, &hosts(&[old])[0]);
    pair.ends.iter_mut().for_each(|end| end.transport.restart());
    pair.renew();
    pair.run(Duration::from_secs(1), |_| false);
    let flowed = flow(&mut pair, 50..150);
    assert!(flowed.iter().all(|arrived| *arrived >= 98), "{flowed:?}");
    assert!(pair.ends.iter().all(|end| end.failed.is_none()));
}

#[test]
fn a_peer_that_is_not_heard_for_five_seconds_is_interrupted_and_well_again_when_it_is() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    pair.run(Duration::from_secs(60), |ends| ends.iter().any(|end| end.interrupted));
    assert!(pair.ends.iter().all(|end| !end.interrupted), "silence of both is no interruption: checks are answered");
    pair.ends[1].address.set_port(1); // Whatever is sent to it is lost.
    let cut = pair.now;
    pair.run(Duration::from_secs(20), |ends| ends[0].interrupted);
    let took = pair.now - cut;
    assert!(pair.ends[0].interrupted && took <= Duration::from_secs(5), "{took:?}");
    pair.ends[1].address.set_port(5_000);
    pair.run(Duration::from_secs(10), |ends| !ends[0].interrupted);
    assert!(!pair.ends[0].interrupted);
}

const BINDING: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const USERNAME: u16 = 0x0006;
const PRIORITY: u16 = 0x0024;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;

/// Each by its kind.
type Attributes = Vec<(u16, Vec<u8>)>;

/// The kind and the attributes of a STUN message (RFC 8489 section 5).
fn stun(bytes: &[u8]) -> Option<(u16, Attributes)> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    if bytes.get(4..8)? != [0x21, 0x12, 0xA4, 0x42] {
        return None;
    }
    let (mut at, mut attributes) = (20, Vec::new());
    while let (Some(kind), Some(length)) = (word(at), word(at + 2)) {
        let length = usize::from(length);
        attributes.push((kind, bytes.get(at + 4..at + 4 + length)?.to_vec()));
        at += 4 + length.next_multiple_of(4);
    }
    Some((word(0)?, attributes))
}

// Shows ice-role-01, ice-check-01.
#[test]
fn the_initiator_controls_and_every_check_has_its_priority_and_the_names_of_both() {
    let pair = Pair::connected(Dtls::Auto, true);
    let names = [0, 1].map(|index| pair.ends[index].transport.local().ufrag);
    for (sender, bytes) in &pair.wire {
        let Some((BINDING, attributes)) = stun(bytes) else { continue };
        let has = |kind: u16| attributes.iter().any(|(of, _)| *of == kind);
        assert!(has(PRIORITY));
        assert_eq!((has(ICE_CONTROLLING), has(ICE_CONTROLLED)), (*sender == 0, *sender == 1));
        let user = attributes.iter().find(|(of, _)| *of == USERNAME).map(|(_, name)| name.as_slice());
        assert_eq!(user, Some(format!("{}:{}", names[1 - sender], names[*sender]).as_bytes()));
    }
    assert!(pair.wire.iter().filter(|(_, bytes)| stun(bytes).is_some_and(|(kind, _)| kind == BINDING)).count() >= 2);
}

// Shows ice-check-01.
#[test]
fn a_check_that_somebody_forged_is_not_answered() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    let check = pair.wire.iter().find(|(sender, bytes)| *sender == 1 && stun(bytes).is_some_and(|it| it.0 == BINDING));
    let (_, mut forged) = check.expect("the other checks").clone();
    forged[8..20].copy_from_slice(b"forged check"); // Another transaction, so the integrity does not fit.
    let (to, from) = (pair.ends[0].address, pair.ends[1].address);
    pair.ends[0].transport.datagram(pair.now, to, from, &forged);
    pair.carry();
    let answered =
        |bytes: &[u8]| stun(bytes).is_some_and(|it| it.0 == BINDING_SUCCESS) && bytes[8..20] == forged[8..20];
    assert!(!pair.wire.iter().any(|(_, bytes)| answered(bytes)));
}

// Shows ice-check-02.
#[test]
fn every_check_is_answered_and_an_answer_from_elsewhere_makes_no_path() {
    let pair = Pair::connected(Dtls::Auto, true);
    let of = |kind: u16| {
        let of = pair.wire.iter().filter(move |(_, bytes)| stun(bytes).is_some_and(|it| it.0 == kind));
        of.map(|(_, bytes)| bytes[8..20].to_vec()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(of(BINDING), of(BINDING_SUCCESS));
    let mut pair = Pair::new(Dtls::Auto);
    pair.answers_from = Some(SocketAddr::from(([10, 0, 0, 99], 5_000)));
    pair.introduce(true, |_| ());
    pair.run(Duration::from_secs(5), |_| false);
    assert!(pair.ends.iter().all(|end| !end.connected));
}

// Shows ice-cred-02.
#[test]
fn every_end_has_credentials_of_its_own_that_are_long_enough() {
    let locals: Vec<_> = (0..8).map(|number| end(Instant::now(), number, Dtls::Auto).transport.local()).collect();
    for (index, local) in locals.iter().enumerate() {
        let (ufrag, pwd) = (&local.ufrag, local.pwd.expose());
        assert!(ufrag.len() >= 4 && pwd.len() >= 22, "RFC 8445 section 5.3: 24 and 128 bits");
        let ice = |letter: char| letter.is_ascii_alphanumeric() || letter == '+' || letter == '/';
        assert!(ufrag.chars().all(ice) && pwd.chars().all(ice));
        let others = locals.iter().enumerate().filter(|(other, _)| *other != index);
        assert!(others.into_iter().all(|(_, other)| other.ufrag != *ufrag && other.pwd != local.pwd));
    }
}

// Shows dtls-role-01.
#[test]
fn the_handshake_is_opened_by_whom_both_agreed_on() {
    for (client, dtls) in [(0, Dtls::Auto), (1, Dtls::Auto), (0, Dtls::V12), (1, Dtls::V12)] {
        let mut pair = Pair::new(dtls);
        pair.client = client;
        pair.introduce(true, |_| ());
        pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
        assert!(pair.ends.iter().all(|end| end.connected), "{client} {dtls:?}");
        // A record with a handshake message, whose first is the ClientHello (RFC 6347 sections 4.1 and 4.2.2).
        let hello = |bytes: &[u8]| bytes.first() == Some(&22) && bytes.get(13) == Some(&1);
        let greeting = pair.wire.iter().filter(|(_, bytes)| hello(bytes)).map(|(sender, _)| *sender);
        let greeting: Vec<usize> = greeting.collect();
        assert!(!greeting.is_empty() && greeting.iter().all(|sender| *sender == client), "{greeting:?}");
    }
}

#[test]
fn two_who_both_want_to_decide_or_neither_find_out_who_does() {
    for role in [IceRole::Controlling, IceRole::Controlled] {
        for dtls in [Dtls::Auto, Dtls::V12] {
            let mut pair = Pair::new(dtls);
            pair.ends = [0, 1].map(|number| end_as(pair.now, number, dtls, role));
            pair.introduce(true, |_| ());
            pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
            assert!(pair.ends.iter().all(|end| end.connected), "both {role:?}, {dtls:?}");
            assert_eq!(flow(&mut pair, 1..50), [49, 49]);
        }
    }
}

#[test]
fn the_handshake_ends_though_datagrams_are_lost_doubled_and_out_of_order() {
    for seed in 1..=20 {
        for dtls in [Dtls::Auto, Dtls::V12] {
            let mut pair = Pair::new(dtls);
            pair.disorder = Some(Disorder { state: seed, held: None });
            pair.introduce(true, |_| ());
            pair.run(Duration::from_secs(8), |ends| ends.iter().all(|end| end.connected));
            assert!(pair.ends.iter().all(|end| end.connected), "seed {seed}, {dtls:?}");
        }
    }
}

#[test]
fn a_packet_that_comes_again_or_is_not_whole_is_dropped() {
    for dtls in [Dtls::Auto, Dtls::V12] {
        let mut pair = Pair::connected_with(dtls, true, Vec::new());
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
        assert_eq!(pair.ends[1].received.len(), 1, "{dtls:?}");
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
    for dtls in [Dtls::Auto, Dtls::V12] {
        let mut pair = Pair::new(dtls);
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

#[test]
fn no_datagram_is_longer_than_what_every_network_carries() {
    for dtls in [Dtls::Auto, Dtls::V12] {
        let mut pair = Pair::connected(dtls, true);
        // As long as our packets of pictures are at most.
        let picture = RtpPacket { timestamp: 90, marker: true, payload: Arc::from(vec![7; 1_150]) };
        pair.ends[0].transport.send(pair.now, pair.now, "video", &[picture]);
        pair.run(Duration::from_secs(1), |_| false);
        let longest = pair.wire.iter().map(|(_, bytes)| bytes.len()).max();
        // IPv6 carries 1280 bytes everywhere, of which IP and UDP take 48.
        assert!(longest.is_some_and(|longest| longest <= 1_232), "{longest:?} bytes, {dtls:?}");
    }
}

/// The two datagrams of a Chromium's ClientHello.
const CHROMIUM: [&[u8]; 2] = [
    include_bytes!("fixtures/chromium156-clienthello-1.bin"),
    include_bytes!("fixtures/chromium156-clienthello-2.bin"),
];

#[test]
fn a_greeting_in_two_datagrams_is_answered_in_whichever_order_they_come() {
    for order in [[0, 1], [1, 0]] {
        for dtls in [Dtls::Auto, Dtls::V12] {
            let mut pair = Pair::new(dtls);
            pair.client = 2; // Both wait to be greeted.
            pair.introduce(true, |_| ());
            pair.run(Duration::from_millis(400), |_| false);
            let before = pair.wire.len();
            let (from, to) = (pair.ends[0].address, pair.ends[1].address);
            order.into_iter().for_each(|index| pair.arrive((0, from, to, CHROMIUM[index].to_vec())));
            pair.run(Duration::from_millis(200), |_| false);
            let answers =
                pair.wire[before..].iter().filter(|(sender, bytes)| *sender == 1 && bytes.first() == Some(&22));
            assert!(answers.count() > 0, "{order:?}, {dtls:?}");
            assert!(pair.ends[1].failed.is_none());
        }
    }
}
