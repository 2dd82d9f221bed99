"""Connections to SQLite files, and transactions on them."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringtrue.streaming.port import LogAway

#: A write waits this long for another process's transaction, which takes milliseconds.
_BUSY_TIMEOUT_S = 30.0
_BUSY_RETRY_S = 0.005


def connect(path: Path, *, any_thread: bool = False, durable: bool = True) -> sqlite3.Connection:
    """A connection to the file, for one thread unless the caller locks.

    Without `durable` a power cut may take the last transactions, whole ones, with it.
    """
    with away():
        connection = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=not any_thread
        )
        try:
            _use_wal(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        except BaseException:
            connection.close()
            raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Turns to a write-ahead log, in which the file stays from then on.

    While one connection turns a new file over, SQLite refuses another one at once, whatever its time-out: its busy
    handler is not asked where waiting could be for ever (https://sqlite.org/c3ref/busy_handler.html).
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_RETRY_S)
        else:
            return


@contextmanager
def away() -> Iterator[None]:
    """Turns SQLite's errors about locks and disks into `LogAway`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LogAway(f"the file cannot be used now: {error}") from error


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """One transaction: committed at the end, rolled back on any error, one of the commit itself included.

    Raises:
        LogAway: The file is locked or cannot be written.
    """
    with away():
        connection.execute(f"BEGIN {kind}")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite has rolled back by itself when the disk was full or failed
                connection.execute("ROLLBACK")
            raise
