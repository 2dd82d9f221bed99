"""All stages on the embedded log with the ASR model stubbed: throughput, disk and cost per call as calls grow.

    .venv/bin/python benchmarks/pipeline.py                    # 100, 1,000 and 10,000 calls
    .venv/bin/python benchmarks/pipeline.py --calls 100 1000

Each size runs in a data folder of its own, as `ringtrue run FOLDER --once` does, child processes and all. The calls
are one synthetic recording (five rings, then a voice-like sound) under many names, with a sidecar each, three to a
client, and one order for each client. Decoding, tone analysis and the voice detector do their real work; only the ASR
model is replaced by the stub. CPU time is that of all processes. The start of the processes (the row of 0 calls) is
taken off before anything is divided by calls.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from examples.synth import ringback
from ringtrue.streaming.embedded import EmbeddedLog

RATE_HZ = 8000
CALLS_PER_CLIENT = 3
DAY = datetime(2026, 11, 18)  # noqa: DTZ001 - local time of the operator, as in sidecars
HEADINGS = (
    "inwib2c_order__c;inwib2c_degroupage_num__c;date_commande;date_last_status;numero_de_contact;"
    "statut_de_degroupage_iam;statut_commande;nd;city"
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took.

    Attributes:
        calls: Recordings in the folder.
        segments: Parts that went through asr.
        seconds: Wall time.
        cpu_seconds: CPU time of all processes.
        disk_bytes: Size of the log and the database afterwards.
    """

    calls: int
    segments: int
    seconds: float
    cpu_seconds: float
    disk_bytes: int


def main() -> None:
    """Runs every size and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[100, 1_000, 10_000])
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        base = measure(Path(folder), 0)
        runs = []
        for calls in arguments.calls:
            console.print(f"{calls} calls ...")
            runs.append(measure(Path(folder), calls))
    table = Table(title=f"ringtrue run --once, embedded log, ASR stubbed, {os.cpu_count()} cores")
    for heading in ("calls", "seconds", "calls/s", "segments/s", "CPU ms/call", "KB on disk/call"):
        table.add_column(heading, justify="right")
    table.add_row("0", f"{base.seconds:.1f}", "", "", f"({base.cpu_seconds:.1f} s in all)", "")
    for run in runs:
        seconds = run.seconds - base.seconds
        table.add_row(
            f"{run.calls:,}",
            f"{run.seconds:.1f}",
            f"{run.calls / seconds:.1f}",
            f"{run.segments / seconds:.1f}",
            f"{(run.cpu_seconds - base.cpu_seconds) / run.calls * 1000:.1f}",
            f"{(run.disk_bytes - base.disk_bytes) / run.calls / 1000:.1f}",
        )
    console.print(table)


def measure(folder: Path, calls: int) -> Run:
    """One run over `calls` recordings in a folder of their own below `folder`."""
    source, data = folder / f"calls-{calls}", folder / f"data-{calls}"
    make_calls(source, calls)
    environment = os.environ | {
        "RINGTRUE_DATA_DIR": str(data),
        "RINGTRUE_ASR__ENGINE": "stub",
        "RINGTRUE_LOG_LEVEL": "warning",
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "ringtrue", "run", str(source), "--once"],
        env=environment,
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"the run of {calls} calls ended with {done.returncode}:\n{done.stderr.decode()[-2000:]}")
    log = EmbeddedLog(data / "log.sqlite")
    segments = log.ends(["segments.transcribed"])["segments.transcribed"]
    log.close()
    return Run(
        calls,
        segments,
        seconds,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        sum(path.stat().st_size for path in data.glob("*.sqlite*")),
    )


def make_calls(folder: Path, calls: int) -> None:
    """Recordings with sidecars, and a manifest with an order for each client."""
    folder.mkdir()
    sound = folder / ".sound.wav"
    soundfile.write(sound, recording(), RATE_HZ, subtype="ULAW")
    rows = [HEADINGS]
    for number in range(calls):
        client, attempt = divmod(number, CALLS_PER_CLIENT)
        started = DAY + timedelta(hours=9 + 2.5 * attempt)
        stem = folder / f"{client // 1000:03d}" / f"call-{number:06d}"
        stem.parent.mkdir(exist_ok=True)
        os.link(sound, stem.with_suffix(".wav"))
        sidecar = {
            "CALL_ID": f"C{number}",
            "NUMERO_CLIENT": f"06{client:08d}",
            "NUMERO_TECHNICIEN": "0700000001",
            "DATE_DEBUT": f"{started:%Y-%m-%d %H:%M:%S}",
            "DATE_FIN": f"{started + timedelta(seconds=40):%Y-%m-%d %H:%M:%S}",
            "BRANCHE": "ADSL_INSTALL",
        }
        stem.with_suffix(".json").write_text(json.dumps(sidecar))
        if attempt == 0:
            rows.append(
                f"ORD-{client};W{client};{DAY:%Y-%m-%d} 08:00:00;{DAY:%Y-%m-%d} 18:00:00;06{client:08d};"
                "client injoignable;suspendue;;Rabat"
            )
    (folder / "CRC_ADSL_2026-11-18.csv").write_text("\n".join(rows) + "\n")


def recording() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Five rings, then eight seconds of a sound in which a recogniser may look for words."""
    rng = np.random.default_rng(1)
    time_s = np.arange(8 * RATE_HZ) / RATE_HZ
    harmonics = [np.sin(2 * np.pi * 130 * k * time_s) / k for k in range(1, 20)]
    voice = np.sum(harmonics, axis=0) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * time_s))
    sound = np.concatenate([ringback(5, rate_hz=RATE_HZ), voice * 0.1])
    return (sound + rng.normal(0, 1e-3, len(sound))).astype(np.float32)


if __name__ == "__main__":
    main()
