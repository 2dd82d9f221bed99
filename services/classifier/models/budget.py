"""What models may cost in a day: counted in a file, so that a restart begins nothing anew, and held to at each request.

A request is let through when what is spent, what others on their way may cost, and what it may cost itself stay within
the budget. What it may cost is estimated (its bytes, and all the tokens that its answer may have); what it did cost is
what the server counted. A request that ends without a completion does not say what it cost: its estimate counts.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ringtrue.errors import Away, Misconfigured
from ringtrue.times import local_day, local_iso, now_ms, to_utc_ms
from services.classifier.metrics import BUDGET_LEFT, COST, TOKENS
from services.classifier.models.limits import estimate
from services.classifier.models.port import NoAnswer, Request, TooLate
from services.classifier.models.store import Store

_MILLION: Final = 1_000_000
#: Days of which what was spent is kept.
_DAYS_KEPT: Final = 400
_SETTING: Final = "RINGTRUE_CLASSIFIER__"


@dataclass(frozen=True, slots=True)
class Prices:
    """What tokens cost, and what may be spent in a day, in any one currency.

    Attributes:
        input: Of a million tokens of requests.
        output: Of a million tokens of answers.
        per_day: 0 for no budget.
    """

    input: float = 0.0
    output: float = 0.0
    per_day: float = 0.0


@dataclass(slots=True)
class Bill:
    """What a request cost, once its completion is there: tokens."""

    input_tokens: int
    output_tokens: int

    def settle(self, input_tokens: int, output_tokens: int) -> None:
        """Says what the server counted; where it counted nothing, the estimate stays."""
        self.input_tokens = input_tokens or self.input_tokens
        self.output_tokens = output_tokens or self.output_tokens


class Budget:
    """Used by several threads at once; the spending of other processes that share the store counts, too.

    Args:
        store: Where it is counted.
        prices: What tokens cost, and the budget.
        zone: Its days are the operator's.
        clock: UTC milliseconds.

    Raises:
        Misconfigured: There is a budget, but no price.
    """

    def __init__(self, store: Store, prices: Prices, zone: ZoneInfo, clock: Callable[[], int] = now_ms) -> None:
        if prices.per_day and not (prices.input or prices.output):
            raise Misconfigured(
                f"{_SETTING}BUDGET_PER_DAY={prices.per_day:g} says nothing without {_SETTING}PRICE_INPUT and "
                f"{_SETTING}PRICE_OUTPUT, the prices of a million tokens"
            )
        self._store = store
        self._prices = prices
        self._zone = zone
        self._clock = clock
        self._lock = threading.Lock()
        self._on_their_way = 0.0
        BUDGET_LEFT.set(prices.per_day - self.spent() if prices.per_day else float("inf"))

    def spent(self) -> float:
        """What was spent today."""
        day = self._day()

        def look(connection: sqlite3.Connection) -> float:
            row = connection.execute("SELECT cost FROM spent WHERE day = ?", (day,)).fetchone()
            return float(row[0]) if row else 0.0

        return self._store.do(look)

    @contextmanager
    def reserved(self, request: Request) -> Iterator[Bill]:
        """Lets a request through, and counts what it cost.

        Raises:
            Away: The budget of the day does not allow it.
            Misconfigured: The budget of no day would.
        """
        # What comes in is what the estimate has beside the answer.
        bill = Bill(estimate(request) - request.max_tokens, request.max_tokens)
        most = self._cost(bill)
        self._reserve(most)
        try:
            try:
                yield bill
            except (NoAnswer, TooLate):
                self._count(bill)
                raise
            self._count(bill)
        finally:
            with self._lock:
                self._on_their_way -= most

    def _reserve(self, most: float) -> None:
        with self._lock:
            if self._prices.per_day:
                if most > self._prices.per_day:
                    raise Misconfigured(
                        f"{_SETTING}BUDGET_PER_DAY={self._prices.per_day:g} is less than one request may cost: {most:g}"
                    )
                spent = self.spent()
                BUDGET_LEFT.set(self._prices.per_day - spent)
                if spent + self._on_their_way + most > self._prices.per_day:
                    raise Away(
                        f"the budget of the day is spent: {spent:.4g} of {self._prices.per_day:g} "
                        f"({_SETTING}BUDGET_PER_DAY); it goes on at {self._goes_on()}"
                    )
            self._on_their_way += most

    def _count(self, bill: Bill) -> None:
        cost, day = self._cost(bill), self._day()
        TOKENS.labels("input").inc(bill.input_tokens)
        TOKENS.labels("output").inc(bill.output_tokens)
        COST.inc(cost)
        oldest = (local_day(self._clock(), self._zone) - timedelta(days=_DAYS_KEPT)).isoformat()

        def count(connection: sqlite3.Connection) -> None:
            connection.execute(
                """INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT (day) DO UPDATE SET cost = cost + excluded.cost,
                   input_tokens = input_tokens + excluded.input_tokens,
                   output_tokens = output_tokens + excluded.output_tokens""",
                (day, cost, bill.input_tokens, bill.output_tokens),
            )
            connection.execute("DELETE FROM spent WHERE day < ?", (oldest,))

        self._store.do(count)
        if self._prices.per_day:
            BUDGET_LEFT.set(self._prices.per_day - self.spent())

    def _cost(self, bill: Bill) -> float:
        return (bill.input_tokens * self._prices.input + bill.output_tokens * self._prices.output) / _MILLION

    def _day(self) -> str:
        return local_day(self._clock(), self._zone).isoformat()

    def _goes_on(self) -> str:
        """The next local midnight."""
        tomorrow = local_day(self._clock(), self._zone) + timedelta(days=1)
        return local_iso(to_utc_ms(datetime.combine(tomorrow, time()), self._zone), self._zone)
