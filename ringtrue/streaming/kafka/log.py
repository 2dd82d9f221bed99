"""The port on a Kafka cluster."""

import itertools
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.kafka.clients import LIBRDKAFKA, Clients
from ringtrue.streaming.kafka.cluster import Cluster
from ringtrue.streaming.kafka.config import transactional_producer
from ringtrue.streaming.kafka.member import KafkaMember
from ringtrue.streaming.kafka.overview import Overview
from ringtrue.streaming.kafka.records import record_of
from ringtrue.streaming.kafka.topics import Difference, Topics
from ringtrue.streaming.kafka.transactions import Transactions
from ringtrue.streaming.port import Member, Outgoing, Record, Subscription
from ringtrue.streaming.topics import Topic

_writers = itertools.count()


class KafkaLog:
    """The log on a cluster; see `ringtrue.streaming.port.Log`. Nothing is asked of the cluster before it is needed.

    Args:
        settings: Of the cluster.
        log: Partitions and record size.
        folder: Where caches of keyed state lie.
        clients: The client library.
    """

    def __init__(self, settings: KafkaSettings, log: LogSettings, folder: Path, clients: Clients = LIBRDKAFKA) -> None:
        self.partitions = log.partitions
        self.max_record_bytes = log.max_record_bytes
        self._cluster = Cluster(settings, log, folder, clients)
        self._overview = Overview(self._cluster)
        self._topics = Topics(self._cluster)
        self._lock = threading.Lock()
        self._writer: Transactions | None = None
        # Who appends has no slot: it reads nothing, so nobody need be fenced.
        self._writer_id = f"{self._cluster.prefix}append-{socket.gethostname()}-{os.getpid()}-{next(_writers)}"

    @property
    def id(self) -> str:
        """Tells this log from another one."""
        return self._cluster.id

    def create_topics(self, topics: Sequence[Topic]) -> list[str]:
        """Creates the topics that are missing; which. Those that are there stay as they are; see `differences`."""
        created = self._topics.create(topics)
        self._cluster.check(topic.name for topic in topics)
        return created

    def differences(self, topics: Sequence[Topic]) -> list[Difference]:
        """What about the topics is not as the table says."""
        return self._topics.check(topics)

    def join(self, subscription: Subscription) -> Member:
        """Joins a group, with the first receive. The calling thread owns the member."""
        return KafkaMember(self._cluster, subscription)

    def append(self, records: Sequence[Outgoing]) -> None:
        """Writes records outside any group, all or none."""
        if not records:
            return
        with self._lock:
            self._cluster.check({record.topic for record in records})
            if self._writer is None or self._writer.spent:
                config = transactional_producer(self._cluster.settings, self._writer_id, self._cluster.max_record_bytes)
                self._writer = Transactions(self._cluster.clients, config, self._cluster.settings)
            self._writer.run(self._cluster.message(record) for record in records)

    def browse(self, topic: str) -> Iterator[Record]:
        """Every record that the topic holds now, partition by partition."""
        for message in self._overview.browse(topic):
            yield record_of(message, self._cluster.prefix)

    def backlog(self, groups: Mapping[str, Sequence[str]]) -> Mapping[tuple[str, str], int]:
        """See the port: at most so many records; 0 when none is left."""
        return self._overview.backlog(groups)

    def ends(self, topics: Sequence[str]) -> Mapping[str, int]:
        """See the port. Control records count too."""
        found = dict.fromkeys(topics, 0)
        for (topic, _), end in self._overview.ends(topics).items():
            found[topic] += end
        return found

    def tidy(self) -> int:
        """Nothing: brokers do it themselves."""
        return 0

    def close(self) -> None:
        """Ends the connections."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self._overview.close()
