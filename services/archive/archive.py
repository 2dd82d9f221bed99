"""The archive's database: rows and the positions they were read at, in one transaction.

The database knows how far it has come, not the log. A record that is already covered by a stored position is skipped,
and a position moves only from where this archive last saw it (compare and set): when two archives believe that a
partition is theirs, the second to commit is stopped before it writes anything. Positions mean nothing in another log,
so each carries the id of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import exc

from ringtrue.database import Write, reading, writing
from ringtrue.database.tables import positions
from ringtrue.streaming.port import LogMismatch, PartitionsLost, Record

Place = tuple[str, int]


class ArchiveRaced(PartitionsLost):
    """Another archive has stored a position of this partition meanwhile. Nothing was written; receive again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and what it asks to be written; nothing, when it was refused."""

    record: Record
    writes: tuple[Write, ...] = ()


class Archive:
    """Stores what was read from one log. Used by one thread.

    Args:
        engine: The database, its tables up to date.
        log_id: The id of the log.
    """

    def __init__(self, engine: sa.Engine, log_id: str) -> None:
        self._engine = engine
        self._log_id = log_id
        self._seen = dict[Place, int]()

    def resume(self, topic: str, partition: int) -> int:
        """The next offset to read of a partition that was just assigned: 0 in a new database, wherever the log stands.

        Raises:
            LogMismatch: What is stored was read from another log.
            DatabaseAway: The database cannot be reached.
        """
        place = (topic, partition)
        with reading(self._engine) as connection:
            stored = self._stored(connection, [place])
        self._seen[place] = stored.get(place, 0)
        return self._seen[place]

    def positions(self) -> dict[Place, int]:
        """Next offsets by (topic, partition), as they are stored.

        Raises:
            LogMismatch: What is stored was read from another log.
            DatabaseAway: The database cannot be reached.
        """
        with reading(self._engine) as connection:
            return self._stored(connection)

    def check(self, ends: Mapping[str, int]) -> None:
        """Makes sure that the log still holds as much as was read from it.

        Otherwise a topic was made anew or has lost its end, and its first records would be taken for covered.

        Args:
            ends: How many records each topic has ever held.

        Raises:
            LogMismatch: It does not, or what is stored was read from another log.
            DatabaseAway: The database cannot be reached.
        """
        read = Counter[str]()
        for (topic, _), place in self.positions().items():
            read[topic] += place
        for topic, end in ends.items():
            if read[topic] > end:
                raise LogMismatch(
                    f"the archive has read {read[topic]} records of {topic}, which never held more than {end}: "
                    "it was made anew, or its end is lost; set RINGTRUE_DATABASE__URL to an empty database, or delete "
                    "the topic's rows in the table positions to read it again from its beginning"
                )

    def commit(self, entries: Sequence[Entry]) -> None:
        """Writes the rows of every record that is not covered yet, and how far this has come: all, or nothing.

        Args:
            entries: Records in the order of each partition.

        Raises:
            ArchiveRaced: Another archive has stored a position of one of these partitions.
            LogMismatch: What is stored was read from another log.
            DatabaseAway: The database cannot be reached. Whether the rows were written may be unknown then; the next
                try reads the positions afresh.
        """
        ends = {_place(entry.record): entry.record.offset + 1 for entry in entries}
        seen = {place: self._seen.pop(place, None) for place in ends}  # to be trusted again only after this commit
        with writing(self._engine) as connection:
            stored = self._stored(connection, ends)
            for place, known in seen.items():
                if known is not None and known != stored.get(place, 0):
                    raise ArchiveRaced(f"{place[0]}/{place[1]} is stored up to {stored.get(place, 0)}, not {known}")
            for entry in entries:
                if entry.record.offset >= stored.get(_place(entry.record), 0):
                    for write in entry.writes:
                        write.run(connection)
            reached = {place: max(end, stored.get(place, 0)) for place, end in ends.items()}
            for place, end in reached.items():
                self._move(connection, place, stored.get(place), end)
        self._seen |= reached

    def _stored(self, connection: sa.Connection, places: Iterable[Place] | None = None) -> dict[Place, int]:
        query = sa.select(positions)
        if places is not None:
            query = query.where(sa.tuple_(positions.c.topic, positions.c.partition).in_(list(places)))
        rows = connection.execute(query).all()
        if any(row.log_id != self._log_id for row in rows):
            raise LogMismatch(
                "the results in the database come from another log than the one in use: "
                "set RINGTRUE_DATABASE__URL to an empty database, or use the log they came from"
            )
        return {(row.topic, row.partition): row.next_offset for row in rows}

    def _move(self, connection: sa.Connection, place: Place, start: int | None, end: int) -> None:
        topic, partition = place
        if start is None:
            values = {"topic": topic, "partition": partition, "next_offset": end, "log_id": self._log_id}
            try:
                connection.execute(sa.insert(positions), values)
            except exc.IntegrityError as error:
                raise ArchiveRaced(f"{topic}/{partition} was stored by another archive at the same time") from error
            return
        here = sa.update(positions).where(
            positions.c.topic == topic, positions.c.partition == partition, positions.c.next_offset == start
        )
        if connection.execute(here.values(next_offset=end)).rowcount != 1:
            raise ArchiveRaced(f"{topic}/{partition} was moved by another archive at the same time")


def _place(record: Record) -> Place:
    return record.topic, record.partition
