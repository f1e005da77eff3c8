//! How the film of `make quality` looks after encoding: VMAF by ffmpeg, by our encoders and by the same libvpx as browsers set it.

use std::fs::{DirEntry, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use muji_media::device::y4m::Y4mSource;
use muji_media::device::{VideoFrame, VideoSource};
use muji_media::parts::codec::video::CLOCK_RATE;

use crate::encoders::{Setting, VP8, VP8_BROWSERS, VP8_LAYERS, VP9, VP9_BROWSERS, ours};
use crate::{Failure, Goal};

/// The frames of the film: ten seconds.
const FRAMES: usize = 300;

/// Bits a second.
const RATES: [u32; 5] = [200_000, 300_000, 500_000, 800_000, 1_200_000];

/// What an encoder made of the film.
struct Seen {
    vmaf: f64,
    kilobits: f64,
    left_out: usize,
}

pub(crate) fn run(folder: &Path) -> Result<Vec<Goal>, Failure> {
    let quality = folder.with_file_name("quality");
    let (film, ffmpeg) = (quality.join("film.y4m"), ffmpeg(&quality));
    let Some(ffmpeg) = ffmpeg.filter(|_| film.exists()) else {
        println!("\nHow frames look is left out: get a film and ffmpeg with: scripts/needs quality");
        return Ok(Vec::new());
    };
    let mut source = Y4mSource::open(&film)?;
    let frames = (0..FRAMES).map(|_| source.capture()).collect::<Result<Vec<_>, _>>()?;
    let compared = [VP8, VP8_BROWSERS, VP8_LAYERS, VP9, VP9_BROWSERS];
    let others = ours().filter(|setting| compared.iter().all(|known| known.encoding != setting.encoding));
    let settings: Vec<Setting> = compared.into_iter().chain(others).collect();
    println!("\nThe film of bicycles, 640 x 360: VMAF (kbit/s; frames left out of {FRAMES})");
    let names: Vec<String> = settings.iter().map(|setting| format!("{:>20}", setting.name)).collect();
    println!("{:>8} {}", "kbit/s", names.join(" "));
    let mut goals = Vec::new();
    for bits in RATES {
        let see = |setting: Setting| -> Result<Seen, Failure> {
            let made = folder.join("seen.y4m");
            let mut seen = encode(&frames, bits, setting, &made)?;
            seen.vmaf = vmaf(&ffmpeg, &made, &film)?;
            std::fs::remove_file(made)?;
            Ok(seen)
        };
        let seen = settings.iter().copied().map(see).collect::<Result<Vec<_>, _>>()?;
        let told: Vec<String> = seen.iter().map(|seen| format!("{:>20}", tell(seen))).collect();
        println!("{:>8} {}", bits / 1_000, told.join(" "));
        let [vp8, vp8_browsers, layers, vp9, vp9_browsers, ..] = seen.as_slice() else { continue };
        // The smaller buffer of VP9, with which it follows its target, costs it a little.
        for (name, ours, browsers, most) in [("VP8", vp8, vp8_browsers, 0.0), ("VP9", vp9, vp9_browsers, 0.5)] {
            let name = format!("{name} at {} kbit/s, VMAF missing to that of browsers", bits / 1_000);
            goals.push(Goal::at_most(name, (browsers.vmaf - ours.vmaf).max(0.0), most, ""));
        }
        let name = format!("VP8 in layers at {} kbit/s, frames left out of a hundred", bits / 1_000);
        goals.push(Goal::at_most(name, layers.left_out as f64 * 100.0 / FRAMES as f64, 1.0, ""));
    }
    Ok(goals)
}

fn tell(Seen { vmaf, kilobits, left_out }: &Seen) -> String {
    format!("{vmaf:.1} ({kilobits:.0}; {left_out})")
}

/// The one that came with the Python package imageio-ffmpeg.
fn ffmpeg(quality: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(quality.join("lib")).ok()?.flatten();
    let folders = pythons.map(|python| python.path().join("site-packages/imageio_ffmpeg/binaries"));
    let programs = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let named = |program: &DirEntry| program.file_name().to_string_lossy().starts_with("ffmpeg");
    programs.into_iter().find(named).map(|program| program.path())
}

/// Encodes the film, and writes what a viewer sees: while a frame is left out, the one before.
fn encode(frames: &[VideoFrame], bits: u32, setting: Setting, to: &Path) -> Result<Seen, Failure> {
    let [width, height] = [frames[0].width(), frames[0].height()];
    let (mut encoder, mut decoder) = ((setting.make)([width, height], bits)?, setting.encoding.decoder()?);
    let mut file = BufWriter::new(File::create(to)?);
    writeln!(file, "YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420jpeg")?;
    let (mut shown, mut bytes, mut left_out) = (VideoFrame::filled(width, height, [0; 3]), 0, 0);
    for (number, frame) in (0u64..).zip(frames) {
        match encoder.encode(frame, number * u64::from(CLOCK_RATE) / 30, false)? {
            Some(encoded) => {
                bytes += encoded.bytes.len();
                shown = decoder.decode(&encoded.bytes)?.unwrap_or(shown);
            }
            None => left_out += 1,
        }
        file.write_all(b"FRAME\n")?;
        file.write_all(shown.samples())?;
    }
    file.flush()?;
    Ok(Seen { vmaf: 0.0, kilobits: bytes as f64 * 8.0 * 30.0 / frames.len() as f64 / 1_000.0, left_out })
}

fn vmaf(ffmpeg: &Path, seen: &Path, film: &Path) -> Result<f64, Failure> {
    let mut command = Command::new(ffmpeg);
    command.args(["-hide_banner", "-nostats", "-i"]).arg(seen).arg("-i").arg(film);
    let filter = format!("[1]trim=end_frame={FRAMES}[film];[0][film]libvmaf");
    let output = command.args(["-lavfi", &filter, "-f", "null", "-"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let score = said.lines().find_map(|line| line.split_once("VMAF score: ")?.1.trim().parse().ok());
    score.ok_or_else(|| format!("ffmpeg gives no VMAF: {}", said.lines().last().unwrap_or_default()).into())
}
