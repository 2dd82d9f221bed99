"""How fast ingest hears, on one core: each step by itself, and all of it from the file's bytes to the encoded parts.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.hearing [--calls 32] [--seconds 60]

Calls are synthetic: ringback, then a voice-like sound with pauses, then a beep. Figures are multiples of real time. All
but the child process are CPU time of this process, so that others on the machine disturb little.
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import onnxruntime
from rich.table import Table

from benchmarks.tables import say, show, table
from examples import synth
from services.ingest.audio import quality
from services.ingest.audio.decode import Recording, decode
from services.ingest.audio.decoder_process import DecoderPool
from services.ingest.audio.fingerprint import fingerprint
from services.ingest.audio.hearing import Hearing, HearingSettings, hear_many
from services.ingest.audio.levels import cell_levels
from services.ingest.audio.segments import encode_flac, plan_segments
from services.ingest.audio.speech import SpeechDetector
from services.ingest.audio.tone_plans import plans_for, tone_plan
from services.ingest.audio.tones import find_tones

RINGS = 3
FORMATS = {
    "WAV, 16 bit": "pcm16",
    "WAV, mu-law": "ulaw",
    "WAV, A-law": "alaw",
    "FLAC": "flac",
    "MP3": "mp3",
    "WAV, GSM 6.10": "gsm",
    "Ogg Opus": "opus",
}

_T = TypeVar("_T")
_Files = Sequence[tuple[str, bytes]]


def main(calls: int, seconds: int) -> None:
    """Prints two tables: the steps, and all of them together by format."""
    sounds = [_call(seed, seconds) for seed in range(calls)]
    of = f"{calls} calls of {seconds} s at 8 kHz, mono if not said otherwise"
    machine = f"one core; Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}"
    detector = SpeechDetector()
    detector.regions([np.zeros(80_000, np.int16)] * calls)  # the first run also sets the network up
    show(_steps(sounds, seconds, detector, f"{of}; {machine}"))
    show(_together(sounds, seconds, detector, f"{of}; {machine}"))


def _steps(sounds: Sequence[synth.Sound], seconds: int, detector: SpeechDetector, caption: str) -> Table:
    steps = table("Each step", caption, ("step",), ("x real time",))
    total = len(sounds) * seconds

    def timed(what: str, work: Callable[[], _T], clock: Callable[[], float] = time.process_time) -> _T:
        start = clock()
        result = work()
        steps.add_row(what, f"{total / (clock() - start):,.0f}")
        return result

    for name, codec in FORMATS.items():
        timed(f"decode {name}", partial(_decoded, _files(sounds, codec)))
    files = _files(sounds, "ulaw")
    with DecoderPool(workers=1) as pool, pool.folder() as folder:
        fetched = [(name, folder / str(number)) for number, (name, _) in enumerate(files)]
        for (_, file), (_, data) in zip(fetched, files, strict=True):
            file.write_bytes(data)
        pool.decode_many(fetched[:1])
        answers = timed(
            "decode mu-law in a child process (clock)", lambda: pool.decode_many(fetched), time.perf_counter
        )
    recordings = [answer for answer in answers if isinstance(answer, Recording)]
    channels = [recording.channels[0] for recording in recordings]
    plan = tone_plan("MA")
    tones = timed("tones, one country", lambda: [find_tones(channel, 8_000, plan) for channel in channels])
    timed("tones, country auto", lambda: [find_tones(channel, 8_000, plans_for("auto")) for channel in channels])
    speech = timed("speech, all calls side by side", lambda: detector.regions(channels))
    levels = timed("levels", lambda: [cell_levels(channel) for channel in channels])
    timed(
        "quality of the sound",
        lambda: [
            quality.channel_sound(0, channels[number], 8_000, levels[number], speech[number], tones[number].regions)
            for number in range(len(channels))
        ],
    )
    timed("fingerprint", lambda: [fingerprint([channel], seconds * 1000) for channel in channels])
    timed(
        "segments",
        lambda: [
            plan_segments(levels[number], speech[number], tones[number].regions, duration_ms=seconds * 1000)
            for number in range(len(channels))
        ],
    )
    timed("FLAC", lambda: [encode_flac(channel, 8_000) for channel in channels])
    return steps


def _together(sounds: Sequence[synth.Sound], seconds: int, detector: SpeechDetector, caption: str) -> Table:
    stereo = [np.stack([sound, np.roll(sound, len(sound) // 2)], 1) for sound in sounds]
    together = table(
        "Decoding, tones, speech, facts, cutting and FLAC together",
        caption,
        ("format",),
        ("x real time", "counted right"),
    )
    cases = [(name, _files(sounds, codec), len(sounds)) for name, codec in FORMATS.items()]
    cases.append(("WAV, mu-law, two speakers in stereo", _files(stereo, "ulaw"), len(stereo)))
    cases.append(("WAV, mu-law, one call alone", _files(sounds[:1], "ulaw"), 1))
    for name, files, count in cases:
        start = time.process_time()
        hearings = _heard(files, detector)
        spent = time.process_time() - start
        right = sum(hearing.heard.ring_count == RINGS for hearing in hearings)
        together.add_row(name, f"{count * seconds / spent:,.0f}", f"{right} of {count}")
        say(f"{name}: done")
    return together


def _heard(files: _Files, detector: SpeechDetector) -> list[Hearing]:
    hearings = hear_many(_decoded(files), HearingSettings(), detector)
    for hearing in hearings:
        for part in hearing.parts:
            assert part.flac
    return hearings


def _decoded(files: _Files) -> list[Recording]:
    return [decode(data, name) for name, data in files]


def _files(sounds: Sequence[synth.Sound], codec: str) -> list[tuple[str, bytes]]:
    return [(f"{number}.{codec}", synth.encoded(sound, codec)) for number, sound in enumerate(sounds)]


def _call(seed: int, seconds: int) -> synth.Sound:
    start = np.concatenate([synth.silence(300), synth.ringback(RINGS, last_heard=0.7)])
    end = np.concatenate([synth.silence(400), synth.beep(), synth.silence(300)])
    sound = np.concatenate([start, synth.vowels(seconds * 1000 - (len(start) + len(end)) / 8, seed), end])
    return np.asarray(sound + synth.noise(len(sound) / 8, -60, seed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How fast ingest hears.")
    parser.add_argument("--calls", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    main(arguments.calls, arguments.seconds)
