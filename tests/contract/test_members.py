"""Who owns which partition; and that who does not own it any more can change nothing."""

import os
import signal
import threading
import time

import pytest

from ringtrue.streaming.port import Commit, Fenced, Log, Outgoing, PartitionsLost, Received, StateChange
from tests.contract.adapters import LogFactory
from tests.contract.driving import (
    PATIENCE_S,
    after,
    child,
    copy,
    counted,
    dies,
    nothing_comes,
    reads,
    says,
    settle,
    take,
    tell,
    until,
    values,
    write,
)


def test_a_member_alone_owns_every_partition(log: Log) -> None:
    settle({log.join(reads()): {0, 1}})


def test_members_divide_the_partitions_by_range_over_their_slots(log_factory: LogFactory) -> None:
    log = log_factory(partitions=5)
    second, first = log.join(reads(slot="b")), log.join(reads(slot="a"))
    settle({first: {0, 1, 2}, second: {3, 4}})


def test_partition_n_of_every_input_belongs_to_the_owner_of_partition_n(log: Log) -> None:
    first, second = log.join(reads("input", "other", slot="a")), log.join(reads("input", "other", slot="b"))
    settle({first: {0}, second: {1}})
    log.append([Outgoing(topic, b"key", b"x", partition=number) for topic in ("input", "other") for number in (0, 1)])
    assert {(one.topic, one.partition) for one in take(first, 2)} == {("input", 0), ("other", 0)}
    assert {(one.topic, one.partition) for one in take(second, 2)} == {("input", 1), ("other", 1)}


def test_a_member_is_told_of_each_change_of_its_assignment(log: Log) -> None:
    first = log.join(reads(slot="a"))
    told = set[int]()

    def turn() -> Received:
        received = first.receive(10, 0.1)
        told.difference_update(received.revoked)
        told.update(received.assigned)
        assert told == first.partitions
        return received

    until(lambda: bool(turn().assigned))
    assert told == {0, 1}
    second = log.join(reads(slot="b"))
    until(lambda: bool(turn()) and bool(second.receive(10, 0.02)) and second.partitions == {1} and told == {0})


def test_the_share_of_a_member_that_leaves_goes_to_the_others(log: Log) -> None:
    first, second = log.join(reads(slot="a")), log.join(reads(slot="b"))
    settle({first: {0}, second: {1}})
    first.leave()
    settle({second: {0, 1}})


def test_leaving_twice_does_no_harm(log: Log) -> None:
    first, second = log.join(reads(slot="a")), log.join(reads(slot="b"))
    settle({first: {0}, second: {1}})
    first.leave()
    first.leave()
    settle({second: {0, 1}})


def test_more_members_than_partitions_leave_some_idle_until_they_are_needed(log: Log) -> None:
    members = [log.join(reads(slot=slot)) for slot in "abc"]
    settle({members[0]: {0}, members[1]: {1}, members[2]: set()})
    members[0].leave()
    settle({members[1]: {0}, members[2]: {1}})


def test_the_next_owner_goes_on_behind_the_last_commit_with_the_state_of_it(log: Log) -> None:
    first = log.join(reads(slot="a"))
    settle({first: {0, 1}})
    write(log, *"abc", partition=1)
    copy(first, take(first, 1, limit=1))
    take(first, 2)  # received, never committed
    second = log.join(reads(slot="b"))
    settle({first: {0}, second: {1}})
    second.rewind()
    assert values(take(second, 2)) == ["b", "c"]
    assert counted(second, 1) == 1


def test_what_was_received_before_a_partition_went_cannot_be_committed_after(log: Log) -> None:
    first = log.join(reads(slot="a"))
    settle({first: {0, 1}})
    write(log, "a", partition=1)
    records = take(first, 1)
    settle({first: {0}, log.join(reads(slot="b")): {1}})
    with pytest.raises(PartitionsLost, match="1"):
        first.commit(Commit(after(records), [Outgoing("output", b"key", b"stale")]))
    assert values(log) == []


