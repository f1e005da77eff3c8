//! The media layer as the core sees it.

use std::task::{Context, Poll};

pub use muji_jingle::TransportId;
pub use muji_jingle::media::{
    Audibility, CandidateCounts, DtlsRole, IceRole, IceServer, LocalTransport, MediaCommand, MediaReport, MediaTrouble,
    NetworkFailure, OpenContent, PathFailure, Prompt, RemoteTransport, Sending, ServerKind, ServerTransport,
    TransportFailure,
};
pub use muji_xep::dtls::{Fingerprint, Setup};
pub use muji_xep::extdisco::ExternalService;
pub use muji_xep::ice::{Candidate, CandidateKind};
pub use muji_xep::jingle::Senders;
pub use muji_xep::rtp::{AnnouncedStream, Feedback, HeaderExtension, Parameter, PayloadType};
pub use muji_xep::sdp::SdpFault;

use muji_jingle::TransportAbilities;
use muji_xep::rtp::Media;

pub use crate::ice_servers::ice_server;

/// What a media layer can encode and decode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Encodings of sound, best first, with the ids we propose.
    pub audio: Vec<PayloadType>,
    /// Encodings of pictures, a camera's or a screen's, best first, with the ids we propose.
    pub video: Vec<PayloadType>,
    /// Header extensions that packets of sound may have, with the ids we propose, 1 to 14 (XEP-0294, RFC 8285 section 4.2). Contents can
    /// share a transport, so one id means the same with sound and with pictures.
    pub audio_extensions: Vec<HeaderExtension>,
    /// The same of packets of pictures.
    pub video_extensions: Vec<HeaderExtension>,
    /// Lost packets of pictures can be sent again, and come again, by an SSRC of their own (RTX, RFC 4588).
    pub video_rtx: bool,
    /// It makes other credentials for a transport that is in use. Without it [`MediaCommand::Restart`] never comes: a path that fails is
    /// made again with its session, and a peer that restarts ICE gets no answer and goes on with the credentials of before.
    pub ice_restart: bool,
    /// Several contents may travel by one transport (BUNDLE, XEP-0338), those too that come later, or that had a transport of their own in
    /// our offer. Without it each content has its own transport, as with Dino. Clients
    /// that demand one transport (`max-bundle`, as monocles and Movim do) refuse such an offer.
    pub bundling: bool,
    /// It sends in one call what comes in others ([`MediaCommand::Bridge`]), and plays prompts. Without it
    /// [`Engine::bridge`](crate::Engine::bridge) is refused.
    pub bridging: bool,
}

impl Capabilities {
    /// Encodings of a medium.
    #[must_use]
    pub fn of(&self, media: &Media) -> &[PayloadType] {
        match media {
            Media::Audio => &self.audio,
            Media::Video | Media::Slides => &self.video,
            Media::Other(_) => &[],
        }
    }

    /// What can be done with transports.
    pub(crate) fn with_transports(&self) -> TransportAbilities {
        TransportAbilities { ice_restart: self.ice_restart, bundling: self.bundling }
    }

    /// Whether lost packets of a medium can be sent again by an SSRC of their own.
    pub(crate) fn rtx(&self, media: &Media) -> bool {
        match media {
            Media::Video | Media::Slides => self.video_rtx,
            Media::Audio | Media::Other(_) => false,
        }
    }

    /// Header extensions of a medium.
    #[must_use]
    pub fn extensions(&self, media: &Media) -> &[HeaderExtension] {
        match media {
            Media::Video | Media::Slides => &self.video_extensions,
            Media::Audio => &self.audio_extensions,
            Media::Other(_) => &[],
        }
    }
}

/// All that a client with its own media stack writes. `examples/own_media.rs` is one.
///
/// # Commands and reports of one session
/// ```text
///                    we call                                      we are called
///  Open ──────────►                              Open ──────────►
///       ◄────────── Described                    Content, Candidate, Remote ──►
///  (the offer goes out, the answer comes)             ◄────────── Described
///  Content, Candidate, Remote ──►                (the answer goes out)
///       ◄────────── Connected, Flowing                ◄────────── Connected, Flowing
///  Close ─────────►                              Close ─────────►
/// ```
/// - `Open` names the contents and by which transport each travels. Each transport is answered by one [`MediaReport::Described`]; the offer
///   or answer waits for all of them, ten seconds at most. Addresses that are found later are reported as [`MediaReport::Candidate`].
/// - When we are called, the peer's end is known already: `Content`, `Candidate` and `Remote` come right behind `Open`, before
///   [`MediaReport::Described`] is taken. A backend that makes its end in the background keeps them until then.
/// - `Content` comes before `Remote`, so that payload types are known when packets come, and again whenever what flows changes: another
///   publication, a peer that holds, new sources. `Candidate` comes before and behind `Remote`.
/// - `Connected` means that ICE and DTLS are done and the certificate of the peer has the SHA-256 of
///   [`RemoteTransport::fingerprint`]; if it has another, nothing may flow, and the report is [`MediaReport::WrongCertificate`].
/// - `Publish` and `Unpublish` say what is captured. A session sends what is published and what its `Content` names, whichever comes first.
/// - Reports about what was closed meanwhile have no effect, and neither have commands: a backend ignores those about a session or
///   transport that it does not know.
///
/// # What a backend need not do
/// | without | what the core does |
/// |---|---|
/// | [`Capabilities::ice_restart`] | never says `Restart`; a session whose transport fails ends, and in a room it is made again |
/// | [`Capabilities::bundling`] | opens a transport for each content, and neither offers nor answers a bundle |
/// | [`Capabilities::bridging`] | refuses to join calls |
/// | [`Capabilities::video_rtx`], header extensions | neither offers nor answers them |
/// | [`MediaReport::Moved`], [`MediaReport::Interrupted`], [`MediaReport::Silent`] | knows less of a path that does not work |
///
/// With bundling, a content that was offered by a transport of its own and that the peer's answer bundles is removed
/// (`RemoveContent`) and opened again (`Open`) by the shared transport before that has its `Remote`.
///
/// # In the words of SDP
/// Media layers that speak SDP use [`Candidate::to_sdp`] and [`Candidate::from_sdp`], and [`Fingerprint::to_sdp`] and
/// [`Fingerprint::from_sdp`], whose value is what [`LocalTransport`] and [`RemoteTransport`] hold: the SHA-256 alone. RTP and RTCP share
/// one port in all transports (`a=rtcp-mux`).
pub trait MediaBackend: Send {
    /// What it can do; asked once.
    fn capabilities(&self) -> Capabilities;

    /// Begins to do what is asked and returns at once: the loop of the client waits for it. What fails is reported.
    fn execute(&mut self, command: MediaCommand);

    /// The next report; `None` when the backend is gone, which ends all calls. While it is pending, a report that comes wakes the task, as
    /// the contract of [`std::future::Future::poll`] says.
    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<MediaReport>>;
}
