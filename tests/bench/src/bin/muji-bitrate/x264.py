"""GStreamer's x264enc as conversations set it: I420 frames on standard input, the bytes of each encoded frame on standard output.

usage: x264.py WIDTH HEIGHT FRAMES-BETWEEN-TWO-TARGETS TARGET-IN-KBIT/S ...
"""
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

width, height, between, *targets = map(int, sys.argv[1:])
Gst.init(None)
pipeline = Gst.parse_launch(
    "appsrc name=source format=time is-live=false block=false"
    f" caps=video/x-raw,format=I420,width={width},height={height},framerate=30/1"
    f" ! x264enc name=encoder tune=zerolatency speed-preset=veryfast key-int-max=3000 bitrate={targets[0]}"
    " ! appsink name=sink sync=false"
)
source, encoder, sink = map(pipeline.get_by_name, ("source", "encoder", "sink"))
pipeline.set_state(Gst.State.PLAYING)
number = 0
while frame := sys.stdin.buffer.read(width * height * 3 // 2):
    if number % between == 0:
        encoder.set_property("bitrate", targets[number // between])
    buffer = Gst.Buffer.new_wrapped(frame)
    buffer.pts = number * Gst.SECOND // 30
    buffer.duration = Gst.SECOND // 30
    source.emit("push-buffer", buffer)
    sample = sink.emit("try-pull-sample", 5 * Gst.SECOND)
    print(sample.get_buffer().get_size() if sample else 0, flush=True)
    number += 1
pipeline.set_state(Gst.State.NULL)
