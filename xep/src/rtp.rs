//! RTP descriptions: XEP-0167 with feedback (0293), header extensions (0294) and sources (0339).

use std::collections::BTreeSet;
use std::fmt;

use minidom::{Element, NSChoice};

use crate::element::{Build, parsed, text};
use crate::side::Senders;
use crate::{Skipped, codec_parameters, ns};

/// Payload types read of one content. The id has 7 bits, and half of that is more than any client offers.
pub const MAX_PAYLOAD_TYPES: usize = 64;
/// Parameters read of one payload type.
pub const MAX_PARAMETERS: usize = 32;
/// Sources read of one content.
pub const MAX_SOURCES: usize = 16;
/// Header extensions read of one content: as many as the one-byte form can name, and a few.
pub const MAX_EXTENSIONS: usize = 32;

/// What kind of sound or picture a content is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Media {
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Moving pictures of category `slides`: a screen, or a part of it (XEP-0507).
    Slides,
    /// Something else, kept as named.
    Other(String),
}

impl Media {
    /// Its name, which is also the default name of a content.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Slides => "slides",
            Self::Other(word) => word,
        }
    }

    /// The medium of a `<description/>`, if it has one. Of several categories only `slides` matters.
    pub(crate) fn read(description: &Element) -> Option<Self> {
        let word = text(description, "media")?;
        Some(match word.as_str() {
            "audio" => Self::Audio,
            "video" if description.children().any(is_slides) => Self::Slides,
            "video" => Self::Video,
            _ => Self::Other(word),
        })
    }

    /// A `<description/>` of it.
    pub(crate) fn describe(&self) -> Element {
        let element = Element::bare("description", ns::RTP);
        match self {
            Self::Slides => {
                let category = Element::bare("category", ns::CATEGORY).with("name", Self::Slides);
                element.with("media", Self::Video).child(category)
            }
            Self::Audio | Self::Video | Self::Other(_) => element.with("media", self),
        }
    }
}

fn is_slides(child: &Element) -> bool {
    child.is("category", ns::CATEGORY) && child.attr("name") == Some(Media::Slides.as_str())
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Adds what was read of a child of `place` to a list that takes so many, or notes that it was left out.
fn keep<T>(list: &mut Vec<T>, most: usize, read: Option<T>, [place, name]: [&str; 2], skipped: &mut Skipped) {
    match read.filter(|_| list.len() < most) {
        Some(read) => list.push(read),
        None => skipped.note(place, name),
    }
}

/// A name and perhaps a value: a parameter of a codec or of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parameter {
    /// The name, such as `useinbandfec`.
    pub name: String,
    /// The value; Chromium sends some without.
    pub value: Option<String>,
}

impl Parameter {
    fn read(element: &Element) -> Option<Self> {
        // stanza.js writes the whole fmtp line of a nameless parameter as the value.
        Some(Self { name: text(element, "name").unwrap_or_default(), value: text(element, "value") })
            .filter(|parameter| !parameter.name.is_empty() || parameter.value.is_some())
    }

    fn write(&self, ns: &str) -> Element {
        let name = Some(&self.name).filter(|name| !name.is_empty());
        Element::bare("parameter", ns).with_opt("name", name).with_opt("value", self.value.as_ref())
    }
}

/// A kind of RTCP feedback (XEP-0293), such as `nack pli`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feedback {
    /// `nack`, `ccm`, `goog-remb`, `transport-cc`.
    pub kind: String,
    /// `pli`, `fir`.
    pub subtype: Option<String>,
}

impl Feedback {
    fn read(element: &Element) -> Option<Self> {
        Some(Self { kind: text(element, "type")?, subtype: text(element, "subtype") })
    }

    fn write(&self) -> Element {
        Element::bare("rtcp-fb", ns::RTCP_FB).with("type", &self.kind).with_opt("subtype", self.subtype.as_ref())
    }
}

/// What payload types mean that need no name (RFC 3551 section 6); those of sound that anybody still sends.
const STATIC: [(u8, &str, u32); 6] = [
    (0, "PCMU", 8_000),
    (3, "GSM", 8_000),
    (4, "G723", 8_000),
    (8, "PCMA", 8_000),
    (9, "G722", 8_000),
    (18, "G729", 8_000),
];

/// Codecs whose clock rate and channels are fixed, whatever a description says of them or leaves out (RFC 7587 section 7 for Opus; video
/// ticks 90,000 times a second).
const FIXED: [(&str, u32); 5] = [("opus", 48_000), ("VP8", 90_000), ("VP9", 90_000), ("H264", 90_000), ("AV1", 90_000)];

