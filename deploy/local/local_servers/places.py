"""Where things lie, and what one state folder remembers from one `up` to the next.

    CACHE/ringtrue/servers/software    what was built or downloaded; shared by all states, kept by `reset`
    CACHE/ringtrue/servers/default     a state: setup.json, and one folder per server with its data, log and pid

CACHE is `$XDG_CACHE_HOME`, or ~/.cache.
"""

import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local_servers.console import say
from local_servers.errors import WrongUse

_PORTS_TO_CHOOSE_FROM = 12_000
#: Also the sign that a folder is a state of ours.
_LOCK = "lock"


def cache_folder() -> Path:
    """Where this user's caches belong."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "ringtrue" / "servers"


def software_folder() -> Path:
    """What was built or downloaded, by name and version."""
    return cache_folder() / "software"


def default_state() -> Path:
    """The state that commands mean when none is named."""
    return cache_folder() / "default"


@dataclass
class Setup:
    """What a state folder remembers: what was asked for, the ports that were chosen, the passwords that were made."""

    topic_prefix: str = ""
    brokers: int = 1
    secure: bool = False
    kafka_cluster: str = ""
    #: By name: `kafka`, `kafka-controller` (`kafka-2`, `kafka-2-controller` of a second broker), `minio`, `postgresql`.
    ports: dict[str, int] = field(default_factory=dict)
    #: By name: `minio`, `postgresql`, `kafka`.
    passwords: dict[str, str] = field(default_factory=dict)

    def port(self, name: str) -> int:
        """The port of that name, chosen when it is first asked for."""
        return self.ports.setdefault(name, _free_port(set(self.ports.values())))

    def password(self, name: str) -> str:
        """The password of that name, made when it is first asked for."""
        return self.passwords.setdefault(name, secrets.token_urlsafe(24).replace("-", "x"))


@dataclass(frozen=True)
class State:
    """One state folder."""

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "setup.json"

    @property
    def exists(self) -> bool:
        """Whether an `up` has made it."""
        return (self.folder / _LOCK).exists()

    def forget(self) -> None:
        """Removes what is ours in the folder, and the folder when that leaves it empty."""
        self._file.unlink(missing_ok=True)
        (self.folder / _LOCK).unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def load(self) -> Setup:
        """What was decided at an earlier `up`; the defaults when there was none.

        Raises:
            WrongUse: The file is not one of ours.
        """
        try:
            return Setup(**json.loads(self._file.read_text()))
        except FileNotFoundError:
            return Setup()
        except (ValueError, TypeError) as error:
            raise WrongUse(f"{self._file} cannot be read ({error}); remove it, or name another folder") from error

    def save(self, setup: Setup) -> None:
        """Remembers it. Only this user may read it: it holds passwords."""
        new = self._file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(setup), indent=2) + "\n")
        new.replace(self._file)

    def make(self) -> None:
        """Makes the folder. Others may pass through it, to what is theirs, but not look into it.

        Raises:
            WrongUse: It is there and holds other things; `reset` would some day remove them.
        """
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            self.folder.chmod(0o711)
        elif any(self.folder.iterdir()) and not self.exists:
            raise WrongUse(f"{self.folder} holds other things; name an empty folder, or one that is not there yet")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second command on the same state waiting."""
        self.make()
        with exclusively(self.folder / _LOCK):
            yield


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Holds a lock file; says so when somebody else holds it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another command that works on {path.parent}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def port_is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: what is left of closed connections is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port(taken: set[int]) -> int:
    # Below the range that the system hands out to clients: one that keeps knocking at the port of a server
    # that is down would some day be given that very port, and be connected to itself.
    top = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    top = min(max(top, 1024 + _PORTS_TO_CHOOSE_FROM), 65_536)
    while True:
        port = top - 1 - secrets.randbelow(_PORTS_TO_CHOOSE_FROM)
        if port not in taken and port_is_free(port):
            return port
