//! What a frame costs to scale, encode and decode, by its size: time of the processor, so other numbers on another machine.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use muji_harness::test_content::picture_of;
use muji_media::parts::codec::video::CLOCK_RATE;

use crate::Failure;
use crate::encoders::{Setting, ours};

/// Sizes, with bits a second for each.
const SIZES: [([usize; 2], u32); 5] = [
    ([320, 180], 300_000),
    ([640, 360], 800_000),
    ([1_280, 720], 1_500_000),
    ([1_280, 720], 2_500_000),
    ([1_920, 1_080], 4_000_000),
];

/// Frames of each: three seconds.
const FRAMES: usize = 90;

/// What a frame costs in the mean, in ms, and the longest time that one took to encode.
struct Cost {
    encode: f64,
    longest: f64,
    decode: f64,
    scale: f64,
}

pub(crate) fn run() -> Result<(), Failure> {
    println!("\nms of the processor for a frame, all threads together, and the longest time that one took to encode");
    println!(
        "{:>12} {:>8} {:>8} {:>10} {:>10} {:>10} {:>14}",
        "", "kbit/s", "", "encode", "longest", "decode", "scale to half"
    );
    for (size, bits) in SIZES {
        for setting in ours() {
            let Cost { encode, longest, decode, scale } = cost(setting, size, bits)?;
            println!(
                "{:>12} {:>8} {:>8} {encode:>10.1} {longest:>10.1} {decode:>10.1} {scale:>14.1}",
                format!("{} x {}", size[0], size[1]),
                bits / 1_000,
                setting.name,
            );
        }
    }
    Ok(())
}

fn cost(setting: Setting, size: [usize; 2], bits: u32) -> Result<Cost, Failure> {
    let (mut encoder, mut decoder) = ((setting.make)(size, bits)?, setting.encoding.decoder()?);
    let (mut encoding, mut decoding, mut scaling) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut longest = Duration::ZERO;
    for number in 0..FRAMES {
        let picture = picture_of(size, number);
        let (begun, wall) = (ProcessTime::now(), Instant::now());
        let encoded = encoder.encode(&picture, number as u64 * u64::from(CLOCK_RATE) / 30, false)?;
        encoding += begun.elapsed();
        longest = longest.max(wall.elapsed());
        let begun = ProcessTime::now();
        encoded.map(|encoded| decoder.decode(&encoded.bytes)).transpose()?;
        decoding += begun.elapsed();
        let begun = ProcessTime::now();
        std::hint::black_box(picture.resized(size.map(|side| side / 2)));
        scaling += begun.elapsed();
    }
    let mean = |time: Duration| time.as_secs_f64() * 1_000.0 / FRAMES as f64;
    let longest = longest.as_secs_f64() * 1_000.0;
    Ok(Cost { encode: mean(encoding), longest, decode: mean(decoding), scale: mean(scaling) })
}
