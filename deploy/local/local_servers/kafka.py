"""Apache Kafka from its jars: KRaft, one node or three, broker and controller in one process."""

import contextlib
import os
import secrets
import shutil
import socket
import struct
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from local_servers import processes
from local_servers.console import indented, say
from local_servers.errors import NotUp
from local_servers.places import Setup, State, exclusively
from local_servers.processes import Command, Launch
from local_servers.secure import USER, Security
from local_servers.server import HOST, Server
from local_servers.tools import JAVA, MAVEN, OPENSSL, Tool, follow, plain_environment

_VERSION = "4.3.1"
_LOG4J = "2.25.3"
#: Where MinIO announces objects.
NOTIFICATIONS = "recordings.notifications"
_NOTIFICATIONS_PARTITIONS = 4
#: What `ringtrue topics` expects of it: two weeks, and any time stamp that MinIO's clock may give.
_NOTIFICATIONS_SETTINGS = {
    "cleanup.policy": "delete",
    "retention.ms": "1209600000",
    "max.message.bytes": "1200000",
    "message.timestamp.after.max.ms": "9223372036854775807",
}

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ringtrue</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{_VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{_VERSION}</version></dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{_LOG4J}</version>
    </dependency>
  </dependencies>
</project>
"""

#: Warnings, and what groups and transactions do: that is what one looks for when a test goes wrong.
_LOGGING = """\
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd HH:mm:ss.SSS} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.start.name = kafka.server.KafkaRaftServer
logger.start.level = info
logger.groups.name = org.apache.kafka.coordinator.group
logger.groups.level = info
logger.transactions.name = kafka.coordinator.transaction
logger.transactions.level = info
"""

#: The broker's settings, beside its addresses and folders.
_SETTINGS = """\
process.roles=broker,controller
# A topic is made on purpose or not at all: a typing mistake must not make one.
auto.create.topics.enable=false
delete.topic.enable=true
# What is deleted is gone from the disk soon, not after a minute.
log.segment.delete.delay.ms=1000
# A group that is empty does not wait 3 s for more members.
group.initial.rebalance.delay.ms=0
# Tests let members die within a second; the default allows no session below 6 s.
group.min.session.timeout.ms=200
# The internal topics have 50 partitions each by default; 4 start and recover sooner.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
# A transaction that has timed out is aborted within half a second, not within 10 s.
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
# Tests make hundreds of topics: 1 MB for each index, where the default maps 10 MB.
log.index.size.max.bytes=1048576
# Compaction and retention are tested too: they run twice a second, not every 15 s and every 5 minutes.
log.cleaner.backoff.ms=500
log.retention.check.interval.ms=500
# The cleaner takes this from the heap at once; the default is 128 MB.
log.cleaner.dedupe.buffer.size=33554432
# A broker that was killed comes back as soon as its former session is over, by default after 9 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


