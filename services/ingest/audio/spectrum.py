"""Bursts of a given tone in a channel: where its frequencies, and hardly anything else near them, sound steadily.

A short-time spectrum (40 ms frames, one per 20 ms cell) gives for each cell the share that the tone's frequencies have
of the power around them (300 Hz to each side). A share does not depend on level, so that -40 and 0 dBFS look alike, and
noise or a voice elsewhere in the band does not touch it. Cells with a great share form bursts (hysteresis; a gap is
bridged when the tone goes on beneath what covers it). Each burst must be steady, and is then looked at in one long
spectrum, sharp enough to tell 425 Hz from 440 and a tone from a voice or an instrument.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from services.ingest.audio.resample import Samples

Powers = npt.NDArray[np.floating]
Cells = npt.NDArray[np.bool_]
#: A component of a tone: the lowest and highest frequency at which it may sound, hertz.
Component = tuple[float, float]
#: A tone: components that sound together, lowest first.
Tone = tuple[Component, ...]

ANALYSIS_RATE_HZ = 8_000
CELL_MS = 20
#: Power of a full-scale sine in 16-bit units. Levels are given relative to it.
FULL_SCALE = 32768.0**2 / 2

_CELL = ANALYSIS_RATE_HZ * CELL_MS // 1000
_FRAME = 2 * _CELL
_BIN_HZ = ANALYSIS_RATE_HZ / _FRAME
_WINDOW = np.hanning(_FRAME + 1)[:-1].astype(np.float32)
#: A Hann window spreads a sine over two bins to each side.
_LOBE_HZ = 2 * _BIN_HZ
_AROUND_HZ = 300.0
#: What is below is mains hum, not part of a call.
_LOWEST_HZ = 100.0
_CELLS_AT_ONCE = 3_000

_SHARE_ON, _SHARE_OFF = 0.6, 0.4
#: -58 dBFS: below a tone at -40 dBFS by more than any codec lowers it, above the remains that codecs leave in pauses.
_LOWEST_POWER = FULL_SCALE * 10**-5.8
#: A codec's tail after a burst is tonal too, but at least 14 dB down on what sounded 300 ms before.
_TAIL_POWER, _TAIL_CELLS = 10**-1.4, 31
#: Lost packets (20 ms each) must not split a burst; the shortest pause of any cadence is 167 ms.
_CLOSED_CELLS = 5
#: Something louder may cover a tone for up to 1 s, if beneath it 30 % of the tone's power or more goes on.
_BRIDGED_CELLS, _BRIDGED_POWER = 50, 0.3
#: Half of a Hann frame over a tone's end holds a quarter of its power.
_EDGE_POWER = 0.25
_SHORTEST_CELLS = 4
#: A pause comes before a ring: what sounds in the 100 ms before it is at least 6 dB weaker.
_BEFORE_CELLS, _CROWD_POWER = 6, 0.25
#: Keeps digital silence from dividing by zero.
_LEAST_POWER = 1e-6

_LONG_FFT = 16_384
#: Around a component, this much of the long spectrum is looked at for its peak and for what else sounds there.
_SEARCHED, _SURROUNDINGS_HZ = 0.025, 100.0
_LEAST_PURITY, _MOST_SPREAD_DB, _LEAST_COMPONENT = 0.75, 6.0, 0.1


@dataclass(frozen=True, slots=True)
class Burst:
    """An unbroken sounding of one tone.

    `frequency_hz` is its lowest component's, `share` its mean share of all power while it sounds. `crowded` says that
    it begins out of another sound as loud, as a note in music does. `pauses_ms` is the silence inside, where several
    bursts were joined to one ring.
    """

    start_ms: int
    end_ms: int
    frequency_hz: float
    share: float
    crowded: bool = False
    pauses_ms: int = 0

    @property
    def length_ms(self) -> int:
        """From start to end, milliseconds."""
        return self.end_ms - self.start_ms

    @property
    def heard_ms(self) -> int:
        """How long it sounds, milliseconds."""
        return self.length_ms - self.pauses_ms


def find_bursts(samples: Samples, tones: Sequence[Tone]) -> list[list[Burst]]:
    """For each tone its bursts in one channel at 8 kHz, by their start.

    A burst whose peaks lie outside of the tone's components is of another tone, and left out.
    """
    *bands, total = _band_powers(samples, tones)
    rows = zip(tones, bands[::2], bands[1::2], strict=True)
    return [list(_bursts(samples, tone, band, around, total)) for tone, band, around in rows]


def _band_powers(samples: Samples, tones: Sequence[Tone]) -> Powers:
    """Mean power by 20 ms cell, in 16-bit units: for each tone at it and around it, last of all from 100 Hz up."""
    frequencies = np.arange(_FRAME // 2 + 1) * _BIN_HZ
    masks = []
    for tone in tones:
        at = [(low - _LOBE_HZ <= frequencies) & (frequencies <= high + _LOBE_HZ) for low, high in tone]
        around = (tone[0][0] - _AROUND_HZ <= frequencies) & (frequencies <= tone[-1][1] + _AROUND_HZ)
        masks += [np.any(at, axis=0), around]
    # Both halves of the spectrum, by Parseval.
    scale = 2.0 / (_FRAME * float(np.sum(_WINDOW**2)))
    weights = np.array([*masks, frequencies >= _LOWEST_HZ], np.float32).T * np.float32(scale)
    blocks = [_power(frames) @ weights for frames in _frames(samples)]
    return np.ascontiguousarray(np.concatenate(blocks).T) if blocks else np.zeros((len(masks) + 1, 0), np.float32)


def _bursts(samples: Samples, tone: Tone, band: Powers, around: Powers, total: Powers) -> Iterator[Burst]:
    share = band / np.maximum(total, _LEAST_POWER)
    for first, end in _merged(_tonal(band / np.maximum(around, _LEAST_POWER), band), band):
        level = band[first:end]
        loud = np.flatnonzero(level >= _EDGE_POWER * np.median(level))
        first, end = first + int(loud[0]), first + int(loud[-1]) + 1
        if end - first < _SHORTEST_CELLS or _spread_db(band[first:end]) > _MOST_SPREAD_DB:
            continue
        frequency = _lowest_peak(samples[first * _CELL : end * _CELL], tone)
        if frequency is not None:
            before = total[max(0, first - _BEFORE_CELLS) : max(0, first - 1)]
            crowded = bool(len(before) and before.mean() > _CROWD_POWER * np.median(level))
            yield Burst(first * CELL_MS, end * CELL_MS, frequency, float(share[first:end].mean()), crowded)


def runs(cells: Cells) -> Iterator[tuple[int, int]]:
    """First and one past the last index of each unbroken run of true cells."""
    edges = np.flatnonzero(np.diff(cells, prepend=False, append=False))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _frames(samples: Samples) -> Iterator[Powers]:
    """Windowed frames, in blocks: frame i has cell i at its middle."""
    cells = len(samples) // _CELL
    for first in range(0, cells, _CELLS_AT_ONCE):
        count = min(_CELLS_AT_ONCE, cells - first)
        start, end = first * _CELL - _CELL // 2, (first + count) * _CELL + _CELL // 2
        block = samples[max(start, 0) : end].astype(np.float32)
        block = np.pad(block, (max(-start, 0), max(end - len(samples), 0)))
        yield np.lib.stride_tricks.sliding_window_view(block, _FRAME)[::_CELL] * _WINDOW


def _power(frames: Powers) -> Powers:
    spectrum = fft.rfft(frames, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def _tonal(share: Powers, band: Powers) -> Cells:
    """Cells in which the tone sounds: a great share somewhere in an unbroken run of fair shares, tails left out."""
    fair = (share >= _SHARE_OFF) & (band > _LOWEST_POWER)
    labels, count = ndimage.label(fair)
    great = np.zeros(count + 1, np.bool_)
    great[labels[fair & (share >= _SHARE_ON)]] = True
    tonal = great[labels] & fair
    loudest = ndimage.maximum_filter1d(np.where(tonal, band, 0), _TAIL_CELLS)
    return np.asarray(tonal & (band >= _TAIL_POWER * loudest))


def _merged(tonal: Cells, band: Powers) -> list[tuple[int, int]]:
    """Runs of tonal cells, joined over a lost packet and over what covers the tone while it goes on."""
    merged: list[tuple[int, int]] = []
    for first, end in runs(tonal):
        if merged:
            start, last = merged[-1]
            gap = first - last
            near = band[max(start, last - _BRIDGED_CELLS) : last], band[first : min(end, first + _BRIDGED_CELLS)]
            beneath = _BRIDGED_POWER * max(float(np.median(levels)) for levels in near)
            if gap <= _CLOSED_CELLS or (gap <= _BRIDGED_CELLS and bool((band[last:first] >= beneath).all())):
                merged[-1] = (start, end)
                continue
        merged.append((first, end))
    return merged


def _spread_db(level: Powers) -> float:
    """How unsteady a burst is, without its weakest fifth (lost packets). Its first and last cell are half outside."""
    low, high = np.percentile(level[1:-1], (20, 90))
    return float(10 * np.log10(max(high, _LEAST_POWER) / max(low, _LEAST_POWER)))


def _lowest_peak(samples: Samples, tone: Tone) -> float | None:
    """The lowest component's frequency, or None when the peaks are not the tone's, or not sharp."""
    length = min(len(samples), _LONG_FFT)
    middle = (len(samples) - length) // 2
    piece = samples[middle : middle + length].astype(np.float32) * np.hanning(length).astype(np.float32)
    power = _power(np.pad(piece, (0, _LONG_FFT - length))[None, :])[0]
    frequencies = np.arange(len(power)) * (ANALYSIS_RATE_HZ / _LONG_FFT)
    # Where a Hann window puts nearly all of a sine, and a little for an unsteady generator.
    width = 8.0 + 1.25 * ANALYSIS_RATE_HZ / length
    peaks, strengths = [], []
    for low, high in tone:
        searched = (low * (1 - _SEARCHED) <= frequencies) & (frequencies <= high * (1 + _SEARCHED))
        peak = float(frequencies[np.argmax(np.where(searched, power, 0))])
        if not low <= peak <= high:
            return None
        peaks.append(peak)
        strengths.append(float(power[np.abs(frequencies - peak) <= width].sum()))
    lowest, highest = tone[0][0] - _SURROUNDINGS_HZ, tone[-1][1] + _SURROUNDINGS_HZ
    around = float(power[(lowest <= frequencies) & (frequencies <= highest)].sum())
    pure = sum(strengths) >= _LEAST_PURITY * around and min(strengths) >= _LEAST_COMPONENT * sum(strengths)
    return peaks[0] if pure else None
