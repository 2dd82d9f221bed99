"""What the simulated processes work on, and what must be true of it at every moment and at the end.

Parts of calls arrive on two topics. One worker only copies them. The other one keeps state: it copies each part with a
running number of its call, closes each run of a call exactly once, when as many parts have come as it has, and marks a
run that takes long as late, by a timer. A copy names its input, so that a record that is lost, doubled or out of its
order shows at once; the running number shows a state that has lost or repeated a change.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ringtrue.messages import CallWanted
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import State
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import Topic, dead_letters
from ringtrue.streaming.worker import Worker
from tests.simulator.partition import Data, Entry, Partition
from tests.simulator.schedule import Schedule
from tests.simulator.world import World

LEFT, RIGHT, OUT = Topic("left"), Topic("right"), Topic("out")
STATE = Topic("sim-calls.state", cleanup="compact", retention_ms=0)
TOPICS = (LEFT, RIGHT, OUT, STATE, dead_letters("sim"))
PARTITIONS = 2
CODEC = Codec()

_COPY, _CLOSED, _LATE = "copy", "closed", "late"
_LATE_AFTER_MS = 5_000
_CALLS = 4
_PARTS = (2, 6)


class Copies(Worker):
    """Copies parts, and keeps no state: a member that comes and goes at once.

    Args:
        compute: Called for each part: takes its time.
    """

    name = "sim-copies"
    inputs = (LEFT, RIGHT)
    limit = 8

    def __init__(self, compute: Callable[[], None]) -> None:
        self._compute = compute

    def handle(self, step: Step) -> None:
        """See `Worker`."""
        self._compute()
        self._copy(step, 0)

    def _copy(self, step: Step, count: int) -> None:
        record = step.record
        assert record is not None
        self._send(step, step.message.call_id, _COPY, record.topic, record.offset, count)

    @staticmethod
    def _send(step: Step, call: str, *what: object) -> None:
        step.send(OUT, call, _message(call, "/".join(map(str, what))), partition=step.partition)


class Calls(Copies):
    """Closes calls."""

    name = "sim-calls"
    state = STATE.name

    def handle(self, step: Step) -> None:
        """See `Worker`."""
        record = step.record
        assert record is not None
        self._compute()
        call = step.message.call_id
        run, total = step.message.case_id.split("/")
        count = _number(step, f"count/{call}") + 1
        come = _number(step, f"open/{call}/{run}") + 1
        step.put(f"count/{call}", _message(call, str(count)))
        self._copy(step, count)
        if come == int(total):
            self._send(step, call, _CLOSED, run)
            step.delete(f"open/{call}/{run}")
        else:
            deadline_ms = record.timestamp_ms + _LATE_AFTER_MS if come == 1 else None
            step.put(f"open/{call}/{run}", _message(call, str(come)), deadline_ms=deadline_ms)

    def expire(self, step: Step, key: str) -> None:
        """See `Worker`."""
        _, call, run = key.split("/")
        held = step.get(key, CallWanted)
        assert held is not None
        self._send(step, call, _LATE, run)
        step.put(key, held)


def _message(call: str, what: str) -> CallWanted:
    return CallWanted(call_id=call, case_id=what, event_time_ms=0)


def _number(step: Step, key: str) -> int:
    held = step.get(key, CallWanted)
    return int(held.case_id) if held else 0


class Feeder:
    """Writes parts of calls, plainly, in transactions, and in transactions that are aborted, which nobody may see.

    Args:
        world: The cluster.
        rng: What comes when.

    Attributes:
        open: Transactions that are not ended yet.
    """

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._runs = Counter[str]()
        self._pending = list[tuple[str, str, int]]()
        self._producers = 0
        self.open = 0

    def feed(self) -> None:
        """Writes a few parts."""
        for _ in range(self._rng.randint(1, 5)):
            if not self._pending or (len(self._pending) < 12 and self._rng.random() < 0.3):
                self._begin_run()
            call, run, total = self._pending.pop(self._rng.randrange(len(self._pending)))
            self._write(call, _message(call, f"{run}/{total}"))

    def finish(self) -> None:
        """Writes the parts that runs still miss, but for some runs that never end."""
        for call, run, total in self._pending:
            if self._rng.random() < 0.8:
                self._write(call, _message(call, f"{run}/{total}"))
        self._pending.clear()

    def _begin_run(self) -> None:
        call = f"c{self._rng.randrange(_CALLS)}"
        self._runs[call] += 1
        total = self._rng.randint(*_PARTS)
        self._pending += [(call, str(self._runs[call]), total)] * total

    def _write(self, call: str, message: CallWanted) -> None:
        topic = self._rng.choice((LEFT.name, RIGHT.name))
        partition = self._world.partition(topic, int(call[1:]) % PARTITIONS)
        data = Data(call.encode(), CODEC.encode(message), (), self._world.schedule.now_ms())
        kind = self._rng.random()
        if kind < 0.5:
            partition.append(data)
            return
        self._producers -= 1
        producer = self._producers
        garbage = kind > 0.85
        partition.append(data, (producer, 0))
        self.open += 1

        def end() -> None:
            partition.mark(producer, 0, committed=not garbage)
            self.open -= 1

        self._world.schedule.at(self._rng.choice((0.0, 0.01, 3.0)), end)
        if garbage:
            self._write(call, message)


class Observer:
    """Sees every record as it becomes visible to a `read_committed` reader, and compares.

    Args:
        world: The cluster.
        stateful: Whether the worker keeps state.
    """

    def __init__(self, world: World, *, stateful: bool) -> None:
        self.problems = list[str]()
        self._world = world
        self._stateful = stateful
        self._copied = Counter[tuple[str, int]]()
        self._counts = Counter[str]()
        self._ended = set[tuple[str, str, str]]()
        for partition in world.topics[OUT.name].partitions:
            partition.watchers.append(self._see)

    def left(self) -> int:
        """How many parts have not been copied."""
        return sum(len(self._inputs(topic, number)) - self._copied[topic, number] for topic, number in _places())

    def check_end(self) -> None:
        """What must be true when everything has been handled."""
        if not self._stateful:
            return
        runs = Counter[tuple[str, str, str]]()
        for topic, number in _places():
            for entry in self._inputs(topic, number):
                message = _read(entry)
                run, total = message.case_id.split("/")
                runs[message.call_id, run, total] += 1
        for (call, run, total), count in runs.items():
            closed = (_CLOSED, call, run) in self._ended
            if closed is not (count == int(total)):
                self.problems.append(f"run {run} of {call}: {count} of {total} parts, closed: {closed}")
        expected = self.expected_state()
        for number in range(PARTITIONS):
            if (folded := self.folded_state(number)) != expected[number]:
                self.problems.append(f"the state topic of {number} holds {folded}, not {expected[number]}")

    def expected_state(self) -> Mapping[int, Mapping[str, str]]:
        """By partition, what the state must be, by the committed input alone."""
        states = {number: dict[str, str]() for number in range(PARTITIONS)}
        totals = dict[str, int]()
        for topic, number in _places():
            for entry in self._inputs(topic, number):
                message = _read(entry)
                run, total = message.case_id.split("/")
                for key in (f"count/{message.call_id}", f"open/{message.call_id}/{run}"):
                    states[number][key] = str(int(states[number].get(key, "0")) + 1)
                totals[f"open/{message.call_id}/{run}"] = int(total)
        for state in states.values():
            for key in [key for key, count in state.items() if totals.get(key) == int(count)]:
                del state[key]
        return states

    def folded_state(self, number: int) -> Mapping[str, str]:
        """What the state topic holds."""
        state = dict[str, str]()
        for entry in self._world.committed(STATE.name, number):
            assert entry.data is not None
            key = (entry.data.key or b"").decode()
            if not key.startswith("="):
                continue
            if entry.data.value is None:
                state.pop(key[1:], None)
            else:
                state[key[1:]] = CODEC.decode_as(CallWanted, entry.data.value).case_id
        return state

    def _inputs(self, topic: str, number: int) -> list[Entry]:
        return self._world.committed(topic, number)

    def _see(self, partition: Partition, entries: Sequence[Entry]) -> None:
        for entry in entries:
            message = _read(entry)
            kind, *rest = message.case_id.split("/")
            where = f"{partition.topic}/{partition.number}/{entry.offset} ({message.call_id}: {message.case_id})"
            if kind == _COPY:
                self._see_copy(where, message.call_id, rest[0], partition.number, int(rest[1]), int(rest[2]))
                continue
            ended = (kind, message.call_id, rest[0])
            if ended in self._ended:
                self.problems.append(f"{where}: it was {kind} already")
            if kind == _LATE and (_CLOSED, *ended[1:]) in self._ended:
                self.problems.append(f"{where}: it is late, and had been closed")
            self._ended.add(ended)

    def _see_copy(self, where: str, call: str, topic: str, number: int, offset: int, count: int) -> None:
        inputs = self._inputs(topic, number)
        index = self._copied[topic, number]
        self._copied[topic, number] += 1
        expected = inputs[index].offset if index < len(inputs) else None
        if offset != expected:
            self.problems.append(f"{where}: the next copy must be of {topic}/{number}/{expected}")
        self._counts[call] += 1
        if self._stateful and count != self._counts[call]:
            self.problems.append(f"{where}: the count must be {self._counts[call]}")


def _places() -> list[tuple[str, int]]:
    return [(topic.name, number) for topic in (LEFT, RIGHT) for number in range(PARTITIONS)]


def _read(entry: Entry) -> CallWanted:
    assert entry.data is not None
    return CODEC.decode_as(CallWanted, entry.data.value or b"")


def stored(state: State) -> Mapping[str, str]:
    """What a member's state holds."""
    return {key: CODEC.decode_as(CallWanted, value).case_id for key, value in state.scan("")}


def computing(schedule: Schedule, rng: random.Random, longest_s: Callable[[], float]) -> Callable[[], None]:
    """Work that takes its time: mostly little, now and then longer than a member may be silent."""

    def compute() -> None:
        if rng.random() < 0.02:
            schedule.sleep(rng.uniform(0, longest_s()))
        elif rng.random() < 0.2:
            schedule.sleep(rng.uniform(0, 0.5))

    return compute
