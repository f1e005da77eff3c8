//! Transports to several peers, from hand to hand.

use std::sync::Arc;

use muji_core::media::{DtlsRole, MediaTrouble, RemoteTransport, Sending};
use muji_xep::rtp::PayloadType;

use super::*;
use crate::audio::frame::{AudioFrame, FRAME, FRAME_TIME};
use crate::audio::sender::{AudioSender, Sound};
use crate::codec::encoding::VideoEncoding;
use crate::codec::red::EarlierFrame;
use crate::device::tone::Tone;
use crate::device::{AudioSource, DeviceError};
use crate::gather::hosts;
use crate::transport::loopback;
use crate::video::frame::INTERVAL;

const CONTENT: &str = "audio";

fn peers_at(address: SocketAddr) -> Peers {
    let mut peers = Peers::new(loopback::maker());
    peers.add_socket_set(hosts(&[address]));
    peers
}

fn address(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 5000).into()
}

fn opus(packet: &RtpPacket) -> AudioPacket {
    AudioPacket { encoding: AudioEncoding::Opus, packet: packet.clone(), earlier: Vec::new(), contributors: Vec::new() }
}

/// Opens a session and gives its end.
fn open(peers: &mut Peers, now: Instant, session: SessionId) -> muji_core::media::LocalTransport {
    let transport = TransportId { session, index: 0 };
    let content = OpenContent {
        name: CONTENT.to_owned(),
        media: Media::Audio,
        ssrc: 1,
        rtx_ssrc: None,
        transport,
        payload_types: Vec::new(),
        extensions: Vec::new(),
    };
    let (call, name, role) = (CallId(1), "somebody".to_owned(), IceRole::Controlling);
    let peer = format!("{}@x.example", session.0).parse().expect("a bare JID");
    peers.execute(now, &MediaCommand::Open { call, session, peer, name, role, contents: vec![content] });
    let Some(PeersOutput::Report(MediaReport::Described { local, .. })) = peers.poll_output() else {
        panic!("an end is described at once");
    };
    local
}

/// Agrees on a payload type and tells whom to connect to.
fn agree(peers: &mut Peers, now: Instant, session: SessionId, id: u8, remote: muji_core::media::LocalTransport) {
    let transport = TransportId { session, index: 0 };
    let publication = "what the room calls it".to_owned();
    let send =
        Some(Sending { publication, payload_type: PayloadType::new(id, "opus", 48_000, 2), red: None, rtx: None });
    let content = CONTENT.to_owned();
    peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, streams: Vec::new() });
    for candidate in remote.candidates {
        peers.execute(now, &MediaCommand::Candidate { transport, candidate });
    }
    let (ufrag, pwd, fingerprint) = (remote.ufrag, remote.pwd, remote.fingerprint);
    let remote = RemoteTransport { ufrag, pwd, fingerprint, dtls: DtlsRole::Client, extensions: Vec::new() };
    peers.execute(now, &MediaCommand::Remote { transport, remote });
}

/// Sends video in a session, and takes it.
fn film(peers: &mut Peers, now: Instant, session: SessionId, encoding: VideoEncoding) {
    let transport = TransportId { session, index: 0 };
    let payload_type = encoding.payload_type();
    let content = OpenContent {
        name: "video".to_owned(),
        media: Media::Video,
        ssrc: 2,
        rtx_ssrc: None,
        transport,
        payload_types: vec![payload_type.clone()],
        extensions: Vec::new(),
    };
    let (call, name, role) = (CallId(1), "somebody".to_owned(), IceRole::Controlling);
    let peer = format!("{}@x.example", session.0).parse().expect("a bare JID");
    peers.execute(now, &MediaCommand::Open { call, session, peer, name, role, contents: vec![content] });
    let send = Some(Sending { publication: "what the room calls it".to_owned(), payload_type, red: None, rtx: None });
    let content = "video".to_owned();
    peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, streams: Vec::new() });
}

