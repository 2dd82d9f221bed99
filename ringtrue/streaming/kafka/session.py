"""The consumer and the producer of a member, for as long as nothing unknown has happened to them.

A session is thrown away whole after anything whose outcome is not known. Errors that the library tells in passing are
kept here until the member can raise them: nothing may be raised from within a callback.
"""

from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ringtrue.streaming.kafka.clients import leave
from ringtrue.streaming.kafka.cluster import Cluster
from ringtrue.streaming.kafka.config import group_consumer, transactional_producer
from ringtrue.streaming.kafka.errors import PASSING, sorted_error
from ringtrue.streaming.kafka.records import batch
from ringtrue.streaming.kafka.statistics import report
from ringtrue.streaming.kafka.transactions import Transactions
from ringtrue.streaming.port import Fenced, LogAway, Subscription

_log = structlog.get_logger()

_LOOK_S = 2.0
#: Longer than a coordinator takes to move to another broker.
_LOST_S = 15.0

#: Told of partitions that are assigned or revoked.
Rebalanced = Callable[[Consumer, list[TopicPartition]], None]


class Session:
    """Joins a group and takes over a transactional id.

    Args:
        cluster: The cluster.
        subscription: What is read, as which group and in which slot.
        on_assign: Called within `messages`. It must assign something.
        on_revoke: Called within `messages`, also when the partitions were lost.

    Attributes:
        consumer: The member of the group.
        failed: What went wrong in passing, to be raised.

    Raises:
        LogAway: Brokers are away.
        Misconfigured: A topic is missing, or a right.
    """

    def __init__(
        self, cluster: Cluster, subscription: Subscription, on_assign: Rebalanced, on_revoke: Rebalanced
    ) -> None:
        self.failed: Exception | None = None
        self._closed = False
        self._cluster = cluster
        self._settings = cluster.settings
        self._subscription = subscription
        self._group = f"{cluster.prefix}{subscription.group}"
        self._slot = f"{self._group}-{subscription.slot}"
        self._brokers_away = ""
        self._lost_s = 0.0  # without a coordinator, by the last report
        self._answering_since: float | None = None  # the brokers, while it is without
        self._paused = False
        cluster.check([*subscription.topics, *([subscription.state] if subscription.state else [])])
        self._producing = self._producer()
        # Who keeps state stays a member over a restart, or each restart would move all state twice.
        instance = self._slot if subscription.state is not None else None
        config = group_consumer(self._settings, self._group, instance, self._told)
        config["stats_cb"] = self._reported
        self.consumer = cluster.clients.consumer(config)
        self.consumer.subscribe(
            [f"{cluster.prefix}{topic}" for topic in subscription.topics],
            on_assign=self._until_closed(on_assign),
            on_revoke=self._until_closed(on_revoke),
            on_lost=self._until_closed(on_revoke),
        )

    @property
    def transactions(self) -> Transactions:
        """The producer; a new one when the outcome of a call was not known at once."""
        if self._producing.spent:
            self._producing.close()
            self._producing = self._producer()
        return self._producing

    def messages(self, limit: int, wait_s: float, *, whole: bool = False) -> Sequence[Message]:
        """Waits for messages, among them ends of partitions; callbacks run here.

        Args:
            limit: At most so many.
            wait_s: For the first one.
            whole: Wait for as many as `limit`, instead of for the first one.
        """
        found = self.consumer.consume(limit, wait_s) if whole else batch(self.consumer, limit, wait_s)
        for message in found:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                self._passing(error, message.topic() or self._group)
        return [message for message in found if message.error() is None or _is_end(message)]

    def assign(self, parts: list[TopicPartition]) -> None:
        """Reads these partitions from these offsets on."""
        self.consumer.assign(parts)
        self._paused = True
        self.resume()

    def pause(self) -> None:
        """Receives nothing, and stays in the group."""
        if not self._paused:
            self.consumer.pause(self.consumer.assignment())
            self._paused = True

    def resume(self) -> None:
        """Receives again."""
        if self._paused:
            self.consumer.resume(self.consumer.assignment())
            self._paused = False

    def check_brokers(self) -> None:
        """Raises `LogAway` while no broker answers, so that the service says that it is not ready.

        When brokers do answer, and the consumer still finds no coordinator among them, the session has failed.
        """
        if not self._brokers_away and not self._lost_s:
            self._answering_since = None
            return
        try:
            # Not through the consumer: after a broker had stalled, its connection was never made anew for this, and
            # a member that waits for an answer takes nothing that would need it.
            self._cluster.admin.list_topics(timeout=_LOOK_S)
        except KafkaException as exception:
            self._answering_since = None
            raise LogAway(f"{self._settings.bootstrap_servers}: {self._brokers_away or exception}") from exception
        self._brokers_away = ""
        now = self._cluster.clients.monotonic()
        self._answering_since = self._answering_since or now
        if self._lost_s > _LOST_S and now - self._answering_since > _LOST_S:
            self.fail(LogAway(f"no coordinator of the group {self._group} since {self._lost_s:.0f} s: joining it anew"))

    def fenced(self, said: str) -> Fenced:
        """The error for who has lost its slot."""
        return Fenced(
            f"another process has joined the group {self._subscription.group} "
            f"in slot {self._subscription.slot} ({said})"
        )

    def fail(self, error: Exception) -> None:
        """Takes note of what went wrong where nothing may be raised. The first one counts: others follow from it."""
        self.failed = self.failed or error

    def close(self) -> None:
        """Ends it. What was not committed comes again."""
        self._producing.close()
        self._closed = True
        if not leave(self.consumer, self._cluster.clients.within):
            _log.warning("a consumer hangs on closing", group=self._group)

    def _until_closed(self, told: Rebalanced) -> Rebalanced:
        """The callback, as long as the member has this session: a closing that hangs may tell it something later.

        Then it does nothing, and the binding takes or gives back the partitions by itself.
        """

        def tell(consumer: Consumer, parts: list[TopicPartition]) -> None:
            if not self._closed:
                told(consumer, parts)

        return tell

    def _producer(self) -> Transactions:
        """A producer in this slot: whoever had the slot before is fenced."""
        config = transactional_producer(self._settings, self._slot, self._cluster.max_record_bytes)
        return Transactions(self._cluster.clients, config, self._settings)

    def _reported(self, text: str) -> None:
        """Takes over statistics, from within a poll. They also tell of a consumer that will never find its group again.

        An answer that names no broker, as a cluster gives whose only one has just come back, leaves librdkafka without
        any, and it asks nobody any more (2.16, without `rebootstrap`). Several reports may come at once, the last one
        counts.
        """
        self._lost_s = report(self._subscription.group, text)

    def _passing(self, error: KafkaError, where: str) -> None:
        """Takes note of an error that came in place of a message."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self.fail(self.fenced(error.str()))
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
            _log.error("a turn took too long", group=self._group, limit_s=self._settings.max_poll_interval_s)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            # Retention has passed where we were: taking the partitions again raises the alarm and goes on behind.
            self.fail(LogAway(f"{where}: {error.str()}"))
        elif error.code() in PASSING or error.retriable():
            _log.warning("kafka", group=self._group, reason=error.str())
        else:
            self.fail(sorted_error(error, f"reading {where} as group {self._group}", self._settings))

    def _told(self, error: KafkaError) -> None:
        """Takes note of an error that is of no partition; the library calls this from within a poll."""
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self.fail(sorted_error(error, "connecting", self._settings))
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._brokers_away = error.str()
        elif error.fatal():
            self.fail(self.fenced(error.str()))


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF
