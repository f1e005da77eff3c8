"""One Jingle session, whose media is an aiortc RTCPeerConnection.

    idle ── offers / is offered ──► pending ── session-accept ──► active ── session-terminate ──► ended

What this peer does in its own way is in `Oddities`; everything else is aiortc's.
"""

import asyncio
import dataclasses

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.sdp import SessionDescription

import digits
import jingle
from certificate import RsaCertificate
from events import tell
from losses import Losses
from media import Colour, Tone, observe
from xmpp import CLIENT, element

INFO = "urn:xmpp:jingle:apps:rtp:info:1"
MUJI = "urn:xmpp:jingle:muji:0"

# Another tone with another source, so that it cannot be taken for the first.
NEW_SOURCE_HZ = 300


@dataclasses.dataclass
class Oddities:
    tone: int
    colour: str | None = None
    # "ecdsa" or "rsa".
    certificate: str = "ecdsa"
    # The only codec of audio.
    codec: str | None = None
    # Opus in our answers, whatever its number in the offer (RFC 3264 6.1 allows it).
    opus_number: int | None = None
    # Offers and answers telephone-event, and sends these keys when connected.
    digits: str | None = None
    # Loses a tenth of the pictures, both ways.
    loses: bool = False
    # Seconds for which it only says that it rings.
    rings_for: float = 0
    # Seconds after which the sound comes from another SSRC, which nothing announces.
    new_source_after: float | None = None


