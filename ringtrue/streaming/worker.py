"""The worker: one loop for every service.

The life of a record: it is received with its batch, decoded, handled (computed, with no transaction open), and then
everything the batch brought is committed at once: messages, state, dead letters and the position. Only then does it
exist for anyone else. What may happen on the way:

- it is bad: its dead letter and a failed result for whoever waits take the place of what it would have brought;
- something is away (storage, a database): the whole turn is dropped and begun again, with back-off;
- it is of a newer schema: its partition waits, from this record on, until the worker has been upgraded;
- the partitions have gone to another member: the turn is dropped, the other one handles it;
- it kills the process: see `quarantine.py`.
"""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext

import structlog

from ringtrue.errors import Away, BadRecord
from ringtrue.messages import Failure
from ringtrue.streaming import faults
from ringtrue.streaming.codec import Codec, UnknownSchema
from ringtrue.streaming.port import Log, Member, PartitionsLost, Record, Subscription
from ringtrue.streaming.quarantine import Quarantine
from ringtrue.streaming.step import Step, Turn
from ringtrue.streaming.topics import Topic
from ringtrue.telemetry import LAST_COMMIT, OUTPUTS, RECORD_AGE, RECORDS, RETRIES, TRANSACTION, Health
from ringtrue.times import now_ms

_log = structlog.get_logger()

_BACK_OFF_S = (0.2, 30.0)
_TIMERS_EVERY_S = 1.0
_TIMERS_LIMIT = 200
_WAIT_S = 0.5
#: A fraction of what a group waits for a member (`max_poll_interval_s`).
_LONG_TURN_S = 10.0


class Worker:
    """What a service writes: its inputs and what to do with a message, in `handle` or `handle_many`.

    Attributes:
        name: `service-worker`; also the name of its consumer group.
        inputs: The topics it reads.
        state: The name of its state topic, for a worker that remembers.
        limit: Records in a batch at most.
        linger_s: How long a batch may wait to fill up.
    """

    name: str
    inputs: tuple[Topic, ...]
    state: str | None = None
    limit: int = 64
    linger_s: float = 0.0

    def start(self) -> None:
        """Loads what it needs. Called once, before the first record."""

    def stop(self) -> None:
        """Lets go of what `start` took."""

    def handle(self, step: Step) -> None:
        """Handles one message.

        Raises:
            BadRecord: The message is at fault.
            Away: Something that is needed cannot be reached now.
        """
        raise NotImplementedError(f"{type(self).__name__} must define handle or handle_many")

    def handle_many(self, steps: Sequence[Step]) -> None:
        """Handles a batch; by default one message after the other.

        Who overrides it must `attempt` every step, for that is what refuses undecodable ones. Steps that are not
        finished do not see each other's state changes.
        """
        for step in steps:
            step.attempt(self.handle, self.refused)
            step.finish()

    def wanted(self) -> int:
        """How many records to take now, at most `limit`. Asked before each batch."""
        return self.limit

    def paused(self) -> str:
        """Why no more records should be taken now; empty to go on. Asked before each batch."""
        return ""

    def refused(self, step: Step, problem: BadRecord) -> None:
        """Answers for a record that was refused, so that nobody waits for it. `step.headers` name the call, if any."""

    def expire(self, step: Step, key: str) -> None:
        """A timer of the state entry `key` is due. It must be changed, or it falls due again at once."""

    def resume_from(self, topic: str, partition: int) -> int | None:
        """Where to read from, for a worker that keeps its positions with its results."""
        return None

    def failure(self, problem: BadRecord) -> Failure:
        """The failure that a refused record's answer carries."""
        return Failure(stage=self.name, reason=problem.reason, message=problem.message)


