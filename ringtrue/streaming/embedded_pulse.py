"""The pulse of a process on the embedded log: it keeps every member alive, also one that computes for minutes.

One thread and one small write a second for all members of the process. It stops when the process dies or is stopped,
and ends with the last member.
"""

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

from ringtrue.streaming.port import LogAway
from ringtrue.streaming.sqlite import connect, transaction
from ringtrue.times import now_ms

#: How often the members are said to be alive, and how often within a session at least.
_EVERY_S = 1.0
_BEATS_A_SESSION = 4


class Pulse:
    """Says that the members of this process are alive. Used by the threads of all of them."""

    def __init__(self, path: Path, session_timeout_s: float) -> None:
        self._path = path
        self._every_s = min(_EVERY_S, session_timeout_s / _BEATS_A_SESSION)
        self._lock = threading.Lock()
        self._tokens = set[str]()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def add(self, token: str) -> None:
        """Keeps this member alive from now on."""
        with self._lock:
            self._tokens.add(token)
            if self._thread is None:
                self._ended = threading.Event()
                arguments = (connect(self._path, any_thread=True), self._ended)
                self._thread = threading.Thread(target=self._beat, args=arguments, name="pulse", daemon=True)
                self._thread.start()

    def remove(self, token: str) -> None:
        """Lets go of this member."""
        with self._lock:
            self._tokens.discard(token)
            if self._tokens or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._ended.set()
        thread.join()

    def _beat(self, connection: sqlite3.Connection, ended: threading.Event) -> None:
        with closing(connection):
            while not ended.wait(self._every_s):
                with self._lock:
                    seen = [(now_ms(), token) for token in self._tokens]
                with suppress(LogAway), transaction(connection):
                    connection.executemany("UPDATE members SET seen_ms = ? WHERE token = ?", seen)
