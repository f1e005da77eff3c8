//! The audio of a call: ours to packets, everybody's to one mix.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muji_core::media::{Audibility, Prompt};
use muji_core::{CallId, SessionId};
use muji_jingle::TransportId;
use muji_xep::dtmf::Digit;
use muji_xep::rtp::PayloadType;

use super::observer::Observer;
use crate::audio::bridge::AudioBridge;
use crate::audio::digits::DigitListener;
use crate::audio::frame::{AudioFrame, FRAME, Sum};
use crate::audio::guests::GuestLevels;
use crate::audio::limiter::Limiter;
use crate::audio::meter::{Loudness, Meter};
use crate::audio::packet::AudioPacket;
use crate::audio::receiver::{AudioReceiver, PlayoutClock};
use crate::audio::sender::{AudioSender, Sound};
use crate::audio::speech::{Speech, SpeechMeter};
use crate::codec::encoding::WantedAudio;
use crate::codec::opus::OpusFault;
use crate::device::{AudioSink, AudioSource, DeviceError};
use crate::record::{RecordItem, Recordings};
use crate::rtp::{ReceivedRtp, StreamId};
use crate::stats::{AudioStats, Observation, RedFault};
use crate::transport::Contributor;

/// A second, in frames.
const FRAMES_PER_SECOND: u64 = 50;

/// How often video is told which moment of the audio is played: five times a second, so that it follows the jitter buffer.
const FRAMES_PER_CLOCK: u64 = 10;

/// The first sample above this (-50 dBFS) counts as sound.
const FIRST_SOUND: u16 = 100;

/// Publisher, receivers, mixer, bridge and sink.
pub(super) struct Audio {
    sender: AudioSender,
    bridge: AudioBridge,
    /// How we speak into calls that are joined.
    our_speech: SpeechMeter,
    limiter: Limiter,
    streams: BTreeMap<StreamId, AudioStream>,
    sink: Option<Box<dyn AudioSink>>,
    recordings: Option<Recordings>,
    observer: Observer,
    /// Sent so far, to each peer.
    packets: u64,
    bytes: u64,
    /// The machine is too slow for more than what has to be computed.
    thrifty: bool,
}

impl Audio {
    pub(super) fn new(
        source: Option<Box<dyn AudioSource>>,
        sound: Sound,
        sink: Option<Box<dyn AudioSink>>,
        recordings: Option<Recordings>,
        observer: Observer,
    ) -> Result<Self, OpusFault> {
        let sender = AudioSender::new(source, sound)?;
        Ok(Self {
            sender,
            bridge: AudioBridge::default(),
            our_speech: SpeechMeter::default(),
            limiter: Limiter::default(),
            streams: BTreeMap::new(),
            sink,
            recordings,
            observer,
            packets: 0,
            bytes: 0,
            thrifty: false,
        })
    }

    /// A call publishes our audio.
    pub(super) fn publish(&mut self, call: CallId, publication: &str) {
        self.sender.publish(call, publication);
    }

    /// A call does not any more, or we are muted.
    pub(super) fn unpublish(&mut self, call: CallId, publication: &str) {
        self.sender.unpublish(call, publication);
    }

    /// Our video gets so many bits a second.
    pub(super) fn set_video_bit_rate(&mut self, bits: u32) -> Result<(), DeviceError> {
        self.bridge.set_video_bit_rate(bits).map_err(refused)?;
        self.sender.set_video_bit_rate(bits).map_err(refused)
    }

    /// This share of our audio was lost lately on a path.
    pub(super) fn lost(&mut self, path: TransportId, share: f32) -> Result<(), DeviceError> {
        if let Some((_, stream)) = self.streams.iter().find(|((session, _), _)| *session == path.session) {
            self.bridge.lost(stream.call, path, share).map_err(refused)?;
        }
        self.sender.lost(path, share).map_err(refused)
    }

