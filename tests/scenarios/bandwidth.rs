//! What is sent follows what the path carries.

use std::time::Duration;

use muji_harness::link::{End, Link, packet};
use muji_jingle::{SessionId, TransportId};
use muji_media::parts::{INITIAL, PathBandwidths};

const FRAME: Duration = Duration::from_micros(33_333);

/// As much as an encoder is allowed.
const DETAILED: u32 = u32::MAX;

/// Pictures in which little changes, in bits a second.
const SIMPLE: u32 = 100_000;

/// Somebody who sends video over a link, as an encoder would that keeps exactly to its target.
struct Sending {
    link: Link,
    bandwidth: PathBandwidths,
    target: u32,
    /// What the pictures need at most.
    content: u32,
    frames: u32,
    /// Bits that are left for the next frame.
    saved: usize,
    packets: usize,
}

/// What happened in a while.
#[derive(Debug)]
struct Seen {
    /// At the end, and at the worst, in bits a second.
    target: u32,
    lowest: u32,
    /// The share of packets that found no room before the link.
    dropped: f64,
    /// In bits a second, with the headers of IP and UDP.
    sent: u64,
    congestions: usize,
}

impl Sending {
    fn over(link: Link) -> Self {
        let (bandwidth, target) = (PathBandwidths::default(), INITIAL);
        Self { link, bandwidth, target, content: DETAILED, frames: 0, saved: 0, packets: 0 }
    }

    /// Lets time pass.
    fn run(&mut self, seconds: u32) -> Seen {
        self.link.dropped();
        let (before, mut congestions) = (self.link.sent(), 0);
        let mut lowest = u32::MAX;
        self.packets = 0;
        for _ in 0..seconds * 30 {
            congestions += self.one_frame();
            lowest = lowest.min(self.target);
        }
        Seen {
            target: self.target,
            lowest,
            dropped: self.link.dropped() as f64 / self.packets.max(1) as f64,
            sent: (self.link.sent() - before) * 8 / u64::from(seconds),
            congestions,
        }
    }

    /// Lets the time of a frame pass; how often the path was congested.
    fn one_frame(&mut self) -> usize {
        self.frame();
        self.link.run(FRAME);
        self.follow()
    }

    fn frame(&mut self) {
        self.frames += 1;
        if self.link.is_stalled(End::Sender) {
            return; // Nothing is captured either.
        }
        self.saved += self.target.min(self.content) as usize / 8 / 30;
        let whole = self.saved / 400;
        let lengths =
            std::iter::repeat_n(1_200, whole / 3).chain((!whole.is_multiple_of(3)).then_some(whole % 3 * 400));
        let packets: Vec<_> = lengths.map(|length| packet(self.frames, true, length)).collect();
        self.saved %= 400;
        self.packets += packets.len();
        self.bandwidth.encoded(self.link.now(), 0, whole * 400);
        self.link.send(&packets);
    }

    /// Lets time pass until a probe is under way: more leaves than a frame of simple pictures needs.
    fn until_probed(&mut self) {
        for _ in 0..300 {
            self.frame();
            let before = self.link.sent();
            for _ in 0..33 {
                self.link.run(Duration::from_millis(1));
                if self.link.sent() > before + 1_000 {
                    return;
                }
            }
            self.follow();
        }
        panic!("simple pictures do not fill the path, so it is probed");
    }

    /// Takes what is known of the path; how often it was congested.
    fn follow(&mut self) -> usize {
        let (now, path) = (self.link.now(), TransportId { session: SessionId(0), index: 0 });
        if let Some(bits) = self.link.take_estimate() {
            self.bandwidth.estimated(now, path, bits);
        }
        self.link.lost().into_iter().for_each(|share| self.bandwidth.lost(path, share));
        let congested = self.link.overflowed();
        congested.iter().for_each(|congestion| self.bandwidth.congested(now, path, *congestion));
        self.target = self.bandwidth.changed(now).map_or(self.target, |news| news.bits);
        congested.len()
    }
}

