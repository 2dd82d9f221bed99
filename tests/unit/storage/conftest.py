"""The stub S3 store, and one source per adapter for the tests that every adapter must pass."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringtrue.settings import S3Settings
from ringtrue.storage import FolderStore, Source
from ringtrue.storage.s3 import S3Store
from tests.unit.storage.stub_s3 import StubS3


@pytest.fixture
def stub() -> Iterator[StubS3]:
    stub = StubS3(buckets={"recordings": {}})
    server = stub.start()
    yield stub
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["folder", "s3", pytest.param("server", marks=pytest.mark.servers)])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """An empty bucket in each adapter; a real S3 server where `RINGTRUE_TEST_S3` (HOST:PORT/BUCKET) names one."""
    if request.param == "folder":
        root = tmp_path / "recordings"
        root.mkdir()
        return Source(FolderStore(root), "recordings")
    if request.param == "s3":
        stub: StubS3 = request.getfixturevalue("stub")
        return Source(S3Store(stub.settings), "recordings")
    address = os.environ.get("RINGTRUE_TEST_S3")
    if not address:
        pytest.skip("RINGTRUE_TEST_S3 names no server")
    endpoint, _, bucket = address.partition("/")
    keys = {name: os.environ[f"RINGTRUE_TEST_S3_{name.upper()}"] for name in ("access_key", "secret_key")}
    settings = S3Settings.model_validate({"endpoint": endpoint, "secure": False, **keys})
    return Source(S3Store(settings), bucket, f"{uuid.uuid4().hex}/")
