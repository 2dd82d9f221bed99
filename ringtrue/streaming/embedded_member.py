"""A member of a group on the embedded log: what it receives and commits. Which partitions: `embedded_claims.py`."""

import time
from collections.abc import Mapping

import structlog

from ringtrue.streaming.embedded_claims import Claims
from ringtrue.streaming.embedded_file import RECORD_COLUMNS, LogFile, append, record_of
from ringtrue.streaming.port import Commit, LogMismatch, PartitionsLost, Received, Record, Subscription
from ringtrue.streaming.sqlite import away, connect, transaction
from ringtrue.streaming.state_table import StateTable, apply_changes
from ringtrue.times import now_ms

_logger = structlog.get_logger()

#: How often a member looks for a change of its share, which costs a few reads.
_LOOK_S = 0.2
#: How often an idle member looks whether another connection has written.
_POLL_S = 0.01


class EmbeddedMember:
    """One member of a group; see `ringtrue.streaming.port.Member`."""

    def __init__(self, log: LogFile, subscription: Subscription) -> None:
        self._log = log
        self._subscription = subscription
        self._connection = connect(log.path)
        self._claims = Claims(log, self._connection, subscription)
        self._next = dict[tuple[str, int], int]()  # next offset to receive
        self._youngest_ms = dict[int, int]()
        self._next_look = 0.0
        self._seen_version: tuple[int, int] | None = None
        self._has_left = False

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions it owns."""
        return frozenset(self._claims.owned)

    @property
    def assigned(self) -> bool:
        """See the port."""
        return self._claims.joined

    def receive(self, limit: int, wait_s: float, linger_s: float = 0.0) -> Received:
        """See the port."""
        deadline = time.monotonic() + wait_s
        records: list[Record] = []
        while True:
            if not records and time.monotonic() >= self._next_look:
                change = self._rebalance()
                if change.assigned or change.revoked:
                    return change
            if self._has_news():
                found = self._read(limit - len(records))
                if found and not records:
                    deadline = time.monotonic() + linger_s
                records += found
            now = time.monotonic()
            if len(records) >= limit or now >= deadline:
                return Received(records)
            time.sleep(min(_POLL_S, deadline - now))

    def rewind(self) -> None:
        """See the port."""
        for partition in self._claims.owned:
            self._load_positions(partition)
        self._seen_version = None

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """See the port."""
        self._check_position(topic, partition, offset)
        self._next[topic, partition] = offset
        self._seen_version = None

    def heartbeat(self) -> None:
        """See the port. That the process lives is said by its pulse."""
        with away():
            self._claims.check_slot()

    def commit(self, commit: Commit) -> None:
        """See the port."""
        touched = {partition for _, partition in commit.positions} | {change.partition for change in commit.changes}
        touched |= set(commit.notes)
        with transaction(self._connection):
            self._check_claims(touched or set(self._claims.owned))
            append(self._connection, commit.outputs, self._log.partitions)
            group, store = self._subscription.group, self._subscription.state
            if commit.changes and store is None:
                raise LogMismatch(f"the group {group} keeps no state: its subscription names no state topic")
            apply_changes(self._connection, store or "", commit.changes)
            self._connection.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                [(group, topic, number, offset) for (topic, number), offset in commit.positions.items()],
            )
            self._connection.executemany(
                "UPDATE claims SET note = ? WHERE grp = ? AND partition = ?",
                [(note, group, number) for number, note in commit.notes.items()],
            )

    def state(self, partition: int) -> StateTable:
        """See the port."""
        if self._subscription.state is None:
            raise LogMismatch(f"the group {self._subscription.group} keeps no state")
        return StateTable(self._connection, self._subscription.state, partition)

    def position(self, topic: str, partition: int) -> int:
        """See the port."""
        with away():
            row = self._connection.execute(
                "SELECT next_offset FROM positions WHERE grp = ? AND topic = ? AND partition = ?",
                (self._subscription.group, topic, partition),
            ).fetchone()
        return int(row[0]) if row else 0

    def note(self, partition: int) -> str:
        """See the port."""
        with away():
            row = self._connection.execute(
                "SELECT note FROM claims WHERE grp = ? AND partition = ?",
                (self._subscription.group, partition),
            ).fetchone()
        return str(row[0]) if row else ""

    def clock_ms(self, partition: int) -> int:
        """See the port."""
        ends = self._ends()
        if all(self._next[topic, partition] >= ends[topic, partition] for topic in self._subscription.topics):
            return now_ms()
        return min(self._youngest_ms.get(partition, 0), now_ms())

    def leave(self) -> None:
        """See the port."""
        if not self._has_left:
            self._has_left = True
            self._claims.give_back()
            self._connection.close()

    def _rebalance(self) -> Received:
        change = self._claims.rebalance()
        self._next_look = time.monotonic() + _LOOK_S
        for number in change.assigned:
            self._load_positions(number)
        if change.assigned or change.revoked:
            self._seen_version = None
        return change

    def _check_claims(self, touched: set[int]) -> None:
        try:
            self._claims.check(touched)
        except PartitionsLost:
            self._next_look = 0.0
            raise

    def _load_positions(self, partition: int) -> None:
        self._youngest_ms.pop(partition, None)
        for topic in self._subscription.topics:
            offset = self.position(topic, partition)
            self._check_position(topic, partition, offset)
            self._next[topic, partition] = offset

    def _check_position(self, topic: str, partition: int, offset: int) -> None:
        end = self._ends().get((topic, partition))
        if end is None:
            raise LogMismatch(f"the log {self._log.path} has no topic {topic!r}: create the topics first")
        if offset > end:
            raise LogMismatch(
                f"position {offset} of {topic}/{partition} lies beyond the end ({end}) of the log {self._log.path}: "
                "the log is not the one that this position was taken from"
            )

    def _ends(self) -> Mapping[tuple[str, int], int]:
        marks = ", ".join("?" * len(self._subscription.topics))
        query = f"SELECT topic, partition, next_offset FROM ends WHERE topic IN ({marks})"  # noqa: S608 - marks are ?
        with away():
            return {
                (topic, number): end
                for topic, number, end in self._connection.execute(query, self._subscription.topics)
            }

    def _has_news(self) -> bool:
        # data_version changes when another connection has committed: cheap to ask, so that idling costs little.
        with away():
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        own = self._connection.total_changes
        if (version, own) == self._seen_version:
            return False
        self._seen_version = (version, own)
        return True

    def _read(self, limit: int) -> list[Record]:
        query = f"""SELECT seq, {RECORD_COLUMNS} FROM records
                    WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?"""  # noqa: S608 - a constant
        rows = list[tuple[int, tuple[str, int, int, bytes | None, bytes | None, str, int]]]()
        with transaction(self._connection, "DEFERRED"):  # one instant for all partitions, or their order would not hold
            ends = self._ends()
            for (topic, number), offset in self._next.items():
                end = ends[topic, number]
                if number not in self._claims.owned or offset >= end:
                    continue
                found = self._connection.execute(query, (topic, number, offset, limit)).fetchall()
                self._say_what_expired(topic, number, offset, found[0][3] if found else end)
                if not found:
                    self._next[topic, number] = end
                rows += [(row[0], row[1:]) for row in found]
        rows.sort(key=lambda row: row[0])
        records = [record_of(row) for _, row in rows[:limit]]
        for record in records:
            self._next[record.topic, record.partition] = record.offset + 1
            self._youngest_ms[record.partition] = max(record.timestamp_ms, self._youngest_ms.get(record.partition, 0))
        if len(rows) >= limit:
            self._seen_version = None  # there is more to read, whether or not anything is written
        return records

    def _say_what_expired(self, topic: str, partition: int, position: int, first: int) -> None:
        """An alarm when records went by age before this group had read them. Compaction leaves gaps by intent."""
        if first == position:
            return
        query = "SELECT cleanup FROM topics WHERE topic = ?"
        if self._connection.execute(query, (topic,)).fetchone()[0] == "delete":
            _logger.error(
                "records expired unread",
                group=self._subscription.group,
                topic=topic,
                partition=partition,
                position=position,
                first=first,
            )
