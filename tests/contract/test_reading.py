"""What a member receives, in which order, and when again."""

import time

import pytest

from ringtrue.streaming.port import Commit, Log, LogMismatch, Outgoing
from tests.contract.adapters import LogFactory
from tests.contract.driving import after, child, copy, nothing_comes, reads, take, values, write


def test_a_record_comes_as_it_was_written(log: Log) -> None:
    log.append([Outgoing("input", b"\x00key", b"\xff\xfe", {"trace": b"\xe9\x00", "empty": b""}, timestamp_ms=1234)])
    [record] = take(log.join(reads()), 1)
    assert (record.topic, record.key, record.value, record.timestamp_ms) == ("input", b"\x00key", b"\xff\xfe", 1234)
    assert dict(record.headers) == {"trace": b"\xe9\x00", "empty": b""}


def test_a_record_may_have_neither_key_nor_value(log: Log) -> None:
    log.append([Outgoing("input", None, None)])
    [record] = take(log.join(reads()), 1)
    assert (record.key, record.value, dict(record.headers)) == (None, None, {})


def test_records_of_a_key_come_in_the_order_they_were_written(log: Log) -> None:
    log.append(
        [Outgoing("input", key.encode(), f"{key}{number}".encode()) for number in range(20) for key in ("a", "b")]
    )
    records = take(log.join(reads()), 40, limit=7)
    for key in ("a", "b"):
        assert values([one for one in records if one.key == key.encode()]) == [f"{key}{number}" for number in range(20)]


def test_a_batch_is_in_write_order_and_its_offsets_follow_each_other(log: Log) -> None:
    write(log, *(str(number) for number in range(50)))
    received = log.join(reads())
    records = take(received, 50)
    assert values(records) == [str(number) for number in range(50)]
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets))


def test_a_key_has_the_same_partition_in_every_topic(log: Log) -> None:
    keys = [f"key-{number}" for number in range(20)]
    log.append([Outgoing(topic, key.encode(), b"") for topic in ("input", "other") for key in keys])
    records = take(log.join(reads("input", "other")), 40)
    places = {key: {one.partition for one in records if one.key == key.encode()} for key in keys}
    assert {len(partitions) for partitions in places.values()} == {1}
    assert {next(iter(partitions)) for partitions in places.values()} == {0, 1}


def test_no_more_records_come_than_asked_for(log: Log) -> None:
    write(log, *"abcde")
    write(log, *"vwxyz", partition=1)
    member = log.join(reads())
    assert len(take(member, 1, limit=1)) == 1
    counts = list[int]()
    while sum(counts) < 9 and len(counts) < 20:
        counts.append(len(member.receive(3, 1.0).records))
    assert max(counts) <= 3
    assert sum(counts) == 9


def test_a_backlog_is_handed_out_without_waiting_for_news(log: Log) -> None:
    write(log, *"abcde")
    member = log.join(reads())
    take(member, 1, limit=1)
    assert [values(member.receive(1, 0.3).records) for _ in range(4)] == [["b"], ["c"], ["d"], ["e"]]


def test_what_was_received_does_not_come_again_by_itself(log: Log) -> None:
    write(log, "a")
    member = log.join(reads())
    take(member, 1)
    assert nothing_comes(member)


def test_after_a_rewind_all_that_was_not_committed_comes_again(log: Log) -> None:
    write(log, *"abc")
    member = log.join(reads())
    copy(member, take(member, 1, limit=1))
    assert values(take(member, 2)) == ["b", "c"]
    member.rewind()
    assert values(take(member, 2)) == ["b", "c"]


def test_the_next_member_gets_what_the_last_one_did_not_commit(log_factory: LogFactory) -> None:
    log = log_factory()
    write(log, *"abc")
    member = log.join(reads())
    copy(member, take(member, 1, limit=1))
    take(member, 2)
    member.leave()
    again = log_factory().join(reads())
    assert values(take(again, 2)) == ["b", "c"]
    assert again.position("input", 0) == 1


def test_what_a_killed_process_had_received_comes_again(log_factory: LogFactory) -> None:
    log = log_factory()
    write(log, *"abc")
    with child(log_factory.place, "commit", "before") as process:
        process.wait(20)
    assert values(take(log.join(reads()), 3)) == ["a", "b", "c"]


def test_each_group_gets_everything(log: Log) -> None:
    write(log, *"ab")
    one, two = log.join(reads(group="one")), log.join(reads(group="two", state="two.state"))
    copy(one, take(one, 2))
    assert values(take(two, 2)) == ["a", "b"]


def test_a_member_writes_to_a_topic_that_it_reads_itself(log: Log) -> None:
    write(log, "a")
    member = log.join(reads())
    records = take(member, 1)
    member.commit(Commit(after(records), [Outgoing("input", b"key", b"b", partition=0)]))
    assert values(take(member, 1)) == ["b"]


def test_a_member_reads_on_from_where_it_seeks(log: Log) -> None:
    write(log, *"abc")
    member = log.join(reads())
    copy(member, take(member, 3))
    member.seek("input", 0, 1)
    assert values(take(member, 2)) == ["b", "c"]


def test_a_position_beyond_the_end_of_the_log_is_an_error(log: Log) -> None:
    write(log, "a")
    member = log.join(reads())
    take(member, 1)
    with pytest.raises(LogMismatch, match="beyond the end"):
        member.seek("input", 0, 99)


def test_a_committed_position_beyond_the_end_of_the_log_is_an_error(log: Log) -> None:
    write(log, "a")
    member = log.join(reads())
    take(member, 1)
    member.commit(Commit({("input", 0): 99}))
    member.leave()
    again = log.join(reads())
    with pytest.raises(LogMismatch, match="beyond the end"):
        take(again, 1)


def test_a_topic_that_does_not_exist_is_an_error(log: Log) -> None:
    member = log.join(reads("nowhere"))
    with pytest.raises(LogMismatch, match="nowhere"):
        take(member, 1)


def test_a_member_waits_no_longer_than_it_was_told_to(log: Log) -> None:
    member = log.join(reads())
    assert nothing_comes(member)
    started = time.monotonic()
    member.receive(1, 0.3)
    assert 0.25 < time.monotonic() - started < 2.0


def test_a_member_wakes_when_another_process_writes(log_factory: LogFactory) -> None:
    member = log_factory().join(reads())
    assert nothing_comes(member)
    with child(log_factory.place, "append", "a"):
        received = member.receive(1, 20.0)
        assert values(received.records) == ["a"]
        late_ms = time.time() * 1000 - received.records[0].timestamp_ms
    assert late_ms < 1000


def test_a_member_lingers_for_more_once_it_has_something(log_factory: LogFactory) -> None:
    log = log_factory()
    member = log.join(reads())
    assert nothing_comes(member)
    write(log, "a")
    with child(log_factory.place, "append", "b"):
        assert values(member.receive(2, 1.0, linger_s=20.0).records) == ["a", "b"]
