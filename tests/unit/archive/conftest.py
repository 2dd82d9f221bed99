"""A database with the tables of this version, in each adapter."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ringtrue.database import open_database, upgrade
from tests.unit.database.engines import DATABASES, fresh_database
from tests.unit.storage.stub_s3 import StubS3


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_database(url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def bucket() -> Iterator[StubS3]:
    """A store with an empty bucket `recordings`."""
    stub = StubS3(buckets={"recordings": {}})
    server = stub.start()
    yield stub
    server.shutdown()
    server.server_close()
