//! From the packets of one stream to its audio: a frame every 20 ms of our clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use muji_xep::rtp::PayloadType;

use crate::audio::drift::{DriftCompensator, FixedSide, rounded};
use crate::audio::frame::{AudioFrame, FRAME, SAMPLE_RATE};
use crate::audio::jitter::{JitterBuffer, Playout};
use crate::audio::pauses;
use crate::audio::shorten::{self, shorten};
use crate::codec::audio_decoder::AudioDecoder;
use crate::codec::encoding::AudioEncoding;
use crate::codec::opus::OpusFault;
use crate::codec::red::{self, Block, RedFault};
use crate::rtp::{CurrentSource, ReceivedRtp, RtpPacket, SourceStep};
use crate::stats::AudioStats;

/// Samples concealed in a row when nothing comes, 300 ms, by which time both codecs have faded them out; after that silence is more honest.
/// If concealment ended within the bursts of bad Wi-Fi, what comes behind them would have to wait for its delay again.
const MAX_CONCEALED: usize = 15 * FRAME;

/// Samples of comfort noise in a row while the sender pauses (DTX): it says each 400 ms what is to be heard, and one of those may be lost.
const MAX_COMFORT: usize = 50 * FRAME;

/// Sound is made up in steps of 10 ms: what SILK, the part of Opus for speech, can do.
const CONCEALED: usize = FRAME / 2;

/// Over so many samples, 2.5 ms, made-up sound passes into what comes after it.
const BLENDED: usize = FRAME / 8;

/// Sound that waits so many samples longer than it should, 10 ms, is shortened by whole periods. Resampling alone would need 20 s for
/// the 100 ms that a burst leaves, and be heard as another pitch all the while; what clocks that differ leave, up to 4 ms, it does better.
const LATE: f64 = 480.0;

/// Frames between two periods that are left out: several in a row would be heard as a stutter.
const BETWEEN: u64 = 5;

/// A moment here, and when the audio that is played at it was captured by the sender's clock. Video of that sender is shown by it, for
/// lip synchronisation (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutClock {
    /// The moment.
    pub at: Instant,
    /// When its audio was captured.
    pub captured: SystemTime,
}

impl PlayoutClock {
    /// The moment here at which a frame captured then is to be shown.
    #[must_use]
    pub fn due(&self, captured: SystemTime) -> Option<Instant> {
        match captured.duration_since(self.captured) {
            Ok(later) => self.at.checked_add(later),
            Err(earlier) => self.at.checked_sub(earlier.duration()),
        }
    }
}

/// When one sample was captured, by the sender's clock.
#[derive(Debug, Clone, Copy)]
struct SenderClock {
    timestamp: u32,
    captured: SystemTime,
}

impl SenderClock {
    /// When another sample was.
    fn at(self, timestamp: u32) -> Option<SystemTime> {
        let samples = timestamp.wrapping_sub(self.timestamp).cast_signed();
        let apart = Duration::from_secs_f64(f64::from(samples.unsigned_abs()) / f64::from(SAMPLE_RATE));
        if samples < 0 { self.captured.checked_sub(apart) } else { self.captured.checked_add(apart) }
    }
}

/// One audio stream of a peer.
pub struct AudioReceiver {
    source: CurrentSource,
    /// The sender goes on with another source: its first packet is not for a decoder that remembers the one before.
    decodes_again: bool,
    buffer: JitterBuffer,
    decoder: AudioDecoder,
    /// The encoding of each payload type.
    encodings: Vec<(u8, AudioEncoding)>,
    /// The payload type of packets with copies of earlier frames.
    red: Option<u8>,
    /// What was wrong with the first of those that was refused, and whether that is still to be told.
    refused: Option<RedFault>,
    fault: Option<RedFault>,
    /// Decoded and not yet played: packets need not be as long as frames.
    sound: VecDeque<i16>,
    drift: DriftCompensator,
    /// The timestamp behind the last decoded sample.
    decoded_to: u32,
    /// From the last packet that says it.
    known: Option<SenderClock>,
    clock: Option<PlayoutClock>,
    /// Concealed since the last packet.
    concealed_in_a_row: usize,
    /// Samples of comfort noise since the sender said that it pauses; `None` if it does not.
    comfort: Option<usize>,
    begun: bool,
    played: u64,
    /// In samples.
    concealed: usize,
    /// When a period may be left out, in played frames.
    shorten_from: u64,
}

