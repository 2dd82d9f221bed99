"""The loop: what becomes of messages and batches, how far it has come, and when it takes nothing."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from ringtrue.errors import Away
from ringtrue.messages import CallWanted, SegmentTranscribed
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.embedded_member import EmbeddedMember
from ringtrue.streaming.port import Member, Outgoing, Subscription
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import RECORDINGS_NOTIFICATIONS
from ringtrue.streaming.trace import trace_id
from ringtrue.telemetry import Health
from tests.unit.streaming.tiny import (
    CODEC,
    IN,
    LETTERS,
    MIDDLE,
    OUT,
    Tiny,
    answer,
    feed,
    left,
    message,
    names,
    records,
    run,
)


def test_every_message_is_handled_in_order(log: EmbeddedLog) -> None:
    feed(log, *"abcdefgh")
    run(Tiny(), log=log)
    assert names(log) == list("abcdefgh")


def test_a_batch_holds_no_more_than_the_limit_and_is_committed_at_once(log: EmbeddedLog) -> None:
    batches = list[int]()

    class Batching(Tiny):
        limit = 3

        def handle_many(self, steps: Sequence[Step]) -> None:
            batches.append(len(steps))
            assert len(records(log)) == sum(batches[:-1])
            super().handle_many(steps)

    feed(log, *"abcdefgh")
    run(Batching(), log=log)
    assert batches == [3, 3, 2]


def test_a_worker_is_started_once_and_stopped(log: EmbeddedLog) -> None:
    calls = list[str]()

    class Starting(Tiny):
        def start(self) -> None:
            calls.append("start")

        def stop(self) -> None:
            calls.append("stop")

    run(Starting(), log=log)
    assert calls == ["start", "stop"]


def test_a_worker_is_started_again_when_something_it_needs_is_away(log: EmbeddedLog) -> None:
    tries = list[str]()

    class Needy(Tiny):
        def start(self) -> None:
            tries.append("try")
            if len(tries) < 3:
                raise Away("the database is away")

    feed(log, "a")
    run(Needy(), log=log)
    assert (len(tries), names(log)) == (3, ["a"])


def test_a_worker_that_cannot_join_is_stopped_too(tmp_path: Path) -> None:
    stopped = threading.Event()

    class Stopping(Tiny):
        def stop(self) -> None:
            stopped.set()

    class Broken(EmbeddedLog):
        def join(self, subscription: Subscription) -> Member:
            raise RuntimeError(f"nobody joins {subscription.group}")

    broken = Broken(tmp_path / "broken.sqlite")
    with pytest.raises(RuntimeError, match="nobody joins"):
        run(Stopping(), log=broken, done=lambda: False)
    broken.close()
    assert stopped.is_set()


def test_notifications_of_the_bucket_come_as_bytes(log: EmbeddedLog) -> None:
    log.create_topics([RECORDINGS_NOTIFICATIONS])
    log.append([Outgoing(RECORDINGS_NOTIFICATIONS.name, b"key", b'{"Records": []}')])
    seen = list[object]()
    worker = Tiny(lambda step: seen.append(step.message))
    worker.inputs = (RECORDINGS_NOTIFICATIONS,)
    run(worker, log=log)
    assert seen == [b'{"Records": []}']


def test_a_trace_goes_on_from_record_to_record(log: EmbeddedLog) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01".encode()
    log.append([Outgoing(IN.name, b"a", CODEC.encode(message("a")), {"traceparent": parent})])
    feed(log, "b")
    run(Tiny(), log=log)
    [first, second] = records(log)
    assert trace_id(first.headers) == trace
    assert first.headers["traceparent"] != parent, "each record is a span of its own"
    assert len(trace_id(second.headers)) == 32
    assert trace_id(second.headers) == trace_id(second.headers) != trace


def test_what_names_a_part_also_stands_in_the_headers(log: EmbeddedLog) -> None:
    part = SegmentTranscribed(
        call_id="calls/1", run=7, index=0, total=3, channel=0, start_ms=0, end_ms=0, overlap_ms=0, status="ok",
        words=(), model="", model_revision="", event_time_ms=0,
    )  # fmt: skip
    feed(log, "a")
    run(Tiny(lambda step: step.send(OUT, "calls/1", part)), log=log)
    headers = {name: value for name, value in records(log)[0].headers.items() if name != "traceparent"}
    assert headers == {"call_id": b"calls/1", "run": b"7", "index": b"0", "total": b"3"}


# Checkpoints, positions, pauses


def test_a_checkpoint_commits_a_part_and_the_rest_follows_after_a_death(log: EmbeddedLog) -> None:
    deaths = list[str]()

    def handle(step: Step) -> None:
        done = len([key for key, _ in step.scan("part", CallWanted)])
        for number in range(done, 4):
            step.send(OUT, "key", message(f"{step.message.call_id}{number}"))
            step.put(f"part{number}", step.message)
            if number == 1:
                step.checkpoint()
                if not deaths:
                    deaths.append("here")
                    raise ZeroDivisionError
        for key, _ in step.scan("part", CallWanted):
            step.delete(key)

    feed(log, *"ab")
    with pytest.raises(ZeroDivisionError):
        run(Tiny(handle), log=log)
    assert (names(log), left(log, Tiny())) == (["a0", "a1"], 2)
    run(Tiny(handle), log=log)
    assert names(log) == [f"{name}{number}" for name in "ab" for number in range(4)]


def test_a_checkpoint_does_not_pass_over_the_records_before_its_own(log: EmbeddedLog) -> None:
    class Together(Tiny):
        """Computes the batch first and answers afterwards, as segmenting does."""

        dies = True

        def handle_many(self, steps: Sequence[Step]) -> None:
            for step in steps:
                step.attempt(lambda step: None, self.refused)
            for step in steps:
                answer(step)
                if step.message.call_id == "b":
                    step.checkpoint()
                    if self.dies:
                        raise ZeroDivisionError

    feed(log, *"abc")
    worker = Together()
    with pytest.raises(ZeroDivisionError):
        run(worker, log=log)
    worker.dies = False
    run(worker, log=log)
    assert set(names(log)) == {"a", "b", "c"}, "the answer to a record before the checkpoint was lost"
    assert names(log).count("a") == 1


@pytest.mark.parametrize("says", [Step.lives, Step.checkpoint])
def test_a_long_turn_says_in_its_midst_that_it_goes_on(
    says: Callable[[Step], None], log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health("tiny-copy")
    beats, alive = list[bool](), list[bool]()
    monkeypatch.setattr(EmbeddedMember, "heartbeat", lambda self: beats.append(True))

    class Long(Tiny):
        def handle(self, step: Step) -> None:
            health.turned_at -= 1_000
            beats.clear()
            alive.append(health.alive)
            says(step)
            alive.append(health.alive)
            alive.append(bool(beats))

    feed(log, "a")
    run(Long(), log=log, health=health)
    assert alive == [False, True, True], "whether the process lives before and after, and the log has heard of it"


def test_a_worker_that_keeps_its_own_positions_reads_again_what_it_has_not_kept(log: EmbeddedLog) -> None:
    kept: Mapping[str, int] = {"in": 1}

    class Keeping(Tiny):
        def resume_from(self, topic: str, partition: int) -> int | None:
            return kept[topic]

    feed(log, *"abc")
    run(Tiny(), log=log)
    run(Keeping(), log=log, done=lambda: len(records(log)) == 5)
    assert names(log) == ["a", "b", "c", "b", "c"]


def test_nothing_is_taken_while_a_worker_is_paused(log: EmbeddedLog) -> None:
    asked = threading.Event()

    class Paused(Tiny):
        reason = "the next stage is behind"

        def paused(self) -> str:
            asked.set()
            return self.reason

    feed(log, "a")
    worker = Paused()
    run(worker, log=log, done=asked.is_set)
    assert names(log) == []
    worker.reason = ""
    run(worker, log=log)
    assert names(log) == ["a"]


def test_a_worker_may_write_to_what_it_reads(log: EmbeddedLog) -> None:
    def handle(step: Step) -> None:
        length = len(step.message.call_id)
        step.send(IN if length < 4 else OUT, "key", message(step.message.call_id + "+"))

    feed(log, "a")
    run(Tiny(handle), log=log, done=lambda: bool(records(log)))
    assert names(log) == ["a++++"]


def test_two_workers_make_a_chain(log: EmbeddedLog) -> None:
    class Second(Tiny):
        name = "tiny-second"
        inputs = (MIDDLE,)
        state = None

    feed(log, *"abc")
    first = Tiny(lambda step: step.send(MIDDLE, "key", step.message))
    run(first, Second(), log=log, done=lambda: len(records(log)) == 3)
    assert names(log) == ["a", "b", "c"]
    assert records(log, LETTERS) == []
