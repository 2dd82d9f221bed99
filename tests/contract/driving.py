"""What the contract's tests do with a log, in their own words. Only the port is used."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import overload

import pytest

from ringtrue.streaming.port import Commit, Log, Member, Outgoing, Record, StateChange, Subscription

#: Long enough for a slow broker; a test that waits so long has failed.
PATIENCE_S = 20.0


def reads(
    *topics: str, group: str = "contract-copy", slot: str = "0", state: str | None = "contract-copy.state"
) -> Subscription:
    """A subscription, to `input` unless told otherwise."""
    return Subscription(group, slot, topics or ("input",), state)


def write(log: Log, *values: str, topic: str = "input", key: str = "key", partition: int | None = 0) -> None:
    """Appends records in one go."""
    log.append([Outgoing(topic, key.encode(), value.encode(), partition=partition) for value in values])


def take(member: Member, count: int, limit: int = 100) -> list[Record]:
    """Receives until it has so many records."""
    records = list[Record]()
    deadline = time.monotonic() + PATIENCE_S
    while len(records) < count and time.monotonic() < deadline:
        records += member.receive(limit, 0.2).records
    assert len(records) == count
    return records


def nothing_comes(member: Member) -> bool:
    """Whether nothing arrives for a while."""
    return not any(member.receive(100, 0.1).records for _ in range(3))


def settle(shares: dict[Member, set[int]]) -> None:
    """Lets the members divide the partitions, and checks who has got which."""
    until(lambda: _turned(shares) == {id(member): share for member, share in shares.items()})


def _turned(shares: dict[Member, set[int]]) -> dict[int, set[int]]:
    for member in shares:
        member.receive(100, 0.02)
    return {id(member): set(member.partitions) for member in shares}


def until(condition: Callable[[], bool]) -> None:
    """Waits until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def after(records: Sequence[Record]) -> dict[tuple[str, int], int]:
    """The positions behind these records."""
    return {(record.topic, record.partition): record.offset + 1 for record in records}


def copy(member: Member, records: Sequence[Record]) -> None:
    """Commits a copy of the records to `output`, and how many there were under the key `count` of each state."""
    places = {record.partition for record in records}
    member.commit(
        Commit(
            after(records),
            [Outgoing("output", record.key, record.value, partition=record.partition) for record in records],
            [
                StateChange(number, "count", b"%d" % (counted(member, number) + _of(records, number)))
                for number in places
            ],
        )
    )


def _of(records: Sequence[Record], partition: int) -> int:
    return sum(record.partition == partition for record in records)


def counted(member: Member, partition: int) -> int:
    """What `copy` has counted so far."""
    return int(member.state(partition).get("count") or 0)


@overload
def values(source: Log, topic: str = "output") -> list[str]: ...
@overload
def values(source: Sequence[Record]) -> list[str]: ...
def values(source: Log | Sequence[Record], topic: str = "output") -> list[str]:
    """The values of records, or of what a topic holds."""
    records = source if isinstance(source, Sequence) else source.browse(topic)
    return [(record.value or b"").decode() for record in records]


@contextmanager
def child(place: str, action: str, *arguments: str, kill_at: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process that works on the log: see `child.py`. It is killed at the end if it still lives.

    Args:
        kill_at: A mark of `ringtrue.streaming.faults`.
    """
    if place.startswith("simulated:"):
        pytest.skip("a simulated cluster lives in one process")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.child", action, place, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"RINGTRUE_TEST_KILL": kill_at},
    )
    try:
        yield process
    finally:
        process.kill()
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=PATIENCE_S)


def says(process: subprocess.Popen[str]) -> str:
    """The next line that the child prints; empty when it has died."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Says something to the child."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def dies(process: subprocess.Popen[str]) -> bool:
    """Waits for the end of the child; whether it was killed."""
    return process.wait(PATIENCE_S) == -signal.SIGKILL
