"""The worker's loop on virtual time: its clock, its waits and its chances come from the run."""

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest import mock

import structlog

from ringtrue import telemetry
from ringtrue.streaming import quarantine, worker
from tests.simulator.schedule import Baton


class Stop(threading.Event):
    """Tells a loop to stop; waiting for it takes virtual time."""

    def __init__(self, baton: Baton) -> None:
        super().__init__()
        self._baton = baton

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self._baton.sleep(timeout or 0.0)
        return self.is_set()


class _EachAlone:
    """A lock of one process, where all of them are threads of this one."""

    def acquire(self, timeout: float = -1) -> bool:
        return True

    def release(self) -> None:
        pass


@contextmanager
def virtual_loop(baton: Baton, rng: random.Random) -> Iterator[None]:
    """Has the worker's loop take its time from the baton, and its chances from the seed."""
    clock = SimpleNamespace(monotonic=baton.now)
    chance = SimpleNamespace(uniform=rng.uniform)
    with (
        mock.patch.object(worker, "time", clock),
        mock.patch.object(telemetry, "time", clock),
        mock.patch.object(worker, "random", chance),
        mock.patch.object(worker, "now_ms", baton.now_ms),
        # As they are in a service, whatever other tests have made of them: a run depends on its seed alone.
        mock.patch.multiple(worker, _WAIT_S=0.5, _TIMERS_EVERY_S=1.0, _BACK_OFF_S=(0.2, 30.0)),
        mock.patch.object(quarantine, "time", clock),
        mock.patch.object(quarantine, "now_ms", baton.now_ms),
        mock.patch.object(quarantine, "_ALONE", _EachAlone()),
        # So many deaths are nobody's fault here: no record shall be refused for them.
        mock.patch.object(quarantine, "_TRIES", 1_000_000),
    ):
        yield


@contextmanager
def silent() -> Iterator[None]:
    """Keeps the loops from logging, which they do a lot when everything goes wrong."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
