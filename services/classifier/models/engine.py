"""The engine that asks a language model: one request a call, and only for calls that need one.

The way of a call: a few words are the lexicon's to answer. Of others a document is made (`shortening`, `redaction`,
`document`), and an answer that was had before is taken from the `cache`. The rest is asked side by side, as far as the
`budget` allows. What comes back is read (`answer`); what cannot be used is asked for once more, and then the call is not
classified (9/2). What was read goes through the `guards`, each time anew, also when it came from the cache.

While the model is away nothing is answered in its place: the batch is begun again later, and what was had of it is in
the cache by then. Only when the setting `give_up_after_s` says so are calls let go on as not classified, marked as
waiting, so that the worker takes them up again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from ringtrue.errors import Away
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import NOT_CLASSIFIED, Classification, Transcript
from services.classifier.metrics import ANSWERS, COMPLETIONS, REFUSED, UNUSABLE_IN_A_ROW
from services.classifier.models.answer import Unusable, without_quotes
from services.classifier.models.breaker import Breaker
from services.classifier.models.budget import Budget, Prices
from services.classifier.models.cache import Cache, Kept, key_of
from services.classifier.models.document import Document, make_document
from services.classifier.models.guards import Guards
from services.classifier.models.outage import Outage
from services.classifier.models.port import ChatModel, Completion, NoAnswer, Request
from services.classifier.models.prompt import DEFAULT_PROMPTS, Prompt, Prompts
from services.classifier.models.shortening import shown_words
from services.classifier.models.store import Store
from services.classifier.reading import read

_log = structlog.get_logger()

#: So many unusable answers in a row open a breaker: the model is not fit, or someone has changed it.
_UNUSABLE, _UNUSABLE_PAUSE_S = 20, 300.0
#: So many requests in a row that did not reach the model open the other one; then it is tried once a pause.
_FAILURES, _FAILURES_PAUSE_S = 5, 30.0
#: Tries of a call before it is not classified.
_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class Options:
    """How models are asked.

    Attributes:
        language: Of the prompt: `auto`, or the name of a file in `prompts`.
        prompts: The folder of the prompts.
        plain: Asks for two digits instead of a JSON object.
        max_words: Longer calls are shortened to so many words.
        redact: Masks long numbers and e-mail addresses.
        concurrency: Requests side by side.
        prices: What tokens cost, and the budget of a day.
        cache_entries: Answers that are kept.
        give_up_after_s: When the model has been away for so long, calls go on as not classified; 0 for never.
    """

    language: str = "auto"
    prompts: Path = DEFAULT_PROMPTS
    plain: bool = False
    max_words: int = 600
    redact: bool = True
    concurrency: int = 8
    prices: Prices = field(default_factory=Prices)
    cache_entries: int = 100_000
    give_up_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call that a model is asked about."""

    document: Document
    prompt: Prompt
    key: bytes


class LanguageModelEngine:
    """See `Classifier` and `AsksOutside`.

    Args:
        name: Of the transport, which is the engine's name in settings and messages.
        model: The model that is asked for.
        open_model: Makes the transport ready; takes a request that is known to be good.
        options: How it is asked.
        file: Where answers and spending are kept.
        zone: The operator's, in which the days of the budget are.

    Raises:
        Misconfigured: A prompt is wrong, or there is a budget without prices.
    """

    def __init__(
        self,
        name: str,
        model: str,
        open_model: Callable[[Request], ChatModel],
        options: Options,
        *,
        file: Path,
        zone: ZoneInfo,
    ) -> None:
        self.name = name
        self.together = 2 * options.concurrency
        self._model_name = model
        self._open_model = open_model
        self._options = options
        self._prompts = Prompts(options.prompts, language=options.language, plain=options.plain)
        self._lexical = EmbeddedEngine()
        self._guards = Guards(self._lexical)
        self._store = Store(file)
        self._cache = Cache(self._store, options.cache_entries)
        self._budget = Budget(self._store, options.prices, zone)
        self._outage = Outage(self._store, options.give_up_after_s)
        self._unreached = Breaker(_FAILURES, _FAILURES_PAUSE_S)
        self._unusable = Breaker(_UNUSABLE, _UNUSABLE_PAUSE_S)
        self._in_a_row = 0
        self._lock = threading.Lock()
        self._model: ChatModel | None = None
        self._threads: ThreadPoolExecutor | None = None
        shown = f"{options.max_words} {options.redact}"
        self.version = f"{model} {key_of(self._prompts.version, self._guards.version, shown).hex()[:12]}"

    def start(self) -> None:
        """See `AsksOutside`."""
        if self._model is None:
            self._model = self._open_model(self._prompts.canned())
            self._threads = ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="model")

    def close(self) -> None:
        """See `AsksOutside`."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._model is not None:
            self._model.close()
        self._threads, self._model = None, None
        self._store.close()
