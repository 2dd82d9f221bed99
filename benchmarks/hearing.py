"""How fast ingest hears: decoding, tones, speech, cutting and encoding, each by itself on one core.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/hearing.py [CALLS] [SECONDS]

Calls are synthetic: ringback, then a voice-like sound, then a beep. Times are CPU time of this process, so that others
on the machine disturb little; only the pool of one child process is measured by the clock.
"""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from examples import synth
from services.ingest.audio.decode import Recording, decode
from services.ingest.audio.decoder_process import DecoderPool
from services.ingest.audio.hearing import HearingSettings, hear_many
from services.ingest.audio.segments import cell_levels, encode_flac, plan_segments
from services.ingest.audio.speech import SpeechDetector
from services.ingest.audio.tone_plans import tone_plan
from services.ingest.audio.tones import find_tones

_T = TypeVar("_T")


def main(calls: int, seconds: int) -> None:
    """Prints a table: times real time for each step."""
    sounds = [_call(seed, seconds) for seed in range(calls)]
    total = calls * seconds
    print(f"{calls} calls of {seconds} s at 8 kHz, one thread")
    for codec in ("ulaw", "flac", "opus", "mp3", "gsm"):
        files = [(codec, synth.encoded(sound, codec)) for sound in sounds]
        _timed(f"decode {codec}, in process", total, partial(_decode_all, files))
    files = [(f"{number}.wav", synth.encoded(sound, "ulaw")) for number, sound in enumerate(sounds)]
    with DecoderPool(workers=1) as pool:
        _timed("decode ulaw, one child, cold", total, lambda: pool.decode_many(files), time.perf_counter)
        decoded = _timed("decode ulaw, one child, warm", total, lambda: pool.decode_many(files), time.perf_counter)
    recordings = [answer for answer in decoded if isinstance(answer, Recording)]
    channels = [recording.channels[0] for recording in recordings]
    plan, settings, detector = tone_plan("MA"), HearingSettings(), SpeechDetector()
    _timed("tones", total, lambda: [find_tones(channel, 8_000, plan) for channel in channels])
    speech = _timed("speech, all calls side by side", total, lambda: detector.regions(channels))
    _timed("speech, the first call alone", seconds, lambda: detector.regions(channels[:1]))
    _timed(
        "segments",
        total,
        lambda: [
            plan_segments(cell_levels(channel), regions, [], duration_ms=seconds * 1000)
            for channel, regions in zip(channels, speech, strict=True)
        ],
    )
    _timed("FLAC", total, lambda: [encode_flac(channel[: 25 * 8_000], 8_000) for channel in channels])
    heard = _timed("hear_many, all of it but decoding", total, lambda: hear_many(recordings, settings, detector))
    counted = sum(hearing.heard.ring_count == 3 for hearing in heard)
    print(f"rings counted right in {counted} of {len(heard)} calls")
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def _call(seed: int, seconds: int) -> synth.Sound:
    start = np.concatenate([synth.silence(300), synth.ringback(3, last_heard=0.7)])
    end = np.concatenate([synth.silence(400), synth.beep(), synth.silence(300)])
    return np.concatenate([start, synth.vowels(seconds * 1000 - (len(start) + len(end)) / 8, seed), end])


def _decode_all(files: list[tuple[str, bytes]]) -> None:
    for name, data in files:
        decode(data, name)


def _timed(what: str, seconds: float, work: Callable[[], _T], clock: Callable[[], float] = time.process_time) -> _T:
    start = clock()
    result = work()
    print(f"{what:38} {seconds / (clock() - start):10,.0f} x real time")
    return result


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    main(*(numbers + [32, 60][len(numbers) :]))
