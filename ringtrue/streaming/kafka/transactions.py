"""One transactional producer, and what may still be done with it.

Each call is tried again while its error is retriable, until a deadline. After a call whose outcome nobody knows the
producer is *spent*: a commit or abort that is still under way might end the next transaction instead (librdkafka does
not speak KIP-890; Jepsen, Bufstream 2024). Then only a new producer helps, whose `init_transactions` waits for what
was under way. A transaction never spans a poll: it is begun, filled and ended within `run`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from ringtrue.settings import KafkaSettings
from ringtrue.streaming import faults
from ringtrue.streaming.kafka.clients import Clients, Config
from ringtrue.streaming.kafka.errors import error_of, sorted_error
from ringtrue.streaming.port import LogAway, PartitionsLost

_log = structlog.get_logger()

#: One try of a call; `KafkaSettings.deadline_s` bounds all tries.
_TRY_S = 5.0
_BETWEEN_TRIES_S = 0.05


class Consumes(Protocol):
    """What a transaction needs of the consumer whose positions it commits."""

    def memberid(self) -> str | None:
        """The member id; empty or None outside the group."""

    def consumer_group_metadata(self) -> object:
        """The group metadata of this moment."""


@dataclass(frozen=True, slots=True)
class ToWrite:
    """A message of a transaction, its topic's name in full."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int | None = None


