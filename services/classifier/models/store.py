"""The file in which engines keep what models have answered and what it cost: one SQLite file in the data folder.

It is a cache and an account, nothing that calls depend on: a file that is damaged is dropped and begun anew.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from ringtrue.errors import Away
from ringtrue.streaming.port import LogAway
from ringtrue.streaming.sqlite import away, connect, transaction

_log = structlog.get_logger()

T = TypeVar("T")

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS answers (
  key BLOB PRIMARY KEY, text TEXT NOT NULL, model TEXT NOT NULL, used_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_use ON answers (used_ms);
CREATE TABLE IF NOT EXISTS spent (
  day TEXT PRIMARY KEY, cost REAL NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Store:
    """Used by several threads and processes at once.

    Args:
        path: The file.

    Raises:
        Away: It cannot be used now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Away(f"{path}: {error.strerror}") from error
        self.do(lambda _: None)

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Does something in one transaction. After damage it is done again, in a new file.

        Raises:
            Away: The file cannot be used now.
        """
        with self._lock:
            try:
                return self._done(work)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                    raise
                _log.warning(
                    "the file of answers is damaged and begun anew; what was spent today counts from zero",
                    path=str(self._path),
                    reason=str(error),
                )
                self._drop()
                return self._done(work)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._shut()

    def _done(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                # Losing the last answers in a power cut costs no more than asking for them again.
                self._connection = connect(self._path, any_thread=True, durable=False)
                with away():
                    self._connection.executescript(_SCHEMA)
            with transaction(self._connection):
                return work(self._connection)
        except LogAway as error:
            raise Away(f"{self._path}: {error}") from error

    def _drop(self) -> None:
        self._shut()
        for end in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
