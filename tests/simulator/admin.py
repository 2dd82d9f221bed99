"""An admin client, with the calls of `confluent_kafka.admin.AdminClient` 2.16 that are used here."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from confluent_kafka import (
    OFFSET_INVALID,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import ConfigEntry, ConfigResource, ListOffsetsResultInfo, NewTopic, OffsetSpec

from tests.simulator.calls import Client, call
from tests.simulator.consumer import told_position

if TYPE_CHECKING:
    from tests.simulator.world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Described:
    """A topic as `describe_topics` tells it."""

    name: str
    topic_id: str


@dataclass(frozen=True, slots=True)
class Unstable:
    """A position on which a transaction is pending; a `TopicPartition` cannot be given its error from Python."""

    topic: str
    partition: int
    offset: int = OFFSET_INVALID
    metadata: str | None = None
    error: KafkaError = field(default_factory=lambda: KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT))


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

    @call
    def list_consumer_group_offsets(
        self,
        list_consumer_group_offsets_request: Sequence[ConsumerGroupTopicPartitions],
        require_stable: bool = False,
        request_timeout: float = -1,
    ) -> dict[str, "Future[ConsumerGroupTopicPartitions]"]:
        """Committed positions of a group, as they are now unless told to wait for pending ones."""
        answers = dict[str, Future[ConsumerGroupTopicPartitions]]()
        with self._schedule.held():
            for request in list_consumer_group_offsets_request:
                group = self._world.group(request.group_id)
                wanted = request.topic_partitions
                places = list(group.positions) if wanted is None else [(one.topic, one.partition) for one in wanted]
                parts = [
                    Unstable(*place)
                    if require_stable and not group.positions.is_stable([place])
                    else told_position(place, group.positions.get(place))
                    for place in places
                ]
                told = ConsumerGroupTopicPartitions(request.group_id, cast(list[TopicPartition], parts))
                answers[request.group_id] = _answered(told)
        return answers


def _answered(value: T) -> "Future[T]":
    future = Future[T]()
    future.set_result(value)
    return future


def _refused(code: int) -> "Future[Any]":
    future = Future[Any]()
    future.set_exception(KafkaException(KafkaError(code)))
    return future