def test_one_lost_partition_stops_the_whole_commit(log: Log) -> None:
    first = log.join(reads(slot="a"))
    settle({first: {0, 1}})
    write(log, "a", partition=0)
    write(log, "b", partition=1)
    records = take(first, 2)
    settle({first: {0}, log.join(reads(slot="b")): {1}})
    with pytest.raises(PartitionsLost):
        copy(first, records)
    assert (values(log), first.position("input", 0)) == ([], 0)


STALE_COMMITS = {
    "a record": Commit({("input", 0): 1}, [Outgoing("output", b"key", b"stale")]),
    "a change of state only, as of a timer": Commit({}, changes=[StateChange(0, "name", b"stale")]),
    "a note only": Commit({}, notes={0: "stale"}),
    "an output only": Commit({}, [Outgoing("output", b"key", b"stale")]),
}


@pytest.mark.parametrize("commit", STALE_COMMITS.values(), ids=STALE_COMMITS)
def test_who_was_replaced_in_its_slot_is_fenced(log_factory: LogFactory, commit: Commit) -> None:
    log = log_factory()
    write(log, "a")
    old = log.join(reads())
    take(old, 1)
    new = log_factory().join(reads())
    settle({new: {0, 1}})
    with pytest.raises(Fenced, match="slot 0"):
        old.commit(commit)
    assert (values(log), new.position("input", 0), new.note(0)) == ([], 0, "")
    assert new.state(0).get("name") is None


@pytest.mark.parametrize("commit", STALE_COMMITS.values(), ids=STALE_COMMITS)
def test_who_has_lost_its_partitions_can_commit_nothing(log_factory: LogFactory, commit: Commit) -> None:
    log = log_factory()
    write(log, "a")
    old = log.join(reads(slot="b"))
    take(old, 1)
    new = log_factory(partitions=2).join(reads(slot="a"))
    other = log_factory().join(reads(slot="a2"))

    def gone() -> bool:
        new.receive(1, 0.02)
        other.receive(1, 0.02)
        old.receive(1, 0.02)
        return not old.partitions

    until(gone)
    with pytest.raises(PartitionsLost):
        old.commit(commit)
    assert (values(log), new.note(0)) == ([], "")


def test_what_went_and_came_back_within_a_turn_cannot_be_committed(log_factory: LogFactory) -> None:
    if log_factory.place.startswith("embedded"):
        pytest.skip("an embedded member gives nothing up within a turn")
    log = log_factory()
    write(log, "a", "b")
    old = log.join(reads(slot="b"))
    records = take(old, 2)
    other = log_factory().join(reads(slot="a"))

    def other_has_gone_on() -> bool:
        old.heartbeat()
        received = other.receive(1, 0.02).records
        if received:
            other.commit(Commit(after(received), [Outgoing("output", b"key", b"by the other")]))
        return bool(received)

    def old_has_it_again() -> bool:
        old.heartbeat()
        return 0 in old.partitions

    until(other_has_gone_on)
    other.leave()
    until(old_has_it_again)
    with pytest.raises(PartitionsLost):
        old.commit(Commit(after(records), [Outgoing("output", b"key", b"stale")]))
    assert values(log) == ["by the other"]
    assert values(take(old, 1)) == ["b"]


def test_who_was_replaced_in_its_slot_learns_it_when_it_receives_or_waits(log: Log) -> None:
    old = log.join(reads())
    settle({old: {0, 1}})
    settle({log.join(reads()): {0, 1}})

    def heard() -> bool:
        old.heartbeat()
        return False

    with pytest.raises(Fenced):
        until(heard)
    with pytest.raises(Fenced):
        until(lambda: bool(old.receive(1, 0.1).records))


