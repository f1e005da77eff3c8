//! Recordings: a file for each participant, and one of the mix, written by a thread of its own, so that a slow disk does not delay audio.

mod webm;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use muji_core::{Media, SessionId};

use crate::audio::frame::AudioFrame;
use crate::codec::encoding::VideoEncoding;
use crate::codec::video::Encoded;
use crate::device::wav::WavSink;
use crate::device::{AudioSink, DeviceError};
use webm::WebmSink;

/// The file of all together.
const MIX: &str = "mix";

/// What stands behind the name in the file of a participant's screen: a file has one track of video. No name has a dot, so it is nobody's.
const SCREEN: &str = ".screen";

/// Longest file name made from a nick, in bytes; most file systems take 255.
const MAX_NAME: usize = 120;

/// Files kept open: participants come and go, and their names are their own choice.
const MAX_FILES: usize = 128;

/// What stands for the name in a template.
const NICK: &str = "{nick}";

/// What waits for the disk at most: five seconds of eight participants with frames, some twenty megabytes.
const WAITING: usize = 4_096;

/// How long the end of a program waits for the disk.
const FINISHING: Duration = Duration::from_secs(3);

/// The form that the suffix of a template asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Audio.
    Wav,
    /// Audio and video.
    Webm,
}

/// Where recordings go: a path whose file name holds `{nick}`, such as `calls/{nick}.webm`. For the mix, `mix` stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingTemplate {
    folder: PathBuf,
    before: String,
    after: String,
    form: Form,
}

impl RecordingTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// If the file name has no `{nick}`, or a suffix that is neither `.wav` nor `.webm`.
    pub fn parse(template: &str) -> Result<Self, DeviceError> {
        let wrong = |why: &str| DeviceError(format!("{template} {why}, such as calls/{NICK}.webm"));
        let path = Path::new(template);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((before, after)) = name.split_once(NICK) else {
            return Err(wrong("names one file for everybody; it must hold {nick}"));
        };
        let form = match Path::new(name).extension().and_then(|suffix| suffix.to_str()) {
            Some(suffix) if suffix.eq_ignore_ascii_case("wav") => Form::Wav,
            Some(suffix) if suffix.eq_ignore_ascii_case("webm") => Form::Webm,
            _ => {
                return Err(wrong(
                    "does not say how to record; its name must end in .webm (audio and video) or .wav (audio only)",
                ));
            }
        };
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { folder, before: before.to_owned(), after: after.to_owned(), form })
    }

    fn path(&self, safe_name: &str) -> PathBuf {
        self.folder.join(format!("{}{safe_name}{}", self.before, self.after))
    }
}

/// Something to record.
pub(crate) enum RecordItem {
    /// The name of the participant in a session.
    Name(SessionId, String),
    /// 20 ms of a participant's audio, from then on.
    Audio(SessionId, Instant, AudioFrame),
    /// 20 ms of everybody's audio.
    Mix(Instant, AudioFrame),
    /// A frame of a participant or its screen, shown from then on.
    Video(SessionId, Media, Instant, VideoEncoding, Encoded),
}

/// The way to the thread that writes.
#[derive(Clone)]
pub(crate) struct Recorder {
    pieces: SyncSender<RecordItem>,
    /// The disk could not keep up, which was reported.
    behind: Arc<AtomicBool>,
}

impl Recorder {
    /// Has something recorded.
    ///
    /// # Errors
    /// Once, if the disk is too slow.
    pub(crate) fn give(&self, piece: RecordItem) -> Result<(), DeviceError> {
        match self.pieces.try_send(piece) {
            Err(TrySendError::Full(_)) if !self.behind.swap(true, Ordering::Relaxed) => {
                Err(DeviceError("the disk is too slow for the recordings; parts of them are missing".to_owned()))
            }
            // A thread that ended has said why.
            _ => Ok(()),
        }
    }
}

/// The thread that writes, as the backend has it.
pub(crate) struct Recordings {
    pub(crate) recorder: Recorder,
    troubles: Receiver<DeviceError>,
    form: Form,
}

/// Waits, when it is dropped, until everything is written; [`Recordings`] must be gone by then, or be on its way.
pub(crate) struct Finish(Receiver<()>);

