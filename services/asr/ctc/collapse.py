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
    `blank` is the number of the token that says nothing.
    """

    tokens: tuple[str | None, ...]
    same: NDArray[np.int64]
    blank: int

    @classmethod
    def of(cls, tokens: Sequence[str], blank: str, delimiter: str, *, lower_case: bool = False) -> Vocabulary:
        """Reads a tokenizer's strings: `blank` is dropped, `delimiter` separates words."""
        first = {token: index for index, token in reversed(list(enumerate(tokens)))}
        said = [None if token == blank else " " if token == delimiter else token for token in tokens]
        if lower_case:
            said = [token and token.lower() for token in said]
        return cls(tuple(said), np.array([first[token] for token in tokens], np.int64), first[blank])


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
    ends = np.concatenate((starts[1:], [len(tokens)]))
    sums = np.add.reduceat(probability.astype(np.float64), starts)
    kept = np.array([said is not None for said in vocabulary.tokens])[tokens[starts]]
    starts, ends, sums, tokens = starts[kept], ends[kept], sums[kept], tokens[starts[kept]]
    spaces = np.array([said == " " for said in vocabulary.tokens])[tokens]
    said = [vocabulary.tokens[token] or "" for token in tokens.tolist()]
    heard = []
    for begin, end in pairwise(bounds):
        low, high = np.searchsorted(starts, (begin, end))
        edges = np.concatenate(([low - 1], low + np.flatnonzero(spaces[low:high]), [high]))
        words = tuple(
            Word(
                "".join(said[first:last]),
                round(int(starts[first] - begin) * position_ms),
                round(int(ends[last - 1] - begin) * position_ms),
                float(sums[first:last].sum() / (ends[first:last] - starts[first:last]).sum()),
            )
            for first, last in zip((edges[:-1] + 1).tolist(), edges[1:].tolist(), strict=True)
            if last > first
        )
        heard.append(("".join(said[low:high]).strip(), words))
    return heard
