"""The reports: which files a manifest gives and what stands in their rows (domain.md, Reports).

For each kind, category and day there is the report itself and four companions with the same ending: `result_` (one
layout for all kinds), `initial_` (what registration alone shows), `assembler_output_` (what was said) and
`ingestion_output_` (what was heard). Manifests of the same kind and day share them: their rows follow one another, a
case that several hold stands once. Rows are read a few hundred cases at a time, however many there are.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa

from ringtrue.results.calls import calls_by_id, calls_in_windows
from ringtrue.results.cases import Manifest, cases_by_id, find_manifests, held_cases
from services.archive.cells import Cell, Line, Print, Recording
from services.archive.layouts import HEARD, INITIAL, LAYOUTS, RESULT, SAID, Report

#: Cases that are read at once.
_CHUNK = 300
#: About as many objects as a chunk has.
_OBJECTS = 50_000


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a report.

    Attributes:
        cells: One per column.
        order: What the row of the report itself is about, for its evidence and the summary; None in companions.
    """

    cells: tuple[Cell, ...]
    order: Line | None = None


@dataclass(frozen=True, slots=True)
class ReportSet:
    """The five reports of one kind, category and day."""

    kind: str
    category: str
    day: str

    @property
    def reports(self) -> tuple[Report, ...]:
        """The report itself, then its companions."""
        ending = f"{self.kind}_{self.category}_{self.day}"
        layout = LAYOUTS.get((self.kind, self.category))
        own = [Report(ending, layout, "verdicts")] if layout else []
        return (
            *own,
            Report(f"result_{ending}", RESULT, "orders"),
            Report(f"initial_{ending}", INITIAL, "orders"),
            Report(f"assembler_output_{ending}", SAID, "calls"),
            Report(f"ingestion_output_{ending}", HEARD, "calls"),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Manifests of one kind and day, and what they give.

    Attributes:
        sets: By category.
        cases: The category of each case, by case id in the order of the rows.
        manifests: Their keys, bucket first.
    """

    sets: dict[str, ReportSet]
    cases: dict[str, str]
    manifests: tuple[str, ...]

    @property
    def reports(self) -> list[Report]:
        """All of its reports."""
        return [report for one in self.sets.values() for report in one.reports]


def find_batches(connection: sa.Connection, *, manifest: str = "", prefix: str = "", day: str = "") -> list[Batch]:
    """What there is to report, by kind and day.

    Args:
        connection: To the database.
        manifest: Only of this manifest (its key, with or without the bucket).
        prefix: Only of manifests whose key or name begins so.
        day: Only of this day, YYYY-MM-DD.
    """
    found = find_manifests(connection, key=manifest, prefix=prefix, day=day)
    batches = list[Batch]()
    for (kind, of_day), group in groupby(sorted(found, key=_kind_and_day), key=_kind_and_day):
        manifests = list(group)
        keys = tuple(m.manifest for m in manifests)
        cases = held_cases(connection, keys)
        # Those of the manifests, so that an empty one has its report too; where the rows decide, those of the rows.
        every = {category for of_kind, category in LAYOUTS if of_kind == kind}
        empty = {category for m in manifests for category in ([m.category] if m.category else every)}
        categories = sorted(empty | set(cases.values()))
        batches.append(Batch({category: ReportSet(kind, category, of_day) for category in categories}, cases, keys))
    return batches


def read_rows(connection: sa.Connection, batch: Batch, printed: Print) -> Iterator[tuple[int, dict[str, list[Row]]]]:
    """The rows of a batch, those of a few hundred cases at a time: of how many, and by the name of their report."""
    ids = list(batch.cases)
    told = set[tuple[str, str]]()
    for start in range(0, len(ids), _CHUNK):
        lines = _lines(connection, ids[start : start + _CHUNK], printed)
        rows = dict[str, list[Row]]()
        for category, one in batch.sets.items():
            ours = [line for line in lines if line.case.order.category == category]
            called = {call.call_id: call for line in ours for call in line.calls}
            fresh = [call for call_id, call in called.items() if (category, call_id) not in told]
            told.update((category, call.call_id) for call in fresh)
            recordings = [Recording(call, printed) for call in fresh]
            for report in one.reports:
                match report.about:
                    case "verdicts":
                        rows[report.name] = [Row(_cells(report, line), line) for line in ours]
                    case "orders":
                        rows[report.name] = [Row(_cells(report, line)) for line in ours]
                    case "calls":
                        rows[report.name] = [Row(_cells(report, recording)) for recording in recordings]
        yield len(lines), rows


@contextmanager
def seldom_collected() -> Iterator[None]:
    """For reading and writing rows: the objects of a chunk come and go together, and what was there before stays.

    To look for garbage among them as often as Python does would take a quarter of the time of reading.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _lines(connection: sa.Connection, ids: Sequence[str], printed: Print) -> list[Line]:
    cases = cases_by_id(connection, ids)
    tried = calls_in_windows(connection, ids)
    last = {case_id: case.attempts[-1].call_id for case_id, case in cases.items() if case.attempts}
    calls = calls_by_id(connection, list(dict.fromkeys((*_flat(tried.values()), *last.values()))))
    lines = list[Line]()
    for case_id, case in cases.items():
        latest = calls.get(last.get(case_id, ""))
        technician = latest.agent_number if latest else None
        lines.append(Line(case, printed, tuple(calls[call] for call in tried.get(case_id, ())), technician))
    return lines


def _cells(report: Report, told: Line | Recording) -> tuple[Cell, ...]:
    return tuple(column.cell(told) for column in report.columns)


def _flat(lists: Iterable[list[str]]) -> Iterator[str]:
    return (item for items in lists for item in items)


def _kind_and_day(manifest: Manifest) -> tuple[str, str]:
    return manifest.kind, manifest.day
