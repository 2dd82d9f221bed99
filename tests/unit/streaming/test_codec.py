"""Messages to bytes and back; and bytes that are no message."""

import struct
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringtrue.errors import BadRecord
from ringtrue.messages import REGISTRY, CallRequested, CallWanted, SegmentAudio
from ringtrue.resources import resource
from ringtrue.streaming.codec import Codec, SingleObject, UnknownSchema, schema_of
from tests.unit.streaming.made import MESSAGES, messages

CODEC, FORMAT = Codec(), SingleObject()
PART = SegmentAudio(
    call_id="recordings/é", run=2**62, index=0, total=3, channel=1, start_ms=0, end_ms=-1, overlap_ms=0, rate_hz=8000,
    flac=bytes(range(256)), event_time_ms=1_700_000_000_000,
)  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_message_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(REGISTRY[name]))
    assert CODEC.decode(CODEC.encode(message)) == message


def test_the_same_message_has_the_same_bytes() -> None:
    """What a restart sends again must be what it had sent."""
    assert Codec(FORMAT).encode(PART) == CODEC.encode(PART)


def test_bytes_begin_with_the_marker_and_the_fingerprint_of_the_schema() -> None:
    # Avro's own test vector (share/test/data/schema-tests.txt): the fingerprint of "int".
    assert FORMAT._mark("int") == b"\xc3\x01" + struct.pack("<Q", 0x7275D51A3F395C8F)
    assert CODEC.encode(PART).startswith(FORMAT._mark(schema_of("SegmentAudio")))


def test_every_message_has_a_fingerprint_of_its_own() -> None:
    assert len({FORMAT.header(name) for name in MESSAGES}) == len(MESSAGES)


def test_a_message_that_is_cut_off_anywhere_is_undecodable() -> None:
    data = CODEC.encode(PART)
    for length in range(len(data)):
        with pytest.raises(BadRecord) as caught:
            CODEC.decode(data[:length])
        assert caught.value.reason == "undecodable"


@pytest.mark.parametrize(
    "data", [None, b"", b"\xc3", b"\xc3\x02" + bytes(20), b'{"call_id": 1}', CODEC.encode(PART)[1:]]
)
def test_what_does_not_begin_as_a_message_is_undecodable(data: bytes | None) -> None:
    with pytest.raises(BadRecord, match="not a message of Ringtrue"):
        CODEC.decode(data)


def test_bytes_behind_a_message_are_not_overlooked() -> None:
    with pytest.raises(BadRecord, match="SegmentAudio: 1 bytes too many"):
        CODEC.decode(CODEC.encode(PART) + b"\x00")


def test_a_schema_that_is_not_known_is_held_not_refused() -> None:
    with pytest.raises(UnknownSchema, match="0102030405060708"):
        CODEC.decode(b"\xc3\x01" + bytes(range(1, 9)) + b"body")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_a_message_or_undecodable_and_nothing_else(data: st.DataObject) -> None:
    damaged = bytearray(
        CODEC.encode(data.draw(st.sampled_from([PART, CallWanted(call_id="", case_id="", event_time_ms=0)])))
    )
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(10, len(damaged) - 1), st.integers(0, 255)), max_size=4)
    ):
        damaged[place] = byte
    try:
        CODEC.decode(bytes(damaged))
    except BadRecord:
        return


def test_a_message_of_another_kind_is_refused_where_one_kind_is_expected() -> None:
    assert CODEC.decode_as(SegmentAudio, CODEC.encode(PART)) == PART
    with pytest.raises(BadRecord, match="a CallRequested is expected, not a SegmentAudio"):
        CODEC.decode_as(CallRequested, CODEC.encode(PART))


# Classes and schemas


def test_there_is_a_class_for_every_schema_and_a_schema_for_every_class() -> None:
    assert {path.stem for path in resource("schemas").glob("*.avsc")} == set(REGISTRY)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_class_mirrors_its_schema(name: str) -> None:
    schema, kind = schema_of(name), REGISTRY[name]
    hints = get_type_hints(kind)
    assert schema["name"] == f"ringtrue.{name}"
    assert [field["name"] for field in schema["fields"]] == [field.name for field in fields(kind)]
    for field, slot in zip(schema["fields"], fields(kind), strict=True):
        where = f"{name}.{slot.name}"
        optional = isinstance(field["type"], list)
        assert _matches(field["type"], hints[slot.name]), f"{where}: {field['type']} is not {hints[slot.name]}"
        assert ("default" in field) == optional, f"{where}: what may be null is null by default, nothing else has one"
        assert (slot.default is None) == optional, where


@pytest.mark.parametrize("name", MESSAGES)
def test_every_field_says_what_it_is(name: str) -> None:
    schema = schema_of(name)
    assert schema["doc"]
    assert [field["name"] for field in schema["fields"] if not field.get("doc")] == []


def _matches(avro: Any, hint: Any) -> bool:
    """Whether a field's Avro type and the hint of the class say the same."""
    plain = {"string": str, "long": int, "double": float, "boolean": bool, "bytes": bytes, "null": type(None)}
    if isinstance(avro, list):
        return avro[0] == "null" and len(avro) == 2 and all(map(_matches, reversed(avro), get_args(hint)))
    if isinstance(avro, str):
        return hint is plain.get(avro, REGISTRY.get(avro.rpartition(".")[2]))
    match avro["type"]:
        case "array":
            return get_origin(hint) is tuple and get_args(hint)[1] is ... and _matches(avro["items"], get_args(hint)[0])
        case "map":
            return get_origin(hint) is dict and get_args(hint)[0] is str and _matches(avro["values"], get_args(hint)[1])
        case "record":
            return hint is REGISTRY[avro["name"].rpartition(".")[2]]
        case simple:
            return _matches(simple, hint)