/// Carries datagrams until there are none; what was received, by the number of who received it.
fn carry(all: &mut [Peers], now: Instant) -> Vec<(usize, u8, RtpPacket)> {
    carry_telling(all, now, &mut Vec::new())
}

/// The same, and what each reports.
fn carry_telling(
    all: &mut [Peers],
    now: Instant,
    reports: &mut Vec<(usize, MediaReport)>,
) -> Vec<(usize, u8, RtpPacket)> {
    let mut received = Vec::new();
    let next = |all: &mut [Peers]| all.iter_mut().enumerate().find_map(|(who, it)| Some((who, it.poll_output()?)));
    while let Some((index, output)) = next(all) {
        match output {
            PeersOutput::Transport { output: TransportOutput::Datagram { from, to, bytes }, .. } => {
                let to_whom = (0u8..).zip(&mut *all).find(|(number, _)| address(*number) == to);
                to_whom.expect("one of them").1.handle_datagram(now, to, from, &bytes);
            }
            PeersOutput::Transport { output: TransportOutput::Rtp { received: packet, .. }, .. } => {
                received.push((index, packet.payload_type, packet.packet));
            }
            PeersOutput::Report(report) => reports.push((index, report)),
            PeersOutput::Transport { .. } => {}
        }
    }
    received
}

#[test]
fn one_packet_goes_to_all_each_with_its_own_payload_type_and_no_further_after_the_close() {
    let now = Instant::now();
    let mut all = [0, 1, 2].map(|number| peers_at(address(number)));
    for (number, id) in [(1, 111), (2, 100)] {
        let session = SessionId(number);
        let index = usize::try_from(number).expect("small");
        let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[index], now, session));
        agree(&mut all[0], now, session, id, theirs);
        agree(&mut all[index], now, session, id, ours);
        assert_eq!(carry(&mut all, now), [], "only greetings");
    }
    let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"sound"[..]) };
    all[0].publish(now, now, CallId(1), "what the room calls it", &opus(&packet));
    assert_eq!(carry(&mut all, now), [(1, 111, packet.clone()), (2, 100, packet.clone())]);
    all[0].publish(now, now, CallId(2), "what the room calls it", &opus(&packet));
    assert_eq!(carry(&mut all, now), [], "another call is not ours");
    all[0].execute(now, &MediaCommand::Close { session: SessionId(1) });
    all[0].publish(now, now, CallId(1), "what the room calls it", &opus(&packet));
    assert_eq!(carry(&mut all, now), [(2, 100, packet)]);
}

#[test]
fn peers_on_slow_paths_do_without_the_higher_layers() {
    let now = Instant::now();
    let mut all = [0, 1, 2].map(|number| peers_at(address(number)));
    for number in 1..3 {
        let session = SessionId(number);
        let index = usize::try_from(number).expect("small");
        let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[index], now, session));
        agree(&mut all[0], now, session, 111, theirs);
        agree(&mut all[index], now, session, 111, ours);
        for peers in [0, index] {
            film(&mut all[peers], now, session, VideoEncoding::Vp8);
        }
        carry(&mut all, now);
    }
    let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&[0x90, 0xE0, 0x80, 9, 1, 0, 7][..]) };
    all[0].limit_layers(TransportId { session: SessionId(1), index: 0 }, &Media::Video, 1);
    let mut got = |layer| {
        let packets = vec![packet.clone()];
        all[0].publish_video(
            now,
            now,
            CallId(1),
            "what the room calls it",
            &PacketizedFrame { encoding: VideoEncoding::Vp8, layer, key: false, packets },
        );
        let got = carry(&mut all, now).into_iter();
        got.map(|(who, _, packet)| (who, packet.payload[3])).collect::<Vec<_>>()
    };
    assert_eq!([0, 2, 1].map(&mut got), [vec![(1, 9), (2, 9)], vec![(2, 9)], vec![(1, 8), (2, 9)]]);
}