impl AudioReceiver {
    /// A stream that has not begun, of packets with these payload types.
    #[must_use]
    pub fn new(payload_types: &[PayloadType]) -> Self {
        Self::with(payload_types, AudioDecoder::new())
    }

    /// The same with a decoder of its own.
    fn with(payload_types: &[PayloadType], decoder: AudioDecoder) -> Self {
        let encodings = payload_types.iter().filter_map(|payload| Some((payload.id, AudioEncoding::of(payload)?)));
        Self {
            encodings: encodings.collect(),
            red: payload_types.iter().find(|payload| payload.is_red()).map(|payload| payload.id),
            refused: None,
            fault: None,
            source: CurrentSource::default(),
            decodes_again: false,
            buffer: JitterBuffer::default(),
            decoder,
            sound: VecDeque::new(),
            drift: DriftCompensator::new(FixedSide::Output),
            decoded_to: 0,
            known: None,
            clock: None,
            concealed_in_a_row: 0,
            comfort: None,
            begun: false,
            played: 0,
            concealed: 0,
            shorten_from: 0,
        }
    }

    /// From now on no more is computed than has to be, or all that helps.
    pub(crate) fn set_thrifty(&mut self, thrifty: bool) {
        self.decoder.set_thrifty(thrifty);
    }

    /// A packet came. One of another payload type is dropped.
    pub fn insert(&mut self, received: ReceivedRtp) {
        match self.source.step(received) {
            SourceStep::Same(received) => self.buffer_packet(received),
            SourceStep::Unproven => {}
            SourceStep::Begins(received) => {
                self.buffer.start_again();
                self.decodes_again = true;
                self.known = None;
                received.into_iter().for_each(|received| self.buffer_packet(received));
            }
        }
    }

    fn buffer_packet(&mut self, received: ReceivedRtp) {
        if self.red != Some(received.payload_type) {
            return self.buffer_frame(received);
        }
        let payload = received.packet.payload.clone();
        match red::read(&payload) {
            Ok((copies, new)) => self.unpack(received, &copies, &new),
            Err(fault) => self.refuse(fault),
        }
    }

