"""Keyed state on the embedded log: one row per key, the compacted form of a state topic."""

import sqlite3
from collections.abc import Iterator, Sequence

from ringtrue.streaming.embedded_sqlite import away
from ringtrue.streaming.port import LAST_CHARACTER


class EmbeddedState:
    """The committed keyed state of one partition; see the port."""

    def __init__(self, connection: sqlite3.Connection, store: str, partition: int) -> None:
        self._connection = connection
        self._place = (store, partition)

    def get(self, key: str) -> bytes | None:
        """See the port."""
        with away():
            row = self._connection.execute(
                "SELECT value FROM state WHERE store = ? AND partition = ? AND key = ?", (*self._place, key)
            ).fetchone()
        return row[0] if row else None

    def scan(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """See the port."""
        with away():
            rows = self._connection.execute(
                "SELECT key, value FROM state WHERE store = ? AND partition = ? AND key >= ? AND key < ? ORDER BY key",
                (*self._place, prefix, prefix + LAST_CHARACTER),
            ).fetchall()
        yield from rows

    def due(self, clock_ms: int, limit: int) -> Sequence[tuple[str, bytes]]:
        """See the port."""
        with away():
            return self._connection.execute(
                """SELECT key, value FROM state WHERE store = ? AND partition = ? AND deadline_ms <= ?
                   ORDER BY deadline_ms LIMIT ?""",
                (*self._place, clock_ms, limit),
            ).fetchall()
