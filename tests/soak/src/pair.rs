//! Hours of media between two, in virtual time: sound by real codecs between clocks that differ, and packets of pictures on a path that
//! loses some, both by real transports. No sound is made up or skipped, and each packet of pictures comes once.
//!
//! The sound begins half an hour before its timestamps wrap, as they do once in 25 hours.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use muji_harness::allocations;
use muji_harness::link::Link;
use muji_media::device::FRAME;
use muji_media::parts::codec::opus::{Encoder, payload_type};
use muji_media::parts::{AudioReceiver, Meter};
use muji_media::transport::RtpPacket;

use crate::Outcome;
use crate::growth::growth;
use crate::vitals::own_resident_kilobytes;

const FRAME_TIME: Duration = Duration::from_millis(20);

/// How fast the sender's clock is: a ten-thousandth too fast, as crystals in sound cards are off at worst.
const FAST: f64 = 1.0001;

/// Timestamps wrap after this, in seconds.
const UNTIL_WRAP: u32 = 1_800;

/// What is sent, in Hz, and how far what is heard may be from it: resampling changes it by less.
const TONE: f64 = 440.0;
const TONE_TOLERANCE: f64 = 2.0;

/// The share of the pictures' datagrams that is lost, both ways.
const LOST: f64 = 0.01;

/// Packets of a picture, and pictures a second.
const PACKETS: u32 = 3;
const PICTURES: u32 = 30;

/// A packet that has not come this long after it was sent is lost for good, in pictures: a second, many times the path and back.
const GONE: u32 = PICTURES;

/// Bytes of a packet; the last four are its number.
const LENGTH: usize = 1_000;

/// How often it is measured.
const INTERVAL: Duration = Duration::from_secs(600);

/// How much what is allocated may grow, in bytes: about a packet and what belongs to it for each interval of a few hours.
const MAX_GROWTH: i64 = 32 * 1_024;

/// What the process may take more, in kilobytes: C libraries and the allocator's own book-keeping are in it.
const MAX_RESIDENT_GROWTH: i64 = 4 * 1_024;

/// How long sound may wait: a frame until its turn, and what clocks that differ make.
const MAX_DELAY: Duration = Duration::from_millis(45);

