"""A schema of tomorrow: `SegmentAudio` with one more field."""

import copy
import io

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from ringtrue.streaming.codec import Codec, Schema, Written, schema_of, single_object

_NAME = "SegmentAudio"


def _schema() -> Schema:
    schema = copy.deepcopy(schema_of(_NAME))
    schema["fields"].append({"name": "novelty", "type": "string", "default": ""})
    return schema


def _head() -> bytes:
    return b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(_schema()), "CRC-64-AVRO"))


def newer_audio(value: bytes | None) -> bytes:
    """A present message as the newer version would have written it."""
    message = Codec().decode(value)
    body = io.BytesIO()
    fields = {field["name"]: getattr(message, field["name"], "new") for field in _schema()["fields"]}
    fastavro.schemaless_writer(body, _schema(), fields)
    return _head() + body.getvalue()


def learn() -> None:
    """Makes this process the version that has the schema among its released ones."""
    single_object()._written[_head()] = Written(_NAME, _schema())
