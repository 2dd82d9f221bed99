"""The worker on a real (embedded) log: every result topic into the database, once."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ringtrue.database import DatabaseAway, open_database, reading, upgrade
from ringtrue.database import tables as t
from ringtrue.messages import CallFacts
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.topics import TOPICS
from ringtrue.streaming.worker import Loop
from ringtrue.telemetry import Health
from services.archive.archive import Archive, Entry
from services.archive.rows import rows_of
from services.archive.worker import Archiver
from tests.unit.archive import made

SENT = {
    "calls.registered": made.registered(),
    "calls.transcribed": made.transcribed(),
    "calls.classified": made.classified(),
    "manifests.read": made.manifest(),
    "orders.rows": made.row(),
    "orders.current": made.current(),
    "orders.verdicts": made.verdict(),
    "classifier.dead-letters": made.dead_letter(),
}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log.sqlite", partitions=2, session_timeout_s=10)
    log.create_topics(TOPICS)
    yield log
    log.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'results.sqlite'}")
    yield engine
    engine.dispose()


def archive_until(log: EmbeddedLog, engine: sa.Engine, done: Callable[[], bool]) -> None:
    """Runs the worker until `done`, and stops it in order."""
    stop = threading.Event()
    worker = Archiver(engine, log.id)
    loop = Loop(worker, log, stop=stop, health=Health("archive"))
    thread = threading.Thread(target=loop.run)
    thread.start()
    deadline = time.monotonic() + 20
    try:
        while not done() and time.monotonic() < deadline and thread.is_alive():
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join()
    assert done()


def covered(engine: sa.Engine, log: EmbeddedLog, count: int) -> Callable[[], bool]:
    def look() -> bool:
        if not sa.inspect(engine).has_table("positions"):
            return False
        return sum(Archive(engine, log.id).positions().values()) >= count

    return look


def rows(engine: sa.Engine, table: sa.Table) -> int:
    with reading(engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_every_topic_arrives_and_a_restart_goes_on_where_it_was(log: EmbeddedLog, engine: sa.Engine) -> None:
    codec = Codec()
    log.append([Outgoing(topic, b"k", codec.encode(message)) for topic, message in SENT.items()])
    archive_until(log, engine, covered(engine, log, len(SENT)))
    for table in (t.calls, t.transcripts, t.classifications, t.manifests, t.manifest_rows, t.orders, t.verdicts):
        assert rows(engine, table) == 1, table.name
    log.append([Outgoing("calls.registered", b"k", codec.encode(made.registered("recordings/b")))])
    archive_until(log, engine, covered(engine, log, len(SENT) + 1))
    assert rows(engine, t.calls) == 2
    assert rows(engine, t.dead_letters) == 1


def test_what_cannot_be_read_becomes_a_dead_letter_that_is_archived_too(log: EmbeddedLog, engine: sa.Engine) -> None:
    codec = Codec()
    facts = CallFacts(
        call_id="recordings/a",
        client_number=made.CLIENT,
        run=1,
        revision=1,
        retracted=False,
        final=False,
        status="registered",
        rings=(),
        event_time_ms=1,
    )
    log.append(
        [
            Outgoing("calls.registered", b"k", b"not a message"),
            Outgoing("calls.registered", b"k", codec.encode(facts)),
            Outgoing("calls.registered", b"k", codec.encode(made.registered())),
        ]
    )
    archive_until(log, engine, covered(engine, log, 5))
    assert rows(engine, t.calls) == 1
    with reading(engine) as connection:
        letters = connection.execute(sa.select(t.dead_letters.c.error, t.dead_letters.c.worker))
        assert sorted(tuple(row) for row in letters) == [("undecodable", "archive"), ("unexpected", "archive")]


def test_a_database_that_is_ahead_of_the_log_goes_on_from_there(log: EmbeddedLog, engine: sa.Engine) -> None:
    """The process died between the database's commit and the log's."""
    codec = Codec()
    letters = [made.dead_letter(f"recordings/{n}") for n in range(3)]
    log.append([Outgoing("asr.dead-letters", b"k", codec.encode(letter)) for letter in letters])
    upgrade(engine)
    heard_of = list(log.browse("asr.dead-letters"))[:2]
    Archive(engine, log.id).commit([Entry(record, rows_of(letters[record.offset], record)) for record in heard_of])
    archive_until(log, engine, covered(engine, log, 3))
    assert rows(engine, t.dead_letters) == 3
    assert log.backlog({"archive": ["asr.dead-letters"]}) == {("archive", "asr.dead-letters"): 0}


def test_a_database_that_is_away_for_a_moment_loses_nothing(
    log: EmbeddedLog, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, tries = Archive.commit, list[int]()

    def away_twice(self: Archive, entries: object) -> None:
        tries.append(1)
        if len(tries) <= 2:
            raise DatabaseAway("the test says so")
        commit(self, entries)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(Archive, "commit", away_twice)
    monkeypatch.setattr("ringtrue.streaming.worker._BACK_OFF_S", (0.01, 0.02))
    log.append([Outgoing("calls.registered", b"k", Codec().encode(made.registered()))])
    archive_until(log, engine, covered(engine, log, 1))
    assert rows(engine, t.calls) == 1
