"""What a service shows of itself: JSON logs, Prometheus metrics, liveness and readiness.

Metric names follow the Prometheus naming practices: prefix, base unit, `_total`, and never a call id as label.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from structlog.tracebacks import ExceptionDictTransformer

from ringtrue.errors import Misconfigured

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

RECORDS = Counter("ringtrue_records", "Records handled", ["worker", "outcome"])
OUTPUTS = Counter("ringtrue_outputs", "Records written", ["worker"])
RECORD_AGE = Histogram(
    "ringtrue_record_age_seconds",
    "From a record's timestamp to the commit that answers it",
    ["worker"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400),
)
TRANSACTION = Histogram("ringtrue_transaction_seconds", "Time of a commit", ["worker"])
RETRIES = Counter("ringtrue_retries", "Turns that began again because something was away", ["worker"])
DROPPED = Counter("ringtrue_dropped", "Messages of an older run, and duplicates", ["worker", "why"])
RECOVERED = Counter(
    "ringtrue_recordings_recovered", "Objects that a listing of the bucket brought and no notification had", ["kind"]
)
LAST_LISTING = Gauge("ringtrue_last_listing_timestamp_seconds", "When the bucket was last listed to its end")
LAST_COMMIT = Gauge("ringtrue_last_commit_timestamp_seconds", "When a worker last committed", ["worker"])
AUDIO = Counter("ringtrue_audio_seconds", "Audio handled", ["worker"])
INFERENCE = Counter("ringtrue_inference_seconds", "Time spent in a model", ["worker"])

#: A loop that has not turned for so long is stuck: longer than any batch may take.
_STUCK_S = 300.0


@dataclass(slots=True)
class Health:
    """How one worker is: alive while its loop turns, ready once it has its partitions and nothing it needs is away."""

    worker: str
    turned_at: float = field(default_factory=time.monotonic)
    ready: bool = False
    reason: str = "starting"

    def turned(self, *, ready: bool = True) -> None:
        """The loop has gone round once more, and all is well; `ready` once it has its share of the partitions."""
        self.turned_at = time.monotonic()
        self.ready, self.reason = ready, "" if ready else "waits for its partitions"

    def away(self, reason: str) -> None:
        """The loop goes round, but cannot work now."""
        self.turned_at = time.monotonic()
        self.ready, self.reason = False, reason

    def lives(self) -> None:
        """The loop is in the midst of a long turn, and it goes on."""
        self.turned_at = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the loop has turned within its limit."""
        return time.monotonic() - self.turned_at < _STUCK_S


def configure_logging(level: str) -> None:
    """JSON logs, one object a line, on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without local variables: they hold numbers and names of people.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
        """Scrapes are not news."""


def serve(port: int, healths: Iterable[Health]) -> Callable[[], None]:
    """Serves `/metrics`, `/healthz` and `/readyz`; returns what stops it.

    `/healthz` answers 503 when a loop is stuck, `/readyz` when a worker has no partitions yet or waits for something.
    """
    watched = list(healths)
    metrics = make_wsgi_app(REGISTRY)

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            scraped: Iterable[bytes] = metrics(environ, start_response)
            return scraped
        if path == "/healthz":
            bad = [f"{health.worker}: its loop is stuck" for health in watched if not health.alive]
        elif path == "/readyz":
            bad = [f"{health.worker}: {health.reason}" for health in watched if not health.ready]
        else:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics, /healthz and /readyz are here\n"]
        start_response("503 Service Unavailable" if bad else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return ["\n".join([*(bad or ["ok"]), ""]).encode()]

    try:
        server: WSGIServer = make_server("0.0.0.0", port, answer, ThreadingWSGIServer, _QuietHandler)  # noqa: S104 - scrapes
    except OSError as error:
        raise Misconfigured(f"RINGTRUE_METRICS_PORT={port}: {error.strerror}; choose a free port") from error
    thread = threading.Thread(target=server.serve_forever, name="telemetry", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
