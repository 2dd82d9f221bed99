"""Object storage in any S3 store (MinIO, Ceph, AWS), through the minio SDK.

The SDK's and urllib3's errors are sorted here, once. What makes it hard is that S3 answers 403 or 404 without a body
to a HEAD, whether one object or the whole bucket is meant, and 403 also for a missing object to keys that may not
list. So a refused object is blamed only when the bucket itself answers and gives out another object; else the
settings are at fault and nothing may be dead-lettered.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from mimetypes import guess_type
from pathlib import Path
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.datatypes import Object
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from ringtrue.errors import RingtrueError
from ringtrue.settings import S3Settings
from ringtrue.storage.port import (
    ObjectChanged,
    ObjectGone,
    ObjectInfo,
    ObjectRefused,
    ObjectTooLarge,
    StorageAway,
    StorageMisconfigured,
)

_CONNECT_TIMEOUT_S = 5.0
#: Between two chunks of an answer, not for the whole of it.
_READ_TIMEOUT_S = 30.0
#: Tries beyond the first within one call; longer outages are the worker's, which keeps its partitions meanwhile.
_RETRIES = 2
_BACKOFF_S = 0.2
_CHUNK_BYTES = 1 << 20
#: So many other objects of a bucket are tried before a refusal is blamed on the settings.
_WITNESSES = 3
#: A file up to this size is put in one request, and its etag is then the MD5 of its content.
PART_BYTES = 16 << 20
#: Connections kept for threads that read side by side.
_CONNECTIONS = 16
_META_PREFIX = "x-amz-meta-"

#: Answers that mean every object of the bucket, whichever was asked for.
_SETTINGS_CODES = frozenset(
    {
        "NoSuchBucket",
        "InvalidBucketName",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AuthorizationHeaderMalformed",
        "InvalidRegion",
        "InvalidToken",
        "ExpiredToken",
        "PermanentRedirect",
        "Redirect",
        "RequestTimeTooSkewed",
    }
)
#: 4xx answers that time heals.
_AWAY_CODES = frozenset(
    {"SlowDown", "RequestTimeout", "TooManyRequests", "OperationAborted", "BadDigest", "IncompleteBody"}
)
_AWAY_STATUS = frozenset({408, 425, 429})


class _Refused(Exception):
    """The store answered 4xx for an object, and the answer alone does not say whose fault it is."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"answered {status} ({said})")
        self.status = status


