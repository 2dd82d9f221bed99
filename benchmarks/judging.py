"""Judging from facts alone: how long `ringtrue judge` takes for many orders, and how much memory.

    .venv/bin/python benchmarks/judging.py                     # 100,000 orders, 300,000 calls
    .venv/bin/python benchmarks/judging.py --orders 1000000

A manifest of so many clients who could not be reached, and three calls for each, in the order in which they were made:
the calls of one client lie far apart in the file. Silent ones with rings enough, too few, or an unsure count; some that
reached someone. Each run is a process of its own on one core; memory is what the system says of it at its end.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from benchmarks.calls import CALLS_PER_CLIENT, DAY, HEADINGS, order
from benchmarks.tables import say, show, table

_TRANSCRIPT = "allô oui bonjour c'est le technicien pour la ligne je passe demain matin d'accord merci au revoir"
_MANIFEST, _FACTS = "CRC_ADSL_2026-11-18.csv", "facts.jsonl"


def main() -> None:
    """Makes the files, runs the command and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000)
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    made = table(
        f"{chosen.orders:,} orders and {chosen.orders * CALLS_PER_CLIENT:,} calls",
        f"one core of {os.cpu_count()}, Python {sys.version.split()[0]}",
        ["ringtrue judge"],
        ["seconds", "CPU seconds", "orders/s", "memory at most MB", "verdicts"],
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("making the files ...")
        _make_files(folder, chosen.orders)
        for options in (["--json"], []):
            say(f"judging {' '.join(options)} ...")
            seconds, usage, verdicts = _judge(folder, options)
            counts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(verdicts.items()))
            made.add_row(
                " ".join(options) or "the table of 100",
                f"{seconds:.1f}",
                f"{usage.ru_utime + usage.ru_stime:.1f}",
                f"{chosen.orders / seconds:,.0f}",
                f"{usage.ru_maxrss / 1000:,.0f}",  # kilobytes on Linux
                counts,
            )
    show(made)


def _make_files(folder: Path, orders: int) -> None:
    clients = [f"06{number:08d}" for number in range(orders)]
    with (folder / _MANIFEST).open("w") as manifest:
        manifest.write(HEADINGS + "\n")
        manifest.writelines(order(f"ORD-{number}", client) + "\n" for number, client in enumerate(clients))
    rng = random.Random(1)
    with (folder / _FACTS).open("w", encoding="utf-8") as facts:
        for attempt in range(CALLS_PER_CLIENT):
            rng.shuffle(clients)
            facts.writelines(_line(client, attempt, rng) for client in clients)


def _line(client: str, attempt: int, rng: random.Random) -> str:
    started = DAY + timedelta(hours=8 + 2.5 * attempt, seconds=rng.randrange(1200))
    facts = {
        "call_id": f"recordings/2026/11/18/{client}-{attempt}",
        "client_number": client,
        "technician": "0700000001",
        "started_at": started.isoformat(sep=" "),
        "ended_at": (started + timedelta(seconds=40)).isoformat(sep=" "),
        "branch": "ADSL_INSTALL",
        "status": "ok",
        "outcomes": dict.fromkeys(("ACQUISITION", "SAV"), rng.choice((0, 0, 0, 0, 3, 3, 3, 1))),
        "behaviour": 1,
        "ring_count": rng.choice((5, 6, 7, 8, 4)),
        "ring_confidence": rng.choice((0.99, 0.99, 0.99, 0.8)),
        "voicemail_tone": rng.choice((False, False, True)),
        "transcript": _TRANSCRIPT,
    }
    return json.dumps(facts, ensure_ascii=False) + "\n"


def _judge(folder: Path, options: list[str]) -> tuple[float, resource.struct_rusage, Counter[str]]:
    """Seconds, what the process took, and the verdicts if the run tells them all."""
    out = folder / "verdicts"
    files = ["--manifest", str(folder / _MANIFEST), "--calls", str(folder / _FACTS)]
    command = [sys.executable, "-m", "ringtrue", "judge", *files, *options]
    started = time.perf_counter()
    with out.open("wb") as stdout:
        child = subprocess.Popen(command, stdout=stdout)
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        sys.exit(f"ringtrue judge ended with {os.waitstatus_to_exitcode(status)}")
    verdicts = Counter[str]()
    if "--json" in options:
        with out.open(encoding="utf-8") as lines:
            verdicts.update(json.loads(line)["verdict"] for line in lines)
    return seconds, usage, verdicts


if __name__ == "__main__":
    main()
