"""Throughput and cost per call: `ringtrue run --once` whole, and each stage by itself, on either log."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from rich.table import Table

from benchmarks.calls import RATE_HZ, make_calls, recording, run_once
from benchmarks.logs import LOGS, LogName, broker, cpu_seconds, fresh, opened
from benchmarks.tables import say, table
from ringtrue.settings import Settings
from ringtrue.streaming.topics import READ_BY, TOPICS

#: The stages in the order in which their topics fill: title, service, worker.
STAGES = (
    ("manifests", "ingest", "ingest-manifests"),
    ("register", "ingest", "ingest-register"),
    ("segment (fetch, decode, hear, cut)", "ingest", "ingest-segment"),
    ("asr (stub)", "asr", "asr"),
    ("assembler", "assembler", "assembler"),
    ("classifier", "classifier", "classifier"),
    ("orders", "compliance", "compliance-orders"),
    ("facts", "compliance", "compliance-facts"),
    ("judge", "compliance", "compliance-judge"),
    ("archive (SQLite)", "archive", "archive"),
)

_FAST_S, _LOOK_S = 0.02, 0.2
_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Whole:
    """What one run over all stages took.

    Attributes:
        calls: Recordings.
        segments: Parts that went through asr.
        seconds: Wall time.
        cpu_seconds: CPU time of Ringtrue's processes.
        broker_cpu_seconds: CPU time of the broker meanwhile; 0 without one here.
    """

    calls: int
    segments: int
    seconds: float
    cpu_seconds: float
    broker_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Drained:
    """What one stage by itself took, from its first commit to its last.

    Attributes:
        records: Records that it handled in all.
        timed: Those of them between the two commits.
        seconds: Between the two commits.
        cpu_seconds: CPU time of its processes meanwhile.
        commits: Its commits, in all.
        commit_seconds: Time in them.
        audio_seconds: Audio that it handled between the two commits.
    """

    records: int
    timed: int
    seconds: float
    cpu_seconds: float
    commits: int
    commit_seconds: float
    audio_seconds: float


def whole_table(folder: Path, sizes: Sequence[int], caption: str) -> Table:
    """Runs every size on both logs."""
    made = table(
        "ringtrue run FOLDER --once, ASR stubbed, results in SQLite; the row of 0 calls is taken off the others",
        caption,
        ["log"],
        ["calls", "seconds", "calls/s", "segments/s", "audio s/s", "CPU ms/call", "broker ms/call"],
    )
    audio_s = len(recording()) / RATE_HZ
    sources = {calls: folder / f"calls-{calls}" for calls in (0, *sizes)}
    for calls, source in sources.items():
        make_calls(source, calls)
    for log in LOGS:
        base = _whole(log, folder, sources[0], 0)
        made.add_row(log, "0", f"{base.seconds:.1f}", "", "", "", f"({base.cpu_seconds:.1f} s in all)", "")
        for calls in sizes:
            run = _whole(log, folder, sources[calls], calls)
            seconds = run.seconds - base.seconds
            broker_ms = (run.broker_cpu_seconds - base.broker_cpu_seconds) / calls * 1000
            made.add_row(
                log,
                f"{calls:,}",
                f"{run.seconds:.1f}",
                f"{calls / seconds:.1f}",
                f"{run.segments / seconds:.1f}",
                f"{calls * audio_s / seconds:.0f}",
                f"{(run.cpu_seconds - base.cpu_seconds) / calls * 1000:.1f}",
                f"{broker_ms:.1f}" if log == "Kafka" else "",
            )
    return made


def stages_table(folder: Path, calls: int, caption: str) -> Table:
    """Lets one stage after the other work off its topics, on both logs."""
    made = table(
        f"each stage by itself, {calls:,} calls, from its first commit to its last",
        caption,
        ["log", "stage"],
        ["records", "records/s", "audio s/s", "CPU ms/record", "commits", "ms/commit"],
    )
    source = folder / f"stages-{calls}"
    make_calls(source, calls)
    for log in LOGS:
        with fresh(log, folder) as settings:
            mine = settings.model_copy(update={"source": str(source), "settle_s": 0.0})
            port = opened(mine)
            port.create_topics(TOPICS)
            subprocess.run(
                [sys.executable, "-m", "ringtrue", "reconcile", "--once"],
                env=mine.environment(),
                check=True,
                capture_output=True,
            )
            for title, service, worker in STAGES:
                say(f"{log}: {title} by itself, {calls} calls ...")
                done = drain(mine, service, worker)
                known = done.timed > 0 and done.seconds > 0
                made.add_row(
                    log,
                    title,
                    f"{done.records:,}",
                    f"{done.timed / done.seconds:,.0f}" if known else "(one commit)",
                    f"{done.audio_seconds / done.seconds:,.0f}" if known and done.audio_seconds else "",
                    f"{done.cpu_seconds / done.timed * 1000:.1f}" if known else "",
                    f"{done.commits:,}",
                    f"{done.commit_seconds / done.commits * 1000:.1f}" if done.commits else "",
                )
            port.close()
    return made


def drain(settings: Settings, service: str, worker: str) -> Drained:
    """Runs one worker until nothing is left before it; what its metrics said."""
    port = free_port()
    environment = settings.model_copy(update={"metrics_port": port}).environment()
    groups = {worker: [topic.name for topic in READ_BY[worker]]}
    log = opened(settings)
    process = subprocess.Popen(
        [sys.executable, "-m", "ringtrue", "service", service, "--worker", worker],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _LIMIT_S
        first = _Scrape()
        while not first.records:
            _must_live(process, worker, deadline)
            time.sleep(_FAST_S)
            first = scrape(port, worker, process.pid)
        last = first
        while True:
            _must_live(process, worker, deadline)
            time.sleep(_LOOK_S)
            found = scrape(port, worker, process.pid)
            if found.records == last.records and not any(log.backlog(groups).values()):
                break
            last = found
        last = scrape(port, worker, process.pid)
    finally:
        process.terminate()
        process.wait()
        log.close()
    return Drained(
        records=int(last.records),
        timed=int(last.records - first.records),
        seconds=last.committed_at - first.committed_at,
        cpu_seconds=last.cpu_seconds - first.cpu_seconds,
        commits=int(last.commits),
        commit_seconds=last.commit_seconds,
        audio_seconds=last.audio_seconds - first.audio_seconds,
    )


@dataclass(frozen=True, slots=True)
class _Scrape:
    records: float = 0.0
    committed_at: float = 0.0
    commits: float = 0.0
    commit_seconds: float = 0.0
    audio_seconds: float = 0.0
    cpu_seconds: float = 0.0


def scrape(port: int, worker: str, pid: int) -> _Scrape:
    """What a worker's metrics say now; zeros while it is starting."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return _Scrape()
    sums = dict[str, float]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("worker") == worker and "le" not in sample.labels:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return _Scrape(
        records=sums.get("ringtrue_records_total", 0.0),
        committed_at=sums.get("ringtrue_last_commit_timestamp_seconds", 0.0),
        commits=sums.get("ringtrue_transaction_seconds_count", 0.0),
        commit_seconds=sums.get("ringtrue_transaction_seconds_sum", 0.0),
        audio_seconds=sums.get("ringtrue_audio_seconds_total", 0.0),
        cpu_seconds=cpu_seconds(pid),
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _whole(log: LogName, folder: Path, source: Path, calls: int) -> Whole:
    say(f"{log}: all stages, {calls} calls ...")
    with fresh(log, folder) as settings:
        here = broker(settings.kafka.bootstrap_servers) if log == "Kafka" else None
        before = cpu_seconds(here.pid) if here else 0.0
        usage = run_once(source, settings.environment())
        after = cpu_seconds(here.pid) if here else 0.0
        port = opened(settings)
        segments = sum(1 for _ in port.browse("segments.transcribed"))
        port.close()
    return Whole(calls, segments, usage.seconds, usage.cpu_seconds, after - before)


def _must_live(process: "subprocess.Popen[bytes]", worker: str, deadline: float) -> None:
    if process.poll() is not None:
        sys.exit(f"{worker} ended with {process.returncode}")
    if time.monotonic() > deadline:
        sys.exit(f"{worker} has not worked off its topics within {_LIMIT_S:.0f} s")
