"""The cascade: the embedded engine answers, and only what it does not know well is asked of a language model."""

from __future__ import annotations

from collections.abc import Sequence

from ringtrue.outcomes import Outcome
from services.classifier.engine import AsksOutside, Classification, Classifier, Transcript
from services.classifier.metrics import CASCADE

#: Calls at once for an engine that has no limit of its own.
_TOGETHER = 64


class CascadeEngine:
    """Two engines, one behind the other.

    The second one's answer counts where it is asked, also when it is that the call waits for its model. How many were
    asked is a metric; the others are what was saved.

    Args:
        first: Answers every call.
        second: Answers those of which the first is not sure.
        margin: The score, 0 to 1, from which on an answer of the first is sure.
    """

    name = "cascade"

    def __init__(self, first: Classifier, second: Classifier, margin: float) -> None:
        self._first = first
        self._second = second
        self._margin = margin
        self._outside = second if isinstance(second, AsksOutside) else None
        self.version = f"{first.version}+{second.name} {second.version}"

    @property
    def together(self) -> int:
        """See `AsksOutside`."""
        return self._outside.together if self._outside else _TOGETHER

    def start(self) -> None:
        """See `AsksOutside.start`."""
        if self._outside:
            self._outside.start()

    def is_back(self, transcript: Transcript) -> bool:
        """See `AsksOutside.is_back`."""
        return self._outside is None or self._outside.is_back(transcript)

    def close(self) -> None:
        """See `AsksOutside.close`."""
        if self._outside:
            self._outside.close()

    def classify_many(self, transcripts: Sequence[Transcript]) -> list[Classification]:
        """See `Classifier.classify_many`."""
        answers = self._first.classify_many(transcripts)
        unsure = [place for place, answer in enumerate(answers) if self._is_unsure(answer)]
        CASCADE.labels("embedded").inc(len(answers) - len(unsure))
        CASCADE.labels("asked").inc(len(unsure))
        if unsure:
            asked = self._second.classify_many([transcripts[place] for place in unsure])
            for place, answer in zip(unsure, asked, strict=True):
                answers[place] = answer
        return answers

    def _is_unsure(self, answer: Classification) -> bool:
        return any(
            one.outcome == Outcome.NOT_CLASSIFIED or one.score < self._margin
            for one in (answer.acquisition, answer.sav)
        )
