"""Topics on a cluster: made from the one table, compared with it, never altered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigEntry, ConfigResource, NewTopic, ResourceType

from ringtrue.streaming.kafka.cluster import Cluster
from ringtrue.streaming.kafka.config import max_message_bytes
from ringtrue.streaming.kafka.errors import error_of, sorted_error
from ringtrue.streaming.port import LogAway
from ringtrue.streaming.topics import CACHE_AGE_MS, Topic

T = TypeVar("T")

_CALL_S = 30.0
_REPLICAS = 3
_BETWEEN_LOOKS_S = 0.1


@dataclass(frozen=True, slots=True)
class Difference:
    """Something about a topic that is not as the table says.

    Attributes:
        topic: The topic's full name.
        setting: What differs: `partitions`, or the name of a topic configuration.
        found: Its value on the cluster.
        wanted: The value by the table.
        remedy: What to do about it.
    """

    topic: str
    setting: str
    found: str
    wanted: str
    remedy: str


class Topics:
    """The deployment's topics on the cluster.

    Args:
        cluster: The cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def configuration(self, topic: Topic, replicas: int) -> dict[str, str]:
        """The configuration of a topic by the table."""
        if topic.cleanup == "compact":
            kept = {
                "cleanup.policy": "compact",
                # A superseded record stays for as long as someone may still be reading up to it.
                "min.compaction.lag.ms": str(topic.retention_ms),
                # A reader that is away for less sees each deletion.
                "delete.retention.ms": str(2 * CACHE_AGE_MS),
                "min.cleanable.dirty.ratio": "0.1",
            }
        else:
            kept = {"cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
        return kept | {
            "max.message.bytes": str(max_message_bytes(self._cluster.max_record_bytes)),
            # A machine whose clock is ahead must not be unable to write.
            "message.timestamp.after.max.ms": str(2**63 - 1),
            "min.insync.replicas": str(max(1, replicas - 1)),
        }

    def create(self, topics: Iterable[Topic]) -> list[str]:
        """Creates the topics that are missing; their names. Those that are there stay as they are."""
        replicas = self.replicas()
        present = self._partitions()
        missing = [topic for topic in topics if self._name(topic) not in present]
        if not missing:
            return []
        new = [
            NewTopic(self._name(topic), self._cluster.partitions, replicas, config=self.configuration(topic, replicas))
            for topic in missing
        ]
        asked = self._cluster.admin.create_topics(new, operation_timeout=_CALL_S)
        made = [name for name, future in asked.items() if self._made(name, future)]
        clients = self._cluster.clients
        deadline = clients.monotonic() + _CALL_S
        while not asked.keys() <= self._partitions().keys():  # brokers learn of it one after the other
            if clients.monotonic() >= deadline:
                raise LogAway(f"{self._cluster.settings.bootstrap_servers}: the topics were created but do not appear")
            clients.sleep(_BETWEEN_LOOKS_S)
        return made

    def check(self, topics: Iterable[Topic]) -> list[Difference]:
        """What differs from the table."""
        wanted = {self._name(topic): topic for topic in topics}
        replicas = self.replicas()
        present = self._partitions()
        differences = [
            Difference(name, "topic", "missing", "present", "ringtrue topics create")
            for name in wanted
            if name not in present
        ]
        there = [name for name in wanted if name in present]
        for name in there:
            partitions = self._cluster.partitions
            if present[name] != partitions:
                remedy = (
                    f"set RINGTRUE_LOG__PARTITIONS={present[name]}; a topic's keys would move if it grew, so more "
                    "partitions need topics of another RINGTRUE_KAFKA__TOPIC_PREFIX"
                )
                differences.append(Difference(name, "partitions", str(present[name]), str(partitions), remedy))
        for name, found in self._configurations(there).items():
            for setting, value in self.configuration(wanted[name], replicas).items():
                enough = setting == "max.message.bytes" and int(found.get(setting) or 0) >= int(value)
                if found.get(setting) != value and not enough:
                    remedy = (
                        f"kafka-configs.sh --alter --entity-type topics --entity-name {name} "
                        f"--add-config {setting}={value}"
                    )
                    differences.append(Difference(name, setting, found.get(setting, ""), value, remedy))
        return differences

    def replicas(self) -> int:
        """How many brokers shall hold each record: three, or as many as there are."""
        return min(_REPLICAS, max(1, len(self._ask(lambda: self._cluster.admin.list_topics(timeout=10.0)).brokers)))

    def _partitions(self) -> Mapping[str, int]:
        found = self._ask(lambda: self._cluster.admin.list_topics(timeout=10.0))
        return {name: len(topic.partitions) for name, topic in found.topics.items() if topic.error is None}

    def _configurations(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        asked = self._cluster.admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
        found = dict[str, dict[str, str]]()
        for resource, future in asked.items():
            entries: dict[str, ConfigEntry] = self._ask(future.result)
            found[resource.name] = {name: entry.value or "" for name, entry in entries.items()}
        return found

    def _made(self, name: str, future: "Future[None]") -> bool:
        try:
            future.result()
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:  # someone else was quicker
                return False
            raise sorted_error(error, f"creating {name}", self._cluster.settings) from exception
        return True

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return self._cluster.again(call)
        except KafkaException as exception:
            raise sorted_error(error_of(exception), "asking about topics", self._cluster.settings) from exception

    def _name(self, topic: Topic) -> str:
        return f"{self._cluster.prefix}{topic.name}"
