"""What the model writes: letters, and frequent runs of letters within a word, found by byte-pair encoding.

A run such as "elez" settles an ending at one place; letter by letter each would be heard on its own.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import sentences

#: Token 0 is the blank; 2 separates words, as in Wav2Vec2's tokenizer.
BLANK, UNKNOWN, DELIMITER = "<pad>", "<unk>", "|"
SIZE = 288
#: Sentences of each kind that the runs are found in.
SENTENCES = 12_000


@cache
def tokens() -> tuple[str, ...]:
    """Every token, by its number."""
    letters = sorted(set("".join(sentences.vocabulary())))
    return (BLANK, UNKNOWN, DELIMITER, *letters, *_runs(SIZE - 3 - len(letters)))


def encode(text: str) -> list[int]:
    """A label's tokens by number."""
    numbers: list[int] = []
    for word in text.split():
        numbers += [_delimiter(), *_encoded(word)]
    return numbers[1:]


def decode(numbers: Sequence[int]) -> str:
    """The text of the best token at each position."""
    merged = [number for i, number in enumerate(numbers) if i == 0 or number != numbers[i - 1]]
    said = "".join(tokens()[number] for number in merged if number)
    return " ".join(said.replace(DELIMITER, " ").split())


def _delimiter() -> int:
    return tokens().index(DELIMITER)


@cache
def _encoded(word: str) -> tuple[int, ...]:
    parts = list(word)
    rank = {run: number for number, run in enumerate(tokens())}
    while True:
        pairs = [(rank.get(a + b, len(rank)), i) for i, (a, b) in enumerate(pairwise(parts))]
        if not pairs or min(pairs)[0] == len(rank):
            return tuple(rank[part] for part in parts)
        place = min(pairs)[1]
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


def _runs(count: int) -> list[str]:
    """The runs in the order in which the most frequent neighbours were joined."""
    rng = random.Random(0)
    texts = [sentences.domain_sentence(rng, held_out=False) for _ in range(SENTENCES)]
    texts += [sentences.random_words(rng) for _ in range(SENTENCES)]
    words = Counter(word for text in texts for word in sentences.label(text).split())
    # By the root of their number, so that frequent phrases do not take all runs.
    parts = {word: (list(word), number**0.5) for word, number in sorted(words.items())}
    runs: list[str] = []
    while len(runs) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for letters, weight in parts.values():
            for pair in pairwise(letters):
                pairs[pair] += weight
        left, right = max(sorted(pairs), key=pairs.__getitem__)
        if left + right not in runs:
            runs.append(left + right)
        for letters, _ in parts.values():
            for i in range(len(letters) - 2, -1, -1):
                if letters[i : i + 2] == [left, right]:
                    letters[i : i + 2] = [left + right]
    return runs


if __name__ == "__main__":
    print(" ".join(tokens()))
