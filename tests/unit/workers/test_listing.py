"""Listing: what stands in the source is written for the register, and vouched for with marks behind it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ringtrue.messages import CoverageMark, ObjectSeen
from ringtrue.storage import Source
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import LogAway, Outgoing
from ringtrue.streaming.topics import MANIFESTS_SEEN, RECORDINGS_SEEN, TOPICS
from services.ingest.listing import Listed, Lister
from tests.unit.workers.shelf import BUCKET, Shelf

NOW_MS = 100_000


class BrittleLog(EmbeddedLog):
    """A log that is away for the next appends."""

    away = 0

    def append(self, records: Sequence[Outgoing]) -> None:
        if self.away:
            self.away -= 1
            raise LogAway("locked")
        super().append(records)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BrittleLog]:
    with closing(BrittleLog(tmp_path / "log.sqlite", partitions=3)) as log:
        log.create_topics(TOPICS)
        yield log


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    for number in range(12):
        shelf.put(BUCKET, f"day/{number}.wav", b"sound %d" % number, modified_ms=number)
    shelf.put(BUCKET, "day/0.json", b"{}", modified_ms=1)
    shelf.put(BUCKET, "day/crc_adsl.csv", b"rows", modified_ms=1)
    shelf.put(BUCKET, "day/.hidden.wav", b"half written", modified_ms=1)
    shelf.put(BUCKET, "elsewhere/a.wav", b"sound", modified_ms=1)
    return shelf


def a_lister(shelf: Shelf, log: EmbeddedLog) -> Lister:
    return Lister(Source(shelf, BUCKET, "day/"), log, "scan", lambda: NOW_MS)


def written(log: EmbeddedLog, topic: str = RECORDINGS_SEEN.name) -> list[list[object]]:
    """What stands on each partition, in order."""
    codec = Codec()
    found: list[list[object]] = [[] for _ in range(log.partitions)]
    for record in log.browse(topic):
        found[record.partition].append(codec.decode(record.value))
    return found


def keys(log: EmbeddedLog) -> list[str]:
    return sorted(one.key for partition in written(log) for one in partition if isinstance(one, ObjectSeen))


def test_each_partition_gets_its_records_and_then_its_mark(shelf: Shelf, log: BrittleLog) -> None:
    assert a_lister(shelf, log).list_once() == Listed(objects=14, news=14)
    for number, partition in enumerate(written(log)):
        *seen, mark = partition
        assert seen
        assert all(isinstance(one, ObjectSeen) and one.origin == "scan" for one in seen)
        assert isinstance(mark, CoverageMark)
        assert (mark.source_partition, mark.scope) == (number, f"{BUCKET}/day/")
        assert (mark.since_ms, mark.until_ms) == (0, NOW_MS)
    assert keys(log) == sorted(["day/0.json", *(f"day/{number}.wav" for number in range(12))])
    manifests = [one for partition in written(log, MANIFESTS_SEEN.name) for one in partition]
    assert [one.key for one in manifests if isinstance(one, ObjectSeen)] == ["day/crc_adsl.csv"]


def test_a_recording_and_its_sidecar_share_key_and_partition(shelf: Shelf, log: BrittleLog) -> None:
    a_lister(shelf, log).list_once()
    records = [record for record in log.browse(RECORDINGS_SEEN.name) if record.key == f"{BUCKET}/day/0".encode()]
    assert len(records) == 2
    assert all(record.headers["call_id"] == record.key and record.headers["origin"] == b"scan" for record in records)


def test_a_second_listing_writes_what_has_changed_and_new_marks(shelf: Shelf, log: BrittleLog) -> None:
    lister = a_lister(shelf, log)
    lister.list_once()
    shelf.put(BUCKET, "day/3.wav", b"another version")
    shelf.put(BUCKET, "day/new.wav", b"new")
    before = keys(log)
    assert lister.list_once() == Listed(objects=15, news=2)
    assert keys(log) == sorted([*before, "day/3.wav", "day/new.wav"])
    assert sum(isinstance(one, CoverageMark) for partition in written(log) for one in partition) == 6


def test_a_file_that_was_deleted_and_put_back_is_announced_again(shelf: Shelf, log: BrittleLog) -> None:
    lister = a_lister(shelf, log)
    lister.list_once()
    shelf.remove("day/3.wav")
    lister.list_once()
    shelf.put(BUCKET, "day/3.wav", b"sound 3")
    assert lister.list_once().news == 1


def test_files_that_may_still_be_being_written_wait_and_are_not_vouched_for(shelf: Shelf, log: BrittleLog) -> None:
    shelf.put(BUCKET, "day/young.wav", b"not yet whole", modified_ms=NOW_MS - 1_000)
    lister = a_lister(shelf, log)
    lister.list_once(skip_age_ms=2_000)
    assert "day/young.wav" not in keys(log)
    mark = written(log)[0][-1]
    assert isinstance(mark, CoverageMark)
    assert mark.until_ms == NOW_MS - 2_000
    shelf.put(BUCKET, "day/young.wav", b"now it is whole", modified_ms=NOW_MS - 2_001)
    assert lister.list_once(skip_age_ms=2_000).news == 1
    assert "day/young.wav" in keys(log)


def test_what_could_not_be_written_is_written_by_the_next_listing(shelf: Shelf, log: BrittleLog) -> None:
    lister = a_lister(shelf, log)
    log.away = 1
    with pytest.raises(LogAway):
        lister.list_once()
    assert not keys(log)
    assert lister.list_once() == Listed(objects=14, news=14)
    assert len(keys(log)) == 13


def test_a_long_listing_is_written_in_pieces_with_its_marks_at_the_end(
    shelf: Shelf, log: BrittleLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.listing._CHUNK", 4)
    a_lister(shelf, log).list_once()
    assert len(keys(log)) == 13
    assert all(isinstance(partition[-1], CoverageMark) for partition in written(log))
    assert sum(isinstance(one, CoverageMark) for partition in written(log) for one in partition) == 3
