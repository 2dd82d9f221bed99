"""How fast ingest reads manifests and registers their orders, and in how much memory.

    python -m benchmarks.manifests [--orders 100000]

A manifest of each layout, as CSV and as XLSX, with one row in a hundred that cannot be used. Each is read in a process
of its own, from its bytes to the orders; *memory* is the most that this process took, *unpacking* the most of the child
that unpacks a workbook. Then the same through an embedded log: the real worker is told of the manifest, reads it from a
folder and writes its rows, dead letters and state; and once more, of the same manifest with its last two rows left out.
The goal is 5,000 rows/s on one core.
"""

import argparse
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import xlsxwriter

from benchmarks.tables import say, show, table
from benchmarks.workers import Spent, cpu_seconds, feed, work_off
from ringtrue.manifests.layouts import load_layouts
from ringtrue.manifests.manifest import read_manifest
from ringtrue.messages import ObjectSeen
from ringtrue.storage.folder import FolderStore
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.topics import MANIFESTS_SEEN, ORDERS_ROWS, TOPICS
from ringtrue.telemetry import configure_logging
from ringtrue.times import now_ms
from services.ingest.cases import Manifests
from services.ingest.objects import object_seen

_DAY = "2026-11-18"
_ZONE = ZoneInfo("Africa/Casablanca")
#: What the rows of each layout hold, by the name of its files; {n} is the number of the row.
ROWS = {
    "CRC_ADSL": {
        "inwib2c_order__c": "CMD-{n}",
        "inwib2c_degroupage_num__c": "OT-{n}",
        "date_commande": "2026-11-17 09:00:00",
        "date_last_status": f"{_DAY} 18:00:00",
        "numero_de_contact": "06{n:08d}",
        "statut_de_degroupage_iam": "Client injoignable",
        "statut_commande": "Suspendue",
        "nd": "0522{n:06d}",
        "city": "Fès",
        "premiere_date_recyclage": "18/11/2026 08:00",
    },
    "CRC_VULA": {
        "inwib2c_commande_de_partage__c": "CMD-{n}",
        "createddate": "17/11/2026 09:00",
        "lastmodifieddate": "18/11/2026 18:00",
        "inwib2c_numerocontact__c": "+2126{n:08d}",
        "inwib2c_statut_demande__c": "Suspendue",
        "inwib2c_motif__c": "Client reporte RDV",
        "inwib2c_nd_attribut__c": "0522{n:06d}",
        "inwib2c_city__c": "Rabat",
        "inwib2c_lineid__c": "L{n}",
    },
    "SAV": {
        "Number": "INC{n}",
        "ND": "0522{n:06d}",
        "Date d'envoi vers l'opérateur d'infra": "46343.375",
        "Date suspension": "46344.75",
        "Motif suspension": "Client absent",
        "Category": "FTTH",
        "Date réouverture systeme": "",
        "Date recyclage": "46344.25",
        "Commentaire envoi vers opérateur d'infra": "Perte de synchro depuis deux jours. Nom et prénom : EL ALAMI "
        "Karim, contact : 06{n:08d}, adresse : 12 rue des Orangers, appt 4",
        "Numéro chez l'opérateur d'infra": "OT-{n}",
        "city": "Agadir",
    },
}


