"""How fast an engine classifies."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence

from rich.table import Table

from benchmarks.tables import table
from services.classifier.engine import Classifier, Transcript

#: Calls that an engine is given at once, as a worker's batch may be.
TOGETHER = 64


def throughput(engine: Classifier, texts: Mapping[str, Sequence[Transcript]], least_s: float) -> Table:
    """Classifies the texts of each part again and again for so many seconds, in one thread.

    Processor time is what one core can do, whatever else the machine does; an engine that waits for a server takes
    little of it, and its figure is the clock's.
    """
    made = table(
        "Throughput",
        f"batches of {TOGETHER}, one process, at least {least_s:g} s each; Python {platform.python_version()}",
        ["engine", "part"],
        ["words a call", "calls/s of a core", "calls/s by the clock"],
    )
    for part, transcripts in texts.items():
        batches = [transcripts[start : start + TOGETHER] for start in range(0, len(transcripts), TOGETHER)]
        engine.classify_many(batches[0])  # the first call may set things up
        calls, begun, begun_core = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - begun < least_s:
            for batch in batches:
                engine.classify_many(batch)
            calls += len(transcripts)
        core_s, clock_s = time.process_time() - begun_core, time.perf_counter() - begun
        words = sum(len(transcript.words) for transcript in transcripts) / len(transcripts)
        made.add_row(engine.name, part, f"{words:.1f}", f"{calls / core_s:,.0f}", f"{calls / clock_s:,.0f}")
    return made
