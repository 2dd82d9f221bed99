"""Rows and positions stand or fall together, and two archives never both write."""

import threading

import pytest
import sqlalchemy as sa

from ringtrue.database import DatabaseAway, open_database, reading, upgrade
from ringtrue.database import tables as t
from ringtrue.streaming.port import LogMismatch, PartitionsLost
from services.archive.archive import Archive, ArchiveRaced, Entry
from services.archive.rows import rows_of
from tests.unit.archive import made

LETTERS = "ingest.dead-letters"


def entries(*offsets: int, topic: str = LETTERS, partition: int = 0) -> list[Entry]:
    """One dead letter per offset: a second copy of a row would be seen."""
    records = [made.record(topic, offset, partition) for offset in offsets]
    return [Entry(record, rows_of(made.dead_letter(f"{record.offset}"), record)) for record in records]


def kept(engine: sa.Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.scalars(sa.select(t.dead_letters.c.subject).order_by(t.dead_letters.c.offset)))


def test_a_batch_and_its_positions_are_stored(engine: sa.Engine) -> None:
    archive = Archive(engine, "log")
    assert archive.resume(LETTERS, 0) == 0
    archive.commit([*entries(0, 1), *entries(4, topic="asr.dead-letters", partition=3)])
    assert kept(engine) == ["0", "1", "4"]
    assert archive.positions() == {(LETTERS, 0): 2, ("asr.dead-letters", 3): 5}
    assert Archive(engine, "log").resume(LETTERS, 0) == 2


def test_what_is_covered_is_skipped(engine: sa.Engine) -> None:
    Archive(engine, "log").commit(entries(0, 1, 2))
    again = Archive(engine, "log")
    assert again.resume(LETTERS, 0) == 3
    renamed = made.dead_letter("1, read again")
    again.commit([Entry(made.record(LETTERS, 1), rows_of(renamed, made.record(LETTERS, 90))), *entries(2, 3)])
    assert kept(engine) == ["0", "1", "2", "3"]
    assert again.positions() == {(LETTERS, 0): 4}


def test_a_batch_that_lies_behind_moves_nothing_back(engine: sa.Engine) -> None:
    Archive(engine, "log").commit(entries(0, 1, 2, 3))
    again = Archive(engine, "log")
    again.commit(entries(0, 1))
    assert again.positions() == {(LETTERS, 0): 4}


def test_a_refused_record_is_covered_without_rows(engine: sa.Engine) -> None:
    archive = Archive(engine, "log")
    archive.commit([Entry(made.record(LETTERS, 0))])
    assert archive.positions() == {(LETTERS, 0): 1}
    assert kept(engine) == []


def test_a_batch_that_fails_in_the_middle_leaves_nothing(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(engine, "log")
    with monkeypatch.context() as patched:
        patched.setattr(Archive, "_move", _dies)
        with pytest.raises(KeyboardInterrupt):
            archive.commit(entries(0, 1))
    assert (kept(engine), archive.positions()) == ([], {})
    archive.commit(entries(0, 1))
    assert (kept(engine), archive.positions()) == (["0", "1"], {(LETTERS, 0): 2})


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_second_of_two_archives_is_stopped_and_goes_on_after_the_first(engine: sa.Engine) -> None:
    first, second = Archive(engine, "log"), Archive(engine, "log")
    for archive in (first, second):
        archive.resume(LETTERS, 0)
    first.commit(entries(0, 1))
    with pytest.raises(ArchiveRaced, match="stored up to 2, not 0"):
        second.commit(entries(0, 1, 2))
    assert kept(engine) == ["0", "1"]
    second.commit(entries(0, 1, 2))
    assert kept(engine) == ["0", "1", "2"]
    with pytest.raises(PartitionsLost):
        first.commit(entries(2, 3))


def test_a_race_on_one_partition_stops_the_whole_batch(engine: sa.Engine) -> None:
    first, second = Archive(engine, "log"), Archive(engine, "log")
    second.resume(LETTERS, 0)
    second.resume(LETTERS, 1)
    first.commit(entries(0))
    with pytest.raises(ArchiveRaced):
        second.commit([*entries(0, partition=1), *entries(0)])
    assert first.positions() == {(LETTERS, 0): 1}


@pytest.mark.parametrize("stored", [False, True], ids=["the first position", "a later position"])
def test_a_position_moves_only_from_where_it_was_read(engine: sa.Engine, stored: bool) -> None:
    archive = Archive(engine, "log")
    archive.commit(entries(0))
    place = (LETTERS, 0)
    stale = 0 if stored else None
    with engine.connect() as connection, pytest.raises(ArchiveRaced, match="another archive"):
        archive._move(connection, place, stale, 5)
    assert archive.positions() == {place: 1}


def test_results_of_another_log_are_not_mixed_with_these(engine: sa.Engine) -> None:
    Archive(engine, "an earlier log").commit(entries(0))
    archive = Archive(engine, "log")
    for attempt in (lambda: archive.resume(LETTERS, 0), archive.positions, lambda: archive.commit(entries(0))):
        with pytest.raises(LogMismatch, match="RINGTRUE_DATABASE__URL"):
            attempt()


def test_a_log_that_holds_less_than_was_read_from_it_is_another_one(engine: sa.Engine) -> None:
    """Kafka's topics made anew have the cluster's old id, and their first records would be taken for covered."""
    archive = Archive(engine, "log")
    archive.check({LETTERS: 0})
    archive.commit([*entries(0, 1, 2), *entries(0, 1, partition=1)])
    archive.check({LETTERS: 5, "calls.registered": 0})
    with pytest.raises(LogMismatch, match=r"read 5 records of ingest\.dead-letters, which never held more than 4"):
        archive.check({LETTERS: 4})


def test_of_two_archives_at_the_same_instant_one_writes_each_batch(engine: sa.Engine) -> None:
    """Each believes that the partition is its own, and goes on as the worker does after it was raced."""
    together = threading.Barrier(2)
    raced = list[str]()

    def write_all() -> None:
        archive = Archive(engine, "log")
        for first in range(0, 40, 2):
            together.wait(10)
            try:
                archive.commit(entries(first, first + 1))
            except (ArchiveRaced, DatabaseAway) as error:
                raced.append(type(error).__name__)
                archive.resume(LETTERS, 0)

    threads = [threading.Thread(target=write_all) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert kept(engine) == [str(number) for number in range(40)]
    assert Archive(engine, "log").positions() == {(LETTERS, 0): 40}
    assert len(raced) <= 20


def test_a_database_that_is_away_may_be_asked_again() -> None:
    archive = Archive(open_database("postgresql://ringtrue@127.0.0.1:1/results"), "log")
    with pytest.raises(DatabaseAway):
        archive.resume(LETTERS, 0)
    with pytest.raises(DatabaseAway):
        archive.commit(entries(0))


def test_an_archive_on_an_old_database_finds_its_positions_after_the_upgrade(engine: sa.Engine) -> None:
    Archive(engine, "log").commit(entries(0))
    upgrade(engine)
    assert Archive(engine, "log").positions() == {(LETTERS, 0): 1}
