"""What a worker remembers between messages, and when it is reminded."""

import threading

from ringtrue.errors import Away
from ringtrue.messages import CallWanted, SegmentTranscribed
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.step import Step
from tests.unit.streaming.tiny import (
    CODEC,
    IN,
    OUT,
    Tiny,
    cases,
    feed,
    left,
    letters,
    message,
    records,
    run,
)


def test_later_steps_of_a_batch_see_what_earlier_ones_have_changed(log: EmbeddedLog) -> None:
    def handle(step: Step) -> None:
        name = step.message.call_id
        before = step.get("latest", CallWanted)
        seen = "+".join(key for key, _ in step.scan("n", CallWanted))
        step.send(OUT, name, message(name, f"{before.call_id if before else '-'} {seen}"))
        step.put("latest", step.message)
        step.put(name, step.message)
        if name == "n3":
            step.delete("n1")
            assert [key for key, _ in step.scan("n", CallWanted)] == ["n2", "n3"]

    feed(log, "n1", "n2")
    run(Tiny(handle), log=log)
    feed(log, "n3", "n4")
    run(Tiny(handle), log=log)
    assert cases(log) == ["- ", "n1 n1", "n2 n1+n2", "n3 n2+n3"]


def test_a_deleted_key_is_gone_for_later_steps_of_the_batch(log: EmbeddedLog) -> None:
    def handle(step: Step) -> None:
        found = step.get("entry", CallWanted)
        step.send(OUT, "key", message(step.message.call_id, "there" if found else "gone"))
        step.delete("entry") if found else step.put("entry", step.message)

    feed(log, *"abc")
    run(Tiny(handle), log=log)
    assert cases(log) == ["gone", "there", "gone"]


def test_the_state_of_another_kind_is_refused(log: EmbeddedLog) -> None:
    feed(log, "a")
    run(Tiny(lambda step: step.put("entry", step.message)), log=log)
    feed(log, "b")

    def handle(step: Step) -> None:
        step.get("entry", SegmentTranscribed)

    run(Tiny(handle), log=log)
    assert [letter.error for letter in letters(log)] == ["unexpected"]


# Timers


class Timed(Tiny):
    """Remembers each message until its deadline, which stands in the case."""

    def __init__(self) -> None:
        super().__init__()
        self.expired = list[str]()

    def handle(self, step: Step) -> None:
        deadline = {"past": step.now_ms - 1, "soon": step.now_ms + 150, "far": step.now_ms + 3_600_000}
        step.put(step.message.call_id, step.message, deadline_ms=deadline[step.message.call_id])

    def expire(self, step: Step, key: str) -> None:
        self.expired.append(key)
        found = step.get(key, CallWanted)
        assert found is not None
        step.send(OUT, key, message(found.call_id, "expired"))
        step.delete(key)


def test_a_timer_falls_due_once_on_a_quiet_topic(log: EmbeddedLog) -> None:
    worker = Timed()
    feed(log, "soon", "past", "far")
    run(worker, log=log, done=lambda: len(records(log)) == 2)
    assert worker.expired == ["past", "soon"]
    run(worker, log=log)
    assert worker.expired == ["past", "soon"]


def test_a_backlog_expires_nothing(log: EmbeddedLog) -> None:
    stuck = threading.Event()

    class Slow(Timed):
        limit = 1

        def handle(self, step: Step) -> None:
            if step.record is not None and step.record.offset == 2:
                stuck.set()
                raise Away("it goes no further")
            step.put("entry", step.message, deadline_ms=2_000_000)

    log.append([Outgoing(IN.name, b"key", CODEC.encode(message("far")), {}, timestamp_ms=1_000_000) for _ in range(4)])
    worker = Slow()
    run(worker, log=log, done=stuck.is_set)
    assert (worker.expired, left(log, worker)) == ([], 2)


def test_what_a_timer_does_is_committed_with_it_or_not_at_all(log: EmbeddedLog) -> None:
    class Failing(Timed):
        def expire(self, step: Step, key: str) -> None:
            super().expire(step, key)
            if len(self.expired) < 3:
                raise Away("not now")

    worker = Failing()
    feed(log, "past")
    run(worker, log=log, done=lambda: bool(records(log)))
    assert worker.expired == ["past"] * 3
    assert cases(log) == ["expired"]
