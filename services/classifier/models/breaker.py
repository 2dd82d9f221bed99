"""A breaker: a model that failed too often in a row is left alone for a while, then tried with a single request.

While it is open, whoever asks is told `Away` at once: the worker keeps its partitions and goes on polling, and the
server is not stormed. When one request got through, everything goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from ringtrue.errors import Away
from services.classifier.models.metrics import BREAKER_OPEN

_log = structlog.get_logger()


class Breaker:
    """Used by several threads at once: `check` before each request, then `succeeded` or `failed`.

    Args:
        failures: So many in a row open it.
        pause_s: For so long nothing is asked; then one request, and if that fails, another pause.
        clock: Seconds.
        name: Its name in metrics.
    """

    def __init__(
        self, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic, *, name: str = "model"
    ) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._reason = ""
        self._next_try_at: float | None = None  # while open
        self._gauge = BREAKER_OPEN.labels(name)
        self._gauge.set(0)

    @property
    def open(self) -> bool:
        """Whether the model is left alone."""
        return self._next_try_at is not None

    def check(self) -> None:
        """Lets a request through, or not.

        Raises:
            Away: The model is left alone for now.
        """
        with self._lock:
            if self._next_try_at is None:
                return
            now = self._clock()
            # A clock that was set back makes nobody wait for longer than a pause.
            self._next_try_at = min(self._next_try_at, now + self._pause_s)
            if now < self._next_try_at:
                raise Away(
                    f"the model failed {self._failures} times in a row, the last time because {self._reason}; "
                    f"it is asked again in {self._next_try_at - now:.0f} s"
                )
            # This one may try. Should nobody hear of it again, the next one may after another pause.
            self._next_try_at = now + self._pause_s

    def succeeded(self) -> None:
        """The model answered."""
        with self._lock:
            was_open, self._next_try_at, self._failures = self._next_try_at is not None, None, 0
            self._gauge.set(0)
        if was_open:
            _log.info("the model answers again")

    def failed(self, reason: str) -> None:
        """The model did not answer, or answered nonsense.

        Args:
            reason: What happened, without anything of the request; it goes to the log.
        """
        with self._lock:
            self._failures += 1
            self._reason = reason
            opens = self._next_try_at is None and self._failures >= self._most
            if opens:
                self._next_try_at = self._clock() + self._pause_s
                self._gauge.set(1)
        if opens:
            _log.error("the model is left alone", failures=self._most, reason=reason, pause_s=self._pause_s)
