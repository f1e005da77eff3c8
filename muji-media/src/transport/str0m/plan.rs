//! How str0m is built: cryptography, codecs and header extensions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::media::{IceRole, OpenContent};
use muji_xep::rtp::{HeaderExtension, PayloadType};
use str0m::bwe::Bitrate;
use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::format::{Codec, FormatParams};
use str0m::ice::IceCreds;
use str0m::media::Frequency;
use str0m::{Rtc, RtcConfig};

use super::convert::local;
use super::handshake::Handshakes;
use super::levels::Levels;
use super::rtcp;
use super::stream::{Streams, declare};
use crate::bandwidth;
use crate::codec::offer::{ORIENTATION, TRANSPORT_CC};
use crate::codec::video::CLOCK_RATE;
use crate::gather::LocalCandidate;
use crate::transport::certificates::{Certificates, NoCertificate};
use crate::transport::contributors::CSRC_AUDIO_LEVEL;
use crate::transport::interface::TransportParams;
use crate::transport::mid;

/// Between two sender reports of audio. str0m's default is 5 s; without a report a peer cannot show audio and video in step.
const REPORTS: Duration = Duration::from_secs(1);

/// How often a pair is checked, and how many checks without an answer make str0m forget it. A lost path is given up after a minute, and
/// until then it works again as soon as the network does, even if the XMPP connection does not.
const CHECKS: Duration = Duration::from_millis(1_500);
const MAX_CHECKS: usize = 45;

/// Which versions of DTLS are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtls {
    /// 1.3, or 1.2 if the peer does not know it.
    Auto,
    /// 1.2 only, as Dino does.
    V12,
}

/// The cryptography that all transports share, and a certificate for each call.
pub struct Str0m {
    crypto: Arc<CryptoProvider>,
    certificates: Certificates<DtlsCert>,
    version: Dtls,
}

impl Str0m {
    /// Makes the first certificate. In a new process that takes about 60 ms, so call it early.
    ///
    /// # Errors
    /// If the cryptography library cannot make one.
    pub fn new() -> Result<Self, NoCertificate> {
        Self::with_dtls(Dtls::Auto)
    }

    /// The same for some versions of DTLS.
    ///
    /// # Errors
    /// If the cryptography library cannot make a certificate.
    pub fn with_dtls(version: Dtls) -> Result<Self, NoCertificate> {
        let crypto = Arc::new(CryptoProvider { dtls_provider: &Handshakes, ..rtcp::cryptography() });
        let spare = crypto.dtls_provider.generate_certificate().ok_or(NoCertificate)?;
        Ok(Self { crypto, certificates: Certificates::new(spare), version })
    }
}

/// How a transport is built. An [`Rtc`] cannot change its payload types and header extensions later, and before the peer answers it is not
/// known which of our header extensions it knows.
pub(super) struct Plan {
    config: RtcConfig,
    role: IceRole,
    contents: Vec<OpenContent>,
    candidates: Vec<LocalCandidate>,
    /// A content was added since it was built.
    outdated: bool,
}

impl Plan {
    /// With new credentials.
    pub(super) fn new(shared: &mut Str0m, params: TransportParams) -> (Self, IceCreds) {
        let TransportParams { call, role, contents, candidates, .. } = params;
        let credentials = IceCreds::new();
        let version = match shared.version {
            Dtls::Auto => DtlsVersion::Auto,
            Dtls::V12 => DtlsVersion::Dtls12,
        };
        let mut config = RtcConfig::new()
            .set_crypto_provider(shared.crypto.clone())
            .set_dtls_cert(shared.certificates.of(call, || shared.crypto.dtls_provider.generate_certificate()))
            .set_dtls_version(version)
            .set_local_ice_credentials(credentials.clone())
            .clear_codecs()
            .clear_extension_map()
            .set_rtp_mode(true)
            .set_rtcp_report_interval_audio(REPORTS);
        config.set_max_stun_rto(CHECKS);
        config.set_max_stun_retransmits(MAX_CHECKS);
        (Self { config, role, contents, candidates, outdated: false }, credentials)
    }

    /// One more content, or another in the place of one.
    pub(super) fn set_content(&mut self, place: usize, content: OpenContent) {
        self.outdated = true;
        match self.contents.get_mut(place) {
            Some(known) => *known = content,
            None => self.contents.push(content),
        }
    }

    /// True if what was built knows these header extensions and these encodings.
    pub(super) fn is_built_for(&self, extensions: &[HeaderExtension], agreed: &[PayloadType]) -> bool {
        let offers = |id: u8| self.contents.iter().flat_map(|content| &content.payload_types).any(|it| it.id == id);
        !self.outdated && agreed.iter().all(|agreed| offers(agreed.id)) && self.offered() == extensions
    }

