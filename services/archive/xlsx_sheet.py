"""A table in an Excel workbook: headings that stay, filters, widths, colours, and further sheets when one is full."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from ringtrue.outcomes import Language
from services.archive.cells import Cell
from services.archive.formulas import SUSPECT, defused
from services.archive.words import WORDS
from services.archive.xlsx_rows import Placed, link, write_row

#: Limits of the format: rows of a sheet, links of a sheet, characters of a cell.
MAX_ROWS = 1_048_576
MAX_LINKS = 65_530
MAX_CHARACTERS = 32_767

#: Fill and letters by result, as spreadsheets colour good, bad and neutral cells.
_COLOURS = {"passed": ("#C6EFCE", "#006100"), "failed": ("#FFC7CE", "#9C0006"), "undetermined": ("#FFEB9C", "#7F6000")}
#: Widths in characters; that of a column comes from its heading and its first rows.
_NARROWEST, _WIDEST, _MEASURED_ROWS = 8, 60, 100
_TEXT = {"num_format": "@"}


@dataclass(frozen=True, slots=True)
class Styles:
    """Formats of a workbook, by what a cell says.

    Attributes:
        heading: Of headings.
        text: Of texts, so that numbers of phones and orders stay what they are even when the cell is edited.
        results: Of results, by the word that says them.
        links: The same, of those that lead somewhere.
        failed: Of a number that stands for a failed result.
    """

    heading: Any
    text: Any
    results: dict[Cell, Any]
    links: dict[Cell, Any]
    failed: Any


def make_styles(workbook: Workbook, language: Language) -> Styles:
    """The formats of a workbook."""
    fills = {code: {"bg_color": fill, "font_color": letters} for code, (fill, letters) in _COLOURS.items()}
    words = {code: WORDS[language][code] for code in _COLOURS}
    return Styles(
        heading=workbook.add_format({"bold": True, "bg_color": "#D9E1F2", "bottom": 1}),
        text=workbook.add_format(_TEXT),
        results={words[code]: workbook.add_format(_TEXT | fill) for code, fill in fills.items()},
        links={words[code]: workbook.add_format(_TEXT | fill | {"underline": 1}) for code, fill in fills.items()},
        failed=workbook.add_format(fills["failed"]),
    )


class Sheets:
    """A table over as many sheets as it needs. Rows go to the disk as they come.

    Args:
        workbook: In constant memory mode.
        name: Of the first sheet; others are numbered.
        headings: Of the columns.
        styles: Of the workbook.
        results: Columns that hold results.
        max_rows: Rows of a sheet, headings included.
    """

    def __init__(
        self,
        workbook: Workbook,
        name: str,
        headings: Sequence[str],
        styles: Styles,
        results: Collection[int] = (),
        max_rows: int = MAX_ROWS,
    ) -> None:
        self._workbook = workbook
        self._name = name
        self._headings = headings
        self._styles = styles
        self._results = frozenset(results)
        self._max_rows = max_rows
        self._sheets = list[Worksheet]()
        self._widths = [max(_NARROWEST, len(heading) + 3) for heading in headings]  # 3: the filter's button
        self._begin()

    @property
    def place(self) -> str:
        """Where the next row will stand, as a link within the workbook names it."""
        if self._next == self._max_rows:
            return f"internal:'{self._title(len(self._sheets) + 1)}'!A2"
        return f"internal:'{self._sheet.name}'!A{self._next + 1}"

    def add(self, cells: Sequence[Cell], links: dict[int, str] | None = None) -> None:
        """Writes a row; `links` are places by the column from which they are reached."""
        if self._next == self._max_rows:
            self._end()
            self._begin()
        row, sheet, styles = self._next, self._sheet, self._styles
        self._next += 1
        if row <= _MEASURED_ROWS:
            self._measure(cells)
        if links and self._links + len(links) > MAX_LINKS:
            links = None
        placed = list[Placed]()
        for column, cell in enumerate(cells):
            if cell is None or cell == "":
                continue
            style = styles.text if isinstance(cell, str) else None
            if column in self._results:
                style = styles.results.get(cell, style) if isinstance(cell, str) else styles.failed
            if isinstance(cell, str):
                cell = _fitting(cell)
            if links and column in links:
                style = styles.links.get(cell, style)
                cell = str(cell)
                link(sheet, row, column, links[column], cell)
                self._links += 1
            placed.append((column, cell, style))
        write_row(sheet, row, placed)

    def finish(self) -> None:
        """Ends the table."""
        self._end()
        for sheet in self._sheets:
            for column, width in enumerate(self._widths):
                sheet.set_column(column, column, width)

    def _begin(self) -> None:
        self._sheet = self._workbook.add_worksheet(self._title(len(self._sheets) + 1))
        self._sheets.append(self._sheet)
        self._sheet.freeze_panes(1, 0)
        self._sheet.write_row(0, 0, self._headings, self._styles.heading)
        self._next, self._links = 1, 0

    def _end(self) -> None:
        last = len(self._headings) - 1
        self._sheet.autofilter(0, 0, self._next - 1, last)
        self._sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{self._max_rows}"})

    def _title(self, number: int) -> str:
        return self._name if number == 1 else f"{self._name} {number}"

    def _measure(self, cells: Sequence[Cell]) -> None:
        for column, cell in enumerate(cells):
            if cell is not None:
                self._widths[column] = min(_WIDEST, max(self._widths[column], len(str(cell)) + 1))


def _fitting(text: str) -> str:
    if text[0] in SUSPECT:
        text = defused(text)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
