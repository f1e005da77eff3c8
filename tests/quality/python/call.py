"""A call between two ends of libwebrtc in this process, through a relay: what one sends, the other receives."""

import asyncio
import re
import time

import webrtc

webrtc.allow_loopback()

RATE = 48_000
CONNECT_SECONDS = 30


def through(description, port):
    """A description whose only address is that of the relay."""
    lines = [line for line in description.sdp.split("\r\n") if not line.startswith("a=candidate:")]
    sdp = "\r\n".join(lines)
    candidate = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host"
    sdp = re.sub(r"(a=ice-ufrag:)", candidate + r"\r\n\1", sdp)
    return webrtc.RTCSessionDescriptionInit(type=description.type, sdp=sdp)


async def gathered(connection):
    while connection.ice_gathering_state != "complete":
        await asyncio.sleep(0.01)
    return connection.local_description


async def connect(track, ports):
    """Sender, receiver and received track, connected; `ports` are the relay's, towards the sender and towards the receiver."""
    sender, receiver = webrtc.RTCPeerConnection(), webrtc.RTCPeerConnection()
    received = asyncio.get_running_loop().create_future()
    receiver.on("track", lambda event: received.set_result(event.track))
    sender.add_track(track)
    await sender.set_local_description(await sender.create_offer())
    await receiver.set_remote_description(through(await gathered(sender), ports[1]))
    await receiver.set_local_description(await receiver.create_answer())
    await sender.set_remote_description(through(await gathered(receiver), ports[0]))
    deadline = time.monotonic() + CONNECT_SECONDS
    while {sender.connection_state, receiver.connection_state} != {"connected"}:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not connected: {sender.connection_state}, {receiver.connection_state}")
        await asyncio.sleep(0.02)
    return sender, receiver, await received


async def statistics(connection, kind):
    """Those of the only stream of this kind, such as inbound-rtp."""
    report = await connection.get_stats()
    return next(stats for stats in report.values() if stats.type == kind)


async def until(moment):
    """Waits until then, by time.monotonic."""
    await asyncio.sleep(max(0, moment - time.monotonic()))
