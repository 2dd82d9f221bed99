"""A small pipeline on a real broker: a copier in asr's place feeds the real assembler, and an observer watches both.

Every test has one of its own, by a prefix. What the tests feed is calls of some parts; what must come of them follows
from what was fed alone (`reference`), whatever happened on the way.
"""

import signal
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from ringtrue.messages import CallHeard, SegmentAudio
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.topics import CALLS_HEARD, READ_BY, SEGMENTS_AUDIO, Topic
from services.assembler.state import OpenCall
from tests.faults.job import PARTITIONS, Job
from tests.faults.observer import WATCHED, Observer
from tests.faults.process import PATIENCE_S, Child, Fault

TOPICS = (CALLS_HEARD, SEGMENTS_AUDIO, *WATCHED)
GROUPS = {"asr": [topic.name for topic in READ_BY["asr"]], "assembler": [topic.name for topic in READ_BY["assembler"]]}


@dataclass(frozen=True, slots=True)
class Call:
    """A run of a call as a test feeds it."""

    call_id: str
    parts: int = 3
    run: int = 1

    @property
    def text(self) -> str:
        """What its transcript must be."""
        return " ".join(f"word{index}" for index in range(self.parts))

    @property
    def heard(self) -> Outgoing:
        """Its record in `calls.heard`."""
        heard = CallHeard(call_id=self.call_id, run=self.run, status="ok", parts_total=self.parts, event_time_ms=0)
        return _outgoing(CALLS_HEARD.name, heard)

    @property
    def audio(self) -> list[Outgoing]:
        """Its records in `segments.audio`."""
        return [
            _outgoing(
                SEGMENTS_AUDIO.name,
                SegmentAudio(
                    call_id=self.call_id,
                    run=self.run,
                    index=index,
                    total=self.parts,
                    channel=0,
                    start_ms=index * 1000,
                    end_ms=index * 1000 + 900,
                    overlap_ms=0,
                    rate_hz=8000,
                    flac=b"fLaC" * 50,
                    event_time_ms=0,
                ),
            )
            for index in range(self.parts)
        ]


def calls(count: int, name: str = "call", parts: int = 3) -> list[Call]:
    """So many calls; their ids fall into every partition."""
    return [Call(f"bucket/{name}-{number}", parts) for number in range(count)]