    /// These paths are gone.
    pub(super) fn forget_paths(&mut self, gone: impl Fn(&TransportId) -> bool) -> Result<(), DeviceError> {
        self.bridge.forget_paths(&gone).map_err(refused)?;
        self.sender.forget_paths(gone).map_err(refused)
    }

    /// From now on these calls are joined, and no others.
    pub(super) fn set_bridge(&mut self, calls: &BTreeMap<CallId, Audibility>) {
        self.bridge.set_calls(calls);
    }

    /// Plays a prompt in a call.
    pub(super) fn prompt(&mut self, call: CallId, prompt: Prompt) {
        self.bridge.play(call, prompt);
    }

    /// True if calls are joined: what is sent then is what has just come.
    pub(super) fn is_bridge(&self) -> bool {
        !self.bridge.is_empty()
    }

    /// True if what is sent in this call is what the bridge makes.
    pub(super) fn bridges(&self, call: CallId) -> bool {
        self.bridge.contains(call)
    }

    /// A participant of a call may send audio from now on.
    pub(super) fn open(&mut self, call: CallId, id: StreamId, payload_types: Vec<PayloadType>) {
        let mut stream = AudioStream::new(call, payload_types);
        stream.receiver.set_thrifty(self.thrifty);
        self.streams.insert(id, stream);
    }

    /// From now on no more is computed than has to be, or all that helps.
    pub(super) fn set_thrifty(&mut self, thrifty: bool) {
        if self.thrifty != thrifty {
            self.thrifty = thrifty;
            self.streams.values_mut().for_each(|stream| stream.receiver.set_thrifty(thrifty));
        }
    }

    /// These streams have ended.
    pub(super) fn close(&mut self, gone: impl Fn(&StreamId) -> bool) {
        self.streams.retain(|id, _| !gone(id));
    }

    /// The encodings of a stream; `None` if it is not one of audio.
    pub(super) fn payload_types(&self, id: &StreamId) -> Option<&[PayloadType]> {
        self.streams.get(id).map(|stream| stream.payload_types.as_slice())
    }

