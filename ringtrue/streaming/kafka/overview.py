"""What an onlooker sees of a cluster: what topics hold, and what is still to be done.

Offsets are no counts: each transaction ends in a control record that takes an offset. So a backlog is an upper bound,
but it is 0 exactly when nothing is left: where the offsets leave it open, the records between them are looked for.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ringtrue.streaming.kafka.cluster import Cluster, Place
from ringtrue.streaming.kafka.config import onlooker
from ringtrue.streaming.kafka.errors import PASSING, error_of, sorted_error
from ringtrue.streaming.kafka.records import batch
from ringtrue.streaming.port import LogAway

_CALL_S = 10.0
_WAIT_S = 0.1
_CHUNK = 500


class Overview:
    """Looks at a cluster without belonging to a group.

    Args:
        cluster: The cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._peeking: Consumer | None = None
        self._asking = dict[str, Consumer]()  # by the group whose positions it is asked for
        self._empty = dict[Place, tuple[int, int]]()  # no record lies in [from, to)

    def close(self) -> None:
        """Ends the connections."""
        with self._lock:
            for consumer in (self._peeking, *self._asking.values()):
                if consumer is not None:
                    consumer.close()
            self._peeking = None
            self._asking.clear()

    def browse(self, topic: str) -> Iterator[Message]:
        """Every record that the topic holds, partition by partition; waits for what is not decided yet."""
        ends = self.ends((topic,))
        for number in range(self._cluster.partitions):
            consumer = self._consumer()
            try:
                for _, message, _ in self._read(consumer, {(topic, number): 0}, until=ends):
                    if message is not None:
                        yield message
            finally:
                consumer.close()

    def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """The offset behind the last record of each partition, decided or not."""
        # What is not decided yet counts: a commit returns before its markers have been written everywhere.
        return self._cluster.offsets(self._places(topics), "end")

    def backlog(self, groups: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], int]:
        """At most how many records each group has still to commit; 0 when none is left.

        Positions are fetched before ends. Both only grow, so what is found bounds the backlog of the moment between,
        and when all of it is 0, then at that moment everything was done.
        """
        topics = {topic for read in groups.values() for topic in read}
        firsts = self._cluster.offsets(self._places(topics), "start")
        positions = {group: self._positions(group, read) for group, read in groups.items()}
        ends = self.ends(topics)
        left = dict[tuple[str, str, int], tuple[int, int]]()
        for group, read in groups.items():
            for topic in read:
                for number in range(self._cluster.partitions):
                    place = (topic, number)
                    start = max(positions[group].get(place, 0), firsts[place])
                    if start < ends[place]:
                        left[group, topic, number] = (start, ends[place])
        self._look_between(left)
        found = {(group, topic): 0 for group, read in groups.items() for topic in read}
        for (group, topic, number), (start, end) in left.items():
            if not self._is_empty((topic, number), start, end):
                found[group, topic] += end - start
        return found

    def _places(self, topics: Iterable[str]) -> list[Place]:
        names = sorted(topics)
        self._cluster.check(names)
        return [(topic, number) for topic in names for number in range(self._cluster.partitions)]

    def _look_between(self, left: Mapping[tuple[str, str, int], tuple[int, int]]) -> None:
        """Looks for a first record from each position on, where nothing is known yet."""
        unknown = dict[Place, int]()
        for (_, topic, number), (start, end) in left.items():
            if not self._is_empty((topic, number), start, end):
                # The latest position: a group that is far behind is seldom at its end.
                unknown[topic, number] = max(start, unknown.get((topic, number), 0))
        if not unknown:
            return
        with self._lock:
            self._peeking = self._peeking or self._consumer()
            for place, message, end in self._read(self._peeking, unknown, only_first=True):
                if message is None:
                    self._empty[place] = (unknown[place], end)
            self._peeking.unassign()

    def _is_empty(self, place: Place, start: int, end: int) -> bool:
        begin, until = self._empty.get(place, (0, 0))
        return begin <= start and end <= until

    def _consumer(self, group: str = "onlooker") -> Consumer:
        return self._cluster.clients.consumer(onlooker(self._cluster.settings, f"{self._cluster.prefix}{group}"))

    def _read(
        self,
        consumer: Consumer,
        places: Mapping[Place, int],
        *,
        only_first: bool = False,
        until: Mapping[Place, int] | None = None,
    ) -> Iterator[tuple[Place, Message | None, int]]:
        """The records from these offsets on, or the first of each; at an end None and where that is.

        An end before `until` is that of what is decided so far: there is more to come.
        """
        prefix, settings = self._cluster.prefix, self._cluster.settings
        consumer.assign([TopicPartition(f"{prefix}{topic}", number, at) for (topic, number), at in places.items()])
        left = set(places)
        moved = self._cluster.clients.monotonic()
        while left:
            messages = batch(consumer, _CHUNK, _WAIT_S)
            now = self._cluster.clients.monotonic()
            if messages:
                moved = now
            elif now - moved > settings.deadline_s:
                raise LogAway(f"{settings.bootstrap_servers}: {sorted(left)} cannot be read")
            for message in messages:
                place = ((message.topic() or "").removeprefix(prefix), message.partition() or 0)
                error = message.error()
                if error is None:
                    if place in left:
                        yield place, message, message.offset() or 0
                    if only_first:
                        left.discard(place)
                elif error.code() == KafkaError._PARTITION_EOF:
                    if place in left and (until is None or (message.offset() or 0) >= until[place]):
                        left.discard(place)
                        yield place, None, message.offset() or 0
                elif not (error.retriable() or error.code() in PASSING):
                    raise sorted_error(error, f"reading {message.topic()}", settings)

    def _positions(self, group: str, topics: Sequence[str]) -> dict[Place, int]:
        """Where a group stands, once what is pending is decided.

        Asked by a consumer that names the group without joining it. The admin client's own call must not be used: when
        a broker answers that it is not, or not yet, the group's coordinator, librdkafka (2.16) kills the process, for a
        client without a group is told to look for it (confluent-kafka-javascript #374).
        """
        asked = [TopicPartition(f"{self._cluster.prefix}{topic}", number) for topic, number in self._places(topics)]
        with self._lock:
            if group not in self._asking:
                self._asking[group] = self._consumer(group)
            consumer = self._asking[group]

        def ask() -> list[TopicPartition]:
            found = consumer.committed(asked, _CALL_S)
            for part in found:
                if part.error is not None:
                    raise KafkaException(part.error)
            return found

        try:
            found = self._cluster.again(ask)
        except KafkaException as exception:
            doing = f"asking for the positions of {self._cluster.prefix}{group}"
            raise sorted_error(error_of(exception), doing, self._cluster.settings) from exception
        return {
            (part.topic.removeprefix(self._cluster.prefix), part.partition): part.offset
            for part in found
            if part.offset >= 0
        }
