"""A deployment of its own on the shared servers: topics by a prefix, a schema of the database, a place in the bucket.

Its services are real processes, which a test may kill and start again.
"""

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from confluent_kafka.admin import AdminClient
from minio import Minio

from ringtrue.database import open_database, upgrade
from ringtrue.settings import (
    AsrSettings,
    DatabaseSettings,
    IngestSettings,
    KafkaSettings,
    LogSettings,
    Settings,
)
from ringtrue.storage.s3 import S3Store
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.faults import KILL
from ringtrue.streaming.kafka.config import connection
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.topics import READ_BY, TOPICS, Topic
from tests.integration.process import PATIENCE_S, Process, ringtrue, until
from tests.servers import MinioServer

PARTITIONS = 2
#: A member that was killed is missed for so long.
_SESSION_S = 2.0
_DEADLINE_S = 20.0
_GROUPS = {group: tuple(topic.name for topic in topics) for group, topics in READ_BY.items()}


def kafka_settings(base: KafkaSettings, prefix: str) -> KafkaSettings:
    """The settings of a deployment on a cluster, with times that suit a test."""
    times = {"session_timeout_s": _SESSION_S, "deadline_s": _DEADLINE_S}
    return base.model_copy(update={"topic_prefix": prefix, **times})


class Deployment:
    """One deployment; its topics are made by `create_topics` or by the test.

    Args:
        kafka: How a user who may do everything reaches the cluster.
        minio: The object storage.
        database_url: An empty database.
        folder: A folder of its own.
    """

    def __init__(self, kafka: KafkaSettings, minio: MinioServer, database_url: str, folder: Path) -> None:
        name = uuid.uuid4().hex[:10]
        self.kafka = kafka_settings(kafka, f"it-{name}.")
        self.bucket, self.prefix = minio.bucket, f"{name}/"
        self._folder = folder
        self._processes = list[Process]()
        self._started = 0
        self.settings = Settings.model_construct().model_copy(
            update={
                "source": f"s3://{self.bucket}/{self.prefix}",
                "data_dir": folder / "data",
                "settle_s": 0.0,
                "log": LogSettings(partitions=PARTITIONS),
                "kafka": self.kafka,
                "database": DatabaseSettings(url=database_url),
                "s3": minio.settings,
                "ingest": IngestSettings(decoders=1, reconcile_every_s=0),
                "asr": AsrSettings(engine="stub"),
            }
        )
        self.store = S3Store(minio.settings)
        # Ringtrue itself deletes nothing.
        self._minio = Minio(minio.endpoint, minio.access_key, minio.secret_key, secure=False)
        self._engine = open_database(database_url)
        upgrade(self._engine)  # the archive does it too; tests ask before it has
        self.log = KafkaLog(self.kafka, self.settings.log, folder / "test")

    def close(self) -> None:
        """Ends every process; the topics and the objects go too, for others use the servers as well."""
        for process in self._processes:
            process.kill()
        self.log.close()
        self._engine.dispose()
        admin = AdminClient(connection(self.kafka))
        there = [name for name in admin.list_topics(timeout=10).topics if name.startswith(self.kafka.topic_prefix)]
        for future in admin.delete_topics(there).values() if there else ():
            future.result()
        for info in list(self.store.list(self.bucket, self.prefix)):
            self._minio.remove_object(self.bucket, info.key)

    def create_topics(self, topics: Iterable[Topic] = TOPICS) -> None:
        """Makes topics."""
        self.log.create_topics(tuple(topics))

    def with_settings(self, **changes: Any) -> Settings:
        """The settings with some of them changed: `ingest=dict(...)` changes some of a group."""
        groups = {name: getattr(self.settings, name) for name in changes}
        return self.settings.model_copy(
            update={
                name: groups[name].model_copy(update=change) if isinstance(change, dict) else change
                for name, change in changes.items()
            }
        )

    def start(self, *names: str, settings: Settings | None = None, dies: str = "") -> Process:
        """Starts a process.

        Args:
            names: Its services.
            settings: Its settings, if not the deployment's.
            dies: Where it kills itself; see `ringtrue.streaming.faults`.
        """
        settings = settings or self.settings
        self._started += 1
        # A folder of its own, as another machine has.
        settings = settings.model_copy(update={"data_dir": self._folder / f"machine-{self._started}"})
        environment = settings.environment() | ({KILL: dies} if dies else {})
        process = Process(names, environment, self._folder / f"{self._started}-{'-'.join(names)}.log")
        self._processes.append(process)
        return process

    def ringtrue(self, *arguments: str) -> str:
        """Runs a command; what it writes to standard output."""
        done = ringtrue(self.settings.environment(), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def upload(self, folder: Path) -> None:
        """Uploads a folder as people do."""
        assert json.loads(self.ringtrue("upload", str(folder), "--json"))["failed"] == []

    def put(self, name: str, data: bytes = b"") -> None:
        """Puts an object below the deployment's prefix."""
        self.store.put(self.bucket, self.prefix + name, data)

    def messages(self, topic: Topic) -> list[Any]:
        """What a topic holds."""
        codec = Codec()
        return [codec.decode(record.value) for record in self.log.browse(topic.name) if record.value is not None]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database answers."""
        with self._engine.connect() as connected:
            return [tuple(row) for row in connected.execute(sa.text(query))]

    def settles(self, groups: Iterable[str] = _GROUPS) -> None:
        """Waits until nothing is left to be done."""
        chosen = {group: _GROUPS[group] for group in groups}
        self.until(lambda: not any(self.log.backlog(chosen).values()), "everything is done")

    def until(self, condition: Any, what: str, patience_s: float = PATIENCE_S) -> None:
        """Waits until it holds."""
        until(condition, lambda: f"it does not come to that {what}:\n{self.tails()}", patience_s)

    def tails(self) -> str:
        """The ends of the logs, and what is left to be done."""
        logs = [f"--- {process.names} exit {process.code}\n{process.said[-1500:]}" for process in self._processes]
        left = {place: count for place, count in self.log.backlog(_GROUPS).items() if count}
        return "\n".join([*logs, f"left: {left}"])