class S3Store:
    """The buckets of one S3 endpoint."""

    def __init__(self, settings: S3Settings) -> None:
        self._endpoint = settings.endpoint
        retries = urllib3.Retry(
            total=_RETRIES, backoff_factor=_BACKOFF_S, status_forcelist=(500, 502, 503, 504), raise_on_status=False
        )
        try:
            self._client = Minio(
                settings.endpoint,
                access_key=settings.access_key or None,
                secret_key=settings.secret_key.get_secret_value(),
                region=settings.region or None,
                secure=settings.secure,
                http_client=urllib3.PoolManager(
                    timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=_READ_TIMEOUT_S),
                    retries=retries,
                    maxsize=_CONNECTIONS,
                    ssl_context=_trust(settings) if settings.secure else None,
                ),
            )
        except ValueError as error:
            raise StorageMisconfigured(f"the S3 endpoint {settings.endpoint!r} or region is wrong: {error}") from error

    def stat(self, bucket: str, key: str) -> ObjectInfo:
        """See `ObjectStore.stat`."""
        try:
            return self._head(bucket, key)
        except _Refused as refused:
            raise self._whose_fault(bucket, key, refused) from refused

    def get(self, bucket: str, key: str, etag: str | None, max_bytes: int) -> bytes:
        """See `ObjectStore.get`."""
        return b"".join(self.stream(bucket, key, etag, max_bytes))

    def stream(self, bucket: str, key: str, etag: str | None, max_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`. The version is pinned with `If-Match`."""
        headers: dict[str, str | list[str] | tuple[str]] = {"If-Match": f'"{etag}"'} if etag is not None else {}
        try:
            with self._named(bucket, key):
                response = self._client.get_object(bucket, key, request_headers=headers)
                try:
                    yield from _body(response, key, max_bytes)
                finally:
                    response.close()
                    response.release_conn()
        except _Refused as refused:
            raise self._whose_fault(bucket, key, refused) from refused

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """See `ObjectStore.put`."""
        try:
            with self._named(bucket, key):
                self._client.put_object(bucket, key, BytesIO(data), len(data))
        except _Refused as refused:
            raise StorageMisconfigured(f"{self._endpoint} takes no objects into {bucket}: {refused}") from refused

    def put_file(self, bucket: str, key: str, file: Path, metadata: Mapping[str, str]) -> None:
        """Writes an object from a file, in parts when it is large, so that little of it is held in memory.

        Raises:
            ObjectRefused: The store does not take this object, although it may take others.
            OSError: The file cannot be read.
        """
        kind = guess_type(key)[0] or "application/octet-stream"
        try:
            with self._named(bucket, key):
                self._client.fput_object(
                    bucket, key, str(file), kind, dict(metadata), part_size=PART_BYTES, num_parallel_uploads=1
                )
        except _Refused as refused:
            if refused.status in (401, 403):
                raise StorageMisconfigured(f"{self._endpoint} takes no objects into {bucket}: {refused}") from refused
            raise ObjectRefused(f"{bucket}/{key}: {refused}") from refused

    def list(self, bucket: str, prefix: str, since_ms: int | None = None) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        try:
            with self._named(bucket):
                for found in self._client.list_objects(bucket, prefix=prefix, recursive=True):
                    info = _info(found)
                    if not found.is_dir and (since_ms is None or info.modified_ms >= since_ms):
                        yield info
        except _Refused as refused:
            raise StorageMisconfigured(f"{self._endpoint} does not list {bucket}: {refused}") from refused

    def _head(self, bucket: str, key: str) -> ObjectInfo:
        with self._named(bucket, key):
            return _info(self._client.stat_object(bucket, key))

    def _whose_fault(self, bucket: str, key: str, refused: _Refused) -> RingtrueError:
        """The object's, when the bucket answers and gives out another one; otherwise the settings'."""
        try:
            others = (info.key for info in self.list(bucket, "") if info.key != key)
            witnesses = list(islice(others, _WITNESSES))
        except StorageMisconfigured as wrong:
            return wrong
        for witness in witnesses:
            try:
                self._head(bucket, witness)
            except (_Refused, ObjectGone):
                continue
            return ObjectRefused(f"{bucket}/{key}: {refused}")
        if witnesses:
            return StorageMisconfigured(f"{self._endpoint} lists {bucket} but gives out none of its objects: {refused}")
        return ObjectRefused(f"{bucket}/{key}: {refused}")

    @contextmanager
    def _named(self, bucket: str, key: str = "") -> Iterator[None]:
        """Turns what the SDK raises into our errors, or into `_Refused` where it takes more than the answer to tell."""
        try:
            yield
        except urllib3.exceptions.HTTPError as error:
            said = f"{self._endpoint} cannot be reached: {error}"
            if isinstance(getattr(error, "reason", error), urllib3.exceptions.SSLError):
                said += "; do RINGTRUE_S3__SECURE and RINGTRUE_S3__CA_FILE fit this server?"
            raise StorageAway(said) from error
        except ServerError as error:
            raise self._by_status(error.status_code, str(error), bucket, key) from error
        except InvalidResponseError as error:
            status: int = error._code  # the SDK keeps it to itself, and the text is no place to look for it
            raise self._by_status(status, str(error), bucket, key) from error
        except S3Error as error:
            raise self._by_code(error, bucket, key) from error
        except (MinioException, ParseError) as error:
            raise StorageMisconfigured(f"{self._endpoint} does not answer like an S3 store: {error}") from error
        except ValueError as error:  # names that the SDK refuses to send
            if key:
                raise ObjectGone(f"{bucket}/{key} is not the key of an object: {error}") from error
            raise StorageMisconfigured(f"{bucket!r} is not the name of a bucket: {error}") from error

    def _by_code(self, error: S3Error, bucket: str, key: str) -> Exception:
        said = f"{error.code}: {error.message}"
        if error.code in _SETTINGS_CODES:
            return StorageMisconfigured(f"{self._endpoint} refuses bucket {bucket}: {said}")
        if error.code in _AWAY_CODES:
            return StorageAway(f"{self._endpoint}: {said}")
        if error.code == "NoSuchKey" and key:
            # A HEAD is answered 404 also when the bucket is missing.
            return self._gone_or_no_bucket(bucket, key)
        return self._by_status(error.response.status, said, bucket, key)

    def _by_status(self, status: int, said: str, bucket: str, key: str) -> Exception:
        if status >= 500 or status in _AWAY_STATUS:
            return StorageAway(f"{self._endpoint} answered {status} ({said})")
        if status == 412:
            return ObjectChanged(f"{bucket}/{key} has changed since it was registered")
        return _Refused(status, said)

    def _gone_or_no_bucket(self, bucket: str, key: str) -> Exception:
        with self._named(bucket):
            if not self._client.bucket_exists(bucket):
                return StorageMisconfigured(f"{self._endpoint} has no bucket {bucket}")
        return ObjectGone(f"{bucket}/{key} does not exist (any more)")


def _trust(settings: S3Settings) -> ssl.SSLContext:
    """The certificates that TLS connections trust: the system's, or those of the operator's file."""
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # of which a file that holds no certificate is one
        problem = (
            f"RINGTRUE_S3__CA_FILE={settings.ca_file}: {error.strerror or error}; certificates in PEM are expected"
        )
        raise StorageMisconfigured(problem) from error


def _body(response: urllib3.BaseHTTPResponse, key: str, max_bytes: int) -> Iterator[bytes]:
    """The answer's bytes; urllib3 raises when fewer come than were announced."""
    announced = response.headers.get("content-length")
    if announced is not None and int(announced) > max_bytes:
        raise ObjectTooLarge(f"{key} has {announced} bytes; at most {max_bytes} are read")
    read = 0
    for chunk in response.stream(_CHUNK_BYTES):
        read += len(chunk)
        if read > max_bytes:
            raise ObjectTooLarge(f"{key} has more than the {max_bytes} bytes that are read at most")
        yield chunk


def _info(found: Object) -> ObjectInfo:
    modified_ms = int(found.last_modified.timestamp() * 1000) if found.last_modified else 0
    headers = {name.lower(): value for name, value in (found.metadata or {}).items()}
    metadata = {name.removeprefix(_META_PREFIX): headers[name] for name in headers if name.startswith(_META_PREFIX)}
    return ObjectInfo(
        found.bucket_name, found.object_name or "", found.etag or "", found.size or 0, modified_ms, metadata
    )
