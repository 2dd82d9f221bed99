"""MinIO, built from its pinned last commit, with a bucket whose notifications go to Kafka."""

import json
import os
import re
from pathlib import Path

from local_servers import processes
from local_servers.console import say
from local_servers.errors import Missing, WrongUse
from local_servers.kafka import NOTIFICATIONS, Kafka
from local_servers.places import Setup, State, exclusively
from local_servers.processes import Command, Launch
from local_servers.s3 import Bucket, open_directly
from local_servers.secure import USER as KAFKA_USER
from local_servers.server import HOST, Server
from local_servers.tools import GO, OPENSSL, Tool, follow, plain_environment

#: The community repository is archived; this is its last commit.
_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
#: The toolchain that this commit's go.mod names, for a Go too old to fetch one by itself.
_TOOLCHAIN = "go1.24.8"
#: The first Go that reads a go.mod's toolchain line.
_FETCHES_TOOLCHAINS = (1, 21)
_USER = "ringtrue"
_BUCKET = "recordings"
#: The events that make an object. `s3:ObjectCreated:*` would also tell of tags, retention and legal holds.
_EVENTS = [f"s3:ObjectCreated:{kind}" for kind in ("Put", "Post", "Copy", "CompleteMultipartUpload")]


class Minio(Server):
    """The S3 server of a state folder."""

    def __init__(self, state: State, setup: Setup, software: Path, kafka: Kafka) -> None:
        super().__init__("minio", state, setup)
        self._kafka = kafka
        self._software = software
        self._program = software / f"minio-{_VERSION}" / "minio"

    @property
    def _bucket(self) -> Bucket:
        return Bucket(f"{HOST}:{self.port}", _USER, self.setup.password("minio"), _BUCKET)

    def tools(self) -> list[Tool]:
        """Go, until it is built."""
        tools = [] if self._program.exists() else [GO]
        return [*tools, OPENSSL] if self._kafka.security else tools

    def build(self) -> None:
        """Builds it with `go install`, which checks the modules against Go's checksum database."""
        if self._program.exists():
            return
        with exclusively(self._software / "minio.lock"):
            if self._program.exists():
                return
            say("building MinIO: about 3 minutes on 2 cores, this once")
            partial = self._software / "minio.partial"
            environment = os.environ | {"GOBIN": str(partial), "GOTOOLCHAIN": "auto", "CGO_ENABLED": "0"}
            command: Command = [_go(self._software), "install", "-ldflags=-s -w", f"github.com/minio/minio@{_VERSION}"]
            follow("go install minio", command, self._software / "minio-build.log", environment, folder=self._software)
            self._program.parent.mkdir(exist_ok=True)
            (partial / "minio").replace(self._program)

    def configure(self) -> Launch:
        """One folder on this machine; notifications wait in a folder while Kafka is away."""
        target = {
            "ENABLE": "on",
            "BROKERS": self._kafka.bootstrap,
            "TOPIC": self.setup.topic_prefix + NOTIFICATIONS,
            "QUEUE_DIR": str(self.folder / "queue"),
        }
        if security := self._kafka.security:
            target |= {"SASL": "on", "SASL_MECHANISM": "sha512", "TLS": "on"}
            target |= {"SASL_USERNAME": KAFKA_USER, "SASL_PASSWORD": security.password}
        environment = plain_environment() | {
            **{f"MINIO_NOTIFY_KAFKA_{name}_RINGTRUE": value for name, value in target.items()},
            "MINIO_ROOT_USER": _USER,
            "MINIO_ROOT_PASSWORD": self.setup.password("minio"),
            # A put is answered after its notification is in the queue folder, not before.
            "MINIO_API_SYNC_EVENTS": "on",
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        certificates = self.folder / "certificates"
        (certificates / "CAs").mkdir(parents=True, exist_ok=True)
        if security := self._kafka.security:
            security.make_certificates()
            (certificates / "CAs" / "kafka.pem").write_bytes(security.authority.read_bytes())
        address = f"{HOST}:{self.port}"
        command: Command = [
            self._program,
            "server",
            "--certs-dir",
            certificates,
            "--address",
            address,
            self.folder / "data",
        ]
        return Launch(command, environment)

    def answers(self) -> bool:
        """MinIO's own health check."""
        try:
            with open_directly(f"http://{HOST}:{self.port}/minio/health/live", timeout_s=2):
                return True
        except OSError:
            return False

    def prepare(self) -> None:
        """The bucket, and its notifications."""
        self._bucket.make()
        self._bucket.notify("arn:minio:sqs::RINGTRUE:kafka", _EVENTS)

    def exports(self) -> dict[str, str]:
        """The store, and the bucket as the source."""
        return {
            "RINGTRUE_S3__ENDPOINT": self._bucket.endpoint,
            "RINGTRUE_S3__SECURE": "false",
            "RINGTRUE_S3__ACCESS_KEY": self._bucket.access_key,
            "RINGTRUE_S3__SECRET_KEY": self._bucket.secret_key,
            "RINGTRUE_SOURCE": f"s3://{_BUCKET}/",
        }

    def test_exports(self) -> dict[str, str]:
        """The bucket and its keys.

        Raises:
            WrongUse: The bucket notifies another topic than the tests read.
        """
        if self.setup.topic_prefix:
            raise WrongUse(
                f"its bucket notifies the topic {self.setup.topic_prefix}{NOTIFICATIONS}, and the tests read "
                f"{NOTIFICATIONS}: run `down`, then `up --test --topic-prefix ''`"
            )
        return {
            "RINGTRUE_TEST_S3": f"{self._bucket.endpoint}/{_BUCKET}",
            "RINGTRUE_TEST_S3_ACCESS_KEY": self._bucket.access_key,
            "RINGTRUE_TEST_S3_SECRET_KEY": self._bucket.secret_key,
        }


def _go(software: Path) -> Path:
    """A Go that can build MinIO: the machine's own, or the toolchain that this one downloads as a module."""
    found = GO.path
    answer = processes.run(Launch([found, "version"], os.environ))
    version = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    if version and (int(version[1]), int(version[2])) >= _FETCHES_TOOLCHAINS:
        return found
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    module = f"golang.org/toolchain@v0.0.1-{_TOOLCHAIN}.linux-{machine}"
    say(f"{answer.stdout.strip()} is too old for MinIO: getting {_TOOLCHAIN} as a module")
    log = software / "toolchain.log"
    follow("go mod download", [found, "mod", "download", "-json", module], log, dict(os.environ), folder=software)
    folder = Path(json.loads(log.read_text()[log.read_text().index("{") :])["Dir"])
    programs = [*(folder / "bin").iterdir(), *(folder / "pkg" / "tool").rglob("*")]
    for program in programs:
        # The modules' cache holds no executables, and is read-only.
        if program.is_file():
            program.chmod(0o755)
    if not (folder / "bin" / "go").exists():
        raise Missing(f"{module} holds no bin/go")
    return folder / "bin" / "go"
