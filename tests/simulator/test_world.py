"""What happens only now and then on a real cluster, and must happen on the simulated one when it is told to."""

import random
from collections.abc import Callable
from functools import partial
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.simulator.consumer import SimConsumer
from tests.simulator.faults import Fault, Listed
from tests.simulator.partition import Data, Partition
from tests.simulator.producer import SimProducer
from tests.simulator.schedule import Baton, Killed, Process, Stuck
from tests.simulator.world import World


class Bench:
    """A world of one topic, and clients for it."""

    def __init__(self, *faults: tuple[str, int, Fault], partitions: int = 1, marker_delay_s: float = 0.0) -> None:
        self.baton = Baton(0)
        self.world = World(self.baton, None, marker_delay_s)
        self.world.create("topic", partitions)
        self.plan = Listed({(name, number): fault for name, number, fault in faults}, {})

    def run(self, *bodies: Callable[[], None]) -> list[BaseException]:
        """Runs each body as a process that faults happen to; what ended them."""
        self.world.plan = self.plan
        problems = list[BaseException]()
        left = len(bodies)

        def live(body: Callable[[], None]) -> None:
            nonlocal left
            try:
                body()
            except BaseException as error:
                problems.append(error)
            finally:
                left -= 1

        for number, body in enumerate(bodies):
            self.baton.start(Process(f"p{number}"), partial(live, body))
        while left:
            self.baton.sleep(1.0)
        return problems

    def producer(self, transactional_id: str = "id", timeout_s: float = 60.0) -> SimProducer:
        config = {"transactional.id": transactional_id, "transaction.timeout.ms": int(timeout_s * 1000)}
        producer = SimProducer(self.world, config)
        producer.init_transactions(5.0)
        return producer

    def consumer(self, instance: str | None = None, session_s: float = 6.0, max_poll_s: float = 30.0) -> SimConsumer:
        config: dict[str, object] = {
            "group.id": "group",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": False,
            "session.timeout.ms": int(session_s * 1000),
            "max.poll.interval.ms": int(max_poll_s * 1000),
        }
        if instance is not None:
            config["group.instance.id"] = instance
        return SimConsumer(self.world, config)

    def joined(self, instance: str | None = None, session_s: float = 6.0, max_poll_s: float = 30.0) -> SimConsumer:
        consumer = self.consumer(instance, session_s, max_poll_s)
        consumer.subscribe(["topic"])
        while not consumer.assignment():
            consumer.poll(0.1)
        return consumer

    @property
    def partition(self) -> Partition:
        return self.world.partition("topic", 0)

    def visible(self) -> list[bytes | None]:
        return [entry.data.value for entry in self.world.committed("topic", 0) if entry.data]

    def begin(self, producer: SimProducer, value: bytes) -> None:
        producer.begin_transaction()
        producer.produce("topic", value, partition=0)
        producer.flush(5.0)


def code_of(error: BaseException) -> int:
    assert isinstance(error, KafkaException)
    return cast(int, error.args[0].code())


def data(key: str, value: str | None, timestamp_ms: int = 0) -> Data:
    return Data(key.encode(), None if value is None else value.encode(), (), timestamp_ms)


# --- compaction and retention


def kept(partition: Partition) -> list[tuple[int, bytes | None]]:
    return [(entry.offset, entry.data.value) for entry in partition.read(0, 100)[0] if entry.data]


def test_compaction_keeps_the_last_of_each_key_and_leaves_gaps() -> None:
    partition = Partition("topic", 0)
    for key, value in ("a1", "b1", "a2", "a3", "c1"):
        partition.append(data(key, value))
    assert partition.compact(4) == 2
    assert kept(partition) == [(1, b"1"), (3, b"3"), (4, b"1")]
    assert partition.read(2, 1) == ([partition.read(3, 1)[0][0]], 4)


