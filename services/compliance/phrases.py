"""Phrases in transcripts, for the rules `required_phrases` and `forbidden_phrases`.

A phrase stands in a transcript when its words do, whole and one after the other. Case, accents, vowel signs,
punctuation and the letters that Arabic writes in two ways do not matter; nothing else is folded, because whoever is
accused by a phrase must find it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "\u0640": None, "ى": "ي", "ة": "ه"})


def normalised(text: str) -> str:
    """The words of a text in one spelling, a space before, between and after them."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(["", *_WORD.findall(plain.translate(_LETTERS)), ""])


def found_in(transcript: str, phrases: Iterable[str]) -> tuple[str, ...]:
    """Those of the phrases that stand in a transcript."""
    said = normalised(transcript)
    return tuple(phrase for phrase in phrases if _phrase(phrase) in said)


def found_in_pieces(transcript: str, phrases: Iterable[str]) -> tuple[str, ...]:
    """Those of the phrases that stand in one line of a transcript of which something is missing between the lines."""
    lines = [normalised(line) for line in transcript.splitlines()]
    return tuple(phrase for phrase in phrases if any(_phrase(phrase) in line for line in lines))


@lru_cache(maxsize=1024)
def _phrase(phrase: str) -> str:
    return normalised(phrase)
