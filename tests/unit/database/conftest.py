"""An empty database in each adapter."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ringtrue.database import open_database
from tests.unit.database.engines import DATABASES, fresh_database


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()