#[test]
fn each_peer_gets_video_in_the_encoding_that_was_agreed_on_with_it_and_no_other() {
    let now = Instant::now();
    let mut all = [0, 1, 2].map(|number| peers_at(address(number)));
    for (number, encoding) in [(1, VideoEncoding::Vp8), (2, VideoEncoding::H264)] {
        let session = SessionId(number);
        let index = usize::try_from(number).expect("small");
        let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[index], now, session));
        agree(&mut all[0], now, session, 111, theirs);
        agree(&mut all[index], now, session, 111, ours);
        for peers in [0, index] {
            film(&mut all[peers], now, session, encoding);
        }
        carry(&mut all, now);
    }
    let kinds = [VideoEncoding::Vp8, VideoEncoding::H264].map(|encoding| (Media::Video, encoding));
    assert_eq!(all[0].video_kinds(), kinds.clone().into());
    let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&[0x65, 9][..]) };
    let mut got = |encoding| {
        let frame = PacketizedFrame { encoding, layer: 0, key: true, packets: vec![packet.clone()] };
        all[0].publish_video(now, now, CallId(1), "what the room calls it", &frame);
        carry(&mut all, now).into_iter().map(|(who, payload_type, _)| (who, payload_type)).collect::<Vec<_>>()
    };
    assert_eq!(kinds.map(|(_, encoding)| got(encoding)), [[(1, 98)], [(2, 102)]]);
}

#[test]
fn of_all_who_get_an_encoding_the_least_decoder_counts_and_a_level_that_does_not_exist_is_told() {
    let (now, mut peers) = (Instant::now(), peers_at(address(0)));
    let mut sends = |number: u64, level: &str| {
        let (session, content) = (SessionId(number), "video".to_owned());
        film(&mut peers, now, session, VideoEncoding::H264);
        let payload_type = PayloadType::new(102, "H264", 90_000, 1)
            .with_parameter("level-asymmetry-allowed", "1")
            .with_parameter("packetization-mode", "1")
            .with_parameter("profile-level-id", level);
        let send =
            Some(Sending { publication: "what the room calls it".to_owned(), payload_type, red: None, rtx: None });
        // Agreed on, put on hold, and agreed on again.
        for send in [send.clone(), None, send] {
            let (content, streams) = (content.clone(), Vec::new());
            peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, streams });
        }
        let told = std::iter::from_fn(|| peers.poll_output()).filter_map(|output| match output {
            PeersOutput::Report(MediaReport::Trouble(why)) => Some(why),
            _ => None,
        });
        let told: Vec<MediaTrouble> = told.collect();
        let kinds = peers.decoder_limits();
        let limit = kinds.get(&(Media::Video, VideoEncoding::H264)).copied().expect("it is sent");
        let sizes = [[1_920, 1_080], [1_280, 720], [640, 480], [320, 180]];
        (sizes.into_iter().find(|size| limit.permits(*size, INTERVAL)), told)
    };
    assert_eq!(sends(1, "42e028"), (Some([1_920, 1_080]), Vec::new()));
    assert_eq!(sends(2, "42e01e"), (Some([640, 480]), Vec::new()));
    assert_eq!(sends(3, "42e034"), (Some([640, 480]), Vec::new()));
    let (session, profile_level_id) = (SessionId(4), "42e0ff".to_owned());
    let why = MediaTrouble::UnknownLevel { session, profile_level_id };
    assert_eq!(sends(4, "42e0ff"), (Some([640, 480]), vec![why]));
    peers.execute(now, &MediaCommand::Close { session: SessionId(2) });
    assert_eq!(peers.decoder_limits().len(), 1);
    let limit = peers.decoder_limits()[&(Media::Video, VideoEncoding::H264)];
    assert!(limit.permits([1_280, 720], INTERVAL) && !limit.permits([1_920, 1_080], INTERVAL));
}

/// The first has a session with each of the others.
fn star<const N: usize>(now: Instant) -> [Peers; N] {
    let mut all = std::array::from_fn(|number| peers_at(address(u8::try_from(number).expect("few"))));
    for (number, session) in (1..N).zip((1..).map(SessionId)) {
        let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[number], now, session));
        agree(&mut all[0], now, session, 111, theirs);
        agree(&mut all[number], now, session, 111, ours);
        carry(&mut all, now);
    }
    all
}

