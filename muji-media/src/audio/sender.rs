//! From an audio source to packets: captured once, for all calls that publish it.

use std::collections::BTreeSet;

use muji_core::CallId;
use muji_jingle::TransportId;

use crate::audio::frame::{AudioFrame, FRAME, mean};
use crate::audio::packet::AudioPacket;
use crate::audio::packetizer::AudioPacketizer;
pub use crate::audio::packetizer::Sound;
use crate::codec::encoding::WantedAudio;
use crate::codec::opus::OpusFault;
use crate::device::{AudioSource, DeviceError};

/// Our audio, and the calls that publish it.
pub struct AudioSender {
    source: Option<Box<dyn AudioSource>>,
    sound: Sound,
    packetizer: AudioPacketizer,
    publications: BTreeSet<(CallId, String)>,
    /// The last frame, in one channel; `None` if nothing was captured.
    captured: Option<AudioFrame>,
}

impl AudioSender {
    /// Nothing is captured yet. Without a source nothing is sent.
    ///
    /// # Errors
    /// If there is no memory for an encoder.
    pub fn new(source: Option<Box<dyn AudioSource>>, sound: Sound) -> Result<Self, OpusFault> {
        let packetizer = AudioPacketizer::new(sound)?;
        Ok(Self { source, sound, packetizer, publications: BTreeSet::new(), captured: None })
    }

    /// A call publishes our audio.
    pub fn publish(&mut self, call: CallId, publication: &str) {
        self.publications.insert((call, publication.to_owned()));
    }

    /// A call no longer publishes it, or we are muted.
    pub fn unpublish(&mut self, call: CallId, publication: &str) {
        self.publications.remove(&(call, publication.to_owned()));
        if self.publications.is_empty()
            && let Some(source) = &mut self.source
        {
            source.release();
        }
    }

    /// So many frames were left out, as the machine was too slow or slept.
    pub(crate) fn left_out(&mut self, frames: u64) {
        self.packetizer.left_out(frames);
    }

    /// True if there is something to capture.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.source.is_some() && !self.publications.is_empty()
    }

    /// What happened to the source meanwhile.
    pub fn poll_notice(&mut self) -> Option<DeviceError> {
        self.source.as_mut().and_then(|source| source.poll_notice())
    }

    /// Our video gets so many bits a second on the path with the fewest.
    ///
    /// # Errors
    /// If the codec refuses; it goes on as before.
    pub fn set_video_bit_rate(&mut self, bits: u32) -> Result<(), OpusFault> {
        self.packetizer.set_video_bit_rate(bits)
    }

    /// The other end of a path reports that this share of our packets was lost lately, 0 to 1.
    ///
    /// # Errors
    /// If the codec refuses; it goes on as before.
    pub fn lost(&mut self, path: TransportId, share: f32) -> Result<(), OpusFault> {
        self.packetizer.lost(path, share)
    }

    /// These paths are gone.
    ///
    /// # Errors
    /// If the codec refuses; it goes on as before.
    pub fn forget_paths(&mut self, gone: impl Fn(&TransportId) -> bool) -> Result<(), OpusFault> {
        self.packetizer.forget_paths(gone)
    }

    /// The calls and names under which the next packet is sent.
    pub fn publications(&self) -> impl Iterator<Item = &(CallId, String)> {
        self.publications.iter()
    }

    /// The samples that were captured, or passed over, so far.
    pub(crate) fn clock(&self) -> u64 {
        self.packetizer.clock()
    }

    /// What was captured last, in one channel; `None` if nothing was.
    pub(crate) fn captured(&self) -> Option<&AudioFrame> {
        self.captured.as_ref()
    }

    /// The packets of the next 20 ms, one for each encoding; none while nothing is captured.
    ///
    /// # Errors
    /// If the source ends, or encoding fails; the source is then not asked again.
    pub fn packets(&mut self, wanted: &WantedAudio) -> Result<Vec<AudioPacket>, DeviceError> {
        self.captured = None;
        let on = self.is_on();
        let Some(source) = self.source.as_mut().filter(|_| on) else {
            self.packetizer.pass_over();
            return Ok(Vec::new());
        };
        let mut frames = [[0; FRAME]; 2];
        let [left, right] = &mut frames;
        let music = self.sound == Sound::Music;
        let filled = if music { source.fill_stereo(left, right) } else { source.fill(left) };
        let packets = filled.and_then(|()| self.packetizer.packets(&frames, wanted).map_err(failed));
        if packets.is_err() {
            self.source = None;
        }
        self.captured = Some(if music { mean(&frames) } else { frames[0] });
        packets
    }
}

