"""Reads a manifest: which of its rows are orders to check, which do not count, which are unusable and why.

The file's name chooses the layout (`layouts.yaml`), `tables` gives the rows as texts, and `manifest_rows` makes of each
exactly one of `ManifestOrder`, `Skipped` (it does not count) or `Rejected` (it would count, but cannot be used). A bad
row never stops the others; only a file in which no row can be read is an `UnreadableManifest`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from ringtrue import times
from ringtrue.manifests.layouts import Layout, Layouts, folded
from ringtrue.manifests.rows import ManifestOrder, Rejected, RowReader, Skipped
from ringtrue.manifests.tables import Row, Table, UnreadableTable, read_table

__all__ = ["Manifest", "ManifestOrder", "Rejected", "Skipped", "UnreadableManifest", "as_json", "read_manifest"]

#: After so many rows it is told that reading goes on.
_TELLING_ROWS = 1_000
#: A day in a file's name: year first or day first, with one kind of separator or none.
_YEAR_FIRST = re.compile(r"(?<!\d)(?P<year>20\d\d)(?P<s>[-_.]?)(?P<month>\d\d)(?P=s)(?P<day>\d\d)(?!\d)", re.ASCII)
_DAY_FIRST = re.compile(r"(?<!\d)(?P<day>\d\d)(?P<s>[-_.]?)(?P<month>\d\d)(?P=s)(?P<year>20\d\d)(?!\d)", re.ASCII)


class UnreadableManifest(ValueError):
    """A manifest of which no row can be read: the file, the column where one is to blame, and what is expected."""

    def __init__(self, file: str, message: str, column: str | None = None) -> None:
        super().__init__(f"{file}: {message}")
        self.file = file
        self.column = column


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest holds: `rows` are its orders, skipped and rejected ones. `day` is None when no row has a date."""

    kind: str
    category: str
    day: date | None
    rows: int
    orders: tuple[ManifestOrder, ...]
    skipped: tuple[Skipped, ...]
    rejected: tuple[Rejected, ...]


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
    try:
        reader, rows = _open(data, key, layout, layouts, zone, lives)
        if day is None:
            day = _day_in(name) or _day_of_most(*_open(data, key, layout, layouts, zone, lives))
        results = [reader.read(row, day) for row in rows]
    except UnreadableTable as error:
        raise UnreadableManifest(key, str(error)) from error
    orders, superseded = _one_per_client([result for result in results if isinstance(result, ManifestOrder)])
    skipped = [result for result in results if isinstance(result, Skipped)] + superseded
    return Manifest(
        kind=layout.kind,
        category=layout.category,
        day=day,
        rows=len(results),
        orders=orders,
        skipped=tuple(sorted(skipped, key=lambda one: one.row)),
        rejected=tuple(result for result in results if isinstance(result, Rejected)),
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


def _open(
    data: bytes, key: str, layout: Layout, layouts: Layouts, zone: ZoneInfo, lives: Callable[[], None]
) -> tuple[RowReader, Iterator[Row]]:
    wanted = [heading for heading in layout.columns.model_dump().values() if heading] + list(layout.recyclage)
    table = read_table(data, wanted, workbook=key.lower().endswith(".xlsx"))
    positions = _positions(table, key, layout, wanted)
    reader = RowReader(
        layout=layout,
        layouts=layouts,
        zone=zone,
        positions=positions,
        width=len(table.headings),
        outcomes=layout.outcomes(),
        statuses=frozenset(folded(status) for status in layout.statuses),
    )
    return reader, _telling(table.rows, lives)


def _telling(rows: Iterable[Row], lives: Callable[[], None]) -> Iterator[Row]:
    for count, row in enumerate(rows):
        if count % _TELLING_ROWS == 0:
            lives()
        yield row


def _positions(table: Table, key: str, layout: Layout, wanted: list[str]) -> dict[str, int]:
    found: dict[str, list[int]] = {}
    for position, heading in enumerate(table.headings):
        found.setdefault(folded(heading), []).append(position)
    for heading in wanted:
        if len(found.get(folded(heading), [])) > 1:
            raise UnreadableManifest(key, f"the column {heading!r} stands twice in the headings", heading)
    missing = [heading for heading in layout.columns.required() if folded(heading) not in found]
    if missing:
        message = f"the column {missing[0]!r} is missing; expected the headings {', '.join(layout.columns.required())}"
        raise UnreadableManifest(key, message, missing[0])
    return {heading: found[folded(heading)][0] for heading in wanted if folded(heading) in found}


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
