"""Watches what the pipeline writes while faults befall it, as any reader would: read_committed, from the start.

What must never be seen is found at the moment it appears; what must have come in the end, `pipeline.py` looks at.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ringtrue.messages import CallCommand, CallTranscribed, DeadLetter, SegmentTranscribed
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.topics import (
    CALLS_COMMANDS,
    CALLS_TRANSCRIBED,
    SEGMENTS_TRANSCRIBED,
    dead_letters,
    state_of,
)
from services.assembler.state import OpenCall
from tests.faults.job import PARTITIONS

STATE = state_of("assembler")
LETTERS = (dead_letters("asr"), dead_letters("assembler"))
WATCHED = (SEGMENTS_TRANSCRIBED, CALLS_TRANSCRIBED, CALLS_COMMANDS, STATE, *LETTERS)

_LOOK_S = 0.05


class Observer:
    """A read_committed consumer in a thread of its own.

    Attributes:
        problems: What was seen and must never be.
        closed: The result of each (call, run).
        sources: Records of `segments.audio` that were answered, as `partition/offset`.
        state: The fold of the assembler's state topic, by (partition, key).
        letters: All dead letters.
        commands: All commands.
        seen: How many records in all.
        changes: How many changes of the state.
    """

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.problems = list[str]()
        self.closed = dict[tuple[str, int], CallTranscribed]()
        self.sources = set[str]()
        self.state = dict[tuple[int, str], bytes]()
        self.letters = list[DeadLetter]()
        self.commands = list[CallCommand]()
        self.seen = 0
        self.changes = 0
        self._batches = Counter[str]()
        self._last = dict[tuple[str, int], int]()
        self._last_source = dict[int, int]()
        self._runs = dict[str, OpenCall]()
        self._prefix = prefix
        self._codec = Codec()
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{prefix}observer",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 20,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
                "error_cb": lambda error: None,
            }
        )
        self._consumer.assign(
            [TopicPartition(f"{prefix}{topic.name}", number, 0) for topic in WATCHED for number in range(PARTITIONS)]
        )
        self._thread = threading.Thread(target=self._watch, name="observer", daemon=True)
        self._thread.start()

    def torn(self) -> list[str]:
        """Batches of the copier that can be seen in part: each was one transaction."""
        return [f"batch {batch}: {count} seen" for batch, count in self._batches.items() if _size(batch) != count]

    def until(self, condition: Callable[[], bool], patience_s: float) -> bool:
        """Waits until it holds or something forbidden was seen; whether it holds."""
        deadline = time.monotonic() + patience_s
        while not condition():
            if self.problems or time.monotonic() > deadline or not self._thread.is_alive():
                return False
            time.sleep(_LOOK_S)
        return True

    def close(self) -> None:
        """Stops watching."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _watch(self) -> None:
        last = "its start"
        try:
            while not self._stop.is_set():
                message = self._consumer.poll(_LOOK_S)
                if message is not None:
                    last = f"{message.topic()}/{message.partition()}/{message.offset()} {message.key()!r}"
                    self._look(message)
        except Exception as error:
            self.problems.append(f"the observer ended at {last}: {error!r}")

    def _look(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if not (error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)):
                self.problems.append(f"the observer cannot read: {error.str()}")
            return
        topic = (message.topic() or "").removeprefix(self._prefix)
        number, offset = message.partition() or 0, message.offset() or 0
        last = self._last.get((topic, number), -1)
        self._expect(offset > last, f"{topic}/{number}: offset {offset} after {last}")
        self._last[topic, number] = offset
        if topic == STATE.name:
            if is_change(message):
                self._state(number, (message.key() or b"").decode().removeprefix("="), message.value())
        else:
            match self._codec.decode(message.value()):
                case SegmentTranscribed() as part:
                    self._part(number, part)
                case CallTranscribed() as call:
                    key = (call.call_id, call.run)
                    self._expect(key not in self.closed, f"call {key} was closed twice")
                    self.closed[key] = call
                case DeadLetter() as letter:
                    twins = [
                        one for one in self.letters if (_where(one), one.worker) == (_where(letter), letter.worker)
                    ]
                    self._expect(not twins, f"two dead letters of {letter.worker} for {_where(letter)}")
                    self.letters.append(letter)
                case CallCommand() as command:
                    self.commands.append(command)
        self.seen += 1

    def _part(self, number: int, part: SegmentTranscribed) -> None:
        if not part.model:  # refused: its dead letter tells where it came from
            return
        self._expect(part.model not in self.sources, f"segments.audio/{part.model} was answered twice")
        self.sources.add(part.model)
        came_from, _, offset = part.model.partition("/")
        self._expect(int(came_from) == number, f"segments.audio/{part.model} was answered in partition {number}")
        last = self._last_source.get(number, -1)
        self._expect(int(offset) > last, f"segments.audio/{part.model} was answered after offset {last}")
        self._last_source[number] = int(offset)
        self._batches[part.model_revision] += 1

    def _state(self, number: int, key: str, value: bytes | None) -> None:
        self.changes += 1
        if value is None:
            self.state.pop((number, key), None)
            self._runs.pop(key, None)
            return
        self.state[number, key] = value
        call = self._codec.decode(value)
        if isinstance(call, OpenCall):
            before = self._runs.get(key)
            if before is not None:
                self._expect(call.run >= before.run, f"{key}: run {call.run} after run {before.run}")
                if call.run == before.run:
                    self._expect(not before.closed, f"{key}: run {call.run} was changed after it had been closed")
                    forgot = set(before.received) - set(call.received)
                    self._expect(call.closed or not forgot, f"{key}: run {call.run} forgot its parts {forgot}")
            self._runs[key] = call

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)


def is_change(message: Message) -> bool:
    """Whether a message of a state topic is a change, and no barrier."""
    return (message.key() or b"").startswith(b"=")


def _where(letter: DeadLetter) -> str:
    return f"{letter.topic}/{letter.partition}/{letter.offset}/{letter.subject}"


def _size(batch: str) -> int:
    return int(batch.rpartition(":")[2])
