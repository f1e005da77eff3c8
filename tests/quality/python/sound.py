"""Speech through libwebrtc: sound.py speech.wav recording.wav times port port

What is heard is written so that each sample stands where it was played, counted from when the first was said. Prints JSON.
"""

import array
import asyncio
import json
import sys
import time
import wave

import webrtc

import call

PERIOD = call.RATE // 100  # libwebrtc captures and plays 10 ms at once


def read(path):
    with wave.open(path) as file:
        return file.readframes(file.getnframes())


async def say(generator, speech, times, begun):
    """Writes each 10 ms at their end."""
    writer = generator.writable.get_writer()
    size = 2 * PERIOD
    for number in range(times * len(speech) // size):
        at = number * size % len(speech)
        data = (speech + speech)[at : at + size] if at + size > len(speech) else speech[at : at + size]
        init = webrtc.AudioDataInit(
            format="s16",
            sample_rate=call.RATE,
            number_of_frames=PERIOD,
            number_of_channels=1,
            timestamp=number * 10_000,
            data=data,
        )
        await call.until(begun + (number + 1) / 100)
        await writer.write(webrtc.AudioData(init))


async def hear(track, heard, arrivals):
    init = webrtc.MediaStreamTrackProcessorInit(track=track, max_buffer_size=100)
    async for data in webrtc.MediaStreamTrackProcessor(init).readable:
        arrivals.append(time.monotonic())
        buffer = bytearray(data.number_of_frames * data.number_of_channels * 2)
        data.copy_to(buffer, webrtc.AudioDataCopyToOptions(plane_index=0, format="s16"))
        samples = array.array("h", buffer)
        heard.append(samples[:: data.number_of_channels].tobytes())
        data.close()


async def main():
    speech, recording, times = read(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    generator = webrtc.MediaStreamTrackGenerator("audio")
    sender, receiver, track = await call.connect(generator, [int(port) for port in sys.argv[4:6]])
    heard, arrivals = [], []
    hearing = asyncio.ensure_future(hear(track, heard, arrivals))
    begun = time.monotonic() + 0.5
    await say(generator, speech, times, begun)
    outbound = await call.statistics(sender, "outbound-rtp")
    inbound = await call.statistics(receiver, "inbound-rtp")
    hearing.cancel()
    # No period is played before its time, so the earliest tells the clock by which it is played.
    first = min(at - number / 100 for number, at in enumerate(arrivals)) - begun
    sound = b"".join(heard)
    skip = round(first * call.RATE) * 2
    sound = sound[-skip:] if skip < 0 else bytes(skip) + sound
    with wave.open(recording, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(call.RATE)
        file.writeframes(sound)
    told = {
        "concealed": inbound.concealed_samples / inbound.total_samples_received,
        "lost": inbound.packets_lost / outbound.packets_sent,
        "bits": outbound.bytes_sent * 8 / (times * len(speech) / 2 / call.RATE),
        "late": max(at - number / 100 for number, at in enumerate(arrivals)) - begun - first,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
