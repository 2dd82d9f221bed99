"""One record on its way through a worker, and the turn that commits what a batch of them brought.

A *step* holds one record's message, and gathers what its worker sends, remembers and refuses. It sees its own
changes and those of the finished steps before it. A *turn* gathers the steps of one batch; nothing of it exists
outside until its commit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sortedcontainers import SortedDict

from ringtrue import __version__
from ringtrue.errors import BadRecord
from ringtrue.messages import DeadLetter
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import (
    LAST_CHARACTER,
    Commit,
    Member,
    Outgoing,
    Record,
    StateChange,
    record_bytes,
)
from ringtrue.streaming.topics import Topic, dead_letters
from ringtrue.streaming.trace import TRACEPARENT, trace_id, traceparent

T = TypeVar("T")

_log = structlog.get_logger()

#: Message fields that also stand in headers, so that a record whose bytes cannot be read can still be answered.
_HEADER_FIELDS = ("call_id", "run", "index", "total")
#: Every number of so many digits fits 64 bits.
_LONG_DIGITS = 18


@dataclass(slots=True)
class _Change:
    value: Any
    deadline_ms: int | None


class Turn:
    """A batch of one worker until its commit. `lives` says, between transactions, that a long turn goes on."""

    def __init__(
        self,
        worker: str,
        codec: Codec,
        member: Member,
        now_ms: int,
        max_record_bytes: int,
        lives: Callable[[], None] = lambda: None,
    ) -> None:
        self.max_record_bytes = max_record_bytes
        self.worker = worker
        self.codec = codec
        self.member = member
        self.now_ms = now_ms
        self.lives = lives
        self.outputs = list[Outgoing]()
        self.changes = defaultdict[int, SortedDict[str, _Change]](SortedDict)  # by partition
        self.positions = dict[tuple[str, int], int]()
        self.notes = dict[int, str]()

    def accept(self, step: "Step") -> None:
        """Takes over what a finished step gathered, and advances past its record.

        Raises:
            RuntimeError: The record was refused, and nobody has written its dead letter.
        """
        if step.refusal is not None and not step.failed:
            raise RuntimeError("a refused record was passed over: handle_many must attempt every step")
        self._take(step)
        if step.record is not None:
            place = (step.record.topic, step.record.partition)
            self.positions[place] = step.record.offset + 1

    def checkpoint(self, step: "Step") -> None:
        """Commits what there is, this unfinished step's part too, without advancing past any unfinished record."""
        self._take(step)
        if step.record is not None:
            place = (step.record.topic, step.record.partition)
            self.positions.setdefault(place, self.member.position(*place))
        self.commit()
        self.lives()

    def commit(self) -> bool:
        """Commits everything gathered; whether there was anything."""
        if not (self.positions or self.outputs or self.changes or self.notes):
            return False
        changes = [
            StateChange(
                partition, key, None if change.value is None else self.codec.encode(change.value), change.deadline_ms
            )
            for partition, changed in self.changes.items()
            for key, change in changed.items()
        ]
        self.member.commit(Commit(dict(self.positions), list(self.outputs), changes, dict(self.notes)))
        self.outputs.clear()
        self.changes.clear()
        self.positions.clear()
        self.notes.clear()
        return True

    def _take(self, step: "Step") -> None:
        self.outputs += step.outputs
        self.changes[step.partition].update(step.changes)
        step.outputs = []
        step.changes = SortedDict()


