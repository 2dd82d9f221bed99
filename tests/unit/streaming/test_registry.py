"""The Confluent wire format, against the client's own `mock://` registry and a stub of the REST interface.

No real registry could be run where this was written: what is shown is what the client does with the answers that the
registry's documentation gives.
"""

import io
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form
from hypothesis import given, settings
from hypothesis import strategies as st

from ringtrue.errors import BadRecord, Misconfigured
from ringtrue.messages import REGISTRY, CallWanted
from ringtrue.settings import SchemaRegistrySettings, Settings
from ringtrue.streaming.codec import Codec, UnknownSchema, schema_of, single_object
from ringtrue.streaming.registry import Confluent, RegistryAway, make_codec, whole_schema
from tests.unit.streaming.made import MESSAGES, messages

HIDDEN = "synthetic-secret"
WANTED = CallWanted(call_id="recordings/é", case_id="case", event_time_ms=1)


def a_client() -> SchemaRegistryClient:
    return SchemaRegistryClient.new_client({"url": "mock://registry"})


def a_codec(client: SchemaRegistryClient) -> Codec:
    return Codec(Confluent(client, "the registry"), reads=(single_object(),))


def with_registry(url: str, **more: Any) -> Settings:
    return Settings(schema_registry=SchemaRegistrySettings.model_validate({"url": url, **more}))


CODEC = a_codec(a_client())


# Writing and reading


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_every_message_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(REGISTRY[name]))
    assert CODEC.decode(CODEC.encode(message)) == message


def test_bytes_begin_with_a_zero_and_the_id_that_the_registry_gave_to_the_record_of_this_name() -> None:
    client = a_client()
    encoded = a_codec(client).encode(WANTED)
    registered = client.get_latest_version("ringtrue.CallWanted")
    assert registered.schema_id is not None
    assert encoded[:5] == b"\0" + registered.schema_id.to_bytes(4, "big")
    assert set(client.get_subjects()) == {f"ringtrue.{name}" for name in MESSAGES}


def test_another_process_finds_the_same_ids() -> None:
    client = a_client()
    assert a_codec(client).encode(WANTED) == a_codec(client).encode(WANTED)
    assert len(client.get_versions("ringtrue.CallWanted")) == 1


def test_what_stands_in_the_log_from_before_the_registry_is_read_too() -> None:
    assert CODEC.decode(Codec().encode(WANTED)) == WANTED


@pytest.mark.parametrize("name", MESSAGES)
def test_a_schema_is_registered_whole(name: str) -> None:
    alone = parse_schema(json.loads(whole_schema(name)))
    marks = [fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO") for schema in (alone, schema_of(name))]
    assert marks[0] == marks[1]


def test_what_a_newer_version_writes_is_read_by_the_schema_that_it_registered() -> None:
    client = a_client()
    newer = json.loads(whole_schema("CallWanted"))
    newer["fields"].append({"name": "because", "type": "string", "default": ""})
    number = client.register_schema("ringtrue.CallWanted", Schema(json.dumps(newer)))
    body = io.BytesIO()
    values = {"call_id": "a", "case_id": "b", "event_time_ms": 3, "because": "new"}
    fastavro.schemaless_writer(body, parse_schema(newer), values)
    decoded = a_codec(client).decode(b"\0" + number.to_bytes(4, "big") + body.getvalue())
    assert decoded == CallWanted(call_id="a", case_id="b", event_time_ms=3)


def registered(client: SchemaRegistryClient, schema: Any) -> bytes:
    """The header of a message whose schema somebody else has registered."""
    return b"\0" + client.register_schema("somebody's", Schema(json.dumps(schema))).to_bytes(4, "big")


def test_a_message_that_this_version_does_not_know_is_held() -> None:
    client = a_client()
    header = registered(client, {"type": "record", "name": "CallSung", "namespace": "ringtrue", "fields": []})
    with pytest.raises(UnknownSchema, match=r"ringtrue\.CallSung is not known"):
        a_codec(client).decode(header)


def test_an_id_that_the_registry_does_not_know_is_held() -> None:
    with pytest.raises(UnknownSchema, match="has no schema 4711"):
        CODEC.decode(b"\0" + (4711).to_bytes(4, "big") + b"body")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record", "name": "Invoice", "namespace": "billing", "fields": []},
        {"type": "record", "name": "CallWanted", "namespace": "ringtrue", "fields": []},
        "string",
        {"type": "record", "name": "Broken", "fields": [{"name": "a", "type": "Nothing"}]},
    ],
    ids=["another program's", "ours but incompatible", "no record", "no schema"],
)
def test_what_is_no_message_of_ours_is_undecodable(schema: Any) -> None:
    client = a_client()
    with pytest.raises(BadRecord) as caught:
        a_codec(client).decode(registered(client, schema) + b"\x02a")
    assert caught.value.reason == "undecodable"


