"""Benches that are closed behind each test."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ringtrue.streaming import worker as loop
from ringtrue.streaming.worker import Worker
from tests.unit.workers.bench import Bench

MakeBench = Callable[..., Bench]


class _Careless(sqlite3.Connection):
    """A log that is to outlive a test, but no power cut, need not wait for the disk."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace("synchronous = FULL", "synchronous = OFF"), *parameters)


@pytest.fixture(scope="package", autouse=True)
def _without_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=_Careless))
        yield


@pytest.fixture
def make_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBench]:
    """Puts a worker on a bench. When something is away, the loop tries again at once."""
    monkeypatch.setattr(loop, "_BACK_OFF_S", (0.0, 0.0))
    with ExitStack() as stack:

        def make(worker: Worker, partitions: int = 1) -> Bench:
            bench = Bench(tmp_path, worker, partitions)
            stack.enter_context(closing(bench.log))
            return bench

        yield make
