"""What an engine says of labelled texts, counted: right answers, confusions, and how sure such figures are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from benchmarks.outcomes.corpus import Case
from ringtrue.outcomes import CODES, Outcome
from services.classifier.documents import answer_for
from services.classifier.engine import NOT_CLASSIFIED, Classification, Classifier, Transcript

KINDS = ("ACQUISITION", "SAV")
#: Intervals hold the true share with this probability.
COVERAGE = 0.95
INTERVAL = f"{100 * COVERAGE:.0f} % interval"
#: Texts that an engine is given at once.
_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    of: int

    @classmethod
    def that(cls, are: Iterable[bool]) -> Share:
        """How many of some are so."""
        counted = Counter(are)
        return cls(counted[True], counted.total())

    @property
    def percent(self) -> float:
        """In percent; 0 of none is 0."""
        return 100 * self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of the share, in percent; of none it is everything."""
        if not self.of:
            return 0.0, 100.0
        z = NormalDist().inv_cdf((1 + COVERAGE) / 2)
        share, spread = self.hits / self.of, z * z / self.of
        middle = share + spread / 2
        half = z * sqrt(share * (1 - share) / self.of + spread / self.of / 4)
        return 100 * max(0.0, (middle - half) / (1 + spread)), 100 * min(1.0, (middle + half) / (1 + spread))


@dataclass(frozen=True, slots=True)
class Scored:
    """A text with what the engine said of it; `heard` is what it was given, where that is not the text itself."""

    case: Case
    said: Classification
    heard: str | None = None

    def truth(self, kind: str) -> int:
        """The outcome that it shows, for a type of order."""
        return self.case.acquisition if kind == "ACQUISITION" else self.case.sav

    def answer(self, kind: str) -> int:
        """The outcome that the engine says."""
        return answer_for(self.said, kind).outcome

    def right(self, kind: str) -> bool:
        """Whether they are the same."""
        return self.answer(kind) == self.truth(kind)

    @property
    def all_right(self) -> bool:
        """Whether nothing is wrong: both outcomes and the behaviour."""
        return all(map(self.right, KINDS)) and self.said.behaviour == self.case.behaviour


#: Scored texts by the name of their part.
Parts = Mapping[str, Sequence[Scored]]


def cells(share: Share, places: int = 1) -> list[str]:
    """A share as tables have it: of how many, percent, interval; none of nothing."""
    if not share.of:
        return ["0", "", ""]
    low, high = share.interval
    return [str(share.of), f"{share.percent:.{places}f}", f"{low:.{places}f} to {high:.{places}f}"]


def score(
    engine: Classifier,
    cases: Sequence[Case],
    transcripts: Sequence[Transcript | None] | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> list[Scored]:
    """Lets an engine classify texts.

    Args:
        engine: The engine.
        cases: The texts.
        transcripts: What it is given instead of each; None for a call that failed and so is not classified.
        tell: Is called with the number of texts that are done.
    """
    given = [Transcript.of_text(case.text) for case in cases] if transcripts is None else transcripts
    scored = list[Scored]()
    for start in range(0, len(cases), _TOGETHER):
        some = given[start : start + _TOGETHER]
        answers = iter(engine.classify_many([one for one in some if one is not None]))
        for case, one in zip(cases[start:], some, strict=False):
            said = NOT_CLASSIFIED if one is None else next(answers)
            words = None if one is None else " ".join(word.text for word in one.words)
            scored.append(Scored(case, said, None if transcripts is None else words))
        tell(len(scored))
    return scored


class Confusion:
    """How often each outcome was answered for each that was true.

    Args:
        pairs: Truth and answer of each text.
        kind: The type of order that both are for.
    """

    def __init__(self, pairs: Iterable[tuple[int, int]], kind: str) -> None:
        self._counts = Counter(pairs)
        #: What can be true; what can be answered is `NOT_CLASSIFIED` beside.
        self.codes = sorted(int(code) for code in CODES[kind])

    @classmethod
    def of(cls, rows: Iterable[Scored], kind: str) -> Confusion:
        """Of scored texts."""
        return cls(((row.truth(kind), row.answer(kind)) for row in rows), kind)

    def count(self, truth: int, answer: int) -> int:
        """How many texts that show one outcome were answered with another."""
        return self._counts[truth, answer]

    def shown(self, code: int) -> int:
        """How many texts show an outcome."""
        return sum(count for (truth, _), count in self._counts.items() if truth == code)

    def answered(self, code: int) -> int:
        """How many were answered with it."""
        return sum(count for (_, answer), count in self._counts.items() if answer == code)

    def recall(self, code: int) -> Share:
        """Of those that show it, how many were answered so."""
        return Share(self.count(code, code), self.shown(code))

    def precision(self, code: int) -> Share:
        """Of those that were answered so, how many show it."""
        return Share(self.count(code, code), self.answered(code))

    @property
    def total(self) -> int:
        """How many texts."""
        return self._counts.total()

    @property
    def right(self) -> Share:
        """How many answers are right."""
        return Share(sum(self.count(code, code) for code in self.codes), self.total)

    @property
    def not_classified(self) -> Share:
        """How many were answered 9."""
        return Share(self.answered(Outcome.NOT_CLASSIFIED), self.total)

    @property
    def wrongly_unreachable(self) -> int:
        """How many were answered "unreachable" though they show something else: they would accuse nobody who should."""
        return self.answered(Outcome.UNREACHABLE) - self.count(Outcome.UNREACHABLE, Outcome.UNREACHABLE)

    @property
    def wrongly_reached(self) -> int:
        """How many show "unreachable" and were answered with something else but 9."""
        missed = self.shown(Outcome.UNREACHABLE) - self.count(Outcome.UNREACHABLE, Outcome.UNREACHABLE)
        return missed - self.count(Outcome.UNREACHABLE, Outcome.NOT_CLASSIFIED)

    @property
    def with_silence(self) -> int:
        """How many of both are mistakes between "unreachable" and silence: nobody was reached either way."""
        return self.count(Outcome.SILENCE, Outcome.UNREACHABLE) + self.count(Outcome.UNREACHABLE, Outcome.SILENCE)

    @property
    def confident_mistakes(self) -> Share:
        """How many are mistaken between "unreachable" and any other outcome, where an outcome was answered at all."""
        return Share(self.wrongly_unreachable + self.wrongly_reached, self.total)
