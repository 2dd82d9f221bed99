"""A source of recordings as a person names it: a folder's path, or `s3://bucket/prefix`."""

from dataclasses import dataclass
from pathlib import Path

from ringtrue.settings import S3Settings
from ringtrue.storage.folder import FolderStore
from ringtrue.storage.port import ObjectStore, StorageMisconfigured

_S3_SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Source:
    """Where recordings are: a store, the bucket in it, and the prefix of the keys that are meant."""

    store: ObjectStore
    bucket: str
    prefix: str = ""


def open_store(url: str, s3: S3Settings) -> Source:
    """The source that `url` names. Nothing is asked of an S3 store yet.

    Raises:
        StorageMisconfigured: The folder does not exist, or the URL names no bucket.
    """
    if not url:
        raise StorageMisconfigured("RINGTRUE_SOURCE is not set; a folder or s3://bucket/prefix is expected")
    if url.startswith(_S3_SCHEME):
        from ringtrue.storage.s3 import S3Store  # its SDK is slow to import, and folders do not need it

        bucket, _, prefix = url.removeprefix(_S3_SCHEME).partition("/")
        if not bucket:
            raise StorageMisconfigured(f"{url!r} names no bucket; s3://bucket or s3://bucket/prefix is expected")
        return Source(S3Store(s3), bucket, prefix)
    folder = Path(url)
    if not folder.is_dir():
        raise StorageMisconfigured(f"{url!r} is neither a folder nor of the form s3://bucket/prefix")
    store = FolderStore(folder)
    return Source(store, store.name)
