//! Recordings: a file for each participant, and one of all together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::device::wav::WavSink;
use crate::device::{Sink, Trouble};
use crate::sound::Frame;

/// The file of all together.
const MIX: &str = "mix";

/// Longest file name made from a nick, in bytes; most file systems take 255.
const MAX_NAME: usize = 120;

/// Files kept open: participants come and go, and their names are their own choice.
const MAX_FILES: usize = 128;

/// What stands for the name in a template.
const NICK: &str = "{nick}";

/// The form that the suffix of a template asks for.
const WAV: &str = ".wav";

/// Where recordings go: a path whose file name holds `{nick}`, such as `calls/{nick}.wav`; all together are `mix` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    folder: PathBuf,
    before: String,
    after: String,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// If the file name has no `{nick}`, or a suffix that is not `.wav`.
    pub fn parse(template: &str) -> Result<Self, Trouble> {
        let wrong = |why: &str| Trouble(format!("{template} {why}, such as calls/{NICK}{WAV}"));
        let path = Path::new(template);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((before, after)) = name.split_once(NICK) else {
            return Err(wrong("names one file for everybody; it must hold {nick}"));
        };
        if !after.to_ascii_lowercase().ends_with(WAV) {
            return Err(wrong("does not say how to record; its name must end in .wav"));
        }
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { folder, before: before.to_owned(), after: after.to_owned() })
    }

    fn path(&self, safe_name: &str) -> PathBuf {
        self.folder.join(format!("{}{safe_name}{}", self.before, self.after))
    }
}

/// The recordings of a call.
pub struct Recordings {
    template: Template,
    files: BTreeMap<String, Option<WavSink>>,
}

impl Recordings {
    /// By this template, whose folder is made.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(template: Template) -> Result<Self, Trouble> {
        match std::fs::create_dir_all(&template.folder) {
            Ok(()) => Ok(Self { template, files: BTreeMap::new() }),
            Err(why) => Err(Trouble(format!("{} cannot be made: {why}", template.folder.display()))),
        }
    }

    /// What a participant said in 20 ms.
    ///
    /// # Errors
    /// Once for each file that cannot be written.
    pub fn participant(&mut self, name: &str, frame: &Frame) -> Result<(), Trouble> {
        self.put(file_name(name), frame)
    }

    /// What all said in 20 ms.
    ///
    /// # Errors
    /// Once, if the file cannot be written.
    pub fn mix(&mut self, frame: &Frame) -> Result<(), Trouble> {
        self.put(MIX.to_owned(), frame)
    }

    fn put(&mut self, name: String, frame: &Frame) -> Result<(), Trouble> {
        if !self.files.contains_key(&name) {
            if self.files.len() == MAX_FILES {
                return Ok(()); // Told once, when the last one was made.
            }
            self.files.insert(name.clone(), None);
            let sink = WavSink::create(&self.template.path(&name))?;
            self.files.insert(name.clone(), Some(sink));
            if self.files.len() == MAX_FILES {
                return Err(Trouble(format!("{MAX_FILES} recordings are open; further participants are not recorded")));
            }
        }
        let Some(Some(sink)) = self.files.get_mut(&name) else { return Ok(()) };
        let written = sink.put(frame);
        if written.is_err() {
            self.files.insert(name, None);
        }
        written
    }
}

/// A file name from a name that a stranger chose: letters, digits and a few signs; never hidden, a path, or our own mix.
fn file_name(name: &str) -> String {
    let keep = |letter: char| if letter.is_alphanumeric() || "-_ ".contains(letter) { letter } else { '_' };
    let mut safe = String::new();
    for letter in name.chars().map(keep) {
        if safe.len() + letter.len_utf8() > MAX_NAME {
            break;
        }
        safe.push(letter);
    }
    if safe.is_empty() || safe.eq_ignore_ascii_case(MIX) {
        safe.push('_');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::FRAME;

    #[test]
    fn a_nick_is_no_path() {
        for (nick, file) in [
            ("romeo", "romeo"),
            ("../../etc/passwd", "______etc_passwd"),
            (".bashrc", "_bashrc"),
            ("a\0b", "a_b"),
            ("", "_"),
            ("Mix", "Mix_"),
            ("Ромео", "Ромео"),
        ] {
            assert_eq!(file_name(nick), file);
        }
        assert!(file_name(&"\u{1F600}".repeat(300)).len() <= MAX_NAME);
        assert!(file_name(&"ſ".repeat(300)).len() <= MAX_NAME);
    }

    #[test]
    fn a_template_says_where_and_how() {
        let template = Template::parse("calls/2026 {nick} (1).WAV").unwrap();
        assert_eq!(template.path("romeo"), Path::new("calls/2026 romeo (1).WAV"));
        assert_eq!(Template::parse("{nick}.wav").unwrap().path("mix"), Path::new("mix.wav"));
        for wrong in ["calls", "calls/all.wav", "calls/{nick}", "calls/{nick}.mp3", "{nick}/sound.wav", ""] {
            let why = Template::parse(wrong).unwrap_err().0;
            assert!(why.contains("such as calls/{nick}.wav"), "{why}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_once() {
        let folder = std::env::temp_dir().join(format!("muji-record-{}", std::process::id()));
        let template = Template::parse(folder.join("{nick}.wav").to_str().unwrap()).unwrap();
        let mut recordings = Recordings::new(template).unwrap();
        std::fs::create_dir_all(folder.join("romeo.wav")).unwrap();
        assert!(recordings.participant("romeo", &[0; FRAME]).is_err());
        assert!(recordings.participant("romeo", &[0; FRAME]).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
