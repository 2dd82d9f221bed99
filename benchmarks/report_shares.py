"""What each workbook of a manifest's reports takes of the whole, in a process of its own: see `benchmarks/reports.py`.

The same functions as behind `ringtrue report --format xlsx` write the same files; each file's own time is taken.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ringtrue.database import open_database
from ringtrue.settings import load_settings
from services.archive.cells import Print
from services.archive.files import ReportFile, write_reports
from services.archive.layouts import Report
from services.archive.reports import Row, find_batches, read_rows
from services.archive.xlsx_file import XlsxFile


class Shares:
    """CPU seconds by report, and those of everything else."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](float)

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        """What is done here is this report's."""
        started = time.process_time()
        yield
        self.seconds[name] += time.process_time() - started

    @contextmanager
    def workbook(self, path: Path, report: Report) -> Iterator[ReportFile]:
        """A workbook whose time is counted."""
        with self.counted(report.name):
            file = XlsxFile(path, report, "fr")
        yield _Counted(file, report.name, self)
        with self.counted(report.name):
            file.__exit__(None, None, None)


class _Counted:
    def __init__(self, file: XlsxFile, name: str, shares: Shares) -> None:
        self._file, self._name, self._shares = file, name, shares

    def add(self, rows: Sequence[Row]) -> None:
        with self._shares.counted(self._name):
            self._file.add(rows)


def main(data: Path, out: Path) -> None:
    """Prints, for each file, its rows, its bytes and its CPU seconds; then those of reading and computing the rows."""
    shares = Shares()
    started = time.process_time()
    engine = open_database(f"sqlite:///{data}/results.sqlite")
    with engine.connect() as connection:
        (batch,) = find_batches(connection)
        chunks = read_rows(connection, batch, Print(load_settings().zone, "fr"))

        def workbook(path: Path, report: Report) -> AbstractContextManager[ReportFile]:
            return shares.workbook(path, report)

        files = write_reports(batch.reports, (rows for _, rows in chunks), out, {"xlsx": workbook})
    engine.dispose()
    reading = time.process_time() - started - sum(shares.seconds.values())
    told = [(one.path.name, one.rows, one.path.stat().st_size, shares.seconds[one.path.stem]) for one in files]
    print(json.dumps({"files": told, "reading": reading}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