impl Recordings {
    /// By this template, whose folder is made.
    ///
    /// # Errors
    /// If it cannot be made, or the system gives no thread.
    pub(crate) fn start(template: RecordingTemplate) -> Result<(Self, Finish), DeviceError> {
        std::fs::create_dir_all(&template.folder)
            .map_err(|why| DeviceError(format!("{} cannot be made: {why}", template.folder.display())))?;
        let (form, mut files) = (template.form, Files::new(template));
        let ((pieces, to_write), (report, troubles), (end, ended)) = (sync_channel(WAITING), channel(), channel());
        let write = move || {
            let _tells_when_it_is_dropped = end;
            for piece in to_write {
                if let Err(trouble) = files.take(piece) {
                    let _ended = report.send(trouble).is_err(); // Each file reports once.
                }
            }
            files.finish();
        };
        let thread = std::thread::Builder::new().name("muji-record".to_owned()).spawn(write);
        thread.map_err(|why| DeviceError(format!("no thread can be started for recordings: {why}")))?;
        let recorder = Recorder { pieces, behind: Arc::default() };
        Ok((Self { recorder, troubles, form }, Finish(ended)))
    }

    /// Whether a file can hold frames of this encoding.
    pub(crate) fn takes(encoding: VideoEncoding) -> bool {
        encoding.webm_name().is_some()
    }

    /// The way for frames, if they are recorded.
    pub(crate) fn of_video(&self) -> Option<Recorder> {
        (self.form == Form::Webm).then(|| self.recorder.clone())
    }

    /// What could not be written.
    pub(crate) fn trouble(&self) -> Option<DeviceError> {
        self.troubles.try_recv().ok()
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        // Nothing is ever sent: the channel closes when the thread has ended.
        let _written = matches!(self.0.recv_timeout(FINISHING), Err(RecvTimeoutError::Disconnected));
    }
}

enum Recording {
    Wav(WavSink),
    Webm(Box<WebmSink>),
    /// It cannot be written, which was reported.
    Broken,
}

/// The files of a call.
struct Files {
    template: RecordingTemplate,
    names: BTreeMap<SessionId, String>,
    files: BTreeMap<String, Recording>,
}

impl Files {
    fn new(template: RecordingTemplate) -> Self {
        Self { template, names: BTreeMap::new(), files: BTreeMap::new() }
    }

    /// Writes something.
    ///
    /// # Errors
    /// Once for each file that cannot be written.
    fn take(&mut self, piece: RecordItem) -> Result<(), DeviceError> {
        match piece {
            RecordItem::Name(session, name) => {
                self.names.insert(session, file_name(&name));
                Ok(())
            }
            RecordItem::Mix(at, frame) => self.write(MIX.to_owned(), at, |file| file.audio(at, &frame)),
            RecordItem::Audio(session, at, frame) => match self.names.get(&session) {
                Some(name) => self.write(name.clone(), at, |file| file.audio(at, &frame)),
                None => Ok(()),
            },
            RecordItem::Video(session, media, at, encoding, frame) => match self.names.get(&session) {
                Some(name) => {
                    let name = if media == Media::Slides { format!("{name}{SCREEN}") } else { name.clone() };
                    self.write(name, at, |file| file.video(at, encoding, &frame))
                }
                None => Ok(()),
            },
        }
    }

    fn write(
        &mut self,
        name: String,
        at: Instant,
        write: impl FnOnce(&mut Recording) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        if !self.files.contains_key(&name) {
            if self.files.len() == MAX_FILES {
                return Ok(()); // Reported once, when the last one was made.
            }
            self.files.insert(name.clone(), Recording::Broken);
            let file = Recording::create(&self.template, &name, at)?;
            self.files.insert(name.clone(), file);
            if self.files.len() == MAX_FILES {
                return Err(DeviceError(format!(
                    "{MAX_FILES} recordings are open; further participants are not recorded"
                )));
            }
        }
        let Some(file) = self.files.get_mut(&name) else { return Ok(()) };
        let written = write(file);
        if written.is_err() {
            *file = Recording::Broken;
        }
        written
    }

    /// Writes what still waits. There is no longer anybody to report a fault to.
    fn finish(self) {
        for file in self.files.into_values() {
            if let Recording::Webm(mut file) = file {
                let _written = file.flush().is_ok();
            }
        }
    }
}

impl Recording {
    fn create(template: &RecordingTemplate, name: &str, at: Instant) -> Result<Self, DeviceError> {
        let path = template.path(name);
        match template.form {
            Form::Wav => WavSink::create(&path).map(Self::Wav),
            Form::Webm => WebmSink::create(&path, at).map(Box::new).map(Self::Webm),
        }
    }

    fn audio(&mut self, at: Instant, frame: &AudioFrame) -> Result<(), DeviceError> {
        match self {
            Self::Wav(file) => file.put(frame),
            Self::Webm(file) => file.audio(at, frame),
            Self::Broken => Ok(()),
        }
    }

