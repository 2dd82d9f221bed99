"""The archive's worker: every result topic into the database.

A batch goes to the database first, with its positions, then the log is told. When the process dies in between, the
batch comes again and is found to be covered.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from ringtrue.database import upgrade
from ringtrue.streaming.port import Log
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import READ_BY
from ringtrue.streaming.worker import Worker
from services.archive.archive import Archive, Entry
from services.archive.rows import rows_of


class Archiver(Worker):
    """Result topics and dead letters to the database.

    Args:
        engine: The database; its tables are brought up to date at the start.
        log: The log that is read.
    """

    name = "archive"
    inputs = READ_BY["archive"]
    limit = 500

    def __init__(self, engine: sa.Engine, log: Log) -> None:
        self._engine = engine
        self._log = log
        self._archive: Archive | None = None

    def start(self) -> None:
        """See `Worker.start`."""
        upgrade(self._engine)
        self._archive = Archive(self._engine, self._log.id)
        self._archive.check(self._log.ends([topic.name for topic in self.inputs]))

    def stop(self) -> None:
        """See `Worker.stop`."""
        self._engine.dispose()

    def resume_from(self, topic: str, partition: int) -> int:
        """See `Worker.resume_from`: the database knows."""
        return self._opened.resume(topic, partition)

    def handle_many(self, steps: Sequence[Step]) -> None:
        """See `Worker.handle_many`. What is refused is covered too, with no rows."""
        entries = list[Entry]()

        def keep(step: Step) -> None:
            if step.record is not None:
                entries.append(Entry(step.record, rows_of(step.message, step.record)))

        for step in steps:
            step.attempt(keep, self.refused)
            if step.refusal is not None and step.record is not None:
                entries.append(Entry(step.record))
        self._opened.commit(entries)

    @property
    def _opened(self) -> Archive:
        if self._archive is None:
            raise RuntimeError("no archive: start() comes first")
        return self._archive
