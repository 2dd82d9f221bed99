"""A bench for one worker: feed it messages, let its loop turn until nothing is left to read, look at what it sent.

Every `run` is a new loop over the same log, as after a restart; so each test that runs twice also shows that what the
worker knows stands in its state and nowhere else.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from ringtrue.messages import DeadLetter
from ringtrue.streaming import worker as loop
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.embedded_member import EmbeddedMember
from ringtrue.streaming.port import Commit, Member, Outgoing, Received, Record, Subscription
from ringtrue.streaming.topics import (
    CALLS_FACTS,
    MANIFESTS_SEEN,
    ORDERS_COMMANDS,
    ORDERS_CURRENT,
    ORDERS_ROWS,
    TOPICS,
    Topic,
    dead_letters,
)
from ringtrue.streaming.worker import Loop, Worker
from ringtrue.telemetry import Health

M = TypeVar("M")

#: Fields that also stand in headers, as `Step.send` writes them.
_HEADERS = ("call_id", "run", "index", "total")
#: Making one takes longer than most runs.
_CODEC = Codec()
_CLIENT_TOPICS = (CALLS_FACTS, ORDERS_CURRENT)
_ORDER_TOPICS = (ORDERS_ROWS, ORDERS_COMMANDS)


class Crash(Exception):
    """The process dies here."""


class _Log(EmbeddedLog):
    """A log whose loops end once they have read everything, or at once after so many commits that sent something."""

    def __init__(self, path: Path, partitions: int) -> None:
        super().__init__(path, partitions=partitions)
        self.stop = threading.Event()
        self.commits_left: int | None = None

    def join(self, subscription: Subscription) -> Member:
        return _Member(self, subscription)


class _Member(EmbeddedMember):
    def __init__(self, log: _Log, subscription: Subscription) -> None:
        super().__init__(log._file, subscription)
        self._bench = log

    def receive(self, limit: int, wait_s: float, linger_s: float = 0.0) -> Received:
        received = super().receive(limit, 0.0, 0.0)
        if not (received.records or received.assigned or received.revoked):
            self._bench.stop.set()
        return received

    def commit(self, commit: Commit) -> None:
        super().commit(commit)
        if commit.outputs and self._bench.commits_left is not None:
            self._bench.commits_left -= 1
            if not self._bench.commits_left:
                raise Crash


class Bench:
    """One worker on a log of its own.

    Args:
        folder: Where the log's file goes.
        worker: The worker; it may be replaced between two runs.
        partitions: Of every topic.
    """

    def __init__(self, folder: Path, worker: Worker, partitions: int = 1) -> None:
        self.worker = worker
        self.log = _Log(folder / "log.sqlite", partitions)
        self.log.create_topics(TOPICS)
        self._looked = dict[str, int]()

    def feed(
        self,
        topic: Topic,
        *messages: object,
        partition: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Appends messages as another worker would send them: keyed, with their headers. Bytes go as they are."""
        self.log.append([self._outgoing(topic, message, partition, headers or {}) for message in messages])

    def feed_in_order(self, *messages: tuple[Topic, object]) -> None:
        """Appends messages of several topics, all at once."""
        self.log.append([self._outgoing(topic, message, None, {}) for topic, message in messages])

    def run(self, *, dies_after: int | None = None) -> None:
        """Starts the worker, and stops it when it has read everything.

        Args:
            dies_after: The process dies after so many commits that sent something; raises `Crash`.
        """
        self.log.stop.clear()
        self.log.commits_left = dies_after
        with patch.object(loop, "Codec", lambda: _CODEC):
            Loop(self.worker, self.log, stop=self.log.stop, health=Health(self.worker.name)).run()

    def sent(self, topic: Topic, kind: type[M], *, partition: int | None = None) -> list[M]:
        """Every message of this kind that the worker has sent to the topic so far."""
        records = [record for record in self.log.browse(topic.name) if partition in (None, record.partition)]
        return self._decoded(records, kind)

    def news(self, topic: Topic, kind: type[M]) -> list[M]:
        """Messages of this kind that the worker has sent since the last look at this topic, which has one partition."""
        records = list(self.log.browse(topic.name))
        seen = self._looked.get(topic.name, 0)
        self._looked[topic.name] = len(records)
        return self._decoded(records[seen:], kind)

    def refusals(self) -> list[str]:
        """The error code of each dead letter of the worker's service."""
        return [letter.error for letter in self.letters()]

    def letters(self) -> list[DeadLetter]:
        """The dead letters of the worker's service."""
        return self.sent(dead_letters(self.worker.name.partition("-")[0]), DeadLetter)

    def state(self) -> dict[str, Any]:
        """What the worker remembers, all partitions together."""
        member = EmbeddedLog.join(self.log, Subscription("onlooker", "0", (), self.worker.state))
        try:
            return {
                key: _CODEC.decode(value)
                for number in range(self.log.partitions)
                for key, value in member.state(number).scan("")
            }
        finally:
            member.leave()

    def _decoded(self, records: Sequence[Record], kind: type[M]) -> list[M]:
        decoded = [_CODEC.decode(record.value) for record in records]
        return [message for message in decoded if isinstance(message, kind)]

    def _outgoing(self, topic: Topic, message: Any, partition: int | None, headers: Mapping[str, str]) -> Outgoing:
        value = message if isinstance(message, bytes) else _CODEC.encode(message)
        named = {name: str(getattr(message, name)) for name in _HEADERS if getattr(message, name, None) is not None}
        encoded = {name: text.encode() for name, text in {**named, **headers}.items()}
        return Outgoing(topic.name, _key(topic, message).encode(), value, encoded, partition)


def _key(topic: Topic, message: Any) -> str:
    if topic in _CLIENT_TOPICS:
        name = "client_number"
    elif topic in _ORDER_TOPICS:
        name = "order_number"
    else:
        name = "key" if topic == MANIFESTS_SEEN else "call_id"
    return str(getattr(message, name, "") or "")


def only(messages: Sequence[M]) -> M:
    """The one message there is."""
    [message] = messages
    return message
