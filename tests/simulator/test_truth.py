"""What the simulator says of Kafka, asked of a real broker too: each test runs on both."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import NewTopic, OffsetSpec

from ringtrue.streaming.kafka.clients import LIBRDKAFKA, Clients, Config, leave
from tests.servers import server
from tests.simulator.clients import simulated_clients
from tests.simulator.schedule import Baton
from tests.simulator.world import World

_WAIT_S = 10.0


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
        producer.init_transactions(_WAIT_S)
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

    def positions(self, group: str) -> ConsumerGroupTopicPartitions:
        """Whose positions to ask for."""
        return ConsumerGroupTopicPartitions(self._prefix + group)

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits until it holds."""
        deadline = self.clients.monotonic() + 2 * _WAIT_S
        while not condition():
            assert self.clients.monotonic() < deadline, "it did not come true in time"
            self.clients.sleep(0.02)

    def close(self) -> None:
        """Lets go of everything."""
        for consumer in self._opened:
            with suppress(RuntimeError):  # closed already
                leave(consumer)


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.servers)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Each of the two."""
    if request.param == "real":
        cluster = Cluster(LIBRDKAFKA, server("kafka"))
    else:
        cluster = Cluster(simulated_clients(World(Baton(0), marker_delay_s=0.01)), "simulated")
    yield cluster
    cluster.close()


def write(producer: Producer, topic: str, *values: bytes) -> None:
    """Begins a transaction and writes these."""
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, b"key", 0)
    assert producer.flush(_WAIT_S) == 0


def next_of(consumer: Consumer) -> tuple[int | None, bytes | None] | None:
    """Offset and value of what comes next; a value of None is the end."""
    message = consumer.poll(_WAIT_S)
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


def test_nothing_of_an_open_transaction_is_seen_and_its_end_takes_an_offset(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    reader = cluster.reader(topic)
    assert next_of(reader) == (0, None)
    write(producer, topic, b"a")
    assert reader.poll(0.3) is None
    producer.commit_transaction(_WAIT_S)
    assert [next_of(reader), next_of(reader)] == [(0, b"a"), (2, None)]


def test_nothing_of_an_aborted_transaction_is_ever_seen_but_the_end_moves(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    reader = cluster.reader(topic)
    assert next_of(reader) == (0, None)
    write(producer, topic, b"a", b"b")
    producer.abort_transaction(_WAIT_S)
    assert next_of(reader) == (3, None)
    assert reader.position([TopicPartition(topic, 0)])[0].offset == 3


def test_what_lies_behind_an_open_transaction_waits_for_its_end(cluster: Cluster) -> None:
    topic, first, second = cluster.topic(), cluster.producer("first"), cluster.producer("second")
    write(first, topic, b"a")
    write(second, topic, b"b")
    second.commit_transaction(_WAIT_S)
    reader = cluster.reader(topic)
    assert next_of(reader) == (0, None)
    first.commit_transaction(_WAIT_S)
    assert [next_of(reader), next_of(reader)] == [(0, b"a"), (1, b"b")]


def test_watermarks_stop_at_the_last_stable_offset_and_the_admin_client_looks_behind(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    reader = cluster.reader(topic)
    write(producer, topic, b"a")
    place = TopicPartition(topic, 0)

    def latest(level: IsolationLevel) -> int:
        asked = cluster.admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=level)
        return int(next(iter(asked.values())).result().offset)

    assert reader.get_watermark_offsets(place, _WAIT_S) == (0, 0)
    assert (latest(IsolationLevel.READ_UNCOMMITTED), latest(IsolationLevel.READ_COMMITTED)) == (1, 0)
    producer.commit_transaction(_WAIT_S)
    cluster.until(lambda: reader.get_watermark_offsets(place, _WAIT_S) == (0, 2))


def test_the_end_is_told_again_after_a_pause_and_after_a_seek(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    write(producer, topic, b"a")
    producer.commit_transaction(_WAIT_S)
    reader, place = cluster.reader(topic), TopicPartition(topic, 0)
    assert [next_of(reader), next_of(reader)] == [(0, b"a"), (2, None)]
    reader.pause([place])
    reader.resume([place])
    assert next_of(reader) == (2, None)
    reader.seek(TopicPartition(topic, 0, 0))
    assert [next_of(reader), next_of(reader)] == [(0, b"a"), (2, None)]


def test_a_paused_partition_hands_out_nothing_and_loses_nothing(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    write(producer, topic, b"a")
    producer.commit_transaction(_WAIT_S)
    reader, place = cluster.reader(topic), TopicPartition(topic, 0)
    reader.pause([place])
    assert reader.poll(0.3) is None
    reader.resume([place])
    assert next_of(reader) == (0, b"a")


def test_a_position_beyond_the_end_goes_to_where_the_reset_says(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    write(producer, topic, b"a")
    producer.commit_transaction(_WAIT_S)
    reader = cluster.consumer()
    reader.assign([TopicPartition(topic, 0, 99)])
    assert next_of(reader) == (0, b"a")


def test_a_position_is_pending_until_its_transaction_has_ended_and_carries_its_note(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    member, onlooker = cluster.joined(topic), cluster.consumer()
    group = cluster.positions("group")

    def send(offset: int, note: str | None = None) -> None:
        producer.begin_transaction()
        place = TopicPartition(topic, 0, offset)
        sent = [place if note is None else TopicPartition(topic, 0, offset, metadata=note)]
        producer.send_offsets_to_transaction(sent, member.consumer_group_metadata(), _WAIT_S)

    def committed() -> tuple[int, str | None]:
        found = onlooker.committed([TopicPartition(topic, 0)], _WAIT_S)[0]
        return found.offset, found.metadata

    assert committed() == (-1001, None)
    send(3)
    producer.commit_transaction(_WAIT_S)
    assert committed() == (3, None)
    send(4, "")
    producer.commit_transaction(_WAIT_S)
    assert committed() == (4, "")
    send(7, "note")
    error = code_of(lambda: onlooker.committed([TopicPartition(topic, 0)], 1.0))
    assert (error.code(), error.retriable()) == (KafkaError._TIMED_OUT, False)
    asked = cluster.admin.list_consumer_group_offsets([group], require_stable=True)[group.group_id].result()
    assert [part.error for part in asked.topic_partitions] == [KafkaError.UNSTABLE_OFFSET_COMMIT]
    producer.commit_transaction(_WAIT_S)
    assert committed() == (7, "note")
    send(9)
    producer.abort_transaction(_WAIT_S)
    assert committed() == (7, "note")


def test_who_sends_neither_member_id_nor_generation_is_not_checked(cluster: Cluster) -> None:
    """The trap that a member without an id has to keep out of."""
    topic, producer = cluster.topic(), cluster.producer()
    cluster.joined(topic)
    stranger = cluster.consumer()
    assert not stranger.memberid()
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], stranger.consumer_group_metadata(), _WAIT_S)
    producer.commit_transaction(_WAIT_S)
    assert stranger.committed([TopicPartition(topic, 0)], _WAIT_S)[0].offset == 5


def test_sending_no_positions_asks_nobody(cluster: Cluster) -> None:
    """The trap of a timer that consumed nothing."""
    topic, producer = cluster.topic(), cluster.producer()
    member = cluster.joined(topic, instance="one")
    stale = member.consumer_group_metadata()
    cluster.joined(topic, instance="one")
    producer.begin_transaction()
    producer.send_offsets_to_transaction([], stale, _WAIT_S)
    producer.commit_transaction(_WAIT_S)
    producer.begin_transaction()
    error = code_of(lambda: producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], stale, _WAIT_S))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.FENCED_INSTANCE_ID, True)
    producer.abort_transaction(_WAIT_S)


def test_a_member_of_an_older_generation_cannot_commit_and_its_producer_goes_on(cluster: Cluster) -> None:
    topic, producer = cluster.topic(2), cluster.producer()
    first = cluster.joined(topic)
    stale = first.consumer_group_metadata()
    second = cluster.consumer()
    second.subscribe([topic])
    cluster.until(lambda: (first.poll(0.02), second.poll(0.02), len(second.assignment()))[2] == 1)
    producer.begin_transaction()
    error = code_of(lambda: producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], stale, _WAIT_S))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.ILLEGAL_GENERATION, True)
    producer.abort_transaction(_WAIT_S)
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], first.consumer_group_metadata(), _WAIT_S)
    producer.commit_transaction(_WAIT_S)


def test_a_note_that_is_too_long_aborts(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    producer.begin_transaction()
    sent = [TopicPartition(topic, 0, 1, metadata="n" * 5000)]
    metadata = cluster.consumer().consumer_group_metadata()
    error = code_of(lambda: producer.send_offsets_to_transaction(sent, metadata, _WAIT_S))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.OFFSET_METADATA_TOO_LARGE, True)


def test_a_successor_aborts_what_its_predecessor_had_open_and_fences_it(cluster: Cluster) -> None:
    topic, old = cluster.topic(), cluster.producer()
    write(old, topic, b"zombie")
    new = cluster.producer()
    reader = cluster.reader(topic)
    assert next_of(reader) == (2, None)
    metadata = reader.consumer_group_metadata()
    send = [
        lambda: old.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], metadata, _WAIT_S),
        lambda: old.commit_transaction(_WAIT_S),
        lambda: old.abort_transaction(_WAIT_S),
        old.begin_transaction,
    ]
    for call in send:
        error = code_of(call)
        assert (error.code(), error.fatal()) == (KafkaError._FENCED, True)
    write(new, topic, b"a")
    new.commit_transaction(_WAIT_S)
    assert next_of(reader) == (2, b"a")


@pytest.mark.parametrize("told_of_delivery", [False, True])
def test_a_fenced_producer_fails_in_its_flush(cluster: Cluster, told_of_delivery: bool) -> None:
    topic, old = cluster.topic(), cluster.producer()
    write(old, topic, b"a")
    cluster.producer()
    reports = list[KafkaError | None]()
    if told_of_delivery:
        old.produce(topic, b"b", partition=0, on_delivery=lambda error, _: reports.append(error))
        with pytest.raises((SystemError, KafkaException)) as raised:
            old.flush(_WAIT_S)
        # The binding calls back while its own exception is set already: what comes out is not the one that counts.
        cause = raised.value if isinstance(raised.value, KafkaException) else raised.value.__cause__
    else:
        old.produce(topic, b"b", partition=0)
        with pytest.raises(KafkaException) as plain:
            old.flush(_WAIT_S)
        cause = plain.value
    assert isinstance(cause, KafkaException)
    assert cause.args[0].code() == KafkaError._FENCED
    assert reports == [KafkaError.INVALID_PRODUCER_EPOCH] * told_of_delivery


def test_a_delivery_that_failed_fails_the_commit(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    producer.begin_transaction()
    reports = list[KafkaError | None]()
    producer.produce(topic, b"a", partition=9, on_delivery=lambda error, _: reports.append(error))
    assert producer.flush(_WAIT_S) == 0
    assert reports == [KafkaError._UNKNOWN_PARTITION]
    error = code_of(lambda: producer.commit_transaction(_WAIT_S))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError._INCONSISTENT, True)
    producer.abort_transaction(_WAIT_S)


def test_a_record_that_is_too_large_is_not_taken(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer("producer", {"message.max.bytes": 1000})
    producer.begin_transaction()
    error = code_of(lambda: producer.produce(topic, b"a" * 1000, partition=0))
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    producer.abort_transaction(_WAIT_S)


def test_an_empty_transaction_commits_and_one_that_was_not_begun_does_not(cluster: Cluster) -> None:
    producer = cluster.producer()
    producer.begin_transaction()
    producer.commit_transaction(_WAIT_S)
    error = code_of(lambda: producer.commit_transaction(_WAIT_S))
    assert (error.code(), error.fatal()) == (KafkaError._STATE, False)


def test_a_static_member_comes_back_to_its_partitions_and_its_predecessor_learns_it(cluster: Cluster) -> None:
    topic = cluster.topic(2)
    lost = list[str]()
    old = cluster.consumer(instance="one")
    old.subscribe([topic], on_revoke=lambda *_: lost.append("revoked"), on_lost=lambda *_: lost.append("lost"))
    cluster.until(lambda: (old.poll(0.05), old.assignment())[1] != [])
    new = cluster.joined(topic, instance="one")
    errors = list[KafkaError]()

    def hears() -> bool:
        message = old.poll(0.05)
        if message is not None and (error := message.error()) and error.code() != KafkaError._PARTITION_EOF:
            errors.append(error)
        return bool(errors)

    cluster.until(hears)
    assert [(error.code(), error.fatal()) for error in errors] == [(KafkaError._FATAL, False)]
    assert (old.assignment(), lost) == ([], [])
    assert len(new.assignment()) == 2


def test_members_divide_each_topic_by_ranges_in_the_order_of_their_instances(cluster: Cluster) -> None:
    topic = cluster.topic(3)
    second, first = cluster.joined(topic, instance="b"), cluster.consumer(instance="a")
    first.subscribe([topic])

    def shares() -> tuple[list[int], list[int]]:
        first.poll(0.02)
        second.poll(0.02)
        mine, other = ([part.partition for part in one.assignment()] for one in (first, second))
        return sorted(mine), sorted(other)

    cluster.until(lambda: shares() == ([0, 1], [2]))


def test_a_member_gives_everything_back_before_it_gets_its_new_share(cluster: Cluster) -> None:
    topic = cluster.topic(2)
    heard = list[tuple[str, int]]()
    first = cluster.consumer()
    first.subscribe(
        [topic],
        on_assign=lambda _, parts: heard.append(("assigned", len(parts))),
        on_revoke=lambda _, parts: heard.append(("revoked", len(parts))),
    )
    cluster.until(lambda: (first.poll(0.05), first.assignment())[1] != [])
    second = cluster.consumer()
    second.subscribe([topic])
    cluster.until(lambda: (first.poll(0.02), second.poll(0.02), len(heard))[2] == 3)
    assert heard == [("assigned", 2), ("revoked", 2), ("assigned", 1)]


def test_an_error_in_a_callback_comes_out_of_the_poll_and_the_partitions_are_assigned_all_the_same(
    cluster: Cluster,
) -> None:
    topic = cluster.topic()

    def fails(*_: object) -> None:
        raise ValueError("in a callback")

    consumer = cluster.consumer()
    consumer.subscribe([topic], on_assign=fails)
    with pytest.raises(ValueError, match="in a callback"):
        cluster.until(lambda: consumer.poll(0.05) is not None)
    assert len(consumer.assignment()) == 1


def test_a_topic_that_does_not_exist_is_an_error_to_be_read(cluster: Cluster) -> None:
    consumer = cluster.consumer()
    consumer.subscribe(["nowhere-at-all"])
    message = consumer.poll(_WAIT_S)
    assert message is not None
    assert message.error() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_who_has_closed_is_closed(cluster: Cluster) -> None:
    consumer = cluster.consumer()
    consumer.close()
    consumer.close()
    with pytest.raises(RuntimeError, match="closed"):
        consumer.poll(0)
