//! Encoders whose target jumps.

use std::fmt::Write;
use std::path::Path;

use muji_harness::plot::{Line, plot};
use muji_harness::test_content::{HEIGHT, WIDTH, picture, sound};
use muji_media::parts::codec::opus;
use muji_media::parts::codec::video::{CLOCK_RATE, VideoEncoder as _};
use muji_media::parts::codec::vp8::{Encoder, RateControl};

use crate::follow::Series;
use crate::{Failure, Goal, x264};

/// Frames between two jumps: five seconds.
const BETWEEN: usize = 150;

/// Frames a second.
const PICTURES: f64 = 30.0;
const PACKETS: f64 = 50.0;

/// The targets in kbit/s, one after the other.
const OF_PICTURES: [u32; 5] = [1_000, 300, 1_000, 2_000, 150];
const OF_SOUND: [u32; 3] = [64, 16, 64];

/// As browsers set libvpx, and as its own defaults are, which GStreamer's vp8enc takes over.
pub(crate) const BROWSERS: RateControl =
    RateControl { constant: true, buffer: 1_000, initial: 500, optimal: 600, drop_below: 30 };
const DEFAULTS: RateControl =
    RateControl { constant: false, buffer: 6_000, initial: 4_000, optimal: 5_000, drop_below: 0 };

pub(crate) fn run(folder: &Path) -> Result<Vec<Goal>, Failure> {
    println!(
        "Pictures of {WIDTH} x {HEIGHT}, 30 a second; each target for {BETWEEN} frames, in kbit/s: {OF_PICTURES:?}."
    );
    let ours = pictures("ours", RateControl::CONVERSATION)?;
    let others = [pictures("as browsers set it", BROWSERS)?, pictures("libvpx's defaults", DEFAULTS)?];
    println!(
        "\n{:<20} {:>12} {:>14} {:>10} {:>12} {:>12} {:>10}",
        "VP8", "step", "frames until", "queue", "largest", "left out", ""
    );
    let x264 = x264::sizes(&OF_PICTURES, BETWEEN).map(|bytes| Series {
        name: "x264, no latency",
        bytes,
        target: ours.target.clone(),
        rate: PICTURES,
    });
    for series in others.iter().chain(&x264).chain([&ours]) {
        (1..OF_PICTURES.len()).for_each(|step| tell(series, &OF_PICTURES, step));
    }
    if x264.is_none() {
        println!("x264 is left out: GStreamer with x264enc and its bindings for Python are not installed.");
    }
    let sound = sounds()?;
    println!();
    (1..OF_SOUND.len()).for_each(|step| tell(&sound, &OF_SOUND, step));
    draw(folder, "vp8", &ours)?;
    draw(folder, "vp8-as-browsers", &others[0])?;
    draw(folder, "opus", &sound)?;

    let end = |step: usize| (step + 1) * BETWEEN;
    let frames =
        |series: &Series, step: usize| series.follows(step * BETWEEN, end(step)).map_or(f64::INFINITY, |it| it as f64);
    let unrest = [0, 1, 2].map(|step| ours.unrest(end(step) - 100, end(step))).into_iter().fold(0.0, f64::max);
    Ok(vec![
        Goal::at_most("VP8, frames until it follows from 1000 to 300 kbit/s", frames(&ours, 1), 4.0, ""),
        Goal::at_most("VP8, frames until it follows from 300 to 1000 kbit/s", frames(&ours, 2), 4.0, ""),
        Goal::at_most("VP8, longest queue from 1000 to 300 kbit/s", ours.queue(BETWEEN, end(1)), 120.0, " ms"),
        Goal::at_most("VP8, frames until it follows from 2000 to 150 kbit/s", frames(&ours, 4), 4.0, ""),
        Goal::at_most("VP8, longest queue from 2000 to 150 kbit/s", ours.queue(4 * BETWEEN, end(4)), 120.0, " ms"),
        Goal::at_most("VP8, largest frame in means of all, once it is steady", unrest, 1.7, ""),
        Goal::at_most("Opus, packets until it follows from 64 to 16 kbit/s", frames(&sound, 1), 4.0, ""),
        Goal::at_most("Opus, packets until it follows from 16 to 64 kbit/s", frames(&sound, 2), 4.0, ""),
    ])
}

fn pictures(name: &'static str, control: RateControl) -> Result<Series, Failure> {
    let mut encoder = Encoder::with_rate_control(WIDTH, HEIGHT, OF_PICTURES[0] * 1_000, control)?;
    let mut series = Series { name, bytes: Vec::new(), target: Vec::new(), rate: PICTURES };
    for (step, kilobits) in OF_PICTURES.into_iter().enumerate() {
        encoder.set_bit_rate(kilobits * 1_000)?;
        for frame in step * BETWEEN..(step + 1) * BETWEEN {
            let at = frame as u64 * u64::from(CLOCK_RATE) / 30;
            let encoded = encoder.encode(&picture(frame), at, false)?;
            series.bytes.push(encoded.map_or(0, |encoded| encoded.bytes.len()));
            series.target.push(f64::from(kilobits) * 125.0 / PICTURES);
        }
    }
    Ok(series)
}

fn sounds() -> Result<Series, Failure> {
    let mut encoder = opus::Encoder::new()?;
    let mut series = Series { name: "Opus", bytes: Vec::new(), target: Vec::new(), rate: PACKETS };
    for (step, kilobits) in OF_SOUND.into_iter().enumerate() {
        encoder.set_bit_rate(kilobits * 1_000)?;
        for frame in step * BETWEEN..(step + 1) * BETWEEN {
            series.bytes.push(encoder.encode(&sound(frame))?.len());
            series.target.push(f64::from(kilobits) * 125.0 / PACKETS);
        }
    }
    Ok(series)
}

/// A line of the table.
fn tell(series: &Series, targets: &[u32], step: usize) {
    let (begin, end) = (step * BETWEEN, (step + 1) * BETWEEN);
    let follows = series.follows(begin, end).map_or_else(|| "never".to_owned(), |frames| frames.to_string());
    println!(
        "{:<20} {:>12} {follows:>14} {:>7.0} ms {:>11.1}x {:>12}",
        series.name,
        format!("{}→{}", targets[step - 1], targets[step]),
        series.queue(begin, end),
        series.unrest(end - 100, end),
        series.left_out(begin, end),
    );
}

fn draw(folder: &Path, name: &str, series: &Series) -> Result<(), Failure> {
    let averages = series.averages();
    let mut csv = "frame,bytes,average of 10,target\n".to_owned();
    for (frame, bytes) in series.bytes.iter().enumerate() {
        let _infallible = writeln!(csv, "{frame},{bytes},{:.1},{:.1}", averages[frame], series.target[frame]);
    }
    std::fs::write(folder.join(name).with_extension("csv"), csv)?;
    let points = |values: &mut dyn Iterator<Item = f64>| {
        (0u32..).zip(values).map(|(frame, value)| (f64::from(frame) / series.rate, value)).collect()
    };
    let lines = [
        Line {
            name: "bytes of each frame",
            colour: [160, 180, 210],
            points: points(&mut series.bytes.iter().map(|it| *it as f64)),
        },
        Line { name: "average of 10", colour: [30, 90, 200], points: points(&mut averages.iter().copied()) },
        Line { name: "target", colour: [210, 50, 40], points: points(&mut series.target.iter().copied()) },
    ];
    plot(&folder.join(name).with_extension("png"), &format!("{name}: bytes of a frame, by seconds"), &lines)
}
