"""How loud a channel is from moment to moment, and what of it rises above the noise floor.

All work is on 20 ms cells of one channel. Levels are dB relative to a full-scale sine (dBFS).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from services.ingest.audio.resample import Samples
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ, CELL_MS, FULL_SCALE, Cells, runs
from services.ingest.audio.speech import Region

Levels = npt.NDArray[np.float32]

_CELL = ANALYSIS_RATE_HZ * CELL_MS // 1000
_CELLS_AT_ONCE = 3_000
#: Below any 16-bit signal: digital silence.
_SILENCE_DBFS = -96.0
#: The noise floor is what the quietest tenth of a channel does not exceed (quantile-based noise estimation: Stahl,
#: Fischer, Bippus, ICASSP 2000); below -84 dBFS is digital silence. Above -45 dBFS it may be somebody who speaks
#: without a pause, and is believed only when half the channel lies within 3 dB.
_FLOOR_QUANTILE, _LOWEST_FLOOR_DBFS, _HIGHEST_FLOOR_DBFS, _STEADY_DB = 10, -84.0, -45.0, 3.0
#: Nor is it higher than the quietest second within 10 s to each side (minimum statistics: Martin, IEEE Transactions on
#: Speech and Audio Processing 9(5), 2001): a low voice in a quiet stretch counts however loud the rest of a call is.
_QUIET_CELLS, _AROUND_CELLS = 50, 1_001
#: A cell counts from 6 dB above the floor on, and from 3 dB on where most of the 220 ms around it do: words hardly
#: above the noise last so long, its own ups and downs do not.
_ABOVE_FLOOR_DB, _LASTING_DB, _LASTING_CELLS = 6.0, 3.0, 11
_LEAST_POWER = 10 ** (_SILENCE_DBFS / 10)
#: Sound of less than 80 ms is a click, and of no word.
_LEAST_SOUND_CELLS = 4
_SOUND_GAP_CELLS = 10


def cell_levels(samples: Samples) -> Levels:
    """Level of each 20 ms cell of a channel at 8 kHz; the last cell may be cut short."""
    cells = -(-len(samples) // _CELL)
    power = np.empty(cells, np.float32)
    for first in range(0, cells, _CELLS_AT_ONCE):
        block = samples[first * _CELL : (first + _CELLS_AT_ONCE) * _CELL].astype(np.float32)
        block = np.pad(block, (0, -len(block) % _CELL)).reshape(-1, _CELL)
        power[first : first + len(block)] = np.einsum("ij,ij->i", block, block) / _CELL
    decibels = 10 * np.log10(np.maximum(power / FULL_SCALE, _LEAST_POWER))
    return np.asarray(decibels, np.float32)


def powers(levels: Levels) -> Levels:
    """The mean power of each level, 1 for a full-scale sine."""
    return np.asarray(10 ** (levels / 10), np.float32)


def noise_floor(levels: Levels, is_tone: Cells) -> float | None:
    """What the quietest tenth of a channel does not exceed, tones left out; None when there is nothing else."""
    others = levels[~is_tone]
    return float(np.percentile(others, _FLOOR_QUANTILE)) if len(others) else None


def sounding(levels: Levels, is_tone: Cells) -> Cells:
    """Cells that rise above the noise floor, short dips closed, clicks and tones left out."""
    floor = noise_floor(levels, is_tone)
    if floor is None:
        return np.zeros(len(levels), np.bool_)
    if np.median(levels[~is_tone]) - floor > _STEADY_DB:
        floor = min(floor, _HIGHEST_FLOOR_DBFS)
    seconds = ndimage.uniform_filter1d(powers(levels), _QUIET_CELLS, mode="nearest")
    quietest = 10 * np.log10(np.maximum(ndimage.minimum_filter1d(seconds, _AROUND_CELLS), _LEAST_POWER))
    floors = np.minimum(quietest, floor)
    above = levels - np.maximum(floors, _LOWEST_FLOOR_DBFS)
    lasting = ndimage.median_filter(np.where(is_tone, 0, above), _LASTING_CELLS, mode="constant") > _LASTING_DB
    loud = ((above > _ABOVE_FLOOR_DB) | lasting) & ~is_tone
    found = np.zeros(len(levels), np.bool_)
    for first, end in joined(loud, is_tone, _SOUND_GAP_CELLS):
        if np.count_nonzero(loud[first:end]) >= _LEAST_SOUND_CELLS:
            found[first:end] = True
    return found


def cells_of(regions: Sequence[Region], count: int) -> Cells:
    """Which of so many cells the regions touch."""
    cells = np.zeros(count, np.bool_)
    for start_ms, end_ms in regions:
        cells[start_ms // CELL_MS : -(-end_ms // CELL_MS)] = True
    return cells


def widened(cells: Cells, by: int) -> Cells:
    """The cells, and so many to each side of them."""
    return np.asarray(ndimage.maximum_filter1d(cells.astype(np.uint8), 2 * by + 1).astype(np.bool_))


def joined(cells: Cells, barrier: Cells, longest_gap: int) -> list[tuple[int, int]]:
    """Runs of cells, joined over gaps up to that length in which no barrier stands."""
    found: list[tuple[int, int]] = []
    for first, end in runs(cells):
        if found and first - found[-1][1] <= longest_gap and not barrier[found[-1][1] : first].any():
            found[-1] = (found[-1][0], end)
        else:
            found.append((first, end))
    return found
