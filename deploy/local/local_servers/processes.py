"""Processes that outlive us: started in a session of their own, known by id and start time, stopped by signal.

A process id alone is not enough: after a crash or a restart of the machine the number may be somebody else's. The
start time beside it, and the boot that it counts from, tell the two apart.
"""

import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from local_servers.errors import NotUp

#: /proc/PID/stat after the name in brackets: the state is the first field, the start time (field 22 in all) the 20th.
_STATE, _START_TIME = 0, 19
_POLL_S = 0.05

Command: TypeAlias = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, never to be taken for another."""

    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start: the command, its whole environment, and the user when it must not be us."""

    command: Command
    environment: Mapping[str, str]
    user: str | None = None


def identify(pid: int) -> Identity | None:
    """The process that has this id now; None when there is none, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # The name may hold brackets and spaces itself, so the fields are counted from the last bracket.
    fields = stat.rpartition(")")[2].split()
    if fields[_STATE] in "ZX":
        return None
    return Identity(pid, f"{boot}/{fields[_START_TIME]}")


def recorded(path: Path) -> Identity | None:
    """The process of a pid file, if it still runs."""
    try:
        identity = Identity(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return identity if _running(identity) else None


def start(launch: Launch, pid_file: Path, log: Path) -> None:
    """Starts a process and writes down who it is. Its output goes to the log; the former log is kept beside it."""
    if log.exists():
        log.replace(log.with_suffix(".previous"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            launch.command,
            env=launch.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=launch.user,
            group=_group(launch.user),
            extra_groups=[] if launch.user else None,
        )
    identity = identify(process.pid)
    # It may be over already: then nobody is recorded, and whoever waits for it shows the log.
    pid_file.write_text(json.dumps(asdict(identity) if identity else None))


def run(launch: Launch, *, given: str = "", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Runs a short command to its end, with its output in the answer."""
    return subprocess.run(
        launch.command,
        env=launch.environment,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        check=False,
        user=launch.user,
        group=_group(launch.user),
        extra_groups=[] if launch.user else None,
    )


def stop(identity: Identity, by: signal.Signals, grace_s: float) -> bool:
    """Asks a process to end, and ends it and its children when it does not. False when it had to be killed.

    Raises:
        NotUp: It outlived even that.
    """
    if not _running(identity):
        return True
    os.kill(identity.pid, by)
    if _gone(identity, grace_s):
        return True
    # It leads a session of its own, so its group is it and its children.
    os.killpg(identity.pid, signal.SIGKILL)
    if not _gone(identity, 10):
        raise NotUp(f"process {identity.pid} does not end, not even when killed")
    return False


def _running(identity: Identity) -> bool:
    return identify(identity.pid) == identity


def _gone(identity: Identity, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while _running(identity):
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_S)
    return True


def _group(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None
