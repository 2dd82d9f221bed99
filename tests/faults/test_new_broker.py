"""A broker that has only just been made: nobody coordinates its groups yet."""

import multiprocessing
from pathlib import Path

import pytest

from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.topics import Topic
from tests.faults.broker import Broker
from tests.faults.conftest import Row

pytestmark = pytest.mark.servers

_TOPIC = "input"
_GROUPS = 20


def test_positions_may_be_asked_of_a_broker_that_never_had_a_group(kafka_server: str, tmp_path: Path, row: Row) -> None:
    row("no coordinator yet", f"{_GROUPS} groups' positions asked of a new broker")
    broker = Broker(tmp_path / "broker")
    try:
        broker.up()
        with_topic = KafkaLog(KafkaSettings(bootstrap_servers=broker.bootstrap), LogSettings(), tmp_path)
        with_topic.create_topics([Topic(_TOPIC)])
        with_topic.close()
        # In a process of its own: the library used to kill it.
        process = multiprocessing.get_context("spawn").Process(target=_ask, args=(broker.bootstrap, tmp_path))
        process.start()
        process.join(60)
        assert process.exitcode == 0
    finally:
        broker.reset()
    row.saw("a backlog of 0 each")


def _ask(bootstrap: str, folder: Path) -> None:
    log = KafkaLog(KafkaSettings(bootstrap_servers=bootstrap), LogSettings(), folder)
    groups = [f"group-{number}" for number in range(_GROUPS)]
    assert log.backlog({group: [_TOPIC] for group in groups}) == {(group, _TOPIC): 0 for group in groups}
    log.close()
