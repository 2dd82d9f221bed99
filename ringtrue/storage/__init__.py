"""Object storage: recordings, sidecars and manifests, in a folder or in any S3 store, behind one small port.

    source = open_store("s3://recordings/2026", settings.s3)      # or a folder's path
    for info in source.store.list(source.bucket, source.prefix): ...
    data = source.store.get(info.bucket, info.key, info.etag, max_bytes=...)    # `stream` for what may be large

Errors are sorted once, here, by what is to be done about them (`ringtrue.errors`):

    BadRecord
    └── ObjectError            this one object is at fault, everything else goes on
        ├── ObjectGone         it does not exist (any more)
        ├── ObjectChanged      it is another version than the one that was asked for
        ├── ObjectTooLarge     it is larger than the caller takes
        └── ObjectRefused      the store refuses this object, although it serves others
    Away
    └── StorageAway            connection, time-out, server error: the same call again, later
    Misconfigured
    └── StorageMisconfigured   the bucket or the folder does not exist, or the access keys do not open it
"""

from ringtrue.storage.folder import FolderStore
from ringtrue.storage.port import (
    ObjectChanged,
    ObjectError,
    ObjectGone,
    ObjectInfo,
    ObjectRefused,
    ObjectStore,
    ObjectTooLarge,
    StorageAway,
    StorageMisconfigured,
)
from ringtrue.storage.source import Source, open_store

__all__ = [
    "FolderStore",
    "ObjectChanged",
    "ObjectError",
    "ObjectGone",
    "ObjectInfo",
    "ObjectRefused",
    "ObjectStore",
    "ObjectTooLarge",
    "Source",
    "StorageAway",
    "StorageMisconfigured",
    "open_store",
]
