"""Writes a report as an Excel workbook: its table, and beside that of verdicts a summary and the evidence.

The same rows give the same bytes: a workbook is dated by the verdicts in it, not by the clock. Rows go to temporary
files as they come, so that a workbook of any size takes little memory.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError, FileSizeError

from ringtrue import times
from ringtrue.errors import WrongUse
from ringtrue.outcomes import Language
from services.archive.cells import Line
from services.archive.evidence import PROOF, PROVED, Summary, proofs
from services.archive.layouts import Report
from services.archive.reports import Row
from services.archive.xlsx_sheet import Sheets, make_styles

_SHEETS: dict[Language, dict[str, str]] = {
    "fr": {"report": "Rapport", "summary": "Synthèse", "evidence": "Preuves"},
    "en": {"report": "Report", "summary": "Summary", "evidence": "Evidence"},
}
#: The date of a workbook in which nothing is judged: 1 January 1980, where the dates of ZIP archives begin.
_NEVER_MS = 315_532_800_000


class XlsxFile(AbstractContextManager["XlsxFile"]):
    """An Excel workbook that is being written; it is there when the block has ended without an error.

    Args:
        path: The file.
        report: Whose columns it has.
        language: Of everything but the report's headings.
    """

    def __init__(self, path: Path, report: Report, language: Language) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="ringtrue-report-")
        self._workbook = Workbook(os.fspath(path), {"constant_memory": True, "tmpdir": self._temporary.name})
        self._newest_ms = _NEVER_MS
        names, styles = _SHEETS[language], make_styles(self._workbook, language)
        headings = [column.heading for column in report.columns]
        coloured = [place for place, column in enumerate(report.columns) if column.shows != "plain"]
        self._rows = Sheets(self._workbook, names["report"], headings, styles, coloured)
        self._tables = [self._rows]
        self._verdict = next((n for n, column in enumerate(report.columns) if column.shows == "verdict"), None)
        if report.about == "verdicts":
            self._summary = Summary(language)
            self._counts = Sheets(self._workbook, names["summary"], self._summary.headings, styles)
            self._proofs = Sheets(self._workbook, names["evidence"], PROOF[language], styles, (PROVED,))
            self._tables += [self._counts, self._proofs]

    def add(self, rows: Sequence[Row]) -> None:
        """Writes rows, each with its evidence."""
        for row in rows:
            self._rows.add(row.cells, self._prove(row.order) if row.order else None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Completes the file, unless an error ends it."""
        try:
            if kind is None:
                self._complete()
        finally:
            for sheet in self._workbook.worksheets():
                sheet.row_data_fh.close()  # which a workbook that is given up leaves open
            self._temporary.cleanup()

    def _prove(self, order: Line) -> dict[int, str]:
        self._summary.add(order)
        self._newest_ms = max(self._newest_ms, order.case.judged_at_ms or 0)
        found = list(proofs(order))
        link = {self._verdict: self._proofs.place} if found and self._verdict is not None else {}
        for proof in found:
            self._proofs.add(proof)
        return link

    def _complete(self) -> None:
        if len(self._tables) > 1:
            for counted in self._summary.rows():
                self._counts.add(counted)
        for table in self._tables:
            table.finish()
        created = times.local(self._newest_ms, ZoneInfo("UTC")).replace(tzinfo=None)
        self._workbook.set_properties({"created": created})
        try:
            self._workbook.close()
        except FileCreateError as error:
            raise error.args[0] from error  # the system's own error
        except FileSizeError as error:
            raise WrongUse(
                f"{self._workbook.filename} would be larger than Excel reads: choose fewer manifests"
            ) from error
