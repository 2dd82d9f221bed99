"""Changing the sampling rate piece by piece, so that a long call is never held twice.

`Resampler` gives the same samples for any division into pieces: each piece is filtered together with a margin of its
neighbours, and what the margin made is thrown away.
"""

import math
import tempfile
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

Samples = npt.NDArray[np.int16]

#: scipy's default anti-alias filter reaches 10 periods of the lower of the two rates to each side.
_FILTER_REACH = 10
_PIECE_S = 30
#: An hour at 8 kHz.
_MOST_HELD_BYTES = 58_000_000


class Resampler:
    """Takes int16 samples at one rate in pieces of any size and gives them at another."""

    def __init__(self, source_hz: int, target_hz: int) -> None:
        divisor = math.gcd(source_hz, target_hz)
        self._up, self._down = target_hz // divisor, source_hz // divisor
        reach = _FILTER_REACH * max(1.0, self._down / self._up) + 1
        # Margins and pieces are multiples of `down`, so that each begins exactly on an output sample.
        self._margin = self._down * math.ceil(reach / self._down)
        self._piece = self._down * math.ceil(source_hz / self._down)
        self._pending = np.empty(0, np.int16)
        self._lead = 0

    def push(self, samples: Samples) -> Samples:
        """The output that these further samples complete; it trails the input by up to a second."""
        self._pending = np.concatenate((self._pending, samples))
        whole = (len(self._pending) - self._lead - self._margin) // self._piece * self._piece
        return self._take(whole) if whole > 0 else np.empty(0, np.int16)

    def finish(self) -> Samples:
        """The output that was still owed."""
        return self._take(len(self._pending) - self._lead)

    def _take(self, count: int) -> Samples:
        block = self._pending[: self._lead + count + self._margin].astype(np.float32)
        skip = self._lead * self._up // self._down
        wanted = math.ceil(count * self._up / self._down)
        output = resample_poly(block, self._up, self._down)[skip : skip + wanted] if count else block[:0]
        keep_from = max(0, self._lead + count - self._margin)
        self._lead = self._lead + count - keep_from
        self._pending = self._pending[keep_from:]
        return np.clip(np.rint(output), -32768, 32767).astype(np.int16)


def resampled(samples: Samples, source_hz: int, target_hz: int) -> Samples:
    """All of `samples` at another rate; the very array when the rates are equal.

    A long one lies in a deleted file of the temporary folder, mapped into memory, so that the system can put it away.
    """
    if source_hz == target_hz:
        return samples
    count = math.ceil(len(samples) * target_hz / source_hz)
    found: Samples = np.empty(count, np.int16)
    if found.nbytes > _MOST_HELD_BYTES:
        with tempfile.TemporaryFile() as file:
            found = np.asarray(np.memmap(file, np.int16, "w+", shape=(count,)))
    at = 0
    for piece in _pieces(samples, source_hz, target_hz):
        found[at : at + len(piece)] = piece
        at += len(piece)
    return found


def _pieces(samples: Samples, source_hz: int, target_hz: int) -> Iterator[Samples]:
    resampler = Resampler(source_hz, target_hz)
    step = _PIECE_S * source_hz
    for start in range(0, len(samples), step):
        yield resampler.push(samples[start : start + step])
    yield resampler.finish()
