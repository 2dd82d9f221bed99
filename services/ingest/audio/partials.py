"""Whether a burst consists of given partials and hardly anything else near them: one long spectrum, looked at closely.

A generator that is off is off by one factor for all of its frequencies, so the factor is searched, not each peak: two
partials 17 Hz apart are told from two others, and one alone from a pair.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

#: Twice as long as the burst, so that a peak is met by a bin; the longest 2 s hold all that there is to know.
_LONGEST_FFT, _SHORTEST_FFT = 32_768, 2_048
#: The factor is searched so far beyond the tolerance, that what is another tone shows itself as one; in steps of 1 Hz.
_SEARCHED_BEYOND, _STEP_HZ = 0.025, 1.0
#: This much of the long spectrum beside the partials is looked at for what else sounds there.
_SURROUNDINGS_HZ = 100.0
#: Where a Hann window puts nearly all of a sine, and a little for an unsteady generator.
_UNSTEADY_HZ, _LOBE = 8.0, 1.25
_LEAST_PURITY, _LEAST_PARTIAL = 0.75, 0.08
#: Keeps digital silence from having no logarithm.
_LEAST_POWER = 1e-6


#: Lengths are whole cells, and most bursts are short.
@lru_cache(maxsize=128)
def _window(length: int) -> npt.NDArray[np.float32]:
    return np.hanning(length).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Partials:
    """The lowest partial's frequency, and how far all of them are from the nominal ones (a part of it)."""

    lowest_hz: float
    off: float


def partials_of(
    samples: npt.NDArray[np.int16], partials_hz: tuple[float, ...], tolerance: float, rate_hz: int
) -> Partials | None:
    """Finds the partials in a burst; None when its peaks lie elsewhere, one of them is missing or much else sounds.

    Args:
        samples: The burst.
        partials_hz: The nominal frequencies, lowest first.
        tolerance: How far they may be off, a part of the frequency.
        rate_hz: Sampling rate.
    """
    length = min(len(samples), _LONGEST_FFT // 2)
    size = max(_SHORTEST_FFT, 2 << (length - 1).bit_length())
    middle = (len(samples) - length) // 2
    piece = samples[middle : middle + length] * _window(length)
    # All that is looked at lies below the highest partial and its surroundings.
    top = min(size // 2 + 1, round((partials_hz[-1] * 1.1 + 2 * _SURROUNDINGS_HZ) * size / rate_hz))
    spectrum = fft.rfft(piece, size)[:top]
    energy = np.concatenate(([0.0], np.cumsum(spectrum.real**2 + spectrum.imag**2, dtype=np.float64)))
    bin_hz = rate_hz / size

    def between(low_hz: npt.NDArray[np.float64], high_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        edges = (np.ceil(low_hz / bin_hz).astype(int), np.floor(high_hz / bin_hz).astype(int) + 1)
        low, high = (np.clip(edge, 0, len(energy) - 1) for edge in edges)
        return np.asarray(energy[high] - energy[low])

    nominal = np.array(partials_hz)
    width = _UNSTEADY_HZ + _LOBE * rate_hz / length
    if len(nominal) > 1:
        width = min(width, float(np.diff(nominal).min()) / 3)
    most = tolerance + _SEARCHED_BEYOND
    factors = np.linspace(1 - most, 1 + most, 2 * round(most * nominal[0] / _STEP_HZ) + 1)
    places = factors[:, None] * nominal
    strengths = between(places - width, places + width)
    # Each partial must have its part, so their mean is the geometric one. Many factors hold all of a sine within the
    # width; the middle of them is its place.
    fits = np.exp(np.log(strengths + _LEAST_POWER).mean(axis=1))
    factor = float(factors[fits >= 0.98 * fits.max()].mean())
    if abs(factor - 1) > tolerance:
        return None
    at = strengths[int(np.argmin(np.abs(factors - factor)))]
    around = float(between(nominal[:1] - _SURROUNDINGS_HZ, nominal[-1:] + _SURROUNDINGS_HZ)[0])
    if at.sum() < _LEAST_PURITY * around or at.min() < _LEAST_PARTIAL * at.sum():
        return None
    return Partials(factor * partials_hz[0], factor - 1)
