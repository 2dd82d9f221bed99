"""Whose turn it is, and what time: virtual time with one baton, or real time with one lock.

With a `Baton` every simulated process is a thread, but exactly one runs at any moment. Threads change places only
inside calls of the simulator (`step`, `sleep`), the next one is chosen by a seeded generator, and time passes only
when all wait. So a run is replayed exactly from its seed. `RealTime` lets the same world serve ordinary threads.
"""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

#: Virtual wall clock at the beginning of a run, UTC milliseconds.
EPOCH_MS = 1_700_000_000_000
#: What a call takes at least and at most; time must pass, or a busy loop would never end.
_STEP_S = (0.0002, 0.003)
#: Real threads look this often whether something has come.
_LOOK_S = 0.002


class Killed(BaseException):
    """The process of this thread was killed. Nothing that it still does has any effect."""


class Stuck(AssertionError):
    """A run does not come to its end."""


@dataclass(eq=False)
class Process:
    """A simulated process.

    Attributes:
        dead: It was killed: its clients are gone without a word.
        frozen_until: Until then it does nothing at all, heartbeats included.
    """

    name: str
    dead: bool = False
    frozen_until: float = 0.0


class Events:
    """What shall happen by itself at a time."""

    def __init__(self) -> None:
        self._heap = list[tuple[float, int, Callable[[], None]]]()
        self._number = itertools.count()

    def add(self, at: float, action: Callable[[], None]) -> None:
        """Has the action happen at a time."""
        heapq.heappush(self._heap, (at, next(self._number), action))

    @property
    def next_at(self) -> float:
        """When the next one is due."""
        return self._heap[0][0] if self._heap else float("inf")

    def pop(self) -> tuple[float, Callable[[], None]]:
        """The next one."""
        at, _, action = heapq.heappop(self._heap)
        return at, action


class Schedule(Protocol):
    """Turns and time."""

    rng: random.Random

    def now(self) -> float:
        """Seconds of a clock that never goes back."""

    def now_ms(self) -> int:
        """The wall clock, UTC milliseconds."""

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Has something happen by itself after a while."""

    def process(self) -> Process:
        """The process that is running."""

    def held(self) -> AbstractContextManager[None]:
        """Keeps others from the world, and lets happen what is due."""

    def step(self) -> None:
        """Another process may take its turn. Never called while `held`."""

    def sleep(self, seconds: float) -> None:
        """Waits, at most so long. Never called while `held`."""


@dataclass(eq=False)
class _Task:
    process: Process
    wake_at: float
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Baton:
    """Virtual time. The thread that makes it takes part as the process `main`, which is never killed."""

    def __init__(self, seed: int, *, limit: int = 2_000_000) -> None:
        self.rng = random.Random(seed)
        self._now = 0.0
        self._events = Events()
        self._main = _Task(Process("main"), 0.0)
        self._tasks = [self._main]
        self._running = self._main
        self._left = limit

    def now(self) -> float:
        """See `Schedule`."""
        return self._now

    def now_ms(self) -> int:
        """See `Schedule`."""
        return EPOCH_MS + int(self._now * 1000)

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """See `Schedule`."""
        self._events.add(self._now + delay_s, action)

    def process(self) -> Process:
        """See `Schedule`."""
        return self._running.process

    @contextmanager
    def held(self) -> Iterator[None]:
        """See `Schedule`. Only one thread runs anyway."""
        yield

    def step(self) -> None:
        """See `Schedule`."""
        self.sleep(self.rng.uniform(*_STEP_S))

    def sleep(self, seconds: float) -> None:
        """See `Schedule`. A process that was killed meanwhile does not come back from it."""
        me = self._running
        me.wake_at = self._now + max(0.0, seconds)
        self._pass_on(me)
        if me.process.dead:
            raise Killed

    def start(self, process: Process, body: Callable[[], None]) -> threading.Thread:
        """Begins a process. What its body raises must be handled by the body."""
        task = _Task(process, self._now)

        def run() -> None:
            task.gate.acquire()
            try:
                if not process.dead:
                    body()
            finally:
                self._tasks.remove(task)
                self._hand_over()

        thread = threading.Thread(target=run, name=process.name, daemon=True)
        self._tasks.append(task)
        thread.start()
        return thread

    def _pass_on(self, me: _Task) -> None:
        following = self._choose()
        if following is me:
            return
        self._running = following
        following.gate.release()
        me.gate.acquire()

    def _hand_over(self) -> None:
        self._running = self._choose()
        self._running.gate.release()

    def _choose(self) -> _Task:
        """Who goes on. Time passes when nobody can."""
        while True:
            self._left -= 1
            if self._left < 0:
                self._left = 1_000  # for its last words
                self._main.wake_at = self._now
                return self._main
            earliest = min(task.wake_at for task in self._tasks)
            if self._events.next_at <= max(self._now, earliest):
                at, action = self._events.pop()
                self._now = max(self._now, at)
                action()
                continue
            self._now = max(self._now, earliest)
            ready = [task for task in self._tasks if task.wake_at <= self._now]
            return self.rng.choice(ready) if len(ready) > 1 else ready[0]

    def check(self) -> None:
        """Raises when the run has used up its turns."""
        if self._left < 10_000:
            raise Stuck("the run takes too many turns")


class RealTime:
    """Real time and real threads, one lock around the world."""

    def __init__(self) -> None:
        self.rng = random.Random(0)
        self._events = Events()
        self._lock = threading.RLock()
        self._process = Process("real")
        self._in_events = False

    def now(self) -> float:
        """See `Schedule`."""
        return time.monotonic()

    def now_ms(self) -> int:
        """See `Schedule`."""
        return time.time_ns() // 1_000_000

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """See `Schedule`."""
        with self._lock:
            self._events.add(self.now() + delay_s, action)

    def process(self) -> Process:
        """See `Schedule`: all threads are one."""
        return self._process

    @contextmanager
    def held(self) -> Iterator[None]:
        """See `Schedule`."""
        with self._lock:
            while not self._in_events and self._events.next_at <= self.now():
                _, action = self._events.pop()
                self._in_events = True
                try:
                    action()
                finally:
                    self._in_events = False
            yield

    def step(self) -> None:
        """See `Schedule`: threads take turns by themselves."""

    def sleep(self, seconds: float) -> None:
        """See `Schedule`: briefly, for something may have come."""
        time.sleep(max(0.0, min(seconds, _LOOK_S)))
        with self.held():
            pass
