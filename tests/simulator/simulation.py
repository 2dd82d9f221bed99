"""One simulated run: processes that come, work, fail and go, until all that was fed has been handled.

Every run is a function of its seed: `python -m tests.simulator SEED` makes it again, and says what happened.
"""

import contextlib
import random
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ringtrue.errors import Away
from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.kafka.clients import Clients
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.port import Fenced, Member, Subscription
from ringtrue.streaming.worker import Loop
from ringtrue.telemetry import Health
from tests.simulator.clients import simulated_clients
from tests.simulator.faults import Fault, NoFaults, Plan, Seeded
from tests.simulator.schedule import Baton, Killed, Process, Stuck
from tests.simulator.virtual import Stop, virtual_loop
from tests.simulator.workload import (
    LEFT,
    PARTITIONS,
    RIGHT,
    STATE,
    TOPICS,
    Calls,
    Copies,
    Feeder,
    Observer,
    computing,
    stored,
)
from tests.simulator.world import World

_SESSION_S = 10.0
_MAX_POLL_S = 20.0
_SLOTS = ("a", "b", "c")
#: Time within which everything must have been handled once faults have stopped, restarts and time-outs included.
_PATIENCE_S = 900.0

Mutation = Callable[[Clients, World], Clients]


@dataclass(frozen=True, slots=True)
class Course:
    """What a run is like.

    Attributes:
        seconds: How long things go wrong.
        rate: How probable a fault is at a call.
        kinds: The only faults that happen.
        plan: Faults by a list, in the place of those.
    """

    seconds: float = 90.0
    rate: float = 0.03
    kinds: tuple[Fault, ...] = tuple(Fault)
    plan: Plan | None = None


@dataclass(eq=False)
class _Running:
    """A process that was started."""

    process: Process
    stop: Stop
    over: bool = False
    thread: threading.Thread | None = None


