"""The embedded engine: names what a call shows from the phrases that were said. Transparent, deterministic, offline.

In this order: nothing said at all is silence; an announcement after which nobody can be reached is unreachable; then
the outcomes that were spoken of, by the domain's precedence; then a few words are a greeting (unreachable) or stray
words (silence); then other matters that it knows. What it finds no sign in, or signs that contradict each other, it
could not classify and says so: a guess would accuse someone.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

from ringtrue.messages import Answer
from ringtrue.outcomes import BAD, CODES, GOOD, Outcome
from services.classifier.engine import Classification, Transcript
from services.classifier.lexicon import (
    BEGINNING,
    COMPANION,
    DEFAULT_LEXICON,
    FINAL,
    GREETING,
    HANDOVER,
    OPENING,
    OTHER,
    RUDE,
    SPOKEN,
    THIRD_PARTY,
    Lexicon,
    load_lexicon,
    sign_against,
    sign_of,
)
from services.classifier.reading import Reading, Sign, read
from services.classifier.showing import shown

#: Which outcome counts when several apply (domain.md).
PRECEDENCE = (Outcome.REFUSED, Outcome.NO_EQUIPMENT, Outcome.ABSENT, Outcome.POSTPONED, Outcome.CLOSED)

#: Only the account holder can do these.
_HOLDERS_OWN = frozenset({Outcome.REFUSED, Outcome.POSTPONED})

#: So many cited spans are enough to see why.
_CITED = 5

#: How clear silence and greetings are: no phrase says them.
_EMPTY, _STRAY, _GREETED = 1.0, 0.7, 0.9


class EmbeddedEngine:
    """Answers from a lexicon of phrases.

    Args:
        path: The lexicon's file.

    Raises:
        Misconfigured: The lexicon cannot be used.
    """

    name = "embedded"

    def __init__(self, path: Path = DEFAULT_LEXICON) -> None:
        self._lexicon, self.version = load_lexicon(path)

    @property
    def lexicon(self) -> Lexicon:
        """What it answers from."""
        return self._lexicon

    def classify_many(self, transcripts: Sequence[Transcript]) -> list[Classification]:
        """See `Classifier.classify_many`."""
        return [self.classify(transcript) for transcript in transcripts]

    def classify(self, transcript: Transcript) -> Classification:
        """What one call shows."""
        reading = read(transcript, self._lexicon)
        acquisition, sav = self._answer(reading, "ACQUISITION"), self._answer(reading, "SAV")
        return Classification(
            acquisition=acquisition,
            sav=sav,
            behaviour=BAD if reading.of(RUDE) else GOOD,
            shown=shown(reading, transcript.words, (acquisition.outcome, sav.outcome), self._lexicon),
        )

    def _answer(self, reading: Reading, kind: str) -> Answer:
        if not reading.spoken:
            return _answer(Outcome.SILENCE, _EMPTY, ())
        return (
            self._final_announcement(reading)
            or self._spoken_outcome(reading, kind)
            or self._announcement(reading)
            or self._greeting(reading)
            or self._few_words(reading)
            or self._other(reading, kind)
            or self._unclear(reading)
        )

    def _final_announcement(self, reading: Reading) -> Answer | None:
        """Unreachable, whatever is said to the machine afterwards; unclear when a person had spoken of it before."""
        finals = [sign for sign in reading.of(FINAL) if sign.weight >= self._lexicon.weights.sure]
        if not finals:
            return None
        before = [
            sign
            for sign in reading.of(*map(sign_of, PRECEDENCE))
            if sign.weight >= self._lexicon.weights.sure and sign.precedes(finals[0])
        ]
        if before:
            return _answer(Outcome.NOT_CLASSIFIED, 0.0, [*before, *finals])
        return _answer(Outcome.UNREACHABLE, _strength(reading.of(FINAL, OPENING)), finals)

    def _spoken_outcome(self, reading: Reading, kind: str) -> Answer | None:
        few = reading.different <= self._lexicon.few_words
        for outcome in PRECEDENCE:
            signs = self._signs(reading, outcome)
            if few:
                signs = [sign for sign in signs if sign.weight >= self._lexicon.weights.sure]
            score = _strength(signs) * (1 - _strength(reading.of(sign_against(outcome))))
            if outcome in CODES[kind] and score >= self._lexicon.margin:
                return _answer(outcome, score, signs)
        return None

    def _signs(self, reading: Reading, outcome: Outcome) -> list[Sign]:
        """The signs of an outcome; those of a third party only of what a third party can tell."""
        signs = reading.of(sign_of(outcome))
        if outcome not in _HOLDERS_OWN or not reading.of(THIRD_PARTY):
            return signs
        handovers = reading.of(HANDOVER)
        return [sign for sign in signs if any(handover.precedes(sign) for handover in handovers)]

    def _announcement(self, reading: Reading) -> Answer | None:
        """Unreachable by an announcement after which someone might have picked up, but nobody talked."""
        signs = reading.of(FINAL, OPENING)
        if reading.different <= self._lexicon.few_words:
            signs += reading.of(BEGINNING)
        talk = reading.beside([*signs, *reading.of(GREETING, COMPANION)])
        if _strength(signs) < self._lexicon.margin or talk > self._lexicon.talk:
            return None
        return _answer(Outcome.UNREACHABLE, min(_strength(signs), _GREETED), signs)

    def _greeting(self, reading: Reading) -> Answer | None:
        greetings = reading.of(GREETING)
        if not greetings or reading.beside(reading.of(GREETING, COMPANION)):
            return None
        return _answer(Outcome.UNREACHABLE, _GREETED, greetings)

    def _few_words(self, reading: Reading) -> Answer | None:
        """A few stray words; not so when they are a sure sign, though of nothing that this type of order knows."""
        surely = any(sign.weight >= self._lexicon.weights.sure for sign in reading.of(*SPOKEN))
        if surely or reading.different > self._lexicon.few_words:
            return None
        return _answer(Outcome.SILENCE, _STRAY, ())

    def _other(self, reading: Reading, kind: str) -> Answer | None:
        """Another matter, where that is what was spoken of; also an outcome that this type of order does not know."""
        unknown_here = [sign_of(outcome) for outcome in PRECEDENCE if outcome not in CODES[kind]]
        signs = reading.of(OTHER, THIRD_PARTY, HANDOVER, sign_against(Outcome.REFUSED), *unknown_here)
        doubtful = [sign for outcome in PRECEDENCE for sign in self._signs(reading, outcome) if outcome in CODES[kind]]
        score = _strength(signs) * (1 - _strength(doubtful))
        return _answer(Outcome.OTHER, score, signs) if score >= self._lexicon.margin else None

    def _unclear(self, reading: Reading) -> Answer:
        """Not classified: no signs, or not enough, or signs that contradict each other."""
        return _answer(Outcome.NOT_CLASSIFIED, 0.0, reading.of(*SPOKEN))


def _strength(signs: Sequence[Sign]) -> float:
    """How likely at least one of the signs is right; a phrase that is said again is no new sign."""
    return 1 - prod(1 - weight for weight in {sign.match.phrase: sign.weight for sign in signs}.values())


def _answer(outcome: Outcome, score: float, signs: Sequence[Sign]) -> Answer:
    """The answer with the surest and longest of its signs, those that share words only once."""
    cited: list[Sign] = []
    for sign in sorted(signs, key=lambda sign: (-sign.weight, -len(sign.tokens))):
        if len(cited) < _CITED and not any(sign.tokens & other.tokens for other in cited):
            cited.append(sign)
    spans = sorted((sign.span for sign in cited), key=lambda span: span.start_ms)
    return Answer(outcome=int(outcome), score=round(score, 3), cited=tuple(spans))