class Pipeline:
    """The pipeline of one test."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.prefix = f"faults-{uuid.uuid4().hex[:10]}."
        self.folder = folder
        self.fed = list[Call]()
        self._started = 0
        self._children = list[Child]()
        with ExitStack() as stack:
            self.log = KafkaLog(self.job("copier").kafka, self.job("copier").log, folder / "test")
            stack.callback(self.log.close)
            self.log.create_topics(TOPICS)
            self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
            self.observer = Observer(bootstrap, self.prefix)
            stack.callback(self.observer.close)
            stack.callback(self._kill_all)
            self._ending = stack.pop_all()

    def close(self) -> None:
        """Ends every process, and the observer."""
        self._ending.close()

    def job(self, role: str, **options: Any) -> Job:
        """A job of this pipeline; each is done on a machine of its own unless `folder` says otherwise."""
        self_made = str(self.folder / f"machine-{uuid.uuid4().hex[:6]}")
        return Job(role, self.bootstrap, self.prefix, **{"folder": self_made} | options)

    def start(self, role: str, *, at: "Fault | None" = None, **options: Any) -> Child:
        """Starts a worker process.

        Args:
            role: See `Job`.
            at: Where it dies or stops.
            options: See `Job`.
        """
        job = self.job(role, **options)
        self._started += 1
        environment = at.environment(self.prefix, job) if at is not None else {}
        child = Child(job, environment, self.folder / f"{self._started}-{role}.log")
        self._children.append(child)
        return child

    def feed(self, fed: Sequence[Call], *, heard: bool = True, audio: bool = True) -> None:
        """Appends calls as ingest would."""
        self.log.append([call.heard for call in fed if heard] + [part for call in fed for part in call.audio if audio])
        self.fed += [call for call in fed if call not in self.fed]

    @contextmanager
    def load(self, count: int, every_s: float, name: str = "load") -> Iterator[None]:
        """Feeds calls one after the other meanwhile; all have been fed at the end."""

        def feed() -> None:
            for call in calls(count, name):
                self.feed([call])
                time.sleep(every_s)

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        yield
        thread.join()

    def is_closed(self, wanted: Iterable[Call]) -> bool:
        """Whether the observer has seen the results of these calls."""
        return all((call.call_id, call.run) in self.observer.closed for call in wanted)

    def closes(self, wanted: Iterable[Call], patience_s: float = PATIENCE_S) -> None:
        """Waits for the results of these calls."""
        waiting = list(wanted)
        if not self.observer.until(lambda: self.is_closed(waiting), patience_s):
            missing = [call.call_id for call in waiting if not self.is_closed([call])]
            raise AssertionError(
                f"{self.observer.problems or f'{missing[:9]} of {len(waiting)} do not come'}\n{self._tails()}"
            )

    def is_settled(self) -> bool:
        """Whether both groups have committed behind the last record."""
        return not any(self.log.backlog(GROUPS).values())

    def check(self, *, failed: Iterable[Call] = (), letters: Iterable[tuple[str, str]] = ()) -> None:
        """Waits until everything is done, and compares it with the reference.

        Args:
            failed: Calls that must come out as failed or partial.
            letters: Worker and error of each dead letter that there must be.
        """
        self.closes(self.fed)
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_settled():
            assert time.monotonic() < deadline, (
                f"a group does not reach its end: {self.log.backlog(GROUPS)}\n{self._tails()}"
            )
            time.sleep(0.1)
        observer = self.observer
        # The observer has read behind everyone else, not necessarily as fast.
        assert observer.until(lambda: self._state() == self._reference(), 10.0) or observer.problems, (
            self._differences()
        )
        assert observer.problems == []
        assert observer.torn() == []
        assert observer.closed.keys() == {(call.call_id, call.run) for call in self.fed}
        bad = set(failed)
        for call in self.fed:
            result = observer.closed[call.call_id, call.run]
            if call in bad:
                assert result.status in ("failed", "partial"), call
            else:
                assert (result.status, result.text, result.parts_total) == ("complete", call.text, call.parts), call
        assert sorted((one.worker, one.error) for one in observer.letters) == sorted(letters)

    def seen(self) -> str:
        """What the observer has seen and what it was spared, for the table."""
        aborted = sum(len(self.uncommitted(topic)) for topic in WATCHED) - self.observer.seen
        shown = f"{len(self.observer.closed)} calls closed once each"
        return f"{shown}; {aborted} aborted records never shown" if aborted > 0 else shown

    def uncommitted(self, topic: Topic) -> list[Message]:
        """Every message that lies in a topic now, also of aborted transactions."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}all",
                "enable.auto.commit": False,
                "isolation.level": "read_uncommitted",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
            }
        )
        consumer.assign([TopicPartition(f"{self.prefix}{topic.name}", number, 0) for number in range(PARTITIONS)])
        found, ended = list[Message](), 0
        while ended < PARTITIONS:
            message = consumer.poll(PATIENCE_S)
            assert message is not None, f"{topic.name} cannot be read"
            error = message.error()
            if error is None:
                found.append(message)
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error.str()
                ended += 1
        consumer.close()
        return found

    def configure(self, topic: Topic, **settings: str) -> None:
        """Alters a topic's configuration; `_` stands for `.` in the names."""
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, f"{self.prefix}{topic.name}", incremental_configs=entries)
        for future in self._admin.incremental_alter_configs([resource]).values():
            future.result()

    def forget(self, topic: Topic) -> None:
        """Deletes everything that a topic holds, as its retention would."""
        places = [TopicPartition(f"{self.prefix}{topic.name}", number, OFFSET_END) for number in range(PARTITIONS)]
        for future in self._admin.delete_records(places).values():
            future.result()

    def _state(self) -> dict[str, tuple[int, bool]]:
        codec = Codec()
        state = {key: codec.decode(value) for (_, key), value in dict(self.observer.state).items()}
        return {
            key: (value.run, value.closed) if isinstance(value, OpenCall) else (0, False)
            for key, value in state.items()
        }

    def _reference(self) -> dict[str, tuple[int, bool]]:
        """The state that a sequential run leaves behind: each call's last run, closed, and no part."""
        runs = dict[str, tuple[int, bool]]()
        for call in self.fed:
            runs[call.call_id] = max((call.run, True), runs.get(call.call_id, (0, True)))
        return runs

    def _differences(self) -> str:
        state, reference = self._state(), self._reference()
        keys = [key for key in state.keys() | reference.keys() if state.get(key) != reference.get(key)]
        return f"state differs: {[(key, state.get(key), reference.get(key)) for key in keys[:5]]}"

    def _tails(self) -> str:
        """The ends of the last processes' logs, with where those that live are now."""
        for child in self._children:
            if child.process.poll() is None:
                child.signal(signal.SIGUSR1)
        time.sleep(0.5)
        return "\n".join(
            f"--- {child.log.name} exit {child.process.poll()}\n{child.tail()}" for child in self._children[-3:]
        )

    def _kill_all(self) -> None:
        for child in self._children:
            child.kill()


def _outgoing(topic: str, message: Any) -> Outgoing:
    headers = {
        name: str(getattr(message, name)).encode()
        for name in ("call_id", "run", "index", "total")
        if hasattr(message, name)
    }
    return Outgoing(topic, message.call_id.encode(), Codec().encode(message), headers)
