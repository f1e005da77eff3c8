//! Pictures over a link that becomes narrow and wide again: the real encoder, transports and estimates.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use muji_conformance::harness::content::{HEIGHT, WIDTH, picture};
use muji_conformance::harness::link::Link;
use muji_jingle::{SessionId, TransportId};
use muji_media::bandwidth::{Bandwidth, INITIAL};
use muji_media::pictures::{Ours, Theirs, Wanted};

use crate::plot::{Line, plot};
use crate::{Failure, Goal};

/// What the link carries, in bits a second, for so many seconds each.
const WIDE: u32 = 2_000_000;
const NARROW: u32 = 300_000;
const SECONDS: usize = 20;

/// One second of it, in kbit/s, and what was lost in percent.
struct Second {
    link: u32,
    target: u32,
    sent: f64,
    received: f64,
    lost: f64,
}

pub(crate) fn run(folder: &Path) -> Result<Vec<Goal>, Failure> {
    let mut call = Call::begin()?;
    let mut seconds = Vec::new();
    for bits in [WIDE, NARROW, WIDE] {
        call.link.limit(bits);
        for _ in 0..SECONDS {
            seconds.push(call.second(bits)?);
        }
    }
    println!(
        "\nA link of {} kbit/s, then {}, then {} again, for {SECONDS} s each; its queue holds 300 ms.",
        WIDE / 1_000,
        NARROW / 1_000,
        WIDE / 1_000
    );
    println!("{:>6} {:>8} {:>8} {:>8} {:>9} {:>7}", "second", "link", "target", "sent", "received", "lost");
    let mut csv = "second,link,target,sent,received,lost percent\n".to_owned();
    for (number, Second { link, target, sent, received, lost }) in seconds.iter().enumerate() {
        let _infallible = writeln!(csv, "{number},{link},{target},{sent:.0},{received:.0},{lost:.1}");
        if number % 5 == 4 || (SECONDS..SECONDS + 5).contains(&number) {
            println!("{:>6} {link:>8} {target:>8} {sent:>8.0} {received:>9.0} {lost:>6.1}%", number + 1);
        }
    }
    std::fs::write(folder.join("link.csv"), csv)?;
    draw(folder, &seconds)?;
    let settled = &seconds[SECONDS + 8..2 * SECONDS];
    let lost = settled.iter().map(|second| second.lost).sum::<f64>() / settled.len() as f64;
    let target = |second: usize| f64::from(seconds[second].target);
    Ok(vec![
        Goal::at_most("link, target three seconds after it became narrow", target(SECONDS + 3), 400.0, " kbit/s"),
        Goal::at_most("link, lost while narrow, from the ninth second on", lost, 5.0, " %"),
        Goal::at_most(
            "link, target missing of 1000 kbit/s at the end",
            1_000.0 - target(3 * SECONDS - 1).min(1_000.0),
            0.0,
            " kbit/s",
        ),
        Goal::at_most("link, longest time without a new picture", call.longest.as_secs_f64(), 2.0, " s"),
    ])
}

struct Call {
    link: Link,
    ours: Ours,
    theirs: Theirs,
    bandwidth: Bandwidth,
    target: u32,
    pictures: usize,
    /// When the last picture was shown, and the longest time without one.
    shown: Instant,
    longest: Duration,
}

impl Call {
    fn begin() -> Result<Self, Failure> {
        let link = Link::new();
        let now = link.now();
        Ok(Self {
            ours: Ours::new(now, [WIDTH, HEIGHT], INITIAL)?,
            theirs: Theirs::new(now)?,
            link,
            bandwidth: Bandwidth::default(),
            target: INITIAL,
            pictures: 0,
            shown: now,
            longest: Duration::ZERO,
        })
    }

    fn second(&mut self, bits: u32) -> Result<Second, Failure> {
        let (end, sent_before) = (self.link.now() + Duration::from_secs(1), self.link.sent());
        let (mut packets, mut received) = (0, 0);
        self.link.dropped();
        while self.link.now() < end {
            if self.ours.is_due(self.link.now()) {
                packets += self.picture()?;
            }
            received += self.look()?;
            let wait = self.ours.next().saturating_duration_since(self.link.now());
            self.link.run(wait.clamp(Duration::from_micros(100), Duration::from_millis(5)));
        }
        Ok(Second {
            link: bits / 1_000,
            target: self.target / 1_000,
            sent: (self.link.sent() - sent_before) as f64 * 8.0 / 1_000.0,
            received: received as f64 * 8.0 / 1_000.0,
            lost: self.link.dropped() as f64 * 100.0 / f64::from(packets.max(1)),
        })
    }

    /// The next picture leaves; in how many packets.
    fn picture(&mut self) -> Result<u32, Failure> {
        self.pictures += 1;
        let packets = self.ours.packets(self.link.now(), &picture(self.pictures))?;
        self.link.send(&packets);
        Ok(packets.len() as u32)
    }

    /// What has come to either end; bytes of payload.
    fn look(&mut self) -> Result<usize, Failure> {
        let path = TransportId { session: SessionId(0), index: 0 };
        let (mut bytes, now) = (0, self.link.now());
        for received in self.link.received() {
            bytes += received.packet.payload.len();
            for wanted in self.theirs.receive(now, &received) {
                match wanted {
                    Wanted::KeyFrame => self.link.ask_key_frame(),
                    Wanted::Complaint(why) => return Err(why.into()),
                }
            }
        }
        if !self.theirs.take(now).is_empty() {
            self.longest = self.longest.max(now - self.shown);
            self.shown = now;
        }
        if self.link.asked() > 0 {
            self.ours.ask_key_frame();
        }
        if let Some(bits) = self.link.estimate() {
            self.bandwidth.estimated(path, bits);
        }
        self.link.lost().into_iter().for_each(|share| self.bandwidth.lost(path, share));
        if let Some(target) = self.bandwidth.news() {
            self.target = target;
            self.ours.set_target(target)?;
        }
        Ok(bytes)
    }
}

fn draw(folder: &Path, seconds: &[Second]) -> Result<(), Failure> {
    let points = |value: &dyn Fn(&Second) -> f64| {
        (0u32..).zip(seconds).map(|(number, second)| (f64::from(number), value(second))).collect()
    };
    let lines = [
        Line { name: "link", colour: [60, 60, 60], points: points(&|second| f64::from(second.link)) },
        Line { name: "target", colour: [210, 50, 40], points: points(&|second| f64::from(second.target)) },
        Line { name: "sent", colour: [200, 150, 30], points: points(&|second| second.sent) },
        Line { name: "received", colour: [30, 90, 200], points: points(&|second| second.received) },
        Line {
            name: "lost, in tenths of a percent",
            colour: [150, 60, 160],
            points: points(&|second| second.lost * 10.0),
        },
    ];
    plot(&folder.join("link.png"), "A call over a link that becomes narrow: kbit/s, by seconds", &lines)
}
