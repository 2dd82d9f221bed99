"""The document in which a model is shown a call: JSON, in which each word has its number.

What was said is data. No word can end the document, look like another word's number or begin a tag; and an answer that
cites words is checked against what stands here.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringtrue.messages import Span, Word
from services.classifier.models.redaction import masked

#: Letters, marks, digits and signs go on; these kinds of characters only ever deceive.
_DROPPED: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_LONGEST_WORD: Final = 48
#: Stands for a word of which nothing is left.
_NOTHING: Final = "-"
#: A pause that begins a new turn of the same speaker.
_PAUSE_MS: Final = 2000
#: The times of a transcript that ends sooner are places of words, not times.
_TIMES_FROM_MS: Final = 1000
#: No tag can begin in what a model reads; a JSON parser reads the same.
_TAGS: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e"})


@dataclass(frozen=True, slots=True)
class Document:
    """What a model is shown of a call.

    Attributes:
        words: All words of the call; their places are their numbers.
        shown: The text of each word that is shown, by number.
        text: The document.
    """

    words: tuple[Word, ...]
    shown: Mapping[int, str]
    text: str

    @property
    def shortened(self) -> bool:
        """Whether words were left out."""
        return len(self.shown) < len(self.words)

    def holds(self, first: int, last: int) -> bool:
        """Whether the words from `first` to `last` stand in it, all of them."""
        return 0 <= first <= last and all(place in self.shown for place in range(first, last + 1))

    def quoted(self, first: int, last: int) -> str:
        """The words from `first` to `last` as they are shown."""
        return " ".join(self.shown[place] for place in range(first, last + 1))

    def span(self, first: int, last: int) -> Span:
        """The words from `first` to `last` as they were said."""
        said = self.words[first : last + 1]
        return Span(
            start_ms=min(word.start_ms for word in said),
            end_ms=max(word.end_ms for word in said),
            text=" ".join(word.text for word in said),
        )


def make_document(words: Sequence[Word], kept: Sequence[int], *, redact: bool) -> Document:
    """The document of a call.

    Args:
        words: All its words.
        kept: The numbers of those to show, in rising order.
        redact: Masks long numbers and e-mail addresses.
    """
    texts = [_clean(text) for text in (_masked(words) if redact else [word.text for word in words])]
    shown = {place: texts[place] for place in kept}
    call: dict[str, Any] = {"words_in_call": len(words)}
    if len(kept) < len(words):
        call["left_out"] = list(_gaps(kept, len(words)))
    call["turns"] = list(_turns(words, shown))
    return Document(tuple(words), shown, _json({"call": call}))


def _masked(words: Sequence[Word]) -> list[str]:
    """The words, each speaker's masked by themselves: what the other says in between does not end a number."""
    texts = [word.text for word in words]
    for channel in {word.channel for word in words}:
        places = [place for place, word in enumerate(words) if word.channel == channel]
        for place, text in zip(places, masked([texts[place] for place in places]), strict=True):
            texts[place] = text
    return texts


def with_note(document: Document, note: str) -> str:
    """The document with a note of ours in front."""
    return _json({"note": note}).removesuffix("}") + "," + document.text.removeprefix("{")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_TAGS)


def _clean(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(letter for letter in composed if unicodedata.category(letter) not in _DROPPED)
    return kept[:_LONGEST_WORD] or _NOTHING


def _gaps(kept: Sequence[int], words: int) -> Iterator[list[int]]:
    """First and last numbers of the words that are left out."""
    for before, after in zip([-1, *kept], [*kept, words], strict=True):
        if after - before > 1:
            yield [before + 1, after - 1]


def _turns(words: Sequence[Word], shown: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    """What was said without a change of channel, a pause or a gap; channel and time where they are known."""
    several = len({word.channel for word in words}) > 1
    timed = bool(words) and words[-1].end_ms >= _TIMES_FROM_MS
    turn: dict[str, Any] = {}
    before = -1
    for place, text in shown.items():
        word = words[place]
        if not turn or place != before + 1 or _parted(words[before], word):
            if turn:
                yield turn
            channel = {"channel": word.channel} if several else {}
            turn = channel | ({"at_s": word.start_ms // 1000} if timed else {}) | {"words": {}}
        turn["words"][str(place)] = text
        before = place
    if turn:
        yield turn


def _parted(before: Word, word: Word) -> bool:
    return before.channel != word.channel or word.start_ms - before.end_ms >= _PAUSE_MS
