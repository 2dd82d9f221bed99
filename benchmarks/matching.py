"""Matching by key: what an order or a late call costs the judge, however many calls are known.

    .venv/bin/python -m benchmarks.matching                    # 50,000 and 500,000 calls
    .venv/bin/python -m benchmarks.matching --calls 5000000

For each number of calls an embedded log of its own. A process fills the judge's state with them, five of each client,
client by client, in large commits of the log's port. Another one runs the real worker over coverage marks, then over
orders of clients chosen at random, then over one late call for each of these orders, which is judged again by it.
One core; memory is the most that the system says of the second process. The file is in the system's page cache.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.tables import say, show, table
from benchmarks.workers import Spent, feed, work_off
from ringtrue.messages import Answer, CallFacts, CoverageMark, Order, OrderCurrent, OrderVerdict, Span
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.embedded_file import partition_of
from ringtrue.streaming.port import Commit, Outgoing, StateChange, Subscription
from ringtrue.streaming.topics import CALLS_FACTS, ORDERS_CURRENT, ORDERS_VERDICTS, TOPICS
from ringtrue.telemetry import configure_logging
from services.compliance.judge import Judge
from services.compliance.ruleset import load_ruleset

_PER_CLIENT = 5
_PARTITIONS = 4
_MIDNIGHT_MS = 1_794_956_400_000  # 2026-11-18T00:00 in Casablanca
_HOUR_MS = 3_600_000
#: State changes in one commit.
_BATCH = 20_000
_SAY_EVERY = 500_000

Answers = dict[str, float]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many calls are known, and how many orders are judged."""

    calls: int
    orders: int

    @property
    def clients(self) -> int:
        """Clients with calls."""
        return self.calls // _PER_CLIENT


