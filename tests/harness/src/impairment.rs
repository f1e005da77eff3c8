//! Network impairments on each path between two people: delay, jitter, loss of several kinds, and a limited rate. In virtual time, and
//! reproducible with the seed.

use std::time::{Duration, Instant};

use muji_simulation::seeded_random::SeededRandom;

/// Bytes that IP and UDP add to a datagram.
const HEADERS: usize = 28;

/// The longest queue in front of a narrow path; packets that would wait longer are dropped, as home routers do.
const QUEUE: Duration = Duration::from_millis(300);

/// A network of a certain kind.
#[derive(Debug, Clone, Copy)]
pub struct Impairment {
    /// What it is called.
    pub name: &'static str,
    /// Delay in one direction.
    pub delay: Duration,
    /// The most by which a packet is delayed further, drawn for each packet, so that packets overtake each other.
    pub jitter: Duration,
    /// What is lost.
    pub loss: Loss,
    /// Bits per second; `None` is unlimited.
    pub rate: Option<u32>,
}

/// How packets are lost; each share is one of all packets, from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub enum Loss {
    /// Each packet independently.
    Each(f64),
    /// This many in a row.
    Rows {
        /// Of all.
        share: f64,
        /// How many.
        length: u32,
    },
    /// Each packet independently, but only for one second of each period.
    Spikes {
        /// Of those in that second.
        share: f64,
        /// From the beginning of one to that of the next.
        every: Duration,
    },
    /// In random bursts (Gilbert and Elliott).
    Bursts {
        /// Of all.
        share: f64,
        /// Packets in a burst, in the mean.
        mean: f64,
    },
}

const fn kind(name: &'static str, delay: u64, jitter: u64, loss: Loss, rate: Option<u32>) -> Impairment {
    Impairment { name, delay: Duration::from_millis(delay), jitter: Duration::from_millis(jitter), loss, rate }
}

/// The networks over which a call must work.
pub const NETWORKS: [Impairment; 8] = [
    kind("moderate", 50, 25, Loss::Each(0.05), None),
    kind("international", 125, 50, Loss::Rows { share: 0.10, length: 3 }, None),
    kind("spiky", 30, 10, Loss::Spikes { share: 0.30, every: Duration::from_secs(10) }, None),
    kind("bursty", 50, 20, Loss::Bursts { share: 0.05, mean: 5.0 }, None),
    kind("simple", 20, 5, Loss::Each(0.10), None),
    kind("narrow", 40, 10, Loss::Each(0.0), Some(150_000)),
    kind("wifi", 10, 40, Loss::Each(0.02), None),
    kind("satellite", 300, 20, Loss::Each(0.01), None),
];

/// One path from one address to another.
#[derive(Debug, Clone)]
pub struct ImpairedPath {
    begun: Instant,
    /// Packets of the current row that are still to be lost.
    row: u32,
    /// In a burst.
    bad: bool,
    /// When the path can carry the next packet.
    free: Instant,
}

impl ImpairedPath {
    /// An idle path.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { begun: now, row: 0, bad: false, free: now }
    }

    /// How long a datagram of this size takes; `None` if it is lost.
    pub fn takes(
        &mut self,
        now: Instant,
        kind: &Impairment,
        bytes: usize,
        random: &mut SeededRandom,
    ) -> Option<Duration> {
        if self.loses(now, kind.loss, random) {
            return None;
        }
        let begins = self.free.max(now);
        if begins - now > QUEUE {
            return None;
        }
        if let Some(rate) = kind.rate {
            let bits = (bytes + HEADERS) as u64 * 8;
            self.free = begins + Duration::from_micros(bits * 1_000_000 / u64::from(rate));
        }
        Some(self.free.max(now) - now + kind.delay + random.up_to(kind.jitter))
    }

    fn loses(&mut self, now: Instant, loss: Loss, random: &mut SeededRandom) -> bool {
        match loss {
            Loss::Each(share) => random.happens(share),
            Loss::Rows { share, length } => {
                if self.row == 0 && random.happens(share / (1.0 - share) / f64::from(length)) {
                    self.row = length;
                }
                let lost = self.row > 0;
                self.row = self.row.saturating_sub(1);
                lost
            }
            Loss::Spikes { share, every } => {
                let within = (now - self.begun).as_micros() % every.as_micros();
                within < Duration::from_secs(1).as_micros() && random.happens(share)
            }
            Loss::Bursts { share, mean } => {
                let turns = if self.bad { 1.0 / mean } else { share / (1.0 - share) / mean };
                self.bad ^= random.happens(turns);
                self.bad
            }
        }
    }
}

