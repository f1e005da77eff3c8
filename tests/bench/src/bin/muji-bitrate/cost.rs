//! What a frame costs to scale, encode and decode, by its size: time of the processor, so other numbers on another machine.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use muji_harness::test_content::picture_of;
use muji_media::parts::codec::video::{CLOCK_RATE, VideoDecoder as _, VideoEncoder as _};
use muji_media::parts::codec::vp8::{Decoder, Encoder};

use crate::Failure;

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

pub(crate) fn run() -> Result<(), Failure> {
    println!(
        "\nms of the processor for a frame of VP8, all threads together, and the longest time that one took to encode"
    );
    println!("{:>12} {:>8} {:>10} {:>10} {:>10} {:>14}", "", "kbit/s", "encode", "longest", "decode", "scale to half");
    for (size, bits) in SIZES {
        let mut encoder = Encoder::new(size[0], size[1], bits)?;
        let mut decoder = Decoder::new()?;
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
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0 / FRAMES as f64;
        println!(
            "{:>12} {:>8} {:>10.1} {:>10.1} {:>10.1} {:>14.1}",
            format!("{} x {}", size[0], size[1]),
            bits / 1_000,
            ms(encoding),
            longest.as_secs_f64() * 1_000.0,
            ms(decoding),
            ms(scaling)
        );
    }
    Ok(())
}
