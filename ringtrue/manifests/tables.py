"""The bytes of a CSV or Excel file as a table: its headings, and its rows as texts with the spreadsheet's line numbers.

What arrives is UTF-8 (with or without a byte order mark) or Windows-1252, separated by comma, semicolon or tab; the
separator is the one under which most of the expected headings are found. A workbook gives the first of its sheets.
"""

import csv
import io
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from ringtrue.manifests.layouts import folded

SEPARATORS = (",", ";", "\t")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: How files begin that Excel wrote: a zip archive, or a compound file (a password, an old format).
_WORKBOOK_MAGIC = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class UnreadableTable(ValueError):
    """A file that is no table that can be read, and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row below the headings: its line in the spreadsheet (headings included, from 1), and its cells' texts."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """The headings of a table and its rows, which are read as they are asked for, once."""

    headings: list[str]
    rows: Iterator[Row]


def read_table(data: bytes, expected: Collection[str], *, workbook: bool) -> Table:
    """Reads `data`; blank rows are left out, but counted in the line numbers.

    Args:
        expected: headings to recognise the separator by.
        workbook: the file is named as a workbook, and nothing else will do.

    Raises:
        UnreadableTable: there is no table in it.
    """
    if not data:
        raise UnreadableTable("the file is empty")
    lines = _workbook(data) if workbook or data.startswith(_WORKBOOK_MAGIC) else _csv(data, expected)
    rows = (Row(line, cells) for line, cells in enumerate(lines, start=1) if any(cells))
    headings = next(rows, None)
    if headings is None:
        raise UnreadableTable("the file holds no headings")
    return Table(headings.cells, rows)


def _csv(data: bytes, expected: Collection[str]) -> Iterator[list[str]]:
    lines = list(io.StringIO(_decoded(data), newline=""))
    known = {folded(heading) for heading in expected}

    def recognised(separator: str) -> int:
        first = next((cells for cells in _records(lines, separator) if any(cells)), [])
        return sum(folded(cell) in known for cell in first)

    return _records(lines, max(SEPARATORS, key=recognised))


def _decoded(data: bytes) -> str:
    if b"\0" in data:
        raise UnreadableTable("the file is not a text: expected CSV in UTF-8 or Windows-1252, or .xlsx")
    try:
        return data.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError:
        # Windows-1252 leaves five bytes without a meaning; they spoil a letter, not the file.
        return data.decode("cp1252", errors="replace")


def _records(lines: list[str], separator: str) -> Iterator[list[str]]:
    """The records of a CSV file.

    A quoted cell may span lines, but a stray quote may not swallow the rows that follow it: a record of several lines
    that has another number of cells than the headings is taken back, and its first line is split at the separators.
    """
    position = width = 0
    while position < len(lines):
        reader = csv.reader((lines[line] for line in range(position, len(lines))), delimiter=separator)
        try:
            cells = next(reader)
            stray = reader.line_num > 1 and len(cells) != (width or len(cells))
        except csv.Error:
            stray = True  # a cell beyond the limit of the csv module
        if stray:
            cells = lines[position].split(separator)
        width = width or len(cells)
        position += 1 if stray else reader.line_num
        yield [cell.strip() for cell in cells]


def _workbook(data: bytes) -> Iterator[list[str]]:
    try:
        with closing(CalamineWorkbook.from_filelike(io.BytesIO(data))) as workbook:
            for cells in workbook.get_sheet_by_index(0).iter_rows():
                yield [_as_text(cell) for cell in cells]
    except PasswordError as error:
        raise UnreadableTable("the workbook is protected by a password; save it without one") from error
    except CalamineError as error:
        raise UnreadableTable(f"the file is not an Excel workbook: {error}") from error


def _as_text(cell: object) -> str:
    """A cell as one would type it: whole numbers without a fraction, times to the second (being fractions of days)."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return (cell + timedelta(milliseconds=500)).replace(microsecond=0).isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell).strip()
