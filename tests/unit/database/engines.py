"""A fresh database per test: SQLite in the test's folder, and a schema of its own in PostgreSQL where one is named."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from ringtrue.database import open_database
from tests.servers import server

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]


@contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database: a file in the folder, or a schema of its own in the real server."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'data' / 'results.sqlite'}"
        return
    address = server("postgresql")
    schema = f"test_{uuid.uuid4().hex}"
    admin = open_database(address)
    with admin.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    try:
        url = sa.make_url(address).update_query_dict({"options": f"-csearch_path={schema}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))
        admin.dispose()
