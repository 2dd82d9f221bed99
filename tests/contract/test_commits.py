"""Outputs, state, position and notes stand or fall together."""

import pytest

from ringtrue.streaming.port import Commit, Log, LogMismatch, Outgoing, StateChange
from tests.contract.adapters import LogFactory
from tests.contract.driving import after, child, dies, nothing_comes, reads, settle, take, values, write


def test_a_commit_makes_everything_true_at_once(log_factory: LogFactory) -> None:
    log = log_factory()
    write(log, *"ab")
    member = log.join(reads())
    records = take(member, 2)
    member.commit(
        Commit(
            after(records),
            [Outgoing("output", b"key", b"A"), Outgoing("output", b"key", b"B")],
            [StateChange(0, "name", b"value", deadline_ms=7)],
            {0: "a note"},
        )
    )
    member.leave()
    again = log_factory().join(reads())
    assert nothing_comes(again)
    assert again.position("input", 0) == 2
    assert values(log) == ["A", "B"]
    assert list(again.state(0).scan("")) == [("name", b"value")]
    assert list(again.state(0).due(7, 10)) == [("name", b"value")]
    assert again.note(0) == "a note"


def test_nothing_of_a_commit_is_seen_before_it(log: Log) -> None:
    write(log, "a")
    member = log.join(reads())
    take(member, 1)
    assert member.position("input", 0) == 0
    assert values(log) == []
    assert member.state(0).get("name") is None


def test_nothing_of_a_commit_that_fails_half_way_becomes_true(log: Log) -> None:
    write(log, "a")
    member = log.join(reads())
    records = take(member, 1)
    outputs = [Outgoing("output", b"key", b"A"), Outgoing("nowhere", b"key", b"B")]
    with pytest.raises(LogMismatch, match="nowhere"):
        member.commit(Commit(after(records), outputs, [StateChange(0, "name", b"value")], {0: "a note"}))
    member.rewind()
    assert values(take(member, 1)) == ["a"]
    assert (values(log), member.position("input", 0), member.note(0)) == ([], 0, "")
    assert member.state(0).get("name") is None


def test_a_member_goes_on_after_a_commit_that_failed(log: Log) -> None:
    write(log, "a")
    member = log.join(reads())
    records = take(member, 1)
    with pytest.raises(LogMismatch):
        member.commit(Commit(after(records), [Outgoing("nowhere", b"key", b"A")]))
    member.commit(Commit(after(records), [Outgoing("output", b"key", b"A")]))
    assert values(log) == ["A"]


@pytest.mark.parametrize("point", ["outputs", "changes"])
def test_nothing_of_a_commit_remains_when_the_process_dies_within_it(log_factory: LogFactory, point: str) -> None:
    log = log_factory()
    write(log, *"abc")
    with child(log_factory.place, "commit", point) as process:
        assert dies(process)
    member = log.join(reads())
    assert values(take(member, 3)) == ["a", "b", "c"]
    assert (values(log), member.position("input", 0), member.note(0)) == ([], 0, "")
    assert list(member.state(0).scan("")) == []


def test_all_of_a_commit_remains_when_the_process_dies_right_after_it(log_factory: LogFactory) -> None:
    log = log_factory()
    write(log, *"abc")
    with child(log_factory.place, "commit", "after") as process:
        assert dies(process)
    member = log.join(reads())
    assert nothing_comes(member)
    assert (values(log), member.position("input", 0), member.note(0)) == (["a", "b", "c"], 3, "note")
    assert [key for key, _ in member.state(0).scan("")] == ["a", "b"]


def test_progress_is_kept_without_advancing_the_input(log: Log) -> None:
    write(log, *"ab")
    member = log.join(reads())
    first, _ = take(member, 2)
    here = {("input", 0): first.offset}
    member.commit(Commit(here, [Outgoing("output", b"key", b"half of a")], [StateChange(0, "done", b"half")]))
    member.rewind()
    assert values(take(member, 2)) == ["a", "b"]
    assert values(log) == ["half of a"]
    assert member.state(0).get("done") == b"half"


def test_a_commit_may_change_state_only(log: Log) -> None:
    member = log.join(reads())
    nothing_comes(member)
    member.commit(Commit({}, changes=[StateChange(1, "name", b"value")]))
    assert member.state(1).get("name") == b"value"


def test_a_commit_may_hold_outputs_only(log: Log) -> None:
    first, second = log.join(reads(slot="a")), log.join(reads(slot="b"))
    settle({first: {0}, second: {1}})
    second.commit(Commit({}, [Outgoing("output", b"key", b"of the second")]))
    first.commit(Commit({}, [Outgoing("output", b"key", b"of the first")]))
    assert values(log) == ["of the second", "of the first"]


def test_a_note_stays_until_another_one_and_an_empty_one_clears_it(log: Log) -> None:
    write(log, *"ab")
    member = log.join(reads())
    records = take(member, 2)
    member.commit(Commit(after(records[:1]), notes={0: "first", 1: "other"}))
    member.commit(Commit(after(records[1:])))
    assert (member.note(0), member.note(1)) == ("first", "other")
    member.commit(Commit({}, notes={0: ""}))
    assert (member.note(0), member.note(1)) == ("", "other")


def test_records_are_appended_all_or_none(log: Log) -> None:
    with pytest.raises(LogMismatch, match="nowhere"):
        log.append([Outgoing("input", b"key", b"a"), Outgoing("nowhere", b"key", b"b")])
    assert values(log, "input") == []
    write(log, *"ab")
    assert values(log, "input") == ["a", "b"]


def test_a_partition_that_does_not_exist_is_an_error(log: Log) -> None:
    with pytest.raises(LogMismatch, match="partition 2"):
        write(log, "a", partition=2)


def test_a_group_without_state_cannot_change_any(log: Log) -> None:
    member = log.join(reads(state=None))
    nothing_comes(member)
    with pytest.raises(LogMismatch, match="state"):
        member.commit(Commit({}, changes=[StateChange(0, "name", b"value")]))
    with pytest.raises(LogMismatch, match="state"):
        member.state(0)
