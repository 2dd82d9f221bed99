"""Creates and migrates the tables. Only writers do (the archive, `ringtrue run`); readers check and say what to do.

A change to `tables` needs a new file in `migrations/versions`, numbered on from the last one; a test compares what the
migrations make with what `tables` says. There is no way back: an older version refuses a newer database.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ringtrue.database.engine import reading, sqlite_file, writing
from ringtrue.errors import Misconfigured

_MIGRATIONS = Path(__file__).with_name("migrations")
#: Any number that nobody else uses as an advisory lock in this database.
_LOCK = 7_464_876_583


class SchemaMismatch(Misconfigured):
    """The database is empty, or of another version of Ringtrue."""


def upgrade(engine: sa.Engine) -> None:
    """Brings the tables to this version. Two processes may do so at once: one waits for the other.

    Raises:
        SchemaMismatch: The database is of a newer version.
        DatabaseAway: It cannot be reached.
    """
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        _must_be_known(connection)
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check_schema(engine: sa.Engine) -> None:
    """Makes sure that the tables are those of this version, and creates nothing.

    Raises:
        SchemaMismatch: There are none yet, or they are of another version.
        DatabaseAway: The database cannot be reached.
    """
    where = engine.url.render_as_string(hide_password=True)
    file = sqlite_file(engine)
    if file is not None and not file.exists():
        raise SchemaMismatch(f"there are no results yet ({where}): start with `ringtrue demo` or `ringtrue run FOLDER`")
    with reading(engine) as connection:
        current = _must_be_known(connection)
    if current is None:
        raise SchemaMismatch(f"there are no results in {where}: start with `ringtrue demo` or `ringtrue run FOLDER`")
    if current != _scripts().get_current_head():
        raise SchemaMismatch(f"{where} is of an older version: `ringtrue run` or the archive service will migrate it")


def _must_be_known(connection: sa.Connection) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in _scripts().walk_revisions()}:
        raise SchemaMismatch(
            f"the database is at version {current}, which this Ringtrue does not know: upgrade Ringtrue"
        )
    return current


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_MIGRATIONS))
