"""What a member knows of the partitions it owns: how far they are committed, received and read, and their state."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from ringtrue.streaming.kafka.cluster import Cluster
from ringtrue.streaming.kafka.store import PartitionStore
from ringtrue.streaming.port import Commit, LogMismatch, PartitionsLost, Record, Subscription
from ringtrue.streaming.topics import CACHE_AGE_MS

_log = structlog.get_logger()

_CALL_S = 10.0


@dataclass(slots=True)
class Partition:
    """One partition number of every input, and the group's note on it.

    Attributes:
        positions: By topic, the next offset after the last commit.
        next: By topic, the next offset to receive.
        read_to: By topic, the offset before which nothing is left to receive: also what lies behind the last record.
        youngest_ms: Timestamp of the youngest record received.
        note: The note that the last commit left.
        store: The state's cache, once it is open.
    """

    number: int
    positions: dict[str, int]
    note: str = ""
    next: dict[str, int] = field(default_factory=dict)
    read_to: dict[str, int] = field(default_factory=dict)
    youngest_ms: int = 0
    store: PartitionStore | None = None

    def rewind(self) -> None:
        """Starts again behind the last commit."""
        self.next = dict(self.positions)
        self.read_to = dict(self.positions)
        self.youngest_ms = 0

    def received(self, record: Record) -> None:
        """Takes note of a record that is handed out."""
        self.next[record.topic] = record.offset + 1
        self.read_to[record.topic] = max(record.offset + 1, self.read_to.get(record.topic, 0))
        self.youngest_ms = max(record.timestamp_ms, self.youngest_ms)

    def to_assign(self, prefix: str) -> list[TopicPartition]:
        """Where the consumer shall read from."""
        return [TopicPartition(f"{prefix}{topic}", self.number, offset) for topic, offset in self.next.items()]


class Owned:
    """The partitions of a member.

    Args:
        cluster: The cluster.
        subscription: The member's.
    """

    def __init__(self, cluster: Cluster, subscription: Subscription) -> None:
        self.partitions = dict[int, Partition]()
        self._cluster = cluster
        self._topics = subscription.topics
        self._subscription = subscription
        self._stores = dict[int, PartitionStore]()

    def fetched(self, consumer: Consumer, numbers: Collection[int]) -> dict[int, Partition]:
        """The committed positions of partitions that are being assigned.

        Raises:
            LogMismatch: A position lies beyond the end of its topic.
            KafkaException: They could not be had.
        """
        prefix = self._cluster.prefix
        places = [TopicPartition(f"{prefix}{topic}", number) for number in numbers for topic in self._topics]
        # As a read_committed consumer the library waits for positions that are still pending in a transaction.
        found = self._cluster.again(lambda: _committed(consumer, places))
        partitions = {number: Partition(number, {}) for number in sorted(numbers)}
        spots = [(topic, number) for number in numbers for topic in self._topics]
        lows, ends = self._cluster.offsets(spots, "start"), self._cluster.offsets(spots, "committed end")
        for part in found:
            topic = part.topic.removeprefix(prefix)
            place = (topic, part.partition)
            offset = part.offset if part.offset >= 0 else lows[place]
            offset = self._usable(topic, part.partition, offset, lows[place], ends[place])
            one = partitions[part.partition]
            one.positions[topic] = offset
            if topic == self._topics[0]:
                one.note = part.metadata or ""
        for one in partitions.values():
            one.rewind()
        return partitions

    def seek(self, topic: str, number: int, offset: int) -> None:
        """Starts again at this offset.

        Raises:
            LogMismatch: It lies beyond the end of the topic.
            PartitionsLost: The partition is not owned any more.
        """
        place = (topic, number)
        low = self._cluster.offsets([place], "start")[place]
        end = self._cluster.offsets([place], "committed end")[place]
        self[number].next[topic] = self._usable(topic, number, offset, low, end)

    def open_store(self, number: int) -> PartitionStore:
        """Opens the cache of a partition's state."""
        topic = f"{self._cluster.prefix}{self._subscription.state}"
        folder = f"{self._cluster.prefix}{self._subscription.group}-{self._subscription.slot}"
        self._stores[number] = PartitionStore(
            self._cluster.folder / folder / f"{number}.sqlite",
            topic,
            number,
            f"{self._cluster.identity(topic)} of {self._cluster.partitions}",
            self._cluster.clients.now_ms() - CACHE_AGE_MS,
        )
        return self._stores[number]

    def store(self, number: int) -> PartitionStore:
        """The cache of a partition's state.

        Raises:
            PartitionsLost: The partition is not owned any more.
        """
        if number not in self._stores:
            raise PartitionsLost(f"partition {number} of the group {self._subscription.group} is not ours")
        return self._stores[number]

    def __getitem__(self, number: int) -> Partition:
        """A partition.

        Raises:
            PartitionsLost: It is not owned any more.
        """
        if number not in self.partitions:
            raise PartitionsLost(f"partition {number} of the group {self._subscription.group} is not ours")
        return self.partitions[number]

    def received(self, record: Record) -> None:
        """Takes note of a record that is handed out."""
        self.partitions[record.partition].received(record)

    @property
    def ahead(self) -> bool:
        """Whether something was received, or is to be read, beyond what is committed."""
        return any(one.next != one.positions for one in self.partitions.values())

    def rewind(self) -> None:
        """Starts again behind the last commit."""
        for one in self.partitions.values():
            one.rewind()

    def to_send(self, commit: Commit, touched: Collection[int]) -> list[TopicPartition]:
        """The positions that a transaction sends: at least one for each partition that it touches.

        The note of a partition travels with the position in the first topic, so this one is always sent.
        """
        places = set(commit.positions) | {(self._topics[0], number) for number in touched}
        return [
            TopicPartition(
                f"{self._cluster.prefix}{topic}",
                number,
                commit.positions.get((topic, number), self.partitions[number].positions.get(topic, 0)),
                metadata=commit.notes.get(number, self.partitions[number].note) if topic == self._topics[0] else "",
            )
            for topic, number in sorted(places)
        ]

    def committed(self, commit: Commit, ends: Mapping[int, int]) -> None:
        """Takes note of a commit that has become true.

        Args:
            commit: The commit.
            ends: By partition, the offset behind its last change in the state topic.
        """
        for (topic, number), offset in commit.positions.items():
            self.partitions[number].positions[topic] = offset
        for number, note in commit.notes.items():
            self.partitions[number].note = note
        for number, end in ends.items():
            changes = [change for change in commit.changes if change.partition == number]
            self._stores[number].reflect(changes, end, self._cluster.clients.now_ms())

    def clear(self) -> None:
        """Lets go of everything."""
        for store in self._stores.values():
            store.close()
        self._stores = {}
        self.partitions = {}

    def _usable(self, topic: str, number: int, offset: int, low: int, end: int) -> int:
        """Where to read from for a position; when retention has passed it, from what is left, with an alarm.

        Raises:
            LogMismatch: It lies beyond the end of the topic.
        """
        if offset > end:
            raise LogMismatch(
                f"position {offset} of {topic}/{number} lies beyond the end ({end}) of the log: the topic was deleted "
                "and made again, or the position is of another cluster. Check RINGTRUE_KAFKA__BOOTSTRAP_SERVERS and "
                "RINGTRUE_KAFKA__TOPIC_PREFIX"
            )
        if offset < low:
            _log.error(
                "records expired unread",
                group=self._subscription.group,
                topic=topic,
                partition=number,
                position=offset,
                first=low,
            )
        return max(offset, low)


def _committed(consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
    found = consumer.committed(places, _CALL_S)
    for part in found:
        if part.error is not None:
            raise KafkaException(part.error)
    return found