fn failed(why: OpusFault) -> DeviceError {
    DeviceError(why.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use muji_core::SessionId;

    use super::*;
    use crate::codec::encoding::{AudioEncoding, RedTakers};
    use crate::rtp::RtpPacket;

    /// The Opus packet of the next 20 ms.
    fn packet(sender: &mut AudioSender) -> Result<Option<RtpPacket>, DeviceError> {
        Ok(packets_for(sender, RedTakers::Nobody)?.map(|packet| packet.packet))
    }

    /// The same, with copies for those who take them.
    fn packets_for(sender: &mut AudioSender, red: RedTakers) -> Result<Option<AudioPacket>, DeviceError> {
        let packets = sender.packets(&WantedAudio { encodings: BTreeSet::from([AudioEncoding::Opus]), red })?;
        Ok(packets.into_iter().next())
    }

    /// Counts what is captured, and ends after three frames.
    struct Counted(Arc<AtomicUsize>);

    impl AudioSource for Counted {
        fn fill(&mut self, _: &mut AudioFrame) -> Result<(), DeviceError> {
            if self.0.fetch_add(1, Ordering::Relaxed) == 3 { Err(DeviceError("it ended".to_owned())) } else { Ok(()) }
        }
    }

    #[test]
    fn nothing_is_captured_unless_a_call_publishes_it() {
        let captured = Arc::new(AtomicUsize::new(0));
        let mut sender = AudioSender::new(Some(Box::new(Counted(captured.clone()))), Sound::Speech).unwrap();
        assert_eq!(packet(&mut sender), Ok(None));
        assert_eq!(captured.load(Ordering::Relaxed), 0);
        sender.publish(CallId(1), "audio");
        let first = packet(&mut sender).unwrap().expect("a packet");
        let second = packet(&mut sender).unwrap().expect("a packet");
        assert_eq!((first.marker, second.marker), (true, false));
        assert_eq!(second.timestamp - first.timestamp, 960);
        sender.unpublish(CallId(1), "audio");
        assert_eq!(packet(&mut sender), Ok(None));
        assert_eq!(captured.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_was_left_out_is_left_out_of_the_timestamps_too() {
        let endless = Counted(Arc::new(AtomicUsize::new(4)));
        let mut sender = AudioSender::new(Some(Box::new(endless)), Sound::Speech).unwrap();
        sender.publish(CallId(1), "audio");
        let before = packet(&mut sender).unwrap().expect("a packet");
        sender.left_out(12);
        let after = packet(&mut sender).unwrap().expect("a packet");
        assert_eq!((after.timestamp - before.timestamp, after.marker), (13 * 960, true));
    }

    #[test]
    fn audio_takes_less_where_video_hardly_fits_and_more_where_much_is_lost_and_the_path_is_wide() {
        let endless = Counted(Arc::new(AtomicUsize::new(4)));
        let mut sender = AudioSender::new(Some(Box::new(endless)), Sound::Speech).unwrap();
        sender.publish(CallId(1), "audio");
        let path = TransportId { session: SessionId(1), index: 0 };
        sender.lost(path, 0.0).unwrap();
        let bytes =
            [(600_000, 0.0), (90_000, 0.0), (600_000, 0.0), (600_000, 0.05), (200_000, 0.05)].map(|(video, loss)| {
                sender.lost(path, loss).unwrap();
                sender.set_video_bit_rate(video).unwrap();
                packet(&mut sender).unwrap().expect("a packet").payload.len()
            });
        assert_eq!(bytes, [80, 50, 80, 120, 80], "bytes of 20 ms");
    }

    #[test]
    fn copies_are_made_while_losses_are_reported_and_there_is_room_and_somebody_takes_them() {
        let endless = Counted(Arc::new(AtomicUsize::new(4)));
        let mut sender = AudioSender::new(Some(Box::new(endless)), Sound::Speech).unwrap();
        sender.publish(CallId(1), "audio");
        let path = TransportId { session: SessionId(1), index: 0 };
        let bytes = |sender: &mut AudioSender, red: RedTakers| {
            packets_for(sender, red).unwrap();
            let AudioPacket { packet, earlier, .. } = packets_for(sender, red).unwrap().expect("a packet");
            (packet.payload.len(), earlier.iter().map(|copy| copy.payload.len()).sum::<usize>())
        };
        assert_eq!(bytes(&mut sender, RedTakers::All), (80, 0), "nothing is reported");
        sender.lost(path, 0.01).unwrap();
        assert_eq!(bytes(&mut sender, RedTakers::All), (80, 0), "little is lost");
        sender.lost(path, 0.05).unwrap();
        assert_eq!(bytes(&mut sender, RedTakers::All), (72, 36), "45.2 kbit/s with what names the copy");
        assert_eq!(bytes(&mut sender, RedTakers::Nobody), (80, 0));
        sender.set_video_bit_rate(400_000).unwrap();
        assert_eq!(bytes(&mut sender, RedTakers::All), (80, 0), "the path is narrow");
        sender.set_video_bit_rate(600_000).unwrap();
        assert_eq!(bytes(&mut sender, RedTakers::All), (72, 36));
        assert_eq!(bytes(&mut sender, RedTakers::Some), (120, 36), "others have what they had before");
        assert_eq!(bytes(&mut sender, RedTakers::Nobody), (120, 0));
    }

    /// A source that says something for a second and then nothing, in two channels that differ.
    struct Sparse(u32);

    impl AudioSource for Sparse {
        fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
            self.0 += 1;
            let tone = |number: usize| ((number as f32 * 0.06).sin() * 8_000.0) as i16;
            *frame = std::array::from_fn(|number| if self.0 <= 50 { tone(number) } else { 0 });
            Ok(())
        }

        fn fill_stereo(&mut self, left: &mut AudioFrame, right: &mut AudioFrame) -> Result<(), DeviceError> {
            *right = [0; FRAME];
            self.fill(left)
        }
    }

    fn sender_of(sound: Sound) -> AudioSender {
        let mut sender = AudioSender::new(Some(Box::new(Sparse(0))), sound).unwrap();
        sender.publish(CallId(1), "audio");
        sender
    }

    #[test]
    fn pauses_of_speech_are_left_out_only_if_that_is_asked_for() {
        let sent = [Sound::Speech, Sound::SpeechWithPauses].map(|sound| {
            let mut sender = sender_of(sound);
            (0..250).filter(|_| packet(&mut sender).unwrap().is_some()).count()
        });
        assert!(sent[0] == 250 && (60..120).contains(&sent[1]), "{sent:?} packets in five seconds");
    }

    #[test]
    fn music_is_sent_in_stereo_at_its_bit_rate_whatever_is_lost() {
        let mut sender = sender_of(Sound::Music);
        sender.lost(TransportId { session: SessionId(1), index: 0 }, 0.1).unwrap();
        let packets = (0..20).map(|_| packets_for(&mut sender, RedTakers::All).unwrap().expect("a packet"));
        for AudioPacket { packet, earlier, .. } in packets {
            // The bit of the first byte that says stereo (RFC 6716 section 3.1).
            assert_eq!((packet.payload.len(), packet.payload[0] & 4, earlier.len()), (320, 4, 0));
        }
    }

    #[test]
    fn a_source_that_ends_is_told_once_and_not_asked_again() {
        let captured = Arc::new(AtomicUsize::new(0));
        let mut sender = AudioSender::new(Some(Box::new(Counted(captured.clone()))), Sound::Speech).unwrap();
        sender.publish(CallId(1), "audio");
        let told = (0..6).filter(|_| packet(&mut sender).is_err()).count();
        assert_eq!((told, captured.load(Ordering::Relaxed)), (1, 4));
    }

    #[test]
    fn a_frame_is_captured_once_and_encoded_once_for_each_encoding_that_is_wanted() {
        let captured = Arc::new(AtomicUsize::new(0));
        let mut sender = AudioSender::new(Some(Box::new(Counted(captured.clone()))), Sound::Speech).unwrap();
        sender.publish(CallId(1), "audio");
        let all = WantedAudio { encodings: BTreeSet::from(AudioEncoding::ALL), ..WantedAudio::default() };
        let sent = [&all, &all, &WantedAudio::default()].map(|wanted| {
            let packets = sender.packets(wanted).unwrap().into_iter();
            let sent = packets.map(|sent| (sent.encoding, sent.packet.timestamp, sent.packet.payload.len()));
            sent.collect::<Vec<_>>()
        });
        let expected = |samples: u32| {
            let telephone = |encoding| (encoding, samples / 6, 160);
            vec![(AudioEncoding::Opus, samples, 80), telephone(AudioEncoding::Pcmu), telephone(AudioEncoding::Pcma)]
        };
        assert_eq!(sent, [expected(960), expected(1_920), Vec::new()]);
        assert_eq!(captured.load(Ordering::Relaxed), 3);
    }
}
