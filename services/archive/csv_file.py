"""Writes a report as the CSV that a spreadsheet opens with a double click.

French Excel expects semicolons and decimal commas and takes a file for UTF-8 only with a byte order mark, so these are
the defaults; with another delimiter numbers have a decimal point.
"""

import csv
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from services.archive.cells import Cell
from services.archive.formulas import defused
from services.archive.layouts import Report
from services.archive.reports import Row


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How CSV files are written.

    Attributes:
        delimiter: Between cells.
        mark: Whether a byte order mark stands before everything.
    """

    delimiter: str = ";"
    mark: bool = True


class CsvFile(AbstractContextManager["CsvFile"]):
    """A CSV file that is being written.

    Args:
        path: The file.
        report: Whose headings it has.
        form: Delimiter and byte order mark.
    """

    def __init__(self, path: Path, report: Report, form: CsvForm) -> None:
        self._decimal_comma = form.delimiter == ";"
        self._file = path.open("w", encoding="utf-8-sig" if form.mark else "utf-8", newline="")
        self._writer = csv.writer(self._file, delimiter=form.delimiter)
        self._writer.writerow([column.heading for column in report.columns])

    def add(self, rows: Sequence[Row]) -> None:
        """Writes rows."""
        self._writer.writerows([self._written(cell) for cell in row.cells] for row in rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._file.close()

    def _written(self, cell: Cell) -> Cell:
        if isinstance(cell, float) and self._decimal_comma:
            return str(cell).replace(".", ",")
        return defused(cell) if isinstance(cell, str) else cell
