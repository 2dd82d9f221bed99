"""Object storage in a folder: the bucket is the folder's name, a key the path below it with `/` between the parts.

A key never leads out of the folder, not through `..` nor through a symbolic link. Names that start with a dot are
not objects (a half-written upload is one of them), and folders that are symbolic links are not entered when listing.
A file name that is not UTF-8 appears in keys with `\\xNN` for the bytes that are not, and is found by that key.
"""

import errno
import hashlib
import os
import re
import stat as modes
from collections.abc import Iterator
from pathlib import Path

from ringtrue.storage.port import (
    ObjectChanged,
    ObjectGone,
    ObjectInfo,
    ObjectRefused,
    ObjectTooLarge,
    StorageAway,
    StorageMisconfigured,
)

_ESCAPED_BYTE = re.compile(rb"\\x([0-9a-f]{2})")
#: Errors of the disk or of a network share, as against those of a path.
_DEVICE_ERRORS = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOSPC, errno.EROFS, errno.EMFILE, errno.ENFILE}
)
_CHUNK_BYTES = 1 << 20


class FolderStore:
    """The files below `root` as the objects of one bucket, named `name` or else like the folder."""

    def __init__(self, root: Path, name: str = "") -> None:
        self._root = root.resolve()
        self.name = name or self._root.name

    def stat(self, bucket: str, key: str) -> ObjectInfo:
        """See `ObjectStore.stat`. A file has no user metadata."""
        _, found = self._file(bucket, key)
        return _info(self.name, key, found)

    def get(self, bucket: str, key: str, etag: str | None, max_bytes: int) -> bytes:
        """See `ObjectStore.get`."""
        return b"".join(self.stream(bucket, key, etag, max_bytes))

    def stream(self, bucket: str, key: str, etag: str | None, max_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`. A file that is written to while it is read counts as changed."""
        path, _ = self._file(bucket, key)
        try:
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                if etag is not None and _etag(before) != etag:
                    raise ObjectChanged(f"{key} in {self._root} has changed since it was registered")
                if before.st_size > max_bytes:
                    raise ObjectTooLarge(f"{key} has {before.st_size} bytes; at most {max_bytes} are read")
                read = 0
                while chunk := file.read(min(_CHUNK_BYTES, before.st_size - read)):
                    read += len(chunk)
                    yield chunk
                after = os.fstat(file.fileno())
        except OSError as error:
            raise self._sorted(error, key) from error
        if _etag(after) != _etag(before) or read != before.st_size:
            raise ObjectChanged(f"{key} in {self._root} changed while it was read")

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """See `ObjectStore.put`."""
        path = self._find(bucket, key)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(data)
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise self._sorted(error, key) from error

    def list(self, bucket: str, prefix: str, since_ms: int | None = None) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`. A link to a file is listed as it stands; `stat` says whether it is served."""
        self._must_be_ours(bucket)
        for key, entry in self._walk(self._root, "", prefix):
            try:
                found = entry.stat(follow_symlinks=_leads_somewhere(entry))
            except FileNotFoundError:
                continue  # deleted since its folder was read
            except OSError as error:
                raise self._sorted(error, key) from error
            info = _info(self.name, key, found)
            if since_ms is None or info.modified_ms >= since_ms:
                yield info

    def _walk(self, folder: Path, above: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        try:
            with os.scandir(folder) as found:
                entries = [(_key_part(e), e) for e in found if not e.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError) as error:
            if folder == self._root:
                raise self._sorted(error, above) from error
            return  # deleted since the folder above was read
        except PermissionError as error:
            raise StorageMisconfigured(f"{folder} may not be read, so nobody knows what it holds") from error
        except OSError as error:
            raise self._sorted(error, above) from error
        # With its slash a folder sorts where its keys do: `a.wav` stands before `a/b.wav`.
        for part, entry in sorted(entries, key=lambda item: item[0].encode()):
            key = above + part
            if entry.is_dir(follow_symlinks=False):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(Path(entry.path), key, prefix)
            elif key.startswith(prefix) and (entry.is_file(follow_symlinks=False) or _is_link_to_no_folder(entry)):
                yield key, entry

    def _file(self, bucket: str, key: str) -> tuple[Path, os.stat_result]:
        path = self._find(bucket, key)
        try:
            found = path.stat()
        except OSError as error:
            raise self._sorted(error, key) from error
        # Opening a pipe would wait for ever.
        if not modes.S_ISREG(found.st_mode):
            raise ObjectRefused(f"{key} in {self._root} is not a file; put a plain file in its place")
        return path, found

    def _find(self, bucket: str, key: str) -> Path:
        """The path of a key, every link resolved; it need not exist."""
        self._must_be_ours(bucket)
        if any(not part or part.startswith(".") for part in key.split("/")) or "\0" in key:
            raise ObjectGone(f"{key!r} is not the key of an object in {self._root}")
        path = self._root / key
        if "\\x" in key and not os.path.lexists(path):
            raw = _ESCAPED_BYTE.sub(lambda found: bytes([int(found[1], 16)]), key.encode())
            path = self._root / os.fsdecode(raw)
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle, before Python 3.13
            raise ObjectGone(f"{key!r} in {self._root} does not lead to a file: {error}") from error
        if not resolved.is_relative_to(self._root):
            raise ObjectRefused(f"{key} is a link that leads out of {self._root}; put the file itself there")
        return resolved

    def _must_be_ours(self, bucket: str) -> None:
        if bucket != self.name:
            raise StorageMisconfigured(f"the source is the folder {self._root}, called {self.name!r}, not {bucket!r}")

    def _sorted(self, error: OSError, key: str) -> Exception:
        if error.errno in _DEVICE_ERRORS:
            return StorageAway(f"{self._root}: {error.strerror}")
        if not self._root.is_dir() or not os.access(self._root, os.R_OK | os.X_OK):
            return StorageMisconfigured(f"{self._root} is not a folder that can be read")
        if isinstance(error, PermissionError):
            return ObjectRefused(f"{key} in {self._root} may not be read; change its permissions")
        return ObjectGone(f"{key} is not in {self._root}: {error.strerror}")


def _key_part(entry: os.DirEntry[str]) -> str:
    name = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
    return f"{name}/" if entry.is_dir(follow_symlinks=False) else name


def _leads_somewhere(entry: os.DirEntry[str]) -> bool:
    return Path(entry.path).exists()


def _is_link_to_no_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not Path(entry.path).is_dir()


def _info(bucket: str, key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(bucket, key, _etag(found), found.st_size, found.st_mtime_ns // 1_000_000)


def _etag(found: os.stat_result) -> str:
    """Names a version without reading the file: size, time of writing and inode; a replaced file has another inode."""
    text = f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
