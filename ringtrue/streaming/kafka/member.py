"""A member of a consumer group: what a worker receives and commits.

One turn is: receive, compute with no transaction open, commit. The callbacks of a rebalance run inside `receive` and
`heartbeat` only, so they never meet an open transaction. After anything whose outcome is not known the session
(`session.py`) is thrown away, and the next receive begins another, which takes over the transactional id, the positions
and the state as a fresh process would.
"""

from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ringtrue.streaming import faults
from ringtrue.streaming.kafka.cluster import Cluster
from ringtrue.streaming.kafka.config import onlooker
from ringtrue.streaming.kafka.errors import error_of, sorted_error
from ringtrue.streaming.kafka.partitions import Owned, Partition
from ringtrue.streaming.kafka.records import record_of
from ringtrue.streaming.kafka.restore import Restore, entry
from ringtrue.streaming.kafka.session import Session
from ringtrue.streaming.kafka.transactions import ToWrite
from ringtrue.streaming.port import (
    Commit,
    Fenced,
    LogMismatch,
    PartitionsLost,
    Received,
    Record,
    State,
    Subscription,
)

#: Kafka 4.1 to 4.3.1 do that when a partition of the transaction has no leader just then.
_HANGING = (
    "if that lasts longer than RINGTRUE_KAFKA__TRANSACTION_TIMEOUT_S, a broker may have lost its end, KAFKA-20734: "
    "look with kafka-transactions.sh find-hanging"
)
#: A poll that waits for longer would be deaf to errors of the brokers.
_POLL_S = 1.0


