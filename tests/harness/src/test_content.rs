//! What is encoded: a camera that pans over a detailed wall with a ball before it, and noise as sound. An empty picture or a pure
//! tone would show nothing: no encoder can spend a high bit rate on them.

use muji_media::device::{AudioFrame, FRAME, VideoFrame};

/// The width of the picture, in pixels.
pub const WIDTH: usize = 640;
/// Its height.
pub const HEIGHT: usize = 360;

/// The camera moves so far with each picture, in pixels.
const PAN: usize = 3;

const BALL: f64 = 40.0;

/// The picture of this number.
pub fn picture(number: usize) -> VideoFrame {
    picture_of([WIDTH, HEIGHT], number)
}

/// The same in another size: more of the wall, and not larger.
///
/// # Panics
/// If a side is odd or zero.
pub fn picture_of([width, height]: [usize; 2], number: usize) -> VideoFrame {
    let mut samples = Vec::with_capacity(width * height * 3 / 2);
    let (x0, y0) = ball([width, height], number);
    for y in 0..height {
        for x in 0..width {
            let inside = (x as f64 - x0).hypot(y as f64 - y0) < BALL;
            samples.push(if inside { 220 } else { wall(x + PAN * number, y) });
        }
    }
    for colour in [2, 5] {
        for y in 0..height / 2 {
            samples.extend((0..width / 2).map(|x| {
                let wave = ((x + PAN * number / 2) as f64 / 37.0 + y as f64 / 23.0 * f64::from(colour)).sin();
                (128.0 + 30.0 * wave) as u8
            }));
        }
    }
    VideoFrame::from_samples(width, height, samples).expect("it has as many samples as it should")
}

fn ball([width, height]: [usize; 2], number: usize) -> (f64, f64) {
    let turn = number as f64 / 20.0;
    (width as f64 * (0.5 + 0.4 * turn.sin()), height as f64 * (0.5 + 0.35 * (1.3 * turn).cos()))
}

/// Waves and stains of several sizes.
fn wall(x: usize, y: usize) -> u8 {
    let (fx, fy) = (x as f64, y as f64);
    let waves = 22.0 * (fx / 31.0).sin() + 18.0 * (fy / 17.0 + fx / 53.0).sin() + 12.0 * ((fx + 2.0 * fy) / 7.0).sin();
    let stains = f64::from(noise(x / 8, y / 8)) / 6.0 + f64::from(noise(x / 2, y / 2)) / 12.0;
    (80.0 + waves + stains).clamp(16.0, 235.0) as u8
}

/// A number from 0 to 255 that depends on nothing but the place.
fn noise(x: usize, y: usize) -> u8 {
    let mixed = (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (y as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    (mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 56) as u8
}

/// 20 ms of steady noise.
pub fn sound(number: usize) -> AudioFrame {
    let loud = 2_500.0;
    let mut frame = [0; FRAME];
    for (place, sample) in frame.iter_mut().enumerate() {
        *sample = (loud * (f64::from(noise(number * FRAME + place, 7)) / 128.0 - 1.0)) as i16;
    }
    frame
}