class Kafka(Server):
    """One node of the cluster of a state folder; the first is named `kafka`, the others `kafka-2` and `kafka-3`."""

    def __init__(self, number: int, state: State, setup: Setup, software: Path) -> None:
        super().__init__("kafka" if number == 1 else f"kafka-{number}", state, setup)
        self._number = number
        self._software = software
        self._libraries = software / f"kafka-{_VERSION}"
        # One set of certificates for all nodes, beside the first.
        tls = state.folder / "kafka" / "tls"
        self.security = Security(tls, setup.password("kafka")) if setup.secure else None

    @property
    def port_names(self) -> list[str]:
        """For clients, and for the controllers among themselves."""
        return [self.name, f"{self.name}-controller"]

    @property
    def has_data(self) -> bool:
        """Whether the folder belongs to a cluster already."""
        return self._formatted.exists()

    @property
    def stop_within_s(self) -> float:
        """How long it may take to hand over its partitions."""
        # The first of three is stopped last: there is no quorum left that could let it go.
        return 5 if self.setup.brokers > 1 and self._number == 1 else 20

    @property
    def bootstrap(self) -> str:
        """Every node's address for clients."""
        return ",".join(f"{HOST}:{self.setup.port(name)}" for name in _names(self.setup))

    def tools(self) -> list[Tool]:
        """Java, and Maven until the jars are there."""
        tools = [JAVA] if self._libraries.exists() else [JAVA, MAVEN]
        return [*tools, OPENSSL] if self.security else tools

    def build(self) -> None:
        """Gets the jars with Maven."""
        if self._libraries.exists():
            return
        with exclusively(self._software / "kafka.lock"):
            if self._libraries.exists():
                return
            say(f"getting Kafka {_VERSION} with Maven: 55 MB, this once")
            (self._software / "pom.xml").write_text(_POM)
            partial = self._software / "kafka.partial"
            if partial.exists():
                shutil.rmtree(partial)
            command: Command = [MAVEN.path, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
            log = self._software / "kafka-download.log"
            follow("mvn dependency:copy-dependencies", command, log, dict(os.environ), folder=self._software)
            partial.rename(self._libraries)

    def configure(self) -> Launch:
        """Writes the settings and formats the data folder the first time."""
        (self.folder / "log4j2.properties").write_text(_LOGGING)
        settings = self.folder / "server.properties"
        if self.security:
            self.security.make_certificates()
        settings.write_text(_SETTINGS + _lines(self._addresses()) + _lines(self._protocols()))
        if not self.has_data:
            # What an interrupted attempt has left would be refused.
            shutil.rmtree(self._data, ignore_errors=True)
            users = self.security.format_options() if self.security else []
            self._tool("kafka.tools.StorageTool", "format", "-t", self.setup.kafka_cluster, "-c", settings, *users)
            self._formatted.touch()
        return self._java("kafka.Kafka", settings, options=["-Xmx768m", "-XX:+ExitOnOutOfMemoryError"])

    def answers(self) -> bool:
        """Whether it tells which requests it knows. It opens that port to clients when it has joined the cluster."""
        request = struct.pack(">hhih", 18, 0, 1, -1)
        try:
            with contextlib.ExitStack() as stack:
                connection = stack.enter_context(socket.create_connection((HOST, self.port), timeout=2))
                if self.security:
                    wrapped = self.security.context().wrap_socket(connection, server_hostname=HOST)
                    connection = stack.enter_context(wrapped)
                connection.sendall(struct.pack(">i", len(request)) + request)
                size, correlation, error = struct.unpack(">iih", connection.makefile("rb").read(10))
        except (OSError, struct.error):
            return False
        return size > 0 and (correlation, error) == (1, 0)

    def prepare(self) -> None:
        """The topic of MinIO's notifications: Kafka makes no topic unasked, and MinIO neither."""
        if self._number > 1:
            return
        options: list[str | Path] = ["--create", "--if-not-exists", "--topic", self.setup.topic_prefix + NOTIFICATIONS]
        options += ["--partitions", str(_NOTIFICATIONS_PARTITIONS), "--replication-factor", str(self.setup.brokers)]
        for name, value in _NOTIFICATIONS_SETTINGS.items():
            options += ["--config", f"{name}={value}"]
        if self.security:
            login = self.folder / "client.properties"
            login.write_text(_lines(self.security.client_settings()))
            options += ["--command-config", login]
        self._tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap, *options)

    def exports(self) -> dict[str, str]:
        """The brokers, and the prefix of the topics."""
        if self._number > 1:
            return {}
        exports = {"RINGTRUE_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap}
        if self.setup.topic_prefix:
            exports["RINGTRUE_KAFKA__TOPIC_PREFIX"] = self.setup.topic_prefix
        if self.security:
            exports |= {
                "RINGTRUE_KAFKA__SECURITY_PROTOCOL": "sasl_ssl",
                "RINGTRUE_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
                "RINGTRUE_KAFKA__SASL_USERNAME": USER,
                "RINGTRUE_KAFKA__SASL_PASSWORD": self.security.password,
                "RINGTRUE_KAFKA__SSL_CA_FILE": str(self.security.authority),
            }
        return exports

    def test_exports(self) -> dict[str, str]:
        """The brokers; a cluster that asks for a password has names of its own."""
        if self._number > 1:
            return {}
        if not self.security:
            return {"RINGTRUE_TEST_KAFKA": self.bootstrap}
        return {
            "RINGTRUE_TEST_KAFKA_SECURE": self.bootstrap,
            "RINGTRUE_TEST_KAFKA_SECURE_USERNAME": USER,
            "RINGTRUE_TEST_KAFKA_SECURE_PASSWORD": self.security.password,
            "RINGTRUE_TEST_KAFKA_SECURE_CA_FILE": str(self.security.authority),
        }

    @property
    def _formatted(self) -> Path:
        return self.folder / "formatted"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _addresses(self) -> dict[str, str | int]:
        """What differs from one node to another, and from one state to another."""
        copies = self.setup.brokers
        voters = [
            f"{number}@{HOST}:{self.setup.port(f'{name}-controller')}"
            for number, name in enumerate(_names(self.setup), start=1)
        ]
        return {
            "node.id": self._number,
            "log.dirs": str(self._data),
            "listeners": f"CLIENT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.setup.port(f'{self.name}-controller')}",
            "advertised.listeners": f"CLIENT://{HOST}:{self.port}",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": ",".join(voters),
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "share.coordinator.state.topic.replication.factor": copies,
            "transaction.state.log.min.isr": (copies + 1) // 2,
            "share.coordinator.state.topic.min.isr": (copies + 1) // 2,
            "min.insync.replicas": (copies + 1) // 2,
        }

    def _protocols(self) -> dict[str, str]:
        if not self.security:
            return {"listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT"}
        return {"listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:SSL"} | self.security.node_settings()

    def _java(self, main: str, *arguments: str | Path, options: list[str]) -> Launch:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        command = [JAVA.path, *options, logging, "-cp", f"{self._libraries}/*", main, *arguments]
        return Launch(command, plain_environment())

    def _tool(self, main: str, *arguments: str | Path) -> None:
        # A short life: compiling less and collecting simply is twice as fast.
        launch = self._java(main, *arguments, options=["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        answer = processes.run(launch)
        if answer.returncode:
            raise NotUp(f"{main} failed:\n{indented(answer.stdout.splitlines()[-15:])}")


def new_cluster() -> str:
    """An id for a new cluster: 16 random bytes as Kafka writes them; a leading hyphen would look like an option."""
    while (name := urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass
    return name


def _lines(settings: Mapping[str, str | int]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _names(setup: Setup) -> list[str]:
    return ["kafka", *(f"kafka-{number}" for number in range(2, setup.brokers + 1))]
