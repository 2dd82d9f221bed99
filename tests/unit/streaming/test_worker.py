"""The loop: what becomes of a message, of a bad one, and of a turn when something is away."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ringtrue import __version__
from ringtrue.errors import Away, BadRecord
from ringtrue.messages import CallWanted, SegmentTranscribed
from ringtrue.streaming import worker as worker_module
from ringtrue.streaming.codec import SingleObject, UnknownSchema
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Fenced, Member, Outgoing, Subscription
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import RECORDINGS_NOTIFICATIONS
from ringtrue.streaming.trace import trace_id
from ringtrue.telemetry import RETRIES, Health
from tests.unit.streaming.tiny import (
    CODEC,
    IN,
    LETTERS,
    MIDDLE,
    OUT,
    Running,
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
    until,
)


class Answering(Tiny):
    """Answers for what it refuses, from the headers."""

    def refused(self, step: Step, problem: BadRecord) -> None:
        headers = step.headers
        if "call_id" in headers:
            step.send(OUT, headers["call_id"], message(headers["call_id"], problem.reason))


def refuse_bad(step: Step) -> None:
    if step.message.call_id == "bad":
        raise BadRecord("rotten", "it is rotten; send a fresh one")
    answer(step)


# Messages and batches


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


# Bad records


def test_a_bad_record_goes_to_the_dead_letters_as_it_came_and_the_rest_goes_on(log: EmbeddedLog) -> None:
    value = CODEC.encode(message("bad"))
    feed(log, "a")
    headers = {"call_id": b"bad", "run": b"12", "odd": b"\xff"}
    log.append([Outgoing(IN.name, b"key \xff", value, headers, timestamp_ms=1_700_000_000_000)])
    feed(log, "b")
    run(Answering(refuse_bad), log=log)
    assert list(zip(names(log), cases(log), strict=True)) == [("a", ""), ("bad", "rotten"), ("b", "")]
    [letter] = letters(log)
    assert (letter.service, letter.worker, letter.service_version) == ("tiny", "tiny-copy", __version__)
    assert (letter.topic, letter.partition, letter.offset) == ("in", 0, 1)
    assert (letter.key, letter.value) == (b"key \xff", value)
    assert letter.headers == {"call_id": "bad", "run": "12", "odd": "\ufffd"}
    assert letter.timestamp_ms == 1_700_000_000_000
    assert (letter.error, letter.message) == ("rotten", "it is rotten; send a fresh one")
    assert (letter.subject, letter.call_id, letter.run) == ("bad", "bad", 12)


@pytest.mark.parametrize("value", [b"", None, b"no message", CODEC.encode(message("cut off"))[:-1]])
def test_bytes_that_cannot_be_read_are_answered_from_the_headers(log: EmbeddedLog, value: bytes | None) -> None:
    headers = {"call_id": b"calls/1", "run": b"3", "index": b"1", "total": b"2"}
    log.append([Outgoing(IN.name, b"key", value, headers)])
    feed(log, "b")
    run(Answering(), log=log)
    assert list(zip(names(log), cases(log), strict=True)) == [("calls/1", "undecodable"), ("b", "")]
    [letter] = letters(log)
    assert (letter.error, letter.value) == ("undecodable", value)
    assert (letter.call_id, letter.run) == ("calls/1", 3)


def test_a_bad_record_without_a_call_gets_only_its_dead_letter(log: EmbeddedLog) -> None:
    log.append([Outgoing(IN.name, b"a key", b"no message")])
    run(Answering(), log=log)
    assert names(log) == []
    [letter] = letters(log)
    assert (letter.subject, letter.call_id, letter.run) == ("a key", None, None)


@pytest.mark.parametrize("number", ["", "x", "²", "٣", "-1", "9" * 30, "9" * 5000])
def test_a_header_that_is_no_number_does_not_keep_a_record_from_the_dead_letters(log: EmbeddedLog, number: str) -> None:
    log.append([Outgoing(IN.name, b"key", b"no message", {"call_id": b"calls/1", "run": number.encode()})])
    run(Answering(), log=log)
    assert [letter.run for letter in letters(log)] == [None]


def test_what_a_bad_record_had_sent_and_remembered_is_dropped(log: EmbeddedLog) -> None:
    def handle(step: Step) -> None:
        found = step.get("entry", CallWanted)
        step.send(OUT, "key", message(step.message.call_id, found.call_id if found else "nothing"))
        step.put("entry", step.message)
        refuse_bad(step) if step.message.call_id == "bad" else None

    feed(log, "bad", "b")
    run(Tiny(handle), log=log)
    assert list(zip(names(log), cases(log), strict=True)) == [("b", "nothing")]


def test_a_part_of_a_record_can_be_refused_while_the_rest_of_it_goes_on(log: EmbeddedLog) -> None:
    def handle(step: Step) -> None:
        step.refuse(BadRecord("rejected_row", "row 3"), subject="manifest row 3", part=b"row 3")
        answer(step)

    feed(log, "a")
    run(Tiny(handle), log=log)
    assert names(log) == ["a"]
    [letter] = letters(log)
    assert (letter.error, letter.subject, letter.part) == ("rejected_row", "manifest row 3", b"row 3")
    assert letter.value == CODEC.encode(message("a")), "the whole record stands in it too, to be tried again"


def test_a_worker_that_passes_over_a_refused_record_is_stopped(log: EmbeddedLog) -> None:
    class Careless(Tiny):
        def handle_many(self, steps: Sequence[Step]) -> None:
            for step in steps:
                if step.message is not None:
                    answer(step)

    log.append([Outgoing(IN.name, b"key", b"no message")])
    with pytest.raises(RuntimeError, match="passed over"):
        run(Careless(), log=log)
    assert left(log, Tiny()) == 1


# Something is away


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


def test_a_message_of_a_newer_version_is_held_not_refused(log: EmbeddedLog) -> None:
    feed(log, "a")
    log.append([Outgoing(IN.name, b"key", SingleObject._MARK + b"\x00" * 8 + b"body")])
    health = Health("tiny-copy")
    run(Tiny(), log=log, done=lambda: "no schema" in health.reason, health=health)
    assert letters(log) == []
    assert left(log, Tiny()) == 2
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


# State


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
