"""libwebrtc's receiver of what our own sender sends: receiver.py audio seconds recording.wav, or receiver.py video seconds

Reads the sender's description as a line of JSON, and prints its own as one. Then it listens or looks for so many seconds since the first
packet, and prints what it saw as JSON, with times of time.monotonic.
"""

import asyncio
import json
import sys
import time
import wave

import webrtc

import call
import pictures
import sound


async def answer(connection, offer):
    description = webrtc.RTCSessionDescriptionInit(type=webrtc.RTCSdpType.offer, sdp=offer)
    await connection.set_remote_description(description)
    await connection.set_local_description(await connection.create_answer())
    return (await call.gathered(connection)).sdp


async def main():
    media, seconds = sys.argv[1], int(sys.argv[2])
    connection = webrtc.RTCPeerConnection()
    received = asyncio.get_running_loop().create_future()
    connection.on("track", lambda event: received.set_result(event.track))
    print(json.dumps(await answer(connection, json.loads(sys.stdin.readline()))), flush=True)
    track = await received
    while connection.connection_state != "connected":
        await asyncio.sleep(0.02)
    if media == "video":
        shown = []
        looking = asyncio.ensure_future(pictures.look(track, shown, 0))
        await asyncio.sleep(seconds + 1)
        looking.cancel()
        # There may be a stream before the announced one, of which nothing came.
        inbound = [stats for stats in (await connection.get_stats()).values() if stats.type == "inbound-rtp"]
        told = {
            "shown": shown,
            "key_frames": sum(stats.key_frames_decoded or 0 for stats in inbound),
            "bytes": sum(stats.bytes_received + stats.header_bytes_received for stats in inbound),
        }
    else:
        heard, arrivals = [], []
        hearing = asyncio.ensure_future(sound.hear(track, heard, arrivals))
        await asyncio.sleep(seconds + 1)
        hearing.cancel()
        inbound = await call.statistics(connection, "inbound-rtp")
        with wave.open(sys.argv[3], "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(call.RATE)
            file.writeframes(b"".join(heard))
        told = {
            # No period is played before its time, so the earliest tells the clock by which it is played.
            "first": min(at - number / 100 for number, at in enumerate(arrivals)),
            "concealed": inbound.concealed_samples / inbound.total_samples_received,
            "lost": inbound.packets_lost / max(1, inbound.packets_received + inbound.packets_lost),
            "bits": inbound.bytes_received * 8 / seconds,
        }
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