/// Ticks of video (RFC 3551 section 5).
const VIDEO_CLOCK: u32 = 90_000;

/// The parameter of RTX that names the payload type which it is associated with (RFC 4588 section 8.1).
const APT: &str = "apt";

/// One way of encoding a content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType {
    /// RTP's payload type, 0..=127.
    pub id: u8,
    /// The codec; absent only for static payload types.
    pub name: Option<String>,
    /// Ticks of the RTP timestamp per second.
    pub clockrate: Option<u32>,
    /// Channels; absent means 1.
    pub channels: Option<u8>,
    /// Milliseconds of sound in a packet.
    pub ptime: Option<u32>,
    /// Most milliseconds of sound in a packet.
    pub maxptime: Option<u32>,
    /// The codec's parameters, in the order sent: Dino compares them all.
    pub parameters: Vec<Parameter>,
    /// Feedback the receiver wants.
    pub feedback: Vec<Feedback>,
}

impl PayloadType {
    /// A codec with nothing but what every codec has.
    #[must_use]
    pub fn new(id: u8, name: &str, clockrate: u32, channels: u8) -> Self {
        Self {
            id,
            name: Some(name.to_owned()),
            clockrate: Some(clockrate),
            channels: Some(channels).filter(|&channels| channels > 1),
            ptime: None,
            maxptime: None,
            parameters: Vec::new(),
            feedback: Vec::new(),
        }
    }

    /// Adds a codec parameter.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push(Parameter { name: name.to_owned(), value: Some(value.to_owned()) });
        self
    }

    /// The value of a codec parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|parameter| parameter.name == name)?.value.as_deref()
    }

    /// Ticks of the RTP timestamp per second, as the codec fixes them or else as the description says.
    #[must_use]
    pub fn clock_rate(&self) -> Option<u32> {
        self.fixed_clock_rate().or(self.clockrate)
    }

    fn fixed_clock_rate(&self) -> Option<u32> {
        let name = self.name.as_ref()?;
        FIXED.iter().find(|(fixed, _)| fixed.eq_ignore_ascii_case(name)).map(|(_, rate)| *rate)
    }

    /// True if it is no codec, but the keys of telephones (RFC 4733).
    #[must_use]
    pub fn is_telephone_event(&self) -> bool {
        self.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("telephone-event"))
    }

    /// True if it is no codec, but copies of earlier frames together with new ones (RFC 2198).
    #[must_use]
    pub fn is_red(&self) -> bool {
        self.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("red"))
    }

    /// True if it is no codec, but sends packets of one again (RFC 4588).
    #[must_use]
    pub fn is_rtx(&self) -> bool {
        self.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("rtx"))
    }

    /// True if it is a codec, and not something that goes with one.
    #[must_use]
    pub fn is_codec(&self) -> bool {
        !self.is_telephone_event() && !self.is_red() && !self.is_rtx()
    }

    /// What sends packets of a codec again (RTX), under this id.
    #[must_use]
    pub fn rtx(id: u8, of: &Self) -> Self {
        let clockrate = of.clock_rate().unwrap_or(VIDEO_CLOCK);
        Self::new(id, "rtx", clockrate, 1).with_parameter(APT, &of.id.to_string())
    }

    /// Of RTX, the payload type whose packets are sent again. One that is associated with itself sends nothing again.
    #[must_use]
    pub fn sent_again(&self) -> Option<u8> {
        let id = self.parameter(APT)?.trim().parse().ok()?;
        (self.is_rtx() && id != self.id).then_some(id)
    }

    /// Of RED, the payload type of its frames, if it says that: `111/111`, which Chromium writes as the name of a parameter, and
    /// stanza.js as the value of a nameless one.
    #[must_use]
    pub fn repeated(&self) -> Option<u8> {
        let texts = self.parameters.iter().flat_map(|it| [Some(&it.name), it.value.as_ref()]).flatten();
        texts.filter_map(|text| text.split('/').next()?.trim().parse().ok()).next()
    }

    /// Says in Chromium's form that the frames of RED have this payload type.
    #[must_use]
    pub fn repeating(mut self, id: u8) -> Self {
        self.parameters = vec![Parameter { name: format!("{id}/{id}"), value: None }];
        self
    }

    /// True if lost packets may be asked for (generic NACK, RFC 4585 section 6.2.1).
    #[must_use]
    pub fn is_nacked(&self) -> bool {
        self.feedback.iter().any(|feedback| feedback.kind == "nack" && feedback.subtype.is_none())
    }

    /// True if both name the same codec; ids, feedback and most parameters may differ. Those count that both ends must agree on: the profile,
    /// and how H.264 is cut into packets. The clock rate counts if both give one (XEP-0167 section 4 only recommends it), and it and the
    /// channels only where the codec leaves them open.
    #[must_use]
    pub fn same_codec(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs)) = (&self.name, &other.name) else {
            return self.name == other.name && self.id == other.id;
        };
        if !ours.eq_ignore_ascii_case(theirs) {
            return false;
        }
        if !codec_parameters::agree(ours, |parameter| [self, other].map(|it| it.parameter(parameter))) {
            return false;
        }
        let rate = self.clockrate.zip(other.clockrate).is_none_or(|(ours, theirs)| ours == theirs);
        self.fixed_clock_rate().is_some() || (rate && self.channels.unwrap_or(1) == other.channels.unwrap_or(1))
    }

    fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let Some(id) = parsed(element, "id").filter(|&id: &u8| id < 128) else {
            skipped.note("payload-type", "no id between 0 and 127");
            return None;
        };
        let fixed = STATIC.iter().find(|(fixed, ..)| *fixed == id);
        let Some(name) = text(element, "name").or_else(|| fixed.map(|(_, name, _)| (*name).to_owned())) else {
            skipped.note("payload-type", format_args!("{id} without a name"));
            return None;
        };
        let mut this = Self {
            id,
            name: Some(name),
            clockrate: parsed(element, "clockrate").or_else(|| fixed.map(|(.., rate)| *rate)),
            channels: parsed(element, "channels"),
            ptime: parsed(element, "ptime"),
            maxptime: parsed(element, "maxptime"),
            parameters: Vec::new(),
            feedback: Vec::new(),
        };
        for child in element.children() {
            let place = ["payload-type", child.name()];
            if child.is("parameter", NSChoice::AnyOf(&[ns::RTP, ns::RTP_0])) {
                keep(&mut this.parameters, MAX_PARAMETERS, Parameter::read(child), place, skipped);
            } else if child.is("rtcp-fb", ns::RTCP_FB) {
                keep(&mut this.feedback, MAX_PARAMETERS, Feedback::read(child), place, skipped);
            } else {
                skipped.note(place[0], place[1]);
            }
        }
        Some(this)
    }

    fn write(&self) -> Element {
        Element::bare("payload-type", ns::RTP)
            .with("id", self.id)
            .with_opt("name", self.name.as_ref())
            .with_opt("clockrate", self.clockrate)
            .with_opt("channels", self.channels)
            .with_opt("ptime", self.ptime)
            .with_opt("maxptime", self.maxptime)
            .children_from(self.parameters.iter().map(|parameter| parameter.write(ns::RTP)))
            .children_from(self.feedback.iter().map(Feedback::write))
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.id, self.name.as_deref().unwrap_or("static"))
    }
}

