"""Reads one row of a manifest: an order that counts, a row that does not, or an unusable one and the cell to blame."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from sys import intern
from zoneinfo import ZoneInfo

from ringtrue import phone, times
from ringtrue.manifests.free_text import find_contact
from ringtrue.manifests.headings import Table
from ringtrue.manifests.layouts import Layout, Layouts, folded
from ringtrue.manifests.sheets import MAX_CELL_CHARS, Row
from ringtrue.messages import Order

#: Characters of a cell that are shown where it is to blame.
_SHOWN_CHARS = 200
#: Without one of these, a form of dates names no time of day (the letters of strptime).
_HOURS = ("%H", "%I", "%c", "%X")
_A_TIME = "expected 2026-11-18 14:30:00, 18/11/2026 14:30 or a spreadsheet's date number"


@dataclass(frozen=True, slots=True)
class ManifestOrder:
    """A row that counts; `row` is its line in the spreadsheet, headings included."""

    row: int
    order: Order


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that does not count."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that would count, but cannot be used: the heading and text of the cell to blame."""

    row: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class RowReader:
    """Reads the rows of one table in one layout."""

    table: Table
    layout: Layout
    layouts: Layouts
    zone: ZoneInfo

    @cached_property
    def _outcomes(self) -> dict[str, int]:
        return self.layout.outcomes()

    @cached_property
    def _statuses(self) -> frozenset[str]:
        return frozenset(map(folded, self.layout.statuses))

    @cached_property
    def _categories(self) -> dict[str, str]:
        return {folded(written): category for written, category in self.layout.categories.items()}

    @cached_property
    def _required(self) -> list[tuple[str, int]]:
        """The headings that a row must reach, from left to right."""
        positions = [(heading, self.table.positions[heading]) for heading in self.layout.columns.required()]
        return sorted(positions, key=lambda one: one[1])

    def read(self, row: Row, day: date | None) -> ManifestOrder | Skipped | Rejected:
        try:
            return self._read(row, day)
        except _Unusable as error:
            return Rejected(row.line, error.column, _shown(error.value), error.reason)

    def suspension_day(self, row: Row) -> date | None:
        """The local day of suspension, if it can be read."""
        moment = self._moment(self._cell(row, self.layout.columns.suspended_at), times.END_OF_DAY)
        return moment and times.local_day(times.to_utc_ms(moment, self.zone), self.zone)

    def _read(self, row: Row, day: date | None) -> ManifestOrder | Skipped:
        columns = self.layout.columns
        self._check_shape(row)
        motif = self._cell(row, columns.motif)
        if columns.status and folded(status := self._cell(row, columns.status)) not in self._statuses:
            return Skipped(row.line, f"order status {_shown(status)!r} does not count")
        if folded(motif) not in self._outcomes:
            return Skipped(row.line, f"motif {_shown(motif)!r} does not count")
        suspended_at_ms = self._time(row, columns.suspended_at, times.END_OF_DAY)
        suspended_on = times.local_day(suspended_at_ms, self.zone)
        if suspended_on != day:
            return Skipped(row.line, f"suspended on {suspended_on}, not on the processed day {day}")
        number = self._filled(row, columns.number)
        client_number, name = self._client(row)
        ordered_at_ms = self._time(row, columns.ordered_at, times.START_OF_DAY)
        if suspended_at_ms < ordered_at_ms:
            written = self._cell(row, columns.suspended_at)
            raise _Unusable(columns.suspended_at, written, "the suspension is before the order")
        return ManifestOrder(
            row.line,
            Order(
                number=number,
                case_id=f"{number}@{times.utc_compact(suspended_at_ms)}",
                kind=self.layout.kind,
                category=self._category(row),
                client_number=client_number,
                motif=intern(motif),
                motif_outcome=self._outcomes[folded(motif)],
                ordered_at_ms=ordered_at_ms,
                suspended_at_ms=suspended_at_ms,
                window_start_ms=self._window_start(row, ordered_at_ms, suspended_at_ms),
                work_order=self._optional(row, columns.work_order),
                line_number=self._optional(row, columns.line_number),
                line_id=self._optional(row, columns.line_id),
                city=self._optional(row, columns.city),
                name=name,
            ),
        )

    def _check_shape(self, row: Row) -> None:
        headings = self.table.headings
        for position, cell in enumerate(row.cells):
            if len(cell) > MAX_CELL_CHARS:
                heading = headings[position] if position < len(headings) else ""
                reason = f"the cell holds {len(cell)} characters; at most {MAX_CELL_CHARS} are read"
                raise _Unusable(heading, cell, reason)
        if extra := [cell for cell in row.cells[len(headings) :] if cell]:
            reason = f"more cells than the {len(headings)} headings; is a text that holds a separator not quoted?"
            raise _Unusable("", extra[0], reason)
        for heading, position in self._required:
            if position >= len(row.cells):
                raise _Unusable(heading, "", "the row ends before this column")

    def _client(self, row: Row) -> tuple[str, str | None]:
        """The client's number, and the name where a comment holds both."""
        columns = self.layout.columns
        if columns.comment:
            comment = self._filled(row, columns.comment)
            contact = find_contact(comment, self.layout.labels)
            if contact.number is None:
                raise _Unusable(columns.comment, comment, "the text holds no mobile number")
            return contact.number, contact.name
        heading = columns.client_number or ""
        number = phone.normalise(written := self._filled(row, heading))
        if number is None:
            raise _Unusable(heading, written, "not a phone number; expected ten digits or +212 and nine")
        return number, None

    def _category(self, row: Row) -> str:
        if heading := self.layout.columns.category:
            written = folded(self._cell(row, heading))
            for part, category in self._categories.items():
                if part in written:
                    return category
        return self.layout.category

    def _window_start(self, row: Row, ordered_at_ms: int, suspended_at_ms: int) -> int:
        recycled = [
            self._time(row, heading, times.START_OF_DAY)
            for heading in self.layout.recyclage
            if self._cell(row, heading)
        ]
        return max([at for at in recycled if ordered_at_ms <= at < suspended_at_ms], default=ordered_at_ms)

    def _time(self, row: Row, heading: str, without_time: time) -> int:
        written = self._filled(row, heading)
        moment = self._moment(written, without_time)
        if moment is None:
            raise _Unusable(heading, written, f"not a date; {_A_TIME}")
        return times.to_utc_ms(moment, self.zone)

    def _moment(self, written: str, without_time: time) -> datetime | None:
        for form in self.layouts.date_forms:
            with suppress(ValueError):
                read = datetime.strptime(written, form)  # noqa: DTZ007 - local, as the file says
                has_time = any(hours in form for hours in _HOURS)
                return read if has_time else datetime.combine(read.date(), without_time)
        return times.parse(written, without_time=without_time)

    def _filled(self, row: Row, heading: str) -> str:
        if cell := self._cell(row, heading):
            return cell
        raise _Unusable(heading, "", "the cell is empty")

    def _optional(self, row: Row, heading: str | None) -> str | None:
        return (heading and self._cell(row, heading)) or None

    def _cell(self, row: Row, heading: str) -> str:
        position = self.table.positions.get(heading)
        cell = row.cells[position] if position is not None and position < len(row.cells) else ""
        return "" if self.layouts.is_empty(cell) else cell


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


class _Unusable(Exception):
    """The cell that makes a row unusable."""

    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.value, self.reason = column, value, reason