@dataclass
class Simulation:
    """A run.

    Args:
        seed: All of it follows from this.
        course: What it is like.
        mutation: Breaks the adapter on purpose, to see whether it is noticed.
        tells_all: Every call goes into the history.
    """

    seed: int
    course: Course = field(default_factory=Course)
    mutation: Mutation = lambda clients, _: clients
    tells_all: bool = False

    def run(self) -> list[str]:
        """Runs it; what was broken, and nothing otherwise."""
        self.history = list[str]()
        self._problems = list[str]()
        self._baton = Baton(self.seed)
        self._rng = random.Random(self.seed + 1)
        self._worker = Copies if self.seed % 4 == 3 else Calls
        self._transaction_s = self._rng.choice((8.0, 30.0))
        self._world = World(self._baton, None, marker_delay_s=self._rng.choice((0.01, 0.2, 2.0)))
        self._world.longest_session_s = _SESSION_S
        if self.tells_all:
            self._world.trace = self._note
        self._clients = self.mutation(simulated_clients(self._world), self._world)
        self._running = dict[str, list[_Running]]()
        self._folder = Path(tempfile.mkdtemp(prefix="ringtrue-simulation-"))
        try:
            with virtual_loop(self._baton, self._rng):
                return self._run()
        except Stuck as stuck:
            return [*self._problems, str(stuck)]
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def report(self, problems: list[str]) -> str:
        """What was broken, and how to see it again."""
        told = "\n  ".join(problems[:5])
        return f"seed {self.seed} breaks:\n  {told}\nIt is made again by `python -m tests.simulator {self.seed} -v`"

    def _run(self) -> list[str]:
        log = self._log(self._folder / "main")
        log.create_topics(TOPICS)
        observer = Observer(self._world, stateful=self._worker is Calls)
        feeder = Feeder(self._world, self._rng)
        self._go_wrong(feeder)
        self._world.plan = NoFaults()
        feeder.finish()
        deadline = self._baton.now() + _PATIENCE_S
        while (observer.left() or feeder.open or self._world.transactions.is_open()) and not (
            self._problems or observer.problems
        ):
            self._keep_running(_SLOTS[:2])
            self._pause(1.0)
            if self._baton.now() > deadline:
                self._problems.append(f"{observer.left()} records are not handled after {_PATIENCE_S} s of calm")
        self._pause(1.0)
        self._stop_all()
        if not (self._problems or observer.problems):
            observer.check_end()
            self._check_stores(observer)
        return self._problems + observer.problems

    # --- what happens

    def _go_wrong(self, feeder: Feeder) -> None:
        """Processes come and go, and fail, while parts arrive."""
        if self.course.plan is not None:
            self._world.plan = self.course.plan
        else:
            rate = self.course.rate * self._rng.choice((0, 0.3, 1, 1, 3))
            self._world.plan = Seeded(random.Random(self.seed + 2), rate, self.course.kinds)
        until = self._baton.now() + self.course.seconds
        while self._baton.now() < until and not self._problems:
            feeder.feed()
            self._keep_running(_SLOTS[:2])
            happening = self._rng.random()
            if happening < 0.1:
                self._start(_SLOTS[2])
            elif happening < 0.2:
                self._stop_one()
            elif happening < 0.3:
                self._compact()
            elif happening < 0.34:  # a second process in a slot, as when the first one is taken for dead
                self._start(self._rng.choice(_SLOTS), even_if_running=True)
            self._pause(self._rng.choice((0.05, 0.5, 2.0, 6.0)))

    def _keep_running(self, slots: tuple[str, ...]) -> None:
        for slot in slots:
            if self._rng.random() < 0.4:
                self._start(slot)

    def _start(self, slot: str, *, even_if_running: bool = False) -> None:
        running = [one for one in self._running.get(slot, ()) if not one.over]
        self._running[slot] = running
        if running and not even_if_running:
            return
        one = _Running(Process(f"{slot}{len(self.history)}"), Stop(self._baton))
        running.append(one)
        self._note(f"{one.process.name} starts")
        one.thread = self._baton.start(one.process, lambda: self._live(slot, one))

    def _live(self, slot: str, one: _Running) -> None:
        """What a process does."""
        compute = computing(self._baton, self._rng, lambda: self._long_s())
        ended = "stopped"
        try:
            log = self._log(self._folder / slot)
            health = Health(self._worker.name, turned_at=self._baton.now())
            Loop(self._worker(compute), log, slot=slot, stop=one.stop, health=health).run()
            log.close()
        except Killed:
            ended = "killed"
        except Exception as error:
            ended = f"{type(error).__name__}: {error}"
            if not isinstance(error, (Fenced, Away)):  # with those it exits, and is started again
                self._problems.append(f"{one.process.name} ended with\n{''.join(traceback.format_exception(error))}")
        finally:
            self._note(f"{one.process.name} ends: {ended}")
            one.process.dead = True
            one.over = True

    def _long_s(self) -> float:
        return 0.0 if isinstance(self._world.plan, NoFaults) else 2 * _MAX_POLL_S

    def _stop_one(self) -> None:
        slots = [slot for slot in _SLOTS if self._running.get(slot)]
        if slots:
            slot = self._rng.choice(slots)
            for one in self._running[slot]:
                one.stop.set()
            self._note(f"{slot} is asked to stop")

    def _stop_all(self) -> None:
        for running in self._running.values():
            for one in running:
                one.stop.set()
        deadline = self._baton.now() + _PATIENCE_S
        while any(not one.over for running in self._running.values() for one in running):
            self._pause(1.0)
            if self._baton.now() > deadline:
                self._problems.append("a process does not stop")
                break

    def _compact(self) -> None:
        for partition in self._world.topics[STATE.name].partitions:
            before = partition.end - self._rng.choice((0, 1, 3, 10))
            gone = partition.compact(before)
            self._note(f"compaction of {partition.number} removes {gone} before {before}")

    def _check_stores(self, observer: Observer) -> None:
        """What members hold that come back on their old cache, and on none."""
        for slot in ("a", "b", "fresh"):
            log = self._log(self._folder / slot)
            member = log.join(Subscription(self._worker.name, slot, (LEFT.name, RIGHT.name), self._worker.state))
            deadline = self._baton.now() + _PATIENCE_S
            while len(member.partitions) < PARTITIONS:
                self._receive(member)
                if self._baton.now() > deadline:
                    self._problems.append(f"{slot} is not given its partitions")
                    return
            for number, expected in observer.expected_state().items():
                held = stored(member.state(number)) if self._worker is Calls else expected
                if held != expected:
                    self._problems.append(f"{slot} holds {held} of partition {number}, not {expected}")
                for topic in (LEFT.name, RIGHT.name):
                    visible = self._world.committed(topic, number)
                    if visible and member.position(topic, number) <= visible[-1].offset:
                        self._problems.append(f"{slot} stands before the end of {topic}/{number}")
            member.leave()
            log.close()

    @staticmethod
    def _receive(member: Member) -> None:
        with contextlib.suppress(Away):
            member.receive(1, 1.0)

    # --- how

    def _log(self, folder: Path) -> KafkaLog:
        settings = KafkaSettings(
            bootstrap_servers="simulated",
            session_timeout_s=_SESSION_S,
            max_poll_interval_s=_MAX_POLL_S,
            transaction_timeout_s=self._transaction_s,
            deadline_s=15.0,
        )
        return KafkaLog(settings, LogSettings(partitions=PARTITIONS), folder, self._clients)

    def _pause(self, seconds: float) -> None:
        self._baton.sleep(seconds)
        self._baton.check()

    def _note(self, what: str) -> None:
        self.history.append(f"{self._baton.now():9.3f} {what}")
