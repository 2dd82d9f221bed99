"""What the reports of a large manifest cost: seconds and memory of `ringtrue report`, by format.

    .venv/bin/python -m benchmarks.reports                     # 100,000 orders, three calls each
    .venv/bin/python -m benchmarks.reports --orders 10000

The orders, their calls and verdicts go to an SQLite database with the project's own tables, in the form in which the
archive writes them; then each format is written by a process of its own, on one core. Memory is the most that the
system says of that process. Another process writes the workbooks again and takes the time of each one.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import xlsxwriter
from rich.table import Table

from benchmarks.tables import say, show, table
from ringtrue.database import Update, open_database, upgrade, writing
from ringtrue.messages import (
    Answer,
    Attempt,
    CallClassified,
    CallRegistered,
    CallTranscribed,
    Evidence,
    Finding,
    Heard,
    ManifestRead,
    Order,
    OrderRow,
    OrderVerdict,
    Ring,
    Span,
    Word,
)
from ringtrue.streaming.port import Record
from services.archive.rows import rows_of

_MANIFEST = "recordings/manifests/crc_adsl_2026-11-18.csv"
_MIDNIGHT_MS = 1_794_960_000_000  # 2026-11-18T00:00 UTC
_HOUR_MS = 3_600_000
_CITIES = ("Rabat", "Fès", "Casablanca", "Tanger", "Oujda", "Agadir")
_TEXT = "العلبة الصوتية bienvenue sur la boîte vocale المرجو إعادة الاتصال لاحقا"
#: Orders whose rows go to the database at once.
_CHUNK = 1_000
_RECORD = Record("orders.verdicts", 0, 0, None, None, {}, 0)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: wall and CPU seconds, megabytes."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def main() -> None:
    """Makes the database, writes each format, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000)
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    caption = (
        f"one core of {os.cpu_count()}, Python {platform.python_version()}, XlsxWriter {xlsxwriter.__version__}, SQLite"
    )
    made = table(
        f"ringtrue report: {chosen.orders:,} orders with 3 calls each, five files",
        caption,
        ["format"],
        ["rows", "MB", "seconds", "CPU seconds", "peak memory MB"],
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say(f"making {chosen.orders:,} orders ...")
        make_orders(folder / "results.sqlite", chosen.orders)
        for file_format in ("csv", "xlsx"):
            say(f"{file_format} ...")
            out = folder / file_format
            cost = _report(folder, out, file_format)
            size = sum(path.stat().st_size for path in out.iterdir())
            figures = (f"{size / 1e6:,.0f}", f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}", f"{cost.peak_mb:.0f}")
            made.add_row(file_format, f"{9 * chosen.orders:,}", *figures)
        say("xlsx, each workbook by itself ...")
        shared = _shares(folder, folder / "shares", caption)
    show(made)
    show(shared)


def _shares(data: Path, out: Path, caption: str) -> Table:
    made = table("What each workbook takes", caption, ["part"], ["rows", "MB", "CPU seconds"])
    command = [sys.executable, "-m", "benchmarks.report_shares", str(data), str(out)]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    made.add_row("reading the database, making rows of it", "", "", f"{told['reading']:.1f}")
    for name, rows, size, seconds in told["files"]:
        made.add_row(name, f"{rows:,}", f"{size / 1e6:.0f}", f"{seconds:.1f}")
    return made


def make_orders(file: Path, orders: int) -> None:
    """A database of one manifest, each of its orders with three calls and a verdict that rests on them."""
    engine = open_database(f"sqlite:///{file}")
    upgrade(engine)
    for start in range(0, orders, _CHUNK):
        rows = defaultdict[sa.Table, list[dict[str, Any]]](list)
        for number in range(start, min(start + _CHUNK, orders)):
            for message in _order(number):
                for write in rows_of(message, _RECORD):
                    if isinstance(write, Update):  # says of the order's row, the last one, which verdict is its newest
                        rows[write.table][-1] |= write.values
                    else:
                        rows[write.table].append(dict(write.values))
        with writing(engine) as connection:
            for into, values in rows.items():
                connection.execute(sa.insert(into), values)
    with writing(engine) as connection:
        for write in rows_of(_manifest(orders), _RECORD):
            write.run(connection)
    engine.dispose()


def _report(data: Path, out: Path, file_format: str) -> Cost:
    command = [sys.executable, "-m", "ringtrue", "report", "--out", str(out), "--format", file_format, "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RINGTRUE_")}
    started = time.perf_counter()
    # Waited for by `wait4`, which says what this one process took and not the largest of all.
    child = subprocess.Popen(command, env=environment | {"RINGTRUE_DATA_DIR": str(data)}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if child.returncode != 0:
        sys.exit(f"ringtrue report --format {file_format} ended with {child.returncode}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _manifest(orders: int) -> ManifestRead:
    return ManifestRead(
        manifest=_MANIFEST,
        revision=1,
        etag="e1",
        status="ok",
        kind="ACQUISITION",
        category="ADSL",
        day="2026-11-18",
        rows=orders,
        orders=orders,
        skipped=0,
        rejected=0,
        event_time_ms=_MIDNIGHT_MS,
    )


def _order(number: int) -> Iterator[object]:
    rng = random.Random(number)
    client, counts = f"2126{number:08d}", [rng.randint(3, 9) for _ in range(3)]
    starts = [_MIDNIGHT_MS + int((8 + 2.5 * place) * _HOUR_MS) for place in range(3)]
    ids = [f"recordings/2026/11/18/ivr-{number:07d}-{place}" for place in range(3)]
    for call_id, start_ms, count in zip(ids, starts, counts, strict=True):
        yield from _call(call_id, client, start_ms, count, technician=f"2127{rng.randrange(500):08d}")
    order = Order(
        number=f"CMD-{number:07d}",
        case_id=f"CMD-{number:07d}@20261118T170000Z",
        kind="ACQUISITION",
        category="ADSL",
        client_number=client,
        motif="Client injoignable",
        motif_outcome=3,
        ordered_at_ms=_MIDNIGHT_MS,
        suspended_at_ms=_MIDNIGHT_MS + 17 * _HOUR_MS,
        window_start_ms=_MIDNIGHT_MS,
        work_order=f"W{number}",
        line_number=f"05{number:08d}",
        city=rng.choice(_CITIES),
    )
    yield OrderRow(
        order_number=order.number,
        case_id=order.case_id,
        status="present",
        order=order,
        event_time_ms=_MIDNIGHT_MS,
        manifest=_MANIFEST,
        row=number + 2,
        revision=1,
    )
    enough = min(counts) >= 5
    rung = [
        Evidence(call_id=call_id, start_ms=1000, end_ms=4000 * count, fact=f"{count} tonalité(s)")
        for call_id, count in zip(ids, counts, strict=True)
    ]
    called = [Evidence(call_id=call_id, fact="appel du 2026-11-18 09:00:00") for call_id in ids]
    of_branch = [Evidence(call_id=call_id, fact="branche ADSL_INSTALL") for call_id in ids]
    said = [Evidence(call_id=ids[-1], start_ms=21_000, end_ms=24_000, fact=f"Client injoignable : « {_TEXT} »")]
    yield OrderVerdict(
        case_id=order.case_id,
        order_number=order.number,
        client_number=client,
        evaluation=1,
        verdict="compliant" if enough else "non_compliant",
        findings=(
            _finding("last_call", said),
            _finding("attempts", called),
            _finding("interval", called),
            _finding("rings", rung, "passed" if enough else "failed"),
            _finding("declaration", [], "not_applicable"),
            _finding("branch", of_branch),
            _finding("behaviour", said),
        ),
        waiting_for=(),
        attempts=tuple(
            Attempt(
                call_id=call_id,
                started_at_ms=start_ms,
                status="complete",
                outcome=0,
                behaviour=1,
                ring_count=count,
                ring_confidence=0.97,
                voicemail_tone=False,
                branch="ADSL_INSTALL",
            )
            for call_id, start_ms, count in zip(ids, starts, counts, strict=True)
        ),
        comment="" if enough else "Moins de 5 tonalités",
        unassigned=0,
        rules_hash="0123456789abcdef",
        order=order,
        event_time_ms=_MIDNIGHT_MS + 24 * _HOUR_MS,
        manifest=_MANIFEST,
        row=number + 2,
        revision=1,
    )


def _call(call_id: str, client: str, start_ms: int, count: int, technician: str) -> Iterator[object]:
    bucket, _, stem = call_id.partition("/")
    yield CallRegistered(
        call_id=call_id,
        run=1,
        revision=1,
        status="registered",
        bucket=bucket,
        key=f"{stem}.wav",
        etag="e1",
        size=480_044,
        requested=True,
        client_number=client,
        agent_number=technician,
        external_id=stem,
        branch="ADSL_INSTALL",
        started_at_ms=start_ms,
        ended_at_ms=start_ms + 60_000,
        warnings=(),
        event_time_ms=start_ms,
    )
    heard = Heard(
        duration_ms=60_000,
        codec="pcm_mulaw",
        rate_hz=8000,
        channels=1,
        rings=tuple(
            Ring(start_ms=5000 * n, end_ms=5000 * n + 1500, frequency_hz=425.0, confidence=0.99) for n in range(count)
        ),
        ring_count=count,
        ring_confidence=0.97,
        voicemail_tone=False,
        last_ring_end_ms=5000 * count,
        tones=(),
        speech_ms=3000,
        warnings=(),
    )
    words = _TEXT.split()
    yield CallTranscribed(
        call_id=call_id,
        run=1,
        status="complete",
        heard=heard,
        text=_TEXT,
        words=tuple(
            Word(text=word, start_ms=21_000 + 300 * n, end_ms=21_250 + 300 * n, confidence=0.9, channel=0)
            for n, word in enumerate(words)
        ),
        parts_total=2,
        parts_failed=0,
        model="demo",
        model_revision="m1",
        event_time_ms=start_ms,
    )
    answer = Answer(outcome=0, score=0.9, cited=(Span(start_ms=21_000, end_ms=24_000, text=_TEXT),))
    yield CallClassified(
        call_id=call_id,
        run=1,
        status="complete",
        heard=heard,
        acquisition=answer,
        sav=answer,
        behaviour=1,
        engine="embedded",
        engine_version="1",
        model_revision="m1",
        event_time_ms=start_ms,
    )


def _finding(rule: str, evidence: list[Evidence], result: str = "passed") -> Finding:
    return Finding(
        rule=rule,
        version=1,
        result=result,
        comment=f"{rule} {result}" if evidence else "",
        parameters={"min_rings": "5", "min_gap": "2:00:00"},
        evidence=tuple(evidence),
    )


if __name__ == "__main__":
    main()
