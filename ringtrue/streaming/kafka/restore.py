"""Bringing keyed state back when partitions are assigned.

The order matters (streaming.md 1.3). First the *stable* committed positions are fetched: they wait for what a
predecessor's transaction still has pending. Then a barrier is written to each state partition and the partition is read
until that barrier: seeing our own committed record proves that everything before it is decided, which no watermark
proves (KAFKA-10167: under read_committed they stop at the last stable offset). Each barrier carries the number of
partitions that the state was made with.
"""

from collections.abc import Callable, Mapping

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from ringtrue.streaming import faults
from ringtrue.streaming.kafka.clients import Config
from ringtrue.streaming.kafka.cluster import Cluster
from ringtrue.streaming.kafka.errors import PASSING, error_of, sorted_error
from ringtrue.streaming.kafka.records import batch
from ringtrue.streaming.kafka.store import PartitionStore
from ringtrue.streaming.kafka.transactions import ToWrite, Transactions
from ringtrue.streaming.port import LogAway, LogMismatch, StateChange

_log = structlog.get_logger()

#: The key of a barrier, before the number of partitions: those of another number stay, compaction or not.
_BARRIER = b"!barrier "
#: Before each key of the state, so that none can be taken for a barrier, nor be empty.
_ENTRY = b"="
_DEADLINE = "deadline_ms"
_CHUNK = 2_000
_WAIT_S = 0.1
_SAY_EVERY_S = 5.0


def entry(topic: str, change: StateChange) -> ToWrite:
    """A change as a record of the state topic."""
    headers = [] if change.deadline_ms is None else [(_DEADLINE, str(change.deadline_ms).encode())]
    return ToWrite(topic, change.partition, _ENTRY + change.key.encode(), change.value, headers)


class Restore:
    """Reads the state of some partitions, step by step, so that the caller can stay in its group meanwhile.

    Args:
        cluster: The cluster.
        config: Of a consumer that belongs to no group.
        topic: The state topic's full name.
        stores: The caches of the partitions, as far as they go.
    """

    def __init__(self, cluster: Cluster, config: Config, topic: str, stores: Mapping[int, PartitionStore]) -> None:
        self._clients = cluster.clients
        self._settings = cluster.settings
        self._partitions = cluster.partitions
        self._config = config
        self._topic = topic
        self._stores = stores

    def run(self, transactions: Transactions, alive: Callable[[], bool]) -> bool:
        """Writes the barriers and reads up to them; whether it was done, or `alive` said to stop.

        Raises:
            LogAway: Nothing has been read for a while: brokers are away, or another's transaction stays open.
            LogMismatch: The state was made with another number of partitions.
        """
        barrier = _BARRIER + str(self._partitions).encode()
        written = transactions.run([ToWrite(self._topic, number, barrier, b"") for number in self._stores])
        ends = {number: offset for _, number, offset in written}
        faults.passes(self._topic, "barrier")
        started = self._clients.monotonic()
        consumer = self._clients.consumer(self._config)
        try:
            read = self._read(consumer, ends, alive)
        except KafkaException as exception:
            raise sorted_error(error_of(exception), f"restoring {self._topic}", self._settings) from exception
        finally:
            consumer.close()
        seconds = round(self._clients.monotonic() - started, 2)
        _log.info("state restored", topic=self._topic, partitions=sorted(ends), records=read, seconds=seconds)
        return read is not None

    def _read(self, consumer: Consumer, ends: Mapping[int, int], alive: Callable[[], bool]) -> int | None:
        for number, store in self._stores.items():
            if store.offset > ends[number]:
                _log.warning("a cache reflects more than its topic holds", topic=self._topic, partition=number)
                store.empty()
        consumer.assign([TopicPartition(self._topic, number, store.offset) for number, store in self._stores.items()])
        left = set(ends)
        read = 0
        moved = said = self._clients.monotonic()
        while left:
            if not alive():
                return None
            messages = batch(consumer, _CHUNK, _WAIT_S)
            found = dict[int, list[Message]]()
            for message in messages:
                if self._is_record(message):
                    found.setdefault(message.partition() or 0, []).append(message)
            for number, chunk in found.items():
                last = self._take(number, chunk)
                faults.passes(self._topic, "restoring")
                if last >= ends[number]:
                    self._stores[number].reflect((), last + 1, self._clients.now_ms())
                    left.discard(number)
                read += len(chunk)
            now = self._clients.monotonic()
            if found:
                moved = now
            elif now - moved > self._settings.deadline_s:
                raise LogAway(
                    f"{self._settings.bootstrap_servers}: the state topic {self._topic} cannot be read up to our "
                    f"barrier in partitions {sorted(left)}; does a transaction stay open there?"
                )
            if now - said > _SAY_EVERY_S:
                said = now
                _log.info("restoring state", topic=self._topic, records=read, left=sorted(left))
        return read

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or not (error.retriable() or error.code() in PASSING):
            raise sorted_error(error, f"restoring {self._topic}", self._settings)
        return False

    def _take(self, number: int, chunk: list[Message]) -> int:
        """Takes over records of a partition, in their order; the offset of the last one."""
        last = chunk[-1].offset() or 0
        changes = []
        for message in chunk:
            key, value = message.key() or b"", message.value()
            if key.startswith(_BARRIER):
                self._check_partitions(int(key.removeprefix(_BARRIER)))
                continue
            headers = dict(message.headers() or ())
            deadline = headers.get(_DEADLINE)
            text = key.removeprefix(_ENTRY).decode()
            changes.append(StateChange(number, text, value, None if deadline is None else int(deadline)))
        self._stores[number].reflect(changes, last + 1)
        return last

    def _check_partitions(self, made_with: int) -> None:
        if made_with != self._partitions:
            raise LogMismatch(
                f"the state {self._topic} was made with partitions={made_with}, the settings say {self._partitions}: "
                f"its keys would be looked for elsewhere. Set RINGTRUE_LOG__PARTITIONS={made_with}, or migrate to "
                "new topics: another RINGTRUE_KAFKA__TOPIC_PREFIX, `ringtrue topics create`, `ringtrue reconcile`"
            )
