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

from ringtrue.errors import Away
from ringtrue.times import now_ms
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import NOT_CLASSIFIED, Classification, Transcript
from services.classifier.metrics import ANSWERS
from services.classifier.models.asking import Asked, Asking, Had
from services.classifier.models.budget import Budget, Prices
from services.classifier.models.cache import Cache, key_of
from services.classifier.models.document import make_document
from services.classifier.models.guards import Guards
from services.classifier.models.outage import Outage
from services.classifier.models.port import ChatModel, Request
from services.classifier.models.prompt import DEFAULT_PROMPTS, Prompts
from services.classifier.models.shortening import shown_words
from services.classifier.models.store import Store
from services.classifier.reading import read

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
        self._options = options
        self._prompts = Prompts(options.prompts, language=options.language, plain=options.plain)
        self._lexical = EmbeddedEngine()
        self._guards = Guards(self._lexical, overruled=options.overrules_lexicon)
        self._store = Store(file)
        cache = Cache(self._store, options.cache_entries, clock)
        budget = Budget(self._store, options.prices, zone, clock)
        self._asking = Asking(model, open_model, cache=cache, budget=budget, clock=clock)
        self._outage = Outage(self._store, options.give_up_after_s, clock)
        shown = f"{options.max_words} {options.redact}"
        self._rules = key_of(self._prompts.version, self._guards.version, shown).hex()[:12]
        self.version = f"{model} {self._rules}"
        self._threads: ThreadPoolExecutor | None = None
        self._unfinished: dict[bytes, Had] = {}

    def start(self) -> None:
        """See `AsksOutside`. Where calls do not wait for ever, neither does the start."""
        away = self._opened()
        if away is not None and not self._options.give_up_after_s:
            raise away

    def close(self) -> None:
        """See `AsksOutside`."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._asking.close()
        self._threads = None
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
        if asked is None:
            return True  # the lexicon answers it
        # Who else asks the same model may have ended the outage; and one that refuses this call is there, too.
        _, away = self._answers({asked.key: asked}, unopened)
        return away is None

    def _opened(self) -> Away | None:
        """Makes the model ready; why it cannot be now."""
        try:
            self._asking.open(self._prompts.canned())
        except Away as error:
            self._outage.goes_on()
            return error
        self.version = f"{self._asking.model} {self._rules}"
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="model")
        return None

    def _asked(self, transcript: Transcript) -> Asked | None:
        """What to ask about a call; None for one of a few words, which the lexicon answers."""
        words = transcript.words
        reading = read(transcript, self._lexical.lexicon)
        if reading.different <= self._lexical.lexicon.few_words:
            return None
        kept = shown_words(words, reading, self._options.max_words)
        document = make_document(words, kept, redact=self._options.redact)
        prompt = self._prompts.of([words[place] for place in kept])
        return Asked(document, prompt, key_of(document.text, prompt.version, self.name, self._asking.model))

    def _answers(self, asked: Mapping[bytes, Asked], unopened: Away | None) -> tuple[dict[bytes, Had], Away | None]:
        """What is known, and what the model says of the rest; and why the rest of that has no answer."""
        had = self._asking.known(asked)
        had |= {key: one for key, one in self._unfinished.items() if key in asked}
        rest = [one for key, one in asked.items() if key not in had]
        away = unopened if unopened is not None and rest else self._ask_side_by_side(rest, had)
        if any(one.source == "model" for one in had.values()) or (rest and away is None):
            self._outage.ended()
        if away is not None:
            self._outage.goes_on()
        # A small cache may not hold a batch; what was had of one that is begun again is not paid again.
        self._unfinished = {} if away is None else had
        return had, away

    def _ask_side_by_side(self, asked: Sequence[Asked], had: dict[bytes, Had]) -> Away | None:
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

    def _ask_unless(self, stop: threading.Event, asked: Asked) -> Had | None:
        if stop.is_set():
            return None
        try:
            return self._asking.ask(asked)
        except BaseException:
            stop.set()
            raise

    def _classification(self, transcript: Transcript, asked: Asked | None, had: Mapping[bytes, Had]) -> Classification:
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