// Shows muji-model-03.
#[test]
fn with_one_map_for_all_the_same_packet_goes_to_everybody() {
    let now = Instant::now();
    let mut all: [Peers; 4] = star(now);
    let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"sound"[..]) };
    all[0].publish(now, now, CallId(1), "what the room calls it", &opus(&packet));
    let same = |index: usize| (index, 111, packet.clone());
    assert_eq!(carry(&mut all, now), [same(1), same(2), same(3)]);
}

/// A second of a voice, and then nothing.
struct Word(Tone, usize);

impl AudioSource for Word {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        self.1 += 1;
        self.0.fill(frame)?;
        if self.1 > 50 {
            *frame = [0; FRAME];
        }
        Ok(())
    }
}

#[test]
fn somebody_whose_pauses_are_not_sent_flows_in_a_pause_too() {
    let (begun, session, content) = (Instant::now(), SessionId(1), CONTENT.to_owned());
    let mut all: [Peers; 2] = star(begun);
    let word = Some(Box::new(Word(Tone::new(440.0), 0)) as _);
    let mut sender = AudioSender::new(word, Sound::SpeechWithPauses).expect("there is memory");
    sender.publish(CallId(1), "what the room calls it");
    let (mut received, mut reports) = (0, Vec::new());
    for frame in 0..30 * 50 {
        let now = begun + FRAME_TIME * frame;
        let wanted = all[0].wanted_audio(|_| true);
        for packet in sender.packets(&wanted).expect("the encoder works") {
            all[0].publish(now, now, CallId(1), "what the room calls it", &packet);
        }
        all.iter_mut().for_each(|peers| peers.handle_timeout(now));
        received += carry_telling(&mut all, now, &mut reports).len();
    }
    // The other one sends nothing at all, and is silent.
    let flowing = MediaReport::Flowing { session, content: content.clone() };
    assert_eq!(reports, [(1, flowing), (0, MediaReport::Silent { session, content })]);
    assert!((100..300).contains(&received), "{received} of 1500 packets: the word, and little of the pause");
}

#[test]
fn another_transport_to_the_same_account_needs_another_socket_set_and_gives_it_back() {
    let now = Instant::now();
    let mut peers = peers_at(address(0));
    let open_one = |peers: &mut Peers, session: u64, index: u32| {
        let session = SessionId(session);
        let content = OpenContent {
            name: format!("{CONTENT}{index}"),
            media: Media::Audio,
            ssrc: 1,
            rtx_ssrc: None,
            transport: TransportId { session, index },
            payload_types: Vec::new(),
            extensions: Vec::new(),
        };
        let peer = "juliet@x.example".parse().expect("a bare JID");
        let (call, name, role) = (CallId(1), "juliet".to_owned(), IceRole::Controlling);
        let command = MediaCommand::Open { call, session, peer, name, role, contents: vec![content] };
        let wanted = peers.socket_sets_needed(&command);
        peers.execute(now, &command);
        (wanted, peers.poll_output())
    };
    let port = |output: Option<PeersOutput>| match output {
        Some(PeersOutput::Report(MediaReport::Described { local, .. })) => local.candidates[0].address,
        other => panic!("{other:?}"),
    };
    let (wanted, first) = open_one(&mut peers, 1, 0);
    assert_eq!((wanted, port(first)), (1, address(0)));
    let (wanted, none) = open_one(&mut peers, 1, 1);
    assert!(wanted == 2 && matches!(none, Some(PeersOutput::Report(MediaReport::Failed { .. }))));
    peers.add_socket_set(hosts(&[address(9)]));
    let (wanted, second) = open_one(&mut peers, 2, 0);
    assert_eq!((wanted, port(second)), (2, address(9)), "also in another session");
    let content = format!("{CONTENT}0");
    peers.execute(now, &MediaCommand::RemoveContent { session: SessionId(1), content });
    let (wanted, third) = open_one(&mut peers, 1, 2);
    assert_eq!((wanted, port(third)), (1, address(0)));
    for session in 3..3 + MAX_SOCKET_SETS as u64 {
        let (wanted, _) = open_one(&mut peers, session, 0);
        (peers.socket_sets()..wanted).for_each(|_| peers.add_socket_set(hosts(&[address(100)])));
        open_one(&mut peers, session, 1);
    }
    assert_eq!(peers.socket_sets(), MAX_SOCKET_SETS, "a crowd of devices gets no more");
}

