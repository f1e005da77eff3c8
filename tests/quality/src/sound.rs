//! Sound of ours in virtual time: one who speaks to another over an impaired path.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use cpu_time::ThreadTime;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use muji_core::{CallId, SessionId};
use muji_harness::impairment::Impairment;
use muji_harness::link::Link;
use muji_jingle::TransportId;
use muji_media::device::wav::WavSource;
use muji_media::device::{FRAME, FRAME_TIME, SAMPLE_RATE};
use muji_media::parts::codec::{AudioEncoding, RedTakers, WantedAudio, opus, red};
use muji_media::parts::{AudioPacket, AudioReceiver, AudioSender, Sound};
use muji_media::transport::RtpPacket;

use crate::material::Material;
use crate::pesq::pesq;
use crate::rows::path_delay;
use crate::{Failure, SEED, delay};

/// So often the speech is said: the first time the buffers settle, the others count.
pub(crate) const TIMES: usize = 8;

/// The listener's clock ticks so long after the speaker's.
const PHASE: Duration = Duration::from_millis(7);

/// The only path that there is.
const PATH: TransportId = TransportId { session: SessionId(1), index: 0 };

/// What was heard.
pub(crate) struct Heard {
    /// Wide band, in the mean of all times; `None` without the program that measures it.
    pub(crate) pesq: Option<f64>,
    /// From mouth to ear without that of the path, in milliseconds: median and 95 %.
    pub(crate) delay: [f64; 2],
    /// The share of frames that were made up, and of packets that never came.
    pub(crate) concealed: f64,
    pub(crate) lost: f64,
    /// Of payloads, a second.
    pub(crate) bits: f64,
    /// The share of a core that receiving takes.
    pub(crate) decoding: Option<f64>,
}

pub(crate) fn measure(material: &Material, network: &Impairment) -> Result<Heard, Failure> {
    let said = read(&material.speech)?;
    let mut call = Call::begin(&material.speech, network)?;
    let turns = said.len() * TIMES / FRAME;
    let mut heard = Vec::with_capacity(said.len() * TIMES);
    for _ in 0..turns {
        call.say()?;
        heard.extend(call.hear());
    }
    let file = material.recording("ours", network.name);
    write(&file, &heard)?;
    let delays = delay::delays(&said, &heard[said.len()..]);
    let path = path_delay(network);
    let stats = call.receiver.stats();
    let phase = PHASE.as_secs_f64() * 1_000.0;
    Ok(Heard {
        pesq: pesq(material, &file)?,
        // A frame is said before it is sent, and heard from the listener's tick on.
        delay: [0.5, 0.95].map(|share| delay::at(&delays, share) + FRAME_TIME.as_secs_f64() * 1_000.0 + phase - path),
        concealed: stats.concealed as f64 / stats.played.max(1) as f64,
        lost: 1.0 - stats.counts.received as f64 / turns as f64,
        bits: call.bytes as f64 * 8.0 / (turns as f64 * FRAME_TIME.as_secs_f64()),
        decoding: Some(call.decoding.as_secs_f64() / (turns as f64 * FRAME_TIME.as_secs_f64())),
    })
}

struct Call {
    link: Link,
    sender: AudioSender,
    receiver: AudioReceiver,
    bytes: usize,
    /// The processor's time for what is heard.
    decoding: Duration,
}

impl Call {
    fn begin(speech: &Path, network: &Impairment) -> Result<Self, Failure> {
        let mut link = Link::for_audio();
        link.impair(*network, SEED);
        let mut sender = AudioSender::new(Some(Box::new(WavSource::open(speech)?)), Sound::Speech)?;
        sender.publish(CallId(1), "audio");
        let opus = opus::payload_type();
        let receiver = AudioReceiver::new(&[red::payload_type(opus.id), opus]);
        Ok(Self { link, sender, receiver, bytes: 0, decoding: Duration::ZERO })
    }

    /// 20 ms have been said.
    fn say(&mut self) -> Result<(), Failure> {
        for share in self.link.lost() {
            self.sender.lost(PATH, share)?;
        }
        let wanted = WantedAudio { encodings: BTreeSet::from([AudioEncoding::Opus]), red: RedTakers::All };
        for AudioPacket { packet, earlier, .. } in self.sender.packets(&wanted)? {
            if earlier.is_empty() {
                self.bytes += packet.payload.len();
                self.link.send(&[packet]);
            } else {
                let opus = opus::payload_type().id;
                let payload = red::write(opus, &earlier, &packet.payload);
                self.bytes += payload.len();
                self.link.send_redundant(red::payload_type(opus).id, &RtpPacket { payload, ..packet });
            }
        }
        Ok(())
    }

    /// The next 20 ms that are heard.
    fn hear(&mut self) -> [i16; FRAME] {
        self.link.run(PHASE);
        let begun = ThreadTime::now();
        self.link.received().into_iter().for_each(|received| self.receiver.insert(received));
        let frame = self.receiver.frame(self.link.now());
        self.decoding += begun.elapsed();
        self.link.run(FRAME_TIME - PHASE);
        frame.unwrap_or([0; FRAME])
    }
}

/// The samples of a file.
pub(crate) fn read(file: &Path) -> Result<Vec<i16>, Failure> {
    Ok(WavReader::open(file)?.into_samples().collect::<Result<_, _>>()?)
}

pub(crate) fn write(file: &Path, samples: &[i16]) -> Result<(), Failure> {
    let spec = WavSpec { channels: 1, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(file, spec)?;
    samples.iter().try_for_each(|sample| writer.write_sample(*sample))?;
    Ok(writer.finalize()?)
}
