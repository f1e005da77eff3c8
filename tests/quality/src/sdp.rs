//! What libwebrtc's API takes and gives instead of Jingle: descriptions of one content in SDP (RFC 8866, RFC 8829), as much of it as is
//! needed.

use std::fmt::Write;
use std::net::SocketAddr;

use muji_core::Media;
use muji_core::media::{DtlsRole, LocalTransport, RemoteTransport};
use muji_xep::Secret;
use muji_xep::ice::{Candidate, CandidateKind};
use muji_xep::rtp::{HeaderExtension, PayloadType};

use crate::Failure;

/// What is offered.
pub(crate) struct Offer {
    pub(crate) payload_types: Vec<PayloadType>,
    pub(crate) extensions: Vec<HeaderExtension>,
    pub(crate) ssrc: u32,
    /// By which what is lost is sent again.
    pub(crate) rtx_ssrc: Option<u32>,
}

/// We send; at `address` we can be reached.
pub(crate) fn write(media: &Media, offer: &Offer, local: &LocalTransport, address: SocketAddr) -> String {
    let mut sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n".to_owned();
    let ids: Vec<String> = offer.payload_types.iter().map(|payload| payload.id.to_string()).collect();
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _never = write!(sdp, "{text}\r\n").is_err(); // A string takes everything.
    };
    line(format_args!("m={media} 9 UDP/TLS/RTP/SAVPF {}", ids.join(" ")));
    line(format_args!("c=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=setup:actpass"));
    line(format_args!("a=ice-ufrag:{}\r\na=ice-pwd:{}", local.ufrag, local.pwd.expose()));
    let hash: Vec<String> = local.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
    line(format_args!("a=fingerprint:sha-256 {}", hash.join(":")));
    line(format_args!("a=candidate:1 1 udp 2130706431 {} {} typ host", address.ip(), address.port()));
    for extension in &offer.extensions {
        line(format_args!("a=extmap:{} {}", extension.id, extension.uri));
    }
    for payload in &offer.payload_types {
        line(format_args!("a=rtpmap:{} {}", payload.id, map(payload)));
        for feedback in &payload.feedback {
            let subtype = feedback.subtype.iter().map(|subtype| format!(" {subtype}")).collect::<String>();
            line(format_args!("a=rtcp-fb:{} {}{subtype}", payload.id, feedback.kind));
        }
        let parameters = payload.parameters.iter().map(|parameter| match &parameter.value {
            Some(value) if parameter.name.is_empty() => value.clone(),
            Some(value) => format!("{}={value}", parameter.name),
            None => parameter.name.clone(),
        });
        let parameters: Vec<String> = parameters.collect();
        if !parameters.is_empty() {
            line(format_args!("a=fmtp:{} {}", payload.id, parameters.join(";")));
        }
    }
    if let Some(rtx) = offer.rtx_ssrc {
        line(format_args!("a=ssrc-group:FID {} {rtx}\r\na=ssrc:{rtx} cname:ours", offer.ssrc));
    }
    line(format_args!("a=ssrc:{} cname:ours", offer.ssrc));
    sdp
}

/// The answer's end of the transport.
///
/// # Errors
/// If something is missing.
pub(crate) fn read(answer: &str, extensions: Vec<HeaderExtension>) -> Result<RemoteTransport, Failure> {
    let value = |name: &str| {
        let found = answer.lines().find_map(|line| line.trim().strip_prefix(name));
        found.ok_or_else(|| format!("libwebrtc's answer has no {name}"))
    };
    let fingerprint: Result<Vec<u8>, _> =
        value("a=fingerprint:sha-256 ")?.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    Ok(RemoteTransport {
        ufrag: value("a=ice-ufrag:")?.to_owned(),
        pwd: Secret::new(value("a=ice-pwd:")?),
        fingerprint: fingerprint?,
        dtls: if value("a=setup:")? == "active" { DtlsRole::Server } else { DtlsRole::Client },
        extensions,
    })
}

/// Whether an answer takes this encoding.
pub(crate) fn accepts(answer: &str, payload: &PayloadType) -> bool {
    answer.contains(&format!("a=rtpmap:{} {}", payload.id, map(payload)))
}

/// How an encoding is written behind its id.
fn map(payload: &PayloadType) -> String {
    let channels = payload.channels.filter(|channels| *channels > 1).map(|channels| format!("/{channels}"));
    let (name, clock_rate) = (payload.name.as_deref().unwrap_or_default(), payload.clockrate.unwrap_or_default());
    format!("{name}/{clock_rate}{}", channels.unwrap_or_default())
}

/// An address of the other end.
pub(crate) fn candidate(address: SocketAddr) -> Candidate {
    Candidate {
        component: 1,
        foundation: "1".to_owned(),
        generation: 0,
        id: None,
        address,
        priority: 2_130_706_431,
        kind: CandidateKind::Host,
        related: None,
    }
}
