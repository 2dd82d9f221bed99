"""`ringtrue classify`: texts in, outcomes with cited words out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import typer
from pydantic import ValidationError
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ringtrue.cli.app import NEEDS_A_LOOK
from ringtrue.console import news, output
from ringtrue.errors import WrongUse
from ringtrue.messages import Shown, Span
from ringtrue.outcomes import BAD, GOOD, label
from ringtrue.results.printing import harmless
from ringtrue.settings import ClassifierSettings, Settings
from services.classifier.documents import answer_for, document
from services.classifier.engine import NOT_CLASSIFIED, AsksOutside, Classification, Classifier
from services.classifier.engines import load_engine
from services.classifier.inputs import Input, read_inputs

#: Texts that an engine is given at once; one by one where a person types them.
_TOGETHER = 64
_BEHAVIOURS = {BAD: "rude or aggressive", GOOD: "good or neutral"}


class Classifying:
    """Classifies texts, and prints what comes of it.

    Args:
        settings: The engine's, and the language of labels.
        engine: Another engine than theirs; empty for theirs.
        kinds: The types of order to show the answers for, the one that counts first.

    Raises:
        Misconfigured: The engine cannot be used.
    """

    def __init__(self, settings: Settings, *, engine: str, kinds: Sequence[str]) -> None:
        self._language = settings.language
        self._kinds = kinds
        self._engine = open_engine(settings, engine)

    def run(self, given: Sequence[str], *, as_lines: bool) -> int:
        """Classifies and prints what the arguments stand for; the exit code."""
        try:
            return NEEDS_A_LOOK if self._run(given, as_lines=as_lines) else 0
        finally:
            if isinstance(self._engine, AsksOutside):
                self._engine.close()

    def _run(self, given: Sequence[str], *, as_lines: bool) -> bool:
        """Whether something could not be used."""
        stdin = sys.stdin.buffer
        needs_a_look = False
        for some in _batches(read_inputs(given, stdin), 1 if sys.stdin.isatty() else _TOGETHER):
            for one, classification in zip(some, self._classified(some), strict=True):
                needs_a_look |= bool(one.problem)
                if as_lines:
                    self._print_line(one, classification)
                else:
                    self._print(one, classification)
        return needs_a_look

    def _classified(self, inputs: Sequence[Input]) -> Iterator[Classification]:
        answers = iter(self._engine.classify_many([one.transcript for one in inputs if one.transcript is not None]))
        return (NOT_CLASSIFIED if one.transcript is None else next(answers) for one in inputs)

    def _print_line(self, one: Input, classification: Classification) -> None:
        words = one.transcript.words if one.transcript else ()
        made = document(
            classification, words, kind=self._kinds[0], engine=self._engine.name, language=self._language
        ) | ({"error": one.problem} if one.problem else {})
        typer.echo(json.dumps(made, ensure_ascii=False))

    def _print(self, one: Input, classification: Classification) -> None:
        if one.problem:
            problem = f"{one.name}: {one.problem}" if one.name else one.problem
            news().print(Text(harmless(problem), style="red"), soft_wrap=True)
        if one.transcript is None:
            return
        console = output()
        if one.name:
            console.print(Text(harmless(f"{one.name}:")), soft_wrap=True)
        console.print(self._table(classification))

    def _table(self, classification: Classification) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for kind in self._kinds:
            answer = answer_for(classification, kind)
            name = f"{answer.outcome} {label(answer.outcome, self._language)}"
            cited = Text("\n").join(_quoted(span) for span in answer.cited)
            table.add_row(kind, name, f"confidence {answer.score:.2f}", cited)
        table.add_row("behaviour", f"{classification.behaviour} {_BEHAVIOURS.get(classification.behaviour, 'unknown')}")
        for name, value, span in _facts(classification.shown or Shown()):
            table.add_row(name, value, "", _quoted(span) if span else "")
        return table


def open_engine(settings: Settings, engine: str = "") -> Classifier:
    """The engine of the settings, or another one with the same settings.

    Raises:
        Misconfigured: There is no such engine, or it cannot be used.
    """
    wanted = settings.classifier
    if engine:
        try:
            wanted = ClassifierSettings.model_validate(wanted.model_dump() | {"engine": engine})
        except ValidationError as error:
            raise WrongUse(f"--engine {engine}: {error.errors()[0]['msg']}") from error
    return load_engine(wanted, data_dir=settings.data_dir, zone=settings.zone)


def _batches(inputs: Iterable[Input], size: int) -> Iterator[list[Input]]:
    rest = iter(inputs)
    while some := list(islice(rest, size)):
        yield some


def _facts(shown: Shown) -> Iterator[tuple[str, str, Span | None]]:
    """What a call shows beside its outcome: name, value, the words that say so."""
    if shown.reached is not None:
        yield "reached", shown.reached.replace("_", " "), shown.reached_by
    if shown.appointment is not None:
        agreed = {True: "agreed to", False: "not agreed to", None: "unknown whether agreed to"}
        yield "appointment", agreed[shown.appointment_agreed], shown.appointment
    if shown.reason is not None:
        yield "reason", "", shown.reason
    if shown.no_more_calls is not None:
        yield "no more calls", "asked for", shown.no_more_calls
    if shown.language is not None:
        yield "language", shown.language, None


def _quoted(span: Span) -> Text:
    return Text(f'"{harmless(span.text)}"')
