"""Prints the mean PESQ of a recording in which the speech is said again and again: score.py speech.wav recording.wav"""

import subprocess
import sys

import imageio_ffmpeg
import numpy
import pesq

RATE = 16_000  # what wide-band PESQ is defined for
BEHIND = RATE // 2  # what is heard of one time when the next begins


def read(path):
    """The samples of a file at that rate."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-f", "s16le", "-ac", "1", "-ar", str(RATE), "-"]
    return numpy.frombuffer(subprocess.run(program, check=True, capture_output=True).stdout, numpy.int16)


speech, recording = read(sys.argv[1]), read(sys.argv[2])
starts = range(len(speech), len(recording) - len(speech) - BEHIND, len(speech))
scores = [pesq.pesq(RATE, speech, recording[start : start + len(speech) + BEHIND], "wb") for start in starts]
print(sum(scores) / len(scores))
