"""A fresh database per test: SQLite in the test's folder, and a schema of its own in PostgreSQL where one is named."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from ringtrue.database import open_database

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]


@contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database. `RINGTRUE_TEST_POSTGRESQL` is the URL of a database to make schemas in."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'data' / 'results.sqlite'}"
        return
    server = os.environ.get("RINGTRUE_TEST_POSTGRESQL")
    if not server:
        pytest.skip("RINGTRUE_TEST_POSTGRESQL names no server")
    schema = f"test_{uuid.uuid4().hex}"
    admin = open_database(server)
    with admin.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    try:
        url = sa.make_url(server).update_query_dict({"options": f"-csearch_path={schema}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))
        admin.dispose()
