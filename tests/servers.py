"""Real servers for tests, named by the environment: `deploy/local/with-servers` sets it, and so does

    eval "$(deploy/local/servers up --test)"

A test that needs a server which nobody names is skipped; in CI, or with RINGTRUE_TEST_REQUIRE_SERVERS set, it fails.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from pydantic import SecretStr

from ringtrue.settings import KafkaSettings, S3Settings

_VARIABLES = {
    "kafka": "RINGTRUE_TEST_KAFKA",
    "kafka_secure": "RINGTRUE_TEST_KAFKA_SECURE",
    "s3": "RINGTRUE_TEST_S3",
    "postgresql": "RINGTRUE_TEST_POSTGRESQL",
}


@dataclass(frozen=True, slots=True)
class MinioServer:
    """An S3 server, and a bucket in it that others use too: keep to a prefix of your own."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    @property
    def settings(self) -> S3Settings:
        """How the storage reaches it."""
        keys = {"access_key": self.access_key, "secret_key": self.secret_key}
        return S3Settings.model_validate({"endpoint": self.endpoint, "secure": False, **keys})


@dataclass(frozen=True, slots=True)
class SecureKafka:
    """A Kafka behind TLS and passwords, and its administrator, who may make users and grant them rights."""

    bootstrap: str
    username: str
    password: str
    ca_file: Path

    def settings(self, username: str, password: str) -> KafkaSettings:
        """How a user reaches it."""
        return KafkaSettings(
            bootstrap_servers=self.bootstrap,
            security_protocol="sasl_ssl",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=username,
            sasl_password=SecretStr(password),
            ssl_ca_file=self.ca_file,
        )


def server(name: Literal["kafka", "kafka_secure", "s3", "postgresql"]) -> str:
    """The address of a real server: bootstrap servers, HOST:PORT/BUCKET, or a database's URL. No server, no test."""
    variable = _VARIABLES[name]
    if address := os.environ.get(variable):
        return address
    reason = f'{variable} names no server: eval "$(deploy/local/servers up --test)"'
    if os.environ.get("CI") or os.environ.get("RINGTRUE_TEST_REQUIRE_SERVERS"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def minio() -> MinioServer:
    """The S3 server that the tests may use."""
    endpoint, _, bucket = server("s3").partition("/")
    return MinioServer(endpoint, bucket, *_details("s3", "ACCESS_KEY", "SECRET_KEY"))


@pytest.fixture(scope="session")
def kafka_server() -> str:
    """The bootstrap servers of a Kafka cluster; topics and groups want names of their own."""
    return server("kafka")


@pytest.fixture(scope="session")
def secure_kafka_server() -> SecureKafka:
    """A second Kafka, which lets nobody in without a password and grants nothing without an ACL."""
    bootstrap = server("kafka_secure")
    username, password, ca_file = _details("kafka_secure", "USERNAME", "PASSWORD", "CA_FILE")
    return SecureKafka(bootstrap, username, password, Path(ca_file))


@pytest.fixture(scope="session")
def minio_server() -> MinioServer:
    """An S3 server whose bucket announces new objects to the Kafka of `kafka_server`."""
    return minio()


@pytest.fixture(scope="session")
def postgresql_server() -> str:
    """The URL of a database; make a schema of your own in it."""
    return server("postgresql")


def _details(name: str, *details: str) -> list[str]:
    return [os.environ[f"{_VARIABLES[name]}_{detail}"] for detail in details]
