"""A log for every test, and loops that do not take their time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringtrue.streaming import worker
from ringtrue.streaming.embedded import EmbeddedLog
from tests.unit.streaming.tiny import open_tiny


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_WAIT_S", 0.02)
    monkeypatch.setattr(worker, "_TIMERS_EVERY_S", 0.02)
    monkeypatch.setattr(worker, "_BACK_OFF_S", (0.01, 0.04))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    """An empty log of one partition."""
    log = open_tiny(tmp_path / "log.sqlite")
    yield log
    log.close()
