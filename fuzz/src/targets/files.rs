//! Files of sound and pictures: WebM, IVF, Y4M, WAV. What opens is played for a while, and its frames have as many samples as their size
//! says.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use muji_media::device::video_file::VideoFile;
use muji_media::device::wav::WavSource;
use muji_media::device::webm::WebmSound;
use muji_media::device::y4m::Y4mSource;
use muji_media::device::{AudioSource, FRAME, VideoSource};

/// Frames that are asked for of each file.
const FRAMES: usize = 20;

/// In memory where there is such a folder: files are written some thousand times a second.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
});

/// The file says itself what it is; where several readers could take it, all do.
pub(super) fn run(bytes: &[u8]) {
    // Of each thread its own, since tests run in parallel.
    let name = format!("muji-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = FOLDER.join(name.replace(['(', ')'], ""));
    for (begins, suffix, play) in FORMS {
        if bytes.starts_with(begins) {
            let path = path.with_extension(suffix);
            std::fs::write(&path, bytes).expect("there is room for a file");
            play(&path);
            std::fs::remove_file(&path).expect("it is there");
        }
    }
}

/// How a file begins, the end of its name, and what plays it.
type Form = (&'static [u8], &'static str, fn(&Path));

const FORMS: [Form; 5] = [
    (b"DKIF", "ivf", |path| VideoFile::open(path).into_iter().for_each(shows)),
    (b"\x1A\x45\xDF\xA3", "webm", |path| VideoFile::open(path).into_iter().for_each(shows)),
    (b"\x1A\x45\xDF\xA3", "weba", |path| WebmSound::open(path).into_iter().for_each(sounds)),
    (b"YUV4MPEG2", "y4m", |path| Y4mSource::open(path).into_iter().for_each(shows)),
    (b"RIFF", "wav", |path| WavSource::open(path).into_iter().for_each(sounds)),
];

fn shows(mut video: impl VideoSource) {
    for _ in 0..FRAMES {
        let Ok(frame) = video.capture() else { return };
        let [width, height] = [frame.width(), frame.height()];
        assert_eq!(frame.samples().len(), width * height + 2 * width.div_ceil(2) * height.div_ceil(2));
    }
}

fn sounds(mut sound: impl AudioSource) {
    let mut frame = [0; FRAME];
    for _ in 0..FRAMES {
        if sound.fill(&mut frame).is_err() {
            return;
        }
    }
}
