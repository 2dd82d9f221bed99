"""The stub S3 store, and one source per adapter for the tests that every adapter must pass."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringtrue.storage import FolderStore, Source
from ringtrue.storage.s3 import S3Store
from tests.servers import minio
from tests.unit.storage.stub_s3 import StubS3


@pytest.fixture
def stub() -> Iterator[StubS3]:
    stub = StubS3(buckets={"recordings": {}})
    server = stub.start()
    yield stub
    stub.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["folder", "s3", pytest.param("server", marks=pytest.mark.servers)])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """An empty bucket in each adapter; the real S3 server too, where the tests have one."""
    if request.param == "folder":
        root = tmp_path / "recordings"
        root.mkdir()
        return Source(FolderStore(root), "recordings")
    if request.param == "s3":
        stub: StubS3 = request.getfixturevalue("stub")
        return Source(S3Store(stub.settings), "recordings")
    server = minio()
    return Source(S3Store(server.settings), server.bucket, f"{uuid.uuid4().hex}/")
