"""Joining the parts of a call into one transcript. Pure functions.

Parts of one channel may overlap where no silence offered itself for a cut; the words of the overlap were heard twice.
The two hearings are joined at the word on which they agree best, in text and time, else in the middle of the overlap.
"""

from bisect import bisect
from collections.abc import Sequence
from itertools import groupby

from ringtrue.messages import SegmentTranscribed, Word


def words_of(parts: Sequence[SegmentTranscribed]) -> tuple[Word, ...]:
    """The words of all parts that could be transcribed, each once, by start."""
    joined = list[Word]()
    heard = [part for part in parts if part.status == "ok"]
    by_channel = sorted(heard, key=lambda part: (part.channel, part.start_ms, part.index))
    for _, channel in groupby(by_channel, key=lambda part: part.channel):
        words = list[Word]()
        heard_until_ms = 0
        for part in channel:
            words = _stitch(words, list(part.words), part.start_ms, heard_until_ms)
            heard_until_ms = part.end_ms
        joined += words
    return tuple(sorted(joined, key=lambda word: (word.start_ms, word.channel)))


def text_of(words: Sequence[Word], parts: Sequence[SegmentTranscribed]) -> str:
    """The words as text, a new line wherever another channel speaks or something may be missing in between.

    Where a missing part was is not always known: of a call that lacks one, each gap between its parts may be the place.
    """
    stretches = {} if all(part.status == "ok" for part in parts) else _stretches(parts)

    def line(word: Word) -> tuple[int, int]:
        return word.channel, bisect(stretches.get(word.channel, ()), _middle_ms(word))

    return "\n".join(" ".join(word.text for word in said) for _, said in groupby(words, key=line))


def language_of(parts: Sequence[SegmentTranscribed]) -> str | None:
    """The language of the part with the most words; of parts that have as many, of the first."""
    said = [part for part in parts if part.language is not None and part.words]
    return max(said, key=lambda part: (len(part.words), -part.index)).language if said else None


def margin_of(parts: Sequence[SegmentTranscribed]) -> float | None:
    """The least margin of all parts: a text is as sure as its least sure part."""
    return min((part.margin for part in parts if part.margin is not None), default=None)


def _stretches(parts: Sequence[SegmentTranscribed]) -> dict[int, list[int]]:
    """By channel, where each stretch begins that was heard without a gap, in milliseconds."""
    starts = dict[int, list[int]]()
    heard_until_ms = dict[int, int]()
    for part in sorted((part for part in parts if part.status == "ok"), key=lambda part: part.start_ms):
        if part.channel not in starts or part.start_ms > heard_until_ms[part.channel]:
            starts.setdefault(part.channel, []).append(part.start_ms)
        heard_until_ms[part.channel] = max(part.end_ms, heard_until_ms.get(part.channel, 0))
    return starts


def _stitch(before: list[Word], after: list[Word], start_ms: int, end_ms: int) -> list[Word]:
    """Joins what was heard before `end_ms` with what was heard from `start_ms` on."""
    if end_ms <= start_ms:
        return before + after
    agreed = [
        (abs(_middle_ms(one) - _middle_ms(other)), i, j)
        for i, one in enumerate(before)
        if one.end_ms > start_ms
        for j, other in enumerate(after)
        if one.text == other.text and one.start_ms < other.end_ms and other.start_ms < one.end_ms
    ]
    if agreed:
        _, i, j = min(agreed)
        return before[: i + 1] + after[j + 1 :]
    middle_ms = (start_ms + end_ms) / 2
    return [word for word in before if _middle_ms(word) < middle_ms] + [
        word for word in after if _middle_ms(word) >= middle_ms
    ]


def _middle_ms(word: Word) -> float:
    return (word.start_ms + word.end_ms) / 2
