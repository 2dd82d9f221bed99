"""What every client of one deployment shares: the cluster, its settings, and which topics there are."""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, OffsetSpec

from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.kafka.clients import Clients
from ringtrue.streaming.kafka.config import connection
from ringtrue.streaming.kafka.errors import MOVED, UNKNOWN_TOPIC, error_of, may_ask_again, sorted_error
from ringtrue.streaming.kafka.transactions import ToWrite
from ringtrue.streaming.port import LogMismatch, Outgoing

T = TypeVar("T")
#: A topic without the prefix, and a partition.
Place = tuple[str, int]

_CALL_S = 5.0
_BETWEEN_TRIES_S = 0.1


class Cluster:
    """A Kafka cluster as one deployment sees it.

    Args:
        settings: Of the cluster.
        log: Partitions and record size.
        folder: Where caches of state lie.
        clients: The client library.
    """

    def __init__(self, settings: KafkaSettings, log: LogSettings, folder: Path, clients: Clients) -> None:
        self.settings = settings
        self.prefix = settings.topic_prefix
        self.partitions = log.partitions
        self.max_record_bytes = log.max_record_bytes
        self.folder = folder
        self.clients = clients
        self._refused: KafkaError | None = None  # what the library said in passing of our password or certificate
        # It lives as long as the process, so it must begin again when it knows no broker (see `Session._reported`).
        recovery = {"metadata.recovery.strategy": "rebootstrap"}
        self.admin: AdminClient = clients.admin(connection(settings) | recovery | {"error_cb": self._told})
        self._known = set[str]()
        self._id = ""
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """Tells this log from another one."""
        if not self._id:
            self._id = self._metadata("").cluster_id or "unknown"
        return f"{self._id}/{self.prefix}" if self.prefix else self._id

    def check(self, topics: Iterable[str]) -> None:
        """Makes sure that these topics exist, with the right number of partitions.

        Raises:
            LogMismatch: One does not.
            LogAway: Nobody can say.
        """
        with self._lock:
            for topic in topics:
                if topic not in self._known:
                    self._check(topic)
                    self._known.add(topic)

    def message(self, outgoing: Outgoing) -> ToWrite:
        """A record to be written, for the client library.

        Raises:
            LogMismatch: There is no such topic or partition.
        """
        if outgoing.topic not in self._known:
            self.check((outgoing.topic,))
        if outgoing.partition is not None and not 0 <= outgoing.partition < self.partitions:
            raise LogMismatch(f"the log has no partition {outgoing.partition} of a topic {outgoing.topic!r}")
        return ToWrite(
            f"{self.prefix}{outgoing.topic}",
            outgoing.partition,
            outgoing.key,
            outgoing.value,
            list(outgoing.headers.items()),
            outgoing.timestamp_ms,
        )

    def identity(self, topic: str) -> str:
        """Tells a topic (its full name) from one of the same name that was made at another time."""
        try:
            description = self.again(
                lambda: self.admin.describe_topics(TopicCollection([topic]), request_timeout=_CALL_S)[topic].result()
            )
        except KafkaException as exception:
            raise sorted_error(error_of(exception), f"describing the topic {topic}", self.settings) from exception
        return str(description.topic_id)

    def offsets(self, places: Sequence[Place], which: Literal["start", "end", "committed end"]) -> dict[Place, int]:
        """Offsets of partitions, asked on a connection of their own: on a consumer's they would wait behind a fetch.

        Args:
            places: Topics without prefix, and partitions.
            which: `start` is the first offset that is still there, `end` that behind the last record, `committed end`
                the last stable one: what lies before it is decided.
        """
        if not places:
            return {}
        names = {f"{self.prefix}{topic}": topic for topic, _ in places}
        spec = OffsetSpec.earliest() if which == "start" else OffsetSpec.latest()
        committed = which == "committed end"

        def ask() -> dict[Place, int]:
            asked = self.admin.list_offsets(
                {TopicPartition(f"{self.prefix}{topic}", number): spec for topic, number in places},
                isolation_level=IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED,
                request_timeout=_CALL_S,
            )
            return {(names[part.topic], part.partition): future.result().offset for part, future in asked.items()}

        try:
            return self.again(ask)
        except KafkaException as exception:
            raise sorted_error(
                error_of(exception), f"asking for offsets of {sorted(names)}", self.settings
            ) from exception

    def again(self, call: Callable[[], T]) -> T:
        """Asks the cluster, again and again while the error is retriable, until the deadline.

        Raises:
            KafkaException: The last error.
            Misconfigured: The brokers refuse us, or we them.
        """
        deadline = self.clients.monotonic() + self.settings.deadline_s
        self.admin.poll(0)
        self._refused = None  # of earlier, when brokers were perhaps just starting
        while True:
            try:
                return call()
            except KafkaException as exception:
                self.admin.poll(0)
                if self._refused is not None:
                    raise sorted_error(self._refused, "connecting", self.settings) from exception
                if not may_ask_again(error_of(exception)) or self.clients.monotonic() >= deadline:
                    raise
                self.clients.sleep(_BETWEEN_TRIES_S)
                if error_of(exception).code() in MOVED:
                    with suppress(KafkaException):
                        self.admin.list_topics(timeout=_CALL_S)

    def _told(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._refused = error

    def _check(self, topic: str) -> None:
        name = f"{self.prefix}{topic}"
        found = self._metadata(name).topics.get(name)
        if found is None or (found.error is not None and found.error.code() in UNKNOWN_TOPIC):
            raise LogMismatch(f"Kafka has no topic {name!r}: create the topics first, with `ringtrue topics create`")
        if found.error is not None:
            raise sorted_error(found.error, f"looking for the topic {name}", self.settings)
        if len(found.partitions) != self.partitions:
            raise other_partitions(name, len(found.partitions), self.partitions)

    def _metadata(self, topic: str) -> ClusterMetadata:
        try:
            return self.again(
                lambda: (
                    self.admin.list_topics(topic, timeout=_CALL_S) if topic else self.admin.list_topics(timeout=_CALL_S)
                )
            )
        except KafkaException as exception:
            raise sorted_error(error_of(exception), "asking for metadata", self.settings) from exception


def other_partitions(topic: str, found: int, wanted: int) -> LogMismatch:
    """The error for a topic with another number of partitions."""
    return LogMismatch(
        f"the topic {topic} was made with partitions={found}, the settings say {wanted}: "
        f"set RINGTRUE_LOG__PARTITIONS={found}, or another RINGTRUE_KAFKA__TOPIC_PREFIX for topics of their own"
    )
