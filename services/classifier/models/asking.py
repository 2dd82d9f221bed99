"""Asks a model about one call: within the budget, past the breakers, again when the answer cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from ringtrue.errors import Away
from services.classifier.metrics import COMPLETIONS, REFUSED, UNUSABLE_IN_A_ROW
from services.classifier.models.answer import Given, Unusable
from services.classifier.models.breaker import Breaker
from services.classifier.models.budget import Budget
from services.classifier.models.cache import Cache, Kept
from services.classifier.models.document import Document
from services.classifier.models.hopeless import Hopeless
from services.classifier.models.port import ChatModel, Completion, NoAnswer, Request
from services.classifier.models.prompt import Prompt

_log = structlog.get_logger()

#: So many unusable answers in a row open a breaker: the model is not fit, or someone has changed it.
_UNUSABLE, _UNUSABLE_PAUSE_S = 20, 300.0
#: So many requests in a row that did not reach the model open the other one; then it is tried once a pause.
_FAILURES, _FAILURES_PAUSE_S = 5, 30.0
#: Answers of a call that cannot be used, before it is not classified.
_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that a model is asked about."""

    document: Document
    prompt: Prompt
    key: bytes


@dataclass(frozen=True, slots=True)
class Had:
    """An answer that can be used, or that there is none; from where, and which model gave it."""

    given: Given | None
    source: str
    model: str


class Asking:
    """`ask` is used by several threads at once, the rest by one.

    Args:
        model: The model that is asked for.
        open_model: Makes the transport ready; takes a request that is known to be good.
        cache: Where answers are kept.
        budget: What they may cost.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        model: str,
        open_model: Callable[[Request], ChatModel],
        *,
        cache: Cache,
        budget: Budget,
        clock: Callable[[], int],
    ) -> None:
        self._named = model
        self._open_model = open_model
        self._cache = cache
        self._budget = budget
        self._hopeless = Hopeless(_TRIES, clock)
        self._unreached = Breaker(_FAILURES, _FAILURES_PAUSE_S, lambda: clock() / 1000, name="unreached")
        self._unusable = Breaker(_UNUSABLE, _UNUSABLE_PAUSE_S, lambda: clock() / 1000, name="unusable")
        self._model: ChatModel | None = None

    @property
    def model(self) -> str:
        """The model, once it is open as it names itself."""
        return self._model.model if self._model is not None else self._named

    def open(self, canned: Request) -> None:
        """Makes the model ready, unless it is.

        Raises:
            Away: It cannot be reached now.
            Misconfigured: A setting is at fault.
        """
        if self._model is not None:
            return
        self._unreached.check()
        try:
            self._model = self._open_model(canned)
        except Away as error:
            self._unreached.failed(str(error))
            raise
        self._unreached.succeeded()

    def close(self) -> None:
        """Lets go of the model."""
        if self._model is not None:
            self._model.close()
        self._model = None

    def known(self, asked: Mapping[bytes, Asked]) -> dict[bytes, Had]:
        """What was answered before, and what it makes no sense to ask now."""
        had = dict[bytes, Had]()
        for key, kept in self._cache.get(asked).items():
            try:
                given = asked[key].prompt.read(kept.text, asked[key].document, was_kept=True)
                had[key] = Had(given, "cache", kept.model)
            except Unusable:
                _log.warning("an answer in the cache cannot be read any more", model=kept.model)
        none = Had(None, "none", self.model)
        return had | {key: none for key in asked if key not in had and self._hopeless.holds(key)}

    def ask(self, asked: Asked) -> Had:
        """Asks about a call.

        Raises:
            Away: The model cannot be asked now, or not within the budget.
            Misconfigured: The model does not take what it is asked any more.
        """
        why = ""
        while not self._hopeless.holds(asked.key):
            try:
                completion = self._completion(asked.prompt.request(asked.document, unusable=why))
                given = asked.prompt.read(completion.text, asked.document)
            except NoAnswer as none:
                # The transport has tried again what may be.
                self._hopeless.give_up(asked.key)
                self._refused("no completion", none.reason)
            except Unusable as problem:
                self._hopeless.tried(asked.key)
                self._refused(problem.reason, problem.reason)
                why = problem.reason
            else:
                self._unusable.succeeded()
                UNUSABLE_IN_A_ROW.set(0)
                self._hopeless.forget(asked.key)
                self._cache.put(asked.key, Kept(asked.prompt.kept(completion.text), completion.model))
                return Had(given, "model", completion.model)
        return Had(None, "none", self.model)

    def _completion(self, request: Request) -> Completion:
        if self._model is None:
            raise RuntimeError("no model is open")
        with self._budget.reserved(request) as bill:
            self._unusable.check()
            self._unreached.check()
            try:
                completion = self._model.complete(request)
            except NoAnswer:
                COMPLETIONS.labels("none").inc()
                self._unreached.succeeded()
                raise
            except Away as error:
                COMPLETIONS.labels("away").inc()
                self._unreached.failed(str(error))
                raise
            COMPLETIONS.labels("complete").inc()
            self._unreached.succeeded()
            bill.settle(completion.input_tokens, completion.output_tokens)
            return completion

    def _refused(self, why: str, reason: str) -> None:
        REFUSED.labels(why).inc()
        UNUSABLE_IN_A_ROW.inc()
        self._unusable.failed(f"its answer cannot be used: {reason}")
