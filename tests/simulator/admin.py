"""An admin client, with the calls of `confluent_kafka.admin.AdminClient` 2.16 that are used here."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import ConfigEntry, ConfigResource, ListOffsetsResultInfo, NewTopic, OffsetSpec

from tests.simulator.calls import Client, call

if TYPE_CHECKING:
    from tests.simulator.world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Described:
    """A topic as `describe_topics` tells it."""

    name: str
    topic_id: str


class SimAdmin(Client):
    """An admin client.

    Args:
        world: The cluster.
        config: As for the real one.
    """

    def __init__(self, world: "World", config: dict[str, Any]) -> None:
        super().__init__(world, "AdminClient closed")

    @call
    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Metadata."""
        return self._world.metadata(topic)

    @call
    def poll(self, timeout: float = -1) -> int:
        """Serves callbacks, of which it has none."""
        return 0

    @call
    def create_topics(
        self, new_topics: Sequence[NewTopic], operation_timeout: float = -1, request_timeout: float = -1
    ) -> dict[str, "Future[None]"]:
        """Creates topics."""
        answers = dict[str, Future[None]]()
        with self._schedule.held():
            for topic in new_topics:
                if topic.topic in self._world.topics:
                    answers[topic.topic] = _refused(KafkaError.TOPIC_ALREADY_EXISTS)
                else:
                    self._world.create(topic.topic, topic.num_partitions, topic.config)
                    answers[topic.topic] = _answered(None)
        return answers

    @call
    def describe_topics(self, topics: TopicCollection, request_timeout: float = -1) -> dict[str, "Future[Described]"]:
        """Ids of topics."""
        answers = dict[str, Future[Described]]()
        for name in topics.topic_names:
            found = self._world.topics.get(name)
            answers[name] = (
                _answered(Described(name, found.id)) if found else _refused(KafkaError.UNKNOWN_TOPIC_OR_PART)
            )
        return answers

    @call
    def describe_configs(
        self, resources: Sequence[ConfigResource], request_timeout: float = -1
    ) -> dict[ConfigResource, "Future[dict[str, ConfigEntry]]"]:
        """The configuration that topics were created with."""
        answers = dict[ConfigResource, Future[dict[str, ConfigEntry]]]()
        for resource in resources:
            found = self._world.topics.get(resource.name)
            answers[resource] = (
                _answered({name: ConfigEntry(name, value) for name, value in found.config.items()})
                if found
                else _refused(KafkaError.UNKNOWN_TOPIC_OR_PART)
            )
        return answers

    @call
    def list_offsets(
        self,
        topic_partition_offsets: Mapping[TopicPartition, OffsetSpec],
        isolation_level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
        request_timeout: float = -1,
    ) -> dict[TopicPartition, "Future[ListOffsetsResultInfo]"]:
        """First and last offsets; the high watermark unless told to look as a `read_committed` reader."""
        stable = isolation_level is IsolationLevel.READ_COMMITTED
        answers = dict[TopicPartition, Future[ListOffsetsResultInfo]]()
        with self._schedule.held():
            for part, spec in topic_partition_offsets.items():
                found = self._world.find((part.topic, part.partition))
                if found is None:
                    answers[part] = _refused(KafkaError.UNKNOWN_TOPIC_OR_PART)
                elif spec is OffsetSpec.earliest():
                    answers[part] = _answered(ListOffsetsResultInfo(found.start, -1, 0))
                else:
                    end = found.stable if stable else found.end
                    answers[part] = _answered(ListOffsetsResultInfo(end, -1, 0))
        return answers


def _answered(value: T) -> "Future[T]":
    future = Future[T]()
    future.set_result(value)
    return future


def _refused(code: int) -> "Future[Any]":
    future = Future[Any]()
    future.set_exception(KafkaException(KafkaError(code)))
    return future
