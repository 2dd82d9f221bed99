"""Upload: recordings, sidecars and manifests of a folder into a bucket, several at a time.

What stands there already with the same content is left alone, so an upload that was broken off is simply run again.
The files of one call go up one after the other, the sidecar first; manifests go last, when the calls that they speak of
are there.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from ringtrue.errors import BadRecord, WrongUse
from ringtrue.storage import ObjectChanged, ObjectGone
from ringtrue.storage.s3 import S3Store
from services.ingest.objects import classify, is_hidden

#: User metadata by which an object that went up in parts is known again: its etag is not the MD5 of its content.
_MD5 = "ringtrue-md5"


@dataclass(frozen=True, slots=True)
class Found:
    """A file for the bucket, and its key there."""

    path: Path
    key: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder holds: files for the bucket, those of one call together, and how many others there are."""

    groups: Sequence[Sequence[Found]]
    others: int

    @property
    def count(self) -> int:
        """The number of files for the bucket."""
        return sum(map(len, self.groups))


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a file; of a dry run, what would have."""

    found: Found
    outcome: Literal["uploaded", "unchanged", "failed"]
    size: int = 0
    error: str = ""


def look_through(folder: Path, prefix: str) -> Contents:
    """The files of a folder and of those in it. Hidden ones are passed over, links to folders are not followed.

    Raises:
        WrongUse: A folder cannot be read.
    """
    found, others = list[tuple[bool, str, bool, Found]](), 0
    for path in _files(folder):
        name = _as_key(path.relative_to(folder))
        kind, stem = classify(name)
        if is_hidden(name):
            continue
        if kind == "unknown" or (path.exists() and not path.is_file()):
            others += 1
        else:
            found.append((kind == "manifest", stem, kind != "sidecar", Found(path, prefix + name)))
    found.sort(key=lambda item: (*item[:3], item[3].key))
    groups = [[item[3] for item in group] for _, group in groupby(found, lambda item: item[:2])]
    return Contents(groups, others)


class Upload:
    """Puts files into a bucket.

    Args:
        store: The store.
        bucket: The bucket.
        jobs: Calls that go up side by side.
        dry_run: Look what there is to do, and do nothing.
    """

    def __init__(self, store: S3Store, bucket: str, *, jobs: int, dry_run: bool = False) -> None:
        self._store = store
        self._bucket = bucket
        self._jobs = jobs
        self._dry_run = dry_run
        self._stop = threading.Event()

    def run(self, contents: Contents, tell: Callable[[Result], None]) -> None:
        """Uploads, and tells of each file. One that fails keeps no other one back.

        Raises:
            StorageAway: The store cannot be reached any more.
            StorageMisconfigured: The bucket does not exist, or the access keys do not open it.
        """
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="upload") as pool:
            try:
                for done in as_completed([pool.submit(self._put_all, group) for group in contents.groups]):
                    for result in done.result():
                        tell(result)
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _put_all(self, group: Sequence[Found]) -> list[Result]:
        results = list[Result]()
        for found in group:
            if self._stop.is_set():
                break
            try:
                results.append(self._put(found))
            except (BadRecord, OSError) as error:
                results.append(Result(found, "failed", error=str(error)))
        return results

    def _put(self, found: Found) -> Result:
        before = found.path.stat()
        with found.path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if self._is_there(found.key, before.st_size, md5):
            return Result(found, "unchanged", before.st_size)
        if not self._dry_run:
            self._store.put_file(self._bucket, found.key, found.path, {_MD5: md5})
            after = found.path.stat()
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise ObjectChanged(f"{found.path} changed while it was read: upload it again when it is whole")
        return Result(found, "uploaded", before.st_size)

    def _is_there(self, key: str, size: int, md5: str) -> bool:
        try:
            there = self._store.stat(self._bucket, key)
        except ObjectGone:
            return False
        return there.size == size and md5 in (there.etag, there.metadata.get(_MD5))


def _files(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise WrongUse(f"{error.filename} cannot be read: {error.strerror}") from error

    for above, below, names in os.walk(folder, onerror=refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        yield from (Path(above, name) for name in names)


def _as_key(path: Path) -> str:
    # A name that is no UTF-8 gets the key that it has where the folder itself is the source.
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
