"""A transactional producer, with the calls, signatures and errors of `confluent_kafka.Producer` 2.16.

Source: librdkafka, `rdkafka_txnmgr.c`; what a fenced producer raises where was seen on Kafka 4.3.1.
"""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

from confluent_kafka import KafkaError, KafkaException, TopicPartition, murmur2

from tests.simulator.calls import Client, call, raised
from tests.simulator.consumer import GroupMetadata
from tests.simulator.ending import AGAIN_S, Ending, late_s
from tests.simulator.faults import Fault
from tests.simulator.outbox import FRAME_BYTES, Delivery, Outbox
from tests.simulator.partition import Data, Refused

if TYPE_CHECKING:
    from tests.simulator.world import World

_FENCING = frozenset({KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_ABORTABLE = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
    }
)
#: How often a record is sent at once, and not with the next flush.
_AT_ONCE = 0.3


class State(Enum):
    """Of the client."""

    NEW = "Init"
    READY = "Ready"
    BEGUN = "InTransaction"
    FAILED = "AbortableError"


class SimProducer(Client):
    """A transactional producer.

    Args:
        world: The cluster.
        config: As for the real one.
    """

    def __init__(self, world: "World", config: dict[str, Any]) -> None:
        super().__init__(world, "Producer has been closed")
        self._id: str = config["transactional.id"]
        self._timeout_s = int(config.get("transaction.timeout.ms", 60_000)) / 1000
        self._max_bytes = int(config.get("message.max.bytes", 1_000_000))
        self._state = State.NEW
        self._number = self._epoch = -1
        self._fatal: KafkaError | None = None
        self._problem: KafkaError | None = None  # why the transaction can only be aborted
        self._outbox = Outbox(world, self._id)
        self._ending: Ending | None = None

    # --- transactions

    @call
    def init_transactions(self, timeout: float = -1) -> None:
        """Takes over the transactional id; the predecessor's transaction is ended first."""
        self._check_fatal()

        def ask() -> None:
            self._number, self._epoch = self._world.transactions.init(self._id, self._timeout_s)

        self._ask(ask, self._deadline(timeout))
        if self._fault is Fault.ANSWER_LOST:
            self._time_out()
        self._state = State.READY

    @call
    def begin_transaction(self) -> None:
        """Begins a transaction; the broker learns of it with the first record."""
        self._check_fatal()
        if self._state is not State.READY:
            self._wrong_state()
        self._state = State.BEGUN
        self._problem = None
        self._outbox.begin(self._number, self._epoch)

    @call
    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: GroupMetadata, timeout: float = -1
    ) -> None:
        """Sends positions. Without any it succeeds and asks nobody."""
        self._check_open()
        if not positions:
            return
        if self._fault in (Fault.LATE, Fault.KILL_SENT, Fault.TWICE):
            self._send_late(positions, group_metadata, timeout)
        if self._fault is Fault.KILL_SENT:
            self._die()
        if self._fault in (Fault.LATE, Fault.REQUEST_LOST):
            self._time_out(timeout)
        self._ask(lambda: self._send_positions(positions, group_metadata), self._deadline(timeout))
        if self._fault in (Fault.ANSWER_LOST, Fault.TWICE):
            self._time_out(timeout)

    @call
    def commit_transaction(self, timeout: float = -1) -> None:
        """Ends the transaction with effect."""
        self._check_fatal()
        if self._ending is None:
            self._check_open()
            self._deliver(self._deadline(timeout))
            self._check_open()
        self._end(timeout, committed=True)

    @call
    def abort_transaction(self, timeout: float = -1) -> None:
        """Ends the transaction without effect."""
        self._check_fatal()
        if self._ending is None:
            if self._state not in (State.BEGUN, State.FAILED):
                self._wrong_state()
            self._outbox.drop()
        self._end(timeout, committed=False)

    def _end(self, timeout: float, *, committed: bool) -> None:
        deadline = self._deadline(timeout)
        if self._ending is None and self._outbox.asked:
            transactions = self._world.transactions
            self._ending = Ending(self._schedule, transactions, self._id, self._epoch, committed=committed)
            self._ending.send(self._fault, timeout)
        elif self._ending is not None and self._ending.committed is not committed:
            raised(KafkaError._CONFLICT, "Another transactional API call is in progress")
        elif self._ending is not None and self._ending.lost:
            self._ending.send(self._fault, timeout)
        if self._fault is Fault.KILL_SENT:
            self._die()
        while self._ending is not None and not self._ending.known:
            self._wait(deadline)
        ended, self._ending = self._ending, None
        if ended is not None and ended.refusal:
            self._refused(ended.refusal)
        self._state = State.READY

    def _send_positions(self, positions: list[TopicPartition], metadata: GroupMetadata) -> None:
        group = self._world.group(metadata.group)
        self._world.transactions.add(self._id, self._epoch, group)
        self._outbox.asked = True
        sent = self._world.positions(positions)
        group.commit_pending(self._number, sent, metadata.member, metadata.instance, metadata.generation)

    def _send_late(self, positions: list[TopicPartition], metadata: GroupMetadata, timeout: float) -> None:
        """A TxnOffsetCommit that is long under way: a transaction of this epoch that is open by then takes it."""
        group, epoch = self._world.group(metadata.group), self._epoch

        def arrive() -> None:
            if self._world.transactions.takes(self._id, epoch, group):
                sent = self._world.positions(positions)
                try:
                    group.commit_pending(self._number, sent, metadata.member, metadata.instance, metadata.generation)
                except Refused:
                    return  # nobody hears of it

        rng = self._schedule.rng
        self._schedule.at(rng.choice((0.0, timeout)) + late_s(rng), arrive)

    # --- records

    @call
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
        """Queues a record; it is sent in the background, or by `flush`."""
        if self._state not in (State.BEGUN, State.FAILED) or self._fatal is not None:
            raised(KafkaError._STATE, "Unable to produce message: Local: Erroneous state")
        size = len(value or b"") + len(key or b"") + sum(len(name) + len(one) for name, one in headers or ())
        if size + FRAME_BYTES > self._max_bytes:
            raised(KafkaError.MSG_SIZE_TOO_LARGE, "Unable to produce message: Broker: Message size too large")
        count = self._world.partition_counts().get(topic, 1)
        if partition < 0:
            partition = murmur2(key, count) if key is not None else self._schedule.rng.randrange(count)
        data = Data(key, value, tuple(headers or ()), timestamp or self._schedule.now_ms())
        self._outbox.put((topic, partition), data, on_delivery or callback)
        if self._schedule.rng.random() < _AT_ONCE:
            with self._schedule.held():
                self._send()

    @call
    def poll(self, timeout: float = -1) -> int:
        """Serves delivery reports."""
        self._deliver(self._schedule.now())
        served = self._outbox.report()
        self._check_fatal()
        return served

    @call
    def flush(self, timeout: float = -1) -> int:
        """Sends what is queued; how much is left after the time."""
        if self._fault is Fault.GIVEN_UP:
            self._schedule.sleep(min(timeout, 1.0))
            return len(self._outbox)
        was_well = self._fatal is None
        self._deliver(self._deadline(timeout))
        served = self._outbox.report()
        if was_well and self._fatal is not None:
            if served:  # the binding calls back with its exception already set
                raise SystemError("<function> returned a result with an exception set") from KafkaException(self._fatal)
            self._check_fatal()
        return len(self._outbox)

    @call
    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        """Drops what is queued."""
        self._outbox.drop()

    @call
    def close(self, timeout: float = -1) -> bool:
        """Aborts what is open, and closes."""
        open_still = self._state in (State.BEGUN, State.FAILED) and self._ending is None and self._outbox.asked
        if open_still and self._fatal is None:
            with self._schedule.held():
                ending = Ending(self._schedule, self._world.transactions, self._id, self._epoch, committed=False)
                ending.send(None, timeout)
        self._closed = True
        return True

    def _deliver(self, deadline: float) -> None:
        while True:
            with self._schedule.held():
                self._send()
            if not self._outbox or self._schedule.now() >= deadline or self._fatal is not None:
                return
            self._schedule.sleep(min(AGAIN_S, deadline - self._schedule.now()))

    def _send(self) -> None:
        self._outbox.send()
        code = self._outbox.failure
        if code in _FENCING and self._fatal is None:
            self._fatal = KafkaError(KafkaError._FENCED, "fenced by newer producer instance", fatal=True)
        elif code and self._problem is None:
            self._problem = KafkaError(KafkaError._INCONSISTENT, "1 message(s) failed delivery")
            self._state = State.FAILED

    # --- states and errors

    def _ask(self, question: Callable[[], None], deadline: float) -> None:
        """Asks a broker, again and again while the last transaction is being ended."""
        while True:
            with self._schedule.held():
                try:
                    question()
                    return
                except Refused as refused:
                    if refused.code != KafkaError.CONCURRENT_TRANSACTIONS:
                        self._refused(refused.code)
            self._wait(deadline)

    def _check_fatal(self) -> None:
        if self._fatal is not None:
            raised(self._fatal.code(), self._fatal.str(), fatal=True)

    def _check_open(self) -> None:
        self._check_fatal()
        if self._problem is not None and self._state is State.FAILED:
            raised(self._problem.code(), self._problem.str(), abort=True)
        if self._state is not State.BEGUN:
            self._wrong_state()

    def _wrong_state(self) -> NoReturn:
        raised(KafkaError._STATE, f"Operation not valid in state {self._state.value}")

    def _refused(self, code: int) -> NoReturn:
        if code in _ABORTABLE:
            self._problem = KafkaError(code)
            self._state = State.FAILED
            raised(code, abort=True)
        self._fatal = KafkaError(KafkaError._FENCED if code in _FENCING else code, fatal=True)
        raised(self._fatal.code(), fatal=True)

    def _wait(self, deadline: float) -> None:
        if self._schedule.now() >= deadline:
            self._time_out()
        self._schedule.sleep(min(AGAIN_S, deadline - self._schedule.now()))

    def _time_out(self, after_s: float = 0.0) -> NoReturn:
        if after_s > 0:
            self._schedule.sleep(after_s)
        raised(KafkaError._TIMED_OUT, "Timed out waiting for operation to finish, retry call to resume", retriable=True)
