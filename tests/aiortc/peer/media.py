"""A tone and a coloured picture to send, and what is heard and seen of the other."""

import array
import asyncio
import fractions
import math
import time

from av import AudioFrame, VideoFrame
from aiortc import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError

from events import tell

RATE = 48_000
FRAME = RATE // 50  # 20 ms
LOUDNESS = 8_000  # of 32 767

# Two cores have to encode and decode the pictures of two calls at once.
WIDTH, HEIGHT = 320, 180

# A tone crosses zero only from beyond this level, so that noise is not counted.
AUDIBLE = 300

# Of a picture, every so many lines are looked at.
SAMPLED = 8


class Tone(AudioStreamTrack):
    """A sine of so many Hertz. A second of it has whole periods, so that it can be repeated."""

    def __init__(self, hertz):
        super().__init__()
        second = (LOUDNESS * math.sin(2 * math.pi * hertz * at / RATE) for at in range(RATE))
        self.second = array.array("h", map(int, second)).tobytes()
        self.sent, self.start = 0, time.monotonic()

    async def recv(self):
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(self.start + self.sent / RATE - time.monotonic())
        at = 2 * (self.sent % RATE)
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(self.second[at : at + 2 * FRAME])
        frame.pts, frame.sample_rate, frame.time_base = self.sent, RATE, fractions.Fraction(1, RATE)
        self.sent += FRAME
        return frame


class Colour(VideoStreamTrack):
    """One colour, RRGGBB."""

    def __init__(self, digits):
        super().__init__()
        self.planes = yuv(*bytes.fromhex(digits))

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(width=WIDTH, height=HEIGHT)
        for plane, value in zip(frame.planes, self.planes):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


def yuv(red, green, blue):
    """The colour as pictures have it (BT.601, limited range)."""
    y = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    return [round(part) for part in (y, u, v)]


def rgb(y, u, v):
    """The same backwards."""
    y, u, v = 1.164 * (y - 16), u - 128, v - 128
    parts = (y + 1.596 * v, y - 0.813 * v - 0.392 * u, y + 2.017 * u)
    return "".join(f"{min(255, max(0, round(part))):02x}" for part in parts)


async def observe(track: MediaStreamTrack):
    """Tells once a second what comes, until the track ends."""
    try:
        await (listen(track) if track.kind == "audio" else watch(track))
    except MediaStreamError:
        tell("track-ended", media=track.kind)


async def listen(track):
    samples = array.array("h")
    while True:
        frame = await track.recv()
        channels = len(frame.layout.channels)
        decoded = array.array("h", bytes(frame.planes[0])[: 2 * channels * frame.samples])
        samples.extend(decoded[::channels])
        if len(samples) >= frame.sample_rate:
            hertz, dbfs = measured(samples, frame.sample_rate)
            tell("heard", hz=hertz, dbfs=dbfs)
            samples = array.array("h")


def measured(samples, rate):
    """The frequency, by the times at which the sound rises through zero, and the loudness."""
    rises, below = [], False
    for at, sample in enumerate(samples):
        if sample < -AUDIBLE:
            below = True
        elif below and sample > AUDIBLE:
            rises.append(at)
            below = False
    hertz = (len(rises) - 1) * rate / (rises[-1] - rises[0]) if len(rises) > 10 else None
    power = math.sqrt(sum(sample * sample for sample in samples) / len(samples))
    return hertz and round(hertz, 1), round(20 * math.log10(max(power, 1) / 32_768), 1)


async def watch(track):
    told, shown = time.monotonic(), 0
    while True:
        frame = await track.recv()
        shown += 1
        if time.monotonic() - told >= 1:
            tell("seen", colour=rgb(*map(mean, frame.reformat(format="yuv420p").planes)), width=frame.width, height=frame.height, shown=shown)
            told = time.monotonic()


def mean(plane):
    """Of every so many lines; there may be something behind the end of each."""
    pixels = bytes(plane)
    starts = range(0, plane.height * plane.line_size, SAMPLED * plane.line_size)
    return sum(sum(pixels[start : start + plane.width]) / plane.width for start in starts) / len(starts)
