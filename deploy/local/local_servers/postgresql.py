"""PostgreSQL of the system, with a cluster of our own."""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from local_servers import processes
from local_servers.errors import NotUp
from local_servers.places import Setup, State
from local_servers.processes import Launch
from local_servers.server import HOST, Server
from local_servers.tools import POSTGRESQL, Tool, plain_environment

#: The database, and its owner.
_NAME = "ringtrue"
#: Where root keeps the data of a state that lies where no other user can reach it.
_REACHABLE = Path("/var/lib/ringtrue-servers")


class Postgresql(Server):
    """The database server of a state folder. It refuses to run as root, so root starts it as another user."""

    #: Fast: open transactions are rolled back. Its SIGTERM would wait until every client has gone.
    stop_by: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, state: State, setup: Setup) -> None:
        super().__init__("postgresql", state, setup)
        self._state = state

    def tools(self) -> list[Tool]:
        """The server's programs."""
        return [POSTGRESQL]

    def build(self) -> None:
        """Nothing: it comes as a package."""

    def configure(self) -> Launch:
        """Makes the cluster the first time. No Unix socket: two states must not meet under /run."""
        home = self._home()
        if not (home / "data").exists():
            self._make_cluster(home)
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        return self._launch("postgres", "-D", home / "data", *arguments)

    def answers(self) -> bool:
        """PostgreSQL's own check, which is refused while the server still starts."""
        return self._run("pg_isready", "--quiet", "--timeout=2", *self._address()).returncode == 0

    def prepare(self) -> None:
        """The database."""
        absent = f"where not exists (select from pg_database where datname = '{_NAME}')"
        script = f"select 'create database {_NAME}' {absent} \\gexec"
        options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *self._address()]
        answer = self._run("psql", *options, given=script)
        if answer.returncode:
            raise NotUp(f"PostgreSQL does not make the database {_NAME}: {answer.stdout}")

    def exports(self) -> dict[str, str]:
        """The database, with the password in its URL."""
        return {"RINGTRUE_DATABASE__URL": self._url}

    def test_exports(self) -> dict[str, str]:
        """The same database: each test makes a schema of its own in it."""
        return {"RINGTRUE_TEST_POSTGRESQL": self._url}

    def forget(self) -> None:
        """Deletes the data, wherever it had to lie."""
        super().forget()
        if self._far_home.exists():
            shutil.rmtree(self._far_home)

    @property
    def _url(self) -> str:
        return f"postgresql+psycopg2://{_NAME}:{self.setup.password(self.name)}@{HOST}:{self.port}/{_NAME}"

    @property
    def _user(self) -> str | None:
        if os.geteuid():
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"

    @property
    def _far_home(self) -> Path:
        path = str(self._state.folder.resolve())
        return _REACHABLE / hashlib.sha256(path.encode()).hexdigest()[:16]

    def _home(self) -> Path:
        """The folder of the data: the state's own, or another one when root's home is closed to the server's user."""
        self.folder.chmod(0o711)
        reachable = processes.run(Launch(["test", "-x", self.folder], plain_environment(), self._user)).returncode == 0
        if reachable:
            return self.folder
        self._far_home.mkdir(parents=True, exist_ok=True)
        return self._far_home

    def _make_cluster(self, home: Path) -> None:
        # Under another name until it is whole, so that one that was interrupted is made anew.
        partial = home / "data.partial"
        if partial.exists():
            shutil.rmtree(partial)
        password = home / "password"
        partial.mkdir(mode=0o700)
        password.touch(mode=0o600)
        password.write_text(self.setup.password(self.name))
        if self._user:
            shutil.chown(partial, self._user)
            shutil.chown(password, self._user)
        options = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password}"]
        answer = self._run("initdb", *options, f"--username={_NAME}", "-D", partial)
        password.unlink()
        if answer.returncode:
            raise NotUp(f"initdb failed:\n{answer.stdout}")
        partial.rename(home / "data")

    def _address(self) -> list[str]:
        return [f"--host={HOST}", f"--port={self.port}", f"--username={_NAME}", "--dbname=postgres"]

    def _launch(self, program: str, *arguments: str | Path) -> Launch:
        environment = plain_environment() | {"PGPASSWORD": self.setup.password(self.name), "LC_ALL": "C"}
        return Launch([POSTGRESQL.path / program, *arguments], environment, self._user)

    def _run(self, program: str, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
        return processes.run(self._launch(program, *arguments), given=given)