/// A path that impairs RTP packets by their number: which of them are lost depends on that and on the seed alone, so that what differs
/// between two runs is due to the ends. Everything else takes its delay and is never lost.
pub struct RtpPath {
    kind: Impairment,
    path: ImpairedPath,
    random: SeededRandom,
}

impl RtpPath {
    /// An idle path.
    #[must_use]
    pub fn new(now: Instant, kind: Impairment, seed: u64) -> Self {
        Self { kind, path: ImpairedPath::new(now), random: SeededRandom::new(seed) }
    }

    /// How long a datagram takes; `None` if it is lost.
    pub fn takes(&mut self, now: Instant, datagram: &[u8]) -> Option<Duration> {
        if is_rtp(datagram) {
            self.path.takes(now, &self.kind, datagram.len(), &mut self.random)
        } else {
            Some(self.kind.delay)
        }
    }
}

/// RTP, and not RTCP (RFC 5761 section 4), STUN or DTLS (RFC 7983).
fn is_rtp(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, kind, ..] if !(64..=95).contains(&(kind & 0x7F)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of packets that are lost, and how long they take in the mean.
    fn measured(kind: &Impairment) -> (f64, Duration) {
        let (mut now, mut random) = (Instant::now(), SeededRandom::new(7));
        let mut path = ImpairedPath::new(now);
        let packets = 100_000u32;
        let mut took = Vec::new();
        for _ in 0..packets {
            now += Duration::from_millis(20);
            took.extend(path.takes(now, kind, 120, &mut random));
        }
        let arrived = u32::try_from(took.len()).expect("as many as were sent at most");
        (1.0 - f64::from(arrived) / f64::from(packets), took.iter().sum::<Duration>() / arrived)
    }

    #[test]
    fn each_network_loses_and_delays_as_it_says() {
        let expected = [0.05, 0.10, 0.03, 0.05, 0.10, 0.0, 0.02, 0.01];
        for (kind, share) in NETWORKS.iter().zip(expected) {
            let (lost, took) = measured(kind);
            assert!((lost - share).abs() < 0.01, "{}: {lost} instead of {share} are lost", kind.name);
            let carried =
                kind.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(148.0 * 8.0 / f64::from(rate)));
            let mean = kind.delay + kind.jitter / 2 + carried;
            assert!(took.abs_diff(mean) < Duration::from_millis(1), "{}: {took:?} instead of {mean:?}", kind.name);
        }
    }

    #[test]
    fn which_rtp_packets_are_lost_depends_on_their_number_and_nothing_else_is_lost() {
        let fates = |others: usize| -> Vec<bool> {
            let (now, rtp, rtcp) = (Instant::now(), [128, 111], [128, 200]);
            let mut path = RtpPath::new(now, NETWORKS[4], 7);
            let mut lost = Vec::new();
            for _ in 0..100 {
                (0..others).for_each(|_| assert_eq!(path.takes(now, &rtcp), Some(NETWORKS[4].delay)));
                lost.push(path.takes(now, &rtp).is_none());
            }
            lost
        };
        assert!(fates(0).contains(&true));
        assert_eq!(fates(0), fates(3));
    }

    #[test]
    fn a_narrow_way_carries_its_rate_and_drops_the_rest() {
        let narrow = NETWORKS[5];
        let (mut now, mut random) = (Instant::now(), SeededRandom::new(7));
        let mut path = ImpairedPath::new(now);
        let mut carried = 0usize;
        for _ in 0..1_000 {
            now += Duration::from_millis(10);
            carried += path.takes(now, &narrow, 1_172, &mut random).map_or(0, |_| 1_200 * 8);
        }
        // Ten seconds, and what the queue held at the end.
        assert!((1_500_000..=1_560_000).contains(&carried), "{carried} bits");
    }
}
