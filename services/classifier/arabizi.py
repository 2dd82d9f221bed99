"""Darija in Latin letters ("ma b9itch baghi l3oqd"), read as the Arabic words that it stands for.

Everyone writes its vowels in another way, so words are compared by their consonants: those of "b9it" and of "بقيت" are
both b-q-t. Sounds that Latin letters lack are written as digits that look like the Arabic letter (3 ع, 7 ح, 9 ق, 5 خ).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: A word with such a digit beside two letters is written in this way, and so likely are those around it. "9h" is not.
_WRITTEN = re.compile(r"(?i)\b(?=\w*[a-z]\w*[a-z])(?=\w*[35679])[a-z235679']+\b")
#: Latin letters by the sound that they stand for; of several the longest. Vowels stand for nothing.
_LATIN = {"sh": "ش", "ch": "ش", "gh": "غ", "kh": "خ"} | dict(
    zip("35679bcdfghjklmnpqrstvxz", "عختحكبكدفكهجكلمنبكرستفشز", strict=True)
)
_PIECES = re.compile("|".join(sorted(_LATIN, key=len, reverse=True)) + "|.")
#: Emphatic and foreign letters by the one that Latin writes alike.
_ARABIC = str.maketrans("صطضظقثذڤپگڭ", "ستددكتدفبكك", "اويىءئؤآأإةه")
_DOUBLED = re.compile(r"(.)\1+")
#: A short word has the consonants of too many others.
_LEAST_LETTERS = 4


def is_arabizi(words: Iterable[str]) -> bool:
    """Whether somebody writes Darija in Latin letters."""
    return any(_WRITTEN.search(word) for word in words)


class Transliterator:
    """Reads words in Latin letters as Arabic ones.

    Args:
        known: Arabic words that may be meant, in the spelling in which they are searched; of those with the same
            consonants the first one.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._meant: dict[str, str] = {}
        for word in known:
            self._meant.setdefault(_of_arabic(word), word)

    def meant(self, word: str) -> str | None:
        """The Arabic word that a word in Latin letters stands for; None when none is known."""
        consonants = _of_latin(word)
        if len(word) < _LEAST_LETTERS and not _WRITTEN.search(word):
            return None
        return self._meant.get(consonants) if len(consonants) > 1 else None


def _of_latin(word: str) -> str:
    first = {"w": "و", "y": "ي", "o": "و"}.get(word[:1].lower(), "")
    sounds = first + "".join(_LATIN.get(piece, "") for piece in _PIECES.findall(word.lower()))
    return _DOUBLED.sub(r"\1", sounds.removesuffix("ه") if word[-1:] in "hH" else sounds)


def _of_arabic(word: str) -> str:
    first = word[:1] if word[:1] in "وي" else ""
    inner = word[:-1].replace("ه", "\0") + word[-1:]
    sounds = first + inner.translate(_ARABIC).replace("\0", "ه")
    return _DOUBLED.sub(r"\1", sounds)
