"""Keyed state in an SQLite table: one row per key, the compacted form of a state topic.

The embedded log keeps its state so; on Kafka each partition has such a file as a cache of its state topic.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from ringtrue.streaming.port import LAST_CHARACTER, StateChange
from ringtrue.streaming.sqlite import away

STATE_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
  store TEXT NOT NULL, partition INTEGER NOT NULL, key TEXT NOT NULL, deadline_ms INTEGER, value BLOB NOT NULL,
  PRIMARY KEY (store, partition, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_by_deadline ON state (store, partition, deadline_ms) WHERE deadline_ms IS NOT NULL;
"""


def apply_changes(connection: sqlite3.Connection, store: str, changes: Iterable[StateChange]) -> None:
    """Makes the changes within the caller's transaction, in their order."""
    for change in changes:
        place = (store, change.partition, change.key)
        if change.value is None:
            connection.execute("DELETE FROM state WHERE store = ? AND partition = ? AND key = ?", place)
        else:
            connection.execute(
                "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)", (*place, change.deadline_ms, change.value)
            )


class StateTable:
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
