"""Brokers of our own, which may be stopped, killed and started again: `deploy/local/servers` runs them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from confluent_kafka.admin import AdminClient

_SERVERS = Path(__file__).parents[2] / "deploy" / "local" / "servers"
_PATIENCE_S = 120.0


class Broker:
    """A Kafka broker, or a cluster of three.

    Args:
        folder: Of its data and logs.
        nodes: 1 or 3. What is done to one of three is done to `node`.
    """

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        self._folder = folder
        self._nodes = nodes
        self.node = 1
        self.bootstrap = ""

    def up(self) -> None:
        """Starts what does not run; it has its former data and port."""
        told = self._servers("up", "--only", "kafka", "--brokers", str(self._nodes), "--test")
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

    def choose(self, transactional_id: str) -> None:
        """Has what follows done to the node that coordinates these transactions."""
        topic = "__transaction_state"
        partitions = AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(topic, 10).topics[topic].partitions
        code = 0
        for letter in transactional_id:  # Java's String.hashCode, by which Kafka finds the partition
            code = (31 * code + ord(letter)) & 0xFFFFFFFF
        code -= (code & 0x80000000) * 2
        self.node = partitions[abs(code) % len(partitions)].leader

    def reset(self) -> None:
        """Ends it and deletes its data."""
        if self._folder.exists():
            self.wake()
            self._servers("reset")

    @property
    def _pid(self) -> int:
        name = "kafka" if self.node == 1 else f"kafka-{self.node}"
        return int(json.loads((self._folder / name / "pid").read_text())["pid"])

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
