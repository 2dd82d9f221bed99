"""Words as subtitles, SubRip (SRT) or WebVTT: cues of two rows at most, ended by pauses. Pure functions.

Each channel has cues of its own, which never overlap; those of two channels may, as people do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal
from unicodedata import category

from ringtrue.messages import Word

Form = Literal["srt", "vtt"]

#: Two rows of so many, as broadcasters have them (Netflix, French Timed Text Style Guide).
ROW_CHARACTERS = 42
LONGEST_MS = 6_000
#: A pause that ends a cue.
PAUSE_MS = 700
_SENTENCE_ENDS = (".", "!", "?", "…", "؟", "۔")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown from start to end (milliseconds): one row or two, of one channel."""

    start_ms: int
    end_ms: int
    channel: int
    rows: tuple[str, ...]


def cues(words: Sequence[Word]) -> list[Cue]:
    """The cues of a recording, by start."""
    by_channel = sorted(words, key=lambda word: (word.channel, word.start_ms))
    made = list[Cue]()
    for _, channel in groupby(by_channel, key=lambda word: word.channel):
        made += _apart([_cue(piece) for piece in _pieces([part for word in channel for part in _short(word)])])
    return sorted(made, key=lambda cue: (cue.start_ms, cue.channel))


def subtitles(words: Sequence[Word], form: Form) -> str:
    """The file's text. Where several channels speak, WebVTT names them, counted from 0 as everywhere."""
    shown = cues(words)
    voices = len({cue.channel for cue in shown}) > 1
    if form == "srt":
        blocks = [f"{n}\n{_span(cue, ',')}\n" + "\n".join(cue.rows) for n, cue in enumerate(shown, start=1)]
    else:
        blocks = ["WEBVTT", *(f"{_span(cue, '.')}\n{_payload(cue, voices=voices)}" for cue in shown)]
    return "".join(f"{block}\n\n" for block in blocks[:-1]) + "".join(f"{block}\n" for block in blocks[-1:])


def _short(word: Word) -> Iterator[Word]:
    """The word in pieces that fit a row, each with its share of the time; none of what cannot be shown."""
    text = "".join(c if c.isprintable() or category(c) == "Cf" else " " for c in word.text)
    pieces = [part[i : i + ROW_CHARACTERS] for part in text.split() for i in range(0, len(part), ROW_CHARACTERS)]
    length, at = max(0, word.end_ms - word.start_ms), 0
    total = sum(map(len, pieces))
    for piece in pieces:
        start, at = at, at + len(piece)
        yield replace(
            word,
            text=piece,
            start_ms=word.start_ms + length * start // total,
            end_ms=word.start_ms + length * at // total,
        )


def _pieces(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Words of one channel, as many together as one cue may hold."""
    start = 0
    while start < len(words):
        end = start + 1
        while end < len(words) and not _pauses(words[end - 1], words[end]) and _fits(words[start : end + 1]):
            end += 1
        # A cue that is full ends where speech does: after a sentence, else at the longest silence of its second half.
        if end < len(words) and not _pauses(words[end - 1], words[end]):
            least = start + (end - start + 1) // 2
            end = max(range(max(least, start + 1), end + 1), key=lambda at: (*_break(words[at - 1], words[at]), at))
        yield words[start:end]
        start = end


def _pauses(before: Word, after: Word) -> bool:
    return after.start_ms - before.end_ms >= PAUSE_MS


def _break(before: Word, after: Word) -> tuple[bool, int]:
    """How good a place for a break is between two words; the greater the better."""
    return before.text.endswith(_SENTENCE_ENDS), max(0, after.start_ms - before.end_ms)


def _fits(words: Sequence[Word]) -> bool:
    return max(word.end_ms for word in words) - words[0].start_ms <= LONGEST_MS and _rows(words) is not None


def _rows(words: Sequence[Word]) -> tuple[str, ...] | None:
    """The words in one row, else in two as even as can be; None where they need more."""
    texts = [word.text for word in words]
    whole = " ".join(texts)
    if len(whole) <= ROW_CHARACTERS:
        return (whole,)
    halves = [(" ".join(texts[:at]), " ".join(texts[at:])) for at in range(1, len(texts))]
    return min(
        (rows for rows in halves if max(map(len, rows)) <= ROW_CHARACTERS),
        key=lambda rows: abs(len(rows[0]) - len(rows[1])),
        default=None,
    )


def _cue(words: Sequence[Word]) -> Cue:
    start_ms = max(0, words[0].start_ms)
    end_ms = min(max(word.end_ms for word in words), start_ms + LONGEST_MS)
    return Cue(start_ms, end_ms, words[0].channel, _rows(words) or ())


def _apart(shown: Sequence[Cue]) -> list[Cue]:
    """Cues of one channel, by start, each with some time of its own: no player shows one without."""
    apart, until_ms = list[Cue](), 0
    for at, cue in enumerate(shown):
        start_ms = max(cue.start_ms, until_ms)
        next_ms = shown[at + 1].start_ms if at + 1 < len(shown) else cue.end_ms
        until_ms = max(start_ms + 1, min(cue.end_ms, next_ms))
        apart.append(replace(cue, start_ms=start_ms, end_ms=until_ms))
    return apart


def _payload(cue: Cue, *, voices: bool) -> str:
    rows = "\n".join(row.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for row in cue.rows)
    return f"<v Channel {cue.channel}>{rows}" if voices else rows


def _span(cue: Cue, mark: str) -> str:
    return f"{_clock(cue.start_ms, mark)} --> {_clock(cue.end_ms, mark)}"


def _clock(ms: int, mark: str) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:03d}"
