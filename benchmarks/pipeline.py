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
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.calls import make_calls, run_once
from ringtrue.streaming.embedded import EmbeddedLog


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
        "RINGTRUE_KAFKA__BOOTSTRAP_SERVERS": "",
        "RINGTRUE_DATABASE__URL": "",
        "RINGTRUE_ASR__ENGINE": "stub",
        "RINGTRUE_LOG_LEVEL": "warning",
    }
    usage = run_once(source, environment)
    log = EmbeddedLog(data / "log.sqlite")
    segments = log.ends(["segments.transcribed"])["segments.transcribed"]
    log.close()
    return Run(
        calls,
        segments,
        usage.seconds,
        usage.cpu_seconds,
        sum(path.stat().st_size for path in data.glob("*.sqlite*")),
    )


if __name__ == "__main__":
    main()
