"""Phrases of a lexicon, and where a text holds them.

A phrase is a row of words. `[a|b c|]` chooses (an empty choice may be left out), `{name}` is a choice from a list of
the lexicon, `...` stands for up to `GAP` words, `#` for a number. Articles and "ne" may stand anywhere in
the text without being in the phrase; one that is in the phrase must be in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.classifier.automaton import Automaton
from services.classifier.spelling import fold

#: Words that `...` may stand for, at most.
GAP = 5

_TOKEN = re.compile(r"\[|\]|\||\.\.\.|#|\{[^}]*\}|[^\s\[\]|]+")


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


class PhraseError(ValueError):
    """A phrase that cannot be read."""


@dataclass(frozen=True, slots=True)
class Word:
    """One of some words."""

    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Number:
    """One number word or more."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Up to `GAP` words of any kind."""


@dataclass(frozen=True, slots=True)
class Row:
    """One piece after the other."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several pieces."""

    pieces: tuple[Piece, ...]


Piece = Word | Number | Gap | Row | Choice


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
        self._lists = lists
        self._read_lists: dict[str, Piece] = {}
        self._phrases = list(phrases)
        #: Every word that a phrase may hold.
        self.words: set[str] = set()
        self._automaton = Automaton(
            articles={word for article in articles for word in fold(article)},
            numbers={word for number in numbers for word in fold(number)},
        )
        self._gapped: list[bool] = []
        for number, phrase in enumerate(self._phrases):
            piece = self._read(phrase.text)
            if not _needs_a_word(piece):
                raise PhraseError(f"phrase {phrase.text!r} has no word that it needs")
            self._gapped.append(_has_gap(piece))
            self._enter(piece, number)

    def find(self, tokens: Sequence[str]) -> list[Match]:
        """Every match, phrase by phrase; those of one phrase do not overlap, and the earlier one counts.

        Of several places where a match may end it is the last, so that a match is as long as it can be; with a gap it
        is the first, so that the gap is as short as it can be, with what may follow it at once.
        """
        found: dict[int, list[Match]] = {}
        for start, ends in self._automaton.matches(tokens):
            for number, places in ends.items():
                before = found.setdefault(number, [])
                if not before or start >= before[-1].end:
                    end = _nearest(places) if self._gapped[number] else places[-1]
                    before.append(Match(self._phrases[number], start, end))
        return [match for number in sorted(found) for match in found[number]]

    def _enter(self, piece: Piece, number: int) -> None:
        self._automaton.enter(self._build(piece, self._automaton.ending(number)))

    def _build(self, piece: Piece, follows: int) -> int:
        """The state from which the piece and then `follows` are read."""
        states = self._automaton
        match piece:
            case Word(words):
                return states.word(words, follows)
            case Number():
                return states.numbers(follows)
            case Gap():
                state = follows
                for _ in range(GAP):
                    state = states.either([follows, states.anything(state)])
                return state
            case Row(pieces):
                for part in reversed(pieces):
                    follows = self._build(part, follows)
                return follows
            case Choice(pieces):
                return states.either([self._build(part, follows) for part in pieces])

    def _read(self, text: str) -> Piece:
        parts = iter(_TOKEN.findall(text))
        piece, closed = self._choices(parts, text)
        if closed:
            raise PhraseError(f"phrase {text!r}: brackets do not match")
        return piece

    def _choices(self, parts: Iterator[str], text: str) -> tuple[Piece, bool]:
        """The choices up to the closing bracket or the end, and whether there was a bracket."""
        rows: list[list[Piece]] = [[]]
        for part in parts:
            match part:
                case "[":
                    piece, closed = self._choices(parts, text)
                    if not closed:
                        raise PhraseError(f"phrase {text!r}: brackets do not match")
                    rows[-1].append(piece)
                case "]":
                    return _either(rows), True
                case "|":
                    rows.append([])
                case "...":
                    rows[-1].append(Gap())
                case "#":
                    rows[-1].append(Number())
                case name if name.startswith("{"):
                    rows[-1].append(self._list(name[1:-1], text))
                case words:
                    folded = fold(words)
                    self.words.update(folded)
                    rows[-1] += [Word(frozenset({word})) for word in folded]
        return _either(rows), False

    def _list(self, name: str, text: str) -> Piece:
        if name not in self._lists:
            raise PhraseError(f"phrase {text!r}: there is no list {{{name}}}")
        if name not in self._read_lists:
            self._read_lists[name] = _either([[self._read(entry)] for entry in self._lists[name]])
        return self._read_lists[name]


def _either(rows: Sequence[Sequence[Piece]]) -> Piece:
    """One of the rows; those of a single word are one choice of words, which costs one step."""
    pieces = [row[0] if len(row) == 1 else Row(tuple(row)) for row in rows]
    words = frozenset(word for piece in pieces if isinstance(piece, Word) for word in piece.words)
    others = [piece for piece in pieces if not isinstance(piece, Word)]
    pieces = [*([Word(words)] if words else []), *others]
    return pieces[0] if len(pieces) == 1 else Choice(tuple(pieces))


def _needs_a_word(piece: Piece) -> bool:
    match piece:
        case Word():
            return True
        case Row(pieces):
            return any(map(_needs_a_word, pieces))
        case Choice(pieces):
            return all(map(_needs_a_word, pieces))
        case _:
            return False


def _has_gap(piece: Piece) -> bool:
    match piece:
        case Gap():
            return True
        case Row(pieces) | Choice(pieces):
            return any(map(_has_gap, pieces))
        case _:
            return False


def _nearest(ends: Sequence[int]) -> int:
    """The first end, or the last of those that follow it without a step between."""
    end = ends[0]
    for following in ends[1:]:
        if following != end + 1:
            break
        end = following
    return end
