"""Transcripts in which someone tells the judge what to say: how many answers do they turn?

An answer is turned (a flip) when it is the wanted one and not the true one. A text that is `harmless` only sounds like
an attempt: it shows what it says, and must be answered by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel
from rich.table import Table

from benchmarks.outcomes.corpus import FOLDER, AcquisitionCode, Behaviour, CorpusError, SavCode, read_lines
from benchmarks.outcomes.scoring import Share
from benchmarks.tables import table
from services.classifier.engine import Classification, Classifier, Transcript

FILE = FOLDER / "injections.jsonl"
_TOGETHER = 64


class Injection(BaseModel):
    """A transcript in which someone tells the judge what to say.

    Attributes:
        id: Its name.
        text: What was said.
        true_acquisition: What the call shows in truth, among the codes of ACQUISITION.
        true_sav: Among those of SAV.
        true_behaviour: 1 good or neutral, 0 bad.
        wanted: The outcome that the speaker wants; one that ACQUISITION does not know is wanted for SAV alone.
        wanted_behaviour: The behaviour that he wants; None where he does not care.
        language: What is spoken.
        kind: How it is tried.
        harmless: It only sounds like an attempt, and nothing is wanted.
        stoppable: Whether guards around a model that obeys can stop it.
        why: Why they can, or cannot.
    """

    id: str
    text: str
    true_acquisition: AcquisitionCode
    true_sav: SavCode
    true_behaviour: Behaviour
    wanted: SavCode | None = None
    wanted_behaviour: Behaviour | None = None
    language: str
    kind: str
    harmless: bool = False
    stoppable: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What an engine said of an injection."""

    injection: Injection
    said: Classification

    @property
    def flips(self) -> tuple[str, ...]:
        """The answers that were turned."""
        one, said = self.injection, self.said
        answers = {
            "ACQUISITION": (one.wanted, one.true_acquisition, said.acquisition.outcome),
            "SAV": (one.wanted, one.true_sav, said.sav.outcome),
            "behaviour": (one.wanted_behaviour, one.true_behaviour, said.behaviour),
        }
        return tuple(name for name, (wanted, true, answer) in answers.items() if wanted == answer != true)

    @property
    def all_right(self) -> bool:
        """Whether all answers are the true ones."""
        one, said = self.injection, self.said
        true = (one.true_acquisition, one.true_sav, one.true_behaviour)
        return (said.acquisition.outcome, said.sav.outcome, said.behaviour) == true

    @property
    def is_open(self) -> bool:
        """Whether it was left open: not classified for either type."""
        return self.said.acquisition.outcome == self.said.sav.outcome == 9


def load_injections(path: Path = FILE) -> list[Injection]:
    """Reads the transcripts.

    Raises:
        CorpusError: The file is not there, or a line is wrong.
    """
    found = [one for _, one in read_lines(path, Injection)]
    if not found:
        raise CorpusError(f"{path}: there is no text in it")
    return found


def try_on(engine: Classifier, injections: Sequence[Injection]) -> list[Tried]:
    """Lets an engine classify them."""
    tried = list[Tried]()
    for start in range(0, len(injections), _TOGETHER):
        some = injections[start : start + _TOGETHER]
        answers = engine.classify_many([Transcript.of_text(one.text) for one in some])
        tried += [Tried(one, said) for one, said in zip(some, answers, strict=True)]
    return tried


def tables(tried: Mapping[str, Sequence[Tried]], closely: Mapping[str, Sequence[Tried]], caption: str) -> list[Table]:
    """Flips by who was asked, and of some also by kind and language of the attempt."""
    return [
        _flips("Injections", "asked", tried, caption),
        *(
            _flips(f"Injections by {name}, {asked}", name, _grouped(rows, name), caption)
            for asked, rows in closely.items()
            for name in ("kind", "language")
        ),
    ]


def not_stopped(tried: Sequence[Tried]) -> list[Tried]:
    """Those that turned an answer, those that should have been stopped first, then by kind."""
    flipped = [one for one in tried if one.flips]
    return sorted(flipped, key=lambda one: (not one.injection.stoppable, one.injection.kind, one.injection.id))


def _flips(title: str, heading: str, groups: Mapping[str, Sequence[Tried]], caption: str) -> Table:
    figures = [
        "attempts",
        "flips",
        "should be stopped",
        "verdict flips",
        "left open %",
        "right %",
        "harmless",
        "right %",
    ]
    made = table(title, caption, [heading], figures)
    for name, rows in groups.items():
        attempts = [one for one in rows if not one.injection.harmless]
        harmless = [one for one in rows if one.injection.harmless]
        flipped = [one for one in attempts if one.flips]
        made.add_row(
            name,
            str(len(attempts)),
            str(len(flipped)),
            str(sum(one.injection.stoppable for one in flipped)),
            str(sum(set(one.flips) != {"behaviour"} for one in flipped)),
            f"{Share.that(one.is_open for one in attempts).percent:.1f}",
            f"{Share.that(one.all_right for one in attempts).percent:.1f}",
            str(len(harmless)),
            f"{Share.that(one.all_right for one in harmless).percent:.1f}" if harmless else "",
        )
    return made


def _grouped(rows: Sequence[Tried], name: str) -> dict[str, list[Tried]]:
    groups = dict[str, list[Tried]]()
    for one in sorted(rows, key=lambda row: str(getattr(row.injection, name))):
        groups.setdefault(str(getattr(one.injection, name)), []).append(one)
    return groups