/// An RTP header extension (XEP-0294).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderExtension {
    /// The id in the packets, 1 to 256; from 4096 on it is only proposed, and the answer chooses another (XEP-0294 section 3).
    pub id: u16,
    /// What the extension carries.
    pub uri: String,
    /// Who sends it.
    pub senders: Senders,
}

impl HeaderExtension {
    /// Which content of a bundle a packet belongs to, by its name (RFC 9143 section 15).
    pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

    /// All of these, of those with the same id the first: in one transport an id means one thing (RFC 8843 section 9.2).
    #[must_use]
    pub fn unite(extensions: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut united: Vec<Self> = Vec::new();
        for extension in extensions {
            if united.iter().all(|other| other.id != extension.id) {
                united.push(extension);
            }
        }
        united
    }

    fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let id = parsed(element, "id").filter(|id| matches!(id, 1..=256 | 4096..=4351));
        let senders = element.attr("senders").map_or(Some(Senders::Both), Senders::from_word);
        let (Some(id), Some(uri), Some(senders)) = (id, text(element, "uri"), senders) else {
            skipped.note("rtp-hdrext", "an id, a URI or senders that there are not");
            return None;
        };
        Some(Self { id, uri, senders })
    }

    fn write(&self) -> Element {
        Element::bare("rtp-hdrext", ns::RTP_HDREXT)
            .with("id", self.id)
            .with("uri", &self.uri)
            .with_opt("senders", Some(self.senders).filter(|senders| *senders != Senders::Both))
    }
}

/// A stream announced by its SSRC (XEP-0339).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The synchronisation source of its packets.
    pub ssrc: u32,
    /// Such as `cname` and `msid`.
    pub parameters: Vec<Parameter>,
}

