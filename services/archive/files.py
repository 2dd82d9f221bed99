"""Writes the files of reports into a folder, all of a batch side by side; each appears whole or not at all."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ringtrue.errors import WrongUse
from services.archive.layouts import Report
from services.archive.reports import Row


class ReportFile(Protocol):
    """A file that takes rows."""

    def add(self, rows: Sequence[Row]) -> None:
        """Writes rows."""


#: Begins a file for a report, by the file's suffix.
Formats = dict[str, Callable[[Path, Report], AbstractContextManager[ReportFile]]]


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written."""

    path: Path
    rows: int


def write_reports(
    reports: Sequence[Report], chunks: Iterator[dict[str, list[Row]]], folder: Path, formats: Formats
) -> list[Written]:
    """Writes reports into a folder, which is made if need be; replaces earlier ones.

    Args:
        reports: What to write.
        chunks: Their rows, by the name of their report.
        folder: Where to.
        formats: In which formats.

    Raises:
        WrongUse: The files cannot be written there.
    """
    places = [(report, suffix, folder / f"{report.name}.{suffix}") for report in reports for suffix in formats]
    counts = dict.fromkeys((report.name for report in reports), 0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            unfinished = [stack.enter_context(_appearing(path)) for _, _, path in places]
            files = [
                (report.name, stack.enter_context(formats[suffix](path, report)))
                for (report, suffix, _), path in zip(places, unfinished, strict=True)
            ]
            for chunk in chunks:
                for name, file in files:
                    file.add(chunk[name])
                for name, rows in chunk.items():
                    counts[name] += len(rows)
    except OSError as error:
        raise WrongUse(f"the reports cannot be written to {folder}: {error.strerror}") from error
    return [Written(path, counts[report.name]) for report, _, path in places]


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A file under another name that takes the place of `path` when the block has ended without an error."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