    /// Copies of earlier frames, and a frame that is new.
    fn unpack(&mut self, received: ReceivedRtp, copies: &[Block<'_>], new: &Block<'_>) {
        if !self.is_codec(new.payload_type) {
            return self.refuse(RedFault::NoCodec(new.payload_type));
        }
        let sequence = received.sequence;
        let packet = RtpPacket { payload: Arc::from(new.payload), ..received.packet };
        self.buffer_frame(ReceivedRtp { payload_type: new.payload_type, packet, ..received });
        for copy in copies {
            let taken = match copy {
                Block { payload: [], .. } => Err(RedFault::Empty),
                Block { payload_type, .. } if *payload_type != new.payload_type => {
                    Err(RedFault::NoCodec(*payload_type))
                }
                Block { offset, payload, .. } => self.buffer.insert_copy(sequence, *offset, payload),
            };
            if let Err(fault) = taken {
                self.refuse(fault);
            }
        }
    }

    fn is_codec(&self, payload_type: u8) -> bool {
        self.encodings.iter().any(|(id, _)| *id == payload_type)
    }

    fn refuse(&mut self, fault: RedFault) {
        self.buffer.malformed();
        if self.refused.is_none() {
            self.refused = Some(fault);
            self.fault = Some(fault);
        }
    }

    /// What was wrong with the first packet that was not what its headers say, once.
    pub fn poll_fault(&mut self) -> Option<RedFault> {
        self.fault.take()
    }

    /// Why nothing of it can be decoded, once.
    pub fn poll_trouble(&mut self) -> Option<OpusFault> {
        self.decoder.poll_trouble()
    }

    fn buffer_frame(&mut self, received: ReceivedRtp) {
        let known = self.encodings.iter().find(|(id, _)| *id == received.payload_type);
        let Some((_, encoding)) = known.copied() else { return };
        // In samples at 48 kHz, as the jitter buffer has them.
        let timestamp = received.packet.timestamp.wrapping_mul(SAMPLE_RATE / encoding.clock_rate());
        self.known = received.captured.map(|captured| SenderClock { timestamp, captured }).or(self.known);
        self.buffer.insert(received, encoding);
    }

    /// The timestamp of the sample that is played next.
    fn next_sample(&self) -> u32 {
        self.decoded_to.wrapping_sub(u32::try_from(self.sound.len()).unwrap_or(u32::MAX))
    }

    /// Pictures of the participant are shown so much later than their sound is played, which is told once a second: if that can be noticed,
    /// sound waits for them.
    pub fn pictures_behind(&mut self, behind: Duration) {
        self.buffer.pictures_behind(behind);
    }

    /// What was played last, by the sender's clock; `None` before a sender report came.
    #[must_use]
    pub fn clock(&self) -> Option<PlayoutClock> {
        self.clock
    }

    /// The audio of the next 20 ms; `None` while the peer is silent.
    pub fn frame(&mut self, now: Instant) -> Option<AudioFrame> {
        let late = self.late();
        self.decode(now, late)?;
        self.catch_up(late);
        self.played += 1;
        self.clock = self
            .known
            .and_then(|known| known.at(self.next_sample()))
            .map(|captured| PlayoutClock { at: now, captured });
        let stretched = self.drift.resample(&mut self.sound, self.buffer.excess() / f64::from(SAMPLE_RATE));
        let mut frame = [0; FRAME];
        frame.iter_mut().zip(stretched).for_each(|(sample, stretched)| *sample = rounded(*stretched));
        Some(frame)
    }

    /// Decodes, or makes up, what is needed; `None` if nothing comes.
    fn decode(&mut self, now: Instant, late: Option<usize>) -> Option<()> {
        while self.sound.len() < self.wanted(late) {
            if let Some(samples) = self.quiet_for() {
                self.comfort(samples);
                continue;
            }
            let ahead = Duration::from_secs_f64(self.sound.len() as f64 / f64::from(SAMPLE_RATE));
            match self.buffer.take(now, ahead) {
                Playout::Packet { timestamp, encoding, payload, made_up } => {
                    self.play(timestamp, encoding, &payload, made_up);
                }
                Playout::Lost { timestamp, encoding, following, made_up } => {
                    let decoded = self.decoder.recover(encoding, &following);
                    self.concealed += self.append(timestamp, decoded, made_up);
                }
                // The next packet is about to come: a few missing samples are no gap.
                Playout::Empty if self.begun && self.sound.len() + FRAME / 20 >= self.drift.needs() => break,
                Playout::Empty if self.comfort.is_some_and(|samples| samples < MAX_COMFORT) => self.comfort(CONCEALED),
                Playout::Empty if self.begun && self.concealed_in_a_row < MAX_CONCEALED => self.conceal(),
                Playout::Empty => {
                    self.begun = false;
                    self.comfort = None;
                    self.buffer.pause();
                    self.sound.clear();
                    return None;
                }
            }
        }
        Some(())
    }

    fn play(&mut self, timestamp: u32, encoding: AudioEncoding, payload: &[u8], made_up: usize) {
        self.concealed_in_a_row = 0;
        if std::mem::take(&mut self.decodes_again) {
            self.decoder.forget();
        }
        let decoded = self.decoder.decode(encoding, payload);
        self.comfort = (encoding == AudioEncoding::Opus && payload.len() <= pauses::NOTHING).then_some(0);
        let _samples = self.append(timestamp, decoded, made_up);
    }

    /// Sound that came or was recovered, without what was made up of it, follows what is decoded; how many samples that is.
    fn append(&mut self, timestamp: u32, decoded: Result<Vec<i16>, OpusFault>, made_up: usize) -> usize {
        // A payload that cannot be decoded counts as a lost frame, so a hostile peer can only silence itself.
        let decoded = decoded.unwrap_or_else(|_| vec![0; FRAME]);
        self.begun = true;
        self.decoded_to = timestamp.wrapping_add(u32::try_from(decoded.len()).expect("a packet is short"));
        // Behind the whole of what was made up the codec itself smooths the transition; within, the two lie at the same time.
        let blended = if made_up > 0 { self.sound.len().min(BLENDED).min(decoded.len()) } else { 0 };
        let from = made_up.clamp(blended, decoded.len()) - blended;
        let start = self.sound.len() - blended;
        for (number, (sample, fresh)) in self.sound.range_mut(start..).zip(&decoded[from..]).enumerate() {
            let share = number as f32 / blended as f32;
            *sample = rounded(f32::from(*sample) * (1.0 - share) + f32::from(*fresh) * share);
        }
        let rest = &decoded[from + blended..];
        self.sound.extend(rest);
        rest.len()
    }

    /// Makes up what is needed now, and some more into which what comes next is blended.
    fn conceal(&mut self) {
        let missing = (self.drift.needs() + BLENDED).saturating_sub(self.sound.len());
        let decoded = self.decoder.conceal(missing.div_ceil(CONCEALED) * CONCEALED).unwrap_or_else(|_| vec![0; FRAME]);
        self.concealed_in_a_row += decoded.len();
        self.concealed += decoded.len();
        self.buffer.made_up(decoded.len());
        self.decoded_to = self.decoded_to.wrapping_add(u32::try_from(decoded.len()).expect("a packet is short"));
        self.sound.extend(decoded);
    }

    /// The sender pauses, and so many samples of its pause are left before what is next, if that is there: speech begins again after as long
    /// as it was silent.
    fn quiet_for(&self) -> Option<usize> {
        let _pauses = self.comfort.filter(|samples| *samples < MAX_COMFORT)?;
        let next = self.buffer.next_timestamp()?;
        let left = usize::try_from(next.wrapping_sub(self.decoded_to).cast_signed()).ok()?;
        Some(left.min(FRAME) / CONCEALED * CONCEALED).filter(|samples| *samples > 0)
    }

    /// The sender pauses: the codec goes on with the noise that it told last, and nothing is missing.
    fn comfort(&mut self, samples: usize) {
        let noise = self.decoder.conceal(samples).unwrap_or_else(|_| vec![0; samples]);
        self.comfort = self.comfort.map(|before| before + noise.len());
        self.decoded_to = self.decoded_to.wrapping_add(u32::try_from(noise.len()).expect("a frame is short"));
        self.sound.extend(noise);
    }

    /// How many samples too late it is, if some are to be left out now.
    fn late(&self) -> Option<usize> {
        let excess = self.buffer.excess();
        let due = excess >= LATE && self.played >= self.shorten_from;
        due.then_some(excess as usize)
    }

    /// How much is decoded: for a frame, or, if the packets are there anyway, what periods are looked for in.
    fn wanted(&self, late: Option<usize>) -> usize {
        let needs = self.drift.needs();
        let ahead = late.is_some() && self.sound.len() >= needs && self.buffer.has_next();
        if ahead { needs.max(shorten::NEEDED) } else { needs }
    }

    /// Leaves out a period of sound that is too late.
    fn catch_up(&mut self, late: Option<usize>) {
        let Some(late) = late else { return };
        // A frame must be left.
        let spare = self.sound.len().saturating_sub(self.drift.needs());
        let left_out = shorten(&mut self.sound, late.min(spare));
        if left_out > 0 {
            self.shorten_from = self.played + BETWEEN;
            self.buffer.shortened(left_out);
        }
    }

    /// What became of the packets; the caller adds the round-trip time of the path.
    #[must_use]
    pub fn stats(&self) -> AudioStats {
        let (counts, delay, jitter) = (self.buffer.counts(), self.buffer.delay(), self.buffer.jitter());
        let concealed = (self.concealed / FRAME) as u64;
        AudioStats { counts, played: self.played, concealed, delay, jitter, round_trip: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::frame::FRAME_TIME;
    use crate::audio::meter::Meter;
    use crate::codec::opus::{self, Encoder};
    use crate::device::AudioSource;
    use crate::device::tone::Tone;
    use crate::rtp::RtpPacket;

    /// What was made up and left out of a sender whose clock is faster than ours by `factor`.
    fn made_up_and_left_out(minutes: u64, factor: f64) -> (u64, u64) {
        let start = Instant::now();
        let payload = Encoder::new().unwrap().encode(&[0; FRAME]).unwrap();
        // Hours of silence: what a neural network makes of it does not matter here, and how many samples there are does.
        let plain = AudioDecoder::with(opus::Decoder::with_complexity(0).unwrap());
        let mut receiver = AudioReceiver::with(&[AudioEncoding::Opus.payload_type()], plain);
        let mut sent = 0u64;
        for turn in 0..minutes * 3_000 {
            let now = start + FRAME_TIME * u32::try_from(turn).unwrap();
            let at = |sent: u64| start + Duration::from_secs_f64(sent as f64 * 0.020 / factor);
            while at(sent) <= now {
                let packet = RtpPacket { timestamp: (sent * 960) as u32, marker: false, payload: payload.clone() };
                receiver.insert(ReceivedRtp {
                    ssrc: 1,
                    payload_type: 111,
                    sequence: sent,
                    arrived: at(sent),
                    captured: None,
                    turns: None,
                    packet,
                });
                sent += 1;
            }
            receiver.frame(now);
        }
        let stats = receiver.stats();
        (stats.concealed, stats.counts.skipped)
    }

    #[test]
    fn after_a_burst_a_tone_is_soon_heard_at_its_pitch_again() {
        let (start, mut tone, mut meter) = (Instant::now(), Tone::new(770.0), Meter::default());
        let mut encoder = Encoder::new().unwrap();
        let mut receiver = AudioReceiver::new(&[AudioEncoding::Opus.payload_type()]);
        let (mut packets, mut heard) = (VecDeque::new(), Vec::new());
        for turn in 0..20 * 50 {
            let mut frame = [0; FRAME];
            tone.fill(&mut frame).unwrap();
            let packet = RtpPacket { timestamp: turn * 960, marker: false, payload: encoder.encode(&frame).unwrap() };
            // Up to 300 ms of the second second come at once.
            let held = if (50..65).contains(&turn) { 65 } else { turn };
            packets.push_back((start + FRAME_TIME * held, turn, packet));
            let now = start + FRAME_TIME * turn;
            while packets.front().is_some_and(|(arrived, ..)| *arrived <= now) {
                let (arrived, turn, packet) = packets.pop_front().expect("it is there");
                receiver.insert(ReceivedRtp {
                    ssrc: 1,
                    payload_type: 111,
                    sequence: u64::from(turn),
                    arrived,
                    captured: None,
                    turns: None,
                    packet,
                });
            }
            if let Some(frame) = receiver.frame(now) {
                meter.add(&frame);
                heard.extend(meter.take().map(|level| level.frequency));
            }
        }
        let off = |hz: &Option<f32>| hz.is_none_or(|hz| (hz - 770.0).abs() > 2.0);
        let last_off = heard.iter().rposition(off);
        assert!(last_off.is_none_or(|second| second <= 4), "{heard:?}, {:?}", receiver.stats());
        assert!(receiver.buffer.excess() < LATE && receiver.stats().counts.skipped == 0, "{:?}", receiver.stats());
    }

    #[test]
    fn a_sender_whose_clock_runs_a_thousandth_fast_or_slow_is_heard_without_gaps_and_growing_delay() {
        for factor in [1.001, 0.999, 1.0] {
            let (made_up, left_out) = made_up_and_left_out(60, factor);
            assert!(made_up <= 2 && left_out == 0, "{factor}: {made_up} made up, {left_out} left out");
        }
    }

    #[test]
    fn a_sender_that_goes_on_with_another_source_is_heard_again_within_60_ms() {
        let (start, mut receiver, mut encoder) =
            (Instant::now(), AudioReceiver::new(&[AudioEncoding::Opus.payload_type()]), Encoder::new().unwrap());
        let (mut tone, mut meter, mut silent) = (Tone::new(440.0), Meter::default(), 0);
        for turn in 0..200u64 {
            let mut frame = [0; FRAME];
            tone.fill(&mut frame).unwrap();
            // The other begins with lower numbers, and with timestamps as if three seconds had passed.
            let (ssrc, sequence, shift) = if turn < 100 { (1, 70_000 + turn, 0) } else { (2, turn, 144_000) };
            let packet = RtpPacket {
                timestamp: u32::try_from(turn).unwrap() * 960 + shift,
                marker: false,
                payload: encoder.encode(&frame).unwrap(),
            };
            let arrived = start + FRAME_TIME * u32::try_from(turn).unwrap();
            receiver.insert(ReceivedRtp {
                ssrc,
                payload_type: 111,
                sequence,
                arrived,
                captured: None,
                turns: None,
                packet,
            });
            let heard = receiver.frame(arrived).unwrap_or([0; FRAME]);
            if turn >= 100 {
                silent += u64::from(heard.iter().all(|sample| sample.unsigned_abs() < 1_000));
                meter.add(&heard);
            }
        }
        assert!(silent <= 3, "{silent} frames of silence");
        let heard = meter.take().and_then(|level| level.frequency);
        assert!(heard.is_some_and(|heard| (heard - 440.0).abs() < 5.0), "{heard:?}");
    }

    /// Plays a tone of which each fifth packet is lost, each packet made by `packet` from that of Opus and the one before.
    fn lossy(packet: impl Fn(&[u8], &[u8]) -> (u8, Arc<[u8]>)) -> AudioReceiver {
        let (start, mut tone, mut encoder) = (Instant::now(), Tone::new(440.0), Encoder::new().unwrap());
        let mut receiver = AudioReceiver::new(&[AudioEncoding::Opus.payload_type(), red::payload_type(111)]);
        let mut before: Arc<[u8]> = Arc::default();
        for turn in 0..200u32 {
            let mut frame = [0; FRAME];
            tone.fill(&mut frame).unwrap();
            let opus = encoder.encode(&frame).unwrap();
            let (payload_type, payload) = packet(&opus, &before);
            before = opus;
            let arrived = start + FRAME_TIME * turn;
            if turn % 5 != 4 {
                receiver.insert(ReceivedRtp {
                    ssrc: 1,
                    payload_type,
                    sequence: u64::from(turn),
                    arrived,
                    captured: None,
                    turns: None,
                    packet: RtpPacket { timestamp: turn * 960, marker: false, payload },
                });
            }
            receiver.frame(arrived);
        }
        receiver
    }

    #[test]
    fn what_is_lost_is_heard_from_its_copy_in_the_packet_behind_it() {
        let copies = |opus: &[u8], before: &[u8]| {
            let before = red::EarlierFrame { offset: 960, payload: before.into() };
            (63, red::write(111, &[before], opus))
        };
        let (with, without) = (lossy(copies).stats(), lossy(|opus, _| (111, opus.into())).stats());
        // Until the first losses have told it, packets do not wait for those behind them.
        assert!(with.concealed <= 2 && with.counts.lost <= 2, "{with:?}");
        assert!(without.concealed >= 35 && without.counts.lost >= 35, "{without:?}");
        assert_eq!((with.counts.malformed, with.counts.discarded), (0, 0));
    }

    #[test]
    fn a_pause_of_speech_is_heard_as_the_noise_of_the_room_and_not_as_a_dropout() {
        let (start, mut random, mut encoder) = (Instant::now(), 1u32, Encoder::new().unwrap());
        encoder.set_pauses().unwrap();
        let mut receiver = AudioReceiver::new(&[AudioEncoding::Opus.payload_type()]);
        let (mut pauses, mut tone, mut sent, mut loudness) =
            (pauses::Pauses::default(), Tone::new(440.0), 0, Vec::new());
        for turn in 0..500u32 {
            // Two seconds of a tone in a room with a fan, then eight seconds of the fan alone.
            let mut frame = [0; FRAME];
            if turn < 100 {
                tone.fill(&mut frame).unwrap();
            }
            for sample in &mut frame {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *sample = sample.saturating_add((random >> 16) as i16 / 500);
            }
            let payload = encoder.encode(&frame).unwrap();
            let arrived = start + FRAME_TIME * turn;
            if pauses.frame(payload.len()) != pauses::PauseStep::LeftOut {
                receiver.insert(ReceivedRtp {
                    ssrc: 1,
                    payload_type: 111,
                    sequence: sent,
                    arrived,
                    captured: None,
                    turns: None,
                    packet: RtpPacket { timestamp: turn * 960, marker: false, payload },
                });
                sent += 1;
            }
            let heard = receiver.frame(arrived).map(|frame| {
                (frame.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / FRAME as f64).sqrt()
            });
            loudness.extend((turn >= 200).then_some(heard));
        }
        assert!(sent < 200, "{sent} of 500 packets");
        let stats = receiver.stats();
        assert!(stats.counts.lost == 0 && stats.concealed <= 2, "{stats:?}");
        let quietest = loudness.iter().map(|level| level.unwrap_or(0.0)).fold(f64::MAX, f64::min);
        assert!(quietest > 5.0, "{loudness:.0?}");
    }

    #[test]
    fn a_pause_without_an_end_and_one_that_ends_hours_later_are_noise_for_a_second() {
        for next in [None, Some(5u32), Some(i32::MAX as u32 / 960)] {
            let start = Instant::now();
            let mut receiver = AudioReceiver::new(&[AudioEncoding::Opus.payload_type()]);
            let insert = |receiver: &mut AudioReceiver, sequence: u32, frames: u32, bytes: &[u8]| {
                receiver.insert(ReceivedRtp {
                    ssrc: 1,
                    payload_type: 111,
                    sequence: sequence.into(),
                    arrived: start + FRAME_TIME * sequence,
                    captured: None,
                    turns: None,
                    packet: RtpPacket { timestamp: frames.wrapping_mul(960), marker: false, payload: bytes.into() },
                });
            };
            // The first byte of speech in wide band, 20 ms, and nothing behind it.
            (0..10).for_each(|turn| insert(&mut receiver, turn, turn, &[0x48]));
            if let Some(next) = next {
                insert(&mut receiver, 10, 10 + next, &[0x48]);
            }
            let played = (0..1_000).filter(|turn| receiver.frame(start + FRAME_TIME * *turn).is_some()).count();
            assert!((50..100).contains(&played), "{next:?}: {played} frames");
        }
    }

    #[test]
    fn packets_of_nonsense_are_counted_and_the_first_fault_is_told_once() {
        let block = |payload_type: u8, offset: u32, length: usize| {
            let [_, bytes @ ..] = (offset << 10 | length as u32).to_be_bytes();
            [&[0x80 | payload_type][..], &bytes].concat()
        };
        // Before a frame of Opus.
        let cases = [
            ([&block(111, 960, 900)[..], &[111]].concat(), RedFault::Overrun { named: 900, there: 80 }, false),
            ([&block(111, 960, 0).repeat(100)[..], &[111]].concat(), RedFault::TooMany, false),
            (vec![63], RedFault::NoCodec(63), false),
            ([&block(111, 960, 0)[..], &[111]].concat(), RedFault::Empty, true),
            ([&block(63, 960, 2)[..], &[111, 0, 0]].concat(), RedFault::NoCodec(63), true),
            ([&block(111, 7, 2)[..], &[111, 0, 0]].concat(), RedFault::NoPacket(7), true),
        ];
        for (head, fault, heard) in cases {
            let mut receiver = lossy(|opus, _| (63, [&head, opus].concat().into()));
            assert_eq!([receiver.poll_fault(), receiver.poll_fault()], [Some(fault), None]);
            let counts = receiver.stats().counts;
            assert_eq!((counts.malformed, counts.received), (160, if heard { 160 } else { 0 }), "{fault}");
        }
    }

    #[test]
    fn sound_of_a_telephone_is_heard_and_its_gaps_are_filled() {
        use crate::codec::g711::{Encoder, Law};
        let mut receiver = AudioReceiver::new(&[AudioEncoding::Pcma.payload_type()]);
        let (start, mut tone, mut encoder, mut meter) =
            (Instant::now(), Tone::new(440.0), Encoder::default(), Meter::default());
        for turn in 0..150u32 {
            let mut frame = [0; FRAME];
            tone.fill(&mut frame).unwrap();
            let [(_, payload)] = &encoder.encode(&frame, [((), Law::A)])[..] else { panic!("one law") };
            let arrived = start + FRAME_TIME * turn;
            // 160 samples of 8 kHz; the timestamps wrap on the way.
            let packet = RtpPacket {
                timestamp: u32::MAX.wrapping_sub(8_000).wrapping_add(turn * 160),
                marker: false,
                payload: payload.clone(),
            };
            if turn % 20 != 19 {
                receiver.insert(ReceivedRtp {
                    ssrc: 1,
                    payload_type: 8,
                    sequence: u64::from(turn),
                    arrived,
                    captured: None,
                    turns: None,
                    packet,
                });
            }
            let heard = receiver.frame(arrived);
            if turn >= 10 {
                meter.add(&heard.expect("no frame is missing"));
            }
        }
        let stats = receiver.stats();
        assert!((6..=9).contains(&stats.concealed), "{stats:?}");
        assert!(stats.delay < Duration::from_millis(60), "its clock is understood: {stats:?}");
        let heard = meter.take().and_then(|level| level.frequency);
        assert!(heard.is_some_and(|heard| (heard - 440.0).abs() < 5.0), "{heard:?}");
    }
}
