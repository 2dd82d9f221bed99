"""Messages whose schema is named by its id in a Confluent schema registry: a zero byte, the id in 4 bytes, the body.

`make_codec` is the one place that decides how a deployment writes: in this form when RINGTRUE_SCHEMA_REGISTRY__URL is
set, else in Avro's single-object encoding. Either way readers take both.

The subject of a schema is the full name of its record, such as `ringtrue.CallRegistered` (RecordNameStrategy): topics
such as `recordings.seen` carry several messages, and one message travels on several topics. A schema is registered
whole, the records in it inlined, so that no reader has to follow references.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from ringtrue.errors import Away, BadRecord, Misconfigured
from ringtrue.resources import resource
from ringtrue.settings import SchemaRegistrySettings, Settings
from ringtrue.streaming.codec import Codec, Schema, UnknownSchema, WireFormat, Written, schema_of, single_object

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

T = TypeVar("T")

_MARK = b"\0"
_LENGTH = 5
_NAMESPACE = "ringtrue"
_SETTING = "RINGTRUE_SCHEMA_REGISTRY__URL"
#: Of one request. Longer outages are the worker's, which keeps its partitions meanwhile.
_TIMEOUT_S = 10.0
_RETRIES = 1
_RETRY_MS = 200
#: Registries count schemas from 1 or from 100,000. What would be a greater id is taken for garbage.
_PLAUSIBLE_IDS = range(1, 1 << 24)
#: Error codes of a registry that has no such subject, version or schema; another 404 is no registry's.
_NOT_FOUND_CODES = range(40400, 40500)


class RegistryAway(Away):
    """The schema registry cannot be reached, or is in trouble."""


def make_codec(settings: Settings) -> Codec:
    """The codec that the settings ask for. The registry is not asked before `Codec.prepare` or the first message.

    Raises:
        Misconfigured: The registry's client is not installed, or a setting of the registry is wrong.
    """
    if not settings.schema_registry.url:
        return Codec(reads=(NoRegistry(),))
    return Codec(_open(settings.schema_registry), reads=(single_object(),))


def whole_schema(name: str) -> str:
    """The schema of a message as one JSON text, nested records included: always the same text for the same schema."""
    schema = {key: value for key, value in schema_of(name).items() if not key.startswith("__")}
    return json.dumps(schema, ensure_ascii=False, sort_keys=True)


class Confluent:
    """The Confluent wire format. Ids and schemas are asked for once. Used by several threads.

    Args:
        client: The registry.
        where: How the registry is named to people.
    """

    def __init__(self, client: "SchemaRegistryClient", where: str) -> None:
        self._client = client
        self._where = where
        self._headers = dict[str, bytes]()
        self._written = dict[int, Written]()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """See `WireFormat.prepare`. Looks up every schema, and registers those that the registry does not have.

        Raises:
            RegistryAway: The registry is away.
            Misconfigured: It calls a schema incompatible with the one before it, or refuses us.
        """
        with self._lock:
            for path in sorted(resource("schemas").glob("*.avsc")):
                if path.stem not in self._headers:
                    self._headers[path.stem] = _MARK + self._registered(path.stem).to_bytes(_LENGTH - 1, "big")

    def header(self, name: str) -> bytes:
        """See `WireFormat.header`."""
        if name not in self._headers:
            self.prepare()
        return self._headers[name]

    def read(self, data: bytes) -> tuple[Written, int] | None:
        """See `WireFormat.read`. Also what a newer version wrote can be read: its schema is in the registry."""
        number = _schema_id(data)
        if number is None:
            return None
        if number not in self._written:
            self._written[number] = self._fetched(number)
        return self._written[number], _LENGTH

    def _registered(self, name: str) -> int:
        from confluent_kafka.schema_registry import Schema as Text

        subject = f"{_NAMESPACE}.{name}"
        schema = Text(whole_schema(name), "AVRO")
        with self._named(subject):
            # Looked up first, for services that may only read: then somebody else registers the schemas.
            known = _if_there(lambda: self._client.lookup_schema(subject, schema))
            if known is not None and known.schema_id is not None:
                return known.schema_id
            if _if_there(lambda: self._client.get_versions(subject)):
                compatible = self._client.test_compatibility(subject, schema)
                if not compatible:
                    raise self._incompatible(subject)
            return self._client.register_schema(subject, schema)

    def _fetched(self, number: int) -> Written:
        with self._named(f"schema {number}"):
            found = _if_there(lambda: self._client.get_schema(number))
        if found is None:
            raise UnknownSchema(f"{self._where} has no schema {number}; is {_SETTING} that of the writers?")
        try:
            schema: Schema = parse_schema(json.loads(found.schema_str or ""))
            namespace, _, name = schema["name"].rpartition(".")
        except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType) as error:
            raise BadRecord("undecodable", f"schema {number} of {self._where} is no message's: {error}") from error
        if namespace != _NAMESPACE:
            raise BadRecord("undecodable", f"a {schema['name']} is not a message of Ringtrue")
        if not (resource("schemas") / f"{name}.avsc").exists():
            raise UnknownSchema(f"{schema['name']} is not known to this version of ringtrue")
        return Written(name, schema)

    def _incompatible(self, subject: str) -> Misconfigured:
        return Misconfigured(
            f"{self._where} calls the schema of {subject} incompatible with the one that is registered there: "
            f"another program uses this subject, or another version of ringtrue has changed it; see schemas/README.md"
        )

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Turns what the client raises into our errors."""
        from confluent_kafka.schema_registry import SchemaRegistryError

        try:
            yield
        except SchemaRegistryError as error:
            said = f"{self._where} answered {error.http_status_code} for {what}: {error.error_message}"
            if error.http_status_code in (408, 429) or error.http_status_code >= 500:
                raise RegistryAway(said) from error
            if error.http_status_code == 409:
                raise self._incompatible(what) from error
            if error.http_status_code in (401, 403):
                said += "; see RINGTRUE_SCHEMA_REGISTRY__USERNAME and RINGTRUE_SCHEMA_REGISTRY__PASSWORD"
            raise Misconfigured(f"{said} ({_SETTING})") from error
        except _transport_error() as error:
            raise RegistryAway(f"{self._where} cannot be reached: {error}") from error
        except (ValueError, KeyError, TypeError) as error:  # the client trusts the answer
            raise Misconfigured(f"{self._where} does not answer like a schema registry ({_SETTING})") from error


