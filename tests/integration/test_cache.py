"""Keyed state on Kafka as a machine keeps it: a cache that makes a restart short, and never a wrong one."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions
from structlog.testing import capture_logs

from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.port import Commit, LogMismatch, Member, StateChange, Subscription
from ringtrue.streaming.topics import Topic
from tests.contract.driving import until

pytestmark = pytest.mark.servers

INPUT = Topic("input")
STATE = Topic("cached.state", cleanup="compact", retention_ms=0)


class Machine:
    """One machine with a folder of its own, on one deployment."""

    def __init__(self, servers: str, folder: Path) -> None:
        self.prefix = f"cache-{uuid.uuid4().hex[:8]}."
        self.settings = KafkaSettings(bootstrap_servers=servers, topic_prefix=self.prefix, session_timeout_s=1.0)
        self.folder = folder

    @contextmanager
    def member(self, *, partitions: int = 1) -> Iterator[Member]:
        """A member in the one slot, its partitions assigned."""
        log = KafkaLog(self.settings, LogSettings(partitions=partitions), self.folder)
        log.create_topics([INPUT, STATE])
        member = log.join(Subscription("cached", "0", ("input",), STATE.name))
        try:
            until(lambda: bool(member.receive(1, 0.1).assigned))
            yield member
        finally:
            member.leave()
            log.close()


@pytest.fixture
def machine(kafka_server: str, tmp_path: Path) -> Machine:
    return Machine(kafka_server, tmp_path)


def put(member: Member, **values: bytes | None) -> None:
    member.commit(Commit({}, changes=[StateChange(0, key, value) for key, value in values.items()]))


def restored(machine: Machine) -> tuple[int, dict[str, bytes]]:
    """How many records a restart reads, and what it holds then."""
    with capture_logs() as logs, machine.member() as member:
        held = dict(member.state(0).scan(""))
    [told] = [entry for entry in logs if entry["event"] == "state restored"]
    return told["records"], held


def test_a_restart_reads_only_what_the_cache_does_not_reflect(machine: Machine) -> None:
    with machine.member() as member:
        for number in range(50):
            put(member, **{f"key-{number}": b"value"})
        put(member, **{"key-7": None})
    records, held = restored(machine)
    assert records <= 2, "only barriers"
    assert len(held) == 49


def test_what_another_machine_did_meanwhile_is_read_from_the_topic(machine: Machine, tmp_path: Path) -> None:
    with machine.member() as member:
        put(member, a=b"old", b=b"old", c=b"old")
    here, machine.folder = machine.folder, tmp_path / "elsewhere"
    with machine.member() as member:
        put(member, a=b"new", b=None)
    machine.folder = here
    records, held = restored(machine)
    assert held == {"a": b"new", "c": b"old"}
    assert records <= 4


def test_a_topic_that_was_made_anew_empties_the_cache(machine: Machine) -> None:
    with machine.member() as member:
        put(member, a=b"old")
    admin = AdminClient({"bootstrap.servers": machine.settings.bootstrap_servers})
    name = f"{machine.prefix}{STATE.name}"
    admin.delete_topics([name])[name].result()
    until(lambda: name not in admin.list_topics(timeout=5).topics)
    assert restored(machine)[1] == {}


def test_state_of_another_number_of_partitions_is_refused_with_the_way_out(machine: Machine) -> None:
    with machine.member() as member:
        put(member, a=b"value")
    admin = AdminClient({"bootstrap.servers": machine.settings.bootstrap_servers})

    for future in admin.create_partitions(
        [NewPartitions(f"{machine.prefix}{topic.name}", 2) for topic in (INPUT, STATE)]
    ).values():
        future.result()
    with (
        pytest.raises(LogMismatch, match=r"partitions=1, the settings say 2.*RINGTRUE_LOG__PARTITIONS=1"),
        machine.member(partitions=2),
    ):
        pass
