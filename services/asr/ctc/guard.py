"""The exactness guard: how near a text is to another one, at the positions where it hangs by a thread.

Half precision moves logits a little. Where another token is that near and would make another text, only full precision
can tell; everywhere else the text is the same. This is measured, not proven: it sees the three best tokens at a
position, and pairs of neighbours.
"""

from __future__ import annotations

import threading
from typing import Final

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

_log = structlog.get_logger()

#: Margins, in logits, below which half precision does not vouch for a text: twice the greatest error that was seen on
#: a trained tiny model (0.028 for float16 and 0.20 for bfloat16 over 47,205 positions). The error of the checkpoint in
#: use is measured when it is loaded and with every rerun, and a greater one raises the threshold.
THRESHOLDS: Final = {torch.float32: 0.0, torch.float16: 0.056, torch.bfloat16: 0.4}

Tokens = NDArray[np.int64]


class Threshold:
    """The margin below which a segment is run again in float32.

    Args:
        least: Whatever is measured; 0 for no guard.
    """

    def __init__(self, least: float) -> None:
        self._least = least
        self._error = 0.0
        self._lock = threading.Lock()

    @property
    def margin(self) -> float:
        """In logits: twice the greatest error that was seen."""
        return max(self._least, 2 * self._error) if self._least else 0.0

    def learn(self, error: float) -> None:
        """Takes note of how far a logit was off. What is not finite is no measure, and is always run again."""
        with self._lock:
            if not np.isfinite(error) or error <= self._error:
                return
            if self._error and 2 * error > self.margin:
                _log.warning("half precision is farther off than was known", error=error, threshold=2 * error)
            self._error = error


def margins(
    best: Tokens, others: Tokens, distances: NDArray[np.float32], lengths: list[int], blank: int
) -> NDArray[np.float64]:
    """The least margin of each segment, in logits: how far its text is from another one; infinite where from none.

    Args:
        best: The best token of all segments' positions, one segment after the other: [positions].
        others: The next best ones: [positions, others].
        distances: How far their logits are below the best's: [positions, others]; NaN (an overflow) counts as none.
        lengths: How many positions each segment has.
        blank: The token that says nothing.
    """
    least = np.full(len(lengths), np.inf)
    if len(best) == 0:
        return least
    ends = np.cumsum(lengths)
    starts = ends - lengths
    filled = np.asarray(lengths) > 0
    before, after = np.roll(best, 1), np.roll(best, -1)
    before[starts[filled]] = blank  # at a segment's edges there is silence
    after[ends[filled] - 1] = blank
    distances = np.nan_to_num(distances.astype(np.float64), nan=0.0)
    said = _said(before, best, after, blank)
    counted = np.full(len(best), np.inf)
    for token, distance in zip(others.T, distances.T, strict=True):
        matters = _said(before, token, after, blank) != said
        counted = np.where(matters, np.minimum(counted, distance), counted)
    # Two neighbours may change together where neither would change the text alone.
    nearest = distances.min(axis=1)
    pairs = np.maximum(nearest[1:], nearest[:-1])
    pairs[ends[filled][:-1] - 1] = np.inf  # neighbours of different segments are none
    counted[1:] = np.minimum(counted[1:], pairs)
    least[filled] = np.minimum.reduceat(counted, starts[filled].tolist())
    return least


def _said(before: Tokens, token: Tokens, after: Tokens, blank: int) -> Tokens:
    """What a position and the one behind it say after the one before it, as one number to compare."""
    here = np.where((token != before) & (token != blank), token + 1, 0)
    there = np.where((after != token) & (after != blank), after + 1, 0)
    # "a" then nothing says the same as nothing then "a".
    first = np.where(here == 0, there, here)
    rest = np.where(here == 0, 0, there)
    said: Tokens = first * (1 << 32) + rest
    return said
