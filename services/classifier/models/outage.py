"""Since when a model has been away, also over restarts; and whether that is longer than calls are to wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

import structlog

from ringtrue.times import now_ms
from services.classifier.models.store import Store

_log = structlog.get_logger()

_NAME: Final = "away since"


class Outage:
    """Used by one thread.

    Args:
        store: Where it is noted.
        longest_s: How long calls wait for the model; 0 for as long as it takes.
        clock: UTC milliseconds.
    """

    def __init__(self, store: Store, longest_s: float, clock: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._longest_s = longest_s
        self._clock = clock
        self._since_ms = store.do(_noted)

    @property
    def lasts(self) -> bool:
        """Whether the model is away, as far as is known."""
        return self._since_ms is not None

    @property
    def is_too_long(self) -> bool:
        """Whether calls are to go on without the model."""
        return (
            self._longest_s > 0
            and self._since_ms is not None
            and self._clock() - self._since_ms >= self._longest_s * 1000
        )

    def goes_on(self) -> None:
        """The model was asked in vain."""
        if self._since_ms is None:
            self._note(self._clock())

    def ended(self) -> None:
        """The model has answered."""
        if self._since_ms is not None:
            _log.info("the model was away", seconds=(self._clock() - self._since_ms) // 1000)
            self._note(None)

    def _note(self, since_ms: int | None) -> None:
        def note(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM notes WHERE name = ?", (_NAME,))
            if since_ms is not None:
                connection.execute("INSERT INTO notes VALUES (?, ?)", (_NAME, str(since_ms)))

        self._store.do(note)
        self._since_ms = since_ms


def _noted(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT value FROM notes WHERE name = ?", (_NAME,)).fetchone()
    return int(row[0]) if row else None
