"""The transaction coordinator, as brokers keep it for clients that do not speak KIP-890.

An EndTxn is answered as soon as the decision is written; the markers follow one by one, each at its own time. The
epoch stays the same from one transaction to the next, so an EndTxn or TxnOffsetCommit that was delayed on its way may
hit a later transaction of the same producer. Only `init_transactions` raises the epoch, and time-outs do.

Source: Kafka, `TransactionCoordinator` and `TransactionStateManager`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from confluent_kafka import KafkaError

from tests.simulator.groups import Group
from tests.simulator.partition import Partition, Refused
from tests.simulator.schedule import Schedule


class State(Enum):
    """Of a transactional id."""

    EMPTY = "empty"
    ONGOING = "ongoing"
    PREPARED = "prepared"  # decided, markers under way
    COMPLETE = "complete"


@dataclass(eq=False)
class Transaction:
    """What the coordinator knows of a transactional id.

    Attributes:
        committed: What was decided, once it is prepared or complete.
        turn: Tells one transaction of the id from the next.
    """

    id: str
    producer: int
    epoch: int
    timeout_s: float
    state: State = State.EMPTY
    committed: bool = False
    partitions: set[Partition] = field(default_factory=set)
    groups: set[Group] = field(default_factory=set)
    turn: int = 0


class TransactionCoordinator:
    """All transactional ids.

    Args:
        schedule: Turns and time.
        marker_delay_s: The longest time until a marker is written.
        moment: Told of each moment at which something might go wrong, for tests that look then.
    """

    def __init__(self, schedule: Schedule, marker_delay_s: float) -> None:
        self._schedule = schedule
        self._marker_delay_s = marker_delay_s
        self._transactions = dict[str, Transaction]()

    def init(self, transactional_id: str, timeout_s: float) -> tuple[int, int]:
        """Takes over an id: producer id and epoch.

        Raises:
            Refused: CONCURRENT_TRANSACTIONS while the predecessor's transaction is being ended; ask again.
        """
        transaction = self._transactions.get(transactional_id)
        if transaction is None:
            transaction = Transaction(transactional_id, len(self._transactions) + 1000, -1, timeout_s)
            self._transactions[transactional_id] = transaction
        if transaction.state is State.ONGOING:
            self._fence(transaction)
        if transaction.state is State.PREPARED:
            raise Refused(KafkaError.CONCURRENT_TRANSACTIONS)
        transaction.epoch += 1
        transaction.timeout_s = timeout_s
        transaction.state = State.EMPTY
        return transaction.producer, transaction.epoch

    def add(self, transactional_id: str, epoch: int, place: Partition | Group) -> None:
        """AddPartitionsToTxn, AddOffsetsToTxn: the first one begins the transaction.

        Raises:
            Refused: The producer is fenced, or the last transaction is still being ended.
        """
        transaction = self._checked(transactional_id, epoch)
        if transaction.state is State.PREPARED:
            raise Refused(KafkaError.CONCURRENT_TRANSACTIONS)
        if transaction.state is not State.ONGOING:
            transaction.state = State.ONGOING
            transaction.turn += 1
            turn = transaction.turn
            self._schedule.at(transaction.timeout_s, lambda: self._time_out(transaction, turn))
        if isinstance(place, Group):
            transaction.groups.add(place)
        else:
            transaction.partitions.add(place)

    def takes(self, transactional_id: str, epoch: int, place: Partition | Group) -> bool:
        """Whether the transaction is open and includes the place: what a partition's leader verifies."""
        transaction = self._transactions[transactional_id]
        return (
            transaction.epoch == epoch
            and transaction.state is State.ONGOING
            and (place in transaction.groups or place in transaction.partitions)
        )

    def end(self, transactional_id: str, epoch: int, *, committed: bool) -> None:
        """EndTxn.

        Raises:
            Refused: The producer is fenced, or there is nothing that could be ended so.
        """
        transaction = self._checked(transactional_id, epoch)
        if transaction.state is State.ONGOING:
            self._prepare(transaction, committed=committed)
        elif transaction.state is State.EMPTY or transaction.committed is not committed:
            raise Refused(KafkaError.INVALID_TXN_STATE)
        elif transaction.state is State.PREPARED:
            raise Refused(KafkaError.CONCURRENT_TRANSACTIONS)
        # Complete and decided so: a repeated request is granted.

    def is_open(self) -> bool:
        """Whether any transaction is not ended yet."""
        return any(one.state in (State.ONGOING, State.PREPARED) for one in self._transactions.values())

    def _checked(self, transactional_id: str, epoch: int) -> Transaction:
        transaction = self._transactions[transactional_id]
        if epoch != transaction.epoch:
            raise Refused(KafkaError.PRODUCER_FENCED)
        return transaction

    def _time_out(self, transaction: Transaction, turn: int) -> None:
        if transaction.state is State.ONGOING and transaction.turn == turn:
            self._fence(transaction)

    def _fence(self, transaction: Transaction) -> None:
        transaction.epoch += 1
        self._prepare(transaction, committed=False)

    def _prepare(self, transaction: Transaction, *, committed: bool) -> None:
        transaction.state = State.PREPARED
        transaction.committed = committed
        left = list[Callable[[], None]]()
        producer, epoch = transaction.producer, transaction.epoch
        # In an order that does not depend on where objects lie in memory.
        for partition in sorted(transaction.partitions, key=lambda one: (one.topic, one.number)):
            left.append(partial(partition.mark, producer, epoch, committed))
        for group in sorted(transaction.groups, key=lambda one: one.name):
            left.append(partial(group.positions.mark, producer, committed=committed))
        transaction.partitions.clear()
        transaction.groups.clear()
        outstanding = len(left)

        def marked(write: Callable[[], None]) -> None:
            nonlocal outstanding
            write()
            outstanding -= 1
            if not outstanding:
                transaction.state = State.COMPLETE

        for write in left:
            delay_s = self._schedule.rng.uniform(0, self._marker_delay_s)
            self._schedule.at(delay_s, partial(marked, write))
        if not left:
            transaction.state = State.COMPLETE
