//! How much a peer may send, which it is told by REMB (draft-alvestrand-rmcat-remb-03) once a second: one that gets no transport-wide feedback
//! from us, what its path carries; one whose video is passed on, no more than those can take who get it. Dino follows nothing else.

use std::time::{Duration, Instant};

use crate::bandwidth::{DESIRED, INITIAL, LEAST, LITTLE, MORE, TOO_MUCH};

/// Between two REMB messages.
const INTERVAL: Duration = Duration::from_secs(1);

/// A peer is allowed at most so many times what it sent: nothing is known of rates that were never tried.
const UNTRIED: f32 = 2.0;

/// What a peer is allowed that measures its path itself (TWCC), once no bound of ours holds for it any more: the last REMB goes on to hold
/// at the peer, so one that says nothing must follow. Nobody sends more.
const UNBOUNDED: f32 = 20_000_000.0;

/// What was received of one stream, and how much is allowed.
#[derive(Debug, Default)]
pub(super) struct ReceiveRateLimit {
    /// The peer gets transport-wide feedback too: only the bound below is told.
    is_counted: bool,
    /// Those who get what it sends cannot take more, in bits a second.
    most: Option<u32>,
    /// In bits a second, once it was sent.
    allowed: Option<f32>,
    /// When the counted second began.
    begun: Option<Instant>,
    /// The SSRC of the stream.
    ssrc: u32,
    bytes: usize,
    packets: u64,
    /// The sequence numbers of the counted second: the first of it, and the first behind it.
    from: u64,
    to: u64,
}

impl ReceiveRateLimit {
    /// For a peer that gets transport-wide feedback.
    pub(super) fn counted() -> Self {
        Self { is_counted: true, ..Self::default() }
    }

    /// From now on those who get what it sends cannot take more than that, in bits a second.
    pub(super) fn set_most(&mut self, most: Option<u32>) {
        self.most = most;
    }

    /// A packet came.
    pub(super) fn packet(&mut self, now: Instant, ssrc: u32, sequence: u64, bytes: usize) {
        self.ssrc = ssrc;
        if self.begun.is_none() {
            self.begun = Some(now);
            self.from = sequence;
        }
        self.bytes += bytes;
        self.packets += 1;
        self.to = self.to.max(sequence + 1);
    }

    /// When the next REMB is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.begun.map(|begun| begun + INTERVAL)
    }

    /// The REMB to send now: the SSRC, and bits a second.
    pub(super) fn take(&mut self, now: Instant) -> Option<(u32, u32)> {
        let begun = self.begun.filter(|begun| *begun + INTERVAL <= now)?;
        let expected = self.to.saturating_sub(self.from);
        let lost = expected.saturating_sub(self.packets) as f32 / expected.max(1) as f32;
        let came = self.bytes as f32 * 8.0 / now.duration_since(begun).as_secs_f32();
        let before = self.allowed.unwrap_or(INITIAL as f32);
        let bits = if lost > TOO_MUCH {
            before.min(came) * (1.0 - lost / 2.0)
        } else if lost < LITTLE {
            (before * MORE).min((came * UNTRIED).max(before))
        } else {
            before
        };
        let allowed = bits.clamp(LEAST as f32, DESIRED as f32);
        let told = if self.is_counted { UNBOUNDED } else { allowed };
        let told = self.most.map_or(told, |most| told.min(most as f32));
        // A peer that sends nothing is not sent a REMB until something comes.
        let begun = (self.packets > 0).then_some(now);
        let Self { is_counted, most, ssrc, .. } = *self;
        let (allowed, from, to) = (Some(allowed), self.to, self.to);
        *self = Self { is_counted, most, allowed, begun, ssrc, from, to, ..Self::default() };
        begun.map(|_| (ssrc, told as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told in each of so many seconds, in kbit/s, to a peer that sends 100 packets of so many bytes in each, of which some are
    /// lost.
    fn advertised(
        receive_rate_limit: &mut ReceiveRateLimit,
        now: &mut Instant,
        seconds: u64,
        bytes: usize,
        lost: u64,
    ) -> Vec<u32> {
        let second = |_| {
            let first = receive_rate_limit.to;
            let came = (0..100).filter(|number| *number >= lost || *number == 0);
            came.for_each(|number| receive_rate_limit.packet(*now, 1, first + number, bytes));
            *now += INTERVAL;
            let (ssrc, bits) = receive_rate_limit.take(*now).expect("it is due");
            assert_eq!(ssrc, 1);
            bits / 1_000
        };
        (0..seconds).map(second).collect()
    }

    #[test]
    fn a_path_without_losses_is_allowed_a_little_more_each_second_but_not_far_more_than_is_sent() {
        let (mut receive_rate_limit, mut now) = (ReceiveRateLimit::default(), Instant::now());
        assert_eq!(receive_rate_limit.take(now), None, "nothing came yet");
        assert_eq!(advertised(&mut receive_rate_limit, &mut now, 3, 625, 0), [648, 699, 755]);
        let later = advertised(&mut receive_rate_limit, &mut now, 20, 625, 0);
        assert_eq!(later.last(), Some(&1_000), "twice the 500 that come");
        assert_eq!(advertised(&mut receive_rate_limit, &mut now, 20, 5_000, 0).last(), Some(&1_500));
    }

    #[test]
    fn a_path_that_loses_is_allowed_less_than_comes_and_one_that_loses_a_little_as_before() {
        let (mut receive_rate_limit, mut now) = (ReceiveRateLimit::default(), Instant::now());
        assert_eq!(advertised(&mut receive_rate_limit, &mut now, 2, 625, 5), [600, 600]);
        assert_eq!(advertised(&mut receive_rate_limit, &mut now, 2, 625, 40), [245, 197]);
        assert_eq!(advertised(&mut receive_rate_limit, &mut now, 2, 10, 90), [50, 50], "not less than can be of use");
    }

    #[test]
    fn a_peer_whose_video_is_passed_on_is_allowed_no_more_than_its_viewers_can_take() {
        let (mut receive_rate_limit, mut now) = (ReceiveRateLimit::default(), Instant::now());
        receive_rate_limit.set_most(Some(300_000));
        assert_eq!(advertised(&mut receive_rate_limit, &mut now, 2, 625, 0), [300, 300]);
        receive_rate_limit.set_most(None);
        assert_eq!(advertised(&mut receive_rate_limit, &mut now, 1, 625, 0), [755], "what was measured meanwhile");
        let (mut counted, mut now) = (ReceiveRateLimit::counted(), Instant::now());
        counted.set_most(Some(300_000));
        assert_eq!(advertised(&mut counted, &mut now, 1, 625, 40), [300], "its own measurement says the rest");
        counted.set_most(None);
        assert_eq!(advertised(&mut counted, &mut now, 1, 625, 0), [20_000]);
    }

    #[test]
    fn who_sends_nothing_is_told_nothing() {
        let (mut receive_rate_limit, mut now) = (ReceiveRateLimit::default(), Instant::now());
        advertised(&mut receive_rate_limit, &mut now, 1, 625, 0);
        now += INTERVAL;
        assert_eq!((receive_rate_limit.take(now), receive_rate_limit.due()), (None, None));
        assert_eq!(advertised(&mut receive_rate_limit, &mut now, 1, 625, 0), [699]);
    }
}