class KafkaMember:
    """One member of a group; see `ringtrue.streaming.port.Member`.

    Args:
        cluster: The cluster.
        subscription: What it reads, as which group and in which slot.
    """

    def __init__(self, cluster: Cluster, subscription: Subscription) -> None:
        self._cluster = cluster
        self._clients = cluster.clients
        self._subscription = subscription
        self._group = f"{cluster.prefix}{subscription.group}"
        self._session: Session | None = None
        self._owned = Owned(cluster, subscription)
        self._taking = dict[int, Partition]()  # assigned, the state of it not there yet
        self._assigned = False
        self._gained = frozenset[int]()  # not told yet
        self._lost = frozenset[int]()
        self._held = list[Record]()  # received by a heartbeat
        self._replaced: Fenced | None = None  # by another process in this slot: for good
        self._has_left = False

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions it owns."""
        return frozenset(self._owned.partitions)

    @property
    def assigned(self) -> bool:
        """See the port."""
        return self._assigned and not self._taking

    def receive(self, limit: int, wait_s: float, linger_s: float = 0.0) -> Received:
        """See the port."""
        session = self._connected()
        if self._gained or self._lost:
            return self._told()  # of a change that a heartbeat has met; a poll might hand out records already
        session.resume()
        session.check_brokers()
        records = self._held[:limit]
        del self._held[:limit]
        lingering = bool(records)
        deadline = self._clients.monotonic() + (linger_s if lingering else wait_s)
        while len(records) < limit:
            left_s = max(0.0, deadline - self._clients.monotonic())
            messages = session.messages(limit - len(records), min(left_s, _POLL_S), whole=lingering)
            found = list(self._accepted(messages))
            self._after_callbacks(session)
            if self._gained or self._lost:
                return self._told()  # what was found comes again: positions were set anew
            records += found
            if found and not lingering:
                lingering = True
                deadline = self._clients.monotonic() + linger_s
            if self._clients.monotonic() >= deadline:
                break
        for record in records:
            self._owned.received(record)
        return Received(records)

    def rewind(self) -> None:
        """See the port."""
        if self._held or self._owned.ahead:
            self._owned.rewind()
            self._assign()

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """See the port."""
        self._owned.seek(topic, partition, offset)
        self._assign()

    def heartbeat(self) -> None:
        """See the port."""
        if self._session is not None:
            session = self._session
            session.pause()
            self._held += self._accepted(session.messages(1, 0.0))
            self._after_callbacks(session)

    def commit(self, commit: Commit) -> None:
        """See the port."""
        touched = {partition for _, partition in commit.positions} | {change.partition for change in commit.changes}
        touched |= set(commit.notes)
        touched = touched or set(self._owned.partitions)
        # Lost and not told yet: it may be ours again already, but another member may have gone on with it in between.
        lost = sorted((touched - self._owned.partitions.keys()) | (touched & self._lost))
        if lost or not touched or self._session is None:
            raise PartitionsLost(
                f"partitions {lost or 'all'} of the group {self._subscription.group} belong to another member now"
            )
        if commit.changes and self._subscription.state is None:
            raise LogMismatch(f"the group {self._subscription.group} keeps no state")
        session = self._session
        transactions = session.transactions
        positions = self._owned.to_send(commit, touched)
        try:
            written = transactions.run(self._messages(commit), positions, session.consumer)
        except PartitionsLost:
            self.heartbeat()  # raises when it is the slot that was lost
            raise
        except Fenced as error:
            self._abandon()
            self._replaced = session.fenced(str(error))
            raise self._replaced from error
        except BaseException:
            if transactions.spent:
                self._abandon()
            raise
        ends = {number: offset + 1 for topic, number, offset in written if topic == self._state_topic}
        try:
            self._owned.committed(commit, ends)
        except Exception:
            self._abandon()  # it is true in the log: the next session reads it from there
            raise

    def state(self, partition: int) -> State:
        """See the port."""
        if self._subscription.state is None:
            raise LogMismatch(f"the group {self._subscription.group} keeps no state")
        return self._owned.store(partition).table

    def position(self, topic: str, partition: int) -> int:
        """See the port."""
        return self._owned[partition].positions[topic]

    def note(self, partition: int) -> str:
        """See the port."""
        owned = self._owned.partitions.get(partition)
        return owned.note if owned else ""

    def clock_ms(self, partition: int) -> int:
        """See the port."""
        owned = self._owned[partition]
        ends = self._cluster.offsets([(topic, partition) for topic in self._subscription.topics], "committed end")
        held = any(record.partition == partition for record in self._held)
        if held or any(owned.read_to.get(topic, 0) < end for (topic, _), end in ends.items()):
            return min(owned.youngest_ms, self._clients.now_ms())
        return self._clients.now_ms()

    def leave(self) -> None:
        """See the port."""
        if not self._has_left:
            self._has_left = True
            self._abandon()

    @property
    def _state_topic(self) -> str:
        return f"{self._cluster.prefix}{self._subscription.state}"

    def _connected(self) -> Session:
        """The session; a new one when there is none."""
        if self._replaced is not None:
            raise self._replaced
        if self._session is None:
            self._session = Session(self._cluster, self._subscription, self._on_assign, self._on_revoke)
        return self._session

    def _abandon(self) -> None:
        """Ends the session. What it had not committed comes again."""
        session, self._session = self._session, None
        self._forget()
        if session is not None:
            session.close()

    def _on_assign(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        session = self._session
        try:
            self._taking = self._owned.fetched(consumer, {part.partition for part in parts})
            self._assigned = True
            faults.passes(self._group, "fetched")
            # Nothing is received before the state is there. The group has its answer, and the rest is ours to assign.
            consumer.assign([])
        except Exception as error:  # the library would assign the partitions in spite of it
            if session is not None:
                session.fail(self._sorted(error))

    def _on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._forget()

    def _forget(self) -> None:
        self._lost |= frozenset(self._owned.partitions) - self._gained
        self._gained = frozenset()
        self._taking = {}
        self._assigned = False
        self._held = []
        self._owned.clear()

    def _after_callbacks(self, session: Session) -> None:
        """Raises what went wrong in a poll, and takes the partitions that its callbacks were told of."""
        self._raise_failed(session)
        while self._taking:
            taken = self._taking
            if self._subscription.state is not None and not self._restored(session, taken):
                continue  # the assignment has changed again
            faults.passes(self._group, "restored")
            self._owned.partitions |= taken
            self._gained |= taken.keys()
            self._taking = {}
            self._assign()

    def _raise_failed(self, session: Session) -> None:
        if session.failed is not None:
            self._abandon()
            if isinstance(session.failed, Fenced):
                self._replaced = session.failed
            raise session.failed

    def _restored(self, session: Session, taken: Mapping[int, Partition]) -> bool:
        """Brings back the state of partitions; whether they are still ours."""
        try:
            stores = {number: self._owned.open_store(number) for number in taken}
            restore = Restore(self._cluster, onlooker(self._cluster.settings, self._group), self._state_topic, stores)
            return restore.run(session.transactions, lambda: self._still(session, taken))
        except BaseException:
            self._abandon()
            raise

    def _still(self, session: Session, taken: Mapping[int, Partition]) -> bool:
        """Stays in the group during a restore; whether the partitions are still ours."""
        session.messages(1, 0.0)  # none: nothing is assigned
        self._raise_failed(session)
        return self._taking is taken

    def _told(self) -> Received:
        received = Received(assigned=self._gained, revoked=self._lost)
        self._gained = self._lost = frozenset()
        return received

    def _accepted(self, messages: Sequence[Message]) -> Iterator[Record]:
        """The records among messages, of partitions that are ours."""
        for message in messages:
            record = record_of(message, self._cluster.prefix)
            owned = self._owned.partitions.get(record.partition)
            if owned is not None and message.error() is None:
                yield record
            elif owned is not None:
                owned.read_to[record.topic] = record.offset

    def _assign(self) -> None:
        """Reads from the places in `Partition.next`."""
        if self._session is not None and self._owned.partitions:
            self._held = []
            owned = self._owned.partitions.values()
            self._session.assign([part for one in owned for part in one.to_assign(self._cluster.prefix)])

    def _messages(self, commit: Commit) -> Iterator[ToWrite]:
        for outgoing in commit.outputs:
            yield self._cluster.message(outgoing)
        for change in commit.changes:
            yield entry(self._state_topic, change)

    def _sorted(self, error: Exception) -> Exception:
        if isinstance(error, KafkaException):
            doing = f"asking for committed positions of group {self._group}"
            if error_of(error).code() == KafkaError._TIMED_OUT:
                doing += f" (no answer, or they are pending in a transaction; {_HANGING})"
            return sorted_error(error_of(error), doing, self._cluster.settings)
        return error
