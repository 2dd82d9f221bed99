"""The programs that others must bring: found, installed where we may, or asked for in one command."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from local_servers.console import Stopwatch, indented, last_lines, say
from local_servers.errors import Missing
from local_servers.processes import Command

_OLDEST_JAVA = 17
_REMIND_EVERY_S = 15
#: Read by postgresql-common when it is installed: without it Debian's package starts a cluster of its own on port 5432.
_CLUSTER_SETTINGS = Path("/etc/postgresql-common/createcluster.conf")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: what people call it, Debian's package, and how it is found."""

    name: str
    package: str
    find: Callable[[], Path | None]

    @property
    def path(self) -> Path:
        """Where it is.

        Raises:
            Missing: It is not there.
        """
        found = self.find()
        if not found:
            raise Missing(f"{self.name} is not on this machine (Debian: {self.package})")
        return found


def _java() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if not found:
        return None
    text = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', text)
    return Path(found) if version and int(version[1]) >= _OLDEST_JAVA else None


def _on_path(name: str) -> Callable[[], Path | None]:
    def find() -> Path | None:
        found = shutil.which(name)
        return Path(found) if found else None

    return find


def _postgresql() -> Path | None:
    """The folder of the server's programs. Debian keeps one per version, off the path: the newest is taken."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    folders.sort(key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0), reverse=True)
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


JAVA = Tool(f"Java {_OLDEST_JAVA} or newer", "default-jre-headless", _java)
MAVEN = Tool("Maven", "maven", _on_path("mvn"))
GO = Tool("Go", "golang-go", _on_path("go"))
POSTGRESQL = Tool("PostgreSQL's server", "postgresql", _postgresql)
OPENSSL = Tool("openssl", "openssl", _on_path("openssl"))


def require(tools: Iterable[Tool], software: Path) -> None:
    """Sees to it that all are there: installs what is missing when we are root on Debian.

    Raises:
        Missing: Some are not there; the message holds the one command that installs them.
    """
    missing = [tool for tool in dict.fromkeys(tools) if not tool.find()]
    if not missing:
        return
    names = ", ".join(tool.name for tool in missing)
    packages = [tool.package for tool in missing]
    apt = shutil.which("apt-get")
    if not apt:
        raise Missing(f"not on this machine: {names}. On Debian they are the packages {' '.join(packages)}")
    if os.geteuid() != 0:
        raise Missing(f"not on this machine: {names}. This installs them: sudo apt-get install -y {' '.join(packages)}")
    say(f"installing {' '.join(packages)}")
    if POSTGRESQL in missing and not _CLUSTER_SETTINGS.exists():
        _CLUSTER_SETTINGS.parent.mkdir(parents=True, exist_ok=True)
        _CLUSTER_SETTINGS.write_text("create_main_cluster = false\n")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    log = software / "apt.log"
    follow("apt-get update", [apt, "-qq", "update"], log, quiet)
    install = [apt, "-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "install"]
    follow("apt-get install", [*install, *packages], log, quiet)
    if left := [tool for tool in missing if not tool.find()]:
        raise Missing(f"installed {' '.join(packages)}, but still not found: {', '.join(tool.name for tool in left)}")


def follow(title: str, command: Command, log: Path, environment: dict[str, str], *, folder: Path | None = None) -> None:
    """Runs a long command, says from time to time that it still runs, and shows the end of its log when it fails.

    Raises:
        Missing: It failed.
    """
    watch = Stopwatch()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while True:
                try:
                    code = process.wait(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    watch.remind(f"  {title}", _REMIND_EVERY_S)
        finally:
            # Ctrl-C, too, leaves nobody at work behind us.
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code:
        raise Missing(f"{title} failed with exit code {code}:\n{indented(last_lines(log, 15))}\n  all of it: {log}")
    say(f"  {title}: done in {watch.seconds:.0f} s")


def plain_environment() -> dict[str, str]:
    """What a server may see of our environment: a stray MINIO_ or PG variable must not change it."""
    return {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "JAVA_HOME") if name in os.environ
    }
