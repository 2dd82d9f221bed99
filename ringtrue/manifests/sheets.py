"""What the bytes of a file give before it is known what they mean: sheets of rows of texts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: Rows below the headings that one manifest may have: twice what a spreadsheet holds, and all that fits into memory.
MAX_ROWS = 2_000_000
#: Characters that one cell may have: what a spreadsheet's cell holds.
MAX_CELL_CHARS = 32_767


class UnreadableTable(ValueError):
    """A file in which no row can be read: why, and the sheet, row and column to blame where there is one."""

    def __init__(
        self, message: str, *, sheet: str | None = None, row: int | None = None, column: str | None = None
    ) -> None:
        super().__init__(message)
        self.sheet, self.row, self.column = sheet, row, column


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the spreadsheet (headings included, from 1), and its cells' texts."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook, or a text file under one separator (its name is None).

    Attributes:
        rows: Reads it from the start, given the line of its headings, or 0 while that is not known.
    """

    name: str | None
    hidden: bool
    rows: Callable[[int], Iterator[Row]]
