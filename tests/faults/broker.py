"""A broker of our own, which may be stopped, killed and started again: `deploy/local/servers` runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

_SERVERS = Path(__file__).parents[2] / "deploy" / "local" / "servers"
_PATIENCE_S = 120.0


class Broker:
    """A Kafka broker.

    Args:
        folder: Of its data and logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bootstrap = ""

    def up(self) -> None:
        """Starts it, unless it runs; it has its former data and port."""
        told = self._servers("up", "--only", "kafka", "--test")
        exports = dict(line.removeprefix("export ").partition("=")[::2] for line in told.splitlines())
        self.bootstrap = exports["RINGTRUE_TEST_KAFKA"]

    def stop(self) -> None:
        """Holds it with SIGSTOP: connections stay, and nothing is answered."""
        os.kill(self._pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Lets it go on, if it lives."""
        try:
            os.kill(self._pid, signal.SIGCONT)
        except (ProcessLookupError, FileNotFoundError):
            return

    def kill(self) -> None:
        """Kills it with SIGKILL."""
        os.kill(self._pid, signal.SIGKILL)

    def reset(self) -> None:
        """Ends it and deletes its data."""
        if self._folder.exists():
            self.wake()
            self._servers("reset")

    @property
    def _pid(self) -> int:
        return int(json.loads((self._folder / "kafka" / "pid").read_text())["pid"])

    def _servers(self, command: str, *options: str) -> str:
        done = subprocess.run(
            [sys.executable, _SERVERS, command, "--state", self._folder, *options],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
