//! From frames to packets: encoded and packetised once for all peers that take the same encoding, as their losses demand.

use std::collections::BTreeSet;
use std::sync::Arc;

use muji_jingle::TransportId;

use crate::audio::copies::Copies;
use crate::audio::frame::{AudioFrame, FRAME, SAMPLE_RATE, mean};
use crate::audio::losses::Losses;
use crate::audio::packet::AudioPacket;
use crate::audio::pauses::{PauseStep, Pauses};
use crate::codec::encoding::{AudioEncoding, RedTakers, WantedAudio};
use crate::codec::g711::{self, Law};
use crate::codec::opus::{self, OpusFault};
use crate::codec::red::EarlierFrame;
use crate::rtp::RtpPacket;

/// What our audio is, which decides how it is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sound {
    /// Speech, sent without a break: sizes and times of packets say nothing of what is said (RFC 6562).
    #[default]
    Speech,
    /// Speech, of which pauses are not sent (DTX): fewer bits, but the network can see who speaks when.
    SpeechWithPauses,
    /// Music in stereo and full band, at 128 kbit/s, without copies for what is lost. We ourselves play it in mono.
    Music,
}

/// A frame in one encoding.
struct EncodedFrame {
    encoding: AudioEncoding,
    payload: Arc<[u8]>,
    earlier: Vec<EarlierFrame>,
    /// It is the first behind a pause of speech.
    resumed: bool,
}

/// What is sent as one stream of audio, encoded for all who get it.
pub(crate) struct AudioPacketizer {
    sound: Sound,
    opus: opus::Encoder,
    g711: g711::Encoder,
    pauses: Pauses,
    red: RedTakers,
    /// While frames are sent again with the next ones.
    copies: Option<Copies>,
    losses: Losses,
    /// What our video gets, in bits a second; `None` without video.
    video: Option<u32>,
    /// Samples so far.
    samples: u64,
    /// The next packet is the first after a pause: it has the marker bit (RFC 3551 section 4.1).
    pausing: bool,
}

impl AudioPacketizer {
    /// Nothing was sent yet.
    pub(crate) fn new(sound: Sound) -> Result<Self, OpusFault> {
        let mut opus = if sound == Sound::Music { opus::Encoder::for_music()? } else { opus::Encoder::new()? };
        if sound == Sound::SpeechWithPauses {
            opus.set_pauses()?;
        }
        let mut new = Self {
            sound,
            opus,
            g711: g711::Encoder::default(),
            pauses: Pauses::default(),
            red: RedTakers::default(),
            copies: None,
            losses: Losses::default(),
            video: None,
            samples: 0,
            pausing: true,
        };
        new.adapt()?;
        Ok(new)
    }

    /// Samples so far.
    pub(crate) fn clock(&self) -> u64 {
        self.samples
    }

    /// So many samples were captured before the next packet: who gets now the packets of one packetizer and now those of another must see
    /// one clock.
    pub(crate) fn set_clock(&mut self, samples: u64) {
        self.samples = samples;
    }

    /// So many frames were left out, as the machine was too slow or slept. Timestamps are of the moments of capture (RFC 3550 section 5.1): if
    /// they went on as if nothing had happened, all that follows would come late, and as much be left out again at the other end.
    pub(crate) fn left_out(&mut self, frames: u64) {
        self.samples += frames * FRAME as u64;
        self.pause();
    }

    /// What comes next begins again.
    fn pause(&mut self) {
        self.pausing = true;
        self.copies.iter_mut().for_each(Copies::pause);
    }

    /// 20 ms in which nothing is sent.
    pub(crate) fn pass_over(&mut self) {
        self.samples += FRAME as u64;
        self.pause();
    }

    /// Our video gets so many bits a second on the path with the fewest.
    pub(crate) fn set_video_bit_rate(&mut self, bits: u32) -> Result<(), OpusFault> {
        self.video = Some(bits);
        self.adapt()
    }

    /// The other end of a path reports that this share of our packets was lost lately, 0 to 1.
    pub(crate) fn lost(&mut self, path: TransportId, share: f32) -> Result<(), OpusFault> {
        self.losses.reported(path, share);
        self.adapt()
    }