#[test]
fn of_contents_that_share_a_transport_one_can_come_and_go_alone() {
    let now = Instant::now();
    let mut all = [0, 1, 2].map(|number| peers_at(address(number)));
    let session = SessionId(1);
    let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[1], now, session));
    agree(&mut all[0], now, session, 111, theirs);
    agree(&mut all[1], now, session, 111, ours);
    carry(&mut all, now);
    let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"noise"[..]) };
    for peers in &mut all[..2] {
        let content = OpenContent {
            name: "second".to_owned(),
            media: Media::Audio,
            ssrc: 2,
            rtx_ssrc: None,
            transport: TransportId { session, index: 0 },
            payload_types: Vec::new(),
            extensions: Vec::new(),
        };
        let peer = format!("{}@x.example", session.0).parse().expect("a bare JID");
        let (call, name, role) = (CallId(1), "somebody".to_owned(), IceRole::Controlling);
        let open = MediaCommand::Open { call, session, peer, name, role, contents: vec![content] };
        assert_eq!(peers.socket_sets_needed(&open), 0);
        peers.execute(now, &open);
        assert!(peers.poll_output().is_none(), "the end is known");
        let payload_type = PayloadType::new(112, "opus", 48_000, 2);
        let send = Some(Sending { publication: "noise".to_owned(), payload_type, red: None, rtx: None });
        let content = "second".to_owned();
        peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, streams: Vec::new() });
    }
    all[0].publish(now, now, CallId(1), "noise", &opus(&packet));
    assert_eq!(carry(&mut all, now), [(1, 112, packet.clone())]);
    all[0].execute(now, &MediaCommand::RemoveContent { session, content: "second".to_owned() });
    all[0].publish(now, now, CallId(1), "noise", &opus(&packet));
    assert_eq!(carry(&mut all, now), []);
    all[0].publish(now, now, CallId(1), "what the room calls it", &opus(&packet));
    assert_eq!(carry(&mut all, now), [(1, 111, packet)]);
}

#[test]
fn a_datagram_of_nobody_is_dropped() {
    let mut peers = peers_at(address(0));
    for bytes in [&b""[..], &[0; 20], &[0x80; 1_500]] {
        peers.handle_datagram(Instant::now(), address(0), address(9), bytes);
    }
    assert!(peers.poll_output().is_none());
}

#[test]
fn each_peer_gets_the_encoding_that_it_agreed_on_and_no_other() {
    let now = Instant::now();
    let mut all: [Peers; 3] = star(now);
    assert_eq!(all[0].wanted_audio(|_| true).encodings, BTreeSet::from([AudioEncoding::Opus]));
    let publication = "what the room calls it".to_owned();
    let send = Some(Sending { publication, payload_type: AudioEncoding::Pcmu.payload_type(), red: None, rtx: None });
    let (session, content) = (SessionId(2), CONTENT.to_owned());
    all[0].execute(now, &MediaCommand::Content { session, content, send, receive: true, streams: Vec::new() });
    assert_eq!(all[0].wanted_audio(|_| true).encodings, BTreeSet::from([AudioEncoding::Opus, AudioEncoding::Pcmu]));
    for (encoding, whom) in [(AudioEncoding::Opus, (1, 111)), (AudioEncoding::Pcmu, (2, 0))] {
        let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"sound"[..]) };
        all[0].publish(now, now, CallId(1), "what the room calls it", &AudioPacket { encoding, ..opus(&packet) });
        assert_eq!(carry(&mut all, now), [(whom.0, whom.1, packet)], "{encoding:?}");
    }
}