def test_compaction_leaves_alone_what_is_not_decided() -> None:
    partition = Partition("topic", 0)
    partition.append(data("a", "1"))
    partition.append(data("a", "2"), (7, 0))
    partition.append(data("a", "3"))
    assert partition.compact(100) == 0
    partition.mark(7, 0, committed=False)
    assert partition.compact(2) == 1, "the aborted one"
    assert kept(partition) == [(0, b"1"), (2, b"3")]


def test_compaction_forgets_deletions_only_when_they_are_old() -> None:
    partition = Partition("topic", 0)
    for one in (data("a", "1"), data("a", None, 5), data("b", None, 50), data("c", "1")):
        partition.append(one)
    partition.compact(4, no_tombstones_before_ms=10)
    assert [offset for offset, _ in kept(partition)] == [2, 3]


def test_a_reader_whose_place_has_expired_goes_on_with_what_is_left() -> None:
    bench = Bench()
    for value in "abc":
        bench.partition.append(data("key", value))
    consumer = bench.consumer()
    consumer.assign([TopicPartition("topic", 0, 0)])
    bench.partition.expire(2)
    message = consumer.poll(1.0)
    assert message is not None
    assert (message.offset(), consumer.get_watermark_offsets(TopicPartition("topic", 0))) == (2, (2, 3))


# --- transactions


def test_markers_are_written_one_by_one_after_the_commit_has_been_answered() -> None:
    bench = Bench(partitions=2, marker_delay_s=5.0)
    producer = bench.producer()
    producer.begin_transaction()
    for number in (0, 1):
        producer.produce("topic", b"a", partition=number)
    producer.flush(5.0)
    producer.commit_transaction(5.0)
    seen = set[tuple[int, int]]()
    while bench.world.transactions.is_open():
        bench.baton.sleep(0.05)
        seen.add((len(bench.world.committed("topic", 0)), len(bench.world.committed("topic", 1))))
    assert len(seen) == 3, "nothing, one of both, both"


def test_a_transaction_that_stays_open_for_too_long_is_aborted_and_its_producer_fenced() -> None:
    bench = Bench()
    producer = bench.producer(timeout_s=3.0)
    bench.begin(producer, b"a")
    bench.baton.sleep(4.0)
    assert (bench.partition.stable, bench.visible()) == (2, [])
    with pytest.raises(KafkaException) as raised:
        producer.commit_transaction(5.0)
    assert code_of(raised.value) == KafkaError._FENCED


def test_a_successor_waits_for_what_is_decided_already() -> None:
    bench = Bench(marker_delay_s=2.0)
    producer = bench.producer()
    bench.begin(producer, b"a")
    producer.commit_transaction(5.0)
    bench.producer()
    assert bench.visible() == [b"a"]


def test_a_late_end_is_refused_after_a_new_start_and_ends_the_next_transaction_without_one() -> None:
    for new_start, expected in ((True, []), (False, [b"next"])):
        bench = Bench(("commit_transaction", 0, Fault.TWICE))

        def work(bench: Bench = bench, new_start: bool = new_start) -> None:
            producer = bench.producer()
            bench.begin(producer, b"first")
            with pytest.raises(KafkaException):
                producer.commit_transaction(0.01)
            producer.commit_transaction(5.0)
            if new_start:
                producer = bench.producer()
            bench.begin(producer, b"next")
            bench.baton.sleep(31.0)

        assert bench.run(work) == []
        assert bench.visible() == [b"first", *expected]


def test_a_request_that_is_lost_is_sent_again_with_the_next_try() -> None:
    bench = Bench(("commit_transaction", 0, Fault.REQUEST_LOST))

    def work() -> None:
        producer = bench.producer()
        bench.begin(producer, b"a")
        with pytest.raises(KafkaException) as raised:
            producer.commit_transaction(1.0)
        assert raised.value.args[0].retriable()
        bench.baton.sleep(5.0)
        assert bench.visible() == []
        producer.commit_transaction(1.0)

    assert bench.run(work) == []
    assert bench.visible() == [b"a"]


# --- processes


