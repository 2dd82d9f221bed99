"""What librdkafka does in the background for a consumer that has subscribed: joins, heartbeats, time-outs.

Whatever the application must do (a rebalance callback, an error to be read) waits in `told` until it polls. Once a
rebalance has begun nothing of the old assignment is handed out any more.

Source: librdkafka, `rdkafka_cgrp.c`, eager protocol.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from confluent_kafka import KafkaError

from tests.simulator.groups import Group
from tests.simulator.members import Assignment, Joined, divide
from tests.simulator.partition import Refused
from tests.simulator.schedule import Process, Schedule

#: How often the library looks after the group.
_LOOK_S = 0.05
_REJOIN_S = 0.5


class Phase(Enum):
    """Of a membership."""

    OUT = "out"
    JOINING = "joining"
    SYNCING = "syncing"
    ASSIGNING = "assigning"  # the application has to take the assignment
    STEADY = "steady"
    REVOKING = "revoking"  # the application has to give it back


@dataclass(frozen=True, slots=True)
class Assigned:
    """Partitions to take."""

    parts: Assignment


@dataclass(frozen=True, slots=True)
class Revoked:
    """Partitions to give back; when they are lost, another member may have them already."""

    parts: Assignment
    lost: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """An error to be read."""

    error: KafkaError
    topic: str | None = None


class Membership:
    """One consumer's side of a group.

    Args:
        schedule: Turns and time.
        process: Whose consumer it is.
        group: The group.
        partitions: By topic, how many partitions it has.
        config: The consumer's configuration.
    """

    def __init__(
        self,
        schedule: Schedule,
        process: Process,
        group: Group,
        partitions: Callable[[], Mapping[str, int]],
        config: Mapping[str, Any],
    ) -> None:
        self.member_id = ""
        self.generation = -1
        self.instance: str | None = config.get("group.instance.id")
        self.phase = Phase.OUT
        self.told = deque[Assigned | Revoked | Failed]()
        self.fatal: KafkaError | None = None
        self.polling = False
        self._schedule = schedule
        self._process = process
        self._group = group
        self._partitions = partitions
        self._session_s = int(config.get("session.timeout.ms", 45_000)) / 1000
        self._heartbeat_s = int(config.get("heartbeat.interval.ms", 3_000)) / 1000
        self._max_poll_s = int(config.get("max.poll.interval.ms", 300_000)) / 1000
        self._topics: tuple[str, ...] = ()
        self._missing = set[str]()
        self._share: Assignment | None = None
        self._closed = False
        self._polled_at = schedule.now()
        self._heard_at = schedule.now()
        self._next_heartbeat = 0.0
        self._rejoin_at = 0.0
        self._put_out = False  # by max.poll.interval.ms

    def subscribe(self, topics: tuple[str, ...]) -> None:
        """Begins to take part."""
        self._topics = topics
        self._polled_at = self._schedule.now()
        self._later(0.0, self._look)

    def unsubscribe(self) -> None:
        """Ceases to take part."""
        self._topics = ()
        if self.phase in (Phase.JOINING, Phase.SYNCING):
            self.phase = Phase.OUT

    def polled(self) -> None:
        """The application has called."""
        self._polled_at = self._schedule.now()

    def assigned(self) -> None:
        """The application has taken its assignment."""
        if self.phase is Phase.ASSIGNING:
            self.phase = Phase.STEADY

    def revoked(self) -> None:
        """The application has given its assignment back: the library joins anew."""
        if self.phase is Phase.REVOKING:
            self._share = None
            self._out()

    def close(self) -> None:
        """Leaves the group, unless it is a static member."""
        self._closed = True
        if self.member_id and self.instance is None:
            self._group.leave(self.member_id)
        self.member_id = ""

    @property
    def held_back(self) -> bool:
        """Whether nothing may be handed out, since the application has a callback to serve."""
        return self.phase is not Phase.STEADY

    @property
    def tells_of_assignment(self) -> bool:
        """Whether the application is still to be told of an assignment."""
        return any(isinstance(one, Assigned) for one in self.told)

    @property
    def has_assignment(self) -> bool:
        """Whether there is something to give back on closing."""
        return bool(self._share)

    @property
    def share(self) -> Assignment:
        """What the group gave it."""
        return self._share or ()

    # --- in the background

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Has the library do something, as soon as the process is running."""

        def when_awake() -> None:
            if self._process.dead or self._closed:
                return
            left_s = self._process.frozen_until - self._schedule.now()
            if left_s > 0:  # who wakes may go on before its library has looked around
                self._schedule.at(left_s + self._schedule.rng.uniform(0, 0.5), when_awake)
            else:
                action()

        self._schedule.at(delay_s, when_awake)

    def _look(self) -> None:
        now = self._schedule.now()
        if self.fatal is not None:
            return
        self._check_max_poll(now)
        if self.phase is Phase.OUT and self._topics and now >= self._rejoin_at:
            self._join()
        elif self.phase in (Phase.ASSIGNING, Phase.STEADY, Phase.REVOKING):
            if now - self._heard_at > self._session_s:
                self._heard_at = now
                self.member_id = ""
                self._revoke(lost=True)
            elif now >= self._next_heartbeat and not self._put_out:
                self._next_heartbeat = now + self._heartbeat_s
                self._heartbeat()
        self._later(_LOOK_S if self._session_s < 5 else 4 * _LOOK_S, self._look)

    def _check_max_poll(self, now: float) -> None:
        if self._put_out or self.polling or not self._topics or now - self._polled_at <= self._max_poll_s:
            return
        self._put_out = True
        self.told.append(
            Failed(KafkaError(KafkaError._MAX_POLL_EXCEEDED, "Application maximum poll interval exceeded"))
        )
        if self.member_id and self.instance is None:
            self._group.leave(self.member_id)
        self.member_id = ""
        # librdkafka 2.16 keeps the generation, so that a broker still refuses; the simulator forgets it, which is the
        # worst that a client might do (design.md, the Kafka adapter, 3).
        self.generation = -1
        self._revoke(lost=True)

    def _join(self) -> None:
        if self._put_out:
            if self._schedule.now() - self._polled_at > self._max_poll_s:
                return  # not before the application polls again
            self._put_out = False
        known = self._partitions()
        for topic in self._topics:
            if topic not in known and topic not in self._missing:
                self._missing.add(topic)
                code = KafkaError.UNKNOWN_TOPIC_OR_PART
                self.told.append(Failed(KafkaError(code, f"Subscribed topic not available: {topic}"), topic))
        topics = tuple(sorted(topic for topic in self._topics if topic in known))
        if not topics:
            self._rejoin_at = self._schedule.now() + _REJOIN_S
            return
        self.phase = Phase.JOINING
        self._group.join(
            self.member_id, self.instance, topics, self._session_s, self._max_poll_s, lambda answer: self._hear(answer)
        )

    def _hear(self, answer: Joined | Refused) -> None:
        self._later(self._latency(), lambda: self._joined(answer))

    def _joined(self, answer: Joined | Refused) -> None:
        if self.phase is not Phase.JOINING:
            return
        if isinstance(answer, Refused):
            self._refused(answer)
            return
        self.member_id = answer.member
        self.generation = answer.generation
        self._heard_at = self._schedule.now()
        self.phase = Phase.SYNCING
        if answer.leads:
            shares = divide(answer.members, self._partitions())
            self._group.divide(self.member_id, self.instance, self.generation, shares, self._hear_share)
        else:
            self._group.sync(self.member_id, self.instance, self.generation, self._hear_share)

    def _hear_share(self, share: Assignment | Refused) -> None:
        self._later(self._latency(), lambda: self._synced(share))

    def _synced(self, share: Assignment | Refused) -> None:
        if self.phase is not Phase.SYNCING:
            return
        if isinstance(share, Refused):
            self._refused(share)
            return
        self._heard_at = self._schedule.now()
        self._share = share
        self.phase = Phase.ASSIGNING
        self.told.append(Assigned(share))

    def _heartbeat(self) -> None:
        try:
            self._group.heartbeat(self.member_id, self.instance, self.generation)
        except Refused as refused:
            code = refused.code
            if code == KafkaError.REBALANCE_IN_PROGRESS:
                self._heard_at = self._schedule.now()
                self._revoke(lost=False)
            elif code == KafkaError.ILLEGAL_GENERATION:
                self.generation = -1
                self._revoke(lost=True)
            elif code == KafkaError.UNKNOWN_MEMBER_ID:
                self.member_id = ""
                self._revoke(lost=True)
            else:
                self._fail(refused)
        else:
            self._heard_at = self._schedule.now()

    def _refused(self, refused: Refused) -> None:
        """JoinGroup or SyncGroup was not granted."""
        if refused.code == KafkaError.FENCED_INSTANCE_ID:
            self._fail(refused)
            return
        if refused.code == KafkaError.UNKNOWN_MEMBER_ID:
            self.member_id = ""
        elif refused.code == KafkaError.ILLEGAL_GENERATION:
            self.generation = -1
        self._out()

    def _fail(self, refused: Refused) -> None:
        """Another process has this instance id: nothing goes on from here."""
        self.fatal = KafkaError(refused.code, "Static consumer fenced by other consumer with same group.instance.id")
        self.told.clear()
        self._share = None
        self.phase = Phase.OUT
        self.told.append(Failed(KafkaError(KafkaError._FATAL, f"Fatal error: {self.fatal.str()}")))

    def _revoke(self, *, lost: bool) -> None:
        """The assignment has to be given back, unless a rebalance is under way already."""
        if self.phase is not Phase.STEADY:
            return
        if self._share is None:
            self._out()
        else:
            self.phase = Phase.REVOKING
            self.told.append(Revoked(self._share, lost))

    def _out(self) -> None:
        self.phase = Phase.OUT
        self._rejoin_at = self._schedule.now()
        self._later(self._latency(), self._join_now)

    def _join_now(self) -> None:
        if self.phase is Phase.OUT and self.fatal is None:
            self._join()

    def _latency(self) -> float:
        return self._schedule.rng.uniform(0.0002, 0.01)
