"""One burst, looked at closely: is it made of given partials alone, does its pitch wander, does noise come before it.

A generator that is off is off by one factor for all of its frequencies, so the factor is searched, not each peak: two
partials 17 Hz apart are told from two others, and one alone from a pair. A generator keeps its frequency; whoever sings
or whistles slides and trembles by some tenths of a hertz at the least.
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
_LEAST_PURITY, _LEAST_PARTIAL = 0.6, 0.08
#: Keeps digital silence from having no logarithm.
_LEAST_POWER = 1e-6
#: The pitch is measured between frames (40 ms) 60 ms apart: closer ones measure noise, others even out a tremble.
_PITCH_FRAME_MS, _PITCH_HOP_MS, _PITCH_HOPS = 40, 20, 3
#: More than the middle of a line's continuous tone is not looked at: memory stays bounded.
_LONGEST_PITCH_S = 5
#: A frame so much weaker than the others is a lost packet's; and of less pitches nothing is known.
_HEARD_AMPLITUDE, _LEAST_PITCHES = 0.35, 5
#: The strongest twentieth of the frequencies holds so much of a note's or a voice's power, and of noise's less.
_NARROW, _NARROW_SHARE = 20, 0.6
_LOWEST_HZ = 100.0


#: Lengths are whole cells, and most bursts are short.
@lru_cache(maxsize=128)
def _window(length: int) -> npt.NDArray[np.float32]:
    return np.hanning(length).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Partials:
    """The lowest partial's frequency, and how far all of them are from the nominal ones (a part of it).

    `purity` is the partials' part of the power up to 100 Hz beside them.
    """

    lowest_hz: float
    off: float
    purity: float


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
    purity = float(at.sum()) / max(around, _LEAST_POWER)
    if purity < _LEAST_PURITY or at.min() < _LEAST_PARTIAL * at.sum():
        return None
    return Partials(factor * partials_hz[0], factor - 1, purity)


def wander_of(samples: npt.NDArray[np.int16], hertz: float, rate_hz: int) -> float:
    """How far the pitch of a tone strays from its middle, hertz: the median of its pitches; 0 where it is too short.

    Taken from the phase, which tells 0.1 Hz. A median does not mind lost packets, or a jitter buffer that leaps.

    Args:
        samples: The burst.
        hertz: About where it sounds.
        rate_hz: Sampling rate.
    """
    frame, hop = (rate_hz * ms // 1000 for ms in (_PITCH_FRAME_MS, _PITCH_HOP_MS))
    if len(samples) < frame + (_PITCH_HOPS + _LEAST_PITCHES) * hop:
        return 0.0
    middle = max(0, len(samples) - _LONGEST_PITCH_S * rate_hz) // 2
    samples = samples[middle : middle + _LONGEST_PITCH_S * rate_hz]
    turning = np.exp(-2j * np.pi * hertz / rate_hz * np.arange(max(frame, len(samples) // hop * hop)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, frame)[::hop]
    phasors = (frames @ (_window(frame) * turning[:frame])) * turning[::hop][: len(frames)]
    strength = np.abs(phasors)
    heard = strength > _HEARD_AMPLITUDE * np.median(strength)
    both = heard[_PITCH_HOPS:] & heard[:-_PITCH_HOPS]
    turns = (phasors[_PITCH_HOPS:] * np.conj(phasors[:-_PITCH_HOPS]))[both]
    if len(turns) < _LEAST_PITCHES:
        return 0.0
    # Around their mean no pitch comes near half a turn.
    pitches = np.angle(turns * np.conj(turns.sum())) / (2 * np.pi * _PITCH_HOPS * _PITCH_HOP_MS / 1000)
    return float(np.median(np.abs(pitches - np.median(pitches))))


def is_noise(samples: npt.NDArray[np.int16], rate_hz: int) -> bool:
    """Whether the power lies spread over the band, as a line's noise does, and not in a few frequencies."""
    spectrum = fft.rfft(samples * _window(len(samples)))[round(_LOWEST_HZ * len(samples) / rate_hz) :]
    powers = np.sort(spectrum.real**2 + spectrum.imag**2)
    return bool(powers[-(-len(powers) * (_NARROW - 1) // _NARROW) :].sum() < _NARROW_SHARE * powers.sum())
