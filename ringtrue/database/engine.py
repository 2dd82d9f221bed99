"""Opens a database and runs transactions on it; what a driver raises is sorted here, once.

`reading` sees one state of the whole database however many questions are asked in it. `writing` takes the write lock
at its beginning (SQLite), so that it never fails half-way because another process wrote in between.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy import event, exc

from ringtrue.errors import Away, Misconfigured

#: A write waits this long for the one before it, which takes milliseconds.
_BUSY_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 10
#: Primary result codes of SQLite that another try may not meet: locks and disks.
_SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
    }
)
#: Classes of SQLSTATE that another try may not meet: connection, rollback, resources, object in use, operator, system;
#: and "read only", which a server is that has just become a standby.
_POSTGRESQL_AWAY = ("08", "40", "53", "55", "57", "58", "25006")
#: SQLAlchemy's own default driver is another one from 2.1 on.
_POSTGRESQL_DRIVER = "postgresql+psycopg2"
#: In a URL these name files. Without this look a missing one would seem to be a server that is away.
_FILES_IN_URL = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl"})
#: libpq's name for the certificates of the system.
_SYSTEM_ROOTS = "system"
_WRITING = "ringtrue_writing"


class DatabaseAway(Away):
    """The database cannot be reached, or is busy or full."""


def open_database(url: str) -> sa.Engine:
    """An engine for a database; nothing is asked of a server yet.

    Args:
        url: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`. What stands behind a `?` goes to the driver,
            such as `sslmode=verify-full&sslrootcert=FILE`.

    Raises:
        Misconfigured: The URL is not one of these forms or names a missing file, or its driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise Misconfigured(f"RINGTRUE_DATABASE__URL names {parsed.get_backend_name()}; use sqlite or postgresql")
        sqlite = parsed.get_backend_name() == "sqlite"
        for name in _FILES_IN_URL & parsed.query.keys():
            if (file := str(parsed.query[name])) != _SYSTEM_ROOTS and not Path(file).is_file():
                raise Misconfigured(f"RINGTRUE_DATABASE__URL: there is no file {file}, which {name} names")
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername=_POSTGRESQL_DRIVER)
        engine = sa.create_engine(
            parsed,
            json_serializer=_json,
            json_deserializer=from_json,  # in half the time of json.loads
            pool_pre_ping=not sqlite,
            connect_args={"timeout": _BUSY_TIMEOUT_S} if sqlite else {"connect_timeout": _CONNECT_TIMEOUT_S},
        )
    except (exc.ArgumentError, ValueError) as error:
        raise Misconfigured(
            "RINGTRUE_DATABASE__URL is not a database URL; sqlite:///PATH or postgresql://USER@HOST/NAME is expected"
        ) from error
    except ModuleNotFoundError as error:
        raise Misconfigured(f"the driver for {parsed.drivername} is missing: pip install ringtrue[archive]") from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def sqlite_file(engine: sa.Engine) -> Path | None:
    """The file of an SQLite database; None for a server."""
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        return None
    return Path(engine.url.database or "")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes: all of it, or nothing when the block raises.

    Raises:
        DatabaseAway: The database cannot be reached, or is busy or full; nothing was written, unless the connection
            broke during the commit itself.
    """
    file = sqlite_file(engine)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"the folder of the database {file} cannot be made: {error.strerror}") from error
    with _named(engine), engine.connect() as connection, connection.execution_options(**{_WRITING: True}).begin():
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that reads one state of the database.

    Raises:
        DatabaseAway: The database cannot be reached or is busy.
    """
    with _named(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


@contextmanager
def _named(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError) as error:
        if isinstance(error, exc.TimeoutError) or _may_pass(error):
            where = engine.url.render_as_string(hide_password=True)
            raise DatabaseAway(f"{where}: {_first_line(error)}") from error
        raise


def _may_pass(error: exc.DBAPIError) -> bool:
    """Whether the same transaction may succeed later."""
    if error.connection_invalidated or isinstance(error, exc.InterfaceError):
        return True
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE_AWAY
    state = getattr(error.orig, "pgcode", None)
    if state is None:  # before there was a session: refused, unknown host, wrong password
        return isinstance(error, exc.OperationalError)
    return str(state).startswith(_POSTGRESQL_AWAY)


def _first_line(error: exc.SQLAlchemyError) -> str:
    text = str(error.orig) if isinstance(error, exc.DBAPIError) else str(error)
    return text.strip().partition("\n")[0]


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not before the first write
    connection.execute("PRAGMA foreign_keys = ON")
    # A power cut may take the last transactions, and their positions with them: they are read from the log again.
    connection.execute("PRAGMA synchronous = NORMAL")
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:  # SQLite does not wait when two processes switch a new file at once
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _json(value: object) -> str:
    text = _dumps(value)
    # PostgreSQL's JSON cannot hold U+0000 either.
    return _dumps(_without_nul(value)) if "\\u0000" in text else text


_dumps = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))


def _without_nul(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {str(_without_nul(name)): _without_nul(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nul(item) for item in value]
    return value
