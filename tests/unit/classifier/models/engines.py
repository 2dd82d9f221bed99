"""Engines that ask a scripted model, on one file and a clock that is set by hand."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prometheus_client import REGISTRY

from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import Classification
from services.classifier.models.engine import LanguageModelEngine, Options
from services.classifier.models.port import Request
from tests.unit.classifier.models.scripted import Scripted, answer, words_of

LEXICAL = EmbeddedEngine()
ZONE = ZoneInfo("Africa/Casablanca")
AT_HOME = "oui bonjour monsieur l'immeuble bleu près de la mosquée"


class Clock:
    """UTC milliseconds, set by hand."""

    now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class Engines:
    """Makes engines on one file, one after the other as after restarts."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path = path
        self.clock = Clock()
        self._stack = stack

    def make(
        self, model: Scripted, open_model: Callable[[Request], Scripted] | None = None, **options: Any
    ) -> LanguageModelEngine:
        made = LanguageModelEngine(
            model.name,
            model.model,
            open_model or (lambda _: model),
            Options(**options),
            file=self.path,
            zone=ZONE,
            clock=self.clock,
        )
        self._stack.enter_context(closing(made))
        return made


def about(request: Request) -> str:
    """A right answer to any request: another matter, shown by the first two words."""
    words = words_of(request)
    return answer(" ".join(words), 4, " ".join(words[:2]))


def plain_outcomes(classifications: list[Classification]) -> list[tuple[int, int, int]]:
    return [(one.acquisition.outcome, one.sav.outcome, one.behaviour) for one in classifications]


def texts(count: int) -> list[str]:
    """Different calls that the lexicon does not know."""
    return [f"{AT_HOME} numéro rouge{n} vert{n}" for n in range(count)]


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
