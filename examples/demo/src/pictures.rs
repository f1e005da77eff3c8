//! What each would see in its window, from the files in which it is written.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use muji_harness::recognition::is_colour;

use crate::Failure;
use crate::matrix::PEOPLE;

/// A tile of somebody's colour covers at least so much of the picture, in percent: three tiles have a fifth each, and some of
/// that is covered by names.
const SHARE: usize = 10;

/// The folder of the pictures: where the build is.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    let build = std::env::current_exe()?.parent().and_then(Path::parent).map(Path::to_owned);
    let folder = build.ok_or("the demonstration lies nowhere")?.join("demo");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Takes away what an earlier demonstration left: it would be counted.
pub(crate) fn clear(folder: &Path) {
    for person in &PEOPLE {
        let _none_was_there = std::fs::remove_file(file(folder, person.name)).is_err();
    }
}

/// Where the picture of somebody goes.
pub(crate) fn file(folder: &Path, name: &str) -> String {
    folder.join(name).with_extension("png").display().to_string()
}

/// What somebody is told about its window.
pub(crate) fn options(folder: &Path, name: &str, open: bool) -> Vec<String> {
    let mut options = vec!["--snapshot".to_owned(), file(folder, name)];
    if !open {
        options.push("--no-window".to_owned());
    }
    options
}

/// How many of the others have a tile in the pictures of all.
pub(crate) fn tiles(folder: &Path) -> Result<usize, Failure> {
    let mut tiles = 0;
    for viewer in &PEOPLE {
        let pixels = pixels(&file(folder, viewer.name))?;
        let others = PEOPLE.iter().filter(|other| other.name != viewer.name);
        let covered = |rgb| pixels.iter().filter(|pixel| is_colour(**pixel, rgb)).count() * 100 / pixels.len();
        tiles += others.filter(|other| covered(other.rgb) >= SHARE).count();
    }
    Ok(tiles)
}

fn pixels(file: &str) -> Result<Vec<[u8; 3]>, Failure> {
    let mut reader = png::Decoder::new(BufReader::new(File::open(file)?)).read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("a picture without an end")?];
    reader.next_frame(&mut bytes)?;
    let (pixels, _) = bytes.as_chunks::<3>();
    Ok(pixels.to_vec())
}
