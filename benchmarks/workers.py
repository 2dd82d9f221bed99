"""One worker by itself, in this process: what it takes to work off what lies before it in the embedded log."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.topics import Topic
from ringtrue.streaming.worker import Loop, Worker
from ringtrue.telemetry import Health

_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds until nothing was left, joining the group included; and CPU seconds of this process meanwhile."""

    seconds: float
    cpu_seconds: float


def feed(log: EmbeddedLog, codec: Codec, topic: Topic, messages: Sequence[tuple[str, object]]) -> None:
    """Appends messages, each under its key."""
    log.append([Outgoing(topic.name, key.encode(), codec.encode(message)) for key, message in messages])


def work_off(worker: Worker, log: EmbeddedLog) -> Spent:
    """Runs the worker's own loop until nothing is left before it. An error that ends the loop is raised."""
    stop = threading.Event()
    groups = {worker.name: [topic.name for topic in worker.inputs]}
    started, cpu_started = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(Loop(worker, log, stop=stop, health=Health(worker.name)).run)
        while not running.done() and any(log.backlog(groups).values()):
            time.sleep(_LOOK_S)
        spent = Spent(time.perf_counter() - started, time.process_time() - cpu_started)
        stop.set()
        running.result()
    return spent