def test_a_new_process_in_a_slot_takes_over_at_once(log_factory: LogFactory) -> None:
    log = log_factory()
    write(log, *"abc")
    with child(log_factory.place, "commit", "outputs") as process:
        assert dies(process)
    started = time.monotonic()
    assert values(take(log.join(reads()), 3)) == ["a", "b", "c"]
    assert time.monotonic() - started < 5.0, "it waited for the session of its predecessor to expire"


def test_who_slept_past_its_session_can_change_nothing_when_it_wakes(log_factory: LogFactory) -> None:
    log = log_factory(session_timeout_s=1.0)
    write(log, "a")
    with child(log_factory.place, "zombie", "b") as process:
        assert says(process) == "received"
        os.kill(process.pid, signal.SIGSTOP)
        member = log.join(reads(slot="a"))
        copy(member, take(member, 1))
        os.kill(process.pid, signal.SIGCONT)
        tell(process, "commit")
        assert says(process) == "PartitionsLost"
    assert values(log) == ["a"]
    assert counted(member, 0) == 1


def test_who_slept_while_another_member_came_and_went_goes_on_behind_its_commits(log_factory: LogFactory) -> None:
    log = log_factory(session_timeout_s=1.0)
    write(log, *"abc")
    with child(log_factory.place, "sleeper", "b") as process:
        assert says(process) == "received"
        os.kill(process.pid, signal.SIGSTOP)
        member = log.join(reads(slot="a"))
        copy(member, take(member, 2, limit=1))
        member.leave()
        os.kill(process.pid, signal.SIGCONT)
        tell(process, "go on")
        assert says(process) == "c"


def test_a_member_that_computes_for_longer_than_a_session_keeps_its_partitions(log_factory: LogFactory) -> None:
    log = log_factory(session_timeout_s=1.0)
    busy = log.join(reads(slot="a"))
    settle({busy: {0, 1}})
    write(log, "a")
    records = take(busy, 1)
    hungry = log_factory(session_timeout_s=1.0).join(reads(slot="b"))
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:  # `busy` computes, in a thread of its own as it were
        hungry.receive(1, 0.05)
    assert hungry.partitions == frozenset()
    copy(busy, records)
    assert values(log) == ["a"]


def test_members_in_several_threads_share_a_connection_to_the_log(log: Log) -> None:
    write(log, *(str(number) for number in range(100)))
    write(log, *(str(number) for number in range(100, 200)), partition=1)
    problems = list[BaseException]()

    def work(slot: str) -> None:
        try:
            member = log.join(reads(slot=slot))
            deadline = time.monotonic() + PATIENCE_S
            while len(values(log)) < 200 and time.monotonic() < deadline:
                records = member.receive(5, 0.02).records
                if records:
                    try:
                        copy(member, records)
                    except PartitionsLost:
                        member.rewind()
            member.leave()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(slot,)) for slot in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert sorted(map(int, values(log))) == list(range(200))


def test_several_processes_handle_each_record_once_though_one_is_killed(log_factory: LogFactory) -> None:
    log = log_factory(session_timeout_s=1.0)
    for partition in (0, 1):
        write(log, *(str(number) for number in range(partition, 200, 2)), partition=partition)
    with child(log_factory.place, "copy", "b", "200") as killed, child(log_factory.place, "copy", "a", "200") as other:
        until(lambda: len(values(log)) > 20)
        killed.kill()
        assert dies(killed)
        # A transaction of the killed one holds up the other until the broker ends it: after 20 s, looked at each 10.
        assert other.wait(90) == 0
    assert sorted(map(int, values(log))) == list(range(200))
    member = log.join(reads())
    settle({member: {0, 1}})
    assert nothing_comes(member)
    assert counted(member, 0) + counted(member, 1) == 200
    for partition in (0, 1):
        copied = [int(record.value or b"") for record in log.browse("output") if record.partition == partition]
        assert copied == sorted(copied), "the order within a partition did not hold"
