"""A process of Ringtrue's command line, as a container runs it: its log, its exit code, what it serves."""

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

#: A test that waits so long for what must come has failed.
PATIENCE_S = 180.0

_LOOK_S = 0.05


class Process:
    """A running service.

    Args:
        names: The services in it.
        environment: Its whole environment.
        log: Where its standard error goes.
    """

    def __init__(self, names: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        self.names = names
        self._log = log
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ringtrue", "service", *names],
                # Where a library kills the process, its log says in which call.
                env={**environment, "RINGTRUE_METRICS_PORT": str(port), "PYTHONFAULTHANDLER": "1"},
                stdin=subprocess.DEVNULL,
                stderr=output,
            )

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def ready(self) -> bool:
        """Whether it says that it is."""
        try:
            with urllib.request.urlopen(f"{self._url}/readyz", timeout=5) as answer:  # noqa: S310 - our own process
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def metric(self, name: str, **labels: str) -> float:
        """A sample of /metrics; 0 when there is none yet."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=5) as answer:  # noqa: S310 - as above
            families = list(text_string_to_metric_families(answer.read().decode()))
        found = [one.value for family in families for one in family.samples if (one.name, one.labels) == (name, labels)]
        return sum(found)

    def ends(self) -> int:
        """Waits for its end; the exit code."""
        until(lambda: self.code is not None, lambda: f"{self.names} does not end:\n{self.said[-3000:]}")
        return self._process.wait()

    def stop(self) -> int:
        """Ends it in order; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.ends()

    def kill(self) -> None:
        """Ends it at once, if it still lives."""
        self._process.kill()
        self._process.wait()


def ringtrue(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end."""
    command = [sys.executable, "-m", "ringtrue", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def until(condition: Callable[[], bool], otherwise: Callable[[], str], patience_s: float = PATIENCE_S) -> None:
    """Waits until it holds; the test fails with what `otherwise` says."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(_LOOK_S)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
