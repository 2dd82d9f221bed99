"""The engine that asks a language model: one request a call, and only for calls that need one.

The way of a call: a few words are the lexicon's to answer. Of others a document is made (`shortening`, `redaction`,
`document`), and an answer that was had before is taken from the `cache`. The rest is asked side by side, as far as the
`budget` allows. What comes back is read (`answer`); what cannot be used is asked for once more, and then the call is
not classified (9/2). What was read goes through the `guards`, each time anew, also when it came from the cache.

While the model is away nothing is answered in its place: the batch is begun again later, and what was had of it is in
the cache by then. Only when the setting `give_up_after_s` says so are calls let go on as not classified, marked as
waiting, so that the worker takes them up again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from ringtrue.errors import Away
from ringtrue.times import now_ms
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import NOT_CLASSIFIED, Classification, Transcript
from services.classifier.metrics import ANSWERS, COMPLETIONS, REFUSED, UNUSABLE_IN_A_ROW
from services.classifier.models.answer import Given, Unusable
from services.classifier.models.breaker import Breaker
from services.classifier.models.budget import Budget, Prices
from services.classifier.models.cache import Cache, Kept, key_of
from services.classifier.models.document import Document, make_document
from services.classifier.models.guards import Guards
from services.classifier.models.hopeless import Hopeless
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
#: Answers of a call that cannot be used, before it is not classified.
_TRIES: Final = 2
#: Calls that are taken at once, by how often each thread asks: nobody shall take the worker for stuck meanwhile.
_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class Options:
    """How models are asked.

    Attributes:
        language: Of the prompt: `auto`, or the name of a file in `prompts`.
        prompts: The folder of the prompts.
        plain: Asks for two digits instead of a JSON object.
        max_words: Longer calls are shortened to so many words.
        redact: Masks long numbers and e-mail addresses.
        overrules_lexicon: The model may deny what the lexicon is sure of, except whether anyone was reached.
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
    overrules_lexicon: bool = False
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


@dataclass(frozen=True, slots=True)
class _Had:
    """An answer that can be used, or that there is none; from where, and which model gave it."""

    given: Given | None
    source: str
    model: str


