"""Masks what tells who is spoken of before words go to a model: long numbers and e-mail addresses, written or spoken.

A number of six digits or more is masked however it is grouped ("0612345678", "06 12 34 56 78", "zéro six douze trente
quatre cinquante six"), an address also when it is spelled ("karim point alami arobase exemple point ma"). Every word
keeps its place, so that numbers of words mean the same before and after. Names are not masked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict

from services.classifier.spelling import fold

#: Stands for each word that is masked.
MASK: Final = "[masked]"

_LONG_DIGITS: Final = 6
_FILE: Final = Path(__file__).with_name("redaction.yaml")

#: Digits, alone or grouped by what stands between them in phone, account and order numbers.
_NUMBER = re.compile(r"[+(]*\d[\d.,:;/()+-]*")
#: Looks like a long number, and tells when, not who.
_DATE = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d{2})|\d{4}-\d{2}-\d{2}")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


def _folded(text: object) -> object:
    return frozenset(part for word in text.split() for part in fold(word)) if isinstance(text, str) else text


_Words = Annotated[frozenset[str], BeforeValidator(_folded)]


class _Spoken(BaseModel):
    """`redaction.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    units: _Words
    teens: _Words
    tens: _Words
    ten: _Words
    joints: _Words
    said_between: _Words
    at: _Words
    dots: _Words


_SPOKEN: Final = _Spoken.model_validate(yaml.safe_load(_FILE.read_bytes()))


def masked(words: Sequence[str]) -> list[str]:
    """The words, those of long numbers and of addresses masked."""
    hidden = _numbers(words) | _addresses(words)
    return [MASK if place in hidden else word for place, word in enumerate(words)]


def _numbers(words: Sequence[str]) -> set[int]:
    hidden, run, digits, after_tens = set[int](), list[int](), 0, False
    for place, word in enumerate([*words, ""]):
        held = _digits(word, after_tens)
        if held is None and run and _is_said_between(word):
            continue
        if held is None:
            if digits >= _LONG_DIGITS:
                hidden.update(run)
            run, digits, after_tens = [], 0, False
            if sum(letter.isdigit() for letter in word) >= _LONG_DIGITS and not _DATE.fullmatch(word):
                hidden.add(place)
        else:
            run.append(place)
            digits += held
            after_tens = _ends_with_tens(word)
    return hidden


def _digits(word: str, after_tens: bool) -> int | None:
    """How many digits of a number a word holds; None when it is none."""
    if _NUMBER.fullmatch(word):
        return None if _DATE.fullmatch(word) else sum(letter.isdigit() for letter in word)
    parts = fold(word)
    if not parts:
        return None
    digits = 0
    for part in parts:
        if part in _SPOKEN.tens:
            digits += 2
        elif part in _SPOKEN.teens or part in _SPOKEN.ten:
            digits += 0 if after_tens else 2  # "soixante quinze" and "quatre vingt dix" have two digits
        elif part in _SPOKEN.units:
            digits += 0 if after_tens else 1
        elif part not in _SPOKEN.joints:
            return None
        after_tens = _ends_with_tens(part)
    return digits


def _is_said_between(word: str) -> bool:
    parts = fold(word)
    return bool(parts) and _SPOKEN.said_between.issuperset(parts)


def _ends_with_tens(word: str) -> bool:
    parts = fold(word)
    return bool(parts) and (parts[-1] in _SPOKEN.tens or parts[-1] in _SPOKEN.ten)


def _addresses(words: Sequence[str]) -> set[int]:
    hidden = set[int]()
    parts = [fold(word) or [word] for word in words]
    for place, word in enumerate(words):
        if _ADDRESS.search(word):
            hidden.add(place)
        elif "@" in word or (len(parts[place]) == 1 and parts[place][0] in _SPOKEN.at):
            before, after = _reach(parts, place, -1), _reach(parts, place, 1)
            hidden.update([*before, place, *after] if before and after else [])
    return hidden


def _reach(parts: Sequence[Sequence[str]], place: int, step: int) -> list[int]:
    """The places of an address's words on one side of its "at": one, and one more behind each dot."""
    reached, at = list[int](), place + step
    while 0 <= at < len(parts):
        reached.append(at)
        following = at + step
        if not (0 <= following < len(parts) and parts[following][0] in _SPOKEN.dots):
            break
        reached.append(following)
        at = following + step
    return reached
