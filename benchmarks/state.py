"""Keyed state that is larger than memory: what compliance remembers of a million calls, on a real Kafka cluster.

    eval "$(deploy/local/servers up)"
    .venv/bin/python benchmarks/state.py                     # 1,000,000 keys
    .venv/bin/python benchmarks/state.py --keys 100000

One member of the log's port writes one entry per key, as compliance-facts does, into the state topic and the cache on
this machine's disk. Then processes of their own, one after the other: read and write keys at random, and die as by a
power cut; start again with the cache; start again without it. Memory is what the system says of each process.
"""

import argparse
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from benchmarks.logs import about, fresh, opened, percentile
from benchmarks.tables import say, show, table
from ringtrue.messages import CallRegistered
from ringtrue.settings import Settings, load_settings
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import Commit, Member, StateChange, Subscription
from ringtrue.streaming.topics import Topic
from ringtrue.telemetry import configure_logging
from services.compliance.state import JoinedCall

_IN, _STATE = Topic("bench.in"), Topic("bench.state", cleanup="compact", retention_ms=0)
#: Keys in one commit: as many records as compliance takes at once.
_BATCH = 200
_PARTITIONS = 4
_SAY_EVERY = 100_000

Answer = dict[str, float]


def main() -> None:
    """Runs the phases and prints the table; as a child, one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=200, help=f"of {_BATCH} keys each, read and written at random")
    parser.add_argument("--bootstrap", default=os.environ.get("RINGTRUE_TEST_KAFKA", ""), help="default: the settings'")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    configure_logging("warning")
    if chosen.phase:
        print(json.dumps(PHASES[chosen.phase](load_settings(), chosen.keys, chosen.turns)))
        sys.stdout.flush()
        if chosen.phase == "steady":
            os.kill(os.getpid(), signal.SIGKILL)
        return
    bootstrap = chosen.bootstrap or load_settings().kafka.bootstrap_servers
    if not bootstrap:
        sys.exit('no Kafka cluster: eval "$(deploy/local/servers up)" first, or give --bootstrap')
    with tempfile.TemporaryDirectory() as folder, fresh("Kafka", Path(folder), bootstrap) as made:
        settings = made.model_copy(update={"log": made.log.model_copy(update={"partitions": _PARTITIONS})})
        log = opened(settings)
        log.create_topics([_IN, _STATE])
        log.close()
        show(_table(settings, chosen.keys, chosen.turns, about(bootstrap)))


def _table(settings: Settings, keys: int, turns: int, caption: str) -> Table:
    def run(phase: str) -> Answer:
        say(f"{phase} ...")
        return _child(settings, phase, keys, turns)

    written = run("write")
    steady = run("steady")
    warm = run("restart")
    cache = settings.data_dir / "state"
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    shutil.rmtree(cache)
    cold = run("restart")
    made = table(
        f"{keys:,} keys of {written['bytes']:.0f} bytes in {settings.log.partitions} partitions, "
        f"cache on disk {size / 1e6:,.0f} MB",
        caption,
        ["phase, each a process of its own"],
        ["result", "memory at its end MB", "at most MB"],
    )

    def add(name: str, result: str, answer: Answer) -> None:
        made.add_row(name, result, f"{answer['rss_mb']:.0f}", f"{answer['rss_max_mb']:.0f}")

    add(f"write every key once, {_BATCH} to a commit", f"{keys / written['seconds']:,.0f} keys/s", written)
    add(f"steady: read {_BATCH} random keys ...", f"{steady['reads_per_s']:,.0f} reads/s", steady)
    add(
        f"... and write {_BATCH} in one commit",
        f"commit p50 {steady['commit_p50_ms']:.1f}, p95 {steady['commit_p95_ms']:.1f} ms",
        steady,
    )
    add("restart after kill -9, cache warm", f"{warm['joined_s']:.2f} s (process {warm['process_s']:.2f} s)", warm)
    add("restart without the cache", f"{cold['joined_s']:.1f} s (process {cold['process_s']:.1f} s)", cold)
    return made


def _child(settings: Settings, phase: str, keys: int, turns: int) -> Answer:
    started = time.time()
    done = subprocess.run(
        [sys.executable, __file__, "--phase", phase, "--keys", str(keys), "--turns", str(turns)],
        env=settings.environment(),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode != (-signal.SIGKILL if phase == "steady" else 0):
        sys.exit(f"the phase {phase} ended with {done.returncode}")
    answer: Answer = json.loads(done.stdout)
    answer["process_s"] = answer.get("ready_at", started) - started
    return answer


def _write(settings: Settings, keys: int, turns: int) -> Answer:
    del turns
    codec = Codec()
    with _Joined(settings) as member:
        started = time.perf_counter()
        size = 0
        for first in range(0, keys, _BATCH):
            changes = [_entry(codec, number) for number in range(first, min(first + _BATCH, keys))]
            size += sum(len(change.value or b"") for change in changes)
            member.commit(Commit({}, (), changes))
            if first and first % _SAY_EVERY == 0:
                say(f"  {first:,} keys, {first / (time.perf_counter() - started):,.0f}/s")
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "bytes": size / keys} | _memory()


def _steady(settings: Settings, keys: int, turns: int) -> Answer:
    codec = Codec()
    rng = random.Random(1)
    reading, commits = 0.0, list[float]()
    with _Joined(settings) as member:
        for _ in range(turns):
            started = time.perf_counter()
            numbers = [rng.randrange(keys) for _ in range(_BATCH)]
            for number in numbers:
                change = _place(number)
                if member.state(change.partition).get(change.key) is None:
                    sys.exit(f"the key {change.key} is not there")
            reading += time.perf_counter() - started
            changes = [_entry(codec, number) for number in dict.fromkeys(numbers)]
            started = time.perf_counter()
            member.commit(Commit({}, (), changes))
            commits.append(time.perf_counter() - started)
        return {
            "reads_per_s": turns * _BATCH / reading,
            "commit_p50_ms": percentile(commits, 0.5) * 1000,
            "commit_p95_ms": percentile(commits, 0.95) * 1000,
        } | _memory()


def _restart(settings: Settings, keys: int, turns: int) -> Answer:
    del turns
    started = time.perf_counter()
    with _Joined(settings) as member:
        ready = {"joined_s": time.perf_counter() - started, "ready_at": time.time()}
        # What was restored is what was written: a sample of it, by key.
        rng = random.Random(2)
        for number in (0, keys - 1, *(rng.randrange(keys) for _ in range(1_000))):
            change = _place(number)
            if member.state(change.partition).get(change.key) is None:
                sys.exit(f"the key {change.key} was not restored")
        return ready | _memory()


#: What a child does, by name.
PHASES: dict[str, Callable[[Settings, int, int], Answer]] = {"write": _write, "steady": _steady, "restart": _restart}


class _Joined:
    """A member with all partitions and their state."""

    def __init__(self, settings: Settings) -> None:
        self._log = opened(settings)
        self._partitions = settings.log.partitions

    def __enter__(self) -> Member:
        self._member = self._log.join(Subscription("bench", "0", (_IN.name,), _STATE.name))
        while len(self._member.partitions) < self._partitions:
            self._member.receive(1, 1.0)
        return self._member

    def __exit__(self, *_: object) -> None:
        self._member.leave()
        self._log.close()


def _place(number: int) -> StateChange:
    return StateChange(number % _PARTITIONS, f"call:recordings/2026/11/18/call-{number:08d}", None)


def _entry(codec: Codec, number: int) -> StateChange:
    """What compliance-facts remembers of a registered call."""
    stem = f"2026/11/18/call-{number:08d}"
    registered = CallRegistered(
        call_id=f"recordings/{stem}",
        run=1_795_000_000_000 + number,
        revision=1_795_000_000_000 + number,
        status="registered",
        bucket="recordings",
        key=f"{stem}.wav",
        etag=f"{random.getrandbits(128):032x}",
        size=480_044,
        requested=True,
        client_number=f"06{number:08d}",
        agent_number="0700000001",
        external_id=f"2026-11-18/ivr-{number:08d}",
        branch="ADSL_INSTALL",
        started_at_ms=1_795_000_000_000 + number,
        ended_at_ms=1_795_000_060_000 + number,
        warnings=(),
        event_time_ms=1_795_000_100_000 + number,
    )
    value = codec.encode(JoinedCall(registered=registered, client_number=registered.client_number))
    return dataclasses.replace(_place(number), value=value)


def _memory() -> Answer:
    """Resident memory of this process, now and at most, by /proc."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "rss_mb": int(lines["VmRSS"].split()[0]) / 1024,
        "rss_max_mb": int(lines["VmHWM"].split()[0]) / 1024,
    }


if __name__ == "__main__":
    main()
