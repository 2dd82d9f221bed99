"""A member of a consumer group: what a worker receives and commits.

One turn is: receive, compute with no transaction open, commit. The callbacks of a rebalance run inside `receive` and
`heartbeat` only, so they never meet an open transaction. The consumer and the producer of a member form a *session*:
it is thrown away whole after anything whose outcome is not known, and the next receive begins another, which takes
over the transactional id, the positions and the state as a fresh process would.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ringtrue.streaming import faults
from ringtrue.streaming.kafka.cluster import Cluster
from ringtrue.streaming.kafka.config import group_consumer, onlooker, transactional_producer
from ringtrue.streaming.kafka.errors import PASSING, error_of, sorted_error
from ringtrue.streaming.kafka.partitions import Owned, Partition, check_position
from ringtrue.streaming.kafka.records import record_of
from ringtrue.streaming.kafka.restore import Restore, entry
from ringtrue.streaming.kafka.statistics import report
from ringtrue.streaming.kafka.transactions import ToWrite, Transactions
from ringtrue.streaming.port import (
    Commit,
    Fenced,
    LogAway,
    LogMismatch,
    PartitionsLost,
    Received,
    Record,
    State,
    Subscription,
)

_log = structlog.get_logger()

#: A poll that waits for longer would be deaf to errors of the brokers.
_POLL_S = 1.0


class _Session:
    """A consumer and a producer that belong together."""

    def __init__(self, consumer: Consumer, transactions: Transactions) -> None:
        self.consumer = consumer
        self.transactions = transactions
        self.paused = False

    def close(self) -> None:
        self.transactions.close()
        self.consumer.close()


class KafkaMember:
    """One member of a group; see `ringtrue.streaming.port.Member`.

    Args:
        cluster: The cluster.
        subscription: What it reads, as which group and in which slot.
    """

    def __init__(self, cluster: Cluster, subscription: Subscription) -> None:
        self._cluster = cluster
        self._clients = cluster.clients
        self._settings = cluster.settings
        self._subscription = subscription
        self._name = f"{cluster.prefix}{subscription.group}"
        self._session: _Session | None = None
        self._owned = Owned(cluster, subscription)
        self._restoring = dict[int, Partition]()
        self._gained = frozenset[int]()  # not told yet
        self._lost = frozenset[int]()
        self._held = list[Record]()  # received by a heartbeat
        self._failed: Exception | None = None  # in a callback, where nothing may be raised
        self._brokers_away = ""
        self._has_left = False
        self._replaced: Fenced | None = None  # by another process in this slot: for good
        self._assigned = False

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions it owns."""
        return frozenset(self._owned.partitions)

    @property
    def assigned(self) -> bool:
        """See the port."""
        return self._assigned and not self._restoring

    def receive(self, limit: int, wait_s: float, linger_s: float = 0.0) -> Received:
        """See the port."""
        session = self._connected()
        if self._gained or self._lost:
            return self._told()  # of a change that a heartbeat has met; a poll might hand out records already
        self._resume(session)
        self._ask_for_brokers(session)
        deadline = self._clients.monotonic() + wait_s
        records = self._held[:limit]
        del self._held[:limit]
        lingering = bool(records)
        if lingering:
            deadline = self._clients.monotonic() + linger_s
        while True:
            left_s = max(0.0, deadline - self._clients.monotonic())
            if lingering:
                messages = session.consumer.consume(limit - len(records), min(left_s, _POLL_S))
            else:
                message = session.consumer.poll(min(left_s, _POLL_S))
                messages = [] if message is None else [message]
            found = list(self._accepted(messages))
            self._after_callbacks(session)
            if self._gained or self._lost:
                return self._told()  # what was found comes again: positions were set anew
            records += found
            if found and not lingering:
                lingering = True
                deadline = self._clients.monotonic() + linger_s
                if len(records) < limit:
                    continue  # at least what is here already
            if len(records) >= limit or self._clients.monotonic() >= deadline:
                for record in records:
                    self._owned.received(record)
                return Received(records)

    def rewind(self) -> None:
        """See the port."""
        self._owned.rewind()
        self._assign_again()

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """See the port."""
        place = (topic, partition)
        check_position(topic, partition, offset, self._cluster.offsets([place], "committed end")[place])
        self._owned[partition].next[topic] = offset
        self._assign_again()

    def heartbeat(self) -> None:
        """See the port."""
        if self._session is None:
            return
        session = self._session
        if not session.paused:
            session.consumer.pause(session.consumer.assignment())
            session.paused = True
        message = session.consumer.poll(0)
        if message is not None:
            self._held += self._accepted([message])
        self._after_callbacks(session)

    def commit(self, commit: Commit) -> None:
        """See the port."""
        touched = {partition for _, partition in commit.positions} | {change.partition for change in commit.changes}
        touched |= set(commit.notes)
        touched = touched or set(self._owned.partitions)
        lost = sorted(touched - self._owned.partitions.keys())
        if lost or not touched or self._session is None:
            raise PartitionsLost(
                f"partitions {lost or 'all'} of the group {self._subscription.group} belong to another member now"
            )
        if commit.changes and self._subscription.state is None:
            raise LogMismatch(f"the group {self._subscription.group} keeps no state")
        session = self._session
        positions = self._owned.to_send(commit, touched)
        transactions = self._usable(session)
        try:
            written = transactions.run(self._messages(commit), positions, session.consumer)
        except PartitionsLost:
            self.heartbeat()  # raises when it is the slot that was lost
            raise
        except Fenced as error:
            self._abandon()
            raise self._fenced(str(error)) from error
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

    def _connected(self) -> _Session:
        """The session; a new one when there is none."""
        if self._replaced is not None:
            raise self._replaced
        if self._session is None:
            self._cluster.check(self._subscription.topics)
            if self._subscription.state is not None:
                self._cluster.check((self._subscription.state,))
            transactions = self._transactions()
            # Who keeps state stays a member over a restart, or each restart would move all state twice.
            static = self._subscription.state is not None
            instance = f"{self._name}-{self._subscription.slot}" if static else None
            config = group_consumer(self._settings, self._name, instance, self._broker_error)
            config["stats_cb"] = lambda text: report(self._subscription.group, text)
            self._session = _Session(self._clients.consumer(config), transactions)
            self._brokers_away = ""
            self._session.consumer.subscribe(
                [f"{self._cluster.prefix}{topic}" for topic in self._subscription.topics],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )
        return self._session

    def _transactions(self) -> Transactions:
        """A producer in this member's slot: whoever had the slot before is fenced."""
        slot = f"{self._name}-{self._subscription.slot}"
        config = transactional_producer(self._settings, slot, self._cluster.max_record_bytes)
        return Transactions(self._clients, config, self._settings)

    def _usable(self, session: _Session) -> Transactions:
        """The session's producer; a new one after the outcome of a call was not known at once."""
        if session.transactions.spent:
            session.transactions.close()
            session.transactions = self._transactions()
        return session.transactions

    def _abandon(self) -> None:
        """Ends the session. What it had not committed comes again."""
        session, self._session = self._session, None
        self._forget()
        self._failed = None
        if session is not None:
            session.close()

    def _on_assign(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        if self._session is None:  # it is being closed, and close waits for an answer
            consumer.assign([])
            return
        try:
            numbers = frozenset(part.partition for part in parts)
            with self._sorting("asking for committed positions"):
                self._restoring = self._owned.fetched(consumer, numbers)
            faults.passes(self._name, "fetched")
            self._assigned = True
            # Nothing is received before the state is there. The group has its answer, and the rest is ours to assign.
            consumer.assign([])
        except Exception as error:  # the library would assign the partitions in spite of it
            self._failed = error

    def _on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._forget()

    def _forget(self) -> None:
        self._lost |= frozenset(self._owned.partitions) - self._gained
        self._gained = frozenset()
        self._restoring = {}
        self._assigned = False
        self._held = []
        self._owned.clear()

    def _after_callbacks(self, session: _Session) -> None:
        """Does what the callbacks of a poll have left to do, and raises what went wrong in them."""
        self._raise_failed()
        while self._restoring:
            taken = self._restoring
            if self._subscription.state is not None and not self._restored(session, taken):
                continue  # the assignment has changed again
            faults.passes(self._name, "restored")
            self._owned.partitions |= taken
            self._gained |= taken.keys()
            self._restoring = {}
            self._assign_again()

    def _raise_failed(self) -> None:
        if self._failed is not None:
            error = self._failed
            self._abandon()
            raise error

    def _restored(self, session: _Session, taken: Mapping[int, Partition]) -> bool:
        """Brings back the state of partitions; whether they are still ours."""
        try:
            stores = {number: self._owned.open_store(number) for number in taken}
            restore = Restore(self._cluster, onlooker(self._settings, self._name), self._state_topic, stores)
            return restore.run(self._usable(session), lambda: self._still(session, taken))
        except BaseException:
            self._abandon()
            raise

    def _still(self, session: _Session, taken: Mapping[int, Partition]) -> bool:
        """Stays in the group during a restore; whether the partitions are still ours."""
        message = session.consumer.poll(0)
        if message is not None:
            self._held += self._accepted([message])
        self._raise_failed()
        return self._restoring is taken

    def _told(self) -> Received:
        received = Received(assigned=self._gained, revoked=self._lost)
        self._gained = self._lost = frozenset()
        return received

    def _accepted(self, messages: list[Message]) -> Iterator[Record]:
        """The records among what the consumer gave, of partitions that are ours."""
        for message in messages:
            error = message.error()
            if error is None:
                record = record_of(message, self._cluster.prefix)
                if record.partition in self._owned.partitions:
                    yield record
            elif error.code() == KafkaError._PARTITION_EOF:
                topic = (message.topic() or "").removeprefix(self._cluster.prefix)
                if owned := self._owned.partitions.get(message.partition() or 0) or self._restoring.get(
                    message.partition() or 0
                ):
                    owned.read_to[topic] = message.offset() or 0
            else:
                self._consumer_error(error, message.topic() or self._name)

    def _consumer_error(self, error: KafkaError, where: str) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._failed = self._fenced(error.str())
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
            _log.error("a turn took too long", group=self._name, limit_s=self._settings.max_poll_interval_s)
        elif error.code() in PASSING or error.retriable():
            _log.warning("kafka", group=self._name, reason=error.str())
        else:
            self._failed = sorted_error(error, f"reading {where} as group {self._name}", self._settings)

    def _broker_error(self, error: KafkaError) -> None:
        """Told by the library from within a poll."""
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._failed = sorted_error(error, "connecting", self._settings)
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._brokers_away = error.str()
        elif error.fatal():
            self._failed = self._fenced(error.str())

    def _ask_for_brokers(self, session: _Session) -> None:
        """Raises `LogAway` while no broker answers, so that the service says that it is not ready."""
        if self._brokers_away:
            try:
                session.consumer.list_topics(timeout=2.0)
            except KafkaException as exception:
                raise LogAway(f"{self._settings.bootstrap_servers}: {self._brokers_away}") from exception
            self._brokers_away = ""

    def _fenced(self, said: str) -> Fenced:
        self._replaced = Fenced(
            f"another process has joined the group {self._subscription.group} "
            f"in slot {self._subscription.slot} ({said})"
        )
        return self._replaced

    def _resume(self, session: _Session) -> None:
        if session.paused:
            session.consumer.resume(session.consumer.assignment())
            session.paused = False

    def _assign_again(self) -> None:
        """Reads from the places in `Partition.next`."""
        if self._session is not None and self._owned.partitions:
            self._held = []
            parts = [part for one in self._owned.partitions.values() for part in one.to_assign(self._cluster.prefix)]
            self._session.consumer.assign(parts)
            self._session.consumer.resume(parts)
            self._session.paused = False

    def _messages(self, commit: Commit) -> Iterator[ToWrite]:
        for outgoing in commit.outputs:
            yield self._cluster.message(outgoing)
        for change in commit.changes:
            yield entry(self._state_topic, change)

    @contextmanager
    def _sorting(self, doing: str) -> Iterator[None]:
        try:
            yield
        except KafkaException as exception:
            raise sorted_error(error_of(exception), f"{doing} as group {self._name}", self._settings) from exception
