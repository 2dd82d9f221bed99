"""One partition of a topic: records, control records, what of it is decided, and what compaction leaves.

Offsets are never given twice: the markers that end a transaction take one each, and compaction leaves gaps. The last
stable offset is the first offset of the oldest open transaction; a `read_committed` reader sees nothing from there on.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from confluent_kafka import KafkaError

_offset = attrgetter("offset")


class Refused(Exception):
    """A broker's answer to a request that it does not grant.

    Args:
        code: One of `KafkaError`.
    """

    def __init__(self, code: int) -> None:
        super().__init__(KafkaError(code).name())
        self.code = code


@dataclass(frozen=True, slots=True)
class Data:
    """What a producer sends."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int = 0


@dataclass(eq=False, slots=True)
class Entry:
    """What stands at an offset.

    Attributes:
        data: None for a control record.
        committed: Whether its transaction was; None while it is open.
    """

    offset: int
    data: Data | None
    committed: bool | None

    @property
    def visible(self) -> bool:
        """Whether it is there for a `read_committed` reader, once it is stable."""
        return self.data is not None and bool(self.committed)


@dataclass(eq=False)
class Partition:
    """One partition.

    Attributes:
        start: The first offset that is kept.
        end: The next offset: the high watermark, with one broker.
        watchers: Told of entries that a `read_committed` reader can see now, in order.
    """

    topic: str
    number: int
    start: int = 0
    end: int = 0
    watchers: list[Callable[["Partition", Sequence[Entry]], None]] = field(default_factory=list)
    _entries: list[Entry] = field(default_factory=list)
    _open: dict[int, list[Entry]] = field(default_factory=dict)  # producer id -> entries of its open transaction
    _epochs: dict[int, int] = field(default_factory=dict)
    _told: int = 0

    @property
    def stable(self) -> int:
        """The last stable offset: what lies before it is decided."""
        return min((entries[0].offset for entries in self._open.values()), default=self.end)

    def is_open(self, producer: int) -> bool:
        """Whether this producer has a transaction open here."""
        return producer in self._open

    def append(self, data: Data, producer: tuple[int, int] | None = None) -> int:
        """Writes a record; its offset.

        Args:
            data: The record.
            producer: Id and epoch, when it is of a transaction.
        """
        entry = Entry(self.end, data, True if producer is None else None)
        if producer is not None:
            number, epoch = producer
            self.check(number, epoch)
            self._epochs[number] = epoch
            self._open.setdefault(number, []).append(entry)
        self._entries.append(entry)
        self.end += 1
        self._tell()
        return entry.offset

    def check(self, producer: int, epoch: int) -> None:
        """Raises `Refused` when the partition knows of a later epoch of the producer."""
        if epoch < self._epochs.get(producer, 0):
            raise Refused(KafkaError.INVALID_PRODUCER_EPOCH)

    def mark(self, producer: int, epoch: int, committed: bool) -> None:
        """Writes the marker that ends a producer's transaction."""
        self._epochs[producer] = max(epoch, self._epochs.get(producer, 0))
        for entry in self._open.pop(producer, ()):
            entry.committed = committed
        self._entries.append(Entry(self.end, None, committed))
        self.end += 1
        self._tell()

    def read(self, offset: int, limit: int, *, committed: bool = True) -> tuple[list[Entry], int]:
        """Records from an offset on, and where to go on behind them."""
        end = self.stable if committed else self.end
        found = list[Entry]()
        index = bisect_left(self._entries, offset, key=_offset)
        while index < len(self._entries) and self._entries[index].offset < end:
            entry = self._entries[index]
            index += 1
            if entry.visible if committed else entry.data is not None:
                found.append(entry)
                if len(found) == limit:
                    return found, entry.offset + 1
        return found, max(offset, end)

    def compact(self, before: int, *, no_tombstones_before_ms: int = 0) -> int:
        """Removes what a younger record of the same key supersedes, as far as it is stable; how many records went.

        Args:
            before: Nothing from this offset on is touched: a cleaner leaves the active segment alone.
            no_tombstones_before_ms: Deletions older than this go too (`delete.retention.ms`).
        """
        before = min(before, self.stable)
        last = dict[bytes | None, int]()
        for entry in self._entries:
            if entry.offset < before and entry.visible and entry.data is not None:
                last[entry.data.key] = entry.offset
        kept = [entry for entry in self._entries if entry.offset >= before or self._keeps(entry, last)]
        kept = [
            entry
            for entry in kept
            if entry.offset >= before
            or entry.data is None
            or entry.data.value is not None
            or entry.data.timestamp_ms >= no_tombstones_before_ms
        ]
        gone = len(self._entries) - len(kept)
        self._entries = kept
        return gone

    def expire(self, before: int) -> None:
        """Removes everything before an offset, as retention does."""
        self.start = max(self.start, min(before, self.end))
        self._entries = [entry for entry in self._entries if entry.offset >= self.start]

    @staticmethod
    def _keeps(entry: Entry, last: dict[bytes | None, int]) -> bool:
        return entry.visible and entry.data is not None and last.get(entry.data.key) == entry.offset

    def _tell(self) -> None:
        stable = self.stable
        if stable > self._told and self.watchers:
            found, _ = self.read(self._told, len(self._entries))
            self._told = stable
            for watcher in self.watchers:
                watcher(self, found)
