"""Settings from the environment: `RINGTRUE_` and the name, `__` between the levels.

`RINGTRUE_DATABASE__URL` is `settings.database.url`. Everything has a default, with which one machine runs
on the embedded log and SQLite. `load_settings` names the setting, the value and what is allowed when one is wrong.

`RINGTRUE_SECRETS_DIR` names a folder with files named like settings in lower case, such as `ringtrue_s3__secret_key`;
each holds one value. It is how secrets are mounted, and any setting may come this way. The environment wins over files.
"""

import difflib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from ringtrue.errors import Misconfigured

_PREFIX = "RINGTRUE_"
#: Set by test runs, not read here: addresses of servers, points at which to die.
_TEST_PREFIX = "RINGTRUE_TEST_"
_SECRETS_DIR = "RINGTRUE_SECRETS_DIR"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("a name of the tz database is expected, such as Africa/Casablanca") from error
    return name


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogSettings(_Group):
    """The log: one SQLite file in the data folder, unless `KafkaSettings` name a cluster.

    `session_timeout_s` is the embedded log's; partitions and the largest record are of either one.
    """

    partitions: Annotated[int, Field(ge=1, le=64)] = 4
    session_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    #: Key, value and headers of a record that a worker writes; just below Kafka's own default for a batch.
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
    session_timeout_s: Annotated[float, Field(ge=0.2)] = 45.0
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
    """Where results go: an SQLAlchemy URL; empty for SQLite in the data folder.

    The URL's query goes to the driver: `?sslmode=verify-full&sslrootcert=FILE` for TLS. `password` stands in for the
    one in the URL, so that the URL is no secret; SQLite has none.
    """

    url: str = ""
    password: SecretStr = SecretStr("")


class S3Settings(_Group):
    """An S3 store, for sources of the form `s3://bucket/prefix`.

    `ca_file` holds the certificates to trust with TLS (`secure`), instead of the system's.
    """

    endpoint: str = "localhost:9000"
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    secure: bool = True
    ca_file: Path | None = None
    region: str = ""


class IngestSettings(_Group):
    """How recordings are found, read and cut.

    `reconcile_every_s` is how often the service lists its bucket for what no notification announced, 0 for never;
    objects younger than `reconcile_skip_s` are left to their notifications. `decode_*` bound what one file may cost the
    process that decodes it; `raw_encoding` is what files without any header hold, for those named `.raw`, `.al`,
    `.alaw`, `.ul` or `.ulaw` (8 kHz, mono).
    """

    file_name_pattern: str = ""
    manifest_day: str = ""
    layouts: Path | None = None
    max_hours: Annotated[float, Field(gt=0, le=24)] = 4.0
    decode_cpu_s: Annotated[int, Field(ge=1)] = 120
    decode_wall_s: Annotated[float, Field(gt=0)] = 240.0
    decode_memory_mb: Annotated[int, Field(ge=256)] = 1_024
    raw_encoding: Literal["", "alaw", "mulaw"] = ""
    decoders: Annotated[int, Field(ge=1, le=64)] = 2
    scan_every_s: Annotated[float, Field(gt=0)] = 5.0
    settle_age_s: Annotated[float, Field(ge=0)] = 2.0
    reconcile_every_s: Annotated[float, Field(ge=0)] = 300.0
    reconcile_skip_s: Annotated[float, Field(ge=0)] = 60.0
    max_backlog_h: Annotated[float, Field(gt=0)] = 24.0


class AsrSettings(_Group):
    """The ASR engine and its micro-batches.

    `batch_s` is how much audio goes through the model at once, 0 for the device's default, and `linger_ms` how long a
    segment may wait for others. `precision`, `guard` and `allow_pickle` are for `ctc`; `prompt`, `vocabulary` (words,
    separated by commas) and `beams` for `whisper`; `language` for `whisper` and for `ctc` models of many languages
    (MMS): `services/asr/engine.py` says what they do.
    """

    engine: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")] = "ctc"
    model: str = ""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda:\d+)$")] = "auto"
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    guard: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    batch_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    linger_ms: Annotated[int, Field(ge=0, le=10_000)] = 100
    language: Annotated[str, Field(pattern=r"^([a-z]{2,3})?$")] = ""
    prompt: str = ""
    vocabulary: str = ""
    beams: Annotated[int, Field(ge=1, le=32)] = 1
    allow_pickle: bool = False


class ClassifierSettings(_Group):
    """Which engine names the outcome of a call, and how language models are asked.

    `model` is the one to ask: an id, a name, or a folder. `prompt_language` is a file's name in `prompts` (a folder of
    one's own; else those that ship), `auto` chooses by the call. Calls longer than `max_words` are shortened.
    `concurrency` is how many are asked about side by side. Prices are of a million tokens, and together with
    `budget_per_day` (0 for none) in any one currency. `cache_entries` answers are kept (0 for none).
    `redact_before_llm` masks numbers of six digits or more and e-mail addresses. Where the lexicon is sure of an
    outcome and the model says another, a person looks; with `model_overrules_lexicon` the model is believed, except on
    whether anyone was reached. While the model is away calls wait; with `give_up_after_s` only for so long, then they
    go on as not classified until it is back.

    The second block is of the models. `region` is Bedrock's and `endpoint` an address of one's own or of an
    OpenAI-compatible API; `api_key` goes to either, and without one Bedrock takes the credentials of AWS's own chain.
    `ca_file` holds the certificates to trust instead of the system's. `timeout_s` is of one request, to the last byte
    of its answer; the limits a minute are ours, 0 for none. `structured` says whether the answer must follow a schema
    (`schema`), does where the server offers it (`auto`), or is only asked for it (`plain`). `device` runs local models.
    """

    engine: Literal["embedded", "bedrock", "openai", "local", "cascade"] = "embedded"
    cascade_to: Literal["bedrock", "openai", "local"] = "openai"
    cascade_margin: Annotated[float, Field(ge=0, le=1)] = 0.8
    model: str = ""
    prompt_language: Annotated[str, Field(pattern=r"^[a-z]{2,8}$")] = "auto"
    prompts: Path | None = None
    max_words: Annotated[int, Field(ge=50, le=20_000)] = 600
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    price_input: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    price_output: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    budget_per_day: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    cache_entries: Annotated[int, Field(ge=0)] = 100_000
    redact_before_llm: bool = True
    model_overrules_lexicon: bool = False
    give_up_after_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    region: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")] = ""
    endpoint: str = ""
    api_key: SecretStr = SecretStr("")
    ca_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    requests_per_minute: Annotated[int, Field(ge=0)] = 0
    tokens_per_minute: Annotated[int, Field(ge=0)] = 0
    structured: Literal["auto", "schema", "plain"] = "auto"
    prompt_caching: bool = True
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda:\d+)$")] = "auto"