def main() -> None:
    """Fills and judges for each number of calls, and prints the table; as a child, one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[50_000, 500_000], help="known calls; several are run")
    parser.add_argument("--orders", type=int, default=5_000, help="orders to judge, and late calls to tell")
    parser.add_argument("--phase", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    configure_logging("warning")
    if chosen.phase:
        phase, file = chosen.phase
        print(json.dumps(_PHASES[phase](Path(file), Sizes(chosen.calls[0], chosen.orders))))
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    made = table(
        f"{chosen.orders:,} orders, then {chosen.orders:,} late calls, by the number of calls that are known",
        f"one core of {os.cpu_count()}, Python {platform.python_version()}, embedded log, {_PARTITIONS} partitions",
        ["calls known"],
        ["clients", "filled in s", "file MB", "ms/order", "CPU ms/order", "ms/late call", "CPU ms/call", "memory MB"],
    )
    for calls in chosen.calls:
        sizes = Sizes(calls, chosen.orders)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "log.sqlite"
            say(f"filling {calls:,} calls ...")
            filled = _child("fill", file, sizes)
            size = sum(path.stat().st_size for path in file.parent.iterdir())
            say("judging ...")
            told = _child("judge", file, sizes)
        spent = [told[name] for name in ("order_s", "order_cpu_s", "call_s", "call_cpu_s")]
        made.add_row(
            f"{calls:,}",
            f"{sizes.clients:,}",
            f"{filled['seconds']:.0f}",
            f"{size / 1e6:,.0f}",
            *(f"{seconds / chosen.orders * 1000:.2f}" for seconds in spent),
            f"{told['peak_mb']:.0f}",
        )
    show(made)


def _child(phase: str, file: Path, sizes: Sizes) -> Answers:
    options = ["--calls", str(sizes.calls), "--orders", str(sizes.orders), "--phase", phase, str(file)]
    done = subprocess.run([sys.executable, "-m", "benchmarks.matching", *options], stdout=subprocess.PIPE, check=True)
    answers: Answers = json.loads(done.stdout)
    return answers


def _fill(file: Path, sizes: Sizes) -> Answers:
    codec, log = Codec(), EmbeddedLog(file, partitions=_PARTITIONS)
    log.create_topics(TOPICS)
    member = log.join(Subscription(Judge.name, "0", tuple(topic.name for topic in Judge.inputs), Judge.state))
    while len(member.partitions) < _PARTITIONS:
        member.receive(1, 1.0)
    started = time.perf_counter()
    changes, written = _changes(codec, sizes.clients), 0
    while batch := list(islice(changes, _BATCH)):
        member.commit(Commit({}, (), batch))
        written += len(batch)
        if written % _SAY_EVERY == 0:
            say(f"  {written:,} calls, {written / (time.perf_counter() - started):,.0f}/s")
    member.leave()
    log.close()
    return {"seconds": time.perf_counter() - started}


def _changes(codec: Codec, clients: int) -> Iterator[StateChange]:
    for number in range(clients):
        client = _client(number)
        partition = partition_of(client.encode(), _PARTITIONS)
        for place in range(_PER_CLIENT):
            call = _call(client, place)
            yield StateChange(partition, f"call:{client}:{call.call_id}", codec.encode(call))


def _judge(file: Path, sizes: Sizes) -> Answers:
    codec, log = Codec(), EmbeddedLog(file, partitions=_PARTITIONS)
    rules = load_ruleset("Africa/Casablanca")

    def judged() -> Spent:
        return work_off(Judge(rules, "fr", settle_ms=_HOUR_MS, ask_for_calls=False, partitions=_PARTITIONS), log)

    chosen = [_client(number) for number in random.Random(1).sample(range(sizes.clients), sizes.orders)]
    log.append(
        [
            Outgoing(CALLS_FACTS.name, b"coverage", codec.encode(_mark(source)), partition=partition)
            for partition in range(_PARTITIONS)
            for source in range(_PARTITIONS)
        ]
    )
    judged()
    feed(log, codec, ORDERS_CURRENT, [(client, _order(client)) for client in chosen])
    orders = judged()
    first = _verdicts(log, codec)
    feed(log, codec, CALLS_FACTS, [(client, _call(client, _PER_CLIENT)) for client in chosen])
    calls = judged()
    both = _verdicts(log, codec)
    log.close()
    # Each order is judged by the five calls of its client, and again by all six.
    if first != [_PER_CLIENT] * len(chosen) or sorted(both) != sorted([*first, *[_PER_CLIENT + 1] * len(chosen)]):
        sys.exit("not every order was judged by the calls of its client")
    peak = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())["VmHWM"]
    return {
        "order_s": orders.seconds,
        "order_cpu_s": orders.cpu_seconds,
        "call_s": calls.seconds,
        "call_cpu_s": calls.cpu_seconds,
        "peak_mb": int(peak.split()[0]) / 1024,
    }


_PHASES: dict[str, Callable[[Path, Sizes], Answers]] = {"fill": _fill, "judge": _judge}


def _verdicts(log: EmbeddedLog, codec: Codec) -> list[int]:
    """How many attempts each verdict so far rests on; none of a pending one."""
    found = (codec.decode_as(OrderVerdict, record.value or b"") for record in log.browse(ORDERS_VERDICTS.name))
    return [len(verdict.attempts) for verdict in found if verdict.verdict != "pending"]


def _client(number: int) -> str:
    return f"2126{number:08d}"


def _call(client: str, place: int) -> CallFacts:
    """A silent call that rang five times, as the judge keeps it; the next one an hour and three quarters later."""
    started_ms = _MIDNIGHT_MS + 8 * _HOUR_MS + place * 7 * _HOUR_MS // 4
    stem = f"2026/11/18/ivr-{client}-{place}"
    silent = Answer(outcome=0, score=0.97, cited=())
    return CallFacts(
        call_id=f"recordings/{stem}",
        client_number=client,
        run=started_ms,
        revision=started_ms,
        retracted=False,
        final=True,
        status="complete",
        external_id=f"2026-11-18/ivr-{client}-{place}",
        started_at_ms=started_ms,
        branch="ADSL_INSTALL",
        duration_ms=33_000,
        acquisition=silent,
        sav=silent,
        behaviour=1,
        ring_count=5,
        ring_confidence=0.97,
        voicemail_tone=False,
        rings=tuple(
            Span(start_ms=5_000 * number, end_ms=5_000 * number + 1_500, text=f"ring {number + 1}")
            for number in range(5)
        ),
        ended_at_ms=started_ms + 33_000,
        arrived_at_ms=started_ms + 60_000,
        busy_tone=False,
        models="0123456789abcdef",
        event_time_ms=started_ms + 70_000,
    )


def _order(client: str) -> OrderCurrent:
    number = f"CMD-{client}"
    order = Order(
        number=number,
        case_id=f"{number}@20261118T190000Z",
        kind="ACQUISITION",
        category="ADSL",
        client_number=client,
        motif="Client injoignable",
        motif_outcome=3,
        ordered_at_ms=_MIDNIGHT_MS,
        suspended_at_ms=_MIDNIGHT_MS + 20 * _HOUR_MS,
        window_start_ms=_MIDNIGHT_MS,
        work_order=f"W{client}",
        line_number=f"05{client[4:]}",
        city="Rabat",
    )
    return OrderCurrent(
        client_number=client,
        case_id=order.case_id,
        revision=1,
        evaluation=0,
        status="current",
        order=order,
        manifest="recordings/manifests/crc_adsl_2026-11-18.csv",
        row=2,
        event_time_ms=_MIDNIGHT_MS + 24 * _HOUR_MS,
    )


def _mark(source: int) -> CoverageMark:
    """Everything up to the next day's noon is registered."""
    return CoverageMark(
        source_partition=source,
        scope="recordings/",
        since_ms=0,
        until_ms=_MIDNIGHT_MS + 36 * _HOUR_MS,
        hours=(),
        event_time_ms=_MIDNIGHT_MS + 36 * _HOUR_MS,
    )


if __name__ == "__main__":
    main()
