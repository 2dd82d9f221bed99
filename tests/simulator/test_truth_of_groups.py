"""What the simulator says of groups and their positions, asked of a real broker too: each test runs on both."""

import pytest
from confluent_kafka import KafkaError, TopicPartition

from tests.simulator.truth import WAIT_S, Cluster, code_of


def test_a_position_is_pending_until_its_transaction_has_ended_and_carries_its_note(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    member, onlooker = cluster.joined(topic), cluster.consumer()

    def send(offset: int, note: str | None = None) -> None:
        producer.begin_transaction()
        place = TopicPartition(topic, 0, offset)
        sent = [place if note is None else TopicPartition(topic, 0, offset, metadata=note)]
        producer.send_offsets_to_transaction(sent, member.consumer_group_metadata(), WAIT_S)

    def committed() -> tuple[int, str | None]:
        found = onlooker.committed([TopicPartition(topic, 0)], WAIT_S)[0]
        return found.offset, found.metadata

    assert committed() == (-1001, None)
    send(3)
    producer.commit_transaction(WAIT_S)
    assert committed() == (3, None)
    send(4, "")
    producer.commit_transaction(WAIT_S)
    assert committed() == (4, "")
    send(7, "note")
    error = code_of(lambda: onlooker.committed([TopicPartition(topic, 0)], 1.0))
    assert (error.code(), error.retriable()) == (KafkaError._TIMED_OUT, False)
    producer.commit_transaction(WAIT_S)
    assert committed() == (7, "note")
    send(9)
    producer.abort_transaction(WAIT_S)
    assert committed() == (7, "note")


def test_who_sends_neither_member_id_nor_generation_is_not_checked(cluster: Cluster) -> None:
    """The trap that a member without an id has to keep out of."""
    topic, producer = cluster.topic(), cluster.producer()
    cluster.joined(topic)
    stranger = cluster.consumer()
    assert not stranger.memberid()
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], stranger.consumer_group_metadata(), WAIT_S)
    producer.commit_transaction(WAIT_S)
    assert stranger.committed([TopicPartition(topic, 0)], WAIT_S)[0].offset == 5


def test_sending_no_positions_asks_nobody(cluster: Cluster) -> None:
    """The trap of a timer that consumed nothing."""
    topic, producer = cluster.topic(), cluster.producer()
    member = cluster.joined(topic, instance="one")
    stale = member.consumer_group_metadata()
    cluster.joined(topic, instance="one")
    producer.begin_transaction()
    producer.send_offsets_to_transaction([], stale, WAIT_S)
    producer.commit_transaction(WAIT_S)
    producer.begin_transaction()
    error = code_of(lambda: producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], stale, WAIT_S))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.FENCED_INSTANCE_ID, True)
    producer.abort_transaction(WAIT_S)


def test_a_member_of_an_older_generation_cannot_commit_and_its_producer_goes_on(cluster: Cluster) -> None:
    topic, producer = cluster.topic(2), cluster.producer()
    first = cluster.joined(topic)
    stale = first.consumer_group_metadata()
    second = cluster.consumer()
    second.subscribe([topic])
    cluster.until(lambda: (first.poll(0.02), second.poll(0.02), len(second.assignment()))[2] == 1)
    producer.begin_transaction()
    error = code_of(lambda: producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], stale, WAIT_S))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.ILLEGAL_GENERATION, True)
    producer.abort_transaction(WAIT_S)
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], first.consumer_group_metadata(), WAIT_S)
    producer.commit_transaction(WAIT_S)


def test_a_note_that_is_too_long_aborts(cluster: Cluster) -> None:
    topic, producer = cluster.topic(), cluster.producer()
    producer.begin_transaction()
    sent = [TopicPartition(topic, 0, 1, metadata="n" * 5000)]
    metadata = cluster.consumer().consumer_group_metadata()
    error = code_of(lambda: producer.send_offsets_to_transaction(sent, metadata, WAIT_S))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.OFFSET_METADATA_TOO_LARGE, True)


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
    message = consumer.poll(WAIT_S)
    assert message is not None
    assert message.error() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_who_has_closed_is_closed(cluster: Cluster) -> None:
    consumer = cluster.consumer()
    consumer.close()
    consumer.close()
    with pytest.raises(RuntimeError, match="closed"):
        consumer.poll(0)