impl Source {
    fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let mut this = Self { ssrc: parsed(element, "ssrc")?, parameters: Vec::new() };
        for child in element.children().filter(|child| child.is("parameter", ns::SOURCES)) {
            keep(&mut this.parameters, MAX_PARAMETERS, Parameter::read(child), ["source", child.name()], skipped);
        }
        Some(this)
    }

    fn write(&self) -> Element {
        Element::bare("source", ns::SOURCES)
            .with("ssrc", self.ssrc)
            .children_from(self.parameters.iter().map(|parameter| parameter.write(ns::SOURCES)))
    }
}

/// Announced streams that belong together, such as one and its repetition (XEP-0339).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceGroup {
    /// `FID`, `SIM`.
    pub semantics: String,
    /// Their SSRCs, in an order that means something.
    pub sources: Vec<u32>,
}

impl SourceGroup {
    /// The semantics of a stream and the one by which its packets are sent again (RFC 5576 section 4.2, RFC 4588 section 8.8).
    const FID: &str = "FID";

    /// Says that the packets of one stream are sent again by another.
    #[must_use]
    pub fn sent_again(ssrc: u32, by: u32) -> Self {
        Self { semantics: Self::FID.to_owned(), sources: vec![ssrc, by] }
    }

    /// The stream, and the one by which its packets are sent again. A group of another kind, or of one source or three, is none.
    fn pair(&self) -> Option<[u32; 2]> {
        let pair = <[u32; 2]>::try_from(&*self.sources).ok()?;
        (self.semantics == Self::FID && pair[0] != pair[1]).then_some(pair)
    }

    fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let mut this = Self { semantics: text(element, "semantics")?, sources: Vec::new() };
        for child in element.children().filter(|child| child.is("source", ns::SOURCES)) {
            keep(&mut this.sources, MAX_SOURCES, parsed(child, "ssrc"), ["ssrc-group", child.name()], skipped);
        }
        Some(this)
    }

    fn write(&self) -> Element {
        let sources = self.sources.iter().map(|ssrc| Element::bare("source", ns::SOURCES).with("ssrc", ssrc));
        Element::bare("ssrc-group", ns::SOURCES).with("semantics", &self.semantics).children_from(sources)
    }
}

/// A stream that was announced, and the one by which its packets are sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncedStream {
    /// Its SSRC.
    pub ssrc: u32,
    /// The SSRC of the other (RTX, RFC 4588), if there is one.
    pub rtx: Option<u32>,
}

impl From<u32> for AnnouncedStream {
    fn from(ssrc: u32) -> Self {
        Self { ssrc, rtx: None }
    }
}

/// What a content may use of the network (XEP-0167 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bandwidth {
    /// `AS`: of this content, in kbit/s with all headers; `CT`: of the whole session.
    pub kind: String,
    /// How much, in the unit of its kind.
    pub value: u32,
}

impl Bandwidth {
    fn read(element: &Element) -> Option<Self> {
        Some(Self { kind: text(element, "type")?, value: element.text().trim().parse().ok()? })
    }

    fn write(&self) -> Element {
        let mut element = Element::bare("bandwidth", ns::RTP).with("type", &self.kind);
        element.append_text(self.value.to_string());
        element
    }
}

/// What a content is and how it may be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Audio, video or slides.
    pub media: Media,
    /// The encodings, best first.
    pub payload_types: Vec<PayloadType>,
    /// Header extensions.
    pub extensions: Vec<HeaderExtension>,
    /// Announced streams.
    pub sources: Vec<Source>,
    /// Announced streams that belong together.
    pub source_groups: Vec<SourceGroup>,
    /// The SSRC of the only stream, where it is announced without saying more of it.
    pub ssrc: Option<u32>,
    /// What it may use of the network.
    pub bandwidth: Option<Bandwidth>,
    /// True if RTCP shares the RTP component.
    pub rtcp_mux: bool,
    /// True if feedback may be sent without a report before it (RFC 5506).
    pub rtcp_reduced_size: bool,
}

impl Description {
    /// A description with encodings only, as Muji presence carries it.
    #[must_use]
    pub fn new(media: Media, payload_types: Vec<PayloadType>) -> Self {
        Self {
            media,
            payload_types,
            extensions: Vec::new(),
            sources: Vec::new(),
            source_groups: Vec::new(),
            ssrc: None,
            bandwidth: None,
            rtcp_mux: false,
            rtcp_reduced_size: false,
        }
    }

    /// True for the element that [`Self::read`] takes.
    #[must_use]
    pub fn matches(element: &Element) -> bool {
        element.is("description", NSChoice::AnyOf(&[ns::RTP, ns::RTP_0]))
    }

