"""Settings from the environment: `RINGTRUE_` and the name, `__` between the levels.

`RINGTRUE_DATABASE__URL` is `settings.database.url`. Everything has a default, with which one machine runs
on the embedded log and SQLite. `load_settings` names the setting, the value and what is allowed when one is wrong.
"""

import difflib
import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from ringtrue.errors import Misconfigured

_PREFIX = "RINGTRUE_"
#: Set by test runs, not read here: addresses of servers, points at which to die.
_TEST_PREFIX = "RINGTRUE_TEST_"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("a name of the tz database is expected, such as Africa/Casablanca") from error
    return name


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogSettings(_Group):
    """The log, whichever it is: partitions of every topic, how long a silent member keeps its own, the largest record.

    The embedded log is one SQLite file in the data folder; `KafkaSettings` name another one.
    """

    partitions: Annotated[int, Field(ge=1, le=64)] = 4
    session_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    #: Key, value and headers of a record that a worker writes. Kafka's own default, less its framing.
    max_record_bytes: Annotated[int, Field(ge=10_000, le=100_000_000)] = 1_000_000


class KafkaSettings(_Group):
    """A Kafka cluster to use instead of the embedded log.

    `topic_prefix` stands before the names of topics, groups and transactional ids, so that several deployments may
    share a cluster. `deadline_s` is how long a call is tried again while brokers are away, before the turn is dropped.
    """

    bootstrap_servers: str = ""
    topic_prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]*$")] = ""
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ssl_ca_file: Path | None = None
    ssl_certificate_file: Path | None = None
    ssl_key_file: Path | None = None
    ssl_key_password: SecretStr = SecretStr("")
    compression: Literal["lz4", "zstd", "snappy", "gzip", "none"] = "lz4"
    max_poll_interval_s: Annotated[float, Field(ge=1)] = 300.0
    transaction_timeout_s: Annotated[float, Field(ge=1, le=900)] = 20.0
    deadline_s: Annotated[float, Field(ge=1)] = 60.0
    queued_kb: Annotated[int, Field(ge=1, le=2_097_151)] = 16_384


class SchemaRegistrySettings(_Group):
    """A Confluent schema registry; without a URL messages name their schema by its fingerprint."""

    url: str = ""
    username: str = ""
    password: SecretStr = SecretStr("")
    ssl_ca_file: Path | None = None


class DatabaseSettings(_Group):
    """Where results go: an SQLAlchemy URL; empty for SQLite in the data folder."""

    url: str = ""


class S3Settings(_Group):
    """An S3 store, for sources of the form `s3://bucket/prefix`."""

    endpoint: str = "localhost:9000"
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    secure: bool = True
    region: str = ""


class IngestSettings(_Group):
    """How recordings are found, read and cut."""

    file_name_pattern: str = ""
    manifest_day: str = ""
    layouts: Path | None = None
    max_hours: Annotated[float, Field(gt=0, le=24)] = 4.0
    decoders: Annotated[int, Field(ge=1, le=64)] = 2
    scan_every_s: Annotated[float, Field(gt=0)] = 5.0
    settle_age_s: Annotated[float, Field(ge=0)] = 2.0
    max_backlog_h: Annotated[float, Field(gt=0)] = 24.0


class AsrSettings(_Group):
    """The ASR engine and its micro-batches."""

    engine: Literal["ctc", "stub"] = "ctc"
    model: str = ""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda:\d+)$")] = "auto"
    batch_s: Annotated[float, Field(gt=0)] = 200.0
    linger_ms: Annotated[int, Field(ge=0, le=10_000)] = 100


class ClassifierSettings(_Group):
    """Which engine names the outcome of a call."""

    engine: Literal["embedded"] = "embedded"


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Path("ringtrue-data")
    source: str = ""
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "Africa/Casablanca"
    language: Literal["fr", "en"] = "fr"
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "MA"
    selection: Literal["all", "matched"] = "all"
    settle_s: Annotated[float, Field(ge=0)] = 3600.0
    rules: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    log: LogSettings = LogSettings()
    kafka: KafkaSettings = KafkaSettings()
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    database: DatabaseSettings = DatabaseSettings()
    s3: S3Settings = S3Settings()
    ingest: IngestSettings = IngestSettings()
    asr: AsrSettings = AsrSettings()
    classifier: ClassifierSettings = ClassifierSettings()

    def environment(self) -> dict[str, str]:
        """The environment for a child process that shall have these settings."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_PREFIX) or name.startswith(_TEST_PREFIX)
        }
        for name in type(self).model_fields:
            value = getattr(self, name)
            parts = (
                {f"{name}__{part}": getattr(value, part) for part in type(value).model_fields}
                if isinstance(value, BaseModel)
                else {name: value}
            )
            for full, part in parts.items():
                if part is not None:
                    plain = part.get_secret_value() if isinstance(part, SecretStr) else part
                    kept[f"{_PREFIX}{full}".upper()] = str(plain)
        return kept

    @property
    def log_path(self) -> Path:
        """The embedded log's file."""
        return self.data_dir / "log.sqlite"

    @property
    def database_url(self) -> str:
        """The database's URL, SQLite in the data folder unless one is set."""
        return self.database.url or f"sqlite:///{self.data_dir / 'results.sqlite'}"

    @property
    def zone(self) -> ZoneInfo:
        """The operator's time zone."""
        return ZoneInfo(self.time_zone)


def load_settings() -> Settings:
    """Reads the settings from the environment.

    Raises:
        Misconfigured: A setting is unknown or its value is not allowed; the message names each.
    """
    problems = [*_unknown_names()]
    try:
        settings = Settings()
    except ValidationError as error:
        for item in error.errors():
            name = _PREFIX + "__".join(str(part).upper() for part in item["loc"])
            if item["type"] != "extra_forbidden":  # named by _unknown_names already; its value may be a secret
                problems.append(f"{name}={item['input']!r}: {item['msg']}")
    except SettingsError as error:
        problems.append(f"{error}; a group is set by its parts, such as RINGTRUE_LOG__PARTITIONS")
    else:
        if not problems:
            return settings
    raise Misconfigured("settings in the environment are wrong:\n  " + "\n  ".join(problems))


def _unknown_names() -> list[str]:
    known = set[str]()
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            known |= {f"{_PREFIX}{name}__{part}".upper() for part in kind.model_fields}
        known.add(f"{_PREFIX}{name}".upper())
    problems = []
    for name in os.environ:
        if name.startswith(_PREFIX) and not name.startswith(_TEST_PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name, known, n=1)
            problems.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return problems
