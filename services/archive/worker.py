"""The archive's worker: every result topic into the database.

A batch goes to the database first, with its positions, then the log is told. When the process dies in between, the
batch comes again and is found to be covered.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from ringtrue.database import upgrade
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import READ_BY
from ringtrue.streaming.worker import Worker
from services.archive.archive import Archive, Entry
from services.archive.rows import rows_of


class Archiver(Worker):
    """Result topics and dead letters to the database.

    Args:
        engine: The database; its tables are brought up to date at the start.
        log_id: The id of the log that is read.
    """

    name = "archive"
    inputs = READ_BY["archive"]
    limit = 500

    def __init__(self, engine: sa.Engine, log_id: str) -> None:
        self._engine = engine
        self._archive = Archive(engine, log_id)

    def start(self) -> None:
        """See `Worker.start`."""
        upgrade(self._engine)

    def stop(self) -> None:
        """See `Worker.stop`."""
        self._engine.dispose()

    def resume_from(self, topic: str, partition: int) -> int | None:
        """See `Worker.resume_from`: the database knows."""
        return self._archive.resume(topic, partition)

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
        self._archive.commit(entries)