class Loop:
    """Runs a worker on a log until told to stop."""

    def __init__(
        self,
        worker: Worker,
        log: Log,
        *,
        slot: str = "0",
        stop: threading.Event,
        health: Health,
        codec: Codec | None = None,
    ) -> None:
        self._worker = worker
        self._log_port = log
        self._slot = slot
        self._stop = stop
        self._health = health
        self._codec = codec or Codec()
        self._quarantine = Quarantine(worker.limit)
        self._next_timers = 0.0
        self._behind = False  # what was received last was not committed
        self._waiting = dict[int, UnknownSchema]()  # partition -> why nothing of it is handled now
        self._waiting_since = 0.0

    def run(self) -> None:
        """Turns until stopped. An error that is not the record's ends it: the process shall end and start afresh."""
        worker = self._worker
        subscription = Subscription(worker.name, self._slot, tuple(t.name for t in worker.inputs), worker.state)
        with ExitStack() as ending:
            if not self._started():
                return
            ending.callback(worker.stop)
            member = self._log_port.join(subscription)
            ending.callback(member.leave)
            back_off = _BACK_OFF_S[0]
            while not self._stop.is_set():
                try:
                    if self._behind:
                        self._waiting.clear()
                        member.rewind()
                        self._resume(member, member.partitions)
                        self._behind = False
                    self._turn(member)
                except PartitionsLost as error:
                    _log.warning("partitions lost", worker=worker.name, reason=str(error))
                except Away as error:
                    self._health.away(str(error))
                    RETRIES.labels(worker.name).inc()
                    _log.warning("away", worker=worker.name, reason=str(error), retry_s=round(back_off, 1))
                    self._pause(member, back_off)
                    back_off = min(_BACK_OFF_S[1], back_off * 2)
                else:
                    back_off = _BACK_OFF_S[0]
                    self._health.turned(ready=member.assigned)
                    continue
                self._behind = True
            self._forget_starts(member)

    def _started(self) -> bool:
        """Starts the worker, as often as it takes while something is away; False when stopped meanwhile."""
        back_off = _BACK_OFF_S[0]
        while not self._stop.is_set():
            try:
                self._codec.prepare()
                self._worker.start()
            except Away as error:
                self._health.away(str(error))
                _log.warning("away", worker=self._worker.name, reason=str(error), retry_s=round(back_off, 1))
                self._stop.wait(back_off)
                back_off = min(_BACK_OFF_S[1], back_off * 2)
            else:
                return True
        return False

    def _turn(self, member: Member) -> None:
        if reason := self._worker.paused():
            _log.info("paused", worker=self._worker.name, reason=reason)
            self._pause(member, 1.0)
            return
        self._quarantine.look(member)
        careful = self._quarantine.careful
        received = member.receive(
            1 if careful else self._worker.wanted(), _WAIT_S, 0.0 if careful else self._worker.linger_s
        )
        self._quarantine.revoked(received.revoked)
        for partition in received.revoked:
            self._waiting.pop(partition, None)
        if received.assigned:
            self._quarantine.assigned(member, received.assigned)
            self._resume(member, received.assigned)
        records = [record for record in received.records if record.partition not in self._waiting]
        if records:
            faults.passes(self._worker.name, "received")
            self._handle(member, records)
        if time.monotonic() >= self._next_timers:
            self._next_timers = time.monotonic() + _TIMERS_EVERY_S
            self._expire(member)
        if self._waiting and (not records or time.monotonic() - self._waiting_since > _BACK_OFF_S[1]):
            raise next(iter(self._waiting.values()))

    def _handle(self, member: Member, records: Sequence[Record]) -> None:
        turn = self._begin(member)
        steps = list(self._known(turn, records))
        if not steps:
            return
        records = [step.record for step in steps if step.record is not None]
        with self._quarantine.alone(member, steps[0]) if self._quarantine.careful else nullcontext():
            self._worker.handle_many(steps)
            for step in steps:
                step.finish()
            turn.notes |= self._quarantine.notes(records)
            faults.passes(self._worker.name, "handled")
            self._commit(turn)
        self._quarantine.passed(records)
        faults.passes(self._worker.name, "committed")
        for step in steps:
            RECORDS.labels(self._worker.name, "refused" if step.refusal else "handled").inc()
            if step.record is not None:
                RECORD_AGE.labels(self._worker.name).observe(max(0, now_ms() - step.record.timestamp_ms) / 1000)

    def _begin(self, member: Member) -> Turn:
        return Turn(
            self._worker.name,
            self._codec,
            member,
            now_ms(),
            self._log_port.max_record_bytes,
            lambda: self._lives(member),
        )

    def _lives(self, member: Member) -> None:
        """In the midst of a turn: when it has become long, the group and the probes hear that it goes on.

        Not before: who takes part in a rebalance in the midst of a turn may lose the turn.
        """
        if time.monotonic() - self._health.turned_at > _LONG_TURN_S:
            member.heartbeat()
            self._health.lives()

    def _known(self, turn: Turn, records: Sequence[Record]) -> Iterator[Step]:
        """The steps of the records, without the partitions that have to wait for a newer schema."""
        for record in records:
            if record.partition in self._waiting:
                continue
            try:
                yield self._decode(turn, record)
            except UnknownSchema as error:
                self._waiting_since = time.monotonic()
                self._waiting[record.partition] = error
                _log.warning(
                    "a partition waits",
                    worker=self._worker.name,
                    source=f"{record.topic}/{record.partition}/{record.offset}",
                    reason=str(error),
                )

    def _decode(self, turn: Turn, record: Record) -> Step:
        try:
            return Step(turn, record.partition, record, self.decode(record))
        except BadRecord as problem:
            step = Step(turn, record.partition, record)
            step.refusal = problem
            return step

    def decode(self, record: Record) -> object:
        """The message of a record. Notifications of the bucket are JSON and stay bytes.

        Raises:
            BadRecord: It has no key, or its bytes are no message.
            UnknownSchema: A newer version wrote it.
        """
        if record.topic.endswith(".notifications"):
            return record.value or b""
        if record.key is None:
            raise BadRecord("no_key", "a record without a key: nobody knows which partition it belongs to")
        return self._codec.decode(record.value)

    def _commit(self, turn: Turn) -> None:
        written = len(turn.outputs)
        with TRANSACTION.labels(self._worker.name).time():
            if not turn.commit():
                return
        OUTPUTS.labels(self._worker.name).inc(written)
        LAST_COMMIT.labels(self._worker.name).set_to_current_time()

    def _expire(self, member: Member) -> None:
        if self._worker.state is None:
            return
        for partition in member.partitions - self._waiting.keys():
            state = member.state(partition)
            if not state.due(now_ms(), 1):  # the partition's own clock is never ahead of this one, and costs more
                continue
            due = state.due(member.clock_ms(partition), _TIMERS_LIMIT)
            turn = self._begin(member)
            for key, _ in due:
                step = Step(turn, partition)
                self._worker.expire(step, key)
                turn.accept(step)
            self._commit(turn)

    def _resume(self, member: Member, partitions: frozenset[int]) -> None:
        for partition in partitions:
            for topic in self._worker.inputs:
                place = self._worker.resume_from(topic.name, partition)
                if place is not None and place < member.position(topic.name, partition):
                    _log.info("reading again", worker=self._worker.name, topic=topic.name, offset=place)
                    member.seek(topic.name, partition, place)

    def _forget_starts(self, member: Member) -> None:
        """An orderly stop: the next start need not be careful."""
        turn = self._begin(member)
        turn.notes |= dict.fromkeys(member.partitions, "")
        try:
            turn.commit()
        except (PartitionsLost, Away) as error:
            _log.warning("left without a word", worker=self._worker.name, reason=str(error))

    def _pause(self, member: Member, seconds: float) -> None:
        deadline = time.monotonic() + seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, no secret
        while time.monotonic() < deadline and not self._stop.wait(0.1):
            try:
                member.heartbeat()
            except Away:
                continue