def test_a_message_that_is_cut_off_anywhere_is_undecodable() -> None:
    data = CODEC.encode(WANTED)
    for length in range(len(data)):
        with pytest.raises(BadRecord) as caught:
            CODEC.decode(data[:length])
        assert caught.value.reason == "undecodable"


# Compatibility


class OlderRegistry:
    """A registry in which CallWanted stands as an older version had it; the client's mock cannot compare schemas."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, compatible: bool) -> None:
        self.client = a_client()
        older = json.loads(whole_schema("CallWanted"))
        older["fields"].pop()
        self.client.register_schema("ringtrue.CallWanted", Schema(json.dumps(older)))
        self.asked = list[str]()

        def answer(subject: str, schema: Schema) -> bool:
            self.asked.append(subject)
            return compatible

        monkeypatch.setattr(self.client, "test_compatibility", answer)


def test_an_incompatible_schema_is_named_at_the_start_and_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = OlderRegistry(monkeypatch, compatible=False)
    with pytest.raises(Misconfigured, match=r"ringtrue\.CallWanted incompatible"):
        a_codec(registry.client).prepare()
    assert registry.client.get_versions("ringtrue.CallWanted") == [1]


def test_a_compatible_schema_becomes_the_next_version_of_its_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = OlderRegistry(monkeypatch, compatible=True)
    a_codec(registry.client).prepare()
    assert registry.asked == ["ringtrue.CallWanted"]
    assert sorted(registry.client.get_versions("ringtrue.CallWanted")) == [1, 2]


# Without a registry


def test_without_a_url_single_objects_are_written_and_the_other_form_is_held_with_the_setting_named() -> None:
    codec = make_codec(Settings())
    assert codec.encode(WANTED) == Codec().encode(WANTED)
    assert codec.decode(codec.encode(WANTED)) == WANTED
    with pytest.raises(UnknownSchema, match=r"schema 7 .*RINGTRUE_SCHEMA_REGISTRY__URL"):
        codec.decode(b"\0\0\0\0\x07body")


@pytest.mark.parametrize(
    "data", [b"\0", b"\0" * 40, b"\0\0\0\0\x07", b"\0\xff\xff\xff\xff body", b"\0\x7f\0\0\0 body", b"\0abcd body"]
)
def test_garbage_that_begins_with_a_zero_holds_nobody_up(data: bytes) -> None:
    with pytest.raises(BadRecord, match="not a message of Ringtrue"):
        make_codec(Settings()).decode(data)


# The settings


def test_the_mock_registry_can_be_named_in_the_settings() -> None:
    codec = make_codec(with_registry("mock://here"))
    codec.prepare()
    assert codec.decode(codec.encode(WANTED)) == WANTED
    assert codec.encode(WANTED).startswith(b"\0")


def test_a_missing_client_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    with pytest.raises(Misconfigured, match=r"ringtrue\[registry\]"):
        make_codec(with_registry("http://localhost:8081"))
    assert make_codec(Settings()).decode(Codec().encode(WANTED)) == WANTED


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="RINGTRUE_SCHEMA_REGISTRY__URL=localhost:8081"):
        make_codec(with_registry("localhost:8081"))
    with pytest.raises(Misconfigured, match=r"RINGTRUE_SCHEMA_REGISTRY__SSL_CA_FILE=.*missing\.pem"):
        make_codec(with_registry("https://localhost", ssl_ca_file=tmp_path / "missing.pem"))
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(Misconfigured, match=r"RINGTRUE_SCHEMA_REGISTRY__SSL_CA_FILE=.*no\.pem"):
        make_codec(with_registry("https://localhost", ssl_ca_file=tmp_path / "no.pem"))


# The REST interface


@dataclass
class StubRegistry:
    """What a registry answers; `fault` is the answer to everything."""

    fault: tuple[int, bytes] | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    subjects: dict[str, str] = field(default_factory=dict)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        self.requests.append((method, path))
        if self.fault is not None:
            return self.fault
        parts = path.partition("?")[0].strip("/").split("/")
        if method == "POST" and parts[0] == "subjects" and parts[2:] == ["versions"]:
            self.subjects[parts[1]] = json.loads(body)["schema"]
            return 200, json.dumps({"id": 100_000 + list(self.subjects).index(parts[1])}).encode()
        return 404, json.dumps({"error_code": 40401, "message": "Subject not found."}).encode()


class _Handler(BaseHTTPRequestHandler):
    stub: ClassVar[StubRegistry]

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        status, answer = self.stub.answer(self.command, self.path, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        """Says nothing."""


@pytest.fixture
def stub() -> Iterator[StubRegistry]:
    stub = StubRegistry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": stub}))
    stub.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield stub
    server.shutdown()
    server.server_close()


def test_an_empty_registry_is_given_every_schema_once(stub: StubRegistry) -> None:
    codec = make_codec(with_registry(stub.url))
    codec.prepare()
    assert set(stub.subjects) == {f"ringtrue.{name}" for name in MESSAGES}
    asked = len(stub.requests)
    codec.prepare()
    assert codec.encode(WANTED).startswith(b"\0" + (100_000 + MESSAGES.index("CallWanted")).to_bytes(4, "big"))
    assert len(stub.requests) == asked


def problem(code: int) -> bytes:
    return json.dumps({"error_code": code, "message": "as the test asked"}).encode()


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ((500, problem(50001)), RegistryAway, "answered 500"),
        ((503, b"<html>busy</html>"), RegistryAway, "answered 503"),
        ((429, problem(42900)), RegistryAway, "answered 429"),
        ((401, problem(401)), Misconfigured, "RINGTRUE_SCHEMA_REGISTRY__PASSWORD"),
        ((403, problem(40301)), Misconfigured, "RINGTRUE_SCHEMA_REGISTRY__USERNAME"),
        ((409, problem(409)), Misconfigured, r"ringtrue\.Answer incompatible"),
        ((422, problem(42201)), Misconfigured, "answered 422 for ringtrue.Answer"),
        ((404, b"<html>no such page</html>"), Misconfigured, "RINGTRUE_SCHEMA_REGISTRY__URL"),
        ((200, b"<html>welcome</html>"), Misconfigured, "does not answer like a schema registry"),
        ((200, b"[1]"), Misconfigured, "does not answer like a schema registry"),
    ],
)
def test_what_a_registry_answers_is_sorted(
    stub: StubRegistry, fault: tuple[int, bytes], kind: type[Exception], said: str
) -> None:
    stub.fault = fault
    codec = make_codec(with_registry(stub.url, username="ringtrue", password=HIDDEN))
    with pytest.raises(kind, match=said) as caught:
        codec.prepare()
    assert HIDDEN not in str(caught.value)
    with pytest.raises(kind):
        codec.encode(WANTED)


def test_a_registry_that_comes_back_is_asked_again(stub: StubRegistry) -> None:
    stub.fault = (503, problem(50003))
    codec = make_codec(with_registry(stub.url))
    with pytest.raises(RegistryAway):
        codec.encode(WANTED)
    with pytest.raises(RegistryAway):
        codec.decode(b"\0\0\0\0\x07body")
    stub.fault = None
    assert codec.decode(Codec().encode(WANTED)) == WANTED
    assert codec.encode(WANTED).startswith(b"\0")


def test_nobody_listening_is_away_and_credentials_in_the_url_stay_secret() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        codec = make_codec(with_registry(f"http://ringtrue:{HIDDEN}@127.0.0.1:{unused.getsockname()[1]}"))
        with pytest.raises(RegistryAway, match="cannot be reached") as caught:
            codec.prepare()
    assert HIDDEN not in str(caught.value)
