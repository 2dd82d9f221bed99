"""Messages to bytes and back: Avro, by the schemas in `schemas/`.

`Codec.encode` writes with the present schema; `Codec.decode` resolves the writer's schema from the bytes themselves, so
that a reader takes messages of every released version. How the writer's schema is named in the bytes is a `WireFormat`:
Avro's single-object encoding, or the Confluent wire format (`registry.py`). Readers accept every format they are given;
`registry.make_codec` makes the codec that the settings ask for.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.repository.base import AbstractSchemaRepository
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form
from pydantic import TypeAdapter, ValidationError

from ringtrue.errors import Away, BadRecord
from ringtrue.messages import REGISTRY
from ringtrue.resources import resource

T = TypeVar("T")

#: A parsed Avro schema, as fastavro takes it.
Schema = Any

#: What bytes that are no whole message make fastavro and pydantic raise.
_UNREADABLE = (
    ValidationError,
    SchemaResolutionError,
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
)


class UnknownSchema(Away):
    """The writer's schema is not known here: a newer version writes. Hold the partition until this one is upgraded."""


@dataclass(frozen=True, slots=True)
class Written:
    """A writer's schema with the name of its record."""

    name: str
    schema: Schema


class WireFormat(Protocol):
    """How bytes name the schema that wrote them."""

    def prepare(self) -> None:
        """Gets hold of what writing needs. It is done at the first message, if not before.

        Raises:
            Away: What knows the schemas cannot be reached now.
            Misconfigured: It does not take ours.
        """

    def header(self, name: str) -> bytes:
        """What stands before the body of a message of this name."""

    def read(self, data: bytes) -> tuple[Written, int] | None:
        """The writer's schema and where the body begins; None when the bytes are not of this format.

        Raises:
            UnknownSchema: They are of this format, by a schema that is not known here.
        """


class _Folder(AbstractSchemaRepository):
    """Nested records of a schema stand in files of their own, named without the namespace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, name: str) -> Schema:
        return json.loads((self._folder / f"{name.rpartition('.')[2]}.avsc").read_text(encoding="utf-8"))


@cache
def schema_of(name: str, folder: Path | None = None) -> Schema:
    """The parsed schema of a message, nested records included."""
    return load_schema(name, repo=_Folder(folder or resource("schemas")))


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(REGISTRY[name])


class SingleObject:
    """Avro's single-object encoding: C3 01, the schema's CRC-64-AVRO fingerprint (little endian), the body.

    Source: Avro specification 1.11, "Single-object encoding". Known are the present schemas and all released ones.
    """

    _MARK = b"\xc3\x01"
    _LENGTH = 10

    def __init__(self) -> None:
        schemas = resource("schemas")
        self._headers = dict[str, bytes]()
        self._written = dict[bytes, Written]()
        for folder in (*sorted(schemas.glob("released/*")), schemas):
            for path in sorted(folder.glob("*.avsc")):
                schema = schema_of(path.stem, folder)
                self._written[self._mark(schema)] = Written(path.stem, schema)

    def prepare(self) -> None:
        """See `WireFormat`."""

    def header(self, name: str) -> bytes:
        """See `WireFormat`."""
        if name not in self._headers:
            self._headers[name] = self._mark(schema_of(name))
        return self._headers[name]

    def read(self, data: bytes) -> tuple[Written, int] | None:
        """See `WireFormat`."""
        if not data.startswith(self._MARK) or len(data) < self._LENGTH:
            return None
        head = data[: self._LENGTH]
        if head not in self._written:
            raise UnknownSchema(f"no schema with the fingerprint {head[2:].hex()} is known to this version of ringtrue")
        return self._written[head], self._LENGTH

    def _mark(self, schema: Schema) -> bytes:
        # fastavro writes the fingerprint's hexadecimal digits in little-endian order already.
        return self._MARK + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


@cache
def single_object() -> SingleObject:
    """The single-object encoding with what this version knows; making it reads every schema."""
    return SingleObject()


class Codec:
    """Encodes and decodes messages.

    Args:
        writes: The wire format of what is written.
        reads: Wire formats that are read besides.
    """

    def __init__(self, writes: WireFormat | None = None, reads: Sequence[WireFormat] = ()) -> None:
        self._writes = writes or single_object()
        self._formats = (self._writes, *reads)

    def prepare(self) -> None:
        """Gets hold of what writing needs, so that a fault shows at the start; see `WireFormat.prepare`."""
        self._writes.prepare()

    def encode(self, message: object) -> bytes:
        """The bytes of a message."""
        name = type(message).__name__
        body = io.BytesIO()
        body.write(self._writes.header(name))
        values = _adapter(name).dump_python(message)
        # Else a list that may be null, being a tuple here, would be taken for the (name, value) of a union.
        fastavro.schemaless_writer(body, schema_of(name), values, disable_tuple_notation=True)
        return body.getvalue()

    def decode(self, data: bytes | None) -> Any:
        """The message that the bytes hold.

        Raises:
            BadRecord: `undecodable`; the bytes are no message, or not a whole one.
            UnknownSchema: A newer version wrote them.
        """
        for written, start in self._known(data or b""):
            body = io.BytesIO(data or b"")
            body.seek(start)
            try:
                values = fastavro.schemaless_reader(body, written.schema, schema_of(written.name))
                if rest := len(body.read()):
                    raise ValueError(f"{rest} bytes too many")
                return _adapter(written.name).validate_python(values)
            except _UNREADABLE as error:
                raise BadRecord("undecodable", f"the bytes are not a whole {written.name}: {error}") from error
        raise BadRecord("undecodable", f"{len(data or b'')} bytes that are not a message of Ringtrue")

    def decode_as(self, kind: type[T], data: bytes) -> T:
        """The message that the bytes hold, which must be of this kind."""
        message = self.decode(data)
        if not isinstance(message, kind):
            raise BadRecord("unexpected", f"a {kind.__name__} is expected, not a {type(message).__name__}")
        return message

    def _known(self, data: bytes) -> Iterator[tuple[Written, int]]:
        for wire_format in self._formats:
            found = wire_format.read(data)
            if found is not None:
                yield found
