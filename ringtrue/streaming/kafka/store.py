"""The keyed state of one partition on this machine's disk: a cache of the state topic, which can always be made again.

Beside the entries it keeps the next offset of the state topic that it does not reflect yet, so that a restart reads
only the tail. Memory is SQLite's page cache, however many keys there are. A file is of no use, and is emptied, when it
is of another topic, or so old that the topic may have forgotten deletions which it has not seen.
"""

import sqlite3
import uuid
from collections.abc import Iterable
from pathlib import Path

import structlog

from ringtrue.streaming.port import Fenced, StateChange
from ringtrue.streaming.sqlite import connect, transaction
from ringtrue.streaming.state_table import STATE_SCHEMA, StateTable, apply_changes

_log = structlog.get_logger()

_SCHEMA = f"""{STATE_SCHEMA}
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
#: Page cache of one partition, KiB (negative in SQLite's own way of counting).
_CACHE_KIB = 16_384


class PartitionStore:
    """The cache of one partition of a state topic.

    Args:
        path: The SQLite file; made when missing.
        topic: The state topic.
        partition: The partition.
        identity: Of the topic this is a cache of; one of another identity is emptied.
        oldest_ms: A cache that was last known to be true before this moment is emptied.
    """

    def __init__(self, path: Path, topic: str, partition: int, identity: str, oldest_ms: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._topic = topic
        self._partition = partition
        self._token = uuid.uuid4().hex
        self._connection = self._opened(path)
        try:
            with transaction(self._connection):
                known = self._meta()
                if known.get("identity") != identity or int(known.get("true_at_ms", 0)) < oldest_ms:
                    self._connection.execute("DELETE FROM state")
                    known = {"offset": "0"}
                # Whoever had the file open before this has lost it: a late change of his would undo ours.
                self._set(identity=identity, token=self._token, offset=known["offset"])
            self.offset = int(known["offset"])
        except BaseException:
            self._connection.close()
            raise

    @property
    def table(self) -> StateTable:
        """The entries."""
        return StateTable(self._connection, self._topic, self._partition)

    def reflect(self, changes: Iterable[StateChange], offset: int, true_at_ms: int | None = None) -> None:
        """Takes over changes that the topic holds before `offset`.

        Args:
            changes: In the order of the topic.
            offset: The next offset that is not reflected.
            true_at_ms: When the cache held all that the topic did; None while it is still being filled.

        Raises:
            Fenced: Another process has opened the file since.
        """
        with transaction(self._connection):
            if self._meta().get("token") != self._token:
                raise Fenced(f"another process keeps the state of {self._topic}/{self._partition} in the same folder")
            apply_changes(self._connection, self._topic, changes)
            self.offset = max(self.offset, offset)
            self._set(offset=str(self.offset))
            if true_at_ms is not None:
                self._set(true_at_ms=str(true_at_ms))

    def empty(self) -> None:
        """Forgets everything: the topic is not the one that this was a cache of."""
        with transaction(self._connection):
            self._connection.execute("DELETE FROM state")
            self._set(offset="0")
        self.offset = 0

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def _opened(self, path: Path) -> sqlite3.Connection:
        """The file; a damaged one is made anew, for the topic has it all."""
        try:
            return _prepared(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            _log.warning("a damaged cache is made anew", path=str(path), reason=str(error))
            for part in path.parent.glob(f"{path.name}*"):
                part.unlink()
            return _prepared(path)

    def _meta(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT name, value FROM meta"))

    def _set(self, **values: str) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def _prepared(path: Path) -> sqlite3.Connection:
    connection = connect(path, durable=False)
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
