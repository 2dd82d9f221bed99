"""Object storage in memory, whose faults are values that a test sets."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ringtrue.storage import ObjectChanged, ObjectGone, ObjectInfo, ObjectTooLarge, StorageAway

BUCKET = "recordings"


@dataclass
class Shelf:
    """A bucket. Etags follow from the content, as in S3.

    Attributes:
        away: So many of the next calls find the store away.
        changes_after_stat: Keys that are another version by the time they are read.
    """

    away: int = 0
    changes_after_stat: set[str] = field(default_factory=set)
    _objects: dict[str, tuple[ObjectInfo, bytes]] = field(default_factory=dict)

    def put(
        self, bucket: str, key: str, data: bytes, modified_ms: int = 0, metadata: dict[str, str] | None = None
    ) -> None:
        """See `ObjectStore.put`; with user metadata."""
        self._objects[key] = (ObjectInfo(bucket, key, etag_of(data), len(data), modified_ms, metadata or {}), data)

    def remove(self, key: str) -> None:
        """Deletes an object."""
        del self._objects[key]

    def stat(self, bucket: str, key: str) -> ObjectInfo:
        """See `ObjectStore.stat`."""
        return self._find(key)[0]

    def get(self, bucket: str, key: str, etag: str | None, max_bytes: int) -> bytes:
        """See `ObjectStore.get`."""
        info, data = self._find(key)
        if key in self.changes_after_stat or etag not in (None, info.etag):
            raise ObjectChanged(f"{key} has changed")
        if info.size > max_bytes:
            raise ObjectTooLarge(f"{key} is too large")
        return data

    def stream(self, bucket: str, key: str, etag: str | None, max_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`."""
        yield self.get(bucket, key, etag, max_bytes)

    def list(self, bucket: str, prefix: str, since_ms: int | None = None) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        yield from (info for key, (info, _) in sorted(self._objects.items()) if key.startswith(prefix))

    def _find(self, key: str) -> tuple[ObjectInfo, bytes]:
        if self.away:
            self.away -= 1
            raise StorageAway("the store does not answer")
        if key not in self._objects:
            raise ObjectGone(f"there is no {key}")
        return self._objects[key]


def etag_of(data: bytes) -> str:
    """The etag of an object with this content."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
