"""Our own limits: so many requests and so many tokens a minute, before a server has to refuse any.

Each is a bucket that fills evenly and holds a few seconds' worth, so that over any minute at most a few hundredths more
than the limit go through. What a request will cost is only known afterwards; servers reserve `max_tokens` up front, and
so do we: an estimate of the input and the whole of the output are taken, and what was not used is given back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ringtrue.errors import Away
from services.classifier.models.metrics import LIMITED
from services.classifier.models.port import NoAnswer, Request

#: What a bucket holds, in seconds of its limit.
_BURST_S: Final = 2.0
#: Longer waits are the worker's, which keeps its partitions meanwhile.
_PATIENCE_S: Final = 30.0
#: Of UTF-8, for a token: a little less than both French and Arabic have in the tokenizers of today's models.
_BYTES_PER_TOKEN: Final = 3


@dataclass(slots=True)
class _Bucket:
    """What may be used now, of a limit a minute. What is more than it holds goes through when it is full."""

    per_minute: float
    full: float
    has: float
    at: float

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until the amount is there."""
        self.has = min(self.full, self.has + (now - self.at) * self.per_minute / 60)
        self.at = now
        return max(0.0, (min(amount, self.full) - self.has) * 60 / self.per_minute)


@dataclass(slots=True)
class Reservation:
    """Tokens that were taken for a request."""

    tokens: float
    used: float | None = None

    def settle(self, used: int) -> None:
        """Says how many of them count against the limit."""
        self.used = used


class Limits:
    """Used by several threads at once; those that wait go in the order in which they came.

    Args:
        requests_per_minute: 0 for no limit.
        tokens_per_minute: Of input and output together; 0 for no limit.
        patience_s: Who would have to wait longer does not begin to.
        clock: Seconds, never backwards.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        requests_per_minute: int = 0,
        tokens_per_minute: int = 0,
        *,
        patience_s: float = _PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._requests = _bucket(requests_per_minute, clock())
        self._tokens = _bucket(tokens_per_minute, clock())
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()

    @contextmanager
    def reserved(self, tokens: int) -> Iterator[Reservation]:
        """Waits until a request of so many tokens may go. What it did not use is given back at the end.

        Raises:
            Away: That would take longer than our patience.
        """
        waits_s = self._take(tokens)
        if waits_s:
            LIMITED.inc(waits_s)
            self._sleep(waits_s)
        reservation = Reservation(tokens)
        try:
            yield reservation
        except NoAnswer:
            self._give_back(reservation, by_default=reservation.tokens)  # it was answered, only not to our liking
            raise
        except BaseException:
            self._give_back(reservation, by_default=0)
            raise
        self._give_back(reservation, by_default=reservation.tokens)

    def _take(self, tokens: float) -> float:
        """Takes a request and its tokens out of what there will be; seconds until there is."""
        with self._lock:
            now = self._clock()
            wanted = [(self._requests, 1.0), (self._tokens, tokens)]
            waits_s = max(bucket.wait_s(amount, now) if bucket else 0.0 for bucket, amount in wanted)
            if waits_s > self._patience_s:
                raise Away(
                    f"our own limits are reached: the next request may go in {waits_s:.0f} s "
                    "(RINGTRUE_CLASSIFIER__REQUESTS_PER_MINUTE, RINGTRUE_CLASSIFIER__TOKENS_PER_MINUTE)"
                )
            for bucket, amount in wanted:
                if bucket:
                    bucket.has -= amount
        return waits_s

    def _give_back(self, reservation: Reservation, by_default: float) -> None:
        used = by_default if reservation.used is None else reservation.used
        with self._lock:
            if self._tokens:
                self._tokens.has += reservation.tokens - used


def estimate(request: Request) -> int:
    """How many tokens a request may cost, its answer included; rather too many than too few."""
    texts = [request.system, request.user, *(text for example in request.examples for text in example)]
    return sum(len(text.encode()) for text in texts) // _BYTES_PER_TOKEN + request.max_tokens


def _bucket(per_minute: float, now: float) -> _Bucket | None:
    full = max(1.0, per_minute * _BURST_S / 60)
    return _Bucket(per_minute, full, full, now) if per_minute else None
