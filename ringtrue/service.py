"""A service and how it runs: its workers, each in a thread with its own connection to the log, until told to stop.

Services announce themselves through the entry points `ringtrue.services`, so that this package knows none of them.
When one worker's loop ends in an error the whole process stops and exits non-zero: whoever started it starts it again,
and the log hands out again what was not committed.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol

import structlog

from ringtrue.errors import Misconfigured, WrongUse
from ringtrue.settings import Settings
from ringtrue.storage import ObjectStore, open_store
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Log
from ringtrue.streaming.registry import make_codec
from ringtrue.streaming.topics import TOPICS
from ringtrue.streaming.worker import Loop, Worker
from ringtrue.telemetry import Health, serve

if TYPE_CHECKING:
    from ringtrue.streaming.kafka.log import KafkaLog

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Context:
    """What a service is given to make its workers."""

    settings: Settings
    log: Log
    codec: Codec = field(default_factory=Codec)

    @property
    def store(self) -> ObjectStore:
        """The object storage of the deployment's source."""
        return open_store(self.settings.source, self.settings.s3).store


class Job(Protocol):
    """Something that a service does beside its workers, from time to time."""

    @property
    def name(self) -> str:
        """`service-job`."""

    def run(self, stop: threading.Event) -> None:
        """Does it until stopped. An error ends the process, as a worker's does."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its name, what it does in a line, and how its workers and its jobs are made."""

    name: str
    purpose: str
    workers: Callable[[Context], Sequence[Worker]]
    jobs: Callable[[Context], Sequence[Job]] = lambda _: ()


def known_services() -> dict[str, EntryPoint]:
    """The installed services by name; nothing of them is imported yet."""
    return {point.name: point for point in entry_points(group="ringtrue.services")}


def load_service(name: str) -> Service:
    """A service by its name.

    Raises:
        WrongUse: There is none of this name.
    """
    known = known_services()
    if name not in known:
        raise WrongUse(f"there is no service {name!r}; there are {', '.join(sorted(known))}")
    service = known[name].load()
    if not isinstance(service, Service):
        raise WrongUse(f"the entry point of {name} is not a ringtrue service")
    return service


def open_log(settings: Settings) -> "EmbeddedLog | KafkaLog":
    """The log that the settings name.

    The embedded log has its topics created. On a cluster that is another's right: `ringtrue topics create`, or
    `ringtrue run`; nothing is asked of the brokers yet.
    """
    if settings.kafka.bootstrap_servers:
        from ringtrue.streaming.kafka.log import KafkaLog  # one machine needs no client library

        return KafkaLog(settings.kafka, settings.log, settings.data_dir / "state")
    log = EmbeddedLog(
        settings.log_path,
        partitions=settings.log.partitions,
        session_timeout_s=settings.log.session_timeout_s,
        max_record_bytes=settings.log.max_record_bytes,
    )
    log.create_topics(TOPICS)
    return log


def stop_event(*, with_parent: bool = False) -> threading.Event:
    """An event that SIGTERM and SIGINT set; and the end of the parent process, for the children of `ringtrue run`."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if with_parent:
        threading.Thread(target=_watch_parent, args=(os.getppid(), stop), name="parent", daemon=True).start()
    return stop


def _watch_parent(parent: int, stop: threading.Event) -> None:
    while os.getppid() == parent and not stop.wait(0.5):
        pass
    stop.set()


def run_services(
    names: Sequence[str], settings: Settings, stop: threading.Event, *, only_worker: str = "", slot: str = "0"
) -> int:
    """Runs services in this process until `stop` is set; the exit code: 2 when settings are wrong, 1 after a fault."""
    log = open_log(settings)
    context = Context(settings, log, make_codec(settings))
    services = [load_service(name) for name in names]
    workers = [worker for service in services for worker in service.workers(context)]
    # Of several processes in numbered slots the first does the jobs.
    jobs = [job for service in services for job in service.jobs(context)] if slot == "0" or not slot.isdigit() else []
    if only_worker:
        chosen = [worker for worker in workers if worker.name in (only_worker, f"{names[0]}-{only_worker}")]
        if not chosen:
            raise WrongUse(f"no worker {only_worker!r}; there are {', '.join(worker.name for worker in workers)}")
        workers, jobs = chosen, []
    healths = [Health(worker.name) for worker in workers]
    stop_serving = serve(settings.metrics_port, healths) if settings.metrics_port else lambda: None
    failed = list[int]()
    loops = [
        (worker.name, Loop(worker, log, slot=slot, stop=stop, health=health, codec=context.codec).run)
        for worker, health in zip(workers, healths, strict=True)
    ]
    runs = [*loops, *((job.name, partial(job.run, stop)) for job in jobs)]
    threads = [threading.Thread(target=_run, args=(name, run, stop, failed), name=name) for name, run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # a bare join would keep the signal handlers waiting
    stop_serving()
    log.close()
    return max(failed, default=0)


def _run(name: str, run: Callable[[], None], stop: threading.Event, failed: list[int]) -> None:
    try:
        run()
    except Exception as error:
        _log.exception("worker ended", worker=name, reason=str(error))
        failed.append(2 if isinstance(error, Misconfigured) else 1)
    finally:
        stop.set()
