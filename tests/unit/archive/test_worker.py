"""The worker on a real (embedded) log: every result topic into the database, once."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from ringtrue.database import DatabaseAway, open_database, reading, upgrade
from ringtrue.database import tables as t
from ringtrue.messages import CallFacts, CallHeard
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import LogMismatch, Outgoing
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import CALLS_HEARD, TOPICS
from ringtrue.streaming.worker import Loop, Worker
from ringtrue.telemetry import Health
from services.archive.archive import Archive, Entry
from services.archive.rows import rows_of
from services.archive.worker import Archiver
from tests.unit.archive import made
from tests.unit.archive.outage import Gate, LockedFile, Outage
from tests.unit.database.engines import DATABASES, fresh_database

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
    worker = Archiver(engine, log)
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


def test_a_new_database_gets_everything_that_the_log_still_holds(
    log: EmbeddedLog, engine: sa.Engine, tmp_path: Path
) -> None:
    """The log's own position would pass over what only the former database has."""
    codec = Codec()
    log.append([Outgoing("calls.registered", b"k", codec.encode(made.registered(f"recordings/{n}"))) for n in range(3)])
    archive_until(log, engine, covered(engine, log, 3))
    renewed = open_database(f"sqlite:///{tmp_path / 'renewed.sqlite'}")
    archive_until(log, renewed, covered(renewed, log, 3))
    assert rows(renewed, t.calls) == 3
    renewed.dispose()


def test_a_log_that_was_made_anew_under_its_old_id_ends_the_archive(log: EmbeddedLog, engine: sa.Engine) -> None:
    upgrade(engine)
    Archive(engine, log.id).commit([Entry(made.record("calls.registered", 7))])
    with pytest.raises(LogMismatch, match="made anew"):
        Archiver(engine, log).start()


def test_a_database_that_is_away_for_a_moment_loses_nothing(
    log: EmbeddedLog, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, tries = Archive.commit, list[int]()

    def away_twice(self: Archive, entries: Sequence[Entry]) -> None:
        tries.append(1)
        if len(tries) <= 2:
            raise DatabaseAway("the test says so")
        commit(self, entries)

    monkeypatch.setattr(Archive, "commit", away_twice)
    monkeypatch.setattr("ringtrue.streaming.worker._BACK_OFF_S", (0.01, 0.02))
    log.append([Outgoing("calls.registered", b"k", Codec().encode(made.registered()))])
    archive_until(log, engine, covered(engine, log, 1))
    assert rows(engine, t.calls) == 1


class Neighbour(Worker):
    """Another worker on the same log, which has nothing to do with the database."""

    name = "assembler"
    inputs = (CALLS_HEARD,)

    def __init__(self) -> None:
        self.handled = 0

    def handle(self, step: Step) -> None:
        self.handled += 1


@pytest.fixture(params=DATABASES)
def outage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    monkeypatch.setattr("ringtrue.database.engine._BUSY_TIMEOUT_S", 0.05)
    monkeypatch.setattr("ringtrue.streaming.worker._BACK_OFF_S", (0.01, 0.05))
    with fresh_database(request.param, tmp_path) as url:
        outage: Outage = LockedFile(tmp_path / "away.sqlite") if url.startswith("sqlite") else Gate(url)
        yield outage
        outage.begin()
        if isinstance(outage, LockedFile):
            outage.end()


def test_a_database_that_is_away_holds_up_the_archive_and_nothing_else(outage: Outage, log: EmbeddedLog) -> None:
    codec, stop = Codec(), threading.Event()
    engine, neighbour, health = open_database(outage.url), Neighbour(), Health("archive")
    heard = CallHeard(call_id="recordings/a", run=1, status="ok", parts_total=0, event_time_ms=1)
    loops = [
        Loop(Archiver(engine, log), log, stop=stop, health=health),
        Loop(neighbour, log, stop=stop, health=Health("assembler")),
    ]
    threads = [threading.Thread(target=one.run) for one in loops]

    def send(*subjects: str) -> None:
        letters = [Outgoing("asr.dead-letters", b"k", codec.encode(made.dead_letter(name))) for name in subjects]
        log.append([*letters, Outgoing("calls.heard", b"k", codec.encode(heard))])

    def until(what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not what() and time.monotonic() < deadline and all(thread.is_alive() for thread in threads):
            time.sleep(0.02)
        assert what()

    try:
        outage.begin()  # before the start
        for thread in threads:
            thread.start()
        send("a", "b")
        until(lambda: neighbour.handled == 1 and health.reason not in ("", "starting"))
        assert not health.ready
        assert outage.url.rpartition("@")[2].partition("?")[0] in health.reason
        outage.end()
        until(lambda: health.ready)
        until(covered(engine, log, 2))
        outage.begin()  # in the middle
        send("c", "d", "e")
        until(lambda: neighbour.handled == 2 and not health.ready)
        outage.end()
        until(lambda: health.ready)
        until(covered(engine, log, 5))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    with reading(engine) as connection:
        assert sorted(connection.scalars(sa.select(t.dead_letters.c.subject))) == ["a", "b", "c", "d", "e"]
    engine.dispose()