    /// A packet of a participant.
    pub(super) fn receive(&mut self, id: &StreamId, received: ReceivedRtp) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.receiver.insert(received);
        }
    }

    /// The key of a telephone that a packet begins.
    pub(super) fn digit(&mut self, id: &StreamId, received: &ReceivedRtp) -> Option<Digit> {
        self.streams.get_mut(id)?.digits.packet(received)
    }

    /// True if there is nothing to capture and nothing to play.
    pub(super) fn is_idle(&self) -> bool {
        self.streams.is_empty() && !self.sender.is_on() && self.bridge.is_empty()
    }

    /// Lets the loudspeaker go if nobody can be heard.
    pub(super) fn release_unused(&mut self) {
        if self.streams.is_empty()
            && let Some(sink) = &mut self.sink
        {
            sink.release();
        }
    }

    /// Names the participant of a session in the recordings.
    pub(super) fn name(&self, session: SessionId, name: &str) -> Result<(), DeviceError> {
        self.recordings.as_ref().map_or(Ok(()), |it| it.recorder.give(RecordItem::Name(session, name.to_owned())))
    }

    /// Captures the next 20 ms, and encodes them in each of these ways; nothing while nothing is published.
    pub(super) fn capture(&mut self, wanted: &WantedAudio) -> Result<Vec<AudioPacket>, DeviceError> {
        let packets = self.sender.packets(wanted)?;
        if let Some(AudioPacket { packet, earlier, .. }) = packets.first() {
            self.packets += 1;
            self.bytes += (packet.payload.len() + earlier.iter().map(|copy| copy.payload.len()).sum::<usize>()) as u64;
            if self.packets.is_multiple_of(FRAMES_PER_SECOND) {
                self.observer.send(Observation::Sent { bytes: self.bytes });
            }
        }
        Ok(packets)
    }

    /// What is sent in the calls that are joined: what was played last, and captured last.
    pub(super) fn bridged(
        &mut self,
        wanted: impl Fn(&BTreeSet<CallId>) -> WantedAudio,
    ) -> Result<Vec<(CallId, AudioPacket)>, DeviceError> {
        if self.bridge.is_empty() {
            return Ok(Vec::new());
        }
        self.our_speech.add(self.sender.captured().unwrap_or(&[0; FRAME]));
        let publishing = self.sender.publications().map(|(call, _)| *call).collect();
        self.bridge.packets(self.sender.clock(), self.sender.captured(), &publishing, wanted).map_err(refused)
    }

    /// So many frames were left out, as it was too late for them.
    pub(super) fn left_out(&mut self, frames: u64) {
        self.sender.left_out(frames);
    }

    /// The calls and names under which our audio is sent.
    pub(super) fn publications(&self) -> impl Iterator<Item = &(CallId, String)> {
        self.sender.publications()
    }

    /// Plays 20 ms of everybody, and records them. `round_trip` knows the paths of sessions. Gives what does not work.
    pub(super) fn play(
        &mut self,
        now: Instant,
        round_trip: impl Fn(SessionId) -> Option<Duration>,
    ) -> Vec<DeviceError> {
        let mut sum = Sum::ZERO;
        let mut troubles = Vec::new();
        for ((session, _), stream) in &mut self.streams {
            let frame = stream.receiver.frame(now);
            stream.observe(now, *session, frame.as_ref(), || round_trip(*session), &self.observer);
            if let Some(frame) = &frame {
                sum.add(frame);
                self.bridge.hear(stream.call, frame);
            }
            let frame = frame.unwrap_or([0; FRAME]);
            if self.bridge.contains(stream.call) {
                stream.speech.add(&frame);
            }
            if let Some(recordings) = &self.recordings {
                troubles.extend(recordings.recorder.give(RecordItem::Audio(*session, now, frame)).err());
            }
        }
        if !self.streams.is_empty() {
            let mix = self.limiter.limit(&sum);
            troubles.extend(self.play_mix(now, &mix));
        }
        let notices = [self.sender.poll_notice(), self.sink.as_mut().and_then(|sink| sink.poll_notice())];
        troubles.extend(notices.into_iter().flatten());
        troubles
    }

    /// These are heard in what comes next of a content.
    pub(super) fn contributed(&mut self, of: &StreamId, contributors: &[Contributor]) {
        self.streams.get_mut(of).into_iter().for_each(|stream| stream.guests.add(contributors));
    }

    /// How somebody spoke in the last second in a call that is joined; `None` stands for us.
    pub(super) fn speech(&self, of: Option<SessionId>) -> Speech {
        let Some(of) = of else { return self.our_speech.speech() };
        let stream = self.streams.iter().find(|((session, _), _)| *session == of);
        stream.map_or_else(Speech::default, |(_, stream)| stream.speech.speech())
    }

    /// Why a participant cannot be heard, once.
    pub(super) fn poll_trouble(&mut self) -> Option<OpusFault> {
        self.streams.values_mut().find_map(|stream| stream.receiver.poll_trouble())
    }

    fn play_mix(&mut self, now: Instant, mix: &AudioFrame) -> Vec<DeviceError> {
        let mut troubles = Vec::new();
        if let Some(recordings) = &self.recordings {
            troubles.extend(recordings.recorder.give(RecordItem::Mix(now, *mix)).err());
            troubles.extend(recordings.trouble());
        }
        if let Some(Err(trouble)) = self.sink.as_mut().map(|sink| sink.put(mix)) {
            self.sink = None;
            troubles.push(trouble);
        }
        troubles
    }

    /// Pictures of a participant are shown so much later than their sound is played.
    pub(super) fn pictures_behind(&mut self, session: SessionId, behind: Duration) {
        let of_session = self.streams.iter_mut().filter(|((of, _), _)| *of == session);
        of_session.for_each(|(_, stream)| stream.receiver.pictures_behind(behind));
    }

    /// Which moment of each participant's audio is played now, of those whose turn it is.
    pub(super) fn playout_clocks(&mut self) -> impl Iterator<Item = (SessionId, PlayoutClock)> {
        self.streams.iter_mut().filter_map(|((session, _), stream)| {
            stream.frames += 1;
            let clock = stream.receiver.clock().filter(|_| stream.frames.is_multiple_of(FRAMES_PER_CLOCK))?;
            Some((*session, clock))
        })
    }
}

