"""Segments of telephone speech: cuts of the shipped sample calls, each with a level and a noise of its own."""

import contextlib

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ringtrue.resources import resource
from services.asr.engine import Segment

RATE_HZ = 8_000
#: Lengths are drawn from here, as ingest cuts them: most calls are short, long ones are cut at 25 s.
SHORTEST_S, LONGEST_S = 1.0, 25.0
_LEVELS_DB = (-25.0, 0.0)
_NOISES_DB = (-70.0, -40.0)


def varied(count: int) -> list[Segment]:
    """So many segments of lognormal length (median 6 s, 1 to 25 s), in the order they would arrive in."""
    rng = np.random.default_rng(1)
    lengths = np.clip(rng.lognormal(np.log(6.0), 0.8, count), SHORTEST_S, LONGEST_S)
    return [_cut(rng, float(length)) for length in lengths]


def full(count: int) -> list[Segment]:
    """So many segments of 25 s."""
    rng = np.random.default_rng(2)
    return [_cut(rng, LONGEST_S) for _ in range(count)]


def _cut(rng: np.random.Generator, seconds: float) -> Segment:
    calls = _calls()
    length = round(seconds * RATE_HZ)
    begin = int(rng.integers(0, len(calls) - length))
    level, noise = (10 ** (rng.uniform(*range_db) / 20) for range_db in (_LEVELS_DB, _NOISES_DB))
    samples = calls[begin : begin + length] * level + rng.standard_normal(length) * noise
    pcm = (samples.clip(-1, 1) * 32767).astype(np.int16)
    return Segment(pcm.astype(np.float32) / np.float32(32768), RATE_HZ)


def _calls() -> NDArray[np.float64]:
    """What is said in the sample calls, one behind the other."""
    if not _all:
        sounds = []
        for path in sorted(resource("examples/bucket/calls").rglob("ivr-*.[wof]*")):
            with contextlib.suppress(soundfile.LibsndfileError):  # one of the samples is damaged on purpose
                sound, found_hz = soundfile.read(path, always_2d=True)
                sounds.append(resample_poly(sound[:, 0], RATE_HZ, found_hz))
        _all.append(np.concatenate(sounds))
    return _all[0]


_all = list[NDArray[np.float64]]()
