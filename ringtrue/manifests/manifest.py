"""Reads a manifest: which of its rows are orders to check, which do not count, which are unusable and why.

The file's name chooses the layout (`layouts.yaml`), `tables` finds the table and gives its rows as texts, and `rows`
makes of each exactly one of `ManifestOrder`, `Skipped` (it does not count) or `Rejected` (it would count, but cannot be
used). A bad row never stops the others; only a file in which no row can be read is an `UnreadableManifest`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from ringtrue import times
from ringtrue.manifests.headings import Expected
from ringtrue.manifests.layouts import Layouts
from ringtrue.manifests.rows import ManifestOrder, Rejected, RowReader, Skipped
from ringtrue.manifests.sheets import Row, UnreadableTable
from ringtrue.manifests.tables import open_table

__all__ = ["Manifest", "ManifestOrder", "Rejected", "Skipped", "UnreadableManifest", "as_json", "read_manifest"]

#: After so many rows it is told that reading goes on.
_TELLING_ROWS = 1_000
#: A day in a file's name: year first or day first, with one kind of separator or none.
_YEAR_FIRST = re.compile(r"(?<!\d)(?P<year>20\d\d)(?P<s>[-_.]?)(?P<month>\d\d)(?P=s)(?P<day>\d\d)(?!\d)", re.ASCII)
_DAY_FIRST = re.compile(r"(?<!\d)(?P<day>\d\d)(?P<s>[-_.]?)(?P<month>\d\d)(?P=s)(?P<year>20\d\d)(?!\d)", re.ASCII)


class UnreadableManifest(ValueError):
    """A manifest of which no row can be read: the file, what is expected, and the sheet, row and column to blame."""

    def __init__(
        self, file: str, message: str, *, sheet: str | None = None, row: int | None = None, column: str | None = None
    ) -> None:
        where = [file]
        if sheet is not None:
            where.append(f"sheet {sheet!r}")
        if row is not None:
            where.append(f"row {row}")
        super().__init__(f"{', '.join(where)}: {message}")
        self.file = file
        self.sheet, self.row, self.column = sheet, row, column


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest holds.

    Attributes:
        category: empty where each row says its own.
        day: the processed day; None when no row has a date.
        rows: its orders, skipped and rejected rows together.
        sheet: of the workbook; None of a text file.
    """

    kind: str
    category: str
    day: date | None
    rows: int
    orders: tuple[ManifestOrder, ...]
    skipped: tuple[Skipped, ...]
    rejected: tuple[Rejected, ...]
    sheet: str | None = None


def read_manifest(
    data: bytes,
    key: str,
    layouts: Layouts,
    zone: ZoneInfo,
    day: date | None = None,
    lives: Callable[[], None] = lambda: None,
) -> Manifest:
    """Reads a manifest (domain.md, Manifests).

    Args:
        data: the file, CSV or Excel.
        key: its object key or path; the last part is its name.
        layouts: the operator's layouts.
        zone: the operator's time zone.
        day: the processed day; without it the day in the name, else the day on which most rows were suspended.
        lives: called now and then, for a manifest of a million rows takes a minute.

    Raises:
        UnreadableManifest: no layout is for this name, it is no table, or a needed column is missing or stands twice.
    """
    name = key.rpartition("/")[2]
    layout = layouts.of(name)
    if layout is None:
        known = ", ".join(layout.file_name for layout in layouts.layouts)
        raise UnreadableManifest(key, f"no layout is for this name; expected one that contains: {known}")
    expected = Expected(layout.columns.required(), layout.optional())
    try:
        with open_table(data, expected, workbook=name.lower().endswith(".xlsx"), lives=lives) as table:
            reader = RowReader(table, layout, layouts, zone)
            day = day or _day_in(name) or _day_of_most(reader, _telling(table.rows(), lives))
            results = [reader.read(row, day) for row in _telling(table.rows(), lives)]
    except UnreadableTable as error:
        raise UnreadableManifest(key, str(error), sheet=error.sheet, row=error.row, column=error.column) from error
    orders, superseded = _one_per_client([result for result in results if isinstance(result, ManifestOrder)])
    skipped = [result for result in results if isinstance(result, Skipped)] + superseded
    return Manifest(
        kind=layout.kind,
        category="" if layout.categories else layout.category,
        day=day,
        rows=len(results),
        orders=orders,
        skipped=tuple(sorted(skipped, key=lambda one: one.row)),
        rejected=tuple(result for result in results if isinstance(result, Rejected)),
        sheet=table.sheet,
    )


def as_json(manifest: Manifest, file: str, zone: ZoneInfo) -> dict[str, object]:
    """What `ringtrue orders check --json` prints of a manifest; times are ISO 8601 with the operator's offset."""
    return {
        "file": file,
        "kind": manifest.kind,
        "orders": [
            {
                "row": one.row,
                "order": one.order.number,
                "client_number": one.order.client_number,
                "ordered_at": times.local_iso(one.order.ordered_at_ms, zone),
                "suspended_at": times.local_iso(one.order.suspended_at_ms, zone),
                "window_start": times.local_iso(one.order.window_start_ms, zone),
                "motif": one.order.motif,
                "category": one.order.category,
                "name": one.order.name,
            }
            for one in manifest.orders
        ],
        "skipped": [{"row": one.row, "reason": one.reason} for one in manifest.skipped],
        "rejected": [
            {"row": one.row, "column": one.column, "value": one.value, "reason": one.reason}
            for one in manifest.rejected
        ],
    }


def _telling(rows: Iterable[Row], lives: Callable[[], None]) -> Iterator[Row]:
    for count, row in enumerate(rows):
        if count % _TELLING_ROWS == 0:
            lives()
        yield row


def _day_in(name: str) -> date | None:
    for pattern in (_YEAR_FIRST, _DAY_FIRST):
        for found in pattern.finditer(name):
            try:
                return date(int(found["year"]), int(found["month"]), int(found["day"]))
            except ValueError:
                continue
    return None


def _day_of_most(reader: RowReader, rows: Iterator[Row]) -> date | None:
    days = Counter(day for day in map(reader.suspension_day, rows) if day)
    # Equally many: the later day, so that the answer does not depend on the order of rows.
    return max(days, key=lambda day: (days[day], day), default=None)


def _one_per_client(orders: list[ManifestOrder]) -> tuple[tuple[ManifestOrder, ...], list[Skipped]]:
    """One row per case (the later row), then one per client: the one suspended last (equal: the later row)."""
    skipped: list[Skipped] = []
    cases: dict[str, ManifestOrder] = {}
    for one in orders:
        if earlier := cases.get(one.order.case_id):
            skipped.append(Skipped(earlier.row, f"row {one.row} holds the same order and suspension"))
        cases[one.order.case_id] = one
    clients: dict[str, ManifestOrder] = {}
    for one in sorted(cases.values(), key=lambda one: (one.order.suspended_at_ms, one.row)):
        if earlier := clients.get(one.order.client_number):
            skipped.append(Skipped(earlier.row, f"row {one.row} is of the same client and was suspended later"))
        clients[one.order.client_number] = one
    return tuple(sorted(clients.values(), key=lambda one: one.row)), skipped
