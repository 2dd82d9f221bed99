"""How much memory ingest takes for calls of four hours, from the stored file to the encoded parts.

    OMP_NUM_THREADS=1 python -m benchmarks.hearing_memory [--hours 4]

Each case runs in a process of its own, as the service does it: the file in a folder, decoding in a child process,
hearing, and every part encoded and let go. *Own* is memory that only this process has; *mapped* comes on top: pages of
deleted temporary files (the samples), which the system takes back when it needs them. Both are looked at 20 times a
second, and what is shown is the most of each.
"""

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.tables import show, table
from examples import synth
from services.ingest.audio.decode import Recording
from services.ingest.audio.decoder_process import DecoderPool
from services.ingest.audio.hearing import HearingSettings, hear_many
from services.ingest.audio.speech import SpeechDetector

#: Rate, channels, and what libsndfile calls container and encoding.
CASES = {
    "8 kHz mono, mu-law WAV": (8_000, 1, "WAV", "ULAW"),
    "8 kHz mono, 16 bit WAV": (8_000, 1, "WAV", "PCM_16"),
    "8 kHz stereo, FLAC": (8_000, 2, "FLAC", "PCM_16"),
    "16 kHz stereo, FLAC": (16_000, 2, "FLAC", "PCM_16"),
}


def main(hours: float) -> None:
    """Prints a table, a line for each case."""
    made = table(
        "Memory for one long call",
        f"calls of {hours:g} h; Python {platform.python_version()}",
        ("call",),
        ("file MB", "own MB", "mapped MB", "decoder's child MB", "parts", "CPU s"),
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, (rate_hz, channels, container, encoding) in CASES.items():
            file = Path(folder) / "call"
            _write(file, hours, rate_hz, channels, container, encoding)
            command = [sys.executable, "-m", "benchmarks.hearing_memory", "--measure", str(file)]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            made.add_row(name, *told)
    show(made)


def measure(file: Path) -> None:
    """Hears the file and prints the figures of a line."""
    watch = _Watch()
    watch.start()
    detector = SpeechDetector()
    with DecoderPool(workers=1) as pool:
        (recording,) = pool.decode_many([("call", file)])
    assert isinstance(recording, Recording)
    (hearing,) = hear_many([recording], HearingSettings(), detector)
    parts = sum(bool(part.flac) for part in hearing.parts)
    watch.stop.set()
    watch.join()
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(file.stat().st_size // 10**6, watch.own_mb, watch.mapped_mb, child, parts, round(time.process_time()))


class _Watch(threading.Thread):
    """Looks at this process's memory."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.own_mb = self.mapped_mb = 0

    def run(self) -> None:
        while not self.stop.wait(0.05):
            lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            own, *mapped = (int(lines[name].split()[0]) // 1024 for name in ("RssAnon", "RssFile", "RssShmem"))
            self.own_mb, self.mapped_mb = max(self.own_mb, own), max(self.mapped_mb, sum(mapped))


def _write(file: Path, hours: float, rate_hz: int, channels: int, container: str, encoding: str) -> None:
    """A minute of talk with pauses, again and again; on the second channel half a minute later."""
    talk = [synth.vowels(8_000, seed, -12, rate_hz) for seed in range(4)]
    minute = np.concatenate([sound for piece in talk for sound in (piece, synth.silence(7_000, rate_hz))])
    minute += synth.noise(len(minute) * 1000 / rate_hz, -65, 1, rate_hz)
    block = np.stack([np.roll(minute, channel * len(minute) // 2) for channel in range(channels)], 1)
    with soundfile.SoundFile(file, "w", rate_hz, channels, encoding, format=container) as sound:
        for _ in range(round(hours * 60)):
            sound.write(block)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How much memory ingest takes for long calls.")
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
    else:
        main(arguments.hours)