def main(orders: int) -> None:
    """Prints two tables, a line for each layout and format."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    caption = f"{orders:,} rows each, one core of {os.cpu_count()}; Python {platform.python_version()}"
    words = ("layout", "format")
    read = table(
        "Reading manifests",
        caption,
        words,
        ("file MB", "orders", "refused", "s", "CPU s", "rows/CPU s", "memory MB", "unpacking MB"),
    )
    registered = table(
        "Registering through the embedded log",
        caption,
        words,
        ("s", "CPU s", "rows/CPU s", "memory MB", "log MB", "again: CPU s", "rows/CPU s"),
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in ROWS:
            for suffix, write in ((".csv", _csv), (".xlsx", _xlsx)):
                say(f"{name}{suffix} ...")
                file = Path(folder) / f"{name}_{_DAY}{suffix}"
                file.write_bytes(write(name, orders))
                read.add_row(name, suffix[1:].upper(), f"{file.stat().st_size / 1e6:.1f}", *_child("--measure", file))
                again = file.with_name(f"again{suffix}")
                again.write_bytes(write(name, orders - 2))
                registered.add_row(name, suffix[1:].upper(), *_child("--register", file))
    show(read)
    show(registered)


def _child(what: str, file: Path) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.manifests", what, str(file)]
    told: list[str] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return told


def measure(file: Path) -> list[str]:
    """Reads the file and gives the figures of a line."""
    data, layouts = file.read_bytes(), load_layouts()
    started, cpu_started = time.perf_counter(), cpu_seconds()
    manifest = read_manifest(data, file.name, layouts, _ZONE)
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu_started
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    unpacking = str(child) if file.suffix == ".xlsx" else ""
    counts = (f"{len(manifest.orders):,}", f"{len(manifest.rejected):,}")
    return [*counts, f"{seconds:.1f}", f"{cpu:.1f}", f"{manifest.rows / cpu:,.0f}", _peak_mb(), unpacking]


def register(file: Path) -> list[str]:
    """Has the worker register the manifest, then its next version, and gives the figures of a line."""
    configure_logging("error")  # a warning for each row that is refused
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "log.sqlite"
        bucket = Path(folder) / "recordings"
        bucket.mkdir()
        codec, log, store = Codec(), EmbeddedLog(place), FolderStore(bucket)
        log.create_topics(TOPICS)
        worker = Manifests(store, load_layouts(), _ZONE, None)
        spent, rows = list[Spent](), list[int]()
        for version in (file, file.with_name(f"again{file.suffix}")):
            (bucket / file.name).write_bytes(version.read_bytes())
            feed(log, codec, MANIFESTS_SEEN, [(file.name, _seen(store, file.name))])
            spent.append(work_off(worker, log))
            rows.append(log.ends([ORDERS_ROWS.name])[ORDERS_ROWS.name])
        log.close()
        size = sum(path.stat().st_size for path in place.parent.glob("log.sqlite*"))
    if not rows[0] or rows[1] != 2 * rows[0]:  # what the second version lacks is withdrawn, by a row
        sys.exit(f"{rows[0]} orders were registered, then {rows[1] - rows[0]}")
    first, again = spent
    return [
        f"{first.seconds:.1f}",
        f"{first.cpu_seconds:.1f}",
        f"{rows[0] / first.cpu_seconds:,.0f}",
        _peak_mb(),
        f"{size / 1e6:,.0f}",
        f"{again.cpu_seconds:.1f}",
        f"{rows[0] / again.cpu_seconds:,.0f}",
    ]


def _seen(store: FolderStore, key: str) -> ObjectSeen:
    info = store.stat(store.name, key)
    return object_seen(store.name, key, info.etag, info.size, now_ms(), "scan")


def _peak_mb() -> str:
    return str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def _lines(name: str, orders: int) -> Iterator[list[str]]:
    yield list(ROWS[name])
    for number in range(orders):
        bad = number % 100 == 99
        cells = (cell.replace("{n:08d}", "...") if bad else cell for cell in ROWS[name].values())
        yield [cell.format(n=number) for cell in cells]


def _csv(name: str, orders: int) -> bytes:
    # No cell holds a semicolon or a quote.
    return "".join(";".join(cells) + "\r\n" for cells in _lines(name, orders)).encode("cp1252")


def _xlsx(name: str, orders: int) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as workbook:
        sheet = workbook.add_worksheet("Export")
        sheet.write_row(0, 0, [f"Export {name}"])
        for row, cells in enumerate(_lines(name, orders), start=2):
            sheet.write_row(row, 0, cells)
    return file.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How fast manifests are read.")
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--register", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
    elif arguments.register:
        print(json.dumps(register(arguments.register)))
    else:
        main(arguments.orders)