    fn video(&mut self, at: Instant, encoding: VideoEncoding, frame: &Encoded) -> Result<(), DeviceError> {
        match self {
            Self::Webm(file) => file.video(at, encoding, frame),
            Self::Wav(_) | Self::Broken => Ok(()),
        }
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
    use crate::audio::frame::{FRAME, FRAME_TIME};
    use crate::codec::video::Layer;

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
        let template = RecordingTemplate::parse("calls/2026 {nick} (1).WAV").unwrap();
        assert_eq!(
            (template.path("romeo").as_path(), template.form),
            (Path::new("calls/2026 romeo (1).WAV"), Form::Wav)
        );
        let template = RecordingTemplate::parse("{nick}.webm").unwrap();
        assert_eq!((template.path("mix").as_path(), template.form), (Path::new("mix.webm"), Form::Webm));
        for wrong in ["calls", "calls/all.wav", "calls/{nick}", "calls/{nick}.mp3", "{nick}/sound.wav", ""] {
            let why = RecordingTemplate::parse(wrong).unwrap_err().0;
            assert!(why.contains("such as calls/{nick}.webm"), "{why}");
        }
    }

    /// The files of Romeo alone, in a folder of their own.
    fn files(folder: &Path, form: &str) -> Files {
        std::fs::create_dir_all(folder).unwrap();
        let template = folder.join(format!("{{nick}}.{form}"));
        let mut files = Files::new(RecordingTemplate::parse(template.to_str().unwrap()).unwrap());
        files.take(RecordItem::Name(SessionId(1), "romeo".to_owned())).unwrap();
        files
    }

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("muji-record-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_once_and_the_others_go_on() {
        for form in ["wav", "webm"] {
            let folder = folder(form);
            let mut files = files(&folder, form);
            std::fs::create_dir_all(folder.join(format!("romeo.{form}"))).unwrap();
            let now = Instant::now();
            let told: Vec<bool> = (0..3u8)
                .flat_map(|_| [RecordItem::Audio(SessionId(1), now, [0; FRAME]), RecordItem::Mix(now, [0; FRAME])])
                .map(|piece| files.take(piece).is_err())
                .collect();
            assert_eq!(told, [true, false, false, false, false, false]);
            files.finish();
            assert!(folder.join(format!("mix.{form}")).is_file());
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn a_screen_has_a_file_of_its_own_whatever_others_are_called() {
        let folder = folder("screen");
        let mut files = files(&folder, "webm");
        files.take(RecordItem::Name(SessionId(2), "romeo.screen".to_owned())).unwrap();
        let frame = Encoded { bytes: vec![1], key: false, layer: Layer::default() };
        for (session, media) in [(1, Media::Video), (1, Media::Slides), (2, Media::Video)] {
            files
                .take(RecordItem::Video(SessionId(session), media, Instant::now(), VideoEncoding::Vp8, frame.clone()))
                .unwrap();
        }
        for file in ["romeo.webm", "romeo.screen.webm", "romeo_screen.webm"] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_that_is_full_is_told_once_for_each_file() {
        let folder = folder("full");
        let mut files = files(&folder, "webm");
        std::os::unix::fs::symlink("/dev/full", folder.join("romeo.webm")).unwrap();
        let now = Instant::now();
        let told = (0..200).filter_map(|frame| {
            let at = now + FRAME_TIME * frame;
            files.take(RecordItem::Audio(SessionId(1), at, [0; FRAME])).err()
        });
        let told: Vec<DeviceError> = told.collect();
        assert!(
            matches!(&told[..], [DeviceError(why)] if why.contains("romeo.webm cannot be written: No space")),
            "{told:?}"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// A pipe that nobody reads is a disk that never gets done.
    #[cfg(unix)]
    #[test]
    fn a_disk_that_is_too_slow_delays_nobody_and_is_told_once() {
        let folder = folder("slow");
        std::fs::create_dir_all(&folder).unwrap();
        let pipe = folder.join("mix.wav");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let template = RecordingTemplate::parse(folder.join("{nick}.wav").to_str().unwrap()).unwrap();
        let (recordings, finish) = Recordings::start(template).unwrap();
        let begun = Instant::now();
        let give = || recordings.recorder.give(RecordItem::Mix(begun, [0; FRAME]));
        let told: Vec<String> = (0..2 * WAITING).filter_map(|_| give().err()).map(|why| why.to_string()).collect();
        assert_eq!(told, ["the disk is too slow for the recordings; parts of them are missing"]);
        drop(recordings);
        let written = std::fs::read(&pipe).unwrap();
        assert!(written.starts_with(b"RIFF"), "what waited is written once the disk gets done");
        drop(finish);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
