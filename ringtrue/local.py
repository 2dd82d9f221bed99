"""All stages on one machine: child processes, what they still have to do, and when it is done.

The light services share one process, asr has its own, and listing the source is a third. A child that dies is started
again; the log hands out again what it had not committed. A folder of data belongs to one source and one run at a time.
"""

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ringtrue.errors import Away, Misconfigured
from ringtrue.settings import Settings
from ringtrue.streaming.faults import KILL
from ringtrue.streaming.port import Log
from ringtrue.streaming.topics import MANIFESTS_SEEN, READ_BY, RECORDINGS_SEEN

LIGHT = ("ingest", "assembler", "classifier", "compliance", "archive")
#: A child that dies so often in a row, each time within `_SOON_S` of its start, is not started again. More often than
#: a few records need, each of which kills its worker four times before it is refused.
_DEATHS_IN_A_ROW = 20
_SOON_S = 60.0
_GRACE_S = 20.0
#: Exit codes of the command line that say what to do.
_WRONG_USE, _AWAY = 2, 3


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the way that people see: one consumer group and the topic whose records it works off."""

    title: str
    group: str
    topic: str


STAGES = (
    Stage("registered", "ingest-register", "recordings.seen"),
    Stage("heard", "ingest-segment", "calls.requested"),
    Stage("transcribed", "asr", "segments.audio"),
    Stage("assembled", "assembler", "segments.transcribed"),
    Stage("classified", "classifier", "calls.transcribed"),
    Stage("judged", "compliance-judge", "calls.facts"),
    Stage("archived", "archive", "orders.verdicts"),
)


@dataclass(slots=True)
class Child:
    """A child process, when it was last started and how often it has died in a row."""

    name: str
    arguments: Sequence[str]
    once: bool = False
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    done: bool = False


class Pipeline:
    """The child processes of one run.

    Args:
        settings: Of this process; the children get them through the environment.
        log: The log they share.
        once: List the source once, without waiting for files to settle, and judge without waiting for stragglers.
    """

    def __init__(self, settings: Settings, log: Log, *, once: bool) -> None:
        self._log = log
        self._output = (settings.data_dir / "services.log").open("ab")
        if once:
            settings = settings.model_copy(update={"settle_s": 0.0})
        # Of a run's own listing there is enough.
        ingest = settings.ingest.model_copy(update={"reconcile_every_s": 0.0})
        self._environment = settings.model_copy(update={"ingest": ingest}).environment()
        self._metrics_port = settings.metrics_port
        listing = ["reconcile", *(["--once"] if once else ["--watch"])]
        self._children = [
            Child("the light services", ["service", *LIGHT]),
            Child("asr", ["service", "asr"]),
            Child("listing", listing, once=once),
        ]
        self._groups = {group: tuple(topic.name for topic in topics) for group, topics in READ_BY.items()}

    def list_again(self) -> None:
        """Lists the source once more."""
        self._children = [child for child in self._children if not child.done]
        child = Child("listing", ["reconcile", "--once"], once=True)
        self._children.append(child)
        self._start(child)

    def start(self) -> None:
        """Starts the children."""
        for child in self._children:
            self._start(child)

    def check(self) -> None:
        """Starts again what has died.

        Raises:
            Misconfigured: A child cannot be kept alive; its log says why.
        """
        for child in self._children:
            code = child.process.poll() if child.process and not child.done else None
            if code is None:
                continue
            if child.once and code == 0:
                child.done = True
                continue
            said = f"{child.name} ended with code {code}; the end of {self._output.name}:\n{self._last_words()}"
            if code == _AWAY and child.once:
                raise Away(said)
            child.deaths = child.deaths + 1 if time.monotonic() - child.started_at < _SOON_S else 1
            if code == _WRONG_USE or child.deaths >= _DEATHS_IN_A_ROW:
                raise Misconfigured(said)
            time.sleep(min(2.0, 0.1 * 2**child.deaths))
            self._start(child)

    def backlog(self) -> Mapping[tuple[str, str], int]:
        """Records not handled yet, by (group, topic), at one instant."""
        return self._log.backlog(self._groups)

    def exit_codes(self) -> list[int | None]:
        """How each child has ended; None for the living."""
        return [child.process.poll() for child in self._children if child.process]

    def idle(self) -> bool:
        """Whether the source has been listed and every position is at its end."""
        listed = all(child.process and child.process.poll() == 0 for child in self._children if child.once)
        return listed and not any(self.backlog().values())

    def stop(self) -> None:
        """Ends the children in order; what they had not committed is handed out again next time."""
        living = [child.process for child in self._children if child.process and child.process.poll() is None]
        for process in living:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        for process in living:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._output.close()

    def kill(self) -> None:
        """Ends the children at once, as a power cut would."""
        for child in self._children:
            if child.process:
                child.process.kill()
                child.process.wait()
        self._output.close()

    def _start(self, child: Child) -> None:
        command = [sys.executable, "-m", "ringtrue", *child.arguments, "--with-parent"]
        environment = {name: value for name, value in self._environment.items() if not (child.deaths and name == KILL)}
        if child.name == "asr" and self._metrics_port:
            environment["RINGTRUE_METRICS_PORT"] = str(self._metrics_port + 1)
        child.started_at = time.monotonic()
        # A session of its own: Ctrl-C reaches this process only, which then ends the children in order.
        child.process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=environment, stderr=self._output, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def _last_words(self) -> str:
        lines = Path(self._output.name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(_in_words(line) for line in lines[-3:])


def _in_words(line: str) -> str:
    """A line of the log: what a JSON line says in a few words, anything else as it is."""
    try:
        said = json.loads(line)
        return f"{said['worker']}: {said.get('reason') or said['event']}"
    except (ValueError, KeyError, TypeError):
        return line


@contextmanager
def data_folder(settings: Settings) -> Iterator[IO[str]]:
    """Holds the data folder for this run; the open lock file, which names the source.

    Raises:
        Misconfigured: Another run works in it, or it cannot be made.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"RINGTRUE_DATA_DIR={settings.data_dir}: {error.strerror}") from error
    with (settings.data_dir / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misconfigured(
                f"another run works in {settings.data_dir}: wait for it, or set RINGTRUE_DATA_DIR to another folder"
            ) from error
        yield lock


def belongs_to(settings: Settings, lock: IO[str], log: Log) -> None:
    """Makes sure that the data folder is this source's, or makes it so while it holds nothing of another one.

    Raises:
        Misconfigured: It holds the calls of another source.
    """
    lock.seek(0)
    source = lock.read().strip()
    used = any(log.ends((RECORDINGS_SEEN.name, MANIFESTS_SEEN.name)).values())
    if used and source != settings.source:
        raise Misconfigured(
            f"{settings.data_dir} holds the calls of {source}, not of {settings.source}: "
            "set RINGTRUE_DATA_DIR to another folder for another source"
        )
    lock.truncate(0)
    lock.write(settings.source)
    lock.flush()
