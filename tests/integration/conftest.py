"""Deployments on the real servers, one per test."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ringtrue.settings import KafkaSettings
from tests.integration.deployment import Deployment
from tests.integration.relay import Relay
from tests.integration.users import Users
from tests.servers import MinioServer, SecureKafka
from tests.unit.database.engines import fresh_database


@pytest.fixture
def deployment(kafka_server: str, minio_server: MinioServer, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment with its topics, and with nothing running yet."""
    with fresh_database("postgresql", tmp_path) as url:
        kafka = KafkaSettings(bootstrap_servers=kafka_server)
        with closing(Deployment(kafka, minio_server, url, tmp_path)) as made:
            made.create_topics()
            yield made


@pytest.fixture
def relay(deployment: Deployment, kafka_server: str) -> Iterator[Relay]:
    """What brings MinIO's notifications into the deployment's topic."""
    begins = f"{deployment.bucket}/{deployment.prefix}"
    with closing(Relay(kafka_server, deployment.kafka.topic_prefix, begins)) as made:
        yield made


@pytest.fixture
def secured(secure_kafka_server: SecureKafka, minio_server: MinioServer, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment on the Kafka that trusts nobody, for the administrator; without topics."""
    kafka = secure_kafka_server.settings(secure_kafka_server.username, secure_kafka_server.password)
    with fresh_database("postgresql", tmp_path) as url, closing(Deployment(kafka, minio_server, url, tmp_path)) as made:
        yield made


@pytest.fixture
def users(secured: Deployment) -> Iterator[Users]:
    """Users of that Kafka, for this test only."""
    with closing(Users(secured.kafka)) as made:
        yield made
