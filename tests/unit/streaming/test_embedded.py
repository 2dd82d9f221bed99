"""The embedded log alone: what a file on a disk adds to the contract."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ringtrue.messages import CallWanted
from ringtrue.streaming import embedded_retention, sqlite
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.embedded_member import EmbeddedMember
from ringtrue.streaming.port import Commit, LogAway, LogMismatch, Outgoing, Record, Subscription
from ringtrue.streaming.sqlite import connect, transaction
from ringtrue.streaming.topics import TOPICS, Topic
from tests.unit.streaming.tiny import CODEC, IN, Tiny, feed, left, names, open_tiny, run, until


def member_of(log: EmbeddedLog, *topics: str, slot: str = "0") -> EmbeddedMember:
    member = log.join(Subscription("group", slot, topics or ("in",), "group.state"))
    assert isinstance(member, EmbeddedMember)
    assert member.receive(1, 0.0).assigned
    return member


def read(member: EmbeddedMember, count: int) -> list[Record]:
    return list(member.receive(count, 5.0).records)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(tmp_path / "plain.sqlite")
    yield connection
    connection.close()


# Order


def test_a_batch_over_several_partitions_and_topics_is_in_write_order(tmp_path: Path) -> None:
    log = open_tiny(tmp_path / "log.sqlite", partitions=4)
    for number in range(40):
        log.append([Outgoing(("in", "middle")[number % 2], b"key", str(number).encode(), {}, number * 7 % 4)])
    member = member_of(log, "in", "middle")
    values = [int(record.value or b"") for _ in range(14) for record in read(member, 3)]
    assert values == list(range(40))
    log.close()


def test_a_batch_is_of_one_instant(tmp_path: Path) -> None:
    """What a record led to must not be received before it, because its partition is looked at later."""
    log = open_tiny(tmp_path / "log.sqlite", partitions=2)
    member = member_of(log)
    feed(log, "first", partition=0)
    feed(log, "second", partition=1)
    intruder = open_tiny(tmp_path / "log.sqlite", partitions=2)

    def intrude(statement: str) -> None:
        if "FROM records" in statement and "partition = 1" in statement and len(names(log, IN)) == 2:
            feed(intruder, "cause", partition=0)
            feed(intruder, "effect", partition=1)

    member._connection.set_trace_callback(intrude)
    seen = [record for _ in range(3) for record in member.receive(10, 0.1).records]
    names_seen = [CODEC.decode_as(CallWanted, record.value or b"").call_id for record in seen]
    assert names_seen == ["first", "second", "cause", "effect"]
    intruder.close()
    log.close()


# Durability


def test_every_connection_syncs_every_commit(log: EmbeddedLog) -> None:
    member = member_of(log)
    for connection in (log._connection, member._connection):
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_transaction_whose_commit_fails_leaves_the_connection_usable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE child (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO child VALUES (7)")  # found to be wrong by COMMIT
    with transaction(connection):
        connection.execute("INSERT INTO parent VALUES (7)")
    assert connection.execute("SELECT count(*) FROM child").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM parent").fetchone() == (1,)


def test_a_full_disk_is_waited_for_and_nothing_is_half_written(log: EmbeddedLog) -> None:
    member = member_of(log)
    feed(log, "a")
    records = read(member, 1)
    commit = Commit({("in", 0): 1}, [Outgoing("out", b"key", bytes(500_000)) for _ in range(4)])
    full = member._connection.execute("PRAGMA page_count").fetchone()[0] + 200
    member._connection.execute(f"PRAGMA max_page_count = {full}")
    with pytest.raises(LogAway, match="full"):
        member.commit(commit)
    member.rewind()
    assert read(member, 1) == records
    assert list(log.browse("out")) == []
    member._connection.execute("PRAGMA max_page_count = 1000000")
    member.commit(commit)
    assert len(list(log.browse("out"))) == 4
    assert log._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_is_locked_for_long_is_away(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_S", 0.05)
    member = member_of(log)
    log._connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogAway, match="locked"):
        member.commit(Commit({("in", 0): 0}))
    log._connection.execute("ROLLBACK")
    member.commit(Commit({("in", 0): 0}))


def test_a_worker_waits_while_the_file_is_locked(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_S", 0.02)
    feed(log, "a")
    worker = Tiny()
    locker = connect(log._file.path, any_thread=True)
    locker.execute("BEGIN IMMEDIATE")
    unlock = threading.Timer(0.2, lambda: locker.execute("ROLLBACK"))
    unlock.start()
    run(worker, log=log, done=lambda: unlock.finished.is_set() and not left(log, worker))
    locker.close()
    assert names(log) == ["a"]


# The file


def test_a_log_keeps_its_id_and_another_one_has_another(tmp_path: Path) -> None:
    ids = list[str]()
    for name in ("one", "one", "two"):
        log = EmbeddedLog(tmp_path / name)
        ids.append(log.id)
        log.close()
    assert ids[0] == ids[1] != ids[2]


def test_a_file_of_another_format_is_refused(log: EmbeddedLog) -> None:
    log._connection.execute("UPDATE meta SET value = '99' WHERE name = 'format'")
    with pytest.raises(LogMismatch, match="format=99"):
        open_tiny(log._file.path)


def test_the_table_of_topics_can_be_created(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log.sqlite", partitions=3)
    log.create_topics(TOPICS)
    assert log.ends([topic.name for topic in TOPICS]) == {topic.name: 0 for topic in TOPICS}
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    log.close()


# Members


def test_the_pulse_ends_with_the_last_member(log: EmbeddedLog) -> None:
    def pulses() -> int:
        return sum(thread.name == "pulse" for thread in threading.enumerate())

    before = pulses()
    one = member_of(log)
    two = log.join(Subscription("other", "0", ("in",)))
    two.receive(1, 0.0)
    assert pulses() == before + 1
    one.leave()
    assert pulses() == before + 1
    two.leave()
    assert pulses() == before
    three = member_of(log)
    assert pulses() == before + 1
    three.leave()


def test_members_that_idle_write_nothing_but_their_pulse(tmp_path: Path) -> None:
    log = open_tiny(tmp_path / "log.sqlite", partitions=2)
    one, two = member_of(log, slot="a"), log.join(Subscription("group", "b", ("in",), "group.state"))
    until(lambda: bool(two.receive(1, 0.01).assigned or one.receive(1, 0.01).assigned))
    onlooker = connect(log._file.path)
    versions = set[int]()
    deadline = time.monotonic() + 1.2
    while time.monotonic() < deadline:
        one.receive(1, 0.02)
        two.receive(1, 0.02)
        versions.add(onlooker.execute("PRAGMA data_version").fetchone()[0])
    assert len(versions) <= 3
    onlooker.close()
    log.close()


def test_a_dead_member_is_dead_though_the_clock_was_put_back_since(log: EmbeddedLog) -> None:
    member_of(log, slot="dead")
    hour_ms = 3_600_000
    log._connection.execute("UPDATE members SET token = 'dead', seen_ms = seen_ms + ?", (hour_ms,))
    log._connection.execute("UPDATE claims SET token = 'dead'")
    assert member_of(log, slot="next").partitions == {0}


# What expired


def test_records_that_expire_unread_raise_an_alarm(log: EmbeddedLog) -> None:
    feed(log, *"abcd")
    member = member_of(log)
    log._connection.execute("DELETE FROM records WHERE offset < 3")
    with capture_logs() as logs:
        assert len(read(member, 4)) == 1
    [alarm] = logs
    assert (alarm["event"], alarm["log_level"]) == ("records expired unread", "error")
    assert {name: alarm[name] for name in ("group", "topic", "partition", "position", "first")} == {
        "group": "group", "topic": "in", "partition": 0, "position": 0, "first": 3,
    }  # fmt: skip


def test_compaction_raises_none(log: EmbeddedLog) -> None:
    log.create_topics([Topic("in", cleanup="compact")])
    feed(log, *"abcd")
    member = member_of(log)
    log._connection.execute("DELETE FROM records WHERE offset IN (0, 2)")
    with capture_logs() as logs:
        assert len(read(member, 4)) == 2
    assert logs == []


# Tidying


def test_tidying_much_takes_the_file_in_small_bites_only(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_retention, "_BITE", 3)
    log.create_topics([Topic("in", retention_ms=1000)])
    log.append([Outgoing("in", b"key", b"x", timestamp_ms=1) for _ in range(8)])
    onlooker = connect(log._file.path)
    held = list[int]()

    @contextmanager
    def watched(connection: sqlite3.Connection) -> Iterator[None]:
        held.append(onlooker.execute("SELECT count(*) FROM records").fetchone()[0])
        with transaction(connection):
            yield

    monkeypatch.setattr(embedded_retention, "transaction", watched)
    assert log.tidy() == 8
    assert held == [8, 5, 2]
    onlooker.close()
