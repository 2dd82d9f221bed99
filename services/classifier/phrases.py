"""Phrases of a lexicon, and where a text holds them.

A phrase is a row of words. `[a|b c|]` chooses (an empty choice may be left out), `{name}` is a choice from a list of
the lexicon, `...` stands for up to `GAP` words, `#` for a number. Articles and "ne" may stand anywhere in
the text without being in the phrase; one that is in the phrase must be in the text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from services.classifier.spelling import fold

#: Words that `...` may stand for, at most.
GAP = 5

#: In the text that is searched, these follow each token; so a phrase skips articles without knowing them.
_AFTER_WORD, _AFTER_ARTICLE = " ", "~"
#: Stands before a number.
_NUMBER = "#"
_START, _ARTICLES, _END = r"(?<![^ ~])", r"(?:\w+~)*", "[ ~]"

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of the lexicon, what it is a sign of, and how sure a sign, 0 to 1."""

    text: str
    sign: str
    weight: float


@dataclass(frozen=True, slots=True)
class Match:
    """Where a text holds a phrase: tokens `start` to `end`, the latter not included."""

    phrase: Phrase
    start: int
    end: int

    def lies_in(self, other: Match) -> bool:
        """Whether the other match holds this one and more."""
        return other.start <= self.start and self.end <= other.end and self.end - self.start < other.end - other.start

    def meets(self, other: Match) -> bool:
        """Whether they share a token."""
        return self.start < other.end and other.start < self.end


#: Compiled when first needed: most phrases never are in a short run.
_compiled = cache(re.compile)


class PhraseError(ValueError):
    """A phrase that cannot be read."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of a phrase: its regular expression, and words of which every match holds at least one."""

    pattern: str
    #: None when it can match without any word of its own.
    one_of: frozenset[str] | None
    #: The words, when it is one word or a choice of single words.
    words: frozenset[str] = frozenset()


class PhraseBook:
    """Finds phrases in texts.

    Args:
        phrases: What to look for.
        lists: The lists that `{name}` refers to.
        articles: Words that may stand between the words of a phrase.
        numbers: Words that `#` stands for, beside digits; phrases cannot hold them otherwise.

    Raises:
        PhraseError: A phrase cannot be read; the message holds it.
    """

    def __init__(
        self,
        phrases: Iterable[Phrase],
        lists: Mapping[str, Sequence[str]],
        articles: Iterable[str],
        numbers: Iterable[str],
    ) -> None:
        self._articles = {word for article in articles for word in fold(article)}
        self._numbers = {word for number in numbers for word in fold(number)}
        self._lists = lists
        self._pieces: dict[str, _Piece] = {}
        self._phrases: list[tuple[Phrase, str]] = []
        #: Phrases by the words of which they need one: most are ruled out without a look.
        self._by_word: dict[str, list[int]] = defaultdict(list)
        #: Every word that a phrase may hold.
        self.words: set[str] = set()
        for phrase in phrases:
            self._add(phrase)

    def find(self, tokens: Sequence[str]) -> list[Match]:
        """Every match; those of one phrase do not overlap."""
        written = [self._written(token) for token in tokens]
        token_at = {end: number for number, end in enumerate(accumulate(map(len, written)), start=1)} | {0: 0}
        text = "".join(written)
        wanted = sorted({number for token in set(tokens) for number in self._by_word.get(token, ())})
        return [
            Match(phrase, token_at[found.start()], token_at[found.end()])
            for phrase, pattern in (self._phrases[number] for number in wanted)
            for found in _compiled(pattern).finditer(text)
        ]

    def _written(self, token: str) -> str:
        if token in self._articles:
            return token + _AFTER_ARTICLE
        return f"{_NUMBER if token in self._numbers or token[0].isdecimal() else ''}{token}{_AFTER_WORD}"

    def _add(self, phrase: Phrase) -> None:
        piece = self._read(phrase.text)
        if piece.one_of is None:
            raise PhraseError(f"phrase {phrase.text!r} has no word that it needs")
        for word in piece.one_of:
            self._by_word[word].append(len(self._phrases))
        self._phrases.append((phrase, f"{_START}{piece.pattern}"))

    def _read(self, text: str) -> _Piece:
        """Reads choices from the innermost outwards, each left behind in the text as its number in `<>`."""
        choices: list[_Piece] = []
        rest = text
        while found := _CHOICE.search(rest):
            choices.append(_either([self._row(choice, choices, text) for choice in found[1].split("|")]))
            rest = f"{rest[: found.start()]} <{len(choices) - 1}> {rest[found.end() :]}"
        if any(bracket in rest for bracket in "[|]"):
            raise PhraseError(f"phrase {text!r}: brackets do not match")
        return self._row(rest, choices, text)

    def _row(self, row: str, choices: list[_Piece], text: str) -> _Piece:
        pieces: list[_Piece] = []
        for part in row.split():
            if part == "...":
                pieces.append(_Piece(rf"(?:\S+ ){{0,{GAP}}}?", None))
            elif part == "#":
                pieces.append(_Piece(rf"(?:{_ARTICLES}{_NUMBER}\S*{_END})+", None))
            elif part.startswith("<"):
                pieces.append(choices[int(part[1:-1])])
            elif part.startswith("{"):
                pieces.append(self._list(part[1:-1], text))
            else:
                pieces.extend(self._word(word) for word in fold(part))
        if len(pieces) == 1:
            return pieces[0]
        needed = [piece.one_of for piece in pieces if piece.one_of]
        rarest = min(needed, key=lambda words: (len(words), -min(map(len, words))), default=None)
        return _Piece("".join(piece.pattern for piece in pieces), rarest)

    def _word(self, word: str) -> _Piece:
        self.words.add(word)
        return _any_word(frozenset({word}))

    def _list(self, name: str, text: str) -> _Piece:
        if name not in self._lists:
            raise PhraseError(f"phrase {text!r}: there is no list {{{name}}}")
        if name not in self._pieces:
            self._pieces[name] = _either([self._read(entry) for entry in self._lists[name]])
        return self._pieces[name]


def _any_word(words: frozenset[str]) -> _Piece:
    return _Piece(f"{_ARTICLES}(?:{'|'.join(sorted(words))}){_END}", words, words)


def _either(choices: Sequence[_Piece]) -> _Piece:
    """One of the choices, the longest that matches."""
    needed = [piece.one_of for piece in choices]
    one_of = None if None in needed else frozenset(word for words in needed if words for word in words)
    words = frozenset(word for piece in choices for word in piece.words)
    longer = sorted((piece.pattern for piece in choices if not piece.words), key=len, reverse=True)
    if not longer:
        return _any_word(words)
    single = [_any_word(words).pattern] if words else []
    optional = "" in longer
    choice = "|".join([pattern for pattern in longer if pattern] + single)
    return _Piece(f"(?:{choice}){'?' if optional else ''}", one_of)
