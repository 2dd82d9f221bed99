"""The logs that must keep the contract, each by a name under which child processes open it too."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Log
from ringtrue.streaming.topics import Topic, dead_letters

INPUT, OTHER, OUTPUT = Topic("input"), Topic("other"), Topic("output")
LETTERS = dead_letters("contract")
TOPICS = (INPUT, OTHER, OUTPUT, LETTERS)

#: Names of the adapters. A new one is added here, and in `fresh_place` and `open_log`.
ADAPTERS = ("embedded",)
#: Those whose retention is our own work (`Log.tidy`), not a server's.
TIDIED = ("embedded",)


class LogFactory(Protocol):
    """Opens another connection to the log of this test, its topics created."""

    place: str

    def __call__(self, *, partitions: int = 2, session_timeout_s: float = 15.0) -> Log: ...


def fresh_place(adapter: str, folder: Path) -> str:
    """Where a test's own log stands, as text that `open_log` takes."""
    return f"{adapter}:{folder / 'log.sqlite'}"


def open_log(place: str, *, partitions: int = 2, session_timeout_s: float = 15.0) -> Log:
    """A connection to the log at a place."""
    adapter, _, location = place.partition(":")
    openers: dict[str, Callable[[], Log]] = {
        "embedded": lambda: EmbeddedLog(Path(location), partitions=partitions, session_timeout_s=session_timeout_s),
    }
    log = openers[adapter]()
    log.create_topics(TOPICS)
    return log
