"""A log for tiny workers, and a way to run them until they have nothing left to do."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from ringtrue.messages import CallWanted, DeadLetter
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Log, Member, Outgoing, Record, Subscription
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import Topic, dead_letters
from ringtrue.streaming.worker import Loop, Worker
from ringtrue.telemetry import Health

IN, MIDDLE, OUT = Topic("in"), Topic("middle"), Topic("out")
LETTERS = dead_letters("tiny")
CODEC = Codec()
PATIENCE_S = 20.0


class Tiny(Worker):
    """Copies every message, unless a test says otherwise."""

    name = "tiny-copy"
    inputs: tuple[Topic, ...] = (IN,)
    state: str | None = "tiny-copy.state"

    def __init__(self, handle: Callable[[Step], None] | None = None) -> None:
        self._handle = handle

    def handle(self, step: Step) -> None:
        if self._handle is not None:
            self._handle(step)
        else:
            answer(step)


def message(name: str, case: str = "") -> CallWanted:
    """The tiny message of these tests."""
    return CallWanted(call_id=name, case_id=case, event_time_ms=0)


def answer(step: Step) -> None:
    """Sends what came."""
    step.send(OUT, step.message.call_id, step.message)


class _Log(EmbeddedLog):
    """Takes its members with it when it is closed."""

    def __init__(self, path: Path, *, partitions: int) -> None:
        super().__init__(path, partitions=partitions, session_timeout_s=5.0)
        self._members = list[Member]()

    def join(self, subscription: Subscription) -> Member:
        member = super().join(subscription)
        self._members.append(member)
        return member

    def close(self) -> None:
        for member in self._members:
            member.leave()
        super().close()


def open_tiny(path: Path, partitions: int = 1) -> EmbeddedLog:
    """The log of a test, its topics created."""
    log = _Log(path, partitions=partitions)
    log.create_topics([IN, MIDDLE, OUT, LETTERS])
    return log


def feed(log: Log, *names: str, topic: Topic = IN, partition: int | None = None) -> None:
    """Appends a message of each name."""
    log.append([Outgoing(topic.name, name.encode(), CODEC.encode(message(name)), {}, partition) for name in names])


def names(log: Log, topic: Topic = OUT) -> list[str]:
    """What the messages of a topic are called."""
    return [CODEC.decode_as(CallWanted, record.value or b"").call_id for record in log.browse(topic.name)]


def cases(log: Log, topic: Topic = OUT) -> list[str]:
    """The cases of the messages of a topic."""
    return [CODEC.decode_as(CallWanted, record.value or b"").case_id for record in log.browse(topic.name)]


def records(log: Log, topic: Topic = OUT) -> list[Record]:
    """The records of a topic."""
    return list(log.browse(topic.name))


def letters(log: Log) -> list[DeadLetter]:
    """The dead letters."""
    return [CODEC.decode_as(DeadLetter, record.value or b"") for record in log.browse(LETTERS.name)]


def left(log: Log, worker: Worker) -> int:
    """How many records the worker has not committed."""
    return sum(log.backlog({worker.name: [topic.name for topic in worker.inputs]}).values())


class Running:
    """A worker that runs in a thread."""

    def __init__(self, worker: Worker, log: Log, stop: threading.Event, health: Health | None = None) -> None:
        self._loop = Loop(worker, log, stop=stop, health=health or Health(worker.name))
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the loop has not ended."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Waits for the end of the loop and raises what ended it."""
        self._thread.join(PATIENCE_S)
        assert not self.alive, "the loop does not end"
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        try:
            self._loop.run()
        except BaseException as error:
            self._problem = error


def until(condition: Callable[[], bool], *running: Running) -> None:
    """Waits until it holds, or one of these workers has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and all(one.alive for one in running):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def run(*workers: Worker, log: Log, done: Callable[[], bool] | None = None, health: Health | None = None) -> None:
    """Runs workers until they have committed everything, or `done` holds; raises what ends one of them."""
    stop = threading.Event()
    running = [Running(worker, log, stop, health) for worker in workers]
    try:
        until(done or (lambda: not any(left(log, worker) for worker in workers)), *running)
    finally:
        stop.set()
    for one in running:
        one.join()
