"""The log, as a service sees it: receive a batch; commit its outputs, state changes and position, all or nothing.

A *group* (one worker of one service) reads its input topics once, shared among its *members* by partition number:
partition 3 of every input belongs to one member, and so does partition 3 of the group's keyed state. A member has a
stable *slot*; a process that joins with the slot of another one replaces it at once, and the older one is fenced.

    log.join(subscription) -> Member
    member.receive(...)    -> Received: records in the order of each partition, or a change of assignment
    member.commit(...)     all or nothing; raises PartitionsLost or Fenced when the partitions have gone to another

What a group may rely on is written as tests: `tests/contract/`. Every adapter passes the same ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ringtrue.errors import Away, Misconfigured, RingtrueError
from ringtrue.streaming.topics import Topic

Headers = Mapping[str, bytes]

#: Sorts behind every key with the same beginning.
LAST_CHARACTER = "\U0010ffff"


class Fenced(RingtrueError):
    """Another process has joined with this member's slot. Fatal: exit, the other one goes on."""


class PartitionsLost(RingtrueError):
    """The partitions of this commit belong to another member now. Nothing was committed: drop the turn."""


class LogAway(Away):
    """The log cannot be reached or is locked by another process for too long."""


class LogMismatch(Misconfigured):
    """The log is not the one that the settings or the positions speak of."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in the log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be written. Without a partition its key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=dict)
    partition: int | None = None
    timestamp_ms: int | None = None


def record_bytes(record: Outgoing) -> int:
    """The size of a record as the log counts it."""
    headers = sum(len(name) + len(value) for name, value in record.headers.items())
    return len(record.key or b"") + len(record.value or b"") + headers


@dataclass(frozen=True, slots=True)
class StateChange:
    """A new value of a key of the group's state, or its deletion (`value=None`).

    `deadline_ms` is when a timer for this entry falls due, UTC milliseconds.
    """

    partition: int
    key: str
    value: bytes | None
    deadline_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """What becomes true at once, or not at all.

    Attributes:
        positions: Next offset to read by (topic, partition). It may stay where it is (progress within one input).
        outputs: Records to write.
        changes: State changes.
        notes: A short text kept beside the positions of a partition; an empty one clears it.
    """

    positions: Mapping[tuple[str, int], int]
    outputs: Sequence[Outgoing] = ()
    changes: Sequence[StateChange] = ()
    notes: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """Records, or a change of assignment (then there are no records)."""

    records: Sequence[Record] = ()
    assigned: frozenset[int] = frozenset()
    revoked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a member reads, as which group and in which slot.

    `state` names the group's state topic, for groups that keep state.
    """

    group: str
    slot: str
    topics: tuple[str, ...]
    state: str | None = None


class State(Protocol):
    """The committed keyed state of one partition."""

    def get(self, key: str) -> bytes | None:
        """The value of a key."""

    def scan(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Keys with this prefix and their values, by key."""

    def due(self, clock_ms: int, limit: int) -> Sequence[tuple[str, bytes]]:
        """Entries whose deadline is at or before the clock, the earliest first."""


class Member(Protocol):
    """One member of a group. Used by one thread."""

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions it owns."""

    @property
    def assigned(self) -> bool:
        """Whether the group has given it its share, which may be none, and the state of it is there."""

    def receive(self, limit: int, wait_s: float, linger_s: float = 0.0) -> Received:
        """Waits up to `wait_s` for a first record, then up to `linger_s` for more, at most `limit`.

        When the assignment changes it returns at once, without records. Records that were received and not
        committed are not received again, unless `rewind` is called.
        """

    def rewind(self) -> None:
        """Starts again behind the last commit."""

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Reads this partition from `offset` on."""

    def heartbeat(self) -> None:
        """For long waits between two receives, so that they are not taken for a death.

        Work of one turn needs none, unless it is long: a member lives while its process does, but a group may take it
        for stuck (Kafka, after `max_poll_interval_s`). What it loses meanwhile the turn's commit refuses.

        Raises:
            Fenced: Another process has taken this slot.
        """

    def commit(self, commit: Commit) -> None:
        """Makes it all true, or nothing of it. A commit that names no partition touches all that the member owns.

        Raises:
            PartitionsLost: A partition that the commit touches belongs to another member.
            Fenced: Another process has taken this slot.
        """

    def state(self, partition: int) -> State:
        """The committed state of a partition it owns."""

    def position(self, topic: str, partition: int) -> int:
        """The next offset after the last commit."""

    def note(self, partition: int) -> str:
        """The note of the last commit that set one; empty without."""

    def clock_ms(self, partition: int) -> int:
        """The time for timers: the wall clock when the partition has been read to its end, else the time of the
        youngest record received, but never more than the wall clock."""

    def leave(self) -> None:
        """Gives the partitions back. Once is enough, twice does no harm."""


class Log(Protocol):
    """A connection to the log.

    Attributes:
        partitions: Partitions of every topic.
        max_record_bytes: What a worker's record may have in key, value and headers; dead letters may have more.
    """

    partitions: int
    max_record_bytes: int

    @property
    def id(self) -> str:
        """Tells this log from another one, so that positions kept elsewhere are not mixed up.

        Raises:
            LogAway: It cannot be asked.
        """

    def create_topics(self, topics: Sequence[Topic]) -> list[str]:
        """Creates the topics that are missing; which they were."""

    def join(self, subscription: Subscription) -> Member:
        """Joins a group. The calling thread owns the member."""

    def append(self, records: Sequence[Outgoing]) -> None:
        """Writes records outside any group, all or none."""

    def browse(self, topic: str) -> Iterator[Record]:
        """Every record that the topic holds now, partition by partition."""

    def backlog(self, groups: Mapping[str, Sequence[str]]) -> Mapping[tuple[str, str], int]:
        """Records that each group has still to commit, by (group, topic), as of one instant.

        Never less than there were at that instant, and 0 when none was left; more where the log cannot count them
        without reading.
        """

    def ends(self, topics: Sequence[str]) -> Mapping[str, int]:
        """How many records each topic has ever held; more where the log counts its own records too. 0 for one that
        never held any."""

    def tidy(self) -> int:
        """Removes what retention and compaction let go, where that is not the server's own work."""

    def close(self) -> None:
        """Lets go of files and connections."""
