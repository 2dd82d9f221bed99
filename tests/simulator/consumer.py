"""A consumer, with the calls, signatures and errors of `confluent_kafka.Consumer` 2.16."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_INVALID, KafkaError, Message, TopicPartition

from tests.simulator.calls import Client, call, raised
from tests.simulator.fetching import Fetching
from tests.simulator.membership import Assigned, Failed, Membership, Revoked
from tests.simulator.positions import Place, Position

if TYPE_CHECKING:
    from tests.simulator.world import World

Callback = Callable[["SimConsumer", list[TopicPartition]], None]
#: A waiting poll looks this often.
_LOOK_S = 0.02
#: A retriable answer is asked for again after so long.
_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """Whose positions a transaction sends."""

    group: str
    member: str
    generation: int
    instance: str | None


class SimConsumer(Client):
    """A consumer.

    Args:
        world: The cluster.
        config: As for the real one.
    """

    def __init__(self, world: "World", config: dict[str, Any]) -> None:
        super().__init__(world, "Consumer closed")
        self._group = world.group(config["group.id"])
        self._fetching = Fetching(config, self._group, world.find, self._schedule.rng)
        self._membership = Membership(self._schedule, self._process, self._group, world.partition_counts, config)
        self._on_assign: Callback | None = None
        self._on_revoke: Callback | None = None
        self._on_lost: Callback | None = None
        self._called_within = False  # assign or unassign, by a callback
        self._subscribed = False

    # --- the group

    @call
    def subscribe(
        self,
        topics: list[str],
        on_assign: Callback | None = None,
        on_revoke: Callback | None = None,
        on_lost: Callback | None = None,
    ) -> None:
        """Joins the group, in the background."""
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
        self._subscribed = True
        with self._schedule.held():
            self._membership.subscribe(tuple(topics))

    @call
    def unsubscribe(self) -> None:
        """Is assigned nothing any more; what the application has not been told yet is still told."""
        with self._schedule.held():
            self._membership.unsubscribe()

    @call
    def memberid(self) -> str | None:
        """The member id; None outside the group."""
        return self._membership.member_id or None

    @call
    def consumer_group_metadata(self) -> GroupMetadata:
        """The group metadata of this moment."""
        one = self._membership
        return GroupMetadata(self._group.name, one.member_id, one.generation, one.instance)

    @call
    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Committed positions. A read_committed consumer waits for those that are pending in a transaction."""
        places = _places(partitions)
        deadline = self._deadline(timeout)
        while True:
            with self._schedule.held():
                if not self._fetching.committed or self._group.positions.is_stable(places):
                    return [self._committed(place) for place in places]
            if self._schedule.now() >= deadline:
                raised(KafkaError._TIMED_OUT, "Failed to get committed offsets: Local: Timed out")
            self._schedule.sleep(min(_AGAIN_S, deadline - self._schedule.now()))

    def _committed(self, place: Place) -> TopicPartition:
        return told_position(place, self._group.positions.get(place))

    @call
    def commit(self, offsets: list[TopicPartition], asynchronous: bool = True) -> list[TopicPartition] | None:
        """Commits positions outside of any transaction."""
        one = self._membership
        with self._schedule.held(), self._answered():
            self._group.commit(self._world.positions(offsets), one.member_id, one.instance, one.generation)
        return None if asynchronous else offsets

    # --- the assignment

    @call
    def assign(self, partitions: list[TopicPartition]) -> None:
        """Reads these partitions from now on."""
        self._called_within = True
        with self._schedule.held():
            self._fetching.assign({(part.topic, part.partition): part.offset for part in partitions})

    @call
    def unassign(self) -> None:
        """Reads nothing from now on."""
        self._called_within = True
        self._fetching.assign({})

    @call
    def assignment(self) -> list[TopicPartition]:
        """What is assigned."""
        return [] if self._membership.fatal else [TopicPartition(*place) for place in self._fetching.cursors]

    @call
    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """The next offset to be handed out, by partition."""
        cursors = self._fetching.cursors
        return [
            TopicPartition(*place, cursors[place].position if place in cursors else OFFSET_INVALID)
            for place in _places(partitions)
        ]

    @call
    def pause(self, partitions: list[TopicPartition]) -> None:
        """Hands out nothing of these until they are resumed."""
        self._set_paused(partitions, paused=True)

    @call
    def resume(self, partitions: list[TopicPartition]) -> None:
        """Goes on with partitions that were paused."""
        self._set_paused(partitions, paused=False)

    @call
    def seek(self, partition: TopicPartition) -> None:
        """Goes on somewhere else."""
        cursor = self._fetching.cursors.get((partition.topic, partition.partition))
        if cursor is None:
            raised(KafkaError._UNKNOWN_PARTITION, f"Failed to seek to offset {partition.offset}: unknown partition")
        cursor.jump(partition.offset)

    @call
    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        """The first offset, and the end as this consumer may see it: the last stable offset under read_committed."""
        place = (partition.topic, partition.partition)
        with self._schedule.held():
            if cached:
                cursor = self._fetching.cursors.get(place)
                return (0, cursor.high) if cursor else (OFFSET_INVALID, OFFSET_INVALID)
            found = self._world.find(place)
            if found is None:
                raised(KafkaError._UNKNOWN_PARTITION, "Failed to get watermark offsets: Local: Unknown partition")
            return found.start, self._fetching.end(found)

    @call
    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Metadata."""
        return self._world.metadata(topic)

    # --- reading

    @call
    def poll(self, timeout: float = -1) -> Message | None:
        """The next message or error; callbacks run in here."""
        found = self._take(1, timeout)
        return found[0] if found else None

    @call
    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """So many messages, or those that came before the time was over; callbacks run in here."""
        return self._take(num_messages, timeout)

    def _take(self, limit: int, timeout: float) -> list[Message]:
        deadline = self._deadline(timeout)
        self._membership.polled()
        self._membership.polling = True
        found = list[Message]()
        try:
            while len(found) < limit:
                with self._schedule.held():
                    told = self._membership.told.popleft() if self._membership.told else None
                    message = self._message() if told is None else None
                if isinstance(told, Failed):
                    found.append(Message(topic=told.topic, error=told.error))
                elif told is not None:
                    self._serve(told)
                    # What was taken of partitions that went or came is purged.
                    found = [one for one in found if one.error() is not None and one.topic() is None]
                elif message is not None:
                    found.append(message)
                elif self._schedule.now() >= deadline:
                    break
                else:
                    self._schedule.sleep(min(_LOOK_S, deadline - self._schedule.now()))
        finally:
            self._membership.polling = False
            self._membership.polled()
        return found

    def _message(self) -> Message | None:
        if self._subscribed and self._membership.held_back:
            return None
        return self._fetching.next_message()

    def _serve(self, told: Assigned | Revoked) -> None:
        parts = [TopicPartition(*place) for place in told.parts]
        self._called_within = False
        if isinstance(told, Assigned):
            callback = self._on_assign
        else:
            callback = self._on_lost if told.lost and self._on_lost else self._on_revoke
        try:
            if callback is not None:
                callback(self, parts)
        finally:
            if not self._process.dead:
                self._settle(told)

    def _settle(self, told: Assigned | Revoked) -> None:
        """The binding assigns by itself what a callback left, even one that raised."""
        with self._schedule.held():
            if isinstance(told, Assigned):
                if not self._called_within:
                    self._fetching.assign(dict.fromkeys(told.parts, OFFSET_INVALID))
                self._membership.assigned()
            else:
                self._fetching.assign({})
                self._membership.revoked()

    @call
    def close(self) -> None:
        """Gives everything back and leaves; a static member stays in the group until its session ends."""
        if self._membership.tells_of_assignment:
            raise AssertionError("close never comes back where an assignment is still to be told (librdkafka #4884)")
        if self._subscribed and self._membership.has_assignment and self._membership.fatal is None:
            self._serve(Revoked(self._membership.share, lost=False))
        with self._schedule.held():
            self._membership.close()
        self._fetching.assign({})
        self._closed = True

    def _set_paused(self, partitions: Iterable[TopicPartition], *, paused: bool) -> None:
        for place in _places(partitions):
            cursor = self._fetching.cursors.get(place)
            if cursor is None:
                continue
            if paused and not cursor.paused and cursor.offset is not None:
                cursor.jump(cursor.next)  # what was fetched is fetched anew
            cursor.paused = paused


def told_position(place: Place, position: Position | None) -> TopicPartition:
    """A committed position as the library tells it."""
    if position is None:
        return TopicPartition(*place, OFFSET_INVALID)
    if position.note is not None:
        return TopicPartition(*place, position.offset, metadata=position.note)
    return TopicPartition(*place, position.offset)


def _places(partitions: Iterable[TopicPartition]) -> list[Place]:
    return [(part.topic, part.partition) for part in partitions]
