"""The file of the embedded log: its tables, and how records are appended within a transaction."""

import json
import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path

from ringtrue.streaming.embedded_pulse import Pulse
from ringtrue.streaming.port import LogMismatch, Outgoing, Record
from ringtrue.streaming.state_table import STATE_SCHEMA
from ringtrue.times import now_ms

SCHEMA = f"""{STATE_SCHEMA}
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS topics (
  topic TEXT PRIMARY KEY, cleanup TEXT NOT NULL, retention_ms INTEGER NOT NULL, once_read INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ends (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
  timestamp_ms INTEGER NOT NULL, key BLOB, headers BLOB NOT NULL, value BLOB
);
CREATE UNIQUE INDEX IF NOT EXISTS records_by_offset ON records (topic, partition, offset);
CREATE TABLE IF NOT EXISTS positions (
  grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
  PRIMARY KEY (grp, topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
  grp TEXT NOT NULL, slot TEXT NOT NULL, token TEXT NOT NULL, seen_ms INTEGER NOT NULL, PRIMARY KEY (grp, slot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (
  grp TEXT NOT NULL, partition INTEGER NOT NULL, token TEXT, epoch INTEGER NOT NULL, note TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (grp, partition)
) WITHOUT ROWID;
"""

#: The columns of `records` from which `record_of` makes a record.
RECORD_COLUMNS = "topic, partition, offset, key, value, headers, timestamp_ms"


class LogFile:
    """The file of an embedded log and what everyone who opens it must agree on.

    Args:
        path: The SQLite file.
        partitions: Partitions of every topic.
        session_timeout_s: A member that has not been heard of for so long loses its partitions to another one.
    """

    def __init__(self, path: Path, partitions: int, session_timeout_s: float) -> None:
        self.path = path
        self.partitions = partitions
        self.session_timeout_s = session_timeout_s
        self.pulse = Pulse(path, session_timeout_s)


def append(connection: sqlite3.Connection, records: Sequence[Outgoing], partitions: int) -> None:
    """Appends records within the caller's transaction."""
    now = now_ms()
    next_offsets = dict[tuple[str, int], int]()
    rows = []
    for record in records:
        place = (
            record.topic,
            record.partition if record.partition is not None else partition_of(record.key, partitions),
        )
        if place not in next_offsets:
            found = connection.execute(
                "SELECT next_offset FROM ends WHERE topic = ? AND partition = ?", place
            ).fetchone()
            if found is None:
                raise LogMismatch(f"the log has no partition {place[1]} of a topic {place[0]!r}")
            next_offsets[place] = found[0]
        headers = json.dumps({name: value.decode("latin-1") for name, value in record.headers.items()})
        stamp = now if record.timestamp_ms is None else record.timestamp_ms
        rows.append((*place, next_offsets[place], stamp, record.key, headers, record.value))
        next_offsets[place] += 1
    connection.executemany(
        "INSERT INTO records (topic, partition, offset, timestamp_ms, key, headers, value) VALUES (?,?,?,?,?,?,?)",
        rows,
    )
    connection.executemany(
        "UPDATE ends SET next_offset = ? WHERE topic = ? AND partition = ?",
        [(offset, *place) for place, offset in next_offsets.items()],
    )


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key."""
    return zlib.crc32(key or b"") % partitions


def record_of(row: tuple[str, int, int, bytes | None, bytes | None, str, int]) -> Record:
    """A record from a row of the columns `RECORD_COLUMNS`."""
    topic, partition, offset, key, value, headers, stamp = row
    decoded = {name: text.encode("latin-1") for name, text in json.loads(headers).items()}
    return Record(topic, partition, offset, key, value, decoded, stamp)
