"""From drop to verdict: one call of a minute, put into the bucket while nothing else happens.

The services run as they are deployed, on real servers: the store's notifications start ingest, and verdicts end in the
database of the settings. Everything an order needs besides this call stands before: it is in a manifest, and a listing
has covered its window. The sidecar is put first; the clock starts with the put of the recording.
"""

import io
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import sqlalchemy as sa
from confluent_kafka import OFFSET_END, Consumer, TopicPartition
from rich.table import Table

from benchmarks.calls import DAY, HEADINGS, RATE_HZ, order, sidecar
from benchmarks.logs import opened, percentile
from benchmarks.tables import say, table
from ringtrue.database import open_database, tables
from ringtrue.messages import CallClassified, OrderVerdict
from ringtrue.resources import resource
from ringtrue.settings import AsrSettings, Settings, load_settings
from ringtrue.storage import Source, open_store
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.kafka.config import onlooker
from ringtrue.streaming.topics import CALLS_CLASSIFIED, ORDERS_VERDICTS, TOPICS

_CALL_S = 60
_LIMIT_S = 120.0
_LIGHT = ("ingest", "assembler", "classifier", "compliance", "archive")


@dataclass(slots=True)
class Drop:
    """A call that was dropped, and when what was seen of it, in seconds of the wall clock."""

    order: str
    call_id: str
    at: float
    seen: dict[str, float] = field(default_factory=dict)


def latency_table(drops: int, engines: Sequence[str], caption: str) -> Table:
    """Drops calls, one at a time, with each engine."""
    settings = load_settings()
    made = table(
        f"one idle call of {_CALL_S} s: seconds from its put until it is on calls.classified, until its order's new "
        f"verdict is on orders.verdicts, and until that is in the database; n={drops}",
        caption,
        ["ASR engine"],
        ["classified p50", "p95", "verdict p50", "p95", "database p50", "p95"],
    )
    for engine in engines:
        done = _measured(settings, engine, drops)
        cells = list[str]()
        for place in ("classified", "verdict", "database"):
            times = [drop.seen[place] - drop.at for drop in done]
            cells += [f"{percentile(times, 0.5):.2f}", f"{percentile(times, 0.95):.2f}"]
        made.add_row({"ctc": "demo model"}.get(engine, engine), *cells)
    return made


def _measured(settings: Settings, engine: str, drops: int) -> list[Drop]:
    stamp = time.time_ns() // 1_000_000
    source = f"{settings.source.rstrip('/')}/latency-{stamp}/"
    with tempfile.TemporaryDirectory() as folder:
        mine = settings.model_copy(
            update={
                "data_dir": Path(folder),
                "source": source,
                "asr": AsrSettings(engine="stub" if engine == "stub" else "ctc"),
                "log_level": "warning",
                "metrics_port": 0,
            }
        )
        log = opened(mine)
        log.create_topics(TOPICS)
        store = open_store(source, mine.s3)
        names = [f"L{stamp}-{number}" for number in range(drops + 1)]
        clients = [f"06{(stamp + number) % 10**8:08d}" for number in range(drops + 1)]
        rows = [HEADINGS, *(order(name, client) for name, client in zip(names, clients, strict=True))]
        _put(store, "CRC_ADSL_2026-11-18.csv", ("\n".join(rows) + "\n").encode())
        sound = _recording()
        with _Watch(mine) as watch, _services(mine, Path(folder)) as living:
            watch.until(lambda: len(watch.judged & set(names)) == len(names), "a verdict of each order", living)
            done = []
            for number, (name, client) in enumerate(zip(names, clients, strict=True)):
                time.sleep(random.uniform(1.5, 2.5))
                stem = f"calls/{name}"
                started = DAY + timedelta(hours=9)
                _put(store, f"{stem}.json", sidecar(name, client, started, _CALL_S).encode())
                time.sleep(0.5)
                drop = watch.drop = Drop(name, f"{store.bucket}/{store.prefix}{stem}", time.time())
                _put(store, f"{stem}.wav", sound)
                watch.until(lambda: len(watch.drop.seen) == 3, f"the verdict of call {number}", living)
                say(f"{engine}: call {number} of {drops}: " + _in_words(drop))
                done.append(drop)
        log.close()
    return done[1:]  # the first one pays for what is done once