class MailSettings(_Group):
    """How reports go out by e-mail (`ringtrue report --email`); off while `host` is empty.

    `recipients` are addresses with commas between them, `max_mb` is the largest message that the server takes, and
    `ca_file` holds the certificates to trust instead of the system's.
    """

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr = SecretStr("")
    sender: str = ""
    recipients: str = ""
    max_mb: Annotated[float, Field(ge=0.1)] = 20.0
    ca_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 3

    @property
    def recipients_list(self) -> list[str]:
        """The addresses."""
        return [address.strip() for address in self.recipients.split(",") if address.strip()]


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
    secrets_dir: Path | None = None
    source: str = ""
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "Africa/Casablanca"
    language: Literal["fr", "en"] = "fr"
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "MA"
    selection: Literal["all", "matched"] = "all"
    settle_s: Annotated[float, Field(ge=0)] = 3600.0
    rules: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    slot: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "0"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    log: LogSettings = LogSettings()
    kafka: KafkaSettings = KafkaSettings()
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    database: DatabaseSettings = DatabaseSettings()
    s3: S3Settings = S3Settings()
    ingest: IngestSettings = IngestSettings()
    asr: AsrSettings = AsrSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    mail: MailSettings = MailSettings()

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
        """The database's URL with its password; SQLite in the data folder unless one is set."""
        url, password = self.database.url, self.database.password.get_secret_value()
        if not url:
            return f"sqlite:///{self.data_dir / 'results.sqlite'}"
        return _with_password(url, password) if password and not url.startswith("sqlite") else url

    @property
    def zone(self) -> ZoneInfo:
        """The operator's time zone."""
        return ZoneInfo(self.time_zone)


def load_settings() -> Settings:
    """Reads the settings from the environment and from the folder of secrets.

    Raises:
        Misconfigured: A setting is unknown or its value is not allowed; the message names each.
    """
    environment = [name for name in os.environ if not name.startswith(_TEST_PREFIX)]
    files = {name: text for name, text in _files().items() if name not in map(str.upper, environment)}
    known = _known()
    problems = [*_unknown(environment, known), *_unknown(files, {name for name, path in known.items() if path})]
    given = dict[str, Any]()
    for name, text in files.items():
        match known.get(name):
            case (group, part):
                given.setdefault(group, {})[part] = text
            case (single,):
                given[single] = text
    try:
        settings = Settings(**given)
    except ValidationError as error:
        for item in error.errors():
            name = _PREFIX + "__".join(str(part).upper() for part in item["loc"])
            # An unknown one is named already; its value may be a secret, and what stands in a file likely is one.
            if item["type"] != "extra_forbidden":
                what = f"the file of {name}" if name in files else f"{name}={item['input']!r}"
                problems.append(f"{what}: {item['msg']}")
    except SettingsError as error:
        problems.append(f"{error}; a group is set by its parts, such as RINGTRUE_LOG__PARTITIONS")
    else:
        if not problems:
            return settings
    raise Misconfigured("settings in the environment are wrong:\n  " + "\n  ".join(problems))


def _known() -> dict[str, tuple[str, ...]]:
    """Every setting's name and where it stands in `Settings`; nowhere for groups, which are set by their parts."""
    known = dict[str, tuple[str, ...]]()
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        parts = list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
        known[f"{_PREFIX}{name}".upper()] = () if parts else (name,)
        known |= {f"{_PREFIX}{name}__{part}".upper(): (name, part) for part in parts}
    return known


def _unknown(names: Iterable[str], known: Collection[str]) -> Iterator[str]:
    for name in names:
        if name.startswith(_PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "")


def _files() -> dict[str, str]:
    """What the files in the folder of secrets hold, by the setting that they are named for; others are left out."""
    folder = os.environ.get(_SECRETS_DIR)
    if not folder:
        return {}
    path, found = Path(folder), dict[str, str]()
    try:
        for path in sorted(Path(folder).iterdir()):
            if path.name.upper().startswith(_PREFIX):
                found[path.name.upper()] = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise Misconfigured(f"{_SECRETS_DIR}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{_SECRETS_DIR}: {path} is not UTF-8 text") from error
    return found


def _with_password(url: str, password: str) -> str:
    import sqlalchemy as sa  # slow to import, and only servers have passwords

    try:
        return sa.make_url(url).set(password=password).render_as_string(hide_password=False)
    except (sa.exc.ArgumentError, ValueError):
        return url  # whoever opens it says what is wrong with it
