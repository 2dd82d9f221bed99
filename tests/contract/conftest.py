"""A log of each adapter for every test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from ringtrue.streaming.port import Log, Member, Subscription
from tests.contract.adapters import ADAPTERS, TIDIED, LogFactory, fresh_place, open_log


class _Watched:
    """A log that remembers who has joined it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._members = list[Member]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def join(self, subscription: Subscription) -> Member:
        member = self._log.join(subscription)
        self._members.append(member)
        return member

    def close(self) -> None:
        for member in self._members:
            member.leave()
        self._log.close()


class _Factory:
    def __init__(self, place: str) -> None:
        self.place = place
        self.opened = list[Log]()

    def __call__(self, *, partitions: int = 2, session_timeout_s: float = 15.0) -> Log:
        log: Any = _Watched(open_log(self.place, partitions=partitions, session_timeout_s=session_timeout_s))
        self.opened.append(log)
        return cast(Log, log)


@pytest.fixture(params=ADAPTERS)
def log_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogFactory]:
    """Opens connections to one fresh log; every call is like another process."""
    factory = _Factory(fresh_place(request.param, tmp_path))
    yield factory
    for log in factory.opened:
        log.close()


@pytest.fixture
def log(log_factory: LogFactory) -> Log:
    """A connection to a fresh log of two partitions."""
    return log_factory()


@pytest.fixture
def tidied(request: pytest.FixtureRequest, log_factory: LogFactory) -> Log:
    """A log whose retention is our own work."""
    if log_factory.place.partition(":")[0] not in TIDIED:
        pytest.skip("retention is the server's own work")
    return log_factory()
