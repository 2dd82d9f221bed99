"""Finds the table in a file: the sheet and the row that hold the expected headings, and where each of them stands."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ringtrue.manifests.layouts import folded
from ringtrue.manifests.sheets import MAX_ROWS, Row, Sheet, UnreadableTable

#: Filled rows among which the headings are looked for: a title and what else stands above a table takes a few.
HEAD_ROWS = 30


@dataclass(frozen=True, slots=True)
class Expected:
    """The headings of a layout: those that it needs, and those that are read where there are some."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its headings.

    Attributes:
        sheet: The name of its sheet in the workbook; None of a text file.
        line: Of the headings.
        positions: Of each expected heading that it has.
    """

    sheet: str | None
    line: int
    headings: list[str]
    positions: dict[str, int]
    read: Callable[[int], Iterator[Row]]

    def rows(self) -> Iterator[Row]:
        """The rows below the headings; blank ones are left out, but counted in the lines.

        Raises:
            UnreadableTable: There are more than `MAX_ROWS`.
        """
        filled = (row for row in self.read(self.line) if row.line > self.line and any(row.cells))
        for count, row in enumerate(filled, start=1):
            if count > MAX_ROWS:
                message = f"there are more than {MAX_ROWS} rows; split the manifest"
                raise UnreadableTable(message, sheet=self.sheet, row=row.line)
            yield row


def find_table(sheets: Sequence[Sheet], expected: Expected) -> Table:
    """The table among the sheets of a file that holds every required heading, in any order and below any title.

    A hidden sheet is read only where no other one will do. Two sheets that both hold orders are refused: to read one
    and pass over the other would lose orders without a word.

    Raises:
        UnreadableTable: There is none, or a heading is missing or stands twice.
    """
    tables = [(table, sheet) for sheet in sheets if (table := _table(sheet, expected))]
    if not tables:
        raise UnreadableTable("the file holds no headings")
    complete = [(table, sheet) for table, sheet in tables if not _missing(table, expected)]
    if not complete:
        raise _incomplete([table for table, _ in tables], expected)
    shown = [table for table, sheet in complete if not sheet.hidden] or [table for table, _ in complete]
    filled = [table for table in shown if next(table.rows(), None)] or shown
    if len(filled) > 1 and next(filled[1].rows(), None):
        names = " and ".join(repr(table.sheet) for table in filled)
        raise UnreadableTable(f"the sheets {names} both hold orders; a manifest has one", sheet=filled[1].sheet)
    _refuse_twice(filled[0], expected)
    return filled[0]


def _table(sheet: Sheet, expected: Expected) -> Table | None:
    wanted = {folded(heading): heading for heading in (*expected.required, *expected.optional)}
    head = list(islice((row for row in sheet.rows(0) if any(row.cells)), HEAD_ROWS))
    if not head:
        return None
    headings = max(head, key=lambda row: len(wanted.keys() & set(map(folded, row.cells))))
    positions = dict[str, int]()
    for position, cell in enumerate(headings.cells):
        if heading := wanted.get(folded(cell)):
            positions.setdefault(heading, position)
    return Table(sheet.name, headings.line, headings.cells, positions, sheet.rows)


def _missing(table: Table, expected: Expected) -> list[str]:
    return [heading for heading in expected.required if heading not in table.positions]


def _incomplete(tables: list[Table], expected: Expected) -> UnreadableTable:
    best = max(tables, key=lambda table: len(table.positions))
    heading = _missing(best, expected)[0]
    message = f"the column {heading!r} is missing; expected the headings {', '.join(expected.required)}"
    return UnreadableTable(message, sheet=best.sheet, row=best.line, column=heading)


def _refuse_twice(table: Table, expected: Expected) -> None:
    written = list(map(folded, table.headings))
    for heading in (*expected.required, *expected.optional):
        if written.count(folded(heading)) > 1:
            message = f"the column {heading!r} stands twice in the headings"
            raise UnreadableTable(message, sheet=table.sheet, row=table.line, column=heading)
