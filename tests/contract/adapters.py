"""The logs that must keep the contract, each by a name under which child processes open it too."""

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.kafka.clients import LIBRDKAFKA, Clients
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.port import Log
from ringtrue.streaming.topics import Topic, dead_letters
from tests.servers import server
from tests.simulator.clients import simulated_clients
from tests.simulator.schedule import RealTime
from tests.simulator.world import World

#: Tests write records of 1970.
_FOR_EVER_MS = 10**13
INPUT, OTHER, OUTPUT = (Topic(name, retention_ms=_FOR_EVER_MS) for name in ("input", "other", "output"))
LETTERS = dead_letters("contract")
STATES = tuple(Topic(f"{name}.state", cleanup="compact", retention_ms=0) for name in ("contract-copy", "other", "two"))
TOPICS = (INPUT, OTHER, OUTPUT, LETTERS, *STATES)

#: The adapters. A new one is added here, and in `fresh_place` and `open_log`.
ADAPTERS = ("embedded", "simulated", pytest.param("kafka", marks=pytest.mark.servers))
#: Those whose retention is our own work (`Log.tidy`), not a server's.
TIDIED = ("embedded",)
#: A static member that leaves is missed for so long before its partitions go to others.
_KAFKA_SESSION_S = 2.0
_WORLDS = dict[str, World]()


class LogFactory(Protocol):
    """Opens another connection to the log of this test, its topics created."""

    place: str

    def __call__(self, *, partitions: int = 2, session_timeout_s: float = 15.0) -> Log: ...


def fresh_place(adapter: str, folder: Path) -> str:
    """Where a test's own log stands, as text that `open_log` takes."""
    if adapter == "simulated":
        return f"simulated:{uuid.uuid4().hex}"
    if adapter == "kafka":
        return f"kafka:{server('kafka')}/test-{uuid.uuid4().hex[:12]}."
    return f"{adapter}:{folder / 'log.sqlite'}"


def open_log(place: str, *, partitions: int = 2, session_timeout_s: float = 15.0) -> Log:
    """A connection to the log at a place."""
    adapter, _, location = place.partition(":")
    openers: dict[str, Callable[[], Log]] = {
        "embedded": lambda: EmbeddedLog(Path(location), partitions=partitions, session_timeout_s=session_timeout_s),
        "simulated": lambda: _kafka(
            "simulated/", partitions, min(session_timeout_s, _KAFKA_SESSION_S), simulated_clients(_world(location))
        ),
        "kafka": lambda: _kafka(location, partitions, min(session_timeout_s, _KAFKA_SESSION_S)),
    }
    log = openers[adapter]()
    log.create_topics(TOPICS)
    return log


def _world(name: str) -> World:
    """The simulated cluster of this name. It lives in this process only."""
    return _WORLDS.setdefault(name, World(RealTime()))


def _kafka(location: str, partitions: int, session_timeout_s: float, clients: Clients = LIBRDKAFKA) -> Log:
    servers, _, prefix = location.partition("/")
    settings = KafkaSettings(
        bootstrap_servers=servers, topic_prefix=prefix, session_timeout_s=session_timeout_s, deadline_s=20.0
    )
    # A folder of its own, as another machine has: what it needs of the state comes from the log.
    folder = Path(tempfile.mkdtemp(prefix="ringtrue-state-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return KafkaLog(settings, LogSettings(partitions=partitions), folder, clients)
