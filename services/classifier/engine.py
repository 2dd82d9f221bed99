"""The port of the classifier engines: what a call shows, for both types of order at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ringtrue.messages import Answer, Shown, Word
from ringtrue.outcomes import BEHAVIOUR_NOT_CLASSIFIED, Outcome


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a call: words with times, by start, the channels mixed."""

    words: tuple[Word, ...]

    @classmethod
    def of_text(cls, text: str) -> Transcript:
        """A text without times, as one channel: word n stands from n to n + 1 ms, by which it is found again."""
        return cls(
            tuple(
                Word(text=word, start_ms=place, end_ms=place + 1, confidence=1.0, channel=0)
                for place, word in enumerate(text.split())
            )
        )


@dataclass(frozen=True, slots=True)
class Classification:
    """The outcome among the codes of each order type, how the technician behaved, and what else the call shows.

    Attributes:
        acquisition: Among the codes of ACQUISITION.
        sav: Among those of SAV.
        behaviour: 1 good or neutral, 0 bad, 2 not classified.
        shown: None when the engine does not say.
        model: The model that answered; empty where none was asked.
        prompt: Version and hash of the prompt that it was asked with; empty where none was asked.
        shortened: The model was shown a part of the transcript only; None where none was asked.
        waits: No model could be asked for too long; the call is to be classified again when one can.
    """

    acquisition: Answer
    sav: Answer
    behaviour: int
    shown: Shown | None = None
    model: str = ""
    prompt: str = ""
    shortened: bool | None = None
    waits: bool = False


class Classifier(Protocol):
    """An engine that says what a call shows."""

    #: Its name in settings and messages.
    name: str
    #: What it answers from (lexicon, prompt, model): changes whenever its answers may.
    version: str

    def classify_many(self, transcripts: Sequence[Transcript]) -> list[Classification]:
        """One classification per transcript, in their order."""
        ...


@runtime_checkable
class AsksOutside(Protocol):
    """What an engine has beside, when it asks something outside of this process, which may be away."""

    #: Calls that it should be given at once, at most.
    together: int

    def start(self) -> None:
        """Makes ready what it asks; otherwise the first call does.

        Raises:
            Away: It cannot be reached now.
            Misconfigured: A setting is at fault.
        """
        ...

    def is_back(self, transcript: Transcript) -> bool:
        """Whether calls that it let go on can be classified now; if need be it tries with this one."""
        ...

    def close(self) -> None:
        """Lets go of what it asks."""
        ...


_NO_ANSWER = Answer(outcome=int(Outcome.NOT_CLASSIFIED), score=0.0, cited=())

#: For a call that there is nothing to classify of, because an earlier stage failed.
NOT_CLASSIFIED = Classification(acquisition=_NO_ANSWER, sav=_NO_ANSWER, behaviour=BEHAVIOUR_NOT_CLASSIFIED)
