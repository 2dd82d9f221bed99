"""What every server has in common: a folder, a port, a process, an answer to wait for."""

import shutil
import signal
import time
from abc import ABC, abstractmethod
from typing import ClassVar

from local_servers import processes
from local_servers.console import Stopwatch, indented, last_lines, say
from local_servers.errors import NotUp
from local_servers.places import Setup, State
from local_servers.processes import Identity, Launch
from local_servers.tools import Tool

HOST = "127.0.0.1"
_POLL_S = 0.1
_REMIND_EVERY_S = 5


class Server(ABC):
    """One server of a state folder."""

    #: How it is asked to end in good order.
    stop_by: ClassVar[signal.Signals] = signal.SIGTERM
    answers_within_s: ClassVar[float] = 180.0

    def __init__(self, name: str, state: State, setup: Setup) -> None:
        self.name = name
        self.setup = setup
        self.folder = state.folder / name
        self.log = self.folder / "log"
        self.pid_file = self.folder / "pid"

    @property
    def port(self) -> int:
        """Where clients find it."""
        return self.setup.port(self.name)

    @property
    def port_names(self) -> list[str]:
        """Every port that it listens on, by its name in the setup."""
        return [self.name]

    @property
    def stop_within_s(self) -> float:
        """How long it may take to end in good order."""
        return 20

    @property
    def process(self) -> Identity | None:
        """Its process, if it runs."""
        return processes.recorded(self.pid_file)

    @abstractmethod
    def tools(self) -> list[Tool]:
        """The programs that it still needs, to be built and to run."""

    @abstractmethod
    def build(self) -> None:
        """Gets its software into the cache, unless it is there."""

    @abstractmethod
    def configure(self) -> Launch:
        """Writes its settings and, the first time, its empty data; tells how it is started."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client would be served now."""

    @abstractmethod
    def prepare(self) -> None:
        """Makes in it what Ringtrue needs, once it answers. Safe to repeat."""

    @abstractmethod
    def exports(self) -> dict[str, str]:
        """The settings of Ringtrue that point to it."""

    @abstractmethod
    def test_exports(self) -> dict[str, str]:
        """The variables that point the tests to it."""

    def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C on something else does not reach it."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        processes.start(self.configure(), self.pid_file, self.log)

    def await_answer(self, watch: Stopwatch) -> None:
        """Waits until it answers.

        Raises:
            NotUp: It ended, or does not answer in time; the message holds the end of its log.
        """
        while not self.answers():
            if not self.process:
                raise NotUp(f"{self.name} ended instead of answering. The end of its log:\n{self._log_end()}")
            if watch.seconds > self.answers_within_s:
                waited = f"{self.name} runs but has not answered for {watch.seconds:.0f} s"
                raise NotUp(f"{waited}. The end of its log:\n{self._log_end()}")
            watch.remind(f"  waiting for {self.name}", _REMIND_EVERY_S)
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Takes it down, by force when it does not go by itself."""
        identity = self.process
        if identity and not processes.stop(identity, self.stop_by, self.stop_within_s):
            say(f"{self.name} did not end within {self.stop_within_s:.0f} s and was killed")
        self.pid_file.unlink(missing_ok=True)

    def forget(self) -> None:
        """Deletes its data, settings and logs."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _log_end(self) -> str:
        return indented([*last_lines(self.log, 20), f"all of it: {self.log}"])