class Step:
    """One record (or one timer) being handled.

    Attributes:
        message: The decoded message; None for a timer and for bytes that could not be read.
        record: The record; None for a timer.
        now_ms: The wall clock of this turn, UTC milliseconds.
    """

    def __init__(self, turn: Turn, partition: int, record: Record | None = None, message: Any = None) -> None:
        self._turn = turn
        self.partition = partition
        self.record = record
        self.message = message
        self.now_ms = turn.now_ms
        self.outputs = list[Outgoing]()
        self.changes: SortedDict[str, _Change] = SortedDict()
        self.refusal: BadRecord | None = None
        self.failed = False
        self._answerable = True
        self.trace = trace_id(record.headers if record else {})

    @property
    def headers(self) -> Mapping[str, str]:
        """The record's headers as text."""
        return (
            {name: value.decode("utf-8", "replace") for name, value in self.record.headers.items()}
            if self.record
            else {}
        )

    def send(self, topic: Topic, key: str, message: object, *, partition: int | None = None) -> None:
        """Sends a message with the commit of this turn.

        Raises:
            BadRecord: `oversize`; what this record would bring is larger than the log takes.
        """
        headers = {TRACEPARENT: traceparent(self.trace)}
        for name in _HEADER_FIELDS:
            value = getattr(message, name, None)
            if value is not None:
                headers[name] = str(value).encode()
        outgoing = Outgoing(topic.name, key.encode(), self._turn.codec.encode(message), headers, partition)
        size = record_bytes(outgoing)
        if size > self._turn.max_record_bytes and not isinstance(message, DeadLetter):
            raise BadRecord(
                "oversize",
                f"it brings a {type(message).__name__} of {size} bytes; RINGTRUE_LOG__MAX_RECORD_BYTES allows "
                f"{self._turn.max_record_bytes}",
            )
        self.outputs.append(outgoing)

    def get(self, key: str, kind: type[T]) -> T | None:
        """What the state holds under a key."""
        change = self.changes.get(key) or self._turn.changes[self.partition].get(key)
        if change is not None:
            held: T | None = change.value
            return held
        value = self._turn.member.state(self.partition).get(key)
        return None if value is None else self._turn.codec.decode_as(kind, value)

    def scan(self, prefix: str, kind: type[T]) -> Iterator[tuple[str, T]]:
        """Keys with this prefix and what the state holds under them, by key."""
        found: dict[str, T] = {
            key: self._turn.codec.decode_as(kind, value)
            for key, value in self._turn.member.state(self.partition).scan(prefix)
        }
        for changes in (self._turn.changes[self.partition], self.changes):
            for key in changes.irange(prefix, prefix + LAST_CHARACTER):
                value = changes[key].value
                if value is None:
                    found.pop(key, None)
                else:
                    found[key] = value
        yield from sorted(found.items())

    def put(self, key: str, value: object, *, deadline_ms: int | None = None) -> None:
        """Remembers a message under a key, with a timer that falls due at `deadline_ms`."""
        self.changes[key] = _Change(value, deadline_ms)

    def delete(self, key: str) -> None:
        """Forgets a key."""
        self.changes[key] = _Change(None, None)

    def checkpoint(self) -> None:
        """Commits what was sent and remembered so far, without advancing past this record.

        After a crash the record is handled again from its beginning; what it sends must be the same then.
        """
        self._turn.checkpoint(self)

    def lives(self) -> None:
        """To be called now and then in long work on one record, or its partitions go to another member meanwhile."""
        self._turn.lives()

    def refuse(self, problem: BadRecord, *, subject: str = "", part: bytes | None = None) -> None:
        """Writes a dead letter: for this record, or for the part of it that `subject` names."""
        record = self.record
        service = self._turn.worker.partition("-")[0]
        call_id = getattr(self.message, "call_id", None) or self.headers.get("call_id")
        run = getattr(self.message, "run", None)
        letter = DeadLetter(
            service=service,
            worker=self._turn.worker,
            service_version=__version__,
            topic=record.topic if record else "",
            partition=self.partition,
            offset=record.offset if record else -1,
            key=record.key if record else None,
            value=record.value if record else None,
            part=part,
            headers=dict(self.headers),
            timestamp_ms=record.timestamp_ms if record else self.now_ms,
            error=problem.reason,
            message=problem.message,
            subject=subject or call_id or (record.key or b"").decode("utf-8", "replace") if record else subject,
            call_id=call_id,
            run=run if run is not None else _number(self.headers.get("run")),
            attempt=1,
            event_time_ms=self.now_ms,
        )
        self.send(dead_letters(service), letter.subject, letter)
        # Without the message, which may quote numbers or words of people.
        _log.warning(
            "refused",
            worker=letter.worker,
            error=letter.error,
            call_id=letter.call_id,
            run=letter.run,
            trace_id=self.trace,
            source=f"{letter.topic}/{letter.partition}/{letter.offset}",
        )

    def attempt(self, handle: Callable[["Step"], None], refused: Callable[["Step", BadRecord], None]) -> None:
        """Runs `handle`; when it finds the record bad, drops what it had gathered, refuses and answers instead."""
        if self.refusal is None:
            try:
                handle(self)
            except BadRecord as problem:
                self.refusal = problem
        if self.refusal is not None:
            self.fail(self.refusal, refused)

    def fail(self, problem: BadRecord, refused: Callable[["Step", BadRecord], None]) -> None:
        """Drops what was gathered, writes the dead letter and lets `refused` answer."""
        self.refusal = problem
        self.failed = True
        self.outputs = []
        self.changes = SortedDict()
        self.refuse(problem)
        if self._answerable:
            refused(self, problem)

    def condemn(self, problem: BadRecord, *, answerable: bool) -> None:
        """Has the record refused without being handled; and without an answer, when even that is too much."""
        self.refusal = problem
        self._answerable = answerable

    def finish(self) -> None:
        """This record is done: the steps behind it see what it has changed, and a checkpoint of theirs commits it."""
        self._turn.accept(self)


def _number(text: str | None) -> int | None:
    """The number that a header holds; None when it is none that fits an Avro long."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _LONG_DIGITS else None
