//! The video to send.

use std::path::Path;

use muji_core::Media;
use muji_media::device::filter::{Blur, FilteredVideo, Mirror};
use muji_media::device::pattern::Pattern;
use muji_media::device::video_file::VideoFile;
use muji_media::device::y4m::Y4mSource;
use muji_media::device::{VideoFilter, VideoSource};
use muji_media::stats::VideoEncoding;

use crate::args::{Codec, Filter, MediaArgs};
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
    Show(Box<dyn VideoSource>),
}

/// Opens what the user asked for; with a window the user also wants to see the others.
pub(crate) fn open(args: &MediaArgs, name: Option<&str>, window: bool) -> Result<Video, Failure> {
    let usual = if window && cfg!(feature = "vp8") { "none" } else { "off" };
    let what = args.video.as_deref().unwrap_or(usual);
    if what != "off" && !cfg!(feature = "vp8") {
        return Err(without_pictures());
    }
    let name = name.unwrap_or("muji-call");
    Ok(match what {
        "off" | "none" if args.size.is_some() => return Err(not_sized(what)),
        "off" | "none" if args.filter.is_some() => return Err(not_filtered("--video", what)),
        "off" => Video::Off,
        "none" => Video::Watch,
        what => Video::Show(filtered(args.filter, source("--video", what, name, args.size)?)?),
    })
}

fn filtered(filter: Option<Filter>, source: Box<dyn VideoSource>) -> Result<Box<dyn VideoSource>, Failure> {
    let filter: Box<dyn VideoFilter> = match filter {
        None => return Ok(source),
        Some(Filter::Blur) => Box::new(Blur::default()),
        Some(Filter::Mirror) => Box::new(Mirror),
    };
    Ok(Box::new(FilteredVideo::new(source, filter).map_err(usage)?))
}

/// Opens what is shared as a screen (slides).
pub(crate) fn screen(args: &MediaArgs, name: Option<&str>) -> Result<Option<Box<dyn VideoSource>>, Failure> {
    let name = format!("{}'s screen", name.unwrap_or("muji-call"));
    let Some(what) = &args.screen else { return Ok(None) };
    if !cfg!(feature = "vp8") {
        return Err(without_pictures());
    }
    if args.filter.is_some() && what.split(':').next() == Some("camera") {
        return Err(not_filtered("--screen", what)); // A face must not be seen that seemed to be hidden.
    }
    source("--screen", what, &name, None).map(Some)
}

/// The encoding that is offered first, if the user said one.
pub(crate) fn preferred(args: &MediaArgs) -> Result<Option<VideoEncoding>, Failure> {
    let Some(codec) = args.codec else { return Ok(None) };
    let (encoding, feature) = match codec {
        Codec::Vp8 => (VideoEncoding::Vp8, "vp8"),
        Codec::Vp9 => (VideoEncoding::Vp9, "vp8"),
        Codec::H264 => (VideoEncoding::H264, "h264"),
        Codec::Av1 => (VideoEncoding::Av1, "av1"),
    };
    if VideoEncoding::built_in().any(|known| known == encoding) {
        return Ok(Some(encoding));
    }
    let name = encoding.name();
    Err(usage(format!("this muji-call was built without {name}; build it with --features {feature}")))
}

fn without_pictures() -> Failure {
    usage("this muji-call was built without video; build it with --features vp8")
}

fn not_sized(what: &str) -> Failure {
    Failure::Usage(format!("--size is for --video camera and pattern, not for {what}"))
}

fn not_filtered(option: &str, what: &str) -> Failure {
    Failure::Usage(format!("--filter is for --video that is sent, not for {option} {what}"))
}