def test_a_killed_process_has_no_further_effect_and_its_request_may_still_arrive() -> None:
    bench = Bench(("commit_transaction", 0, Fault.KILL_SENT))

    def work() -> None:
        producer = bench.producer()
        bench.begin(producer, b"a")
        try:
            producer.commit_transaction(5.0)
        finally:
            producer.close()

    assert [type(one) for one in bench.run(work)] == [Killed]
    bench.baton.sleep(31.0)
    assert bench.visible() == [b"a"]


def test_the_session_of_a_killed_member_expires_and_the_others_get_its_share() -> None:
    bench = Bench(("memberid", 0, Fault.KILL_AFTER), partitions=2)
    shares = list[int]()

    def dies() -> None:
        bench.joined("a").memberid()

    def lives() -> None:
        consumer = bench.joined("b")
        for _ in range(20):
            consumer.poll(1.0)
            shares.append(len(consumer.assignment()))

    assert [type(one) for one in bench.run(dies, lives)] == [Killed]
    assert shares[-1] == 2


def test_a_static_member_that_closes_keeps_its_share_until_its_session_ends() -> None:
    bench = Bench()
    first = bench.joined("a")
    first.close()
    second = bench.consumer("b")
    second.subscribe(["topic"])
    second.poll(3.0)
    assert second.assignment() == []
    second.poll(6.0)
    assert len(second.assignment()) == 1


def test_a_frozen_member_is_taken_for_dead_and_loses_its_share_when_it_wakes() -> None:
    bench = Bench(("memberid", 0, Fault.FREEZE))
    bench.world.longest_session_s = 20.0
    bench.baton.rng = random.Random(1)
    errors = list[int]()

    def freezes() -> None:
        consumer = bench.joined("a")
        producer = bench.producer()
        consumer.memberid()
        producer.begin_transaction()
        metadata = consumer.consumer_group_metadata()
        try:
            producer.send_offsets_to_transaction([TopicPartition("topic", 0, 1)], metadata, 5.0)
        except KafkaException as error:
            errors.append(error.args[0].code())

    def waits() -> None:
        bench.baton.sleep(2.0)
        bench.joined("b")

    assert bench.run(freezes, waits) == []
    assert errors == [KafkaError.UNKNOWN_MEMBER_ID]


def test_who_computes_for_too_long_is_put_out_and_joins_again_with_the_next_poll() -> None:
    bench = Bench()
    heard = list[str]()
    consumer = bench.consumer(max_poll_s=10.0)
    consumer.subscribe(
        ["topic"],
        on_assign=lambda *_: heard.append("assigned"),
        on_revoke=lambda *_: heard.append("revoked"),
        on_lost=lambda *_: heard.append("lost"),
    )
    consumer.poll(1.0)
    assert consumer.memberid()
    bench.baton.sleep(8.0)
    assert consumer.memberid(), "not yet"
    bench.baton.sleep(3.0)
    assert consumer.memberid() is None
    message = consumer.poll(1.0)
    assert message is not None
    assert message.error() == KafkaError._MAX_POLL_EXCEEDED
    consumer.poll(1.0)
    assert (heard, bool(consumer.memberid())) == (["assigned", "lost", "assigned"], True)


def test_a_call_that_is_given_up_says_again_only_where_the_library_does() -> None:
    bench = Bench(("committed", 0, Fault.GIVEN_UP), ("init_transactions", 0, Fault.GIVEN_UP))
    again = list[bool]()

    def work() -> None:
        for call in (lambda: bench.consumer().committed([TopicPartition("topic", 0)]), bench.producer):
            with pytest.raises(KafkaException) as raised:
                call()
            again.append(raised.value.args[0].retriable())

    assert bench.run(work) == []
    assert again == [False, True]


def test_a_run_that_does_not_end_is_stopped() -> None:
    bench = Bench()
    bench.baton = Baton(0, limit=20_000)

    def spins() -> None:
        for _ in range(100_000):
            bench.baton.step()

    bench.baton.start(Process("spins"), spins)
    bench.baton.sleep(1e6)
    with pytest.raises(Stuck):
        bench.baton.check()