class LanguageModelEngine:
    """See `Classifier` and `AsksOutside`.

    Args:
        name: Of the transport, which is the engine's name in settings and messages.
        model: The model that is asked for.
        open_model: Makes the transport ready; takes a request that is known to be good.
        options: How it is asked.
        file: Where answers and spending are kept.
        zone: The operator's, in which the days of the budget are.
        clock: UTC milliseconds.

    Raises:
        Away: The file cannot be used now.
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
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.name = name
        self.together = _ROUNDS * options.concurrency
        self._named = model
        self._open_model = open_model
        self._options = options
        self._prompts = Prompts(options.prompts, language=options.language, plain=options.plain)
        self._lexical = EmbeddedEngine()
        self._guards = Guards(self._lexical, overruled=options.overrules_lexicon)
        self._store = Store(file)
        self._cache = Cache(self._store, options.cache_entries, clock)
        self._budget = Budget(self._store, options.prices, zone, clock)
        self._outage = Outage(self._store, options.give_up_after_s, clock)
        self._hopeless = Hopeless(_TRIES, clock)
        self._unreached = Breaker(_FAILURES, _FAILURES_PAUSE_S, lambda: clock() / 1000, name="unreached")
        self._unusable = Breaker(_UNUSABLE, _UNUSABLE_PAUSE_S, lambda: clock() / 1000, name="unusable")
        shown = f"{options.max_words} {options.redact}"
        self._rules = key_of(self._prompts.version, self._guards.version, shown).hex()[:12]
        self.version = f"{model} {self._rules}"
        self._model: ChatModel | None = None
        self._threads: ThreadPoolExecutor | None = None

    @property
    def _model_name(self) -> str:
        return self._model.model if self._model else self._named

    def start(self) -> None:
        """See `AsksOutside`. Where calls do not wait for ever, neither does the start."""
        away = self._opened()
        if away is not None and not self._options.give_up_after_s:
            raise away

    def close(self) -> None:
        """See `AsksOutside`."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._model is not None:
            self._model.close()
        self._threads, self._model = None, None
        self._store.close()

    def classify_many(self, transcripts: Sequence[Transcript]) -> list[Classification]:
        """See `Classifier.classify_many`.

        Raises:
            Away: The model cannot be asked now, or not within the budget.
            Misconfigured: The model does not take what it is asked any more.
        """
        unopened = self._opened()
        asked = [self._asked(transcript) for transcript in transcripts]
        had, away = self._answers({one.key: one for one in asked if one is not None}, unopened)
        if away is not None and not self._outage.is_too_long:
            raise away
        return [self._classification(*pair, had) for pair in zip(transcripts, asked, strict=True)]

    def is_back(self, transcript: Transcript) -> bool:
        """See `AsksOutside`."""
        if not self._outage.lasts:
            return True
        unopened = self._opened()
        asked = self._asked(transcript)
        if asked is not None:
            self._answers({asked.key: asked}, unopened)
        return not self._outage.lasts

    def _opened(self) -> Away | None:
        """Makes the model ready; why it cannot be now."""
        if self._model is None:
            try:
                self._unreached.check()
                self._model = self._open_model(self._prompts.canned())
            except Away as error:
                self._unreached.failed(str(error))
                self._outage.goes_on()
                return error
            self._unreached.succeeded()
            self.version = f"{self._model.model} {self._rules}"
            self._threads = ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="model")
        return None

    def _asked(self, transcript: Transcript) -> _Asked | None:
        """What to ask about a call; None for one of a few words, which the lexicon answers."""
        words = transcript.words
        reading = read(transcript, self._lexical.lexicon)
        if reading.different <= self._lexical.lexicon.few_words:
            return None
        kept = shown_words(words, reading, self._options.max_words)
        document = make_document(words, kept, redact=self._options.redact)
        prompt = self._prompts.of([words[place] for place in kept])
        return _Asked(document, prompt, key_of(document.text, prompt.version, self.name, self._model_name))

    def _answers(self, asked: Mapping[bytes, _Asked], unopened: Away | None) -> tuple[dict[bytes, _Had], Away | None]:
        """What is known, and what the model says of the rest; and why the rest of that has no answer."""
        had = dict[bytes, _Had]()
        for key, kept in self._cache.get(asked).items():
            try:
                had[key] = _Had(asked[key].prompt.read(kept.text, asked[key].document), "cache", kept.model)
            except Unusable:
                _log.warning("an answer in the cache cannot be read any more", engine=self.name)
        had |= {key: self._none for key in asked if key not in had and self._hopeless.holds(key)}
        rest = [one for key, one in asked.items() if key not in had]
        away = unopened if unopened is not None and rest else self._ask_side_by_side(rest, had)
        if any(one.source == "model" for one in had.values()):
            self._outage.ended()
        if away is not None:
            self._outage.goes_on()
        return had, away

    def _ask_side_by_side(self, asked: Sequence[_Asked], had: dict[bytes, _Had]) -> Away | None:
        """Asks until all have answers, or one cannot have any now; what others had by then stays."""
        if not asked or self._threads is None:
            return None
        stop = threading.Event()
        futures = {self._threads.submit(self._ask_unless, stop, one): one.key for one in asked}
        failures = list[BaseException]()
        for future in as_completed(futures):
            if (failure := future.exception()) is not None:
                failures.append(failure)
            elif (one := future.result()) is not None:
                had[futures[future]] = one
        # What is more than an outage ends the process; an outage is only told when there is nothing else.
        for failure in failures:
            if not isinstance(failure, Away):
                raise failure
        return next((failure for failure in failures if isinstance(failure, Away)), None)

    def _ask_unless(self, stop: threading.Event, asked: _Asked) -> _Had | None:
        if stop.is_set():
            return None
        try:
            return self._ask(asked)
        except BaseException:
            stop.set()
            raise

    def _ask(self, asked: _Asked) -> _Had:
        """Asks about one call, again when the answer cannot be used."""
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
                return _Had(given, "model", completion.model)
        return self._none

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

    @property
    def _none(self) -> _Had:
        return _Had(None, "none", self._model_name)

    def _classification(
        self, transcript: Transcript, asked: _Asked | None, had: Mapping[bytes, _Had]
    ) -> Classification:
        if asked is None:
            ANSWERS.labels("lexicon").inc()
            return self._lexical.classify(transcript)
        one = had.get(asked.key)
        ANSWERS.labels(one.source if one else "given up").inc()
        believed = self._guards.judged(one.given, asked.document) if one and one.given else NOT_CLASSIFIED
        return replace(
            believed,
            model=one.model if one else "",
            prompt=asked.prompt.version,
            shortened=asked.document.shortened,
            waits=one is None,
        )
