"""The logs that benchmarks run on: a Kafka cluster, named by the settings, and the embedded log beside it."""

import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import confluent_kafka
from confluent_kafka.admin import AdminClient

from ringtrue.service import open_log
from ringtrue.settings import AsrSettings, DatabaseSettings, Settings, load_settings
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.kafka.config import connection
from ringtrue.streaming.kafka.log import KafkaLog

LogName = Literal["Kafka", "embedded"]
LOGS: tuple[LogName, ...] = ("Kafka", "embedded")

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def fresh(log: LogName, folder: Path, bootstrap: str = "") -> Iterator[Settings]:
    """Settings of a deployment of its own: an empty log, SQLite in a folder of its own, the ASR model stubbed.

    Args:
        log: Which log.
        folder: Where the data folder is made.
        bootstrap: Of the Kafka cluster; otherwise as the environment says.
    """
    base = load_settings()
    stamp = f"{os.getpid()}-{time.time_ns() // 1_000_000 % 100_000_000}"
    kafka = base.kafka.model_copy(
        update={
            "bootstrap_servers": "" if log == "embedded" else bootstrap or base.kafka.bootstrap_servers,
            "topic_prefix": f"{base.kafka.topic_prefix}bench-{stamp}.",
        }
    )
    settings = base.model_copy(
        update={
            "data_dir": folder / f"data-{stamp}",
            "kafka": kafka,
            "database": DatabaseSettings(),
            "asr": AsrSettings(engine="stub"),
            "log_level": "warning",
            "metrics_port": 0,
        }
    )
    settings.data_dir.mkdir(parents=True)
    try:
        yield settings
    finally:
        if log == "Kafka":
            _remove(settings)


def opened(settings: Settings) -> EmbeddedLog | KafkaLog:
    """The log of these settings."""
    return open_log(settings)


def _remove(settings: Settings) -> None:
    admin = AdminClient(connection(settings.kafka))
    prefix = settings.kafka.topic_prefix
    topics = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    if topics:
        for future in admin.delete_topics(topics, operation_timeout=30).values():
            future.result()
    groups = [group.group_id for group in admin.list_consumer_groups().result().valid]
    if own := [name for name in groups if name.startswith(prefix)]:
        for future in admin.delete_consumer_groups(own).values():
            # A static member that is gone keeps its group until its session has timed out; it harms nobody.
            future.exception()


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker's process, when it runs on this machine."""

    pid: int
    version: str


def broker(bootstrap: str) -> Broker | None:
    """Who listens at this address, by /proc; None when it is elsewhere, or of another user."""
    port = int(bootstrap.partition(",")[0].rpartition(":")[2])
    listening = {
        fields[9]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in (line.split() for line in Path(table).read_text().splitlines()[1:])
        if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A"
    }
    sockets = {f"socket:[{inode}]" for inode in listening}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            open_files = {str(path.readlink()) for path in (process / "fd").iterdir()}
        except OSError:
            continue
        if sockets & open_files:
            found = [match[1] for name in open_files if (match := re.search(r"kafka_[\d.]+-([\d.]+)\.jar", name))]
            return Broker(int(process.name), found[0] if found else "of unknown version")
    return None


def about(bootstrap: str) -> str:
    """The machine and the versions, for the caption of a table."""
    here = broker(bootstrap)
    return (
        f"{os.cpu_count()} cores shared with the broker, Python {platform.python_version()}, "
        f"Kafka {here.version if here else '(version not visible from here)'}, "
        f"confluent-kafka {confluent_kafka.version()}, librdkafka {confluent_kafka.libversion()[0]}"
    )


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its living children."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if pid in (int(folder.name), int(fields[1])):
            total += (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS
    return total


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of them lies; NaN of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")
