//! What the media layer is started with: what the options name, opened.

use muji_core::Media;
use muji_media::backend::Devices;
use muji_media::device::{VideoInput, VideoSink};

use crate::args::MediaArgs;
use crate::audio::{self, Audio};
use crate::exit::Failure;
use crate::network::Network;
use crate::video::{self, Video};

/// Devices and files, found and not yet in use.
pub(crate) struct Opened {
    pub(crate) devices: Devices,
    /// What calls carry.
    pub(crate) contents: Vec<Media>,
    /// Pictures of others are seen, and none are sent.
    pub(crate) watches: bool,
}

/// Who wants them.
pub(crate) struct Wanted<'a> {
    pub(crate) media: &'a MediaArgs,
    pub(crate) network: &'a Network,
    pub(crate) ca_file: Option<&'a std::path::Path>,
    pub(crate) nick: Option<&'a str>,
    /// There is a window, in which the others are seen.
    pub(crate) window: bool,
    pub(crate) video_sink: Option<Box<dyn VideoSink>>,
    /// Calls are joined.
    pub(crate) bridge: bool,
}

/// Finds what the options name.
pub(crate) fn open(wanted: Wanted<'_>) -> Result<Opened, Failure> {
    let Wanted { media, network, ca_file, nick, window, video_sink, bridge } = wanted;
    let Audio { source, sink } = audio::open(media)?;
    let video = video::open(media, nick, window)?;
    let slides = video::screen(media, nick)?;
    let (mut contents, watches) = (video.media(), matches!(video, Video::Watch));
    contents.extend(slides.is_some().then_some(Media::Slides));
    let pictures = if let Video::Show(source) = video { Some(source) } else { None };
    let devices = Devices {
        audio_source: source,
        sound: audio::sound(media),
        audio_sink: sink,
        video_source: pictures.map(VideoInput::Raw),
        slides_source: slides.map(VideoInput::Raw),
        video_sink,
        preferred_video: video::preferred(media)?,
        bandwidth_policy: media.fit,
        bridging: bridge,
        record: media.record.clone(),
        addresses: network.bind.clone(),
        gather_policy: network.gather_policy(ca_file)?,
    };
    Ok(Opened { devices, contents, watches })
}