/// Plays the given hours, and prints a table.
pub(crate) fn play(hours: u32) -> Outcome {
    println!("## {hours} hours of media between two, in virtual time\n");
    println!(
        "| minutes | delay of sound, ms | concealed | skipped | packets of pictures lost for good, twice | allocated, kB | \
         resident, kB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut pair = Pair::new();
    let (mut bytes, mut resident, mut delays) = (Vec::new(), Vec::new(), Vec::new());
    for interval in 1..=hours * 6 {
        pair.run(INTERVAL * interval);
        let (stats, allocated) = (pair.receiver.stats(), allocations::now());
        let kilobytes = own_resident_kilobytes().unwrap_or_default();
        println!(
            "| {} | {:.0} | {} | {} | {}, {} | {:.1} | {kilobytes} |",
            interval * 10,
            stats.delay.as_secs_f64() * 1_000.0,
            stats.concealed,
            stats.counts.skipped,
            pair.missing(),
            pair.twice,
            allocated.bytes as f64 / 1_024.0,
        );
        bytes.push(allocated.bytes);
        resident.push(kilobytes);
        delays.push(stats.delay);
    }
    println!();
    pair.judge(hours, [growth(&bytes), growth(&resident)], &delays)
}

struct Pair {
    begun: Instant,
    sound: Link,
    pictures: Link,
    encoder: Encoder,
    receiver: AudioReceiver,
    meter: Meter,
    /// Frames of sound sent, and frames of it played.
    sent: u32,
    played: u32,
    pictures_sent: u32,
    /// Numbers of packets of pictures that were sent and did not come yet.
    awaited: BTreeSet<u32>,
    /// Packets of pictures that came again after they had come.
    twice: u32,
    /// Seconds in which another tone was heard, or none.
    wrong: u32,
}

impl Pair {
    fn new() -> Self {
        let (sound, mut pictures) = (Link::for_audio(), Link::new());
        pictures.lose(LOST);
        Self {
            begun: sound.now(),
            sound,
            pictures,
            encoder: Encoder::new().expect("libopus makes encoders"),
            receiver: AudioReceiver::new(&[payload_type()]),
            meter: Meter::default(),
            sent: 0,
            played: 0,
            pictures_sent: 0,
            awaited: BTreeSet::new(),
            twice: 0,
            wrong: 0,
        }
    }

    /// Goes on until this time after the beginning.
    fn run(&mut self, until: Duration) {
        while FRAME_TIME * self.played < until {
            self.played += 1;
            let due = FRAME_TIME * self.played;
            while (FRAME_TIME * self.sent).div_f64(FAST) < due {
                self.send_sound();
            }
            self.sound.run((self.begun + due).duration_since(self.sound.now()));
            self.sound.received().into_iter().for_each(|received| self.receiver.insert(received));
            self.hear();
            self.show(due);
        }
        // What tests ask for and this does not.
        for link in [&mut self.sound, &mut self.pictures] {
            drop((link.lost(), link.overflowed()));
        }
    }

    fn send_sound(&mut self) {
        let at = (FRAME_TIME * self.sent).div_f64(FAST);
        self.sound.run((self.begun + at).duration_since(self.sound.now()));
        let first = u64::from(self.sent) * FRAME as u64;
        let sample = |index: usize| {
            let seconds = (first + index as u64) as f64 / 48_000.0;
            ((seconds * TONE * std::f64::consts::TAU).sin() * 8_000.0) as i16
        };
        let payload = self.encoder.encode(&std::array::from_fn(sample)).expect("a frame can be encoded");
        let begins = 0_u32.wrapping_sub(UNTIL_WRAP * 48_000);
        let timestamp = begins.wrapping_add(self.sent.wrapping_mul(FRAME as u32));
        self.sound.send(&[RtpPacket { timestamp, marker: self.sent == 0, payload }]);
        self.sent += 1;
    }

    /// A frame is played, and each second its tone is looked at.
    fn hear(&mut self) {
        let frame = self.receiver.frame(self.sound.now()).unwrap_or([0; FRAME]);
        self.meter.add(&frame);
        if let Some(level) = self.meter.take() {
            let right = level.frequency.is_some_and(|heard| (f64::from(heard) - TONE).abs() <= TONE_TOLERANCE);
            self.wrong += u32::from(!right);
        }
    }

    fn show(&mut self, due: Duration) {
        while due.as_secs_f64() * f64::from(PICTURES) > f64::from(self.pictures_sent) {
            let numbers = (self.pictures_sent * PACKETS)..((self.pictures_sent + 1) * PACKETS);
            let packets: Vec<RtpPacket> = numbers.clone().map(numbered).collect();
            self.pictures.send(&packets);
            self.awaited.extend(numbers);
            self.pictures_sent += 1;
        }
        self.pictures.run(FRAME_TIME);
        for received in self.pictures.received() {
            let is_awaited = number(&received.packet).is_some_and(|number| self.awaited.remove(&number));
            self.twice += u32::from(!is_awaited);
        }
    }

    /// Packets of pictures that did not come, though lost ones are sent again.
    fn missing(&self) -> usize {
        let sent_long_ago = self.pictures_sent.saturating_sub(GONE) * PACKETS;
        self.awaited.range(..sent_long_ago).count()
    }

    fn judge(&self, hours: u32, [bytes, resident]: [Option<i64>; 2], delays: &[Duration]) -> Outcome {
        let stats = self.receiver.stats();
        let longest = delays.iter().max().copied().unwrap_or_default();
        // The second in which it begins is not whole.
        let wrong = self.wrong.saturating_sub(1);
        let checks = [
            (bytes.is_none_or(|bytes| bytes > MAX_GROWTH), format!("{bytes:?} bytes more are allocated")),
            (resident.is_none_or(|more| more > MAX_RESIDENT_GROWTH), format!("{resident:?} kB more are resident")),
            (longest > MAX_DELAY, format!("sound waits for {longest:?}")),
            (stats.counts.skipped > 0, format!("{} packets of sound were skipped", stats.counts.skipped)),
            (stats.concealed > 0, format!("{} frames of sound were made up", stats.concealed)),
            (self.missing() > 0, format!("{} packets of pictures were lost for good", self.missing())),
            (self.twice > 0, format!("{} packets of pictures came twice", self.twice)),
            (wrong > 0, format!("in {wrong} seconds another tone was heard")),
        ];
        let faults = checks.into_iter().filter(|(failed, _)| *failed).map(|(_, what)| what).collect();
        let sentence = format!(
            "{hours} hours of media, {} of {} frames concealed, {} skipped, of {} packets of pictures {} lost for good and {} twice, sound \
             waits {} ms at most, {} bytes and {} kB resident more",
            stats.concealed,
            stats.played,
            stats.counts.skipped,
            self.pictures_sent * PACKETS,
            self.missing(),
            self.twice,
            longest.as_millis(),
            bytes.unwrap_or_default(),
            resident.unwrap_or_default(),
        );
        Outcome::Judged { faults, sentence }
    }
}

/// A packet of a picture, with its number at its end.
fn numbered(number: u32) -> RtpPacket {
    let ends_picture = (number + 1).is_multiple_of(PACKETS);
    let mut payload = vec![0; LENGTH - size_of::<u32>()];
    payload.extend(number.to_be_bytes());
    RtpPacket { timestamp: (number / PACKETS).wrapping_mul(3_000), marker: ends_picture, payload: payload.into() }
}

fn number(packet: &RtpPacket) -> Option<u32> {
    packet.payload.last_chunk().copied().map(u32::from_be_bytes)
}
