"""What a service may ask of object storage, and the errors it must expect (drawn in the package's docstring)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ringtrue.errors import Away, BadRecord, Misconfigured


class ObjectError(BadRecord):
    """One object is at fault; the store answers."""


class ObjectGone(ObjectError):
    """The object does not exist, or not any more."""

    def __init__(self, message: str) -> None:
        super().__init__("object_gone", message)


class ObjectChanged(ObjectError):
    """The object is another version than the one that was asked for."""

    def __init__(self, message: str) -> None:
        super().__init__("object_changed", message)


class ObjectTooLarge(ObjectError):
    """The object is larger than the caller takes."""

    def __init__(self, message: str) -> None:
        super().__init__("object_too_large", message)


class ObjectRefused(ObjectError):
    """The store refuses this very object, although it serves others of the bucket."""

    def __init__(self, message: str) -> None:
        super().__init__("object_refused", message)


class StorageAway(Away):
    """The store cannot be reached, does not answer in time, or answers with an error of its own."""


class StorageMisconfigured(Misconfigured):
    """The bucket does not exist or the access keys do not open it: no object of it could be read."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the store says of an object.

    Attributes:
        bucket: The bucket, or the name of the folder.
        key: The key within it, decoded, with `/` between the parts.
        etag: Names this version of the object. Opaque; compare it, nothing else.
        size: Bytes.
        modified_ms: When it was written, UTC milliseconds.
        metadata: User metadata (`x-amz-meta-NAME`) by lower-case NAME. Only `stat` knows it.
    """

    bucket: str
    key: str
    etag: str
    size: int
    modified_ms: int
    metadata: dict[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """A store of objects. Every call may raise `StorageAway` or `StorageMisconfigured`."""

    def stat(self, bucket: str, key: str) -> ObjectInfo:
        """What the store says of one object.

        Raises:
            ObjectError: It is gone or refused.
        """

    def get(self, bucket: str, key: str, etag: str | None, max_bytes: int) -> bytes:
        """The object's bytes, all of one version: the one named by `etag`, or the present one.

        Raises:
            ObjectError: It is gone, refused, another version than `etag`, or larger than `max_bytes`.
        """

    def stream(self, bucket: str, key: str, etag: str | None, max_bytes: int) -> Iterator[bytes]:
        """The same, piece by piece as the caller goes on, so that a large object is never held whole.

        What came before an error is no object: it may be of another version.

        Raises:
            ObjectError: As `get`.
        """

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Writes an object whole, or not at all; replaces one of the same key."""

    def list(self, bucket: str, prefix: str, since_ms: int | None = None) -> Iterator[ObjectInfo]:
        """The objects whose key starts with `prefix`, by the UTF-8 bytes of their keys.

        With `since_ms` only those written at or after it. Pages are fetched as the caller goes on.
        """
