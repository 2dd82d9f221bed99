"""Quarantine: a record that kills the process is found and refused, not handed out for ever.

While a worker runs, the note of each of its partitions says "started"; an orderly stop clears it. A worker that is
assigned a partition whose note is set knows that the process before it died, and that one of the records it had in
hand may be to blame. So it reads the partition *carefully*: one record at a time, the try counted in the note before
the record is handled, and alone in this process, where other workers come back carefully from the same death. A record
that has been tried three times is refused. A try is one start of the process; that something was away counts nothing.

A partition is read carefully until everything that the dead process may have had in hand has passed: as many records as
a batch holds, or all that are older than this start.
"""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ringtrue.errors import BadRecord
from ringtrue.streaming.port import Commit, Member, Record
from ringtrue.streaming.step import Step
from ringtrue.times import now_ms

_TRIES = 3
_STARTED = "started"
#: One careful record at a time in this process, or an innocent one would be counted with the one that kills.
_ALONE = threading.Lock()
_LOOK_S = 0.5
#: How often the clocks of carefully read partitions are asked for: a round trip to the log each.
_LOOK_EVERY_S = 0.5


class Quarantine:
    """What one worker knows of deaths before it.

    Args:
        limit: Records that the worker takes at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = dict[int, int]()  # partition -> records still to be read carefully, at most
        self._since_ms = dict[int, int]()
        self._counted = set[tuple[str, int, int]]()  # by this process
        self._next_look = 0.0

    @property
    def careful(self) -> bool:
        """Whether records are to be read one at a time."""
        return bool(self._left)

    def assigned(self, member: Member, partitions: frozenset[int]) -> None:
        """Takes note of a start on these partitions."""
        fresh = {number: _STARTED for number in partitions if not member.note(number)}
        for number in partitions - fresh.keys():
            self._left[number] = self._limit
            self._since_ms[number] = now_ms()
        if fresh:
            member.commit(Commit({}, notes=fresh))

    def revoked(self, partitions: frozenset[int]) -> None:
        """Forgets partitions that have gone to another member."""
        for number in partitions:
            self._left.pop(number, None)

    def look(self, member: Member) -> None:
        """Ends careful reading where everything older than the start has been committed. Called between two turns."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_EVERY_S
        reading = self._left.keys() & member.partitions
        self.revoked(frozenset(number for number in reading if member.clock_ms(number) >= self._since_ms[number]))

    @contextmanager
    def alone(self, member: Member, step: Step) -> Iterator[None]:
        """Handles a careful record: counted, with no other one under way in this process."""
        while not _ALONE.acquire(timeout=_LOOK_S):
            member.heartbeat()
        try:
            self._count(member, step)
            yield
        finally:
            _ALONE.release()

    def notes(self, records: Sequence[Record]) -> dict[int, str]:
        """The notes of a turn that has handled these records: their tries are over."""
        return {record.partition: _STARTED for record in records if record.partition in self._left}

    def passed(self, records: Sequence[Record]) -> None:
        """These records have been committed."""
        for record in records:
            if self._left.get(record.partition, 0) > 1:
                self._left[record.partition] -= 1
            else:
                self._left.pop(record.partition, None)

    def _count(self, member: Member, step: Step) -> None:
        record = step.record
        if record is None or record.partition not in self._left:
            return
        here = {"topic": record.topic, "offset": record.offset}
        note = member.note(record.partition)
        noted = json.loads(note) if note.startswith("{") else {}
        tries = int(noted.get("tries", 0)) if here.items() <= noted.items() else 0
        place = (record.topic, record.partition, record.offset)
        if place not in self._counted:
            tries += 1
            member.commit(Commit({}, notes={record.partition: json.dumps(here | {"tries": tries})}))
            self._counted.add(place)
        if tries > _TRIES:
            problem = f"the process ended {_TRIES} times while this record was being handled; see its log"
            # When the answer itself kills, the dead letter must do.
            step.condemn(BadRecord("kills_the_worker", problem), answerable=tries == _TRIES + 1)
