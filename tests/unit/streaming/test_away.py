"""What becomes of a turn when something is away, or the partitions are."""

import threading
from pathlib import Path

import pytest

from ringtrue.errors import Away
from ringtrue.streaming import worker as worker_module
from ringtrue.streaming.codec import SingleObject, UnknownSchema
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Fenced, Outgoing, Subscription
from ringtrue.streaming.step import Step
from ringtrue.telemetry import RETRIES, Health
from tests.unit.streaming.tiny import (
    CODEC,
    IN,
    Running,
    Tiny,
    answer,
    feed,
    left,
    letters,
    names,
    open_tiny,
    records,
    run,
    until,
)


def test_a_turn_begins_again_when_something_is_away_and_nothing_is_lost_or_doubled(log: EmbeddedLog) -> None:
    tries = list[str]()
    before = RETRIES.labels("tiny-copy")._value.get()

    def handle(step: Step) -> None:
        step.put(step.message.call_id, step.message)
        answer(step)
        tries.append(step.message.call_id)
        if step.message.call_id == "b" and tries.count("b") < 4:
            raise Away("the store is away")

    feed(log, *"abc")
    run(Tiny(handle), log=log)
    assert names(log) == ["a", "b", "c"]
    assert letters(log) == []
    assert "".join(tries) == "ab" * 3 + "abc"
    assert RETRIES.labels("tiny-copy")._value.get() - before == 3


def test_a_worker_says_why_it_is_not_ready_and_when_it_is_again(log: EmbeddedLog) -> None:
    health = Health("tiny-copy")
    back = threading.Event()

    def handle(step: Step) -> None:
        if not back.is_set():
            raise Away("the store is away")
        answer(step)

    feed(log, "a")
    stop = threading.Event()
    running = Running(Tiny(handle), log, stop, health)
    until(lambda: "away" in health.reason, running)
    assert (health.ready, health.alive, health.reason) == (False, True, "the store is away")
    back.set()
    until(lambda: health.ready, running)
    stop.set()
    running.join()
    assert names(log) == ["a"]


def test_the_pauses_grow_and_start_small_again_after_a_success(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_BACK_OFF_S", (1.0, 4.0))
    pauses = list[float]()
    monkeypatch.setattr(worker_module.Loop, "_pause", lambda self, member, seconds: pauses.append(seconds))
    tries = list[str]()

    def handle(step: Step) -> None:
        name = step.message.call_id
        tries.append(name)
        if tries.count(name) <= {"a": 4, "b": 1}[name]:
            raise Away("the store is away")

    feed(log, "a")
    worker = Tiny(handle)
    run(worker, log=log)
    feed(log, "b")
    run(worker, log=log)
    assert pauses == [1.0, 2.0, 4.0, 4.0, 1.0]


def test_a_message_of_a_newer_version_holds_its_partition_only(tmp_path: Path) -> None:
    log = open_tiny(tmp_path / "log.sqlite", partitions=2)
    log.append([Outgoing(IN.name, b"key", SingleObject._MARK + b"\x00" * 8 + b"body", partition=0)])
    feed(log, "behind it", partition=0)
    feed(log, "elsewhere", partition=1)
    health = Health("tiny-copy")
    run(Tiny(), log=log, done=lambda: "no schema" in health.reason and names(log) == ["elsewhere"], health=health)
    assert left(log, Tiny()) == 2
    log.close()


def test_a_message_of_a_newer_version_is_held_not_refused(log: EmbeddedLog) -> None:
    feed(log, "a")
    log.append([Outgoing(IN.name, b"key", SingleObject._MARK + b"\x00" * 8 + b"body")])
    health = Health("tiny-copy")
    run(Tiny(), log=log, done=lambda: "no schema" in health.reason, health=health)
    assert letters(log) == []
    assert names(log) == ["a"], "what stood before it went on"
    assert left(log, Tiny()) == 1
    with pytest.raises(UnknownSchema):
        CODEC.decode(records(log, IN)[1].value)


def test_an_unexpected_error_ends_the_loop_and_nothing_of_the_turn_remains(log: EmbeddedLog) -> None:
    def handle(step: Step) -> None:
        answer(step)
        if step.message.call_id == "b":
            raise ZeroDivisionError("a bug")

    feed(log, *"ab")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(Tiny(handle), log=log)
    assert (names(log), letters(log), left(log, Tiny())) == ([], [], 2)
    run(Tiny(), log=log)
    assert names(log) == ["a", "b"]


def test_a_worker_that_was_replaced_in_its_slot_ends(log: EmbeddedLog) -> None:
    handling, replaced = threading.Event(), threading.Event()

    def handle(step: Step) -> None:
        handling.set()
        replaced.wait(10)
        answer(step)

    feed(log, "a")
    old = Running(Tiny(handle), log, threading.Event())
    assert handling.wait(10)
    stop = threading.Event()
    new = Running(Tiny(), log, stop)
    until(lambda: not left(log, Tiny()), new)
    replaced.set()
    with pytest.raises(Fenced):
        old.join()
    stop.set()
    new.join()
    assert names(log) == ["a"]


def test_a_worker_whose_partition_has_gone_drops_its_turn_and_goes_on(tmp_path: Path) -> None:
    log = open_tiny(tmp_path / "log.sqlite", partitions=2)
    handling, released = threading.Event(), threading.Event()
    tries = list[str]()

    def handle(step: Step) -> None:
        tries.append(step.message.call_id)
        if len(tries) == 1:
            handling.set()
            released.wait(10)
        answer(step)

    feed(log, "a", partition=0)
    worker, stop = Tiny(handle), threading.Event()
    running = Running(worker, log, stop)
    assert handling.wait(10)
    thief = log.join(Subscription(worker.name, "1", ("in",), worker.state))

    def stolen() -> bool:  # as if the process of the first one had been suspended for long
        log._connection.execute("UPDATE members SET seen_ms = 0 WHERE slot = '0'")
        thief.receive(1, 0.05)
        return 0 in thief.partitions

    until(stolen)
    released.set()
    thief.leave()
    until(lambda: not left(log, worker), running)
    stop.set()
    running.join()
    assert names(log) == ["a"]
    assert tries == ["a", "a"]
    log.close()
