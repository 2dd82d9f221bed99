"""A record that kills the process is refused after three tries; no other one is."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from ringtrue.errors import Away, BadRecord
from ringtrue.streaming import quarantine
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Outgoing, Subscription
from ringtrue.streaming.quarantine import Quarantine
from ringtrue.streaming.step import Step
from tests.unit.streaming.tiny import (
    CODEC,
    IN,
    OUT,
    Tiny,
    answer,
    cases,
    feed,
    left,
    letters,
    message,
    names,
    open_tiny,
    records,
    run,
)


class Death(Exception):
    """Ends the loop without a farewell, as the end of the process does."""


class Mortal(Tiny):
    """Dies of the message `poison`; notes which messages it was handed, batch by batch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = list[str]()

    def handle_many(self, steps: Sequence[Step]) -> None:
        self.batches.append("".join(step.message.call_id[0] if step.message else "?" for step in steps))
        super().handle_many(steps)

    def handle(self, step: Step) -> None:
        if step.message.call_id == "poison":
            raise Death
        answer(step)

    def refused(self, step: Step, problem: BadRecord) -> None:
        step.send(OUT, "key", message(step.message.call_id if step.message else "?", problem.reason))


def lives(worker: Tiny, log: EmbeddedLog) -> int:
    """How often the worker dies until everything is committed."""
    deaths = 0
    while left(log, worker):
        try:
            run(worker, log=log)
        except Death:
            deaths += 1
            assert deaths < 10
    return deaths


def test_a_record_that_kills_the_process_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    log = open_tiny(path)
    feed(log, "a", "b", "poison", "c", "d")
    codes = list[int]()
    while not codes or codes[-1] != 0:
        process = subprocess.run([sys.executable, "-m", "tests.unit.streaming.child", "mortal", str(path)], timeout=20)
        codes.append(process.returncode)
        assert len(codes) < 10
    assert codes == [-signal.SIGKILL] * 4 + [0], "one death with its batch, three alone"
    assert names(log) == ["a", "b", "poison", "c", "d"]
    assert cases(log) == ["", "", "kills_the_worker", "", ""]
    [letter] = letters(log)
    assert (letter.error, letter.value) == ("kills_the_worker", CODEC.encode(message("poison")))
    assert "3 times" in letter.message
    log.close()


def test_after_a_death_records_come_one_by_one_until_the_guilty_one_has_passed(log: EmbeddedLog) -> None:
    worker = Mortal()
    worker.limit = 4
    feed(log, "a", "b", "poison", *"cdefgh")
    assert lives(worker, log) == 4
    assert worker.batches == ["abpc", "a", "b", "p", "p", "p", "p", "c", "d", "e", "fgh"]
    assert names(log) == ["a", "b", "poison", *"cdefgh"]


def test_after_an_orderly_stop_records_come_in_batches(log: EmbeddedLog) -> None:
    worker = Mortal()
    feed(log, "a")
    run(worker, log=log)
    feed(log, *"bcd")
    run(worker, log=log)
    assert worker.batches == ["a", "bcd"]


def test_a_worker_is_careful_only_with_what_was_there_when_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle partition, or a quiet hour, must not hold a worker to one record at a time."""
    monkeypatch.setattr(quarantine, "_LOOK_EVERY_S", 0.0)
    log = open_tiny(tmp_path / "log.sqlite", partitions=2)

    class DiesOnce(Mortal):
        def handle(self, step: Step) -> None:
            raise Death

    feed(log, *"ab", partition=0)
    with pytest.raises(Death):
        run(DiesOnce(), log=log)
    worker = Mortal()

    fed = threading.Event()

    def fed_and_done() -> bool:
        if names(log) == ["a", "b"] and not fed.is_set():
            fed.set()
            feed(log, *"uvwxyz", partition=0)
        return len(names(log)) == 8

    run(worker, log=log, done=fed_and_done)
    assert worker.batches == ["a", "b", "uvwxyz"]
    log.close()


def test_a_second_poison_is_found_as_the_first_was(log: EmbeddedLog) -> None:
    worker = Mortal()
    feed(log, "poison", "a", "poison", "b")
    assert lives(worker, log) == 7
    assert list(zip(names(log), cases(log), strict=True)) == [
        ("poison", "kills_the_worker"), ("a", ""), ("poison", "kills_the_worker"), ("b", "")
    ]  # fmt: skip


def test_a_poison_long_after_another_one_is_noticed_at_its_first_death(log: EmbeddedLog) -> None:
    worker = Mortal()
    worker.limit = 2
    feed(log, "poison", *"abcdefg", "poison", "h")
    assert lives(worker, log) == 4 + 4


def test_a_poison_among_others_of_its_kind_kills_no_more_than_four_times(log: EmbeddedLog) -> None:
    worker = Mortal()
    worker.limit = 2
    feed(log, *"abcdef", "poison", "g")
    assert lives(worker, log) == 4
    assert len(letters(log)) == 1


def test_that_something_is_away_counts_as_no_try(log: EmbeddedLog) -> None:
    feed(log, "poison")
    with pytest.raises(Death):
        run(Mortal(), log=log)

    class Waiting(Mortal):
        tries = 0

        def handle(self, step: Step) -> None:
            self.tries += 1
            if self.tries <= 8:
                raise Away("the store is away")
            answer(step)

    worker = Waiting()
    run(worker, log=log)
    assert (worker.tries, names(log), letters(log)) == (9, ["poison"], [])


def test_an_answer_that_kills_too_is_left_out_in_the_end(log: EmbeddedLog) -> None:
    class Hopeless(Mortal):
        def refused(self, step: Step, problem: BadRecord) -> None:
            raise Death

    log.append([Outgoing(IN.name, b"key", b"no message", {"call_id": b"calls/1"})])
    feed(log, "a")
    worker = Hopeless()
    assert lives(worker, log) == 5
    assert names(log) == ["a"]
    assert [(letter.error, letter.call_id) for letter in letters(log)] == [("kills_the_worker", "calls/1")]


def test_careful_records_of_two_workers_in_one_process_are_never_under_way_together(tmp_path: Path) -> None:
    """Otherwise an innocent record would be tried each time that another worker's record kills the process."""
    log = open_tiny(tmp_path / "log.sqlite")
    feed(log, *"abc")

    under_way, together = list[str](), list[int]()

    class One(Mortal):
        name = "tiny-one"

        def handle(self, step: Step) -> None:
            under_way.append(self.name)
            together.append(len(under_way))
            threading.Event().wait(0.02)
            under_way.pop()

    class Two(One):
        name = "tiny-two"

    for worker in (One(), Two()):
        member = log.join(Subscription(worker.name, "0", ("in",)))
        assert member.receive(1, 0.0).assigned
        Quarantine(8).assigned(member, member.partitions)  # and then it died
        member.leave()
    run(One(), Two(), log=log)
    assert together == [1] * 6
    log.close()


def test_who_waits_for_another_careful_record_says_that_it_lives(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "_LOOK_S", 0.01)
    beats = list[int]()
    done = threading.Event()

    class Watched(Mortal):
        def start(self) -> None:
            quarantine._ALONE.acquire()
            threading.Timer(0.2, quarantine._ALONE.release).start()

        def handle(self, step: Step) -> None:
            answer(step)
            done.set()

    member_type = type(log.join(Subscription("other", "0", ("in",))))
    monkeypatch.setattr(member_type, "heartbeat", lambda self: beats.append(1))
    feed(log, "poison")
    with pytest.raises(Death):
        run(Mortal(), log=log)
    run(Watched(), log=log, done=done.is_set)
    assert beats
    assert len(records(log)) == 1