/// Opens where pictures come from.
fn source(option: &str, what: &str, name: &str, size: Option<[usize; 2]>) -> Result<Box<dyn VideoSource>, Failure> {
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| what.ends_with(suffix));
    // Before the endings of files: a window's title may end like one.
    let (kind, of) = what.split_once(':').map_or((what, None), |(kind, of)| (kind, Some(of)));
    Ok(match (kind, of) {
        ("camera", camera_name) => camera(camera_name, size)?,
        ("pattern", None) => pattern(name, GREY, size),
        ("pattern", Some(digits)) => match colour(digits) {
            Some(colour) => pattern(name, colour, size),
            None => return Err(unknown(option, what)),
        },
        _ if size.is_some() => return Err(not_sized(what)),
        ("portal", None) => portal()?,
        ("screen", None) if has_portal() => portal()?,
        ("screen", screen_name) => shared(Surface::Screen(screen_name))?,
        ("window", Some(title)) => shared(Surface::Window(title))?,
        _ if ends(&[".y4m"]) => Box::new(Y4mSource::open(Path::new(what)).map_err(usage)?),
        _ if ends(&[".webm", ".ivf"]) => Box::new(VideoFile::open(Path::new(what)).map_err(usage)?),
        _ => return Err(unknown(option, what)),
    })
}

fn unknown(option: &str, what: &str) -> Failure {
    let known = "camera, camera:NAME, screen, screen:NAME, window:TITLE, portal, pattern, pattern:RRGGBB, FILE.webm, FILE.ivf or FILE.y4m";
    let more = if option == "--video" { ", none or off" } else { "" };
    Failure::Usage(format!("{option} takes {known}{more}, not {what}"))
}

