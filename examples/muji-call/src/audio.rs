//! The sound to send and the loudspeaker.

use std::path::Path;

use muji_media::backend::Sound;
use muji_media::device::tone::Tone;
use muji_media::device::wav::WavSource;
use muji_media::device::webm::WebmSound;
use muji_media::device::{AudioSink, AudioSource};

use crate::args::MediaArgs;
use crate::exit::Failure;

/// Where sound comes from and goes to.
pub(crate) struct Audio {
    pub(crate) source: Option<Box<dyn AudioSource>>,
    pub(crate) sink: Option<Box<dyn AudioSink>>,
}

/// What it is that we send.
pub(crate) fn sound(args: &MediaArgs) -> Sound {
    match (args.music, args.dtx) {
        (true, _) => Sound::Music,
        (false, true) => Sound::SpeechWithPauses,
        (false, false) => Sound::Speech,
    }
}

/// Opens what the user asked for. Microphones and loudspeakers are named now and opened when the call needs them.
pub(crate) fn open(args: &MediaArgs) -> Result<Audio, Failure> {
    let what = args.audio();
    let mut audio = devices(args)?;
    if audio.source.is_none() && what != "none" {
        audio.source = Some(match what.strip_prefix("tone:") {
            Some(frequency) => tone(frequency)?,
            None => file(Path::new(what))?,
        });
    }
    Ok(audio)
}

fn file(path: &Path) -> Result<Box<dyn AudioSource>, Failure> {
    if path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("webm")) {
        return Ok(Box::new(WebmSound::open(path).map_err(|why| Failure::Usage(why.to_string()))?));
    }
    Ok(Box::new(WavSource::open(path).map_err(|why| Failure::Usage(why.to_string()))?))
}

fn tone(frequency: &str) -> Result<Box<dyn AudioSource>, Failure> {
    let frequency = frequency.parse().ok().filter(|hz| (20.0..=20_000.0).contains(hz));
    let hz =
        frequency.ok_or_else(|| Failure::Usage("--audio tone:HZ takes a frequency from 20 to 20000".to_owned()))?;
    Ok(Box::new(Tone::new(hz)))
}

/// The name in `mic` and `mic:NAME`.
fn microphone(what: &str) -> Option<Option<&str>> {
    if what == "mic" { Some(None) } else { what.strip_prefix("mic:").map(Some) }
}

#[cfg(not(feature = "devices"))]
fn devices(args: &MediaArgs) -> Result<Audio, Failure> {
    let asked = microphone(args.audio()).is_some() || args.speaker.as_deref().is_some_and(|name| name != "none");
    if asked {
        let how = "this muji-call was built without sound device support; build it with --features devices, or run make install";
        return Err(Failure::Usage(how.to_owned()));
    }
    Ok(Audio { source: None, sink: None })
}

#[cfg(feature = "devices")]
fn devices(args: &MediaArgs) -> Result<Audio, Failure> {
    use muji_media::device::sound_card::{Loudspeaker, Microphone, both};
    let microphone = microphone(args.audio());
    let loudspeaker = match args.speaker.as_deref() {
        Some("none") => None,
        Some("default") => Some(None),
        Some(name) => Some(Some(name)),
        // Somebody who sends a file or a tone may have no sound card at all.
        None => microphone.is_some().then_some(None),
    };
    let opened = match (microphone, loudspeaker) {
        (Some(microphone), Some(loudspeaker)) if args.music => {
            let source = Microphone::named(microphone);
            source
                .and_then(|source| Ok((source, Loudspeaker::named(loudspeaker)?)))
                .map(|(source, sink)| Audio { source: Some(Box::new(source)), sink: Some(Box::new(sink)) })
        }
        (Some(microphone), Some(loudspeaker)) => both(microphone, loudspeaker)
            .map(|(source, sink)| Audio { source: Some(Box::new(source)), sink: Some(Box::new(sink)) }),
        (Some(microphone), None) => {
            Microphone::named(microphone).map(|source| Audio { source: Some(Box::new(source)), sink: None })
        }
        (None, Some(loudspeaker)) => {
            Loudspeaker::named(loudspeaker).map(|sink| Audio { source: None, sink: Some(Box::new(sink)) })
        }
        (None, None) => Ok(Audio { source: None, sink: None }),
    };
    opened
        .map_err(|why| Failure::Usage(format!("{why}; see muji-call devices, or use --audio FILE.wav --speaker none")))
}

/// Prints microphones and loudspeakers.
#[cfg(feature = "devices")]
pub(crate) fn list() -> Result<(), Failure> {
    use muji_media::device::sound_card::{Card, loudspeakers, microphones};
    let print = |cards: Vec<Card>, option: &str| {
        for Card { name, is_default } in cards {
            crate::output::line(format_args!("  {option}{name}{}", if is_default { "   (default)" } else { "" }));
        }
    };
    let fault = |why: muji_media::device::DeviceError| Failure::Usage(why.to_string());
    crate::output::line(format_args!("Microphones:"));
    print(microphones().map_err(fault)?, "--audio mic:");
    crate::output::line(format_args!("Loudspeakers:"));
    print(loudspeakers().map_err(fault)?, "--speaker ");
    Ok(())
}
