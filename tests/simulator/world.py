"""A Kafka cluster of one broker, as a client sees it: topics, groups, transactions, and what can go wrong."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka.admin import BrokerMetadata, ClusterMetadata, PartitionMetadata, TopicMetadata

from tests.simulator.faults import Fault, NoFaults, Plan
from tests.simulator.groups import Group
from tests.simulator.partition import Entry, Partition
from tests.simulator.positions import Place, Position
from tests.simulator.schedule import Process, Schedule
from tests.simulator.transactions import TransactionCoordinator

_MAX_MESSAGE_BYTES = 1_048_588


@dataclass(eq=False)
class SimTopic:
    """A topic."""

    name: str
    id: str
    partitions: list[Partition]
    config: dict[str, str] = field(default_factory=dict)


class World:
    """The cluster.

    Args:
        schedule: Turns and time.
        plan: What goes wrong, and when.
        marker_delay_s: The longest time from the decision on a transaction to each of its markers.

    Attributes:
        topics: By name.
        transactions: The transaction coordinator.
        plan: May be exchanged while it runs.
        trace: Told of what happens.
    """

    def __init__(self, schedule: Schedule, plan: Plan | None = None, marker_delay_s: float = 0.0) -> None:
        self.schedule = schedule
        self.plan: Plan = plan or NoFaults()
        self.cluster_id = str(uuid.UUID(int=schedule.rng.getrandbits(128)))
        self.topics = dict[str, SimTopic]()
        self.transactions = TransactionCoordinator(schedule, marker_delay_s)
        self.longest_session_s = 45.0
        self.trace: Callable[[str], None] | None = None
        self._groups = dict[str, Group]()

    # --- topics

    def create(self, name: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
        """Creates a topic."""
        identity = str(uuid.UUID(int=self.schedule.rng.getrandbits(128)))
        places = [Partition(name, number) for number in range(partitions)]
        self.topics[name] = SimTopic(name, identity, places, dict(config or {}))

    def find(self, place: Place) -> Partition | None:
        """The partition of a place."""
        topic = self.topics.get(place[0])
        if topic is None or not 0 <= place[1] < len(topic.partitions):
            return None
        return topic.partitions[place[1]]

    def partition(self, topic: str, number: int) -> Partition:
        """A partition that exists."""
        return self.topics[topic].partitions[number]

    def partition_counts(self) -> Mapping[str, int]:
        """By topic, how many partitions it has."""
        return {topic.name: len(topic.partitions) for topic in self.topics.values()}

    def max_message_bytes(self, topic: str) -> int:
        """The largest record that a topic takes."""
        return int(self.topics[topic].config.get("max.message.bytes", _MAX_MESSAGE_BYTES))

    def committed(self, topic: str, number: int) -> list[Entry]:
        """What a `read_committed` onlooker sees now."""
        found, _ = self.partition(topic, number).read(0, 10**9)
        return found

    def metadata(self, topic: str | None = None) -> ClusterMetadata:
        """What `list_topics` answers."""
        answer = ClusterMetadata()
        answer.cluster_id = self.cluster_id  # type: ignore[assignment] # the library declares no type for it
        answer.brokers[1] = BrokerMetadata()
        for name in self.topics if topic is None else [topic]:
            answer.topics[name] = one = TopicMetadata()
            one.topic = name
            if name not in self.topics:
                one.error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
                continue
            for partition in self.topics[name].partitions:
                one.partitions[partition.number] = PartitionMetadata()
                one.partitions[partition.number].id = partition.number
        return answer

    # --- groups

    def group(self, name: str) -> Group:
        """A group; it comes to be with the first question about it."""
        if name not in self._groups:
            self._groups[name] = Group(name, self.schedule)
        return self._groups[name]

    def positions(self, parts: Sequence[TopicPartition]) -> dict[Place, Position]:
        """Positions to be committed."""
        return {(part.topic, part.partition): Position(part.offset, part.metadata) for part in parts}

    # --- what goes wrong

    def fault(self, process: Process, name: str) -> Fault | None:
        """The fault of this call, if any."""
        fault = None if process.name == "main" else self.plan.at(process.name, name)
        if fault is not None:
            self.say(f"{process.name} {name}: {fault.value}")
        return fault

    def say(self, what: str) -> None:
        """Tells what happens, to whoever wants to know."""
        if self.trace is not None:
            self.trace(what)

    def kill(self, process: Process) -> None:
        """The process is gone without a word."""
        process.dead = True

    def freeze_s(self) -> float:
        """How long a process that freezes stands still: mostly beyond its session."""
        return self.schedule.rng.uniform(0.2, 2.0) * self.longest_session_s