#[test]
fn a_peer_that_counts_no_packets_is_told_how_much_it_may_send_and_so_follows_too() {
    let mut sending = Sending::over(Link::without_counting());
    assert_eq!(sending.link.estimate(), None);
    sending.link.limit(2_000_000);
    let wide = sending.run(30);
    assert!(wide.target >= 1_000_000 && wide.dropped < 0.01, "{wide:?}");
    sending.link.limit(300_000);
    sending.run(8);
    let narrow = sending.run(15);
    let told = sending.link.estimate().expect("it is told");
    assert!((100_000..330_000).contains(&narrow.target) && narrow.dropped < 0.1, "{narrow:?}, {told} told");
}

#[test]
fn what_is_sent_follows_a_link_that_becomes_narrow_and_wide_again() {
    let mut sending = Sending::over(Link::new());
    sending.link.limit(2_000_000);
    let wide = sending.run(20);
    assert!(wide.target >= 1_200_000 && wide.dropped < 0.01, "{wide:?}");
    sending.link.limit(300_000);
    let soon = sending.run(3);
    assert!(soon.target < 400_000, "three seconds after it became narrow {soon:?}");
    sending.run(5);
    let narrow = sending.run(15);
    assert!((100_000..330_000).contains(&narrow.target) && narrow.dropped < 0.05, "{narrow:?}");
    sending.link.limit(2_000_000);
    let wide = sending.run(30);
    assert!(wide.target >= 1_000_000 && wide.dropped < 0.01, "{wide:?}");
}

#[test]
fn random_losses_without_a_queue_halve_nothing() {
    for counting in [true, false] {
        let sent = [0.0, 0.02, 0.05].map(|share| {
            let mut sending = Sending::over(if counting { Link::new() } else { Link::without_counting() });
            sending.link.lose(share);
            let seen = sending.run(30);
            assert_eq!(seen.congestions, 0, "{share}: {seen:?}");
            seen.sent
        });
        let [all, two, five] = sent;
        assert!(two * 10 >= all * 8 && five * 10 >= all * 5, "of TWCC {counting}: {sent:?}");
    }
}

#[test]
fn random_losses_of_few_packets_are_no_congestion() {
    for share in [0.02, 0.05, 0.10] {
        let mut sending = Sending::over(Link::new());
        sending.content = 250_000;
        sending.link.lose(share);
        let seen = sending.run(120);
        assert_eq!(seen.congestions, 0, "{share}: {seen:?}");
    }
}

/// Which ends have no processor at once.
const STALLED: [&[End]; 3] = [&[End::Sender], &[End::Receiver], &[End::Sender, End::Receiver]];

#[test]
fn a_machine_without_a_processor_for_a_moment_does_not_ruin_the_target_for_long() {
    for content in [SIMPLE, 500_000, 800_000, DETAILED] {
        // What a probe shows that leaves late is tenfold too low; it is doubted for a while, and meanwhile the path is probed again.
        let (at_once, soon) = if content == SIMPLE { (15, 60) } else { (40, 80) };
        for ends in STALLED {
            for ms in [100, 200, 300] {
                let [before, lowest, after] = target_after_stall(content, ends, Duration::from_millis(ms));
                let seen = format!("{content} bit/s, {ends:?} for {ms} ms: {before}, {lowest}, {after}");
                assert!(lowest >= before / 100 * at_once && after >= before / 100 * soon, "{seen}");
            }
        }
    }
}

/// The target before some have no processor for a while, at the worst moment, that is while a probe is under way; at the worst; and five
/// seconds afterwards. Pictures that fill the path are not probed.
fn target_after_stall(content: u32, ends: &[End], time: Duration) -> [u32; 3] {
    let mut sending = Sending::over(Link::new());
    sending.content = content;
    sending.link.limit(2_000_000);
    let before = sending.run(12).target;
    if content == SIMPLE {
        sending.until_probed();
    }
    ends.iter().for_each(|end| sending.link.stall(*end, time));
    let after = sending.run(5);
    [before, after.lowest, after.target]
}