def _in_words(drop: Drop) -> str:
    return ", ".join(f"{place} {at - drop.at:.2f} s" for place, at in drop.seen.items())


class _Watch:
    """Looks at the end of two topics, and at the database, for what becomes of the present drop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._codec = Codec()
        self._engine = open_database(settings.database_url)
        prefix = settings.kafka.topic_prefix
        self._consumer = Consumer(onlooker(settings.kafka, f"{prefix}onlooker") | {"fetch.wait.max.ms": 5})
        places = [
            TopicPartition(f"{prefix}{topic.name}", number, OFFSET_END)
            for topic in (CALLS_CLASSIFIED, ORDERS_VERDICTS)
            for number in range(settings.log.partitions)
        ]
        self._consumer.assign(places)
        self.judged = set[str]()
        self.drop = Drop("", "", 0.0)

    def __enter__(self) -> "_Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
        self._engine.dispose()

    def until(self, done: Any, what: str, living: Any) -> None:
        """Looks until `done` says so."""
        deadline = time.monotonic() + _LIMIT_S
        while not done():
            living()
            if time.monotonic() > deadline:
                sys.exit(f"{what} has not come within {_LIMIT_S:.0f} s")
            message = self._consumer.poll(0.01)
            if message is not None and message.error() is None:
                self._take(self._codec.decode(message.value()))
            if "verdict" in self.drop.seen and "database" not in self.drop.seen and self._stands():
                self.drop.seen["database"] = time.time()

    def _take(self, message: object) -> None:
        drop = self.drop
        if isinstance(message, CallClassified) and message.call_id == drop.call_id:
            drop.seen.setdefault("classified", time.time())
        if isinstance(message, OrderVerdict) and message.verdict != "pending":
            self.judged.add(message.order_number)
            if message.order_number == drop.order and message.attempts:
                drop.seen.setdefault("verdict", time.time())

    def _stands(self) -> bool:
        found = (
            sa.select(tables.orders.c.verdict, tables.verdicts.c.attempts)
            .join(
                tables.verdicts,
                sa.and_(
                    tables.verdicts.c.case_id == tables.orders.c.case_id,
                    tables.verdicts.c.evaluation == tables.orders.c.verdict_evaluation,
                ),
            )
            .where(tables.orders.c.order_number == self.drop.order)
        )
        with self._engine.connect() as connection:
            row = connection.execute(found).first()
        return row is not None and row.verdict != "pending" and bool(row.attempts)


@contextmanager
def _services(settings: Settings, folder: Path) -> Iterator[Any]:
    """All services, two processes, until the end; gives what checks that they live."""
    output = (folder / "services.log").open("wb")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "ringtrue", "service", *names], env=settings.environment(), stderr=output
        )
        for names in (_LIGHT, ("asr",))
    ]

    def check() -> None:
        if any(process.poll() is not None for process in processes):
            sys.exit(f"a service has ended:\n{(folder / 'services.log').read_text()[-3000:]}")

    try:
        yield check
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        output.close()


def _put(source: Source, key: str, data: bytes) -> None:
    source.store.put(source.bucket, f"{source.prefix}{key}", data)


def _recording() -> bytes:
    """A minute of the shipped sample calls, one after the other."""
    sounds = list[Any]()
    for path in sorted(resource("examples/bucket/calls").rglob("ivr-*.wav")):
        sound, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        if rate_hz == RATE_HZ:
            sounds.append(sound[:, 0])
    minute = np.concatenate(sounds)[: _CALL_S * RATE_HZ]
    assert len(minute) == _CALL_S * RATE_HZ
    file = io.BytesIO()
    soundfile.write(file, minute, RATE_HZ, subtype="PCM_16", format="WAV")
    return file.getvalue()
