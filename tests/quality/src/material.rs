//! Where film, speech and programs are: `scripts/needs quality` puts them into the target directory.

use std::path::PathBuf;
use std::process::Command;

use crate::Failure;

/// What is shown and said, and with what it is measured.
pub(crate) struct Material {
    pub(crate) folder: PathBuf,
    /// 640 x 360, Y4M.
    pub(crate) film: PathBuf,
    /// WAV of 48 kHz.
    pub(crate) speech: PathBuf,
    /// A Python with what `requirements.txt` lists.
    pub(crate) python: PathBuf,
}

impl Material {
    pub(crate) fn find() -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let folder = program.ancestors().nth(2).ok_or("the program lies nowhere")?.join("quality");
        let [film, speech, python] = ["film.y4m", "speech.wav", "bin/python3"].map(|name| folder.join(name));
        if let Some(missing) = [&film, &speech].iter().find(|file| !file.exists()) {
            return Err(format!("{} is missing; get it with: scripts/needs quality", missing.display()).into());
        }
        Ok(Self { folder, film, speech, python })
    }

    /// Whether Python has this package.
    pub(crate) fn has(&self, package: &str) -> bool {
        let import = Command::new(&self.python).args(["-c", &format!("import {package}")]).output();
        import.is_ok_and(|import| import.status.success())
    }

    /// Where what was heard of somebody over a network is written.
    pub(crate) fn recording(&self, whose: &str, network: &str) -> PathBuf {
        self.folder.join(format!("{whose} {network}.wav").replace(' ', "_"))
    }
}
