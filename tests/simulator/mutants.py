"""Adapters broken on purpose: what a client wrapper can undo of what the adapter takes care of.

Each one undoes one precaution of design.md (the Kafka adapter). If the simulation does not notice, it is not worth
its time.
"""

from dataclasses import dataclass, replace
from typing import cast

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from ringtrue.streaming.kafka.clients import Clients, Config
from tests.simulator.calls import call
from tests.simulator.consumer import GroupMetadata, SimConsumer, told_position
from tests.simulator.faults import Fault
from tests.simulator.outbox import Delivery
from tests.simulator.partition import Refused
from tests.simulator.producer import SimProducer, State
from tests.simulator.simulation import Course
from tests.simulator.world import World

#: How the adapter begins the key of a barrier; keys of the state begin otherwise.
_BARRIER = b"!"


class Unguarded(SimConsumer):
    """Says that it has a member id when it has none."""

    def memberid(self) -> str | None:
        """See `SimConsumer`."""
        return super().memberid() or "nobody"


class Impatient(SimConsumer):
    """Takes committed positions as they are, and does not wait for those that are pending in a transaction."""

    @call
    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """See `SimConsumer`."""
        places = [(part.topic, part.partition) for part in partitions]
        return [told_position(place, self._group.positions.get(place)) for place in places]


class Outside(SimProducer):
    """Commits positions at once, outside of the transaction."""

    @call
    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: GroupMetadata, timeout: float = -1
    ) -> None:
        """See `SimProducer`."""
        group, one = self._world.group(group_metadata.group), group_metadata
        self._ask(
            lambda: group.commit(self._world.positions(positions), one.member, one.instance, one.generation),
            self._deadline(timeout),
        )


class Silent(SimProducer):
    """Sends no positions where there seem to be no new ones: a timer's transaction asks nobody."""

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: GroupMetadata, timeout: float = -1
    ) -> None:
        """See `SimProducer`."""
        known = self._world.group(group_metadata.group).positions
        sent = self._world.positions(positions)
        if any(known.get(place) != position for place, position in sent.items()):
            super().send_offsets_to_transaction(positions, group_metadata, timeout)
        else:
            super().send_offsets_to_transaction([], group_metadata, timeout)


class Reused(SimProducer):
    """Goes on with the epoch it had, where its process asks for a new producer."""

    @call
    def init_transactions(self, timeout: float = -1) -> None:
        """See `SimProducer`."""
        name = f"{self._process.name}/{self._id}"
        kept: dict[str, tuple[int, int]] = self._world.__dict__.setdefault("kept", {})
        transactions = self._world.transactions
        if name not in kept:
            self._ask(
                lambda: kept.update({name: transactions.init(self._id, self._timeout_s)}), self._deadline(timeout)
            )
        self._number, self._epoch = kept[name]
        try:
            transactions.end(self._id, self._epoch, committed=False)
        except Refused as refused:
            if refused.code == KafkaError.PRODUCER_FENCED:
                self._refused(refused.code)
        self._state = State.READY


class Hasty(SimProducer):
    """Writes no barrier: takes the last record that can be seen for it, as who trusts a watermark does."""

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        callback: Delivery | None = None,
        on_delivery: Delivery | None = None,
        timestamp: int = 0,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """See `SimProducer`."""
        told = on_delivery or callback
        seen = self._world.committed(topic, partition) if (key or b"").startswith(_BARRIER) else []
        if seen and told is not None:
            told(None, Message(topic=topic, partition=partition, offset=seen[-1].offset))
        else:
            super().produce(topic, value, key, partition, callback, on_delivery, timestamp, headers)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A precaution undone.

    Attributes:
        consumers: How consumers are then.
        producers: How producers are then.
        kinds: The faults against which the precaution is taken.
        rate: How often they happen.
    """

    consumers: type[SimConsumer] = SimConsumer
    producers: type[SimProducer] = SimProducer
    kinds: tuple[Fault, ...] = tuple(Fault)
    rate: float = 0.05

    def course(self) -> Course:
        """Runs in which it should show."""
        return Course(rate=self.rate, kinds=self.kinds)

    def clients(self, clients: Clients, world: World) -> Clients:
        """The clients with the precaution undone."""

        def consumer(config: Config) -> Consumer:
            return cast(Consumer, self.consumers(world, config))

        def producer(config: Config) -> Producer:
            return cast(Producer, self.producers(world, config))

        return replace(clients, consumer=consumer, producer=producer)


MUTANTS = {
    "a member without an id commits": Mutant(consumers=Unguarded),
    "positions that are pending are not waited for": Mutant(consumers=Impatient),
    "positions are committed outside of the transaction": Mutant(producers=Outside),
    "a transaction without new positions sends none": Mutant(producers=Silent, kinds=(Fault.FREEZE,)),
    "a producer is used again after a commit of unknown outcome": Mutant(
        producers=Reused, kinds=(Fault.TWICE, Fault.KILL_AFTER, Fault.GIVEN_UP), rate=0.1
    ),
    "state is restored up to what can be seen, without a barrier": Mutant(producers=Hasty),
}
