//! Pictures over a link that becomes narrow and wide again.

use std::fmt::Write;
use std::path::Path;

use muji_harness::plot::{Line, plot};
use muji_media::backend::BandwidthPolicy;

use crate::call::Call;
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
    let mut call = Call::begin(BandwidthPolicy::default(), 1)?;
    let mut seconds = Vec::new();
    for bits in [WIDE, NARROW, WIDE] {
        call.viewers[0].link.limit(bits);
        for _ in 0..SECONDS {
            call.second()?;
            let viewer = &call.viewers[0];
            let (link, target) = (bits / 1_000, call.target.bits / 1_000);
            seconds.push(Second { link, target, sent: viewer.sent, received: viewer.received, lost: viewer.lost });
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
        Goal::at_most("link, longest time without a new picture", call.viewers[0].longest.as_secs_f64(), 2.0, " s"),
    ])
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