    /// These paths are gone.
    pub(crate) fn forget_paths(&mut self, gone: impl Fn(&TransportId) -> bool) -> Result<(), OpusFault> {
        self.losses.forget(gone);
        self.adapt()
    }

    fn adapt(&mut self) -> Result<(), OpusFault> {
        if self.sound == Sound::Music {
            return Ok(()); // Opus has no copies of what is not speech, and more bits would not be heard.
        }
        let expected = self.losses.expected();
        let copied = self.red != RedTakers::Nobody
            && self.losses.known().is_some_and(|loss| opus::has_room_for_copies(self.video, loss));
        match (copied, &self.copies) {
            (true, None) => self.copies = Some(Copies::new()?),
            (false, Some(_)) => self.copies = None,
            (true, Some(_)) | (false, None) => {}
        }
        // Copies are worth more than the same bits in the frames themselves, also those of FEC; but others get those only.
        let instead = copied && self.red == RedTakers::All;
        self.opus.set_expected_loss(if instead { 0.0 } else { expected })?;
        self.opus.set_bit_rate(if instead { opus::COPIED_BITRATE } else { opus::bit_rate(self.video, expected) })
    }

    /// The packets of 20 ms, one for each encoding. Of music both channels are sent, else the first.
    pub(crate) fn packets(
        &mut self,
        frames: &[AudioFrame; 2],
        wanted: &WantedAudio,
    ) -> Result<Vec<AudioPacket>, OpusFault> {
        if self.red != wanted.red {
            self.red = wanted.red;
            self.adapt()?;
        }
        self.samples += FRAME as u64;
        let encoded = self.encode(frames, &wanted.encodings)?;
        let begins = std::mem::replace(&mut self.pausing, false);
        let packets = encoded.into_iter().map(|EncodedFrame { encoding, payload, earlier, resumed }| {
            let timestamp = self.samples * u64::from(encoding.clock_rate()) / u64::from(SAMPLE_RATE);
            let packet = RtpPacket { timestamp: timestamp as u32, marker: begins || resumed, payload };
            AudioPacket { encoding, packet, earlier, contributors: Vec::new() }
        });
        Ok(packets.collect())
    }

    /// A frame, or of music both channels, in each of these ways.
    fn encode(
        &mut self,
        frames: &[AudioFrame; 2],
        encodings: &BTreeSet<AudioEncoding>,
    ) -> Result<Vec<EncodedFrame>, OpusFault> {
        let mut encoded = Vec::with_capacity(encodings.len());
        if encodings.contains(&AudioEncoding::Opus) {
            encoded.extend(self.encode_opus(frames)?);
        }
        let laws = [(AudioEncoding::Pcmu, Law::Mu), (AudioEncoding::Pcma, Law::A)];
        let wanted = laws.into_iter().filter(|(encoding, _)| encodings.contains(encoding));
        let mono = if self.sound == Sound::Music { &mean(frames) } else { &frames[0] };
        let of_telephones = self.g711.encode(mono, wanted).into_iter();
        encoded.extend(of_telephones.map(|(encoding, payload)| EncodedFrame {
            encoding,
            payload,
            earlier: Vec::new(),
            resumed: false,
        }));
        Ok(encoded)
    }

    /// `None` in a pause of speech.
    fn encode_opus(&mut self, frames: &[AudioFrame; 2]) -> Result<Option<EncodedFrame>, OpusFault> {
        let encoding = AudioEncoding::Opus;
        if self.sound == Sound::Music {
            let payload = self.opus.encode_stereo(frames)?;
            return Ok(Some(EncodedFrame { encoding, payload, earlier: Vec::new(), resumed: false }));
        }
        let payload = self.opus.encode(&frames[0])?;
        let step = self.pauses.frame(payload.len());
        if step == PauseStep::LeftOut {
            self.copies.iter_mut().for_each(Copies::pause);
            return Ok(None);
        }
        let copies = self.copies.as_mut().map(|copies| copies.before(&frames[0])).transpose()?;
        let (earlier, resumed) = (copies.unwrap_or_default(), step == PauseStep::Resumed);
        Ok(Some(EncodedFrame { encoding, payload, earlier, resumed }))
    }
}
