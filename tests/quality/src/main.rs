//! Pictures and sound over networks that lose packets: our sender and receiver in virtual time, and libwebrtc's in real time over the same
//! networks; and our sender with libwebrtc's receiver, in real time too. Prints Markdown, and plots the frozen share and PESQ over loss.
//!
//! `muji-quality [ours] [pictures|sound] [row]`: ours alone, which takes some seconds a row; one of the two; and the rows whose names contain
//! the last word. Which packets are lost depends on their numbers and the seed alone, so a row is the same in each run.

mod compared;
mod delay;
mod film;
mod freezes;
mod goals;
mod libwebrtc;
mod material;
mod mixed;
mod pesq;
mod pictures;
mod pictures_table;
mod relay;
mod rows;
mod sdp;
mod sound;
mod sound_table;

use std::process::ExitCode;

use goals::Goals;
use material::Material;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// Of the random numbers that decide which packets are lost.
pub(crate) const SEED: u64 = 25;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    match runtime.block_on(run()) {
        Ok(goals) => ExitCode::from(u8::from(!goals.verdict())),
        Err(why) => {
            println!("quality: failed, {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<Goals, Failure> {
    let Wanted { alone, part, row } = Wanted::read(std::env::args().skip(1))?;
    let material = Material::find()?;
    let with_libwebrtc = !alone && material.has("webrtc");
    if !with_libwebrtc {
        let why = if alone { "ours alone was asked for" } else { "the Python package wrtc is missing" };
        println!("libwebrtc is skipped: {why}.\n");
    }
    if part != "pictures" && !material.has("pesq") {
        println!("PESQ is skipped: the Python package pesq is missing.\n");
    }
    println!("Seed of the losses: {SEED}.\n");
    let mut goals = Goals::default();
    if part != "sound" {
        pictures_table::measure(&material, &row, with_libwebrtc, &mut goals).await?;
    }
    if part != "pictures" {
        sound_table::measure(&material, &row, with_libwebrtc, &mut goals).await?;
    }
    println!("Plots and recordings: {}", material.folder.display());
    Ok(goals)
}

/// What is to be measured.
struct Wanted {
    /// Ours without libwebrtc.
    alone: bool,
    /// Pictures or sound; empty for both.
    part: String,
    /// In the names of the rows.
    row: String,
}

impl Wanted {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut words = words.peekable();
        let alone = words.next_if_eq("ours").is_some();
        let part = words.next().unwrap_or_default();
        let row = words.next().unwrap_or_default();
        if !["", "pictures", "sound"].contains(&part.as_str()) || words.next().is_some() {
            return Err("usage: muji-quality [ours] [pictures|sound] [part of the name of a row]".into());
        }
        Ok(Self { alone, part, row })
    }
}

/// A cell of a table of which nothing is known.
fn dash() -> String {
    "-".to_owned()
}
