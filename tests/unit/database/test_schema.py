"""The tables come from the migrations, and only from them."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.ddl.impl import DefaultImpl
from alembic.runtime.migration import MigrationContext

from ringtrue.database import SchemaMismatch, check_schema, open_database, reading, schema, upgrade, writing
from ringtrue.database.tables import metadata, transcripts

MIGRATIONS = Path(schema.__file__).with_name("migrations")


def test_the_migrations_make_the_tables_that_the_code_expects(engine: sa.Engine) -> None:
    upgrade(engine)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_upgrading_again_changes_nothing(engine: sa.Engine) -> None:
    upgrade(engine)
    upgrade(engine)
    check_schema(engine)


def test_rows_of_the_first_version_are_kept_and_have_neither_language_nor_margin(engine: sa.Engine) -> None:
    said = {"call_id": "b/c", "run": 1, "status": "complete", "text": "oui", "words": [], "parts_total": 1}
    said |= {"parts_failed": 0, "model": "demo", "model_revision": "m1", "transcribed_at_ms": 0}
    with writing(engine) as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(sa.insert(transcripts).values(said))
    with pytest.raises(SchemaMismatch, match="older version"):
        check_schema(engine)
    upgrade(engine)
    with reading(engine) as connection:
        row = connection.execute(sa.select(transcripts)).one()
    assert dict(row._mapping) == said | {"failure": None, "language": None, "margin": None}


@pytest.mark.slow
def test_processes_that_upgrade_at_once_do_not_meet(url: str) -> None:
    code = "import sys; from ringtrue.database import *; upgrade(open_database(sys.argv[1]))"
    started = [subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE) for _ in range(4)]
    results = [(process.communicate(timeout=60)[1].decode(), process.returncode) for process in started]
    assert [code for _, code in results] == [0, 0, 0, 0], results
    engine = open_database(url)
    check_schema(engine)
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    create = DefaultImpl.create_table
    made = list[str]()

    def create_three(self: DefaultImpl, table: sa.Table, **options: object) -> None:
        if len(made) == 3:
            raise RuntimeError("broken off")
        made.append(table.name)
        create(self, table, **options)

    with monkeypatch.context() as patched:
        patched.setattr(DefaultImpl, "create_table", create_three)
        with pytest.raises(RuntimeError, match="broken off"):
            upgrade(engine)
    with reading(engine) as connection:
        assert sa.inspect(connection).get_table_names() == []
    upgrade(engine)
    check_schema(engine)


def test_reading_creates_no_database(tmp_path: Path) -> None:
    file = tmp_path / "results.sqlite"
    engine = open_database(f"sqlite:///{file}")
    with pytest.raises(SchemaMismatch, match="ringtrue demo"):
        check_schema(engine)
    assert not file.exists()


def test_a_database_without_tables_says_how_to_begin(engine: sa.Engine) -> None:
    with writing(engine):
        pass
    with pytest.raises(SchemaMismatch, match="ringtrue run"):
        check_schema(engine)


def test_a_newer_database_is_left_alone(engine: sa.Engine) -> None:
    upgrade(engine)
    with writing(engine) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (check_schema, upgrade):
        with pytest.raises(SchemaMismatch, match="upgrade Ringtrue"):
            attempt(engine)
