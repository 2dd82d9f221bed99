"""Text files as rows: UTF-8 (with or without a byte order mark) or Windows-1252; comma, semicolon or tab.

The text is read as it is asked for, so that a file of 10 million rows costs no more memory than its bytes.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from ringtrue.manifests.sheets import Row, Sheet, UnreadableTable

SEPARATORS = (",", ";", "\t")
#: Lines over which one quoted cell may run. Without a bound, a stray quote in every row would take quadratic time.
_RECORD_LINES = 100
#: Characters of one line; beyond, it is no row of a table.
_LINE_CHARS = 10_000_000
_CHUNK_BYTES = 1_000_000


def text_sheets(data: bytes) -> list[Sheet]:
    """The file under each separator.

    Raises:
        UnreadableTable: It is no text.
    """
    if b"\0" in data:
        raise UnreadableTable("the file is not a text: expected CSV in UTF-8 or Windows-1252, or .xlsx")
    encoding = "utf-8-sig" if data.startswith(codecs.BOM_UTF8) or _is_utf8(data) else "cp1252"
    return [Sheet(None, False, partial(_rows, data, encoding, separator)) for separator in SEPARATORS]


def _is_utf8(data: bytes) -> bool:
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(data)
    try:
        for start in range(0, len(data), _CHUNK_BYTES):
            decoder.decode(view[start : start + _CHUNK_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _rows(data: bytes, encoding: str, separator: str, headings_line: int) -> Iterator[Row]:
    # Windows-1252 leaves five bytes without a meaning; they spoil a letter, not the file.
    text = io.TextIOWrapper(io.BytesIO(data), encoding, errors="replace", newline="")
    lines = iter(partial(text.readline, _LINE_CHARS), "")
    for line, cells in enumerate(_records(lines, separator, headings_line), start=1):
        yield Row(line, [cell.strip() for cell in cells])


def _records(lines: Iterator[str], separator: str, headings_line: int) -> Iterator[list[str]]:
    """The records of a CSV file.

    A quoted cell may span lines, but a stray quote may not swallow the rows that follow it: a record of several lines
    whose quote never closes, or closes within a text, or that has another number of cells than the headings above it,
    is taken back, and its first line is read by itself.
    """
    ahead = deque[str]()
    number = width = 0
    unclosed = False

    def following() -> Iterator[str]:
        nonlocal unclosed
        unclosed = False
        for position in range(_RECORD_LINES):
            if position == len(ahead) and not fill():
                break
            yield ahead[position]
        unclosed = True  # asked for more than there is

    def fill() -> bool:
        line = next(lines, "")
        if len(line) >= _LINE_CHARS:
            raise UnreadableTable(f"a line has more than {_LINE_CHARS} characters: this is no table", row=number + 1)
        if line:
            ahead.append(line)
        return bool(line)

    while ahead or fill():
        spanned = 1
        if '"' not in ahead[0]:
            cells = ahead[0].rstrip("\r\n").split(separator)
        else:
            reader = csv.reader(following(), delimiter=separator, strict=True)
            try:
                cells = next(reader)
                spanned = reader.line_num
                stray = spanned > 1 and (unclosed or len(cells) != (width or len(cells)))
            except csv.Error:  # a text goes on behind its quote, or a cell is beyond the limit of the csv module
                stray = True
            if stray:
                cells, spanned = _alone(ahead[0], separator), 1
        for _ in range(spanned):
            ahead.popleft()
        number += 1
        if number == headings_line:
            width = len(cells)
        yield cells


def _alone(line: str, separator: str) -> list[str]:
    """The cells of one line: where its quotes are pairs they hold separators, else they mean nothing."""
    if line.count('"') % 2 == 0:
        with suppress(csv.Error):
            return next(csv.reader([line], delimiter=separator))
    return line.rstrip("\r\n").split(separator)
