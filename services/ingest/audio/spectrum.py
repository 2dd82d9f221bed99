"""Bursts of given sounds in a channel: where their frequencies are heard steadily, and hardly anything else near them.

A short-time spectrum (40 ms frames, one per 20 ms cell) gives for each cell the share that a sound's frequencies have
of the power around them (300 Hz to each side). A share does not depend on level, so that -40 and 0 dBFS look alike, and
noise or a voice elsewhere in the band does not touch it. Cells with a great share form bursts (hysteresis; a gap is
bridged when the sound goes on beneath what covers it). Each burst must be steady, and is then looked at in one long
spectrum, sharp enough to tell 425 Hz from 440 and a tone from a voice or an instrument (`partials`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from services.ingest.audio.edges import edges_ms
from services.ingest.audio.partials import is_noise, partials_of, wander_of
from services.ingest.audio.resample import Samples

Powers = npt.NDArray[np.floating]
Cells = npt.NDArray[np.bool_]

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
#: So many values are kept at once: 64 MB. Of a call of hours, a few sounds are looked for at a time.
_MOST_POWERS = 1 << 24

_SHARE_ON, _SHARE_OFF = 0.6, 0.4
#: -66 dBFS: below a tone at -40 dBFS that fades by 20 dB and is lowered by its codec.
_LOWEST_POWER = FULL_SCALE * 10**-6.6
#: A codec's tail after a burst is tonal too, but at least 14 dB down on what sounded 300 ms before.
_TAIL_POWER, _TAIL_CELLS = 10**-1.4, 31
#: Something louder may cover a tone for up to 1 s, if beneath it 30 % of the tone's power or more goes on.
_BRIDGED_CELLS, _BRIDGED_POWER = 50, 0.3
#: Half of a Hann frame over a tone's end holds a quarter of its power; of three together, more.
_EDGE_POWER, _SWINGING_EDGE_POWER = 0.25, 0.35
#: Two partials closer than this swing in level from one cell to the next; three cells hold a whole swing.
_SWINGING_HZ, _SWING_CELLS = 30.0, 3
#: A tone keeps its level within 6 dB; AMR lets it flutter by twice that around the same level. A line's level may jump
#: by 20 dB in a ring.
_STEADY_DB, _FLUTTER_DB, _MOST_SPREAD_DB = 6.0, 12.0, 20.0
#: A generator's pitch stays within 0.2 Hz. Noise and codecs shake it, and then they shake the level as well, 1 dB for
#: each 0.18 Hz; a mouth that whistles keeps its level better than its pitch.
_STEADY_HZ, _SHAKEN_HZ_PER_DB = 0.2, 0.18
#: A pause comes before a ring: what sounds in the 100 ms before it is at least 6 dB weaker.
_BEFORE_CELLS, _CROWD_POWER = 6, 0.25
#: So much of the power around a tone must be its own. AMR shakes a weak tone, so that up to 40 % lies beside it, and
#: lowers it by some 8 dB, down to the noise before it; but noise that sounds with the tone it leaves out.
_LEAST_PURITY, _AMR_SHARE = 0.75, 0.8
#: Keeps digital silence from dividing by zero.
_LEAST_POWER = 1e-6


@dataclass(frozen=True, slots=True)
class Sound:
    """What is looked for: partials that sound together, lowest first.

    All of them may be off by the same `tolerance` (a part of the frequency), as a clock is. Bursts of other lengths
    than `shortest_cells` to `longest_cells`, or with a lesser share of all that is heard than `least_share`, are left
    out. Gaps of up to `closed_cells` are lost packets (20 ms each), not pauses: a cadence's shortest is 165 ms.
    """

    partials_hz: tuple[float, ...]
    tolerance: float
    shortest_cells: int = 4
    longest_cells: int = 1 << 30
    closed_cells: int = 5
    least_share: float = 0.0

    @property
    def swings(self) -> bool:
        """Whether its level swings too slowly for a frame to even out."""
        return any(high - low < _SWINGING_HZ for low, high in zip(self.partials_hz, self.partials_hz[1:], strict=False))


@dataclass(frozen=True, slots=True)
class Burst:
    """An unbroken sounding of one sound.

    `frequency_hz` is its lowest partial's, `off` how far it is from the nominal one (a part of it), `share` its mean
    share of all power while it sounds. `crowded` says that it begins out of another sound as loud, as a note in music
    does; `fading`, that its level is not the same at its end as at its start; `wandering`, that its pitch slides or
    trembles as no generator's does; `smeared`, that a codec has put much beside its frequency. `shaken` is how
    uncertain noise or a codec made the frequency (a part of it). `pauses_ms` is the silence inside, where several
    bursts were joined to one ring.
    """

    start_ms: int
    end_ms: int
    frequency_hz: float
    share: float
    off: float = 0.0
    crowded: bool = False
    fading: bool = False
    wandering: bool = False
    smeared: bool = False
    shaken: float = 0.0
    pauses_ms: int = 0

    @property
    def length_ms(self) -> int:
        """From start to end, milliseconds."""
        return self.end_ms - self.start_ms

    @property
    def heard_ms(self) -> int:
        """How long it sounds, milliseconds."""
        return self.length_ms - self.pauses_ms


def find_bursts(samples: Samples, sounds: Sequence[Sound]) -> list[list[Burst]]:
    """For each sound its bursts in one channel at 8 kHz, by their start.

    A burst whose peaks lie beside the sound's partials is of another sound, and left out.
    """
    at_once = max(1, _MOST_POWERS // (2 * (len(samples) // _CELL) + 1))
    found: list[list[Burst]] = []
    for first in range(0, len(sounds), at_once):
        group = sounds[first : first + at_once]
        *bands, total = _band_powers(samples, group)
        rows = zip(group, bands[::2], bands[1::2], strict=True)
        found += [list(_bursts(samples, sound, band, around, total)) for sound, band, around in rows]
    return found


def _band_powers(samples: Samples, sounds: Sequence[Sound]) -> Powers:
    """Mean power by 20 ms cell, in 16-bit units: for each sound at it and around it, last of all from 100 Hz up."""
    frequencies = np.arange(_FRAME // 2 + 1) * _BIN_HZ
    masks = []
    for sound in sounds:
        away = [np.abs(frequencies - hertz) - sound.tolerance * hertz for hertz in sound.partials_hz]
        lowest, highest = sound.partials_hz[0], sound.partials_hz[-1]
        around = (lowest - _AROUND_HZ <= frequencies) & (frequencies <= highest + _AROUND_HZ)
        masks += [np.min(away, axis=0) <= _LOBE_HZ, around]
    # Both halves of the spectrum, by Parseval.
    scale = 2.0 / (_FRAME * float(np.sum(_WINDOW**2)))
    weights = np.array([*masks, frequencies >= _LOWEST_HZ], np.float32).T * np.float32(scale)
    powers = np.empty((len(masks) + 1, len(samples) // _CELL), np.float32)
    for first, frames in _frames(samples):
        powers[:, first : first + len(frames)] = (_power(frames) @ weights).T
    return powers


def _bursts(samples: Samples, sound: Sound, band: Powers, around: Powers, total: Powers) -> Iterator[Burst]:
    if sound.swings:
        band, around, total = (ndimage.uniform_filter1d(powers, _SWING_CELLS) for powers in (band, around, total))
    tonal = _tonal(band / np.maximum(around, _LEAST_POWER), band)
    if not tonal.any():
        return
    share = band / np.maximum(total, _LEAST_POWER)
    for first, end in _merged(tonal, band, sound.closed_cells):
        if end - first < sound.shortest_cells or share[first:end].max() < sound.least_share:
            continue
        level = band[first:end]
        middle = _middle(level)
        sounding = np.flatnonzero(level >= (_SWINGING_EDGE_POWER if sound.swings else _EDGE_POWER) * middle)
        first, end = first + int(sounding[0]), first + int(sounding[-1]) + 1
        if not sound.shortest_cells <= end - first <= sound.longest_cells:
            continue
        own = float(share[first:end].mean())
        spread, fade = _spread_db(band[first:end])
        if own < sound.least_share or spread > _MOST_SPREAD_DB:
            continue
        heard = partials_of(samples[first * _CELL : end * _CELL], sound.partials_hz, sound.tolerance, ANALYSIS_RATE_HZ)
        if heard is None:
            continue
        # Partials that sound together hide each other's pitch; but nobody whistles two.
        inner = samples[first * _CELL + _CELL // 2 : end * _CELL - _CELL // 2]
        wander = wander_of(inner, heard.lowest_hz, ANALYSIS_RATE_HZ) if len(sound.partials_hz) == 1 else 0.0
        wandering = wander > _STEADY_HZ + _SHAKEN_HZ_PER_DB * spread
        weak_in_amr = wander > _STEADY_HZ and not wandering and own >= _AMR_SHARE
        if heard.purity < _LEAST_PURITY and not weak_in_amr:
            continue
        beginning, last = max(0, first - _BEFORE_CELLS), max(0, first - 1)
        crowded = bool(last > beginning and total[beginning:last].mean() > _CROWD_POWER * middle)
        if crowded and weak_in_amr:
            crowded = not is_noise(samples[beginning * _CELL : last * _CELL], ANALYSIS_RATE_HZ)
        partials_hz = tuple(hertz * (1 + heard.off) for hertz in sound.partials_hz)
        start_ms, end_ms = edges_ms(samples, first * CELL_MS, end * CELL_MS, partials_hz, ANALYSIS_RATE_HZ)
        yield Burst(
            start_ms,
            end_ms,
            heard.lowest_hz,
            own,
            heard.off,
            crowded=crowded,
            fading=min(spread, fade) > _STEADY_DB or spread > _FLUTTER_DB,
            wandering=wandering,
            smeared=heard.purity < _LEAST_PURITY,
            shaken=0.0 if wandering else wander / heard.lowest_hz,
        )


def runs(cells: Cells) -> Iterator[tuple[int, int]]:
    """First and one past the last index of each unbroken run of true cells."""
    edges = np.flatnonzero(np.diff(cells, prepend=False, append=False))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _frames(samples: Samples) -> Iterator[tuple[int, Powers]]:
    """Windowed frames in blocks, each with its first frame's number: frame i has cell i at its middle."""
    cells = len(samples) // _CELL
    for first in range(0, cells, _CELLS_AT_ONCE):
        count = min(_CELLS_AT_ONCE, cells - first)
        start, end = first * _CELL - _CELL // 2, (first + count) * _CELL + _CELL // 2
        block = samples[max(start, 0) : end].astype(np.float32)
        block = np.pad(block, (max(-start, 0), max(end - len(samples), 0)))
        yield first, np.lib.stride_tricks.sliding_window_view(block, _FRAME)[::_CELL] * _WINDOW


