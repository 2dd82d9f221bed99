"""The records of a producer's transaction on their way to the brokers, and the reports on them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_INVALID, KafkaError, Message

from tests.simulator.partition import Data, Partition, Refused
from tests.simulator.positions import Place

if TYPE_CHECKING:
    from tests.simulator.world import World

Delivery = Callable[[KafkaError | None, Message], None]
#: What a record takes beside its key and value.
FRAME_BYTES = 70


@dataclass(eq=False, slots=True)
class _Queued:
    place: Place
    data: Data
    told: Delivery | None


class Outbox:
    """Records in the order in which they were produced.

    Args:
        world: The cluster.
        transactional_id: Whose records.

    Attributes:
        asked: Whether the coordinator knows of this transaction.
        failure: Why the first record that failed did; 0 when none has.
    """

    def __init__(self, world: "World", transactional_id: str) -> None:
        self.asked = False
        self.failure = 0
        self._world = world
        self._id = transactional_id
        self._number = self._epoch = -1
        self._added = set[Place]()
        self._queue = deque[_Queued]()
        self._reports = deque[tuple[Delivery, KafkaError | None, Message]]()

    def __len__(self) -> int:
        return len(self._queue)

    def begin(self, number: int, epoch: int) -> None:
        """Another transaction, of this producer id and epoch."""
        self._number, self._epoch = number, epoch
        self._added.clear()
        self.asked = False
        self.failure = 0

    def put(self, place: Place, data: Data, told: Delivery | None) -> None:
        """Takes a record."""
        self._queue.append(_Queued(place, data, told))

    def send(self) -> None:
        """Sends what there is, as far as the coordinator and the topics allow."""
        while self._queue:
            one = self._queue[0]
            if one.place[0] not in self._world.topics:
                return  # it waits for the topic to appear
            code, offset = 0, OFFSET_INVALID
            try:
                offset = self._append(self._world.find(one.place), one)
            except Refused as refused:
                code = refused.code
            if code == KafkaError.CONCURRENT_TRANSACTIONS:
                return
            self._queue.popleft()
            self.failure = self.failure or code
            self._tell(one, offset, code)

    def report(self) -> int:
        """Calls back; for how many records."""
        count = 0
        while self._reports:
            told, error, message = self._reports.popleft()
            told(error, message)
            count += 1
        return count

    def drop(self) -> None:
        """Forgets what has not been sent."""
        while self._queue:
            self._tell(self._queue.popleft(), OFFSET_INVALID, KafkaError._PURGE_QUEUE)

    def _append(self, partition: Partition | None, one: _Queued) -> int:
        if partition is None:
            raise Refused(KafkaError._UNKNOWN_PARTITION)
        coordinator = self._world.transactions
        if one.place not in self._added:
            coordinator.add(self._id, self._epoch, partition)
            self.asked = True
            self._added.add(one.place)
        size = len(one.data.value or b"") + len(one.data.key or b"") + FRAME_BYTES
        if size > self._world.max_message_bytes(partition.topic):
            raise Refused(KafkaError.MSG_SIZE_TOO_LARGE)
        partition.check(self._number, self._epoch)
        if not partition.is_open(self._number) and not coordinator.takes(self._id, self._epoch, partition):
            raise Refused(KafkaError.INVALID_TXN_STATE)  # the leader asks the coordinator (KIP-890, part 1)
        return partition.append(one.data, (self._number, self._epoch))

    def _tell(self, one: _Queued, offset: int, code: int) -> None:
        if one.told is not None:
            report = Message(topic=one.place[0], partition=one.place[1], offset=offset, key=one.data.key)
            self._reports.append((one.told, KafkaError(code) if code else None, report))
