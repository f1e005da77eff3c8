//! What is shown to the others.

use std::path::Path;

use muji_core::Media;
use muji_media::device::PictureSource;
use muji_media::device::film::Film;
use muji_media::device::pattern::Pattern;
use muji_media::device::y4m::Y4mSource;

use crate::args::Args;
use crate::exit::Failure;

/// The pattern's colour if none is said: the grey of a rainy day in Verona.
const GREY: [u8; 3] = [112, 120, 128];

/// What is done about pictures.
pub(crate) enum Video {
    /// Nothing: a call with sound alone.
    Off,
    /// Those of the others are seen.
    Watch,
    /// Ours are shown too.
    Show(Box<dyn PictureSource>),
}

/// Opens what the user asked for; whoever has a window wants to see the others.
pub(crate) fn open(args: &Args, window: bool) -> Result<Video, Failure> {
    let usual = if window && cfg!(feature = "vp8") { "none" } else { "off" };
    let what = args.video.as_deref().unwrap_or(usual);
    if what != "off" && !cfg!(feature = "vp8") {
        let how = "this muji-call was built without pictures; build it with --features vp8";
        return Err(Failure::Usage(how.to_owned()));
    }
    let name = args.nick.as_deref().unwrap_or("muji-call");
    match what {
        "off" => Ok(Video::Off),
        "none" => Ok(Video::Watch),
        "pattern" => Ok(Video::Show(Box::new(Pattern::new(name, GREY)))),
        file if file.ends_with(".y4m") => {
            let source = Y4mSource::open(Path::new(file)).map_err(|why| Failure::Usage(why.to_string()))?;
            Ok(Video::Show(Box::new(source)))
        }
        file if file.ends_with(".webm") || file.ends_with(".ivf") => {
            let source = Film::open(Path::new(file)).map_err(|why| Failure::Usage(why.to_string()))?;
            Ok(Video::Show(Box::new(source)))
        }
        other => {
            let colour = other.strip_prefix("pattern:").and_then(colour);
            let colour = colour.ok_or_else(|| {
                let known = "pattern, pattern:RRGGBB, FILE.webm, FILE.ivf, FILE.y4m, none or off";
                Failure::Usage(format!("--video takes {known}, not {other}"))
            })?;
            Ok(Video::Show(Box::new(Pattern::new(name, colour))))
        }
    }
}

/// A colour in six hexadecimal digits.
fn colour(digits: &str) -> Option<[u8; 3]> {
    let hexadecimal = digits.len() == 6 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)?;
    let [_, red, green, blue] = number.to_be_bytes();
    Some([red, green, blue])
}

impl Video {
    /// What the call carries.
    pub(crate) fn media(&self) -> Vec<Media> {
        match self {
            Self::Off => vec![Media::Audio],
            Self::Watch | Self::Show(_) => vec![Media::Audio, Media::Video],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_six_digits() {
        assert_eq!(colour("c83c28"), Some([0xC8, 0x3C, 0x28]));
        assert_eq!((colour("c83c2"), colour("+83c28"), colour("blue!!")), (None, None, None));
    }
}