#[test]
fn pictures_that_become_detailed_are_soon_sent_as_such() {
    for stalled in [false, true] {
        let mut sending = Sending::over(Link::new());
        sending.content = SIMPLE;
        sending.run(15);
        if stalled {
            sending.link.stall(End::Sender, Duration::from_millis(300));
            sending.link.stall(End::Receiver, Duration::from_millis(300));
        }
        let simple = sending.run(5);
        sending.content = DETAILED;
        sending.run(2);
        let detailed = sending.run(3);
        assert!(simple.lowest >= 1_000_000 && detailed.sent >= 1_000_000, "{stalled} {simple:?} {detailed:?}");
    }
}

/// More than a frame, in bytes: a probe.
const PROBE: u64 = 1_000;

/// Between two moments without a processor.
const BUSY: Duration = Duration::from_secs(5);

/// How many pictures a second each gets over its link of one. On each second link packets leave 300 ms late at times, at the worst moment,
/// that is while a probe is under way.
fn pictures_over(mut links: Vec<Link>, content: u32) -> Vec<u32> {
    const SECONDS: u32 = 20;
    let (mut bandwidth, mut got) = (PathBandwidths::default(), vec![0; links.len()]);
    let mut busy_from = vec![links[0].now(); links.len()];
    for number in 0..SECONDS * 30 {
        let now = links[0].now();
        let target = bandwidth.last_target();
        // As libvpx makes three layers: the lowest gets 40 %, the next 20 and the highest 40, in twice as many frames.
        let (layer, share) = [(0, 160), (2, 80), (1, 80), (2, 80)][number as usize % 4];
        let (layer, share) = if target.layered { (layer, share) } else { (0, 100) };
        let bytes = target.bits.min(content) as usize / 8 / 30 * share / 100;
        bandwidth.encoded(now, layer, bytes);
        let most: Vec<u8> = bandwidth.layers(now).map(|(_, most)| most).collect();
        for (index, link) in links.iter_mut().enumerate() {
            let all = link.sent() + PROBE + bytes as u64 * 5 / 4;
            if most.get(index).is_none_or(|most| layer <= *most) {
                let lengths = std::iter::repeat_n(1_100, bytes / 1_100).chain([bytes % 1_100 + 1]);
                link.send(&lengths.map(|length| packet(number, true, length)).collect::<Vec<_>>());
                got[index] += 1;
            }
            for _ in 0..33 {
                link.run(Duration::from_millis(1));
                if index % 2 == 1 && link.sent() > all && link.now() >= busy_from[index] {
                    link.stall(End::Sender, Duration::from_millis(300));
                    busy_from[index] = link.now() + BUSY;
                }
            }
            let path = TransportId { session: SessionId(index as u64), index: 0 };
            link.take_estimate().into_iter().for_each(|bits| bandwidth.estimated(now, path, bits));
            link.lost().into_iter().for_each(|share| bandwidth.lost(path, share));
            link.overflowed().into_iter().for_each(|congestion| bandwidth.congested(now, path, congestion));
        }
        bandwidth.changed(now);
    }
    got.iter().map(|frames| frames / SECONDS).collect()
}

#[test]
fn nobody_gets_fewer_pictures_on_a_free_network_however_busy_the_machines_are() {
    for others in [1, 2, 3, 7] {
        for content in [SIMPLE, 400_000, DETAILED] {
            let pictures = pictures_over((0..others).map(|_| Link::new()).collect(), content);
            assert!(pictures.iter().all(|rate| *rate >= 25), "to {others}, of {content} bit/s: {pictures:?}");
        }
    }
}

#[test]
fn a_peer_that_counts_no_packets_gets_all_pictures_that_fit_however_much_the_others_could_get() {
    for content in [SIMPLE, 400_000] {
        let pictures = pictures_over(vec![Link::without_counting(), Link::new(), Link::new()], content);
        assert!(pictures.iter().all(|rate| *rate >= 25), "{content} bit/s: {pictures:?}");
    }
}
