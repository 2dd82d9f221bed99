"""A worker process of these tests: how it is started, where it dies or stops, and what it says."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ringtrue.streaming.faults import KILL, SIGNAL, Mark
from tests.faults.job import Job

#: A test that waits so long for what must come has failed.
PATIENCE_S = 60.0

_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a process dies or stops.

    Attributes:
        mark: See `ringtrue.streaming.faults`.
        time: At which passing.
        signal: With which signal.
    """

    mark: Mark
    time: int = 1
    signal: str = "SIGKILL"

    def environment(self, prefix: str, job: Job) -> dict[str, str]:
        """The variables that tell the process."""
        group = {"copier": "asr", "assembler": "assembler", "manifests": "ingest-manifests"}[job.role]
        if self.mark in ("received", "handled", "committed"):
            who = group
        elif self.mark in ("fetched", "restored"):
            who = f"{prefix}{group}"
        elif self.mark in ("barrier", "restoring"):
            who = f"{prefix}{group}.state"
        else:
            who = f"{prefix}{group}-{job.slot}"
        return {KILL: f"{who}:{self.mark}:{self.time}", SIGNAL: self.signal}

    def stops(self) -> "Fault":
        """The same with SIGSTOP."""
        return replace(self, signal="SIGSTOP")


class Child:
    """A worker process and what it says."""

    def __init__(self, job: Job, environment: dict[str, str], log: Path) -> None:
        self.log = log
        self._output = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.child", job.dump()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            text=True,
            env=os.environ | environment,
        )
        self.said = list[str]()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def says(self, beginning: str, patience_s: float = PATIENCE_S) -> str:
        """Waits for a line that begins so, and returns it."""
        found = ""

        def look() -> bool:
            nonlocal found
            found = next((line for line in self.said if line.startswith(beginning)), "")
            return bool(found)

        self.until(look, f"say {beginning!r}", patience_s)
        return found

    def until(self, condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Waits until it holds."""
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, f"the worker did not {what}: it said {self.said}\n{self.tail()}"
            time.sleep(_LOOK_S)

    def tell(self) -> None:
        """Lets it go on computing."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    def ends(self, patience_s: float = PATIENCE_S) -> int:
        """Waits for its end; the exit code."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker did not end: it said {self.said}\n{self.tail()}") from None

    def is_stopped(self) -> None:
        """Waits until SIGSTOP holds it."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        self.until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "stop")

    def tail(self) -> str:
        """The end of its log, without what the library has to say."""
        lines = self.log.read_text().splitlines()
        return "\n".join(line for line in lines if '"librdkafka"' not in line)[-4_000:]

    def kill(self) -> None:
        """Ends it at once, if it still lives."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self._output.close()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(iter(lambda: _line(self.process.stdout), ""))


def _line(stream: Any) -> str:
    line: str = stream.readline()
    return line.rstrip("\n") if line else ""
