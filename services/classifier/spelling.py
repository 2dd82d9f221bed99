"""Words brought to one spelling, so that a phrase matches however it was written, heard or misheard.

Accents, vowel signs, doubled letters, mute endings ("rappelez", "rappeler", "rappelé") and Arabic letter variants are
folded away, in phrases and transcripts alike. A long word that is still unknown is read as the one known word that
differs from it by a single letter, if there is just one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from services.classifier.arabizi import Transliterator

#: Shorter words have too many neighbours to be mended.
_MENDABLE = 6

#: Words whose tokens are remembered: people say the same few thousand over and over.
_REMEMBERED = 50_000

_WORD = re.compile(r"[^\W_]+")
_DOUBLED = re.compile(r"(.)\1+")
_FRENCH_INFINITIVE = re.compile(r"(?<=..)(?:ees|ee|es|er|ez)$")
_FRENCH_MUTE = re.compile(r"(?<=...)[sxtz]$")
_ARABIC = re.compile(r"[\u0600-\u06ff]")
_ARABIC_ARTICLE = re.compile(r"^([وفبلك]?)ال(?=..)")
_ARABIC_NEGATION = re.compile(r"^(ما)(..+ش)$")
#: Written onto the next word: "and", "in", "with", "to", "not", "will", "on the"; longer ones first.
_ARABIC_PREFIXES = ("وما", "غاد", "ما", "غا", "عل", "و", "ف", "ب", "ل", "غ")
_WRITTEN_APART = {"وما": "ما", "غا": "غادي", "غاد": "غادي", "غ": "غادي", "عل": "على"}
#: Whom a verb is about, and "to me" and the like written onto it.
_ARABIC_SUFFIXES = ("هالي", "هاليا", "هوم", "ها", "هم", "كم", "نا", "ليا", "لينا", "لي", "و", "ني", "ك", "ا")
_LETTERS = str.maketrans(
    {
        "œ": "oe",
        "æ": "ae",
        "\u0640": None,  # tatweel, which only stretches a word
        "ى": "ي",
        "ة": "ا",
        "ڭ": "ك",
        "گ": "ك",
        "ݣ": "ك",
        "پ": "ب",
        "ڤ": "ف",
        "ث": "ت",
        "ذ": "د",
        "ظ": "ض",
    }
)


def fold(text: str) -> list[str]:
    """The words of a text in their folded spelling; apostrophes and hyphens part words."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter)).translate(_LETTERS)
    return [part for word in _WORD.findall(plain) for part in _fold_word(word)]


def _fold_word(word: str) -> list[str]:
    word = _DOUBLED.sub(r"\1", word)
    if not _ARABIC.search(word):
        return [_FRENCH_MUTE.sub("", _FRENCH_INFINITIVE.sub("e", word))]
    word = _ARABIC_ARTICLE.sub(r"\1", word)
    if negated := _ARABIC_NEGATION.match(word):
        return [negated[1], _final_vowel(negated[2])]
    return [_final_vowel(word)]


def _final_vowel(word: str) -> str:
    """Final ه is written for ة, and both are heard as ا."""
    return word[:-1] + "ا" if len(word) > 3 and word.endswith("ه") else word


class Speller:
    """Folds the words of transcripts and mends those that are nearly known.

    Args:
        known: Words in any spelling that are right as they are.
        mendable: Those that a misheard word may stand for.
        written_apart: Words that are several in the lexicon, such as `jai: j'ai`.
    """

    def __init__(self, known: Iterable[str], mendable: Iterable[str], written_apart: Mapping[str, str]) -> None:
        self._mendable = {word for text in mendable for word in fold(text)}
        self._known = self._mendable | {word for text in known for word in fold(text)}
        self._apart = {fold(word)[0]: fold(meant) for word, meant in written_apart.items()}
        self._arabizi = Transliterator(sorted((word for word in self._known if _ARABIC.search(word)), key=_plainest))
        self._remembered = lru_cache(_REMEMBERED)(self._tokens)
        #: A word cannot be mended to one that is shorter by more than a letter.
        self._longest = 1 + max(map(len, self._mendable), default=0)
        self._near: dict[str, set[str]] = defaultdict(set)
        for word in self._mendable:
            if len(word) >= _MENDABLE - 1:
                for form in _with_one_letter_less(word) | {word}:
                    self._near[form].add(word)

    def tokens(self, word: str, *, arabizi: bool = False) -> Sequence[str]:
        """The tokens that a transcript's word stands for.

        Args:
            word: As it was written.
            arabizi: In a call that somebody wrote in Latin letters: unknown words may be Arabic ones.
        """
        return self._remembered(word, arabizi)

    def _tokens(self, word: str, arabizi: bool) -> list[str]:
        parts = fold(word)
        if arabizi and not any(part in self._known or part in self._apart for part in parts):
            # An article or "and" is written onto the word or before it, as in Arabic.
            for written in (word, word[1:] if word[:1] in "lLwWfFbB" else ""):
                if meant := self._arabizi.meant(written):
                    return self._meant(meant)
        return [token for part in parts for token in self._apart.get(part) or self._meant(part)]

    def _meant(self, token: str) -> list[str]:
        """The token, without what Arabic writes onto it: "and", "in", "with", "to", "not", and whom it is about."""
        if token in self._known or not _ARABIC.search(token):
            return [self._mended(token)]
        for prefix in _ARABIC_PREFIXES:
            if token.startswith(prefix) and token[len(prefix) :] in self._known:
                return [_WRITTEN_APART.get(prefix, prefix), token[len(prefix) :]]
        for suffix in _ARABIC_SUFFIXES:
            if token.endswith(suffix) and len(token) > len(suffix) + 2 and token[: -len(suffix)] in self._known:
                return [token[: -len(suffix)]]
        return [self._mended(token)]

    def _mended(self, token: str) -> str:
        if not _MENDABLE <= len(token) <= self._longest or token in self._known:
            return token
        forms = _with_one_letter_less(token) | {token}
        near = {word for form in forms for word in self._near.get(form, ()) if _differs_by_one_letter(token, word)}
        return near.pop() if len(near) == 1 else token


def _plainest(word: str) -> tuple[int, str]:
    return len(word), word


def _with_one_letter_less(word: str) -> set[str]:
    return {word[:at] + word[at + 1 :] for at in range(len(word))}


def _differs_by_one_letter(one: str, other: str) -> bool:
    if len(one) == len(other):
        return sum(a != b for a, b in zip(one, other, strict=True)) == 1
    shorter, longer = sorted((one, other), key=len)
    return len(longer) == len(shorter) + 1 and shorter in _with_one_letter_less(longer)
