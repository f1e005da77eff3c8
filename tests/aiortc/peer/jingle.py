"""Jingle and SDP: XEP-0166, 0167, 0176, 0293, 0294, 0320, 0338 and 0339 on one side, aiortc's descriptions on the other.

A Jingle content is a section of the SDP; its name is the section's mid.
"""

from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceCandidate, RTCIceParameters
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters
from aiortc.sdp import GroupDescription, MediaDescription, SessionDescription, SsrcDescription

from xmpp import element

JINGLE = "urn:xmpp:jingle:1"
RTP = "urn:xmpp:jingle:apps:rtp:1"
FEEDBACK = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
EXTENSIONS = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
SOURCES = "urn:xmpp:jingle:apps:rtp:ssma:0"
ICE = "urn:xmpp:jingle:transports:ice-udp:1"
DTLS = "urn:xmpp:jingle:apps:dtls:0"
GROUPING = "urn:xmpp:jingle:apps:grouping:0"

FEATURES = [JINGLE, RTP, FEEDBACK, EXTENSIONS, SOURCES, ICE, DTLS, GROUPING]
FEATURES += ["urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:apps:rtp:video"]

# A direction is that of the side that writes the SDP; senders are the same on both sides.
SENDERS = {
    "initiator": {"sendrecv": "both", "sendonly": "initiator", "recvonly": "responder", "inactive": "none"},
    "responder": {"sendrecv": "both", "sendonly": "responder", "recvonly": "initiator", "inactive": "none"},
}
SETUP = {"auto": "actpass", "client": "active", "server": "passive"}

# Payload types that RFC 3551 fixes: an offer need not name them.
STATIC = {"0": ("PCMU", 8000), "8": ("PCMA", 8000), "9": ("G722", 8000)}


def to_jingle(description, writer, grouped=True):
    """The children of <jingle/> that say what the description says; `writer` is "initiator" or "responder"."""
    contents = [
        element(
            JINGLE,
            "content",
            {"creator": "initiator", "name": media.rtp.muxId, "senders": SENDERS[writer][media.direction or "sendrecv"]},
            description_of(media),
            transport_of(media),
        )
        for media in description.media
    ]
    if not grouped:
        return contents
    names = (element(GROUPING, "content", {"name": media.rtp.muxId}) for media in description.media)
    return [element(GROUPING, "group", {"semantics": "BUNDLE"}, *names), *contents]


def description_of(media):
    parts = [payload_type(codec) for codec in media.rtp.codecs]
    for extension in media.rtp.headerExtensions:
        parts.append(element(EXTENSIONS, "rtp-hdrext", {"id": extension.id, "uri": extension.uri}))
    for source in media.ssrc:
        cname = element(SOURCES, "parameter", {"name": "cname", "value": source.cname})
        parts.append(element(SOURCES, "source", {"ssrc": source.ssrc}, cname))
    for group in media.ssrc_group:
        members = (element(SOURCES, "source", {"ssrc": ssrc}) for ssrc in group.items)
        parts.append(element(SOURCES, "ssrc-group", {"semantics": group.semantic}, *members))
    return element(RTP, "description", {"media": media.kind}, *parts, element(RTP, "rtcp-mux"))


def published(media):
    """The description as it stands in a presence in a room (XEP-0272): its payload types alone."""
    return element(RTP, "description", {"media": media.kind}, *map(payload_type, media.rtp.codecs))


def payload_type(codec):
    attributes = {"id": codec.payloadType, "name": codec.name, "clockrate": codec.clockRate, "channels": codec.channels}
    parts = [element(RTP, "parameter", {"name": name, "value": value}) for name, value in codec.parameters.items()]
    for feedback in codec.rtcpFeedback:
        parts.append(element(FEEDBACK, "rtcp-fb", {"type": feedback.type, "subtype": feedback.parameter}))
    return element(RTP, "payload-type", attributes, *parts)


def transport_of(media):
    # aiortc gives the fingerprint by three hash functions.
    parts = [
        element(DTLS, "fingerprint", {"hash": one.algorithm, "setup": SETUP[media.dtls.role]}, text=one.value)
        for one in media.dtls.fingerprints
    ]
    for at, candidate in enumerate(media.ice_candidates):
        attributes = {
            "component": candidate.component,
            "foundation": candidate.foundation,
            "generation": 0,
            "id": f"{media.rtp.muxId}-{at}",
            "ip": candidate.ip,
            "network": 0,
            "port": candidate.port,
            "priority": candidate.priority,
            "protocol": candidate.protocol,
            "type": candidate.type,
        }
        parts.append(element(ICE, "candidate", attributes))
    credentials = {"ufrag": media.ice.usernameFragment, "pwd": media.ice.password}
    return element(ICE, "transport", credentials, *parts)


