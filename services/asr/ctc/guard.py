"""The exactness guard: how near a text is to another one, at the positions where it hangs by a thread.

Half precision moves logits a little. Where the second best token is that near and would make another text, only full
precision can tell; everywhere else the text is the same. This is measured, not proven: it sees the second best token
at single positions, and pairs of doubtful neighbours.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

#: Margins, in logits, below which half precision does not vouch for a text: twice the greatest difference between a
#: logit in this precision and in float32 that was seen on trained models (measured: 0.028 for float16 and 0.20 for
#: bfloat16 over 47,205 positions of a trained tiny model). Each rerun measures it anew, and a greater one raises it.
THRESHOLDS: Final = {torch.float32: 0.0, torch.float16: 0.056, torch.bfloat16: 0.4}

Tokens = NDArray[np.int64]


def margins(
    best: Tokens, second: Tokens, distance: NDArray[np.float32], lengths: list[int], blank: int, near: float
) -> NDArray[np.float64]:
    """The least margin of each segment, in logits: how far its text is from another one; infinite where from none.

    Args:
        best: The best token of all segments' positions, one segment after the other.
        second: The second best.
        distance: How far the second's logit is below the best's; NaN (an overflow) counts as none.
        lengths: How many positions each segment has.
        blank: The token that says nothing.
        near: Two neighbours both nearer than this may change together, and then count whatever each alone would do.
    """
    least = np.full(len(lengths), np.inf)
    if len(best) == 0:
        return least
    ends = np.cumsum(lengths)
    starts = ends - lengths
    before, after = np.roll(best, 1), np.roll(best, -1)
    filled = np.asarray(lengths) > 0
    before[starts[filled]] = blank  # at a segment's edges there is silence
    after[ends[filled] - 1] = blank
    matters = _said(before, best, after, blank) != _said(before, second, after, blank)
    distance = np.nan_to_num(distance.astype(np.float64), nan=0.0)
    doubtful = distance < near
    both = doubtful & (np.roll(doubtful, 1) | np.roll(doubtful, -1))
    counted = np.where(matters | both, distance, np.inf)
    for index in np.flatnonzero(filled):
        least[index] = counted[starts[index] : ends[index]].min()
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
