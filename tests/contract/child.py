"""A process of its own on a test's log: `python -m tests.contract.child ACTION PLACE ...`.

Actions:
    append VALUE            appends a record to `input`
    commit POINT            receives all of `input`, and dies at POINT of the commit that copies it
    copy SLOT COUNT         copies `input` to `output`, a few records at a time, until `output` holds COUNT
    zombie SLOT             receives, says so, waits for a line, commits, says how that went
    sleeper SLOT            receives a record, says so, waits for a line, says which record it can commit then
    work                    runs a worker that refuses whatever says `bad`
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

from ringtrue.errors import BadRecord
from ringtrue.messages import CallWanted
from ringtrue.streaming.port import Commit, Fenced, Log, Outgoing, PartitionsLost, StateChange
from ringtrue.telemetry import configure_logging
from tests.contract.adapters import INPUT, OUTPUT, open_log
from tests.contract.driving import after, copy, reads, take, values, write

T = TypeVar("T")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(Sequence[T]):
    """Items of which the second is never reached: whoever asks for it dies in the middle of a commit."""

    def __init__(self, items: Sequence[T]) -> None:
        self._items = items

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        yield self._items[0]
        _die()


def commit(log: Log, point: str) -> None:
    member = log.join(reads())
    records = take(member, 3)
    if point == "before":
        _die()
    outputs: Sequence[Outgoing] = [Outgoing("output", record.key, record.value) for record in records]
    changes: Sequence[StateChange] = [StateChange(0, name, b"value") for name in ("a", "b")]
    if point == "outputs":
        outputs = Deadly(outputs)
    if point == "changes":
        changes = Deadly(changes)
    member.commit(Commit(after(records), outputs, changes, {0: "note"}))
    _die()


def copy_all(log: Log, slot: str, count: str) -> None:
    member = log.join(reads(slot=slot))
    while len(values(log)) < int(count):
        records = member.receive(7, 0.05).records
        try:
            if records:
                copy(member, records)
        except PartitionsLost:
            member.rewind()
        time.sleep(0.01)
    member.leave()


def zombie(log: Log, slot: str) -> None:
    member = log.join(reads(slot=slot))
    records = take(member, 1)
    print("received", flush=True)  # noqa: T201 - to the test
    sys.stdin.readline()
    try:
        copy(member, records)
    except (PartitionsLost, Fenced) as error:
        print(type(error).__name__, flush=True)  # noqa: T201 - to the test
    else:
        print("committed", flush=True)  # noqa: T201 - to the test


def sleeper(log: Log, slot: str) -> None:
    member = log.join(reads(slot=slot))
    take(member, 1, limit=1)
    print("received", flush=True)  # noqa: T201 - to the test
    sys.stdin.readline()
    while True:
        records = member.receive(1, 0.2).records
        try:
            if records:
                copy(member, records)
                break
        except PartitionsLost:
            member.rewind()
    print(values(records)[0], flush=True)  # noqa: T201 - to the test


def work(log: Log) -> None:
    from ringtrue.streaming.step import Step
    from ringtrue.streaming.worker import Loop, Worker
    from ringtrue.telemetry import Health

    class Contract(Worker):
        name = "contract-worker"
        inputs = (INPUT,)

        def handle(self, step: Step) -> None:
            raise BadRecord("bad", f"{step.message.call_id} is bad")

        def refused(self, step: Step, problem: BadRecord) -> None:
            step.send(OUTPUT, "key", CallWanted(call_id="refused", case_id=problem.reason, event_time_ms=0))

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Loop(Contract(), log, stop=stop, health=Health("contract-worker")).run()


def main(action: str, place: str, *arguments: str) -> None:
    configure_logging("error")  # standard output is for the test
    log = open_log(place, session_timeout_s=1.0)
    match action:
        case "append":
            write(log, *arguments)
        case "commit":
            commit(log, *arguments)
        case "copy":
            copy_all(log, *arguments)
        case "zombie":
            zombie(log, *arguments)
        case "sleeper":
            sleeper(log, *arguments)
        case "work":
            work(log)
    log.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