def from_jingle(jingle, writer):
    """The description that this <jingle/> gives, as SDP."""
    description = SessionDescription()
    description.origin = "- 0 0 IN IP4 0.0.0.0"
    for group in jingle.iterfind(f"{{{GROUPING}}}group"):
        names = [content.get("name") for content in group]
        description.group.append(GroupDescription(semantic=group.get("semantics"), items=names))
    description.media = [media_of(content, writer) for content in jingle.iterfind(f"{{{JINGLE}}}content")]
    return str(description)


def media_of(content, writer):
    described = content.find(f"{{{RTP}}}description")
    codecs = [codec_of(described.get("media"), one) for one in described.iterfind(f"{{{RTP}}}payload-type")]
    numbers = [codec.payloadType for codec in codecs]
    media = MediaDescription(described.get("media"), 9, "UDP/TLS/RTP/SAVPF", numbers)
    media.host, media.rtcp_host, media.rtcp_port = "0.0.0.0", "0.0.0.0", 9
    directions = {senders: direction for direction, senders in SENDERS[writer].items()}
    media.direction = directions[content.get("senders", "both")]
    media.rtcp_mux = described.find(f"{{{RTP}}}rtcp-mux") is not None
    media.rtp.muxId, media.rtp.codecs = content.get("name"), codecs
    for extension in described.iterfind(f"{{{EXTENSIONS}}}rtp-hdrext"):
        header = RTCRtpHeaderExtensionParameters(id=int(extension.get("id")), uri=extension.get("uri"))
        media.rtp.headerExtensions.append(header)
    for source in described.iterfind(f"{{{SOURCES}}}source"):
        parameters = {one.get("name"): one.get("value") for one in source}
        media.ssrc.append(SsrcDescription(ssrc=int(source.get("ssrc")), cname=parameters.get("cname", "unknown")))
    for group in described.iterfind(f"{{{SOURCES}}}ssrc-group"):
        ssrcs = [int(source.get("ssrc")) for source in group]
        media.ssrc_group.append(GroupDescription(semantic=group.get("semantics"), items=ssrcs))
    read_transport(media, content.find(f"{{{ICE}}}transport"))
    return media


def codec_of(kind, payload):
    name, clockrate = STATIC.get(payload.get("id"), (None, None))
    feedback = payload.iterfind(f"{{{FEEDBACK}}}rtcp-fb")
    return RTCRtpCodecParameters(
        mimeType=f"{kind}/{payload.get('name') or name}",
        clockRate=int(payload.get("clockrate") or clockrate),
        channels=int(payload.get("channels", "1")),
        payloadType=int(payload.get("id")),
        rtcpFeedback=[RTCRtcpFeedback(type=one.get("type"), parameter=one.get("subtype")) for one in feedback],
        parameters={one.get("name"): one.get("value") for one in payload.iterfind(f"{{{RTP}}}parameter")},
    )


def read_transport(media, transport):
    setups = {setup: role for role, setup in SETUP.items()}
    media.ice = RTCIceParameters(usernameFragment=transport.get("ufrag"), password=transport.get("pwd"))
    media.dtls = RTCDtlsParameters()
    for one in transport.iterfind(f"{{{DTLS}}}fingerprint"):
        media.dtls.role = setups[one.get("setup")]
        media.dtls.fingerprints.append(RTCDtlsFingerprint(algorithm=one.get("hash"), value=one.text.strip()))
    media.ice_candidates = candidates_of(transport)


def candidates_of(transport, mid=None):
    """The candidates of a <transport/>, which is that of this section of the SDP."""
    return [
        RTCIceCandidate(
            component=int(one.get("component")),
            foundation=one.get("foundation"),
            ip=one.get("ip"),
            port=int(one.get("port")),
            priority=int(one.get("priority")),
            protocol=one.get("protocol"),
            type=one.get("type"),
            relatedAddress=one.get("rel-addr"),
            relatedPort=one.get("rel-port") and int(one.get("rel-port")),
            sdpMid=mid,
        )
        for one in transport.iterfind(f"{{{ICE}}}candidate")
    ]