#[test]
fn copies_of_earlier_frames_go_to_the_peers_that_take_them_with_the_numbers_of_each() {
    let now = Instant::now();
    let mut all: [Peers; 3] = star(now);
    let publication = "what the room calls it";
    let take = |peers: &mut Peers, session: u64, payload_type: PayloadType, red: Option<u8>| {
        let send = Some(Sending { publication: publication.to_owned(), payload_type, red, rtx: None });
        let (session, content) = (SessionId(session), CONTENT.to_owned());
        peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, streams: Vec::new() });
        peers.wanted_audio(|_| true).red
    };
    let opus_as = |id: u8| PayloadType::new(id, "opus", 48_000, 2);
    assert_eq!(all[0].wanted_audio(|_| true).red, RedTakers::Nobody);
    assert_eq!(take(&mut all[0], 2, opus_as(109), Some(121)), RedTakers::Some);
    let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"sound"[..]) };
    let earlier = vec![EarlierFrame { offset: 960, payload: Arc::from(&b"before"[..]) }];
    let audio = AudioPacket { earlier: earlier.clone(), ..opus(&packet) };
    all[0].publish(now, now, CallId(1), publication, &audio);
    let red = RtpPacket { payload: red::write(109, &earlier, b"sound"), ..packet };
    assert_eq!(carry(&mut all, now), [(1, 111, packet.clone()), (2, 121, red)]);
    all[0].publish(now, now, CallId(1), publication, &opus(&packet));
    assert_eq!(carry(&mut all, now), [(1, 111, packet.clone()), (2, 109, packet)], "there are none");
    assert_eq!(
        take(&mut all[0], 1, AudioEncoding::Pcmu.payload_type(), Some(63)),
        RedTakers::All,
        "of those with Opus"
    );
}

#[test]
fn a_content_that_the_answer_bundles_moves_to_the_transport_of_the_first() {
    let now = Instant::now();
    let mut all = [0, 1].map(|number| peers_at(address(number)));
    all[0].add_socket_set(hosts(&[address(9)]));
    let session = SessionId(1);
    let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[1], now, session));
    let content = |index: u32| OpenContent {
        name: "second".to_owned(),
        media: Media::Audio,
        ssrc: 2,
        rtx_ssrc: None,
        transport: TransportId { session, index },
        payload_types: Vec::new(),
        extensions: Vec::new(),
    };
    let opening = |index: u32| {
        let peer = "1@x.example".parse().expect("a bare JID");
        let (call, name, role) = (CallId(1), "somebody".to_owned(), IceRole::Controlling);
        MediaCommand::Open { call, session, peer, name, role, contents: vec![content(index)] }
    };
    all[0].execute(now, &opening(1));
    assert!(matches!(all[0].poll_output(), Some(PeersOutput::Report(MediaReport::Described { .. }))));
    all[0].execute(now, &MediaCommand::RemoveContent { session, content: "second".to_owned() });
    for peers in &mut all {
        peers.execute(now, &opening(0));
        let send = Some(Sending {
            publication: "noise".to_owned(),
            payload_type: PayloadType::new(112, "opus", 48_000, 2),
            red: None,
            rtx: None,
        });
        let content = "second".to_owned();
        peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, streams: Vec::new() });
    }
    agree(&mut all[0], now, session, 111, theirs);
    agree(&mut all[1], now, session, 111, ours);
    carry(&mut all, now);
    assert!(all[0].are_settled(), "the other transport is gone");
    assert_eq!((all[0].socket_sets(), all[0].release_socket_sets()), (2, 1), "and its sockets can be");
    let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"noise"[..]) };
    all[0].publish(now, now, CallId(1), "noise", &opus(&packet));
    assert_eq!(carry(&mut all, now), [(1, 112, packet)]);
}
