"""Keyed state and the clock of its timers."""

import time

import pytest

from ringtrue.streaming.port import Commit, Log, Member, Outgoing, StateChange
from tests.contract.adapters import LogFactory
from tests.contract.driving import copy, nothing_comes, reads, settle, take, until


@pytest.fixture
def member(log: Log) -> Member:
    member = log.join(reads())
    settle({member: {0, 1}})
    return member


def put(member: Member, **entries: bytes) -> None:
    member.commit(Commit({}, changes=[StateChange(0, key, value) for key, value in entries.items()]))


def test_a_key_holds_its_last_value(member: Member) -> None:
    put(member, name=b"old")
    put(member, name=b"new", other=b"")
    assert member.state(0).get("name") == b"new"
    assert member.state(0).get("other") == b""
    assert member.state(0).get("nam") is None


def test_a_deleted_key_is_gone_with_its_timer(member: Member) -> None:
    member.commit(Commit({}, changes=[StateChange(0, "name", b"value", deadline_ms=1)]))
    member.commit(Commit({}, changes=[StateChange(0, "name", None)]))
    assert member.state(0).get("name") is None
    assert list(member.state(0).scan("")) == []
    assert list(member.state(0).due(10, 10)) == []


def test_within_one_commit_the_last_change_of_a_key_counts(member: Member) -> None:
    changes = [StateChange(0, "name", b"first"), StateChange(0, "name", None), StateChange(0, "name", b"last")]
    member.commit(Commit({}, changes=changes))
    assert member.state(0).get("name") == b"last"


def test_each_partition_has_its_own_state(member: Member) -> None:
    put(member, name=b"value")
    assert member.state(1).get("name") is None
    assert list(member.state(1).scan("")) == []


def test_each_group_has_its_own_state(log: Log, member: Member) -> None:
    put(member, name=b"value")
    other = log.join(reads(group="other", state="other.state"))
    settle({other: {0, 1}})
    assert other.state(0).get("name") is None


def test_a_scan_finds_what_begins_with_the_prefix_by_key(member: Member) -> None:
    keys = ["call/2", "call/10", "call", "call/", "cal", "calm", "call/é", "CALL/1", "call/a_%", ""]
    member.commit(Commit({}, changes=[StateChange(0, key, key.encode()) for key in keys]))
    found = list(member.state(0).scan("call/"))
    assert found == [(key, key.encode()) for key in sorted(keys) if key.startswith("call/")]
    assert [key for key, _ in member.state(0).scan("")] == sorted(keys)


def test_what_is_due_comes_earliest_first_and_no_more_than_asked_for(member: Member) -> None:
    deadlines = {"later": 30, "early": 10, "middle": 20, "never": None}
    member.commit(Commit({}, changes=[StateChange(0, key, b"x", at) for key, at in deadlines.items()]))
    assert [key for key, _ in member.state(0).due(20, 10)] == ["early", "middle"]
    assert [key for key, _ in member.state(0).due(1000, 2)] == ["early", "middle"]
    assert list(member.state(0).due(9, 10)) == []


def test_a_new_value_takes_the_deadline_with_it(member: Member) -> None:
    member.commit(Commit({}, changes=[StateChange(0, "name", b"x", deadline_ms=10)]))
    put(member, name=b"y")
    assert list(member.state(0).due(1000, 10)) == []


def test_state_and_timers_are_there_after_a_restart(log_factory: LogFactory) -> None:
    member = log_factory().join(reads())
    settle({member: {0, 1}})
    changes = [StateChange(1, f"key-{number:02}", b"%d" % number, deadline_ms=number) for number in range(50)]
    member.commit(Commit({}, changes=changes))
    member.commit(Commit({}, changes=[StateChange(1, "key-07", None), StateChange(1, "key-08", b"new", 99)]))
    member.leave()
    again = log_factory().join(reads())
    settle({again: {0, 1}})
    assert len(list(again.state(1).scan("key-"))) == 49
    assert again.state(1).get("key-08") == b"new"
    assert [key for key, _ in again.state(1).due(10, 100)] == [
        f"key-{number:02}" for number in (0, 1, 2, 3, 4, 5, 6, 9, 10)
    ]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_clock_is_the_wall_clock_when_everything_has_been_read(log: Log, member: Member) -> None:
    assert nothing_comes(member)
    assert abs(member.clock_ms(0) - now_ms()) < 1000
    log.append([Outgoing("input", b"key", b"old", partition=0, timestamp_ms=5000)])
    copy(member, take(member, 1))
    assert nothing_comes(member)
    assert abs(member.clock_ms(0) - now_ms()) < 1000


def test_with_a_backlog_the_clock_is_the_time_of_the_youngest_record_received(log: Log, member: Member) -> None:
    for stamp in (5000, 9000, 7000, 20000):
        log.append([Outgoing("input", b"key", b"old", partition=0, timestamp_ms=stamp)])
    assert member.clock_ms(0) < 5000
    assert member.clock_ms(1) > 20000, "the other partition has no backlog"
    take(member, 3, limit=1)
    assert member.clock_ms(0) == 9000


def test_a_backlog_of_any_input_holds_the_clock(log: Log) -> None:
    member = log.join(reads("input", "other"))
    settle({member: {0, 1}})
    log.append([Outgoing("input", b"key", b"old", partition=0, timestamp_ms=5000)])
    take(member, 1)
    log.append([Outgoing("other", b"key", b"old", partition=0, timestamp_ms=6000)])
    assert member.clock_ms(0) == 5000


def test_a_record_from_the_future_does_not_put_the_clock_forward(log: Log, member: Member) -> None:
    log.append([Outgoing("input", b"key", b"x", partition=0, timestamp_ms=now_ms() + 3_600_000)] * 2)
    take(member, 1, limit=1)
    assert member.clock_ms(0) <= now_ms()


def test_after_a_rewind_the_clock_is_that_of_what_has_come_again(log: Log, member: Member) -> None:
    log.append([Outgoing("input", b"key", b"old", partition=0, timestamp_ms=stamp) for stamp in (5000, 9000, 9500)])
    take(member, 2, limit=1)
    assert member.clock_ms(0) == 9000
    member.rewind()
    assert member.clock_ms(0) < 5000
    take(member, 1, limit=1)
    assert member.clock_ms(0) == 5000


def test_the_next_owner_begins_with_a_clock_of_its_own(log: Log, member: Member) -> None:
    log.append([Outgoing("input", b"key", b"old", partition=0, timestamp_ms=stamp) for stamp in (9000, 5000, 6000)])
    take(member, 1, limit=1)
    member.leave()
    again = log.join(reads())
    until(lambda: bool(again.receive(1, 0.1).assigned))
    assert again.clock_ms(0) < 5000
