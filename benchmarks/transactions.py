"""What a commit of the log's port costs: receive, write as many records, commit with the position."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.logs import LOGS, LogName, fresh, opened, percentile
from benchmarks.tables import say, table
from ringtrue.streaming.port import Commit, Outgoing, StateChange, Subscription
from ringtrue.streaming.topics import Topic

_IN, _OUT, _STATE = Topic("bench.in"), Topic("bench.out"), Topic("bench.state", cleanup="compact", retention_ms=0)
_VALUE = bytes(range(250)) * 4  # a kilobyte


def transactions_table(folder: Path, counts: Sequence[tuple[int, int]], caption: str) -> Table:
    """Measures commits of so many records, so many times, on both logs.

    Args:
        folder: For the embedded log and the caches of state.
        counts: Records in a transaction, and how many transactions.
        caption: Of the table.
    """
    made = table(
        "one transaction after the other, one member, records of 1 kB; a turn is receive and commit",
        caption,
        ["log", "with state"],
        ["records each", "transactions", "commit p50 ms", "p95 ms", "turns/s", "records/s"],
    )
    for log in LOGS:
        for records, times in counts:
            for state in (False, True):
                say(f"{log}: {times} transactions of {records} ...")
                took, seconds = _measured(log, folder, records, times, state=state)
                made.add_row(
                    log,
                    "yes" if state else "no",
                    str(records),
                    str(times),
                    f"{percentile(took, 0.5) * 1000:.1f}",
                    f"{percentile(took, 0.95) * 1000:.1f}",
                    f"{times / seconds:,.0f}",
                    f"{records * times / seconds:,.0f}",
                )
    return made


def _measured(log: LogName, folder: Path, records: int, times: int, *, state: bool) -> tuple[list[float], float]:
    """Seconds of each commit, and of all turns together."""
    with fresh(log, folder) as settings:
        port = opened(settings)
        port.create_topics([_IN, _OUT, _STATE])
        # Of one partition, so that each turn receives a full batch.
        inputs = [Outgoing(_IN.name, b"key", _VALUE, partition=0) for _ in range(records)]
        for _ in range(times + 1):
            port.append(inputs)
        member = port.join(Subscription("bench", "0", (_IN.name,), _STATE.name if state else None))
        took = list[float]()
        started = time.perf_counter()
        while len(took) <= times:
            received = list(member.receive(records, 5.0).records)
            if not received:
                continue
            while len(received) < records:
                received += member.receive(records - len(received), 5.0).records
            last = received[-1]
            commit = Commit(
                {(last.topic, last.partition): last.offset + 1},
                [Outgoing(_OUT.name, str(record.offset).encode(), record.value) for record in received],
                [StateChange(0, str(record.offset), _VALUE) for record in received] if state else (),
            )
            begun = time.perf_counter()
            member.commit(commit)
            took.append(time.perf_counter() - begun)
            if len(took) == 1:
                started = time.perf_counter()  # the first one opens connections
        seconds = time.perf_counter() - started
        member.leave()
        port.close()
    return took[1:], seconds
