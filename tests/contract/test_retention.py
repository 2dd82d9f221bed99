"""What goes with time, where that is our own work; and that nobody stumbles over the gap."""

import time

from ringtrue.streaming.port import Commit, Log, Outgoing
from ringtrue.streaming.topics import Topic
from tests.contract.driving import after, copy, nothing_comes, reads, settle, take, values, write

HOUR_MS = 3_600_000
SHORT = Topic("short", retention_ms=HOUR_MS)
AUDIO = Topic("audio", retention_ms=HOUR_MS, once_read=True)
LATEST = Topic("latest", cleanup="compact", retention_ms=HOUR_MS)


def aged(log: Log, topic: Topic, *values: str, hours: float, partition: int = 0) -> None:
    """Appends `key=value` records that are so many hours old."""
    stamp = time.time_ns() // 1_000_000 - int(hours * HOUR_MS)
    log.append(
        [
            Outgoing(topic.name, value.partition("=")[0].encode(), value.encode(), {}, partition, stamp)
            for value in values
        ]
    )


def test_records_go_when_they_are_older_than_the_retention(tidied: Log) -> None:
    tidied.create_topics([SHORT])
    aged(tidied, SHORT, "a", "b", hours=1.5)
    aged(tidied, SHORT, "c", hours=0.5)
    assert tidied.tidy() == 2
    assert values(tidied, "short") == ["c"]
    assert tidied.tidy() == 0


def test_a_record_goes_after_those_before_it(tidied: Log) -> None:
    """As in Kafka, where whole segments go: a late record with an early time is not lost before it is read."""
    tidied.create_topics([SHORT])
    aged(tidied, SHORT, "young", hours=0)
    aged(tidied, SHORT, "late", hours=2)
    assert tidied.tidy() == 0


def test_a_changed_retention_takes_the_place_of_the_former(tidied: Log) -> None:
    tidied.create_topics([SHORT])
    aged(tidied, SHORT, "a", hours=1.5)
    tidied.create_topics([Topic("short", retention_ms=2 * HOUR_MS)])
    assert tidied.tidy() == 0


def test_offsets_go_on_after_everything_has_gone(tidied: Log) -> None:
    tidied.create_topics([SHORT])
    aged(tidied, SHORT, "a", "b", hours=2)
    tidied.tidy()
    write(tidied, "c", topic="short")
    assert [record.offset for record in tidied.browse("short")] == [2]


def test_a_gap_does_not_stall_a_reader(tidied: Log) -> None:
    tidied.create_topics([SHORT])
    member = tidied.join(reads("short"))
    settle({member: {0, 1}})
    aged(tidied, SHORT, "a", hours=2)
    take(member, 1)
    aged(tidied, SHORT, "b", "c", hours=2)
    tidied.tidy()
    write(tidied, "d", topic="short")
    assert values(take(member, 1)) == ["d"]


def test_a_gap_before_the_committed_position_does_not_stall_who_starts_there(tidied: Log) -> None:
    tidied.create_topics([SHORT])
    aged(tidied, SHORT, "a", "b", "c", hours=2)
    tidied.tidy()
    aged(tidied, SHORT, "d", hours=0)
    assert values(take(tidied.join(reads("short")), 1)) == ["d"]


def test_what_has_expired_unread_is_neither_waited_for_nor_does_it_hold_the_clock(tidied: Log) -> None:
    tidied.create_topics([SHORT])
    member = tidied.join(reads("short"))
    settle({member: {0, 1}})
    aged(tidied, SHORT, "a", hours=2)
    copy(member, take(member, 1))
    aged(tidied, SHORT, "b", "c", hours=2)
    tidied.tidy()
    assert nothing_comes(member)
    assert tidied.backlog({"contract-copy": ["short"]})["contract-copy", "short"] == 0
    assert abs(member.clock_ms(0) - time.time() * 1000) < 1000


def test_audio_goes_as_soon_as_every_group_has_read_it(tidied: Log) -> None:
    tidied.create_topics([AUDIO])
    asr, other = tidied.join(reads("audio", group="asr")), tidied.join(reads("audio", group="other"))
    settle({asr: {0, 1}})
    settle({other: {0, 1}})
    aged(tidied, AUDIO, "a", "b", hours=0)
    records = take(asr, 2)
    assert tidied.tidy() == 0
    asr.commit(Commit(after(records)))
    assert tidied.tidy() == 0, "the other group has read nothing yet"
    other.commit(Commit(after(take(other, 2)[:1])))
    assert tidied.tidy() == 1
    assert values(tidied, "audio") == ["b"]


def test_audio_that_nobody_reads_goes_with_age(tidied: Log) -> None:
    tidied.create_topics([AUDIO])
    aged(tidied, AUDIO, "a", hours=2)
    aged(tidied, AUDIO, "b", hours=0)
    assert tidied.tidy() == 1
    assert values(tidied, "audio") == ["b"]


def test_a_compacted_topic_keeps_the_last_of_each_key(tidied: Log) -> None:
    tidied.create_topics([LATEST])
    aged(tidied, LATEST, "a=1", "b=1", "a=2", hours=3)
    aged(tidied, LATEST, "a=1", hours=3, partition=1)
    assert tidied.tidy() == 1
    assert values(tidied, "latest") == ["b=1", "a=2", "a=1"]


def test_a_superseded_record_stays_until_the_lag_has_passed(tidied: Log) -> None:
    tidied.create_topics([LATEST])
    aged(tidied, LATEST, "a=1", hours=3)
    aged(tidied, LATEST, "a=2", "a=3", hours=0.5)
    assert tidied.tidy() == 1
    assert values(tidied, "latest") == ["a=2", "a=3"]


def test_gaps_of_compaction_do_not_stall_a_reader(tidied: Log) -> None:
    tidied.create_topics([LATEST])
    aged(tidied, LATEST, "a=1", "b=1", "a=2", "b=2", "c=1", hours=3)
    tidied.tidy()
    member = tidied.join(reads("latest"))
    assert values(take(member, 3, limit=1)) == ["a=2", "b=2", "c=1"]
    copy(member, [])
