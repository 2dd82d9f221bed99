"""The embedded log: one SQLite file that several processes on one machine share.

Every commit is one SQLite transaction (WAL, `synchronous=FULL`), so outputs, state and positions stand or fall
together. A record has an offset in its partition and a number in the whole file (`seq`), by which a member reads its
partitions in the order in which they were written. State is stored compacted: one row per key.

It is not a broker: a machine that is outgrown moves to Kafka behind the same port. What a member reads and commits
stands in `embedded_member.py`, which partitions are its own in `embedded_claims.py`.
"""

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ringtrue.streaming.embedded_file import RECORD_COLUMNS, SCHEMA, LogFile, append, record_of
from ringtrue.streaming.embedded_member import EmbeddedMember
from ringtrue.streaming.embedded_retention import tidy
from ringtrue.streaming.port import LogMismatch, Member, Outgoing, Record, Subscription
from ringtrue.streaming.sqlite import away, connect, transaction
from ringtrue.streaming.topics import Topic

_FORMAT = "1"


class EmbeddedLog:
    """The log in a file.

    Args:
        path: The SQLite file; made when missing.
        partitions: Partitions of every topic. A file that was made with another number is refused.
        session_timeout_s: A member that has not been heard of for so long loses its partitions to another one.
        max_record_bytes: See the port.
    """

    def __init__(
        self, path: Path, *, partitions: int = 4, session_timeout_s: float = 15.0, max_record_bytes: int = 1_000_000
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.partitions = partitions
        self.max_record_bytes = max_record_bytes
        self._file = LogFile(path, partitions, session_timeout_s)
        self._lock = threading.Lock()
        self._connection = connect(path, any_thread=True)
        try:
            with away():
                self._connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            self._agree("format", _FORMAT)
            self._agree("partitions", str(partitions))
        except BaseException:
            self._connection.close()
            raise
        self.id = self._meta("id", uuid.uuid4().hex)

    def create_topics(self, topics: Sequence[Topic]) -> list[str]:
        """Creates the topics that are missing and takes over changed retentions; which were missing."""
        with self._lock, transaction(self._connection):
            present = {name for (name,) in self._connection.execute("SELECT topic FROM topics")}
            for topic in topics:
                self._connection.execute(
                    "INSERT OR REPLACE INTO topics VALUES (?, ?, ?, ?)",
                    (topic.name, topic.cleanup, topic.retention_ms, topic.once_read),
                )
                self._connection.executemany(
                    "INSERT OR IGNORE INTO ends VALUES (?, ?, 0)",
                    [(topic.name, number) for number in range(self.partitions)],
                )
        return [topic.name for topic in topics if topic.name not in present]

    def join(self, subscription: Subscription) -> Member:
        """Joins a group. The calling thread owns the member."""
        return EmbeddedMember(self._file, subscription)

    def append(self, records: Sequence[Outgoing]) -> None:
        """Writes records outside any group, all or none."""
        with self._lock, transaction(self._connection):
            append(self._connection, records, self.partitions)

    def browse(self, topic: str) -> Iterator[Record]:
        """Every record that the topic holds now, partition by partition."""
        query = f"SELECT {RECORD_COLUMNS} FROM records WHERE topic = ? ORDER BY partition, offset"  # noqa: S608 - a constant
        with closing(connect(self._file.path)) as connection, away():
            for row in connection.execute(query, (topic,)):
                yield record_of(row)

    def backlog(self, groups: Mapping[str, Sequence[str]]) -> Mapping[tuple[str, str], int]:
        """Records that each group has not committed yet, by (group, topic), all at one instant.

        Records that have expired unread are not waited for, so that the backlog of a group that has read everything
        there is comes to 0.
        """
        left = {(group, topic): 0 for group, topics in groups.items() for topic in topics}
        with self._lock, transaction(self._connection, "DEFERRED"):
            rows = self._connection.execute("SELECT grp, topic, partition, next_offset FROM positions")
            done = {(group, topic, number): offset for group, topic, number, offset in rows}
            ends = dict[str, list[tuple[int, int]]]()
            for topic, number, end in self._connection.execute("SELECT topic, partition, next_offset FROM ends"):
                ends.setdefault(topic, []).append((number, end))
            for group, topic in left:
                for number, end in ends.get(topic, ()):
                    position = done.get((group, topic, number), 0)
                    if position < end:
                        left[group, topic] += end - self._first(topic, number, position, end)
        return left

    def _first(self, topic: str, partition: int, position: int, end: int) -> int:
        """The first offset from `position` on that the log still holds, its end without one."""
        query = "SELECT min(offset) FROM records WHERE topic = ? AND partition = ? AND offset >= ?"
        found = self._connection.execute(query, (topic, partition, position)).fetchone()[0]
        return end if found is None else int(found)

    def ends(self, topics: Sequence[str]) -> Mapping[str, int]:
        """How many records each topic has ever held."""
        with self._lock, away():
            held = dict(self._connection.execute("SELECT topic, sum(next_offset) FROM ends GROUP BY topic"))
        return {topic: held.get(topic, 0) for topic in topics}

    def tidy(self) -> int:
        """Removes what retention and compaction let go; the number of records removed."""
        with closing(connect(self._file.path)) as connection:
            return tidy(connection, self.partitions)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def _meta(self, name: str, value: str) -> str:
        """What the file says under this name, `value` if it said nothing yet."""
        with transaction(self._connection):
            self._connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def _agree(self, name: str, wanted: str) -> None:
        found = self._meta(name, wanted)
        if found != wanted:
            raise LogMismatch(
                f"the log {self._file.path} was made with {name}={found}, the settings say {wanted}: "
                f"set RINGTRUE_LOG__{name.upper()}={found}, or choose another RINGTRUE_DATA_DIR"
            )
