"""A folder as a bucket: what only a file system can hold."""

import os
from pathlib import Path

import pytest

from ringtrue.settings import S3Settings
from ringtrue.storage import (
    FolderStore,
    ObjectChanged,
    ObjectGone,
    ObjectRefused,
    StorageMisconfigured,
    open_store,
)
from ringtrue.storage.s3 import S3Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder


def keys(root: Path) -> list[str]:
    return [info.key for info in FolderStore(root).list("calls", "")]


def test_the_folder_s_name_is_the_bucket(root: Path) -> None:
    (root / "a.wav").write_bytes(b"x")
    source = open_store(str(root), S3Settings())
    assert (source.bucket, source.prefix) == ("calls", "")
    assert source.store.stat("calls", "a.wav").bucket == "calls"


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageMisconfigured, match="no-such-folder"):
        open_store(str(tmp_path / "no-such-folder"), S3Settings())


def test_an_s3_url_names_bucket_and_prefix() -> None:
    source = open_store("s3://recordings/2026/11/", S3Settings())
    assert isinstance(source.store, S3Store)
    assert (source.bucket, source.prefix) == ("recordings", "2026/11/")
    with pytest.raises(StorageMisconfigured, match="names no bucket"):
        open_store("s3:///2026", S3Settings())


def test_hidden_files_and_folders_are_not_objects(root: Path) -> None:
    (root / ".hidden.wav").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / ".git" / "call.wav").write_bytes(b"x")
    assert keys(root) == []
    with pytest.raises(ObjectGone):
        FolderStore(root).stat("calls", ".git/call.wav")


def test_a_key_never_leads_out_of_the_folder(root: Path) -> None:
    (root.parent / "secret.wav").write_bytes(b"secret")
    (root / "link.wav").symlink_to(root.parent / "secret.wav")
    (root / "up").symlink_to(root.parent)
    store = FolderStore(root)
    for key in ("link.wav", "up/secret.wav"):
        with pytest.raises(ObjectRefused, match="leads out"):
            store.get("calls", key, None, 100)
    for key in ("../secret.wav", str(root.parent / "secret.wav"), "a/../../secret.wav", "", "a\0b"):
        with pytest.raises(ObjectGone):
            store.get("calls", key, None, 100)
    with pytest.raises(ObjectRefused):
        store.put("calls", "up/new.wav", b"x")


def test_a_link_within_the_folder_is_served_and_one_that_is_not_served_is_still_listed(root: Path) -> None:
    (root / "call.wav").write_bytes(b"x")
    (root / "same.wav").symlink_to(root / "call.wav")
    (root / "broken.wav").symlink_to(root / "nowhere.wav")
    (root / "round.wav").symlink_to(root / "round.wav")
    assert keys(root) == ["broken.wav", "call.wav", "round.wav", "same.wav"]
    store = FolderStore(root)
    assert store.get("calls", "same.wav", None, 10) == b"x"
    for key in ("broken.wav", "round.wav"):
        with pytest.raises(ObjectGone):
            store.stat("calls", key)


def test_a_folder_that_is_a_link_is_not_entered_so_a_circle_ends(root: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / "call.wav").write_bytes(b"x")
    (root / "a" / "back").symlink_to(root)
    assert keys(root) == ["a/call.wav"]


def test_a_pipe_is_refused_and_nothing_waits_for_it(root: Path) -> None:
    os.mkfifo(root / "pipe.wav")
    with pytest.raises(ObjectRefused, match="not a file"):
        FolderStore(root).get("calls", "pipe.wav", None, 10)
    assert keys(root) == []


def test_a_replaced_file_of_the_same_size_and_time_is_another_version(root: Path) -> None:
    file = root / "call.wav"
    file.write_bytes(b"one")
    os.utime(file, ns=(0, 1_000_000_000))
    before = FolderStore(root).stat("calls", "call.wav").etag
    other = root / "new"
    other.write_bytes(b"two")
    os.utime(other, ns=(0, 1_000_000_000))
    other.replace(file)
    assert FolderStore(root).stat("calls", "call.wav").etag != before


def test_a_file_that_grows_while_it_is_read_is_not_given_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "call.wav"
    file.write_bytes(b"first half")
    real, asked = os.fstat, []

    def fstat(descriptor: int) -> os.stat_result:
        asked.append(descriptor)
        if len(asked) == 2:
            with file.open("ab") as more:
                more.write(b", second half")
        return real(descriptor)

    store = FolderStore(root)
    monkeypatch.setattr("ringtrue.storage.folder.os.fstat", fstat)
    with pytest.raises(ObjectChanged, match="while it was read"):
        store.get("calls", "call.wav", None, 1000)


def test_a_name_that_is_not_utf_8_is_listed_and_found(root: Path) -> None:
    path = os.fsencode(root) + b"/appel\xe9.wav"
    with open(path, "wb") as file:  # noqa: PTH123 (a path of bytes)
        file.write(b"x")
    (key,) = keys(root)
    assert key == "appel\\xe9.wav"
    assert key.encode()
    assert FolderStore(root).get("calls", key, None, 10) == b"x"


def test_a_name_that_looks_escaped_is_taken_as_it_stands(root: Path) -> None:
    (root / "a\\xe9.wav").write_bytes(b"plain")
    assert FolderStore(root).get("calls", "a\\xe9.wav", None, 10) == b"plain"


def test_an_unfinished_put_is_not_listed(root: Path) -> None:
    store = FolderStore(root)
    store.put("calls", "deep/er/call.wav", b"x")
    assert keys(root) == ["deep/er/call.wav"]
    assert [path.name for path in (root / "deep" / "er").iterdir()] == ["call.wav"]


def test_a_root_that_vanished_is_a_fault_of_the_settings(root: Path) -> None:
    store = FolderStore(root)
    root.rmdir()
    with pytest.raises(StorageMisconfigured):
        store.stat("calls", "call.wav")
    with pytest.raises(StorageMisconfigured):
        list(store.list("calls", ""))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused_and_a_folder_without_is_a_fault_of_the_settings(root: Path) -> None:
    (root / "call.wav").write_bytes(b"x")
    (root / "call.wav").chmod(0)
    with pytest.raises(ObjectRefused, match="permissions"):
        FolderStore(root).get("calls", "call.wav", None, 10)
    (root / "closed").mkdir(mode=0)
    with pytest.raises(StorageMisconfigured, match="closed"):
        keys(root)