    /// Reads a `<description/>`; `None` if it does not say which media it is.
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let Some(media) = Media::read(element) else {
            skipped.note("description", "no media");
            return None;
        };
        let mut this = Self { ssrc: parsed(element, "ssrc"), ..Self::new(media, Vec::new()) };
        let mut ids = BTreeSet::new();
        let mut common = Vec::new();
        for child in element.children() {
            if child.is("rtcp-fb", ns::RTCP_FB) {
                keep(&mut common, MAX_PARAMETERS, Feedback::read(child), ["description", child.name()], skipped);
            } else {
                this.take(child, &mut ids, skipped);
            }
        }
        // Feedback beside the payload types applies to each of them (XEP-0293 section 3).
        for payload in &mut this.payload_types {
            for feedback in &common {
                if !payload.feedback.contains(feedback) {
                    let place = ["payload-type", "rtcp-fb"];
                    keep(&mut payload.feedback, MAX_PARAMETERS, Some(feedback.clone()), place, skipped);
                }
            }
        }
        Some(this)
    }

    fn take(&mut self, child: &Element, ids: &mut BTreeSet<u8>, skipped: &mut Skipped) {
        if child.is("payload-type", NSChoice::AnyOf(&[ns::RTP, ns::RTP_0]))
            && self.payload_types.len() < MAX_PAYLOAD_TYPES
        {
            let Some(payload) = PayloadType::read(child, skipped) else { return };
            if ids.insert(payload.id) {
                self.payload_types.push(payload);
            } else {
                skipped.note("payload-type", format_args!("{} a second time", payload.id));
            }
        } else if child.is("rtp-hdrext", ns::RTP_HDREXT) && self.extensions.len() < MAX_EXTENSIONS {
            self.extensions.extend(HeaderExtension::read(child, skipped));
        } else if child.is("source", ns::SOURCES) {
            let source = Source::read(child, skipped);
            keep(&mut self.sources, MAX_SOURCES, source, ["description", child.name()], skipped);
        } else if child.is("ssrc-group", ns::SOURCES) {
            let group = SourceGroup::read(child, skipped);
            keep(&mut self.source_groups, MAX_SOURCES, group, ["description", child.name()], skipped);
        } else if child.is("bandwidth", ns::RTP) {
            self.bandwidth = Bandwidth::read(child);
        } else if child.is("rtcp-mux", NSChoice::Any) {
            self.rtcp_mux = true; // stanza.js writes it in the description's namespace, others without one of its own.
        } else if child.is("rtcp-reduced-size", NSChoice::Any) {
            self.rtcp_reduced_size = true; // No XEP has it. So stanza.js writes it, in the description's namespace.
        } else if !is_slides(child) {
            skipped.note("description", child.name());
        }
    }

    /// All announced streams. Of groups that contradict each other the first counts: a stream is sent again by one other, and that one is
    /// not sent again itself.
    #[must_use]
    pub fn streams(&self) -> Vec<AnnouncedStream> {
        let mut pairs: Vec<[u32; 2]> = Vec::new();
        for pair in self.source_groups.iter().filter_map(SourceGroup::pair) {
            if pairs.iter().flatten().all(|known| !pair.contains(known)) {
                pairs.push(pair);
            }
        }
        let mut streams: Vec<AnnouncedStream> = Vec::new();
        for ssrc in self.sources.iter().map(|source| source.ssrc).chain(self.ssrc) {
            let is_known = streams.iter().any(|stream| stream.ssrc == ssrc);
            if !is_known && pairs.iter().all(|[_, by]| *by != ssrc) {
                let rtx = pairs.iter().find(|[of, _]| *of == ssrc).map(|[_, by]| *by);
                streams.push(AnnouncedStream { ssrc, rtx });
            }
        }
        streams
    }

    /// Writes the element, sources and header extensions behind the encodings.
    #[must_use]
    pub fn write(&self) -> Element {
        self.media
            .describe()
            .with_opt("ssrc", self.ssrc)
            .children_from(self.payload_types.iter().map(PayloadType::write))
            .children_from(self.bandwidth.as_ref().map(Bandwidth::write))
            .children_from(self.extensions.iter().map(HeaderExtension::write))
            .children_from(self.sources.iter().map(Source::write))
            .children_from(self.source_groups.iter().map(SourceGroup::write))
            .children_from(self.rtcp_mux.then(|| Element::bare("rtcp-mux", ns::RTP)))
            .children_from(self.rtcp_reduced_size.then(|| Element::bare("rtcp-reduced-size", ns::RTP)))
    }
}
