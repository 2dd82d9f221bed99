"""Transactions, and what a driver raises, sorted."""

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from ringtrue.database import DatabaseAway, open_database, reading, upgrade, writing
from ringtrue.database.tables import positions
from ringtrue.errors import Misconfigured


def count(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(positions)) or 0)


def add(connection: sa.Connection, topic: str) -> None:
    connection.execute(sa.insert(positions).values(topic=topic, partition=0, next_offset=1, log_id="log"))


def test_a_transaction_that_raises_wrote_nothing(engine: sa.Engine) -> None:
    upgrade(engine)

    def interrupted() -> None:
        with writing(engine) as connection:
            add(connection, "a")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        interrupted()
    with reading(engine) as connection:
        assert count(connection) == 0


def test_a_reader_sees_one_state_while_others_write(engine: sa.Engine) -> None:
    upgrade(engine)
    with reading(engine) as reader:
        assert count(reader) == 0
        with writing(engine) as writer:
            add(writer, "a")
        assert count(reader) == 0
    with reading(engine) as reader:
        assert count(reader) == 1


def test_a_writer_waits_for_the_writer_before_it(engine: sa.Engine) -> None:
    upgrade(engine)
    with writing(engine) as first:
        add(first, "a")
        second = threading.Thread(target=lambda: _write(engine, "b"))
        second.start()
        second.join(0.1)
    second.join(10)
    with reading(engine) as connection:
        assert count(connection) == 2


def _write(engine: sa.Engine, topic: str) -> None:
    with writing(engine) as connection:
        count(connection)
        add(connection, topic)


def test_a_locked_sqlite_file_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringtrue.database.engine._BUSY_TIMEOUT_S", 0.05)
    engine = open_database(f"sqlite:///{tmp_path / 'results.sqlite'}")
    upgrade(engine)
    other = sqlite3.connect(tmp_path / "results.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseAway, match="locked"):
        _write(engine, "a")
    other.close()
    _write(engine, "a")
    engine.dispose()


def test_a_server_that_is_not_there_is_away_and_its_password_stays_secret() -> None:
    engine = open_database("postgresql://ringtrue:synthetic@127.0.0.1:1/results")
    with pytest.raises(DatabaseAway) as away:
        _write(engine, "a")
    assert "127.0.0.1" in str(away.value)
    assert "synthetic" not in str(away.value)


def test_a_mistake_of_ours_is_not_away(engine: sa.Engine) -> None:
    def ask() -> None:
        with writing(engine) as connection:
            connection.execute(sa.text("SELECT * FROM no_such_table"))

    with pytest.raises((exc.OperationalError, exc.ProgrammingError)):
        ask()


@pytest.mark.parametrize("url", ["results.sqlite", "mysql://root@localhost/x", "postgresql://host:port/x", ""])
def test_a_url_that_is_none_is_named(url: str) -> None:
    with pytest.raises(Misconfigured, match="RINGTRUE_DATABASE__URL"):
        open_database(url)


def test_what_the_url_says_of_tls_reaches_the_driver(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    engine = open_database(f"postgresql://host/results?sslmode=verify-full&sslrootcert={tmp_path / 'ca.pem'}")
    _, given = engine.dialect.create_connect_args(engine.url)
    assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", str(tmp_path / "ca.pem"))
    open_database("postgresql://host/results?sslmode=verify-full&sslrootcert=system")


def test_a_missing_certificate_is_named_and_no_server_that_is_away() -> None:
    with pytest.raises(Misconfigured, match=r"DATABASE__URL: there is no file /missing\.pem, which sslrootcert"):
        open_database("postgresql://host/results?sslmode=verify-full&sslrootcert=/missing.pem")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    engine = open_database(f"sqlite:///{tmp_path / 'file' / 'results.sqlite'}")
    with pytest.raises(Misconfigured, match="cannot be made"):
        upgrade(engine)
