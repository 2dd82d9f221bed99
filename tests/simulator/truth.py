"""What the tests of the truth share: a cluster that may be simulated or real, and what is read from it."""

import uuid
from collections.abc import Callable
from contextlib import suppress

import pytest
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import NewTopic

from ringtrue.streaming.kafka.clients import Clients, Config, leave

WAIT_S = 10.0


class Cluster:
    """A cluster, simulated or real, with names of this test's own."""

    def __init__(self, clients: Clients, bootstrap: str) -> None:
        self.clients = clients
        self._prefix = f"truth-{uuid.uuid4().hex[:12]}-"
        self._config = {"bootstrap.servers": bootstrap, "log_level": 0, "error_cb": lambda error: None}
        self.admin = clients.admin(dict(self._config))
        self._opened = list[Consumer]()

    def topic(self, partitions: int = 1) -> str:
        """A new topic."""
        name = self._prefix + uuid.uuid4().hex[:6]
        for future in self.admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result()
        self.until(lambda: name in self.admin.list_topics(timeout=5.0).topics)
        return name

    def producer(self, slot: str = "producer", config: Config | None = None) -> Producer:
        """A transactional producer that has taken over its id."""
        full = self._config | {"transactional.id": self._prefix + slot, "retry.backoff.ms": 5} | (config or {})
        producer = self.clients.producer(full)
        producer.init_transactions(WAIT_S)
        return producer

    def consumer(self, group: str = "group", instance: str | None = None) -> Consumer:
        """A read_committed consumer; told of ends."""
        full = self._config | {
            "group.id": self._prefix + group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 100,
            "partition.assignment.strategy": "range",
            "fetch.wait.max.ms": 50,
        }
        if instance is not None:
            full["group.instance.id"] = instance
        consumer = self.clients.consumer(full)
        self._opened.append(consumer)
        return consumer

    def reader(self, topic: str) -> Consumer:
        """A consumer that reads partition 0 from its beginning."""
        consumer = self.consumer()
        consumer.assign([TopicPartition(topic, 0, 0)])
        return consumer

    def joined(self, topic: str, group: str = "group", instance: str | None = None) -> Consumer:
        """A member of a group that has its partitions."""
        consumer = self.consumer(group, instance)
        consumer.subscribe([topic])
        self.until(lambda: (consumer.poll(0.05), consumer.assignment())[1] != [])
        return consumer

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits until it holds."""
        deadline = self.clients.monotonic() + 2 * WAIT_S
        while not condition():
            assert self.clients.monotonic() < deadline, "it did not come true in time"
            self.clients.sleep(0.02)

    def close(self) -> None:
        """Lets go of everything."""
        for consumer in self._opened:
            with suppress(RuntimeError):  # closed already
                leave(consumer)


def write(producer: Producer, topic: str, *values: bytes) -> None:
    """Begins a transaction and writes these."""
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, b"key", 0)
    assert producer.flush(WAIT_S) == 0


def next_of(consumer: Consumer) -> tuple[int | None, bytes | None] | None:
    """Offset and value of what comes next; a value of None is the end."""
    message = consumer.poll(WAIT_S)
    return told(message)


def told(message: Message | None) -> tuple[int | None, bytes | None] | None:
    """Offset and value of a message; a value of None is the end."""
    if message is None:
        return None
    error = message.error()
    assert error is None or error.code() == KafkaError._PARTITION_EOF, error
    return message.offset(), None if error else message.value()


def code_of(call: Callable[[], object]) -> KafkaError:
    """The error that a call raises."""
    with pytest.raises(KafkaException) as raised:
        call()
    error: KafkaError = raised.value.args[0]
    return error
