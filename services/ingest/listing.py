"""Listing a source: registers what stands there, and vouches for it with coverage marks.

A listing writes its records straight to the topics that the register and the manifests worker read, already keyed, and
then a mark to every partition: what stands before the mark is everything in this scope that was written before
`until`. A folder is watched by listing it again and again; what has not changed since is not written again, and the
register would drop it anyway.
"""

import threading
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from ringtrue.messages import CoverageMark, ObjectSeen
from ringtrue.storage import ObjectInfo, Source
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import Log, Outgoing
from ringtrue.streaming.topics import RECORDINGS_SEEN
from ringtrue.streaming.trace import TRACEPARENT, trace_id, traceparent
from services.ingest.intake import route
from services.ingest.objects import Origin, is_hidden, object_seen

#: Records in one append.
_CHUNK = 500
#: While nothing new is found, the marks of a watched source are renewed so often.
_MARK_EVERY_MS = 60_000


@dataclass(frozen=True, slots=True)
class Listed:
    """What one listing found: objects in all, and those that are new or changed since the one before."""

    objects: int
    news: int


class Lister:
    """Lists one source, again and again if need be.

    Args:
        source: What to list.
        log: Where the records go.
        origin: `scan` for a folder, `reconcile` for a bucket.
        now_ms: The wall clock.
        vouches: Whether its listings cover the whole source and so may end in marks.
        codec: How the deployment writes messages.
    """

    def __init__(
        self,
        source: Source,
        log: Log,
        origin: Origin,
        now_ms: Callable[[], int],
        *,
        vouches: bool = True,
        codec: Codec | None = None,
    ) -> None:
        self._source = source
        self._log = log
        self._origin: Origin = origin
        self._now_ms = now_ms
        self._codec = codec or Codec()
        self._known = array("Q")  # the versions that were listed the time before, sorted
        self._marked_ms = 0
        self._vouches = vouches

    def list_once(self, *, skip_age_ms: int = 0, stop: threading.Event | None = None) -> Listed:
        """One listing and its marks. Objects younger than `skip_age_ms` may still be being written: not yet.

        When `stop` is set meanwhile it ends without marks, for it has not seen everything.
        """
        started_ms = self._now_ms()
        until_ms = started_ms - skip_age_ms
        news = 0
        listed = array("Q")
        chunk = list[Outgoing]()
        for info in self._source.store.list(self._source.bucket, self._source.prefix):
            if stop is not None and stop.is_set():
                return Listed(len(listed), news)
            if is_hidden(info.key) or (skip_age_ms and info.modified_ms >= until_ms):
                continue
            version = _version(info)
            listed.append(version)
            if not _holds(self._known, version):
                news += 1
                chunk.append(self._outgoing(self._seen(info)))
            if len(chunk) >= _CHUNK:
                self._log.append(chunk)
                chunk = []
        if self._vouches and (news or started_ms - self._marked_ms >= _MARK_EVERY_MS):
            self._marked_ms = started_ms
            chunk += self._marks(started_ms, until_ms)
        self._log.append(chunk)
        self._known = array("Q", sorted(listed))  # only now: what could not be written is new to the next listing too
        return Listed(len(listed), news)

    def watch(self, stop: threading.Event, every_s: float, skip_age_ms: int) -> None:
        """Lists until stopped."""
        while not stop.wait(every_s):
            self.list_once(skip_age_ms=skip_age_ms, stop=stop)

    def _seen(self, info: ObjectInfo) -> ObjectSeen:
        return object_seen(info.bucket, info.key, info.etag, info.size, info.modified_ms, self._origin)

    def _outgoing(self, seen: ObjectSeen) -> Outgoing:
        topic, key = route(seen)
        headers = {TRACEPARENT: traceparent(trace_id({})), "origin": self._origin.encode()}
        if seen.call_id is not None:
            headers["call_id"] = seen.call_id.encode()
        return Outgoing(topic.name, key.encode(), self._codec.encode(seen), headers)

    def _marks(self, started_ms: int, until_ms: int) -> Iterator[Outgoing]:
        for partition in range(self._log.partitions):
            mark = CoverageMark(
                source_partition=partition,
                scope=f"{self._source.bucket}/{self._source.prefix}",
                since_ms=0,
                until_ms=until_ms,
                hours=(),
                event_time_ms=started_ms,
            )
            yield Outgoing(RECORDINGS_SEEN.name, b"coverage", self._codec.encode(mark), {}, partition)


def _version(info: ObjectInfo) -> int:
    """Stands for one version of an object, in 8 bytes: a bucket may hold millions of them."""
    return int.from_bytes(blake2b(f"{info.etag}/{info.key}".encode(), digest_size=8).digest(), "big")


def _holds(versions: "array[int]", version: int) -> bool:
    place = bisect_left(versions, version)
    return place < len(versions) and versions[place] == version
