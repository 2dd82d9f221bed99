"""What the simulator says of transactions and their readers, asked of a real broker too: each test runs on both."""

import pytest
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from tests.simulator.truth import WAIT_S, Cluster, code_of, next_of, write


def test_nothing_of_an_open_transaction_is_seen_and_its_end_takes_an_offset(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    reader = cluster.reader(topic)
    assert next_of(reader) == (0, None)
    write(producer, topic, b"a")
    assert reader.poll(0.3) is None
    producer.commit_transaction(WAIT_S)
    assert [next_of(reader), next_of(reader)] == [(0, b"a"), (2, None)]


def test_nothing_of_an_aborted_transaction_is_ever_seen_but_the_end_moves(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    reader = cluster.reader(topic)
    assert next_of(reader) == (0, None)
    write(producer, topic, b"a", b"b")
    producer.abort_transaction(WAIT_S)
    assert next_of(reader) == (3, None)
    assert reader.position([TopicPartition(topic, 0)])[0].offset == 3


def test_what_lies_behind_an_open_transaction_waits_for_its_end(cluster: Cluster) -> None:
    topic, first, second = cluster.topic(), cluster.producer("first"), cluster.producer("second")
    write(first, topic, b"a")
    write(second, topic, b"b")
    second.commit_transaction(WAIT_S)
    reader = cluster.reader(topic)
    assert next_of(reader) == (0, None)
    first.commit_transaction(WAIT_S)
    assert [next_of(reader), next_of(reader)] == [(0, b"a"), (1, b"b")]


def test_watermarks_stop_at_the_last_stable_offset_and_the_admin_client_looks_behind(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    reader = cluster.reader(topic)
    write(producer, topic, b"a")
    place = TopicPartition(topic, 0)

    def latest(level: IsolationLevel) -> int:
        asked = cluster.admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=level)
        return int(next(iter(asked.values())).result().offset)

    assert reader.get_watermark_offsets(place, WAIT_S) == (0, 0)
    assert (latest(IsolationLevel.READ_UNCOMMITTED), latest(IsolationLevel.READ_COMMITTED)) == (1, 0)
    producer.commit_transaction(WAIT_S)
    cluster.until(lambda: reader.get_watermark_offsets(place, WAIT_S) == (0, 2))


def test_the_end_is_told_again_after_a_pause_and_after_a_seek(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    write(producer, topic, b"a")
    producer.commit_transaction(WAIT_S)
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
    producer.commit_transaction(WAIT_S)
    reader, place = cluster.reader(topic), TopicPartition(topic, 0)
    reader.pause([place])
    assert reader.poll(0.3) is None
    reader.resume([place])
    assert next_of(reader) == (0, b"a")


def test_a_position_beyond_the_end_goes_to_where_the_reset_says(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    write(producer, topic, b"a")
    producer.commit_transaction(WAIT_S)
    reader = cluster.consumer()
    reader.assign([TopicPartition(topic, 0, 99)])
    assert next_of(reader) == (0, b"a")


def test_a_successor_aborts_what_its_predecessor_had_open_and_fences_it(cluster: Cluster) -> None:
    topic, old = cluster.topic(), cluster.producer()
    write(old, topic, b"zombie")
    new = cluster.producer()
    reader = cluster.reader(topic)
    assert next_of(reader) == (2, None)
    metadata = reader.consumer_group_metadata()
    send = [
        lambda: old.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], metadata, WAIT_S),
        lambda: old.commit_transaction(WAIT_S),
        lambda: old.abort_transaction(WAIT_S),
        old.begin_transaction,
    ]
    for call in send:
        error = code_of(call)
        assert (error.code(), error.fatal()) == (KafkaError._FENCED, True)
    write(new, topic, b"a")
    new.commit_transaction(WAIT_S)
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
            old.flush(WAIT_S)
        # The binding calls back while its own exception is set already: what comes out is not the one that counts.
        cause = raised.value if isinstance(raised.value, KafkaException) else raised.value.__cause__
    else:
        old.produce(topic, b"b", partition=0)
        with pytest.raises(KafkaException) as plain:
            old.flush(WAIT_S)
        cause = plain.value
    assert isinstance(cause, KafkaException)
    assert cause.args[0].code() == KafkaError._FENCED
    assert reports == [KafkaError.INVALID_PRODUCER_EPOCH] * told_of_delivery


def test_a_delivery_that_failed_fails_the_commit(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    producer.begin_transaction()
    reports = list[KafkaError | None]()
    producer.produce(topic, b"a", partition=9, on_delivery=lambda error, _: reports.append(error))
    assert producer.flush(WAIT_S) == 0
    assert reports == [KafkaError._UNKNOWN_PARTITION]
    error = code_of(lambda: producer.commit_transaction(WAIT_S))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError._INCONSISTENT, True)
    producer.abort_transaction(WAIT_S)


def test_a_record_that_is_too_large_is_not_taken(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer("producer", {"message.max.bytes": 1000})
    producer.begin_transaction()
    error = code_of(lambda: producer.produce(topic, b"a" * 1000, partition=0))
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    producer.abort_transaction(WAIT_S)


def test_an_empty_transaction_commits_and_one_that_was_not_begun_does_not(cluster: Cluster) -> None:
    producer = cluster.producer()
    producer.begin_transaction()
    producer.commit_transaction(WAIT_S)
    error = code_of(lambda: producer.commit_transaction(WAIT_S))
    assert (error.code(), error.fatal()) == (KafkaError._STATE, False)
