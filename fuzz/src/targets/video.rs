//! Packets of pictures, real and changed, in any order and at any time: depayloaders of all encodings, assembler, decoders, playout.
//!
//! There are no more frames than packets, a key frame of VP8 or VP9 that is packetised comes out as it was, and frames are no larger than
//! what is shown.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use muji_media::device::VideoFrame;
use muji_media::parts::VideoReceiver;
use muji_media::parts::codec::VideoEncoding;
use muji_media::parts::codec::video::{Assembled, Assembler, Encoded, Layer};
use muji_media::transport::{ReceivedRtp, RtpPacket};

use crate::choices::Choices;

const ENCODINGS: [VideoEncoding; 5] =
    [VideoEncoding::Vp8, VideoEncoding::Vp9, VideoEncoding::H264, VideoEncoding::H264Single, VideoEncoding::Av1];

/// Those whose frames come out as they were; H.264 and AV1 leave out what stands for itself between their units.
const KEEPS_BYTES: [VideoEncoding; 2] = [VideoEncoding::Vp8, VideoEncoding::Vp9];

/// What an assembler holds at most, and so the largest frame: 512 packets of 1,500 bytes.
const MAX_FRAME: usize = 512 * 1_500;

/// What is shown at most: 8 megapixels.
const MAX_PIXELS: usize = 4_096 * 2_304;

/// Of each encoding, the packets of a key frame and of two that need it.
static FRAMES: LazyLock<Vec<Vec<RtpPacket>>> =
    LazyLock::new(|| ENCODINGS.iter().map(|encoding| packets(*encoding)).collect());

fn packets(encoding: VideoEncoding) -> Vec<RtpPacket> {
    let Ok(mut encoder) = encoding.encoder([160, 96], 200_000) else { return Vec::new() };
    let mut payloader = encoding.payloader();
    let frames = (0..3u8).flat_map(|number| {
        let frame = VideoFrame::filled(160, 96, [80 * number, 90, 200]);
        let at = u64::from(number) * 3_000;
        let encoded = encoder.encode(&frame, at, number == 0).expect("it is a frame");
        let Some(encoded) = encoded else { return Vec::new() };
        let packets = payloader.packets(&encoded, u32::from(number) * 3_000);
        if number == 0 && KEEPS_BYTES.contains(&encoding) {
            assert_eq!(assembled(encoding, packets.clone()), Some(encoded.bytes), "a key frame of {encoding:?}");
        }
        packets
    });
    frames.collect()
}

pub(super) fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let number = choices.below(ENCODINGS.len());
    match choices.below(4) {
        0 => payloads(ENCODINGS[number], choices.rest()),
        1 => shows(number, &mut choices),
        _ => assembles(number, &mut choices),
    }
}

/// What our payloader makes of anything fits packets, and if a depayloader takes it for a key frame, it is what it was.
fn payloads(encoding: VideoEncoding, bytes: &[u8]) {
    let mut payloader = encoding.payloader();
    let encoded = Encoded { bytes: bytes.to_vec(), key: true, layer: Layer::default() };
    let assembled = assembled(encoding, payloader.packets(&encoded, 3_000));
    if KEEPS_BYTES.contains(&encoding)
        && let Some(assembled) = assembled
    {
        assert_eq!(assembled, bytes);
    }
}

/// The frame that comes of these packets.
fn assembled(encoding: VideoEncoding, packets: Vec<RtpPacket>) -> Option<Vec<u8>> {
    let now = Instant::now();
    let mut assembler = Assembler::new(encoding);
    for (sequence, packet) in (0..).zip(packets) {
        assert!(packet.payload.len() <= 1_200, "a packet of {} bytes", packet.payload.len());
        assembler.insert(&received(now, sequence, packet));
    }
    match assembler.poll(now, Duration::ZERO)? {
        Assembled::Frame(frame) => Some(frame.bytes),
        _ => None,
    }
}

fn received(arrived: Instant, sequence: u64, packet: RtpPacket) -> ReceivedRtp {
    ReceivedRtp { ssrc: 1, payload_type: 98, sequence, arrived, captured: None, turns: None, packet }
}

/// The next packet: one of the real ones, changed or not, or anything.
fn next(choices: &mut Choices<'_>, number: usize, stream: &mut Stream) -> ReceivedRtp {
    let real = &FRAMES[number];
    let packet = real.get(choices.below(real.len().max(1))).cloned();
    let mut packet = packet.unwrap_or_else(|| RtpPacket { timestamp: 0, marker: true, payload: [].into() });
    packet.timestamp = packet.timestamp.wrapping_add(stream.timestamp);
    match choices.below(6) {
        0..3 => {}
        3 => {
            let mut payload = packet.payload.to_vec();
            let at = choices.below(payload.len().min(24));
            if let Some(byte) = payload.get_mut(at) {
                *byte ^= choices.byte();
            }
            payload.truncate(payload.len() - choices.below(payload.len()));
            packet.payload = payload.into();
        }
        4 => packet.payload = choices.bytes().into(),
        _ => {
            packet.marker = !packet.marker;
            packet.timestamp = choices.word();
        }
    }
    let mut received = received(stream.now, stream.sequence, packet);
    stream.sequence += 1;
    if choices.below(16) == 1 {
        received.ssrc = u32::from(choices.byte());
        received.turns = Some(choices.byte());
        received.captured = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(choices.word())));
    }
    received
}

/// Where a stream is.
struct Stream {
    now: Instant,
    sequence: u64,
    timestamp: u32,
}

impl Stream {
    fn new() -> Self {
        Self { now: Instant::now(), sequence: 1, timestamp: 0 }
    }

    fn jumps(&mut self, choices: &mut Choices<'_>) {
        match choices.below(3) {
            0 => self.sequence = self.sequence.saturating_add_signed(i64::from(choices.byte().cast_signed())),
            1 => self.timestamp = self.timestamp.wrapping_add(choices.word()),
            _ => self.now += Duration::from_millis(u64::from(choices.byte()) * 4),
        }
    }
}

fn assembles(number: usize, choices: &mut Choices<'_>) {
    let mut assembler = Assembler::new(ENCODINGS[number]);
    let (mut stream, mut packets, mut frames) = (Stream::new(), 0, 0);
    while !choices.is_over() {
        match choices.below(8) {
            0 => stream.jumps(choices),
            1 => assembler.broke(),
            _ => {
                packets += 1;
                let packet = next(choices, number, &mut stream);
                assembler.insert(&packet);
            }
        }
        while let Some(assembled) = assembler.poll(stream.now, Duration::from_millis(u64::from(choices.byte()))) {
            let Assembled::Frame(frame) = assembled else { break };
            frames += 1;
            assert!(frame.bytes.len() <= MAX_FRAME, "a frame of {} bytes", frame.bytes.len());
        }
        assert!(frames <= packets, "{frames} frames of {packets} packets");
    }
}

fn shows(number: usize, choices: &mut Choices<'_>) {
    let mut stream = Stream::new();
    let mut receiver = VideoReceiver::new(stream.now);
    while !choices.is_over() {
        if choices.below(4) == 0 {
            stream.jumps(choices);
        } else {
            let packet = next(choices, number, &mut stream);
            // A sender may change to another encoding at any time.
            let encoding = if choices.below(16) == 1 { *choices.one_of(&ENCODINGS) } else { ENCODINGS[number] };
            let _requests = receiver.receive(stream.now, encoding, &packet).len();
        }
        for decoded in receiver.take(stream.now) {
            assert!(decoded.frame.width() * decoded.frame.height() <= MAX_PIXELS);
        }
        let _stats = receiver.stats_if_due(stream.now).is_some();
    }
}
