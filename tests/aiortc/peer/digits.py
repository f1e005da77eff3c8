"""The digits of a telephone (RFC 4733), which aiortc does not know: sent in place of sound, and told when they come."""

from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket, is_rtcp

from events import tell

NAME = "telephone-event"
KEYS = "0123456789*#ABCD"

# As Chromium offers it: a number for each clock that sound may have.
OFFERED = [(110, 48_000), (126, 8_000)]

PACKETS_A_SECOND = 50
# A digit lasts for 160 ms; its last packet is sent three times, and then it is quiet for as long.
LASTS, REPEATED, PAUSE = 8, 2, 8
VOLUME = 10
END = 0x80


def offered():
    return [RTCRtpCodecParameters(f"audio/{NAME}", clock, 1, number) for number, clock in OFFERED]


def among(codecs):
    return [codec for codec in codecs if codec.name == NAME]


class Digits:
    """Stands between aiortc and one transport."""

    def __init__(self, transport, sender, ours, theirs, clock, digits):
        """`ours` and `theirs` are the codecs by which each side receives digits, `clock` is that of the sound."""
        self.send_packet, self.handle = transport._send_rtp, transport._handle_rtp_data
        transport._send_rtp, transport._handle_rtp_data = self.sent, self.received
        self.extensions, self.sender = transport._rtp_header_extensions_map, sender
        self.clocks = {codec.payloadType: codec.clockRate for codec in ours}
        self.numbers = {codec.clockRate: codec.payloadType for codec in theirs}
        self.clock = clock
        self.waiting = list(digits)
        # Packets of the digit that is being sent, and the RTP time at which it began.
        self.at, self.began = 0, 0
        self.told = set()

    async def sent(self, data):
        """One packet of sound, or of a digit in its place."""
        number = self.numbers.get(self.clock)
        if self.waiting and number is not None and not is_rtcp(data):
            packet = RtpPacket.parse(data, self.extensions)
            if packet.ssrc == self.sender._ssrc:
                data = self.in_place_of(packet, number) or data
        await self.send_packet(data)

    def in_place_of(self, packet, number):
        """The next packet of the digit; None in the pause behind it."""
        at, self.at = self.at, self.at + 1
        if at >= LASTS + REPEATED:
            if self.at >= LASTS + REPEATED + PAUSE:
                self.waiting.pop(0)
                self.at = 0
            return None
        if at == 0:
            self.began = packet.timestamp
        last = END if at >= LASTS - 1 else 0
        lasted = min(at + 1, LASTS) * self.clock // PACKETS_A_SECOND
        packet.payload_type, packet.marker, packet.timestamp = number, int(at == 0), self.began
        packet.payload = bytes([KEYS.index(self.waiting[0]), last | VOLUME]) + lasted.to_bytes(2, "big")
        return packet.serialize(self.extensions)

    async def received(self, data, arrival_time_ms):
        packet = RtpPacket.parse(data, self.extensions)
        clock = self.clocks.get(packet.payload_type)
        if clock is None:
            await self.handle(data, arrival_time_ms=arrival_time_ms)
            return
        event, last, lasted = packet.payload[0], packet.payload[1] & END, int.from_bytes(packet.payload[2:4], "big")
        if last and packet.timestamp not in self.told:
            self.told.add(packet.timestamp)
            tell("digit", digit=KEYS[event], ms=1_000 * lasted // clock)