    /// The header extensions of all contents.
    pub(super) fn offered(&self) -> Vec<HeaderExtension> {
        HeaderExtension::unite(self.contents.iter().flat_map(|content| content.extensions.clone()))
    }

    pub(super) fn candidates(&mut self) -> &mut Vec<LocalCandidate> {
        &mut self.candidates
    }

    /// Builds it with these header extensions, and with encodings that were agreed on beside those that we offered: an answer may number
    /// them otherwise.
    pub(super) fn build(
        &self,
        now: Instant,
        extensions: &[HeaderExtension],
        agreed: &[PayloadType],
        desired: u32,
    ) -> (Rtc, Streams) {
        let mut config = self.config.clone();
        let offered = self.contents.iter().flat_map(|content| &content.payload_types);
        add_codecs(&mut config, offered.chain(agreed));
        let names_fit = self.contents.iter().all(|content| content.name.len() <= mid::MAX_NAME);
        for extension in extensions.iter().filter(|it| names_fit || it.uri != HeaderExtension::MID) {
            if let (Ok(id), Some(known)) = (u8::try_from(extension.id), known(&extension.uri)) {
                config = config.set_extension(id, known);
            }
        }
        let estimates = uses_transport_cc(extensions);
        if estimates {
            config = config.enable_bwe(Some(Bitrate::from(u64::from(bandwidth::INITIAL))));
        }
        let mut rtc = config.build(now);
        rtc.direct_api().set_ice_controlling(self.role == IceRole::Controlling);
        for candidate in self.candidates.iter().filter_map(local) {
            rtc.add_local_candidate(candidate);
        }
        if estimates {
            rtc.direct_api().enable_twcc_feedback();
            rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::from(u64::from(desired)));
        }
        let contents = (0u8..).zip(&self.contents);
        let streams = Streams::new(contents.map(|(index, content)| declare(&mut rtc, index, content, estimates)));
        (rtc, streams)
    }
}

/// Whether both ends use transport-wide congestion control. If not, the peer is sent REMB.
pub(super) fn uses_transport_cc(extensions: &[HeaderExtension]) -> bool {
    uses(extensions, TRANSPORT_CC)
}

/// Whether both ends use a header extension.
pub(super) fn uses(extensions: &[HeaderExtension], uri: &str) -> bool {
    extensions.iter().any(|extension| extension.uri == uri)
}

/// The header extensions that are understood here.
fn known(uri: &str) -> Option<str0m::rtp::Extension> {
    match uri {
        TRANSPORT_CC => Some(str0m::rtp::Extension::TransportSequenceNumber),
        ORIENTATION => Some(str0m::rtp::Extension::VideoOrientation),
        HeaderExtension::MID => Some(str0m::rtp::Extension::RtpMid),
        CSRC_AUDIO_LEVEL => Some(str0m::rtp::Extension::with_serializer(uri, Levels)),
        _ => None,
    }
}

/// Payload types that mean what was negotiated for them, and those that browsers use where these are taken (RFC 3551 section 6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
const UNASSIGNED: std::ops::RangeInclusive<u8> = 35..=63;

/// Adds each payload type once. str0m drops packets with others, both ways, and cannot learn them later, when a content may join the bundle or
/// keys of a telephone are sent with the number that the answer gives them: those that are free are taken for video, which is what people
/// add. All that follows from it is the clock rate.
fn add_codecs<'a>(config: &mut RtcConfig, payload_types: impl Iterator<Item = &'a PayloadType>) {
    let mut added = BTreeSet::new();
    for payload in payload_types.filter(|payload| added.insert(payload.id)) {
        add_codec(config, payload);
    }
    for id in DYNAMIC.chain(UNASSIGNED).filter(|id| !added.contains(id)) {
        add_codec(config, &PayloadType::new(id, "VP8", CLOCK_RATE, 1));
    }
}

/// In RTP mode str0m carries each encoding by its payload type, also one that it does not know.
fn add_codec(config: &mut RtcConfig, payload: &PayloadType) {
    let codec = Codec::from(payload.name.as_deref().unwrap_or_default());
    let clock = payload.clock_rate().and_then(Frequency::new).unwrap_or(Frequency::NINETY_KHZ);
    let format = FormatParams {
        use_inband_fec: payload.parameter("useinbandfec").map(|value| value == "1"),
        ..FormatParams::default()
    };
    config.codec_config().add_config(
        payload.id.into(),
        None,
        codec,
        clock,
        payload.channels.filter(|_| codec.is_audio()),
        format,
    );
}