def _power(frames: Powers) -> Powers:
    spectrum = fft.rfft(frames, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def _tonal(share: Powers, band: Powers) -> Cells:
    """Cells in which the sound is heard: a great share somewhere in an unbroken run of fair shares, tails left out."""
    fair = (share >= _SHARE_OFF) & (band > _LOWEST_POWER)
    labels, count = ndimage.label(fair)
    great = np.zeros(count + 1, np.bool_)
    great[labels[fair & (share >= _SHARE_ON)]] = True
    tonal = great[labels] & fair
    loudest = ndimage.maximum_filter1d(np.where(tonal, band, 0), _TAIL_CELLS)
    return np.asarray(tonal & (band >= _TAIL_POWER * loudest))


def _merged(tonal: Cells, band: Powers, closed_cells: int) -> list[tuple[int, int]]:
    """Runs of tonal cells, joined over a lost packet and over what covers the sound while it goes on."""
    merged: list[tuple[int, int]] = []
    for first, end in runs(tonal):
        if merged:
            start, last = merged[-1]
            gap = first - last
            if gap <= closed_cells or (gap <= _BRIDGED_CELLS and _goes_on(band, start, last, first, end)):
                merged[-1] = (start, end)
                continue
        merged.append((first, end))
    return merged


def _goes_on(band: Powers, start: int, last: int, first: int, end: int) -> bool:
    """Whether the sound goes on in the gap between two runs, beneath what covers it."""
    near = band[max(start, last - _BRIDGED_CELLS) : last], band[first : min(end, first + _BRIDGED_CELLS)]
    beneath = _BRIDGED_POWER * max(_middle(levels) for levels in near)
    return bool((band[last:first] >= beneath).all())


def _spread_db(level: Powers) -> tuple[float, float]:
    """How unsteady a burst is, without its weakest fifth (lost packets), and how far its last third is from its first.

    The first and last cell are half outside.
    """
    decibels = 10 * np.log10(np.maximum(level[1:-1], _LEAST_POWER))
    ordered, third = np.sort(decibels), -(-len(decibels) // 3)
    spread = ordered[(len(ordered) - 1) * 9 // 10] - ordered[len(ordered) // 5]
    return float(spread), abs(_middle(decibels[:third]) - _middle(decibels[-third:]))


def _middle(values: Powers) -> float:
    """The (upper) median; numpy's own takes longer than all the rest on so few values."""
    return float(np.sort(values)[len(values) // 2])
