"""The bytes of a CSV or Excel file as a table: its headings, and its rows as texts with the spreadsheet's lines."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ringtrue.manifests.csv_text import text_sheets
from ringtrue.manifests.headings import Expected, Table, find_table
from ringtrue.manifests.sheets import MAX_ROWS, UnreadableTable
from ringtrue.manifests.workbook import is_workbook, workbook_sheets


@contextmanager
def open_table(data: bytes, expected: Expected, *, workbook: bool, lives: Callable[[], None]) -> Iterator[Table]:
    """The table in `data`, which can be read for as long as the context lasts, more than once.

    Args:
        expected: headings to recognise it by.
        workbook: the file is named as a workbook, and nothing else will do.
        lives: called now and then.

    Raises:
        UnreadableTable: there is no such table in it.
    """
    if not data:
        raise UnreadableTable("the file is empty")
    if is_workbook(data):
        with workbook_sheets(data, lives) as sheets:
            yield find_table(sheets, expected)
    elif workbook:
        raise UnreadableTable("the file is not an Excel workbook")
    else:
        table = find_table(text_sheets(data), expected)
        # Most of a file that is far too long would be read before that shows. A cell may hold line breaks, so their
        # number alone proves nothing.
        if max(data.count(b"\n"), data.count(b"\r")) > MAX_ROWS:
            deque(table.rows(), maxlen=0)
        yield table