class Session:
    def __init__(self, connection, peer, sid, role, oddities, room=None):
        self.connection, self.peer, self.sid, self.role = connection, peer, sid, role
        self.oddities, self.room = oddities, room
        self.early_candidates = []
        # By what numbers each of us receives telephone-event.
        self.our_events, self.their_events = [], []
        self.tasks = []
        self.ended = asyncio.Event()
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if oddities.certificate == "rsa":
            self.pc._RTCPeerConnection__certificates = [RsaCertificate.generateCertificate()]
        self.pc.on("track", lambda track: self.run(observe(track)))
        self.pc.on("connectionstatechange", self.connection_changed)
        self.pc.addTrack(Tone(oddities.tone))
        if oddities.colour:
            self.pc.addTrack(Colour(oddities.colour))
        if oddities.codec:
            capabilities = RTCRtpSender.getCapabilities("audio").codecs
            chosen = [codec for codec in capabilities if codec.name == oddities.codec]
            self.pc.getTransceivers()[0].setCodecPreferences(chosen)

    async def published(self):
        """What goes into our presence in a room: the contents without a way to them."""
        description = SessionDescription.parse((await self.pc.createOffer()).sdp)
        await self.pc.close()
        return [
            element(jingle.JINGLE, "content", {"creator": "initiator", "name": media.rtp.muxId}, jingle.published(media))
            for media in description.media
        ]

    async def offer(self):
        await self.pc.setLocalDescription()
        description = SessionDescription.parse(self.pc.localDescription.sdp)
        if self.oddities.digits is not None:
            self.our_events = digits.offered()
            description.media[0].rtp.codecs += self.our_events
        marker = [element(MUJI, "muji", {"room": self.room})] if self.room else []
        await self.act("session-initiate", *jingle.to_jingle(description, "initiator"), *marker)

    async def offered(self, offer):
        """Somebody calls: says that it rings, and accepts."""
        grouped = offer.find(f"{{{jingle.GROUPING}}}group") is not None
        await self.describe(offer, "offer")
        if self.oddities.rings_for:
            await self.act("session-info", element(INFO, "ringing"))
            await asyncio.sleep(self.oddities.rings_for)
            if self.ended.is_set():
                return  # The caller gave up.
        # Before the local description: with it aiortc begins to connect, and registers what it receives.
        number = self.oddities.opus_number
        if number:
            self.receive_opus_as(number)
        await self.pc.setLocalDescription()
        description = SessionDescription.parse(self.pc.localDescription.sdp)
        if number:
            renumber(description.media[0].rtp.codecs, number)
        if self.oddities.digits is not None:
            self.our_events = self.their_events
            description.media[0].rtp.codecs += self.our_events
        await self.act("session-accept", *jingle.to_jingle(description, "responder", grouped))

    async def heard(self, action, content):
        """An action of the other in this session. False if we do not know it."""
        if action == "session-accept":
            await self.describe(content, "answer")
        elif action == "transport-info":
            await self.candidates(content)
        elif action == "session-terminate":
            reason = content.find(f"{{{jingle.JINGLE}}}reason")
            await self.end("none" if reason is None else reason[0].tag.split("}")[1])
        elif action == "session-info":
            tell("info", what=[child.tag.split("}")[1] for child in content])
        else:
            return False
        return True

    async def describe(self, content, kind):
        """Takes the description of the other."""
        writer = "initiator" if kind == "offer" else "responder"
        sdp = jingle.from_jingle(content, writer)
        self.their_events = digits.among(SessionDescription.parse(sdp).media[0].rtp.codecs)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, kind))
        for candidate in self.early_candidates:
            await self.pc.addIceCandidate(candidate)

    async def candidates(self, content):
        for one in content.iterfind(f"{{{jingle.JINGLE}}}content"):
            for candidate in jingle.candidates_of(one.find(f"{{{jingle.ICE}}}transport"), one.get("name")):
                if self.pc.remoteDescription:
                    await self.pc.addIceCandidate(candidate)
                else:
                    self.early_candidates.append(candidate)

    def connection_changed(self):
        state = self.pc.connectionState
        codecs = {transceiver.kind: transceiver._codecs[0].name for transceiver in self.pc.getTransceivers()}
        tls = self.pc.getTransceivers()[0].sender.transport._ssl
        tell("connection", state=state, peer=self.peer, codecs=codecs, dtls=tls and tls.get_protocol_version_name())
        if state == "connected" and self.oddities.new_source_after is not None:
            self.run(self.change_source())
        if state == "connected" and self.oddities.loses:
            self.losses = Losses(self.pc.getTransceivers()[1])
        if state == "connected" and self.our_events:
            sender, clock = self.pc.getTransceivers()[0].sender, self.pc.getTransceivers()[0]._codecs[0].clockRate
            digits.Digits(sender.transport, sender, self.our_events, self.their_events, clock, self.oddities.digits)

    async def change_source(self):
        """The sound goes on from another source, as music on hold does: the first falls silent, without a goodbye."""
        await asyncio.sleep(self.oddities.new_source_after)
        transceiver = self.pc.getTransceivers()[0]
        first = transceiver.sender
        first._enabled = False
        second = RTCRtpSender(Tone(NEW_SOURCE_HZ), first.transport)
        codecs, extensions = transceiver._codecs, transceiver._headerExtensions
        parameters = RTCRtpSendParameters(codecs=codecs, headerExtensions=extensions, muxId=transceiver.mid)
        tell("new-source", ssrc=second._ssrc, hz=NEW_SOURCE_HZ)
        await second.send(parameters)

    def receive_opus_as(self, number):
        """We send with the numbers of the offer, and receive with our own."""
        receiver = self.pc.getTransceivers()[0].receiver
        receive = receiver.receive

        async def renumbered(parameters):
            codecs = [dataclasses.replace(codec) for codec in parameters.codecs]
            renumber(codecs, number)
            await receive(dataclasses.replace(parameters, codecs=codecs))

        receiver.receive = renumbered

    async def act(self, action, *children):
        """Sends an action, and tells if it is refused."""
        attributes = {"action": action, "sid": self.sid}
        if action == "session-initiate":
            attributes["initiator"] = self.connection.jid
        if action == "session-accept":
            attributes["responder"] = self.connection.jid
        answer = await self.connection.send_iq(self.peer, element(jingle.JINGLE, "jingle", attributes, *children))
        if answer.get("type") == "error":
            error = answer.find(f"{{{CLIENT}}}error")
            tell("refused", action=action, why=[child.tag.split("}")[1] for child in error])

    async def hang_up(self, why="success"):
        reason = element(jingle.JINGLE, "reason", None, element(jingle.JINGLE, why))
        await self.act("session-terminate", reason)
        await self.end(why)

    async def end(self, why):
        if self.ended.is_set():
            return
        self.ended.set()
        tell("ended", peer=self.peer, why=why)
        await self.pc.close()
        for task in self.tasks:
            task.cancel()

    def run(self, work):
        self.tasks.append(asyncio.ensure_future(work))


def renumber(codecs, number):
    """Gives Opus another payload type."""
    for codec in codecs:
        if codec.name == "opus":
            codec.payloadType = number
