"""What an onlooker sees: what a topic holds, what is still to be done; and that a log is the one it was."""

import threading

import pytest

from ringtrue.streaming.port import Log, LogMismatch
from ringtrue.streaming.topics import Topic
from tests.contract.adapters import TOPICS, LogFactory
from tests.contract.driving import child, copy, nothing_comes, reads, take, values, write


def test_browsing_shows_all_that_a_topic_holds_partition_by_partition(log: Log) -> None:
    write(log, "b", "c", partition=1)
    write(log, "a", partition=0)
    assert [(record.partition, record.offset) for record in log.browse("input")] == [(0, 0), (1, 0), (1, 1)]
    assert values(log, "input") == ["a", "b", "c"]
    assert values(log, "other") == []


def test_browsing_belongs_to_no_group(log: Log) -> None:
    write(log, "a")
    values(log, "input")
    assert values(take(log.join(reads()), 1)) == ["a"]


def test_a_topic_holds_what_it_held_when_it_is_created_again(log: Log) -> None:
    write(log, "a")
    log.create_topics(TOPICS)
    assert values(log, "input") == ["a"]


def test_the_backlog_is_what_each_group_has_still_to_commit(log: Log) -> None:
    write(log, *"abc", partition=0)
    write(log, *"de", partition=1)
    groups = {"contract-copy": ("input",), "idle": ("input", "output", "other")}
    member = log.join(reads())
    copy(member, take(member, 2, limit=1))
    left = log.backlog(groups)
    at_least = {("contract-copy", "input"): 3, ("idle", "input"): 5, ("idle", "output"): 2, ("idle", "other"): 0}
    assert left.keys() == at_least.keys()
    assert all(left[place] >= count for place, count in at_least.items())
    assert left["idle", "other"] == 0
    copy(member, take(member, 3))
    assert log.backlog(groups)["contract-copy", "input"] == 0


def test_nothing_is_left_once_everything_has_been_committed_whatever_the_log_wrote_besides(log: Log) -> None:
    member = log.join(reads())
    for number in range(5):
        write(log, str(number))
        copy(member, take(member, 1))
        assert log.backlog({"contract-copy": ("input",)})["contract-copy", "input"] == 0
    write(log, "one more")
    assert log.backlog({"contract-copy": ("input",)})["contract-copy", "input"] >= 1


def test_the_backlog_of_a_chain_is_of_one_instant(log_factory: LogFactory) -> None:
    log = log_factory()
    write(log, *(str(number) for number in range(300)))
    groups = {"contract-copy": ("input",), "next": ("output",)}
    seen = set[tuple[int, int]]()
    with child(log_factory.place, "copy", "0", "300") as process:
        while process.poll() is None:
            left = log.backlog(groups)
            seen.add((left["contract-copy", "input"], left["next", "output"]))
    assert all(here + there >= 300 for here, there in seen), "a record on its way was counted in neither place"
    assert len(seen) > 2, "nothing was seen under way"


def test_the_ends_count_what_each_topic_has_ever_held(log: Log) -> None:
    write(log, *"ab")
    write(log, "c", partition=1)
    ends = log.ends(["input", "output"])
    assert ends["input"] >= 3
    assert ends["output"] == 0


def test_another_number_of_partitions_is_refused_and_the_setting_is_named(log_factory: LogFactory) -> None:
    log_factory(partitions=2)
    with pytest.raises(LogMismatch, match=r"partitions=2, the settings say 3: set RINGTRUE_LOG__PARTITIONS=2"):
        log_factory(partitions=3)


def test_many_may_open_a_new_log_at_the_same_time(log_factory: LogFactory) -> None:
    problems = list[BaseException]()

    def start() -> None:
        try:
            write(log_factory(), "a")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert values(log_factory(), "input") == ["a"] * 8


def test_a_topic_created_later_can_be_read(log: Log) -> None:
    log.create_topics([Topic("later")])
    member = log.join(reads("later"))
    assert nothing_comes(member)
    write(log, "a", topic="later")
    assert values(take(member, 1)) == ["a"]