class NoRegistry:
    """Recognises the Confluent wire format where no registry is set, and holds it: reads only.

    The setting is at fault, not the record: refusing would empty the topics into the dead letters. So what begins
    like this format waits until the registry is named. Garbage with the same beginning waits too, as it does behind the
    marker of a single object; a zero byte alone is not enough, the id must be one that registries give.
    """

    def prepare(self) -> None:
        """See `WireFormat.prepare`."""

    def header(self, name: str) -> bytes:
        """Nothing is written in this format."""
        raise NotImplementedError(f"{name} cannot be written without a schema registry")

    def read(self, data: bytes) -> tuple[Written, int] | None:
        """See `WireFormat.read`."""
        number = _schema_id(data)
        if number in _PLAUSIBLE_IDS and len(data) > _LENGTH:
            raise UnknownSchema(f"the record names schema {number} of a schema registry: set {_SETTING}")
        return None


def _schema_id(data: bytes) -> int | None:
    """The id that the bytes name; None when they are not of this format."""
    if not data.startswith(_MARK) or len(data) < _LENGTH:
        return None
    number = int.from_bytes(data[1:_LENGTH], "big", signed=True)
    return number if number > 0 else None


def _if_there(ask: Callable[[], T]) -> T | None:
    from confluent_kafka.schema_registry import SchemaRegistryError

    try:
        return ask()
    except SchemaRegistryError as error:
        if error.http_status_code == 404 and error.error_code in _NOT_FOUND_CODES:
            return None
        raise


def _open(settings: SchemaRegistrySettings) -> WireFormat:
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient
    except ImportError as error:
        message = f"{_SETTING} is set, but the registry's client is not installed: pip install ringtrue[registry]"
        raise Misconfigured(message) from error
    configuration = {
        "url": settings.url,
        "timeout": _TIMEOUT_S,
        "max.retries": _RETRIES,
        "retries.wait.ms": _RETRY_MS,
    }
    if settings.username:
        configuration["basic.auth.user.info"] = f"{settings.username}:{settings.password.get_secret_value()}"
    if settings.ssl_ca_file is not None:
        configuration["ssl.ca.location"] = str(settings.ssl_ca_file)
    where = re.sub(r"//[^/@]*@", "//", settings.url)
    try:
        return Confluent(SchemaRegistryClient.new_client(configuration), where)
    except OSError as error:  # of which an unusable certificate is one
        setting = f"RINGTRUE_SCHEMA_REGISTRY__SSL_CA_FILE={settings.ssl_ca_file}"
        raise Misconfigured(f"{setting}: {error.strerror or error}") from error
    except ValueError as error:
        raise Misconfigured(f"{_SETTING}={where}: {error}; http(s)://HOST:PORT is expected") from error


def _transport_error() -> type[Exception]:
    # The client's HTTP library has two names, of which the client prefers the newer.
    error: type[Exception] = import_module("httpx2" if find_spec("httpx2") else "httpx").TransportError
    return error
