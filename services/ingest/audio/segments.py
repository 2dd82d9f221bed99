"""Which stretches of a channel go to speech recognition, and where they are cut.

Everything goes that the detector calls speech or that rises above the noise floor, rings and tones left out. Long runs
at the noise floor are skipped. In a call with hardly any detected speech nothing is skipped between the first sound and
the last one before a tone: the detector never establishes silence. Stretches longer than a segment may be are cut in a
pause, at the quietest moment; where no pause offers itself, two segments overlap, and say so, so that the assembler can
stitch them.

All work is on 20 ms cells of one channel.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import ndimage

from services.ingest.audio.resample import Samples
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ, CELL_MS, FULL_SCALE, Cells, runs
from services.ingest.audio.speech import Region

Levels = npt.NDArray[np.float32]

#: FLAC never grows beyond PCM by more than its headers: 27 s at 16 kHz stay under 900 KB whatever they hold.
MOST_SEGMENT_MS = 27_000

_CELL = ANALYSIS_RATE_HZ * CELL_MS // 1000
#: The noise floor is what the quietest tenth of a channel does not exceed; below -75 dBFS is digital silence. Above
#: -45 dBFS it may be somebody who speaks without a pause, and is believed only when half the channel lies within 3 dB.
_FLOOR_QUANTILE, _LOWEST_FLOOR_DBFS, _HIGHEST_FLOOR_DBFS, _STEADY_DB = 10, -75.0, -45.0, 3.0
_ABOVE_FLOOR_DB = 6.0
#: Sound of less than 80 ms is a click, and of no word.
_LEAST_SOUND_CELLS = 4
_SOUND_GAP_CELLS = 10
#: Room around what is kept, so that no word loses its soft beginning or end.
_ROOM_CELLS = 10
#: Codecs smear a tone by up to 60 ms.
_TONE_ROOM_CELLS = 3
#: Shorter runs at the noise floor are pauses inside of speech, and stay.
_LEAST_SKIPPED_CELLS = 75
#: Cuts are looked for in the last half of what a segment may hold.
_SEARCHED_PART = 0.5
_LONG_PAUSE_CELLS = 25
#: A pause counts as one when it is this much quieter than the speech around it.
_PAUSE_DB = 6.0


@dataclass(frozen=True, slots=True)
class Span:
    """A segment's place in the recording. Its first `overlap_ms` are also the end of the span before."""

    start_ms: int
    end_ms: int
    overlap_ms: int = 0


def cell_levels(samples: Samples) -> Levels:
    """Level of each 20 ms cell of a channel at 8 kHz, dB relative to a full-scale sine."""
    cells = -(-len(samples) // _CELL)
    power = np.empty(cells, np.float32)
    for first in range(0, cells, 3_000):
        block = samples[first * _CELL : (first + 3_000) * _CELL].astype(np.float32)
        block = np.pad(block, (0, -len(block) % _CELL)).reshape(-1, _CELL)
        power[first : first + len(block)] = np.einsum("ij,ij->i", block, block) / _CELL
    return np.asarray(10 * np.log10(np.maximum(power, 1e-3) / FULL_SCALE), np.float32)


def plan_segments(
    levels: Levels,
    speech: Sequence[Region],
    tones: Sequence[Region],
    *,
    duration_ms: int,
    whole: bool = False,
    max_ms: int = 25_000,
    overlap_ms: int = 500,
) -> tuple[Span, ...]:
    """The segments of one channel, by start.

    Args:
        levels: From `cell_levels`.
        speech: Where the detector hears speech.
        tones: Rings and other tones, left out.
        duration_ms: Length of the channel.
        whole: Skip nothing between two tones, except where nothing at all rises above the noise floor.
        max_ms: The longest segment, overlap included.
        overlap_ms: How much two neighbours share where there is no pause to cut in.
    """
    cells = len(levels)
    is_tone = _widened(_cells(tones, cells), _TONE_ROOM_CELLS)
    is_speech = _cells(speech, cells)
    sound = is_speech | _sounding(levels, is_tone)
    keep = _widened(sound & ~is_tone, _ROOM_CELLS) & ~is_tone
    longest_joined = cells if whole else _LEAST_SKIPPED_CELLS
    spans: list[Span] = []
    for first, end in _joined(keep, is_tone, longest_joined):
        for start, stop, overlap in _cut(first, end, levels, is_speech, max_ms // CELL_MS, overlap_ms // CELL_MS):
            spans.append(Span(start * CELL_MS, min(stop * CELL_MS, duration_ms), overlap * CELL_MS))
    return tuple(spans)


def encode_flac(samples: Samples, rate_hz: int) -> bytes:
    """Mono FLAC, 16 bit."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _cells(regions: Sequence[Region], count: int) -> Cells:
    """Which cells the regions touch."""
    cells = np.zeros(count, np.bool_)
    for start_ms, end_ms in regions:
        cells[start_ms // CELL_MS : -(-end_ms // CELL_MS)] = True
    return cells


def _widened(cells: Cells, by: int) -> Cells:
    return np.asarray(ndimage.maximum_filter1d(cells.astype(np.uint8), 2 * by + 1).astype(np.bool_))


def _sounding(levels: Levels, is_tone: Cells) -> Cells:
    """Cells that rise above the noise floor, short dips closed and clicks left out."""
    others = levels[~is_tone]
    if not len(others):
        return np.zeros(len(levels), np.bool_)
    floor, middle = np.percentile(others, (_FLOOR_QUANTILE, 50))
    if middle - floor > _STEADY_DB:
        floor = min(floor, _HIGHEST_FLOOR_DBFS)
    loud = (levels > max(floor, _LOWEST_FLOOR_DBFS) + _ABOVE_FLOOR_DB) & ~is_tone
    sounding = np.zeros(len(levels), np.bool_)
    for first, end in _joined(loud, is_tone, _SOUND_GAP_CELLS):
        if np.count_nonzero(loud[first:end]) >= _LEAST_SOUND_CELLS:
            sounding[first:end] = True
    return sounding


def _joined(cells: Cells, barrier: Cells, longest_gap: int) -> list[tuple[int, int]]:
    """Runs of cells, joined over gaps up to that length in which no barrier stands."""
    joined: list[tuple[int, int]] = []
    for first, end in runs(cells):
        if joined and first - joined[-1][1] <= longest_gap and not barrier[joined[-1][1] : first].any():
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((first, end))
    return joined


def _cut(
    first: int, end: int, levels: Levels, is_speech: Cells, longest: int, overlap: int
) -> Iterator[tuple[int, int, int]]:
    """Pieces of at most `longest` cells: start, end, and how much of the start the piece before holds too."""
    shared = 0
    while end - first > longest:
        cut = _pause(first + round(longest * _SEARCHED_PART), first + longest, levels, is_speech)
        yield first, cut if cut is not None else first + longest, shared
        shared = overlap if cut is None else 0
        first = cut if cut is not None else first + longest - overlap
    yield first, end, shared


def _pause(low: int, high: int, levels: Levels, is_speech: Cells) -> int | None:
    """The cell at which to cut: the quietest of the longest pause between the two, the last of several long ones."""
    pauses = list(runs(~is_speech[low:high]))
    if not pauses:
        return None
    start, stop = max(reversed(pauses), key=lambda pause: min(pause[1] - pause[0], _LONG_PAUSE_CELLS))
    quietest = low + start + int(np.argmin(levels[low + start : low + stop]))
    loudness = float(np.percentile(levels[low:high], 75))
    return quietest if levels[quietest] <= loudness - _PAUSE_DB else None
