"""Calls about which the model has answered nothing that can be used, for as long as it makes no sense to ask again.

A batch that is begun again, because the model went away in its midst, must neither pay for these once more nor be held
up by them for ever: while a breaker lets one request through at a time, tries count on from one to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from ringtrue.times import now_ms

#: Then a call may be asked about again, for instance when someone commands it.
_FORGOTTEN_MS: Final = 30 * 60 * 1000
#: More calls than any batch has.
_MOST: Final = 10_000


class Hopeless:
    """Used by several threads at once.

    Args:
        tries: So many and no more.
        clock: UTC milliseconds.
    """

    def __init__(self, tries: int, clock: Callable[[], int] = now_ms) -> None:
        self._tries = tries
        self._clock = clock
        self._lock = threading.Lock()
        #: By key, how often it was tried in vain and when last.
        self._tried: dict[bytes, tuple[int, int]] = {}

    def holds(self, key: bytes) -> bool:
        """Whether it makes no sense to ask about a call now."""
        with self._lock:
            return self._count(key) >= self._tries

    def tried(self, key: bytes) -> None:
        """An answer could not be used."""
        with self._lock:
            self._set(key, self._count(key) + 1)

    def give_up(self, key: bytes) -> None:
        """No answer can be had, however often it is tried."""
        with self._lock:
            self._set(key, self._tries)

    def forget(self, key: bytes) -> None:
        """An answer was had after all."""
        with self._lock:
            self._tried.pop(key, None)

    def _count(self, key: bytes) -> int:
        count, at = self._tried.get(key, (0, 0))
        return count if self._clock() - at < _FORGOTTEN_MS else 0

    def _set(self, key: bytes, count: int) -> None:
        if len(self._tried) >= _MOST:
            self._tried.clear()
        self._tried[key] = (count, self._clock())