class Transactions:
    """The transactions of one producer.

    Args:
        clients: The client library.
        config: The producer's configuration.
        settings: Of the cluster.

    Raises:
        RingtrueError: The transactional id cannot be taken over; sorted as in `errors.py`.
    """

    def __init__(self, clients: Clients, config: Config, settings: KafkaSettings) -> None:
        self._closed = False
        self._clients = clients
        self._settings = settings
        self._id = config["transactional.id"]
        self.spent = True
        self._problem: KafkaError | None = None  # the first delivery that failed
        self._topics = set[str]()  # of this transaction
        with_errors = config | {"error_cb": lambda error: None}  # every call reports its own
        self._producer: Producer = clients.producer(with_errors)
        try:
            self._again(lambda: self._producer.init_transactions(_TRY_S), f"taking over the id {self._id}")
            self.spent = False
        except BaseException:
            self.close()
            raise

    def run(
        self,
        messages: Iterable[ToWrite],
        positions: Sequence[TopicPartition] = (),
        consumer: Consumes | None = None,
    ) -> list[tuple[str, int, int]]:
        """One transaction: all of it becomes true, or nothing; (topic, partition, offset) of what was written.

        Afterwards the producer may be `spent`, also when all went well.

        Args:
            messages: What to write.
            positions: The positions of the consumer. A member of a group must send at least one, or the broker would
                not ask whether it still is one.
            consumer: Whose positions they are.

        Raises:
            LogAway: Brokers are away, or the outcome is not known; look at `spent`.
            PartitionsLost: The consumer is no longer of its group.
            Fenced: Another client has the transactional id.
            Misconfigured: Trying again would not help.
        """
        self._problem = None
        self._topics = set()
        written = list[tuple[str, int, int]]()
        try:
            self._producer.begin_transaction()
            faults.passes(self._id, "begun")
            try:
                for message in messages:
                    self._produce(message, written)
                    faults.passes(self._id, "written")
                self._flush()
                faults.passes(self._id, "flushed")
                if consumer is not None:
                    self._send_positions(positions, consumer)
                faults.passes(self._id, "sent")
            except KafkaException as exception:
                error = error_of(exception)
                if not error.txn_requires_abort():
                    raise
                self._abort()
                raise self._sorted(error, "in a transaction") from exception
            except BaseException:
                if not self.spent:
                    self._abort()
                raise
        except KafkaException as exception:
            self.spent = True
            raise self._sorted(error_of(exception), "in a transaction") from exception
        self._commit()
        faults.passes(self._id, "decided")
        return written

    def close(self) -> None:
        """Lets go of the producer. What it had not committed is aborted by its successor, or by the broker.

        Not by `Producer.close`, which aborts: after a commit of unknown outcome nothing may be sent any more.
        """
        if not self._closed:
            self.spent = self._closed = True
            self._producer.purge()
            del self._producer

    def _produce(self, message: ToWrite, written: list[tuple[str, int, int]]) -> None:
        def delivered(error: KafkaError | None, report: Message) -> None:
            if error is None:
                written.append((report.topic() or "", report.partition() or 0, report.offset() or 0))
            elif self._problem is None and error.code() != KafkaError._PURGE_QUEUE:
                self._problem = error

        self._topics.add(message.topic)
        deadline = self._clients.monotonic() + self._settings.deadline_s
        while True:
            try:
                self._producer.produce(
                    message.topic,
                    message.value,
                    message.key,
                    -1 if message.partition is None else message.partition,
                    delivered,
                    timestamp=message.timestamp_ms or 0,
                    headers=list(message.headers),
                )
                break
            except BufferError as error:  # its queue is full: let it send
                if self._clients.monotonic() >= deadline:
                    self.spent = True
                    raise LogAway(f"{self._settings.bootstrap_servers} takes nothing: {error}") from error
                self._producer.poll(0.1)
        self._producer.poll(0)

    def _flush(self) -> None:
        deadline = self._clients.monotonic() + self._settings.deadline_s
        while self._outstanding():
            if self._clients.monotonic() >= deadline:
                self.spent = True
                raise LogAway(
                    f"{self._settings.bootstrap_servers} takes no messages since {self._settings.deadline_s} s"
                )
        if self._problem is not None:
            problem = self._problem
            # The transaction has failed with it; what the delivery said is more telling than what a commit would say.
            raise KafkaException(
                KafkaError(problem.code(), problem.str(), fatal=problem.fatal(), txn_requires_abort=not problem.fatal())
            )

    def _outstanding(self) -> int:
        """Sends; how many messages are still under way."""
        try:
            return self._producer.flush(_TRY_S)
        except SystemError:  # the binding stumbles over a fatal error, which the next call will report
            return 0

    def _send_positions(self, positions: Sequence[TopicPartition], consumer: Consumes) -> None:
        if not consumer.memberid():
            # Outside the group the library sends no generation, and the broker checks none.
            raise PartitionsLost("this member was put out of its group: a turn took longer than max_poll_interval_s?")
        metadata = consumer.consumer_group_metadata()
        producer = self._producer  # which a call that hangs keeps for itself

        def send() -> None:
            producer.send_offsets_to_transaction(list(positions), metadata, _TRY_S)

        def bounded() -> None:
            if not self._clients.within(send, self._settings.deadline_s):
                self.spent = True
                raise LogAway(f"{self._settings.bootstrap_servers}: sending positions as {self._id} does not come back")

        self._again(bounded, "sending positions", sort=False)

    def _commit(self) -> None:
        try:
            self._again(lambda: self._producer.commit_transaction(_TRY_S), "committing", sort=False)
        except KafkaException as exception:
            error = error_of(exception)
            if error.txn_requires_abort():
                self._abort()
            else:
                self.spent = True
            raise self._sorted(error, "committing") from exception

    def _abort(self) -> None:
        """Ends the transaction without effect. Who cannot even do that has a spent producer; nothing is raised."""
        try:
            self._again(lambda: self._producer.abort_transaction(_TRY_S), "aborting", sort=False)
        except (KafkaException, LogAway) as error:
            self.spent = True
            _log.warning("a transaction could not be aborted", transactional_id=self._id, reason=str(error))

    def _again(self, call: Callable[[], object], doing: str, *, sort: bool = True) -> None:
        """Makes a call, again and again while its error is retriable, until the deadline.

        Raises:
            LogAway: The deadline has passed; the producer is spent.
            KafkaException: Another error (sorted, unless `sort` is off).
        """
        deadline = self._clients.monotonic() + self._settings.deadline_s
        while True:
            try:
                call()
            except KafkaException as exception:
                error = error_of(exception)
                if not error.retriable():
                    if not sort:
                        raise
                    self.spent = True
                    raise self._sorted(error, doing) from exception
                # Whatever the next try says, this one may still be on its way to the broker.
                self.spent = True
                if self._clients.monotonic() >= deadline:
                    raise LogAway(f"{self._settings.bootstrap_servers}: {doing}: {error.str()}") from exception
                self._clients.sleep(_BETWEEN_TRIES_S)
            else:
                return

    def _sorted(self, error: KafkaError, doing: str) -> Exception:
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:  # the library does not say which
            doing = f"{doing} to {', '.join(sorted(self._topics))}"
        return sorted_error(error, f"{doing} as {self._id}", self._settings)
