"""The streaming path on a real Kafka cluster and on the embedded log, models stubbed.

    eval "$(deploy/local/servers up --state DIR --topic-prefix bench-)"
    .venv/bin/python benchmarks/streaming.py                                # every part, about ten minutes
    .venv/bin/python benchmarks/streaming.py --parts calls --calls 100 1000 10000

Parts: `calls` (throughput and cost per call over all stages), `stages` (each stage by itself), `latency` (from a drop
into the bucket to the verdict, on the real store and database), `transactions`, `segments` (the segment path against a
queue of multiprocessing). All but `latency` make topics of their own on the cluster and delete them again. `latency`
needs a store that announces objects on this prefix's topic, and a database of this prefix, as `servers up` makes them.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from benchmarks.latency import latency_table
from benchmarks.logs import about
from benchmarks.segments import segments_table
from benchmarks.tables import show
from benchmarks.throughput import stages_table, whole_table
from benchmarks.transactions import transactions_table
from ringtrue.settings import load_settings
from ringtrue.telemetry import configure_logging

PARTS = ("calls", "stages", "latency", "transactions", "segments")


def main() -> None:
    """Runs the parts that were asked for, and prints each table as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--calls", type=int, nargs="+", default=[100, 1_000], help="sizes of the part calls")
    parser.add_argument("--stage-calls", type=int, default=1_000, help="size of the part stages")
    parser.add_argument("--drops", type=int, default=10, help="calls of the part latency")
    parser.add_argument("--engines", nargs="+", choices=("stub", "ctc"), default=("stub", "ctc"))
    parser.add_argument("--transactions", type=int, default=500, help="of one record; a quarter of them of 64 records")
    parser.add_argument("--segments", type=int, default=400)
    parser.add_argument("--rates", type=int, nargs="+", default=[8_000, 16_000], help="sampling rates of segments, Hz")
    chosen = parser.parse_args()
    bootstrap = load_settings().kafka.bootstrap_servers
    if not bootstrap:
        sys.exit('no Kafka cluster: eval "$(deploy/local/servers up --state DIR --topic-prefix bench-)" first')
    configure_logging("warning")
    caption = about(bootstrap)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        counts = [(1, chosen.transactions), (64, max(1, chosen.transactions // 4))]
        tables: dict[str, Callable[[], Table]] = {
            "calls": lambda: whole_table(folder, chosen.calls, caption),
            "stages": lambda: stages_table(folder, chosen.stage_calls, caption),
            "latency": lambda: latency_table(chosen.drops, chosen.engines, caption),
            "transactions": lambda: transactions_table(folder, counts, caption),
            "segments": lambda: segments_table(folder, chosen.segments, chosen.rates, caption),
        }
        for part in chosen.parts:
            show(tables[part]())


if __name__ == "__main__":
    main()
