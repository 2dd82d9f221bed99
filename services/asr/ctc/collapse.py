"""From the best token at each position to text and words, as `Wav2Vec2CTCTokenizer` reads them, a whole batch at once.

The reference groups strings in a Python loop over positions; here numpy finds the runs of all segments together, and
Python only sees the words. `Vocabulary` holds what a tokenizer's rules come to: a table from token number to string.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.asr.engine import Word


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`tokens[i]` is what token i says: the blank is `None`, the word delimiter a space.

    Tokens that say the same are the same (`same[i]`, the first such token), since CTC merges repeats by what they say.
    `speaks[i]`: it is no blank. `blank` and `delimiter` are the numbers of those two.
    """

    tokens: tuple[str | None, ...]
    same: NDArray[np.int64]
    speaks: NDArray[np.bool_]
    blank: int
    delimiter: int

    @classmethod
    def of(cls, tokens: Sequence[str], blank: str, delimiter: str, *, lower_case: bool = False) -> Vocabulary:
        """Reads a tokenizer's strings: `blank` is dropped, `delimiter` separates words."""
        first = {token: index for index, token in reversed(list(enumerate(tokens)))}
        said = [None if token == blank else " " if token == delimiter else token for token in tokens]
        if lower_case:
            said = [token and token.lower() for token in said]
        same = np.array([first[token] for token in tokens], np.int64)
        speaks = np.array([one is not None for one in said])
        return cls(tuple(said), same, speaks, first[blank], first.get(delimiter, -1))


def collapse(
    best: NDArray[np.integer],
    probability: NDArray[np.floating],
    lengths: Sequence[int],
    vocabulary: Vocabulary,
    position_ms: float,
) -> list[tuple[str, tuple[Word, ...]]]:
    """Text and words of each segment.

    Args:
        best: token numbers of all segments' positions, one segment after the other.
        probability: that token's probability, same shape.
        lengths: how many positions each segment has.
        vocabulary: the tokenizer's table.
        position_ms: milliseconds for each position.

    A word lasts from its first letter's first position to its last letter's last one. Its confidence is the mean
    probability over the positions that carry its letters.
    """
    if len(best) == 0:
        return [("", ()) for _ in lengths]
    tokens = vocabulary.same[best]
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    changes = np.concatenate(([True], tokens[1:] != tokens[:-1]))
    changes[bounds[:-1][bounds[:-1] < len(tokens)]] = True
    starts = np.flatnonzero(changes)
    ends = np.append(starts[1:], len(tokens))
    sums = np.add.reduceat(np.nan_to_num(probability.astype(np.float64)), starts)
    kept = vocabulary.speaks[tokens[starts]]
    starts, ends, sums, tokens = starts[kept], ends[kept], sums[kept], tokens[starts[kept]]
    said = [vocabulary.tokens[token] or "" for token in tokens.tolist()]
    # Where each segment's runs begin; and each word's: behind a space or a segment's beginning, up to the next one.
    of_segments = np.searchsorted(starts, bounds)
    breaks = tokens == vocabulary.delimiter
    spaces = breaks.copy()
    breaks[of_segments[:-1][of_segments[:-1] < len(tokens)]] = True
    firsts = np.flatnonzero(~spaces & (breaks | np.append(True, spaces[:-1])))
    edges = np.append(np.flatnonzero(breaks), len(tokens))
    lasts = edges[np.searchsorted(edges, firsts, side="right")]
    origins = bounds[np.searchsorted(of_segments, firsts, side="right") - 1]
    likely, heard_for = (np.append(0.0, np.cumsum(values)) for values in (sums, ends - starts))
    words = [
        Word("".join(said[first:last]), start_ms, end_ms, confidence)
        for first, last, start_ms, end_ms, confidence in zip(
            firsts.tolist(),
            lasts.tolist(),
            np.rint((starts[firsts] - origins) * position_ms).astype(np.int64).tolist(),
            np.rint((ends[lasts - 1] - origins) * position_ms).astype(np.int64).tolist(),
            ((likely[lasts] - likely[firsts]) / (heard_for[lasts] - heard_for[firsts])).tolist(),
            strict=True,
        )
    ]
    of_words = np.searchsorted(firsts, of_segments).tolist()
    return [
        ("".join(said[low:high]).strip(), tuple(words[first:last]))
        for (low, high), (first, last) in zip(pairwise(of_segments.tolist()), pairwise(of_words), strict=True)
    ]
