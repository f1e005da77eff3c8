"""A path that loses pictures: each tenth packet of them, both ways. What is sent again (RTX, RFC 4588) comes through and is counted."""

from aiortc.codecs import is_rtx
from aiortc.rtp import is_rtcp

from events import tell

EACH = 10


class Losses:
    """Stands between aiortc and the transport of its pictures."""

    def __init__(self, transceiver):
        transport = transceiver.sender.transport
        self.send_packet, self.handle = transport._send_rtp, transport._handle_rtp_data
        transport._send_rtp, transport._handle_rtp_data = self.sent, self.received
        self.again = {codec.payloadType for codec in transceiver._codecs if is_rtx(codec)}
        self.pictures = {codec.payloadType for codec in transceiver._codecs} - self.again
        self.packets = {"sent": 0, "came": 0}
        self.repaired = {"sent": 0, "came": 0}

    async def sent(self, data):
        if not self.loses(data, "sent"):
            await self.send_packet(data)

    async def received(self, data, arrival_time_ms):
        if not self.loses(data, "came"):
            await self.handle(data, arrival_time_ms=arrival_time_ms)

    def loses(self, data, way):
        number = None if is_rtcp(data) else data[1] & 0x7F
        if number in self.again:
            self.repaired[way] += 1
            tell("again", **self.repaired)
        elif number in self.pictures:
            self.packets[way] += 1
            return self.packets[way] % EACH == 0
        return False
