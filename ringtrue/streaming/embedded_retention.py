"""What retention and compaction let go of the embedded log, removed in small bites.

What is to go is found without a lock, for it only grows while we look: a record gets no younger, a superseded one is
never the latest again. Each bite is a short transaction of its own, so that no commit waits for a large log.
"""

import sqlite3
from collections.abc import Sequence

from ringtrue.streaming.sqlite import away, transaction
from ringtrue.times import now_ms

#: Records removed in one transaction: some milliseconds.
_BITE = 1000


def tidy(connection: sqlite3.Connection, partitions: int) -> int:
    """Removes what may go; the number of records removed."""
    removed = 0
    with away():
        topics = connection.execute("SELECT topic, cleanup, retention_ms, once_read FROM topics").fetchall()
    for topic, cleanup, retention_ms, once_read in topics:
        before = now_ms() - retention_ms
        with away():
            if cleanup == "compact":
                gone = _superseded(connection, topic, before)
            else:
                gone = [
                    place
                    for number in range(partitions)
                    for place in _past(connection, topic, number, before, once_read=bool(once_read))
                ]
        for start in range(0, len(gone), _BITE):
            with transaction(connection):
                connection.executemany("DELETE FROM records WHERE seq = ?", gone[start : start + _BITE])
        removed += len(gone)
    return removed


def _superseded(connection: sqlite3.Connection, topic: str, before: int) -> Sequence[tuple[int]]:
    """Records older than `before` whose key has a later one."""
    return connection.execute(
        """SELECT seq FROM records WHERE topic = :topic AND timestamp_ms < :before AND seq NOT IN
           (SELECT max(seq) FROM records WHERE topic = :topic GROUP BY partition, key)""",
        {"topic": topic, "before": before},
    ).fetchall()


def _past(
    connection: sqlite3.Connection, topic: str, partition: int, before: int, *, once_read: bool
) -> Sequence[tuple[int]]:
    """Records of a partition up to the first that is not older than `before`; or up to what all groups have read."""
    place = (topic, partition)
    kept = connection.execute(
        "SELECT offset FROM records WHERE topic = ? AND partition = ? AND timestamp_ms >= ? ORDER BY offset LIMIT 1",
        (*place, before),
    ).fetchone()
    end = connection.execute("SELECT next_offset FROM ends WHERE topic = ? AND partition = ?", place).fetchone()
    until = kept[0] if kept else end[0]
    if once_read:
        read = connection.execute(
            "SELECT min(next_offset) FROM positions WHERE topic = ? AND partition = ?", place
        ).fetchone()[0]
        until = max(until, read or 0)
    return connection.execute(
        "SELECT seq FROM records WHERE topic = ? AND partition = ? AND offset < ?", (*place, until)
    ).fetchall()
