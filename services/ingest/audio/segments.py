"""Which stretches of a channel go to speech recognition, and where they are cut.

Everything goes that the detector calls speech or that rises above the noise floor, rings and tones left out. Long runs
at the noise floor are skipped. In a call with hardly any detected speech nothing is skipped between the first sound and
the last one before a tone: the detector never establishes silence. Stretches longer than a segment may be are cut in a
pause: where neither the detector hears speech nor anything rises above the noise floor. Where no pause offers itself,
two segments overlap around the quietest moment, and say so, so that the assembler can stitch them.

All work is on 20 ms cells of one channel.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from scipy import ndimage

from services.ingest.audio.levels import Levels, cells_of, joined, sounding, widened
from services.ingest.audio.resample import Samples
from services.ingest.audio.spectrum import CELL_MS, Cells, runs
from services.ingest.audio.speech import Region

#: FLAC never grows beyond PCM by more than its headers: 27 s at 16 kHz stay under 900 KB whatever they hold.
MOST_SEGMENT_MS = 27_000

#: Room around what is kept, so that no word loses its soft beginning or end.
_ROOM_CELLS = 10
#: Codecs smear a tone by up to 60 ms.
_TONE_ROOM_CELLS = 3
#: Shorter runs at the noise floor are pauses inside of speech, and stay.
_LEAST_SKIPPED_CELLS = 75
#: Cuts are looked for in the last half of what a segment may hold.
_SEARCHED_PART = 0.5
_LONG_PAUSE_CELLS = 25
#: Without a pause, the quietest moment is looked for in the last fifth, over 60 ms.
_DIP_PART, _DIP_CELLS = 0.2, 3


@dataclass(frozen=True, slots=True)
class Span:
    """A segment's place in the recording. Its first `overlap_ms` are also the end of the span before."""

    start_ms: int
    end_ms: int
    overlap_ms: int = 0


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
    is_tone = widened(cells_of(tones, cells), _TONE_ROOM_CELLS)
    sound = cells_of(speech, cells) | sounding(levels, is_tone)
    keep = widened(sound & ~is_tone, _ROOM_CELLS) & ~is_tone
    longest_joined = cells if whole else _LEAST_SKIPPED_CELLS
    spans: list[Span] = []
    for first, end in joined(keep, is_tone, longest_joined):
        for start, stop, overlap in _cut(first, end, levels, sound, max_ms // CELL_MS, overlap_ms // CELL_MS):
            spans.append(Span(start * CELL_MS, min(stop * CELL_MS, duration_ms), overlap * CELL_MS))
    return tuple(spans)


def encode_flac(samples: Samples, rate_hz: int) -> bytes:
    """Mono FLAC, 16 bit."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _cut(
    first: int, end: int, levels: Levels, sound: Cells, longest: int, overlap: int
) -> Iterator[tuple[int, int, int]]:
    """Pieces of at most `longest` cells: start, end, and how much of the start the piece before holds too."""
    shared = 0
    while end - first > longest:
        limit = first + longest
        cut = _pause(first + round(longest * _SEARCHED_PART), limit, levels, sound)
        if cut is None:
            # A word may end and another begin where it is quietest: each is whole in one of the two.
            quietest = _quietest(limit - overlap // 2 - round(longest * _DIP_PART), limit - overlap // 2, levels)
            yield first, quietest + overlap // 2, shared
            first, shared = quietest + overlap // 2 - overlap, overlap
        else:
            yield first, cut, shared
            first, shared = cut, 0
    yield first, end, shared


def _pause(low: int, high: int, levels: Levels, sound: Cells) -> int | None:
    """The cell at which to cut: the quietest of the longest pause between the two, the last of several long ones."""
    pauses = list(runs(~sound[low:high]))
    if not pauses:
        return None
    start, stop = max(reversed(pauses), key=lambda pause: min(pause[1] - pause[0], _LONG_PAUSE_CELLS))
    return _quietest(low + start, low + stop, levels)


def _quietest(low: int, high: int, levels: Levels) -> int:
    """The cell around which it is quietest, the last of several."""
    nearby = ndimage.uniform_filter1d(levels[low:high], _DIP_CELLS, mode="nearest")
    return high - 1 - int(np.argmin(nearby[::-1]))