/// What is shared of a desktop.
#[cfg_attr(
    not(all(feature = "screen", target_os = "linux")),
    expect(dead_code, reason = "without that support all are refused")
)]
enum Surface<'a> {
    /// A monitor; without a name the primary one.
    Screen(Option<&'a str>),
    /// A window, by a part of its title.
    Window(&'a str),
}

#[cfg(not(all(feature = "screen", target_os = "linux")))]
fn shared(_surface: Surface<'_>) -> Result<Box<dyn VideoSource>, Failure> {
    Err(usage(
        "this muji-call was built without screen capture; on Linux build it with --features screen, or run make install",
    ))
}

#[cfg(all(feature = "screen", target_os = "linux"))]
fn shared(surface: Surface<'_>) -> Result<Box<dyn VideoSource>, Failure> {
    use muji_media::device::screen::ScreenCapture;
    let capture = match surface {
        Surface::Screen(name) => ScreenCapture::of_monitor(None, name),
        Surface::Window(title) => ScreenCapture::of_window(None, title),
    };
    Ok(Box::new(capture.map_err(|why| usage(format!("{why}; see muji-call devices")))?))
}

/// Whether the desktop chooses what is shared: on Wayland no program sees more than that.
fn has_portal() -> bool {
    let is_set = |name, is_right: fn(&str) -> bool| std::env::var(name).is_ok_and(|value| is_right(&value));
    let wayland =
        is_set("WAYLAND_DISPLAY", |name| !name.is_empty()) || is_set("XDG_SESSION_TYPE", |kind| kind == "wayland");
    wayland && cfg!(all(feature = "portal", target_os = "linux"))
}

#[cfg(not(all(feature = "portal", target_os = "linux")))]
fn portal() -> Result<Box<dyn VideoSource>, Failure> {
    Err(usage(
        "this muji-call was built without the portal of Wayland desktops; on Linux build it with --features portal",
    ))
}

/// What the desktop's user chooses, once it is wanted.
#[cfg(all(feature = "portal", target_os = "linux"))]
fn portal() -> Result<Box<dyn VideoSource>, Failure> {
    let capture = muji_media::device::screen::portal::PortalCapture::find(None);
    Ok(Box::new(capture.map_err(usage)?))
}

fn pattern(name: &str, rgb: [u8; 3], size: Option<[usize; 2]>) -> Box<dyn VideoSource> {
    Box::new(size.map_or_else(|| Pattern::new(name, rgb), |size| Pattern::with_size(name, rgb, size)))
}

fn usage(why: impl ToString) -> Failure {
    Failure::Usage(why.to_string())
}

#[cfg(not(all(feature = "camera", target_os = "linux")))]
fn camera(_name: Option<&str>, _size: Option<[usize; 2]>) -> Result<Box<dyn VideoSource>, Failure> {
    Err(usage(
        "this muji-call was built without camera support; on Linux build it with --features camera, or run make install",
    ))
}

#[cfg(all(feature = "camera", target_os = "linux"))]
fn camera(name: Option<&str>, size: Option<[usize; 2]>) -> Result<Box<dyn VideoSource>, Failure> {
    use muji_media::device::camera::{Camera, SIZE};
    let camera =
        Camera::named(name, size.unwrap_or(SIZE)).map_err(|why| usage(format!("{why}; see muji-call devices")))?;
    Ok(Box::new(camera))
}

/// Prints the cameras.
#[cfg(all(feature = "camera", target_os = "linux"))]
pub(crate) fn list_cameras() {
    crate::output::line(format_args!("Cameras:"));
    for muji_media::device::camera::Listed { name, path } in muji_media::device::camera::cameras() {
        crate::output::line(format_args!("  --video camera:{}   ({name})", path.display()));
    }
}

/// Prints the screens and windows.
#[cfg(all(feature = "screen", target_os = "linux"))]
pub(crate) fn list_screens() {
    use muji_media::device::DeviceError;
    use muji_media::device::screen::{Listed, monitors, windows};
    let print = |heading: &str, option: &str, listed: Result<Vec<Listed>, DeviceError>| {
        crate::output::line(format_args!("{heading}:"));
        match listed {
            Ok(listed) => listed.iter().for_each(|Listed { name, sides: [width, height] }| {
                crate::output::line(format_args!("  --screen {option}:{name}   ({width} x {height})"));
            }),
            Err(why) => crate::output::line(format_args!("  {why}")),
        }
    };
    print("Screens", "screen", monitors(None));
    print("Windows", "window", windows(None));
    crate::output::line(format_args!("Portal:"));
    match portal() {
        Ok(_) => crate::output::line(format_args!("  --screen portal   (the desktop asks which screen or window)")),
        Err(why) => crate::output::line(format_args!("  {why}")),
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
    fn sizes_are_two_even_numbers_within_the_bounds_and_only_for_what_has_no_size_of_its_own() {
        use crate::args::size;
        assert_eq!((size("1280x720"), size("720x1280")), (Ok([1_280, 720]), Ok([720, 1_280])));
        let wrong = ["", "720", "1280x", "x720", "1279x720", "160x90", "3840x2160", "99999999999x99999999999", "-2x-2"];
        for text in wrong {
            assert!(size(text).is_err_and(|why| why.contains("from 320x180 to 1920x1080")), "{text}");
        }
        let why =
            source("--video", "film.webm", "romeo", Some([1_280, 720])).err().expect("it has its own").to_string();
        assert!(why.contains("--size is for --video camera and pattern, not for film.webm"), "{why}");
        let pattern = source("--video", "pattern", "romeo", Some([1_280, 720])).expect("it is always there");
        assert_eq!(pattern.size(), [1_280, 720]);
    }

    #[test]
    fn what_is_named_first_decides_not_how_it_ends() {
        let why = source("--video", "pattern:talk.webm", "romeo", None).err().expect("it is no colour").to_string();
        assert!(why.contains("pattern:RRGGBB") && why.ends_with("not pattern:talk.webm"), "{why}");
    }

    #[test]
    fn colours_have_six_digits() {
        assert_eq!(colour("c83c28"), Some([0xC8, 0x3C, 0x28]));
        assert_eq!((colour("c83c2"), colour("+83c28"), colour("blue!!")), (None, None, None));
    }
}
