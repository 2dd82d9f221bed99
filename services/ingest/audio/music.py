"""Whether what sounds is music, or a tone that no plan names: sound whose spectrum stands still.

Notes and tones keep their spectrum for some 200 ms and more; a voice changes it all the time, and noise has none to
keep. The measure is what three frames of 128 ms, each half a frame after the one before, have in common: the least
power of the three in every bin, summed, of spectra that each sum to 1. A voice's loud frames seldom come above one
half, those of instruments and of whistling often or mostly; singing lies between. The limits below leave room for a
voice's held vowels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft

from services.ingest.audio.resample import Samples
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ, FULL_SCALE

#: Start and end of something, ms.
_Region = tuple[int, int]

_HOP = 512
_FRAME = 2 * _HOP
_HOP_MS = _HOP * 1000 // ANALYSIS_RATE_HZ
#: About a minute is made floating point at once.
_HOPS_AT_ONCE = 1_000
_WINDOW = np.hanning(_FRAME).astype(np.float32)
#: The telephone band, without the mains' hum.
_LOWEST_BIN, _HIGHEST_BIN = 250 * _FRAME // ANALYSIS_RATE_HZ, 3_400 * _FRAME // ANALYSIS_RATE_HZ
_STANDS_STILL = 0.5
#: Loud is what lies within 25 dB of nearly the loudest, and above -60 dBFS; close by, within 10 dB of what is there.
_NEARLY_LOUDEST, _LOUD_POWER, _LEAST_LOUD_POWER = 95, 10**-2.5, FULL_SCALE * 10**-6.0
_AS_LOUD_POWER = 10**-1.0
#: Ringing comes first: the first 6 s of sound show what a call begins with.
_BEGINNING, _MUSIC_AT_BEGINNING = 6_000 // _HOP_MS, 0.12
#: A note has others close by, before it or after it.
_CLOSE_MS, _LEAST_CLOSE, _MUSIC_CLOSE_BY = 1_500, 300 // _HOP_MS, 0.2


def begins_with_music(samples: Samples, explained: Sequence[_Region]) -> bool:
    """Whether a channel at 8 kHz begins with music or a tone, apart from what is explained."""
    power = _power(samples)
    if not len(power):
        return False
    loud = _apart(power > _LOUD_POWER * float(np.percentile(power, _NEARLY_LOUDEST)), power, explained)[:_BEGINNING]
    return len(loud) >= _LEAST_CLOSE and _share_that_stands_still(samples, loud) >= _MUSIC_AT_BEGINNING


def is_amid_music(samples: Samples, start_ms: int, end_ms: int, explained: Sequence[_Region]) -> bool:
    """Whether music or tones as loud sound within 1.5 s of a tone, apart from it and from what is explained."""
    first = max(0, start_ms - _CLOSE_MS) // _HOP_MS
    power = _power(samples[first * _HOP : ((end_ms + _CLOSE_MS) // _HOP_MS + 4) * _HOP])
    own = power[start_ms // _HOP_MS - first : end_ms // _HOP_MS - first]
    if not len(own):
        return False
    loud = power > _AS_LOUD_POWER * float(np.median(own))
    shifted = [(start - first * _HOP_MS, end - first * _HOP_MS) for start, end in (*explained, (start_ms, end_ms))]
    near = _apart(loud, power, shifted) + first
    return len(near) >= _LEAST_CLOSE and _share_that_stands_still(samples, near) >= _MUSIC_CLOSE_BY


def _power(samples: Samples) -> npt.NDArray[np.float32]:
    """Mean power by hop, for those that the two frames after them follow."""
    count = max(0, len(samples) // _HOP - 3)
    power = np.empty(count, np.float32)
    for first in range(0, count, _HOPS_AT_ONCE):
        last = min(first + _HOPS_AT_ONCE, count)
        blocks = samples[first * _HOP : last * _HOP].astype(np.float32).reshape(-1, _HOP)
        power[first:last] = np.einsum("ij,ij->i", blocks, blocks) / _HOP
    return power


def _apart(
    loud: npt.NDArray[np.bool_], power: npt.NDArray[np.float32], explained: Sequence[_Region]
) -> npt.NDArray[np.intp]:
    """The loud hops that lie, with the frames after them, outside of what is explained."""
    apart = loud & (power > _LEAST_LOUD_POWER)
    for start_ms, end_ms in explained:
        apart[max(0, start_ms // _HOP_MS - 3) : max(0, -(-end_ms // _HOP_MS) + 1)] = False
    return np.flatnonzero(apart)


def _share_that_stands_still(samples: Samples, hops: npt.NDArray[np.intp]) -> float:
    places = hops[:, None] * _HOP + np.arange(4 * _HOP)
    pieces = samples[places].astype(np.float32)
    spectra = []
    for first in (0, _HOP, 2 * _HOP):
        spectrum = fft.rfft(pieces[:, first : first + _FRAME] * _WINDOW, axis=1)[:, _LOWEST_BIN:_HIGHEST_BIN]
        power = spectrum.real**2 + spectrum.imag**2
        spectra.append(power / np.maximum(power.sum(axis=1, keepdims=True), 1))
    common = np.minimum(np.minimum(spectra[0], spectra[1]), spectra[2]).sum(axis=1)
    return float(np.mean(common > _STANDS_STILL))
