//! Encoders whose target jumps.

use std::fmt::Write;
use std::path::Path;

use muji_harness::plot::{Line, plot};
use muji_harness::test_content::{HEIGHT, WIDTH, picture, sound};
use muji_media::parts::codec::opus;
use muji_media::parts::codec::video::CLOCK_RATE;

use crate::encoders::{Setting, VP8, VP8_BROWSERS, VP8_DEFAULTS, VP9, VP9_BROWSERS, ours};
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

/// Where the target of pictures falls: the number of the step, from where and to where.
const FALLS: [(usize, u32, u32); 2] = [(1, 1_000, 300), (4, 2_000, 150)];

pub(crate) fn run(folder: &Path) -> Result<Vec<Goal>, Failure> {
    println!(
        "Pictures of {WIDTH} x {HEIGHT}, 30 a second; each target for {BETWEEN} frames, in kbit/s: {OF_PICTURES:?}."
    );
    let [vp8, vp9] = [pictures(VP8)?, pictures(VP9)?];
    let [browsers, defaults, vp9_browsers] =
        [pictures(VP8_BROWSERS)?, pictures(VP8_DEFAULTS)?, pictures(VP9_BROWSERS)?];
    let further = ours().filter(|setting| ![VP8.encoding, VP9.encoding].contains(&setting.encoding));
    let further = further.map(pictures).collect::<Result<Vec<_>, _>>()?;
    println!(
        "\n{:<20} {:>12} {:>14} {:>10} {:>12} {:>12} {:>10}",
        "", "step", "frames until", "queue", "largest", "left out", ""
    );
    let x264 = x264::sizes(&OF_PICTURES, BETWEEN).map(|bytes| Series {
        name: "x264, no latency",
        bytes,
        target: vp8.target.clone(),
        rate: PICTURES,
    });
    for series in [&browsers, &defaults].into_iter().chain(&x264).chain([&vp8, &vp9_browsers, &vp9]).chain(&further) {
        (1..OF_PICTURES.len()).for_each(|step| tell(series, &OF_PICTURES, step));
    }
    if x264.is_none() {
        println!("x264 is left out: GStreamer with x264enc and its bindings for Python are not installed.");
    }
    let sound = sounds()?;
    println!();
    (1..OF_SOUND.len()).for_each(|step| tell(&sound, &OF_SOUND, step));
    draw(folder, "vp8", &vp8)?;
    draw(folder, "vp9", &vp9)?;
    draw(folder, "vp8-as-browsers", &browsers)?;
    draw(folder, "opus", &sound)?;

    let mut goals = goals("VP8", &vp8, [120.0; 2]);
    goals.extend(self::goals("VP9", &vp9, FALLS.map(|(step, ..)| queue(&vp9_browsers, step).round())));
    for (step, from, to) in [(1, 64, 16), (2, 16, 64)] {
        let name = format!("Opus, packets until it follows from {from} to {to} kbit/s");
        goals.push(Goal::at_most(name, frames(&sound, step), 4.0, ""));
    }
    Ok(goals)
}

/// What our encoder is to reach, and the queues that it may make at most with each fall, in ms: of VP9 those of browsers.
fn goals(name: &str, series: &Series, queues: [f64; 2]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (step, from, to) in [(1, 1_000, 300), (2, 300, 1_000), (4, 2_000, 150)] {
        let name = format!("{name}, frames until it follows from {from} to {to} kbit/s");
        goals.push(Goal::at_most(name, frames(series, step), 4.0, ""));
    }
    for ((step, from, to), most) in FALLS.into_iter().zip(queues) {
        let name = format!("{name}, longest queue from {from} to {to} kbit/s");
        goals.push(Goal::at_most(name, queue(series, step), most, " ms"));
    }
    let unrest = [0, 1, 2].map(|step| series.unrest(end(step) - 100, end(step))).into_iter().fold(0.0, f64::max);
    let name = format!("{name}, largest frame in means of all, once it is steady");
    goals.push(Goal::at_most(name, unrest, 1.7, ""));
    goals
}

fn end(step: usize) -> usize {
    (step + 1) * BETWEEN
}

fn frames(series: &Series, step: usize) -> f64 {
    series.follows(step * BETWEEN, end(step)).map_or(f64::INFINITY, |frames| frames as f64)
}

fn queue(series: &Series, step: usize) -> f64 {
    series.queue(step * BETWEEN, end(step))
}

fn pictures(setting: Setting) -> Result<Series, Failure> {
    let mut encoder = (setting.make)([WIDTH, HEIGHT], OF_PICTURES[0] * 1_000)?;
    let mut series = Series { name: setting.name, bytes: Vec::new(), target: Vec::new(), rate: PICTURES };
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
