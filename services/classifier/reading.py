"""A transcript read with a lexicon: its tokens, and the signs in it that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ringtrue.messages import Span, Word
from services.classifier.arabizi import is_arabizi
from services.classifier.engine import Transcript
from services.classifier.lexicon import ASIDE, COUNTED, NOTHING, OTHER, Lexicon
from services.classifier.phrases import Match


@dataclass(frozen=True, slots=True)
class Sign:
    """A phrase of the lexicon in a call."""

    match: Match
    channel: int
    span: Span

    @property
    def of(self) -> str:
        """What it is a sign of."""
        return self.match.phrase.sign

    @property
    def weight(self) -> float:
        """How sure a sign it is."""
        return self.match.phrase.weight

    @property
    def tokens(self) -> set[tuple[int, int]]:
        """The tokens that it covers."""
        return {(self.channel, token) for token in range(self.match.start, self.match.end)}

    def precedes(self, other: Sign) -> bool:
        """Whether it was said before the other, as far as that is known: on the same channel."""
        return self.channel == other.channel and self.match.start < other.match.start


@dataclass(frozen=True, slots=True)
class Reading:
    """What the lexicon finds in a transcript."""

    signs: tuple[Sign, ...]
    #: Tokens that are more than fillers and single letters: channel and position.
    spoken: frozenset[tuple[int, int]]
    #: The different ones: what a recogniser makes of noise is often one word over and over.
    vocabulary: frozenset[str]
    #: By channel, the tokens without fillers, and the transcript's word of each.
    tokens: Mapping[int, Sequence[str]]
    words: Mapping[int, Sequence[Word]]

    @property
    def different(self) -> int:
        """How many different words were spoken."""
        return len(self.vocabulary)

    def of(self, *kinds: str) -> list[Sign]:
        """The signs of some kinds, in the order of the call."""
        return [sign for sign in self.signs if sign.match.phrase.sign in kinds]

    def beside(self, signs: Iterable[Sign]) -> int:
        """How many words were spoken beside these signs."""
        covered: set[tuple[int, int]] = set().union(*(sign.tokens for sign in signs))
        return len(self.spoken - covered)


def read(transcript: Transcript, lexicon: Lexicon) -> Reading:
    """Reads a transcript, each channel by itself."""
    signs: list[Sign] = []
    spoken: set[tuple[int, int]] = set()
    vocabulary: set[str] = set()
    tokens_of: dict[int, list[str]] = {}
    words_of: dict[int, list[Word]] = {}
    arabizi = is_arabizi(word.text for word in transcript.words)
    for channel in sorted({word.channel for word in transcript.words}):
        words = [word for word in transcript.words if word.channel == channel]
        said = [
            (token, word)
            for word in words
            for token in lexicon.speller.tokens(word.text, arabizi=arabizi)
            if token not in lexicon.filler_tokens
        ]
        tokens = [token for token, _ in said]
        spoken |= {(channel, position) for position, token in enumerate(tokens) if len(token) > 1}
        tokens_of[channel], words_of[channel] = tokens, [word for _, word in said]
        vocabulary |= {token for token in tokens if len(token) > 1}
        for match in _counting(lexicon.book.find(tokens)):
            cited = [word for _, word in said[match.start : match.end]]
            signs.append(Sign(match, channel, span_of(cited)))
    signs.sort(key=lambda sign: (sign.span.start_ms, sign.channel, sign.match.start))
    return Reading(tuple(signs), frozenset(spoken), frozenset(vocabulary), tokens_of, words_of)


def _counting(matches: list[Match]) -> list[Match]:
    """Those that count: not inside a longer sign or aside, nor meeting a phrase that means nothing.

    A phrase that means nothing is itself void inside a longer sign, and may well be about another matter.
    """
    competing = [match for match in matches if match.phrase.sign in COUNTED or match.phrase.sign == ASIDE]
    voids = [match for match in matches if match.phrase.sign == NOTHING]
    voids = [void for void in voids if not any(void.lies_in(match) for match in competing)]
    return [
        match
        for match in matches
        if match.phrase.sign not in COUNTED
        or not (
            (match.phrase.sign != OTHER and any(match.meets(void) for void in voids))
            or any(match.lies_in(longer) for longer in competing)
        )
    ]


def span_of(words: Sequence[Word]) -> Span:
    """The stretch of some tokens' words; a word of several tokens stands in it once."""
    text = " ".join(word.text for place, word in enumerate(words) if place == 0 or word is not words[place - 1])
    return Span(start_ms=words[0].start_ms, end_ms=words[-1].end_ms, text=text)
