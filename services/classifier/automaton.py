"""Finds all phrases at once: a word automaton, made deterministic as far as texts have needed it.

Phrases become the states of a nondeterministic automaton (Thompson's construction). While texts are read, the sets of
states that occur become states of a deterministic one, each with the next set by word, so that a word that was met
before costs one look-up whatever the number of phrases (as RE2 and grep do with letters).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

#: What words are to the automaton that no phrase holds, and numbers. No word is written like this.
_ANY, _NUMBER = "*", "#"
#: Steps that are remembered; then all are forgotten, so that memory stays bounded.
_MOST_STEPS = 300_000


class _Set:
    """A set of states: what is read next, which phrases end here, and the sets that words lead to."""

    __slots__ = ("ends", "next", "reading")

    def __init__(self, reading: tuple[int, ...], ends: tuple[int, ...]) -> None:
        self.reading = reading
        self.ends = ends
        self.next: dict[str, _Set | None] = {}


class Automaton:
    """States are numbers; what a state reads leads to the state that was given when it was made.

    Args:
        articles: Words that may stand before any word, unread.
        numbers: Words that are read as numbers only, as those that begin with a digit are.
    """

    def __init__(self, articles: Iterable[str], numbers: Iterable[str]) -> None:
        self._articles = frozenset(articles)
        self._numbers = frozenset(numbers)
        self._reads: list[frozenset[str] | str | None] = []
        self._leads: list[tuple[int, ...]] = []
        self._ends: dict[int, int] = {}
        self._begins: list[int] = []
        self._words: set[str] = set()
        self._sets: dict[tuple[tuple[int, ...], tuple[int, ...]], _Set] = {}
        self._first: _Set | None = None
        #: By word, the states that it leads to from the beginning, where there are too many to try.
        self._openings: dict[str, set[int]] = {}
        self._steps = 0

    def ending(self, phrase: int) -> int:
        """The state in which a phrase has been read."""
        state = self._state(None, ())
        self._ends[state] = phrase
        return state

    def word(self, words: frozenset[str], follows: int) -> int:
        """A state that reads one of some words."""
        self._words |= words
        return self._state(words, (follows,))

    def anything(self, follows: int) -> int:
        """A state that reads any word."""
        return self._state(_ANY, (follows,))

    def numbers(self, follows: int) -> int:
        """A state that reads one number or more."""
        state = self._state(_NUMBER, ())
        self._leads[state] = (self.either([state, follows]),)
        return state

    def either(self, states: Sequence[int]) -> int:
        """A state that stands for several."""
        return self._state(None, tuple(states))

    def enter(self, state: int) -> None:
        """A phrase begins with this state."""
        self._begins.append(state)
        self._first = None

    def matches(self, tokens: Sequence[str]) -> Iterator[tuple[int, dict[int, list[int]]]]:
        """For each place where phrases begin: by phrase, the places behind its last word, in rising order."""
        if self._first is None or self._steps > _MOST_STEPS:
            self._begin()
        first = self._first
        words = [self._class(token) for token in tokens]
        for start in range(len(words)):
            found: dict[int, list[int]] = {}
            state = first
            for at in range(start, len(words)):
                if state is None:
                    break
                word = words[at]
                state = state.next[word] if word in state.next else self._after(state, word)
                if state is not None:
                    for phrase in state.ends:
                        found.setdefault(phrase, []).append(at + 1)
            if found:
                yield start, found

    def _class(self, token: str) -> str:
        """What a token is to the automaton."""
        if token in self._articles:
            return token
        if token in self._numbers or token[0].isdecimal():
            return _NUMBER
        return token if token in self._words else _ANY

    def _state(self, reads: frozenset[str] | str | None, leads: tuple[int, ...]) -> int:
        self._reads.append(reads)
        self._leads.append(leads)
        return len(self._reads) - 1

    def _begin(self) -> None:
        self._sets.clear()
        self._steps = 0
        self._first = self._set_of(self._begins)
        openings: defaultdict[str, set[int]] = defaultdict(set)
        for state in self._first.reading if self._first else ():
            reads = self._reads[state]
            for word in reads if isinstance(reads, frozenset) else (reads or "",):
                openings[word].update(self._leads[state])
        self._openings = dict(openings)

    def _after(self, state: _Set, word: str) -> _Set | None:
        """The set that a word leads to; None when no phrase goes on."""
        self._steps += 1
        if state is self._first:
            leads = self._openings.get(word, set()) | (self._openings.get(_ANY, set()) if self._counts(word) else set())
        else:
            leads = {lead for one in state.reading if self._is_read(one, word) for lead in self._leads[one]}
        # An article may also be passed over, before whatever is read next.
        unread = state.reading if word in self._articles else ()
        after = self._set_of([*leads, *unread])
        state.next[word] = after
        return after

    def _is_read(self, state: int, word: str) -> bool:
        reads = self._reads[state]
        if isinstance(reads, frozenset):
            return word in reads
        return reads == word if reads == _NUMBER else self._counts(word)

    def _counts(self, word: str) -> bool:
        return word not in self._articles

    def _set_of(self, states: Iterable[int]) -> _Set | None:
        """The set that holds these states and those that they stand for."""
        seen: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state not in seen:
                seen.add(state)
                if self._reads[state] is None:
                    waiting += self._leads[state]
        reading = tuple(sorted(state for state in seen if self._reads[state] is not None))
        ends = tuple(sorted(self._ends[state] for state in seen if state in self._ends))
        if not reading and not ends:
            return None
        return self._sets.setdefault((reading, ends), _Set(reading, ends))
