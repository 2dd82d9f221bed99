"""Answers that were had before: for the same document, prompt and model none is asked, nor paid, again."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ringtrue.times import now_ms
from services.classifier.models.store import Store

_DAY_MS: Final = 24 * 3600 * 1000
#: When there are too many, this share of them goes, those first that were used longest ago.
_PRUNED: Final = 0.05


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that could be used, without words of the call, and the model that gave it."""

    text: str
    model: str


def key_of(*parts: str) -> bytes:
    """The key of an answer: what it was asked with."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


class Cache:
    """See above.

    Args:
        store: Where they are kept.
        most: So many are kept, or a hundredth more; 0 for none.
        clock: UTC milliseconds.
    """

    def __init__(self, store: Store, most: int, clock: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._most = most
        self._clock = clock
        self._puts = 0

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Kept]:
        """Those that are known."""
        now, wanted = self._clock(), list(keys)
        if not self._most or not wanted:
            return {}

        def look(connection: sqlite3.Connection) -> dict[bytes, Kept]:
            found = dict[bytes, Kept]()
            for key in wanted:
                row = connection.execute("SELECT text, model, used_ms FROM answers WHERE key = ?", (key,)).fetchone()
                if row:
                    found[key] = Kept(row[0], row[1])
                    if now - row[2] > _DAY_MS:
                        connection.execute("UPDATE answers SET used_ms = ? WHERE key = ?", (now, key))
            return found

        return self._store.do(look)

    def put(self, key: bytes, kept: Kept) -> None:
        """Keeps one."""
        now = self._clock()
        if not self._most:
            return
        self._puts += 1
        # Counting them takes longer than keeping one.
        counts = self._puts % max(1, self._most // 100) == 0

        def keep(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (key, kept.text, kept.model, now))
            (count,) = connection.execute("SELECT COUNT(*) FROM answers").fetchone() if counts else (0,)
            if count > self._most:
                gone = count - self._most + int(self._most * _PRUNED)
                connection.execute(
                    "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY used_ms LIMIT ?)", (gone,)
                )

        self._store.do(keep)
