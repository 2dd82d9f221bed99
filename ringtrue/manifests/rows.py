"""Reads one row of a manifest: an order that counts, a row that does not, or an unusable one and the cell to blame."""

from dataclasses import dataclass
from datetime import date, time
from zoneinfo import ZoneInfo

from ringtrue import phone, times
from ringtrue.manifests.layouts import Layout, Layouts, folded
from ringtrue.manifests.tables import Row
from ringtrue.messages import Order

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


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the rows of one table in one layout."""

    layout: Layout
    layouts: Layouts
    zone: ZoneInfo
    #: Position of each heading of the layout that the table has.
    positions: dict[str, int]
    width: int
    outcomes: dict[str, int]
    statuses: frozenset[str]

    def read(self, row: Row, day: date | None) -> ManifestOrder | Skipped | Rejected:
        try:
            return self._read(row, day)
        except _Unusable as error:
            return Rejected(row.line, error.column, error.value, error.reason)

    def suspension_day(self, row: Row) -> date | None:
        """The local day of suspension, if it can be read."""
        moment = times.parse(self._cell(row, self.layout.columns.suspended_at), without_time=times.END_OF_DAY)
        return moment and times.local_day(times.to_utc_ms(moment, self.zone), self.zone)

    def _read(self, row: Row, day: date | None) -> ManifestOrder | Skipped:
        columns = self.layout.columns
        self._check_width(row)
        status, motif = self._cell(row, columns.status), self._cell(row, columns.motif)
        if folded(status) not in self.statuses:
            return Skipped(row.line, f"order status {status!r} does not count")
        if folded(motif) not in self.outcomes:
            return Skipped(row.line, f"motif {motif!r} does not count")
        suspended_at_ms = self._time(row, columns.suspended_at, times.END_OF_DAY)
        suspended_on = times.local_day(suspended_at_ms, self.zone)
        if suspended_on != day:
            return Skipped(row.line, f"suspended on {suspended_on}, not on the processed day {day}")
        number = self._filled(row, columns.number)
        client_number = phone.normalise(written := self._filled(row, columns.client_number))
        if client_number is None:
            raise _Unusable(columns.client_number, written, "not a phone number; expected ten digits or +212 and nine")
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
                category=self.layout.category,
                client_number=client_number,
                motif=motif,
                motif_outcome=self.outcomes[folded(motif)],
                ordered_at_ms=ordered_at_ms,
                suspended_at_ms=suspended_at_ms,
                window_start_ms=self._window_start(row, ordered_at_ms, suspended_at_ms),
                work_order=self._optional(row, columns.work_order),
                line_number=self._optional(row, columns.line_number),
                line_id=self._optional(row, columns.line_id),
                city=self._optional(row, columns.city),
            ),
        )

    def _check_width(self, row: Row) -> None:
        if extra := [cell for cell in row.cells[self.width :] if cell]:
            reason = f"more cells than the {self.width} headings; is a text that holds a separator not quoted?"
            raise _Unusable("", extra[0], reason)
        for heading in sorted(self.layout.columns.required(), key=self.positions.__getitem__):
            if self.positions[heading] >= len(row.cells):
                raise _Unusable(heading, "", "the row ends before this column")

    def _window_start(self, row: Row, ordered_at_ms: int, suspended_at_ms: int) -> int:
        recycled = [
            self._time(row, heading, times.START_OF_DAY)
            for heading in self.layout.recyclage
            if self._cell(row, heading)
        ]
        return max([at for at in recycled if ordered_at_ms <= at < suspended_at_ms], default=ordered_at_ms)

    def _time(self, row: Row, heading: str, without_time: time) -> int:
        written = self._filled(row, heading)
        moment = times.parse(written, without_time=without_time)
        if moment is None:
            raise _Unusable(heading, written, f"not a date; {_A_TIME}")
        return times.to_utc_ms(moment, self.zone)

    def _filled(self, row: Row, heading: str) -> str:
        if cell := self._cell(row, heading):
            return cell
        raise _Unusable(heading, "", "the cell is empty")

    def _optional(self, row: Row, heading: str | None) -> str | None:
        return (heading and self._cell(row, heading)) or None

    def _cell(self, row: Row, heading: str) -> str:
        position = self.positions.get(heading)
        cell = row.cells[position] if position is not None and position < len(row.cells) else ""
        return "" if self.layouts.is_empty(cell) else cell


class _Unusable(Exception):
    """The cell that makes a row unusable."""

    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.value, self.reason = column, value, reason
