"""A film through libwebrtc: pictures.py film.y4m beginning seconds port port

Each picture bears its number in the squares of its first row, as src/film.rs writes them. Prints JSON: when each was captured and when
each was shown, in seconds since the first; and what was sent in the seconds behind the beginning.
"""

import asyncio
import json
import sys
import time

import webrtc

import call

WIDTH, HEIGHT, RATE = 640, 360, 30
SQUARE, BITS, BLACK, WHITE = 16, 14, 16, 235
BITS_A_SECOND = 1_500_000  # as our own encoder's limit


def read(path):
    """The pictures of a Y4M file, forth and back."""
    with open(path, "rb") as file:
        file.readline()
        pictures = []
        while file.readline():
            pictures.append(file.read(WIDTH * HEIGHT * 3 // 2))
    return pictures + pictures[::-1]


def numbered(picture, number):
    row = b"".join(bytes([WHITE if number >> bit & 1 else BLACK]) * SQUARE for bit in range(BITS))
    picture = bytearray(picture)
    for y in range(SQUARE):
        picture[y * WIDTH : y * WIDTH + len(row)] = row
    return picture


async def number_of(frame):
    """What a picture bears, in whatever size it comes."""
    square = SQUARE * frame.coded_width / WIDTH
    pixels = bytearray(frame.allocation_size())
    layout = await frame.copy_to(pixels)
    row = layout[0].offset + int(square / 2) * layout[0].stride
    return sum(1 << bit for bit in range(BITS) if pixels[row + int((bit + 0.5) * square)] > 125)


async def show(generator, pictures, seconds, begun, captured):
    writer = generator.writable.get_writer()
    for number in range(seconds * RATE):
        await call.until(begun + number / RATE)
        captured.append(time.monotonic() - begun)
        init = webrtc.VideoFrameBufferInit(
            format="I420", coded_width=WIDTH, coded_height=HEIGHT, timestamp=number * 1_000_000 // RATE
        )
        await writer.write(webrtc.VideoFrame(numbered(pictures[number % len(pictures)], number), init))


async def look(track, shown, begun):
    init = webrtc.MediaStreamTrackProcessorInit(track=track, max_buffer_size=30)
    async for frame in webrtc.MediaStreamTrackProcessor(init).readable:
        at = time.monotonic() - begun
        shown.append((await number_of(frame), at))
        frame.close()


async def main():
    pictures, beginning, seconds = read(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    generator = webrtc.MediaStreamTrackGenerator("video")
    sender, receiver, track = await call.connect(generator, [int(port) for port in sys.argv[4:6]])
    parameters = sender.get_senders()[0].get_parameters()
    parameters.encodings[0].max_bitrate = BITS_A_SECOND
    await sender.get_senders()[0].set_parameters(parameters)
    begun, captured, shown = time.monotonic() + 0.5, [], []
    looking = asyncio.ensure_future(look(track, shown, begun))
    showing = asyncio.ensure_future(show(generator, pictures, beginning + seconds, begun, captured))
    await call.until(begun + beginning)
    before, seen_before = await call.statistics(sender, "outbound-rtp"), await call.statistics(receiver, "inbound-rtp")
    await showing
    after, seen_after = await call.statistics(sender, "outbound-rtp"), await call.statistics(receiver, "inbound-rtp")
    looking.cancel()
    told = {
        "captured": captured,
        "shown": shown,
        "key_frames": after.key_frames_encoded - before.key_frames_encoded,
        "frozen": seen_after.total_freezes_duration - seen_before.total_freezes_duration,
        "bytes": after.bytes_sent + after.header_bytes_sent - before.bytes_sent - before.header_bytes_sent,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
