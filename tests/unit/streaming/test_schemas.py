"""Every schema against its last released version, both ways; and that their README tells the truth."""

import copy
import io
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many

from ringtrue.messages import REGISTRY
from ringtrue.resources import resource
from ringtrue.streaming.codec import Codec, SingleObject, schema_of
from ringtrue.streaming.topics import SERVICES, TOPICS
from tests.unit.streaming.evolution import breaks
from tests.unit.streaming.made import MESSAGES

SCHEMAS = resource("schemas")
RELEASES = sorted((SCHEMAS / "released").iterdir(), key=lambda folder: [int(part) for part in folder.name.split(".")])
LAST = RELEASES[-1]
CODEC, FORMAT = Codec(), SingleObject()
RELEASED = [(folder, path.stem) for folder in RELEASES for path in sorted(folder.glob("*.avsc"))]
EXAMPLE: dict[str, Any] = {
    "type": "record",
    "name": "Example",
    "namespace": "ringtrue",
    "fields": [
        {"name": "name", "type": "string"},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}


def _file(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _written(schema: Any, value: object) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, value)
    return body.getvalue()


def _read(data: bytes, writer: Any, reader: Any) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(data), writer, reader)


def _some(schema: Any) -> Iterator[Any]:
    return generate_many(schema, 3)


def _shared(one: Any, other: Any) -> Any:
    """What of a value the other has too: the fields that both versions know, in records within it as well."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: _shared(one[name], other[name]) for name in one if name in other}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [_shared(*pair) for pair in zip(one, other, strict=True)]
    return one


def _names(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.avsc")}


def test_every_released_message_is_still_there() -> None:
    assert _names(LAST) <= _names(SCHEMAS)


@pytest.mark.parametrize("name", sorted(_names(LAST)))
def test_a_schema_only_grows_by_fields_with_defaults(name: str) -> None:
    assert breaks(_file(LAST / f"{name}.avsc"), _file(SCHEMAS / f"{name}.avsc")) == []


@pytest.mark.parametrize("name", sorted(_names(LAST)))
def test_each_version_reads_what_the_other_writes(name: str) -> None:
    random.seed(name)
    released, present = schema_of(name, LAST), schema_of(name)
    for writer, reader in ((released, present), (present, released)):
        for value in _some(writer):
            read = _read(_written(writer, value), writer, reader)
            assert _shared(read, value) == _shared(value, read)


@pytest.mark.parametrize(("folder", "name"), RELEASED, ids=lambda part: part if isinstance(part, str) else part.name)
def test_the_codec_reads_every_released_message(folder: Path, name: str) -> None:
    random.seed(name)
    schema = schema_of(name, folder)
    for value in _some(schema):
        assert isinstance(CODEC.decode(FORMAT._mark(schema) + _written(schema, value)), REGISTRY[name])


BREAKING: dict[str, Callable[[Any], object]] = {
    "name was removed": lambda schema: schema["fields"].pop(0),
    "more was added without a default": lambda schema: schema["fields"].append({"name": "more", "type": "string"}),
    "name was string and is long": lambda schema: schema["fields"][0].update(type="long"),
    "note has lost its default": lambda schema: schema["fields"][1].pop("default"),
    "Example was renamed": lambda schema: schema.update(name="Other"),
}


@pytest.mark.parametrize("problem", BREAKING)
def test_a_change_that_breaks_is_found(problem: str) -> None:
    changed = copy.deepcopy(EXAMPLE)
    BREAKING[problem](changed)
    assert breaks(EXAMPLE, changed) == [problem]


def test_a_field_with_a_default_may_be_added() -> None:
    changed = copy.deepcopy(EXAMPLE)
    changed["fields"].append({"name": "more", "type": ["null", "long"], "default": None})
    assert breaks(EXAMPLE, changed) == []


# README


def _rows(heading: str) -> dict[str, list[str]]:
    """The rows of the README's table under a heading: what stands in code quotes, by the first of it."""
    text = (SCHEMAS / "README.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    quoted = [re.findall(r"`([^`]+)`", line) for line in text.splitlines() if line.startswith("| `")]
    return {row[0]: row[1:] for row in quoted}


def test_the_readme_says_what_travels_on_every_topic() -> None:
    listed = {name for row in _rows("Topics") for name in _topics(row)} | _rows("State").keys()
    assert listed == {topic.name for topic in TOPICS}


def _topics(row: str) -> list[str]:
    return [f"{service}.dead-letters" for service in SERVICES] if row == "SERVICE.dead-letters" else [row]


def test_the_readme_names_every_message_and_no_other() -> None:
    named = [name for table in ("Topics", "State") for row in _rows(table).values() for name in row]
    assert {*named, *_rows("Values within messages")} == set(MESSAGES)
