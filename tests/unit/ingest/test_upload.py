"""Upload: a folder of recordings, sidecars and manifests into a bucket; in a stub and in a real store."""

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ringtrue.errors import WrongUse
from ringtrue.settings import S3Settings
from ringtrue.storage import StorageAway, StorageMisconfigured, s3
from ringtrue.storage.s3 import S3Store
from services.ingest.commands import app
from services.ingest.upload import look_through
from tests.servers import minio
from tests.unit.storage.stub_s3 import StubS3


@pytest.fixture
def stub() -> Iterator[StubS3]:
    stub = StubS3(buckets={"recordings": {}})
    listening = stub.start()
    yield stub
    listening.shutdown()
    listening.server_close()


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket to upload to."""

    settings: S3Settings
    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def contents(self) -> dict[str, bytes]:
        """What stands there, by the key below the prefix."""
        store = S3Store(self.settings)
        return {
            info.key.removeprefix(f"{self.prefix}/"): store.get(info.bucket, info.key, info.etag, 1 << 30)
            for info in store.list(self.bucket, f"{self.prefix}/")
        }


@pytest.fixture(params=["stub", pytest.param("server", marks=pytest.mark.servers)])
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Target:
    if request.param == "stub":
        made = Target(request.getfixturevalue("stub").settings, "recordings", "drop")
    else:
        real = minio()
        made = Target(real.settings, real.bucket, uuid.uuid4().hex)
    for name in list(os.environ):
        if name.startswith("RINGTRUE_") and not name.startswith("RINGTRUE_TEST_"):
            monkeypatch.delenv(name)
    for name, value in made.settings.model_dump().items():
        if name == "secret_key":
            monkeypatch.setenv("RINGTRUE_S3__SECRET_KEY", made.settings.secret_key.get_secret_value())
        elif value is not None:
            monkeypatch.setenv(f"RINGTRUE_S3__{name.upper()}", str(value))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    for name, data in {
        "day/appel é + 1%.wav": b"sound",
        "day/appel é + 1%.json": b"{}",
        "day/b.OGG": b"other sound",
        "crc_adsl.csv": b"rows",
        "notes.txt": b"of another kind",
        "day/.hidden.wav": b"hidden",
        ".git/c.wav": b"hidden",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["upload", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def document(*arguments: object, code: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_a_folder_goes_up_under_its_paths_and_what_is_hidden_or_of_another_kind_stays(
    target: Target, folder: Path
) -> None:
    assert document(folder, "--to", target.url) == {
        "to": f"{target.url}/",
        "dry_run": False,
        "uploaded": 4,
        "bytes": 22,
        "unchanged": 0,
        "skipped": 1,
        "failed": [],
    }
    assert target.contents() == {
        "day/appel é + 1%.wav": b"sound",
        "day/appel é + 1%.json": b"{}",
        "day/b.OGG": b"other sound",
        "crc_adsl.csv": b"rows",
    }


def test_what_is_there_already_is_left_alone_and_what_has_changed_goes_up_again(target: Target, folder: Path) -> None:
    document(folder, "--to", target.url)
    (folder / "day/b.OGG").write_bytes(b"OTHER sound")
    (folder / "day/new.flac").write_bytes(b"new")
    told = document(folder, "--to", f"{target.url}/")
    assert (told["uploaded"], told["unchanged"], told["bytes"]) == (2, 3, 14)
    assert target.contents()["day/b.OGG"] == b"OTHER sound"


def test_a_file_that_went_up_in_parts_is_known_again(
    target: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    (folder / "long.wav").write_bytes(os.urandom(6 << 20))
    document(folder, "--to", target.url)
    assert target.contents()["long.wav"] == (folder / "long.wav").read_bytes()
    assert document(folder, "--to", target.url)["unchanged"] == 5
    (folder / "long.wav").write_bytes(os.urandom(6 << 20))
    assert document(folder, "--to", target.url)["uploaded"] == 1


def test_a_dry_run_says_what_it_would_do_and_does_nothing(target: Target, folder: Path) -> None:
    told = document(folder, "--to", target.url, "--dry-run")
    assert (told["uploaded"], told["dry_run"]) == (4, True)
    assert target.contents() == {}
    assert "4 files (0.0 MB) to upload, 0 there already, 1 of other kinds" in run(
        folder, "--to", target.url, "--dry-run"
    ).stdout.replace("\n", " ")


def test_a_file_that_fails_is_named_and_the_others_go_up(target: Target, folder: Path) -> None:
    (folder / "day/gone.wav").symlink_to("nowhere")
    told = document(folder, "--to", target.url, code=1)
    [failed] = told["failed"]
    assert failed["file"] == str(folder / "day/gone.wav")
    assert "No such file" in failed["error"]
    assert (told["uploaded"], len(target.contents())) == (4, 4)


@pytest.mark.parametrize("target", ["stub"], indirect=True)
def test_a_store_that_goes_away_ends_the_upload_and_the_next_one_goes_on(
    stub: StubS3, target: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_BACKOFF_S", 0.001)
    stub.faults[("PUT", "/recordings/drop/day/b.OGG")] = (503, "SlowDown")
    with pytest.raises(StorageAway):
        run(folder, "--to", target.url, "--jobs", 1)
    stub.faults.clear()
    told = document(folder, "--to", target.url)
    assert told["uploaded"] + told["unchanged"] == 4
    assert told["unchanged"] >= 2


def test_the_sidecar_goes_before_its_recording_and_the_manifests_last(folder: Path) -> None:
    contents = look_through(folder, "drop/")
    assert [[found.key for found in group] for group in contents.groups] == [
        ["drop/day/appel é + 1%.json", "drop/day/appel é + 1%.wav"],
        ["drop/day/b.OGG"],
        ["drop/crc_adsl.csv"],
    ]
    assert (contents.count, contents.others) == (4, 1)


def test_a_name_that_is_no_utf_8_gets_the_key_that_a_folder_as_source_gives_it(folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"x")
    assert "caf\\xe9.wav" in [found.key for group in look_through(folder, "").groups for found in group]


def test_a_file_that_is_still_being_written_is_not_called_uploaded(
    target: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file = S3Store.put_file

    def put_and_grow(self: S3Store, bucket: str, key: str, file: Path, metadata: dict[str, str]) -> None:
        put_file(self, bucket, key, file, metadata)
        if file.name == "b.OGG":
            file.write_bytes(b"grown meanwhile")

    monkeypatch.setattr(S3Store, "put_file", put_and_grow)
    [failed] = document(folder, "--to", target.url, code=1)["failed"]
    assert "changed while it was read" in failed["error"]


@pytest.mark.parametrize("to", ["", "folder", "https://host/bucket"])
def test_only_a_bucket_can_be_uploaded_to(folder: Path, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGTRUE_SOURCE", raising=False)
    with pytest.raises(WrongUse, match=r"--to s3://bucket"):
        run(folder, "--to", to)


def test_a_folder_and_a_bucket_that_are_not_there_are_named(target: Target, folder: Path) -> None:
    with pytest.raises(WrongUse, match="missing cannot be read"):
        run(folder / "missing", "--to", target.url)
    with pytest.raises(StorageMisconfigured, match="no-such-bucket"):
        run(folder, "--to", "s3://no-such-bucket")
