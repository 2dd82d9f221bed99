"""Writes a report as the CSV that a spreadsheet opens with a double click.

French Excel expects semicolons and decimal commas and takes a file for UTF-8 only with a byte order mark, so these are
the defaults; with another delimiter numbers have a decimal point. A text that a spreadsheet would take for a formula
gets an apostrophe before it. The file appears whole or not at all.
"""

import csv
import os
from contextlib import suppress
from pathlib import Path

from ringtrue.errors import WrongUse
from services.archive.cells import Cell
from services.archive.reports import Report

#: A cell that begins so is a formula to some spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(report: Report, folder: Path, delimiter: str = ";") -> Path:
    """Writes a report into a folder, which is made if need be; replaces an earlier one. Returns the file's path.

    Raises:
        WrongUse: The file cannot be written there.
    """
    path = folder / f"{report.name}.csv"
    unfinished = folder / f".{report.name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(report.headings)
            writer.writerows([_written(cell, delimiter) for cell in row] for row in report.rows)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise WrongUse(f"the report {path} cannot be written: {error.strerror}") from error
    return path


def _written(cell: Cell, delimiter: str) -> Cell:
    if isinstance(cell, float) and delimiter == ";":
        return str(cell).replace(".", ",")
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell
