"""A member whose consumer does not answer: the client library can get into states that no broker explains."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.kafka import clients as seam
from ringtrue.streaming.kafka import session
from ringtrue.streaming.kafka.clients import Clients, Config, within
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.port import LogAway, Outgoing, Subscription
from ringtrue.streaming.topics import Topic
from tests.simulator.clients import simulated_clients
from tests.simulator.consumer import SimConsumer
from tests.simulator.schedule import RealTime
from tests.simulator.world import World

TOPIC = Topic("in")
READS = Subscription("reader", "0", (TOPIC.name,))


class Wrapped:
    """A client of the simulator, of which some methods do something else."""

    def __init__(self, client: object, methods: dict[str, Callable[..., Any]]) -> None:
        self._client = client
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._client, name)


def away(*_: object, **__: object) -> NoReturn:
    """No broker answers."""
    raise KafkaException(KafkaError(KafkaError._TRANSPORT, "no broker answers"))


@pytest.fixture
def configs() -> list[Config]:
    """What the consumers were made with."""
    return []


@pytest.fixture
def simulated(configs: list[Config]) -> Clients:
    """Clients of the simulator."""
    made = simulated_clients(World(RealTime()))

    def consumer(config: Config) -> Consumer:
        configs.append(config)
        return made.consumer(config)

    return replace(made, consumer=consumer)


def opened(clients: Clients, folder: Path) -> KafkaLog:
    """A log of these clients."""
    settings = KafkaSettings(bootstrap_servers="simulated", session_timeout_s=1.0, deadline_s=1.0)
    log = KafkaLog(settings, LogSettings(partitions=1), folder, clients)
    log.create_topics([TOPIC])
    return log


def with_consumer(clients: Clients, **methods: Callable[..., Any]) -> Clients:
    """The same, with other methods in the consumers."""
    return replace(clients, consumer=lambda config: cast(Consumer, Wrapped(clients.consumer(config), methods)))


@pytest.fixture
def brokers_are_gone(configs: list[Config]) -> Callable[[], None]:
    """Tells every consumer so, as the library does."""

    def tell() -> None:
        for config in configs:
            config["error_cb"](KafkaError(KafkaError._ALL_BROKERS_DOWN, "all brokers down"))

    return tell


def test_a_member_whose_own_connection_is_never_made_anew_goes_on_when_brokers_answer(
    simulated: Clients, brokers_are_gone: Callable[[], None], tmp_path: Path
) -> None:
    log = opened(with_consumer(simulated, list_topics=away), tmp_path)
    member = log.join(READS)
    while not member.assigned:
        member.receive(1, 0.1)
    brokers_are_gone()
    log.append([Outgoing(TOPIC.name, b"key", b"value")])
    assert [record.value for record in member.receive(1, 5.0).records] == [b"value"]
    member.leave()
    log.close()


def test_a_member_says_so_while_no_broker_answers_anybody(
    simulated: Clients, brokers_are_gone: Callable[[], None], tmp_path: Path
) -> None:
    nobody = dict[str, Callable[..., Any]]()
    clients = replace(simulated, admin=lambda config: cast(AdminClient, Wrapped(simulated.admin(config), nobody)))
    log = opened(clients, tmp_path)
    member = log.join(READS)
    member.receive(1, 0.1)
    nobody["list_topics"] = away
    brokers_are_gone()
    with pytest.raises(LogAway, match="all brokers down"):
        member.receive(1, 0.1)
    nobody.clear()
    member.receive(1, 0.1)
    member.leave()
    log.close()


def seeks_coordinator(consumer: Config, seconds: int) -> None:
    """Reports as the library does of a consumer that has been without a coordinator for so long."""
    consumer["stats_cb"](json.dumps({"cgrp": {"state": "query-coord", "stateage": seconds * 1000}}))


def finds_coordinator(consumer: Config) -> None:
    """Reports as the library does of a consumer that has one."""
    consumer["stats_cb"](json.dumps({"cgrp": {"state": "up", "stateage": 1000}}))


def test_a_member_that_will_never_find_its_group_again_joins_it_anew(
    simulated: Clients, configs: list[Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(session, "_LOST_S", 0.3)
    log = opened(simulated, tmp_path)
    member = log.join(READS)
    while not member.assigned:
        member.receive(1, 0.1)
    seeks_coordinator(configs[0], seconds=16)
    member.receive(1, 0.0)  # the brokers answer from now on
    time.sleep(0.4)
    with pytest.raises(LogAway, match="no coordinator of the group reader since 16 s"):
        member.receive(1, 0.0)
    log.append([Outgoing(TOPIC.name, b"key", b"value")])
    found = list[bytes | None]()
    while not found:
        found += [record.value for record in member.receive(1, 1.0).records]
    assert (found, len(configs)) == ([b"value"], 2)
    member.leave()
    log.close()


def test_a_member_whose_brokers_are_away_or_that_has_found_its_group_by_now_keeps_its_session(
    simulated: Clients, configs: list[Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(session, "_LOST_S", 0.0)
    nobody: dict[str, Callable[..., Any]] = {}
    clients = replace(simulated, admin=lambda config: cast(AdminClient, Wrapped(simulated.admin(config), nobody)))
    log = opened(clients, tmp_path)
    member = log.join(READS)
    while not member.assigned:
        member.receive(1, 0.1)
    nobody["list_topics"] = away
    seeks_coordinator(configs[0], seconds=40)
    for _ in range(3):
        with pytest.raises(LogAway, match="no broker answers"):
            member.receive(1, 0.0)
    nobody.clear()
    finds_coordinator(configs[0])
    for _ in range(3):
        member.receive(1, 0.0)
    assert len(configs) == 1
    member.leave()
    log.close()


def test_a_member_that_waits_for_pending_positions_says_how_to_find_what_holds_them(
    simulated: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def pending(*_: object) -> NoReturn:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "timed out"))

    monkeypatch.setattr(SimConsumer, "committed", pending)
    log = opened(simulated, tmp_path)
    member = log.join(READS)
    with pytest.raises(LogAway, match=r"pending in a transaction; .*kafka-transactions.sh find-hanging"):
        member.receive(1, 10.0)
    log.close()


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that comes only after the test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_consumer_that_never_comes_back_from_closing_keeps_nobody_from_leaving(
    simulated: Clients, never: threading.Event, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """librdkafka #4884."""
    monkeypatch.setattr(seam, "_CLOSE_S", 0.05)
    came_back = list[bool]()

    def close() -> None:
        came_back.append(never.wait(20))

    log = opened(replace(with_consumer(simulated, close=close), within=within), tmp_path)
    member = log.join(READS)
    while not member.assigned:
        member.receive(1, 0.1)
    member.leave()
    assert (member.partitions, came_back) == (frozenset(), [])
    log.close()


def test_a_topic_that_cannot_be_described_now_is_away_and_ends_nothing(simulated: Clients, tmp_path: Path) -> None:
    clients = replace(
        simulated, admin=lambda config: cast(AdminClient, Wrapped(simulated.admin(config), {"describe_topics": away}))
    )
    log = opened(clients, tmp_path)
    with pytest.raises(LogAway, match="describing the topic in"):
        log._cluster.identity("in")
    log.close()
