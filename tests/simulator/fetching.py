"""What a consumer reads: its assigned partitions, where each stands, and what has been fetched ahead."""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, OFFSET_INVALID, OFFSET_STORED, KafkaError, Message

from tests.simulator.groups import Group
from tests.simulator.partition import Entry, Partition
from tests.simulator.positions import Place

#: A fetch brings at most so many records.
_FETCH = 8
_CREATE_TIME = 1


@dataclass(eq=False)
class Cursor:
    """Where a consumer stands in one partition.

    Attributes:
        offset: The next one to fetch; None until the committed position has been asked for.
        next: The next one to hand out.
        position: The same, but -1001 before anything was handed out.
        eof_at: The offset for which the end was last told.
        fetched: Entries, and offsets at which the end was met.
    """

    partition: Partition
    offset: int | None
    next: int = 0
    position: int = OFFSET_INVALID
    paused: bool = False
    eof_at: int | None = None
    fetched: deque[Entry | int] = field(default_factory=deque)
    high: int = OFFSET_INVALID  # as of the last fetch

    def jump(self, offset: int) -> None:
        """Goes on somewhere else."""
        self.offset = self.next = offset
        self.eof_at = None
        self.fetched.clear()


class Fetching:
    """The assignment of a consumer.

    Args:
        config: The consumer's configuration.
        group: Whose committed positions are taken where none is given.
        find: The partition of a place; None when there is none.
        rng: In which order partitions are served.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        group: Group,
        find: Callable[[Place], Partition | None],
        rng: random.Random,
    ) -> None:
        self.cursors = dict[Place, Cursor]()
        self.committed = config.get("isolation.level", "read_committed") == "read_committed"
        self._tells_end = bool(config.get("enable.partition.eof", False))
        self._reset = config.get("auto.offset.reset", "largest")
        self._group = group
        self._find = find
        self._rng = rng

    def assign(self, places: Mapping[Place, int]) -> None:
        """Replaces the assignment."""
        self.cursors = {}
        for place, offset in places.items():
            partition = self._find(place)
            if partition is not None:
                self.cursors[place] = cursor = Cursor(partition, None)
                self._place(cursor, offset)

    def end(self, partition: Partition) -> int:
        """Where a partition ends for this consumer."""
        return partition.stable if self.committed else partition.end

    def next_message(self) -> Message | None:
        """What comes next, if anything is here."""
        ready = [cursor for cursor in self.cursors.values() if not cursor.paused]
        self._rng.shuffle(ready)
        for cursor in ready:
            if not cursor.fetched:
                problem = self._fetch(cursor)
                if problem is not None:
                    return problem
            while cursor.fetched:
                item = cursor.fetched.popleft()
                if isinstance(item, int):
                    cursor.next = cursor.position = item
                    return _told(cursor.partition, item, KafkaError._PARTITION_EOF, "Broker: No more messages")
                cursor.next = cursor.position = item.offset + 1
                return self._message(cursor.partition, item)
        return None

    def _fetch(self, cursor: Cursor) -> Message | None:
        partition = cursor.partition
        if cursor.offset is None:
            self._place(cursor, OFFSET_STORED)
            if cursor.offset is None:
                return None
        if not partition.start <= cursor.offset <= partition.end:
            return self._out_of_range(cursor)
        limit = self._rng.randint(1, _FETCH)
        entries, cursor.offset = partition.read(cursor.offset, limit, committed=self.committed)
        cursor.high = partition.end
        cursor.fetched.extend(entries)
        if len(entries) < limit and self._tells_end and cursor.eof_at != cursor.offset:
            cursor.eof_at = cursor.offset
            cursor.fetched.append(cursor.offset)
        return None

    def _place(self, cursor: Cursor, offset: int) -> None:
        if offset in (OFFSET_INVALID, OFFSET_STORED):
            place = (cursor.partition.topic, cursor.partition.number)
            if self.committed and not self._group.positions.is_stable([place]):
                return  # asked for again with the next fetch
            position = self._group.positions.get(place)
            if position is None:
                self._go_to_reset(cursor)
            else:
                cursor.jump(position.offset)
        elif offset == OFFSET_BEGINNING:
            cursor.jump(cursor.partition.start)
        elif offset == OFFSET_END:
            cursor.jump(self.end(cursor.partition))
        else:
            cursor.jump(offset)

    def _out_of_range(self, cursor: Cursor) -> Message | None:
        if self._reset == "error":
            cursor.paused = True
            text = "Offset out of range"
            return _told(cursor.partition, cursor.offset or 0, KafkaError._AUTO_OFFSET_RESET, text)
        self._go_to_reset(cursor)
        return None

    def _go_to_reset(self, cursor: Cursor) -> None:
        earliest = self._reset in ("earliest", "smallest", "beginning", "error")
        cursor.jump(cursor.partition.start if earliest else self.end(cursor.partition))

    def _message(self, partition: Partition, entry: Entry) -> Message:
        data = entry.data
        assert data is not None
        return Message(
            topic=partition.topic,
            partition=partition.number,
            offset=entry.offset,
            key=data.key,
            value=data.value,
            headers=list(data.headers) or None,
            timestamp=(_CREATE_TIME, data.timestamp_ms),
        )


def _told(partition: Partition, offset: int, code: int, text: str) -> Message:
    return Message(topic=partition.topic, partition=partition.number, offset=offset, error=KafkaError(code, text))