/// The encoder goes on as before.
fn refused(why: OpusFault) -> DeviceError {
    DeviceError(why.to_string())
}

/// One content of a session, as it is heard.
struct AudioStream {
    call: CallId,
    payload_types: Vec<PayloadType>,
    receiver: AudioReceiver,
    digits: DigitListener,
    meter: Meter,
    loudness: Loudness,
    speech: SpeechMeter,
    guests: GuestLevels,
    /// Frames played.
    frames: u64,
    /// There was sound in it.
    sounded: bool,
    /// When first, as long as it is still to be told.
    first_sound: Option<Instant>,
    /// What is still to be told of its packets.
    fault: Option<RedFault>,
}

impl AudioStream {
    fn new(call: CallId, payload_types: Vec<PayloadType>) -> Self {
        Self {
            call,
            receiver: AudioReceiver::new(&payload_types),
            digits: DigitListener::default(),
            payload_types,
            meter: Meter::default(),
            loudness: Loudness::default(),
            speech: SpeechMeter::default(),
            guests: GuestLevels::default(),
            frames: 0,
            sounded: false,
            first_sound: None,
            fault: None,
        }
    }

    fn observe(
        &mut self,
        at: Instant,
        session: SessionId,
        frame: Option<&AudioFrame>,
        round_trip: impl FnOnce() -> Option<Duration>,
        observer: &Observer,
    ) {
        if observer.is_gone() {
            return; // Measuring tones costs more than decoding them.
        }
        let silence = [0; FRAME];
        self.meter.add(frame.unwrap_or(&silence));
        self.loudness.add(frame.unwrap_or(&silence));
        if !self.sounded && frame.is_some_and(|frame| frame.iter().any(|it| it.unsigned_abs() > FIRST_SOUND)) {
            self.sounded = true;
            self.first_sound = Some(at);
        }
        // There is no other: a program that misses it gets it with the next frame.
        self.first_sound = self.first_sound.filter(|at| !observer.send(Observation::FirstSound { session, at: *at }));
        // Like the first sound it is told once, and to a program that missed it with the next frame.
        let fault = self.fault.or_else(|| self.receiver.poll_fault());
        self.fault = fault.filter(|why| !observer.send(Observation::MalformedAudio { session, why: *why }));
        if let Some(level) = self.loudness.take() {
            observer.send(Observation::Loudness { session, level });
        }
        self.guests.frame(|levels| observer.send(Observation::Guests { session, levels }));
        if let Some(level) = self.meter.take() {
            let stats = AudioStats { round_trip: round_trip(), ..self.receiver.stats() };
            observer.send(Observation::Audio { session, level, stats });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::frame::FRAME_TIME;

    #[test]
    fn a_first_sound_that_a_slow_program_could_not_take_is_told_with_the_next_frame_and_once() {
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        let (observer, mut stream) = (Observer::new(tell), AudioStream::new(CallId(1), Vec::new()));
        let first = Instant::now();
        let mut hear = |at, sample| stream.observe(at, SessionId(1), Some(&[sample; FRAME]), || None, &observer);
        assert!(observer.send(Observation::Sent { bytes: 1 }), "there was room for one");
        hear(first, 1_000);
        assert!(matches!(told.try_recv(), Ok(Observation::Sent { .. })));
        hear(first + FRAME_TIME, 0);
        assert!(matches!(told.try_recv(), Ok(Observation::FirstSound { at, .. }) if at == first));
        hear(first + 2 * FRAME_TIME, 1_000);
        assert!(told.try_recv().is_err(), "it was told");
    }
}
