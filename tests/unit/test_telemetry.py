"""What a service shows of itself."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from ringtrue.telemetry import RECORDS, Health, serve


class Shown:
    """A served endpoint and the workers it watches."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.asr, self.archive = Health("asr"), Health("archive")
        self.stop = serve(self.port, iter([self.asr, self.archive]))

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def shown() -> Iterator[Shown]:
    shown = Shown()
    yield shown
    shown.stop()


def test_metrics_are_shown_in_the_text_format(shown: Shown) -> None:
    RECORDS.labels("test-worker", "handled").inc(3)
    status, text = shown.get("/metrics")
    assert status == 200
    assert 'ringtrue_records_total{outcome="handled",worker="test-worker"} 3.0' in text.splitlines()
    assert "# TYPE ringtrue_transaction_seconds histogram" in text.splitlines()


def test_a_service_is_alive_while_its_loops_turn(shown: Shown) -> None:
    assert shown.get("/healthz") == (200, "ok\n")
    shown.asr.turned_at = time.monotonic() - 10_000
    assert shown.get("/healthz") == (503, "asr: its loop is stuck\n")
    shown.asr.turned()
    assert shown.get("/healthz") == (200, "ok\n")


def test_a_service_that_waits_for_something_is_alive_but_not_ready(shown: Shown) -> None:
    assert shown.get("/readyz") == (503, "asr: starting\narchive: starting\n")
    shown.asr.turned()
    shown.archive.away("the database refuses connections")
    assert shown.get("/readyz") == (503, "archive: the database refuses connections\n")
    assert shown.get("/healthz") == (200, "ok\n")
    shown.archive.turned()
    assert shown.get("/readyz") == (200, "ok\n")


def test_a_loop_that_is_away_for_long_is_not_stuck(shown: Shown) -> None:
    shown.asr.turned_at = time.monotonic() - 10_000
    shown.asr.away("the store does not answer")
    assert shown.get("/healthz")[0] == 200


def test_other_paths_say_what_there_is(shown: Shown) -> None:
    assert shown.get("/") == (404, "/metrics, /healthz and /readyz are here\n")


def test_serving_ends_when_it_is_stopped() -> None:
    shown = Shown()
    shown.stop()
    with pytest.raises(urllib.error.URLError):
        shown.get("/healthz")


LOGGING = """
import structlog
from ringtrue.telemetry import configure_logging
configure_logging("info")
log = structlog.get_logger()
log.debug("unheard")
log.info("à propos", call_id="calls/1")
secret = "0600000001"
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken", worker="asr")
"""


def test_logs_are_one_json_object_a_line_without_the_values_of_variables() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert (first["event"], first["level"], first["call_id"]) == ("à propos", "info", "calls/1")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"], second["worker"]) == ("broken", "error", "asr")
    assert second["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert "0600000001" not in done.stderr
