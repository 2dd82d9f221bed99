"""Objects in the bucket: their kinds and call ids, and the event JSON that announces them."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringtrue.messages import ObjectSeen
from services.ingest.objects import (
    Ignored,
    MalformedNotification,
    classify,
    is_hidden,
    object_seen,
    parse_notification,
)


def event(
    key: str = "calls%2F0612345678_20261118-093000.wav", name: str = "s3:ObjectCreated:Put", **changed: Any
) -> Any:
    """What MinIO sends for an object (fields that nobody reads left out)."""
    described = {"key": key, "size": 4044, "eTag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "17A3", **changed}
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "eventTime": "2026-11-18T09:32:00.250Z",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {
                "name": "recordings",
                "ownerIdentity": {"principalId": "minio"},
                "arn": "arn:aws:s3:::recordings",
            },
            "object": {field: value for field, value in described.items() if value is not None},
        },
    }
    return {"EventName": name, "Key": "recordings/...", "Records": [record]}


def parse(document: Any) -> list[ObjectSeen | Ignored]:
    return parse_notification(json.dumps(document).encode())


def test_a_new_recording_is_seen_as_the_store_says() -> None:
    assert parse(event()) == [
        ObjectSeen(
            call_id="recordings/calls/0612345678_20261118-093000",
            bucket="recordings",
            key="calls/0612345678_20261118-093000.wav",
            kind="audio",
            etag="b1946ac92492d2347c6235b4d2611184",
            size=4044,
            origin="notification",
            event_time_ms=1_794_994_320_250,
        )
    ]


@pytest.mark.parametrize("how", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
@pytest.mark.parametrize("prefix", ["s3:", ""])
def test_only_new_content_counts_with_or_without_the_prefix(how: str, prefix: str) -> None:
    [seen] = parse(event(name=f"{prefix}ObjectCreated:{how}"))
    assert isinstance(seen, ObjectSeen)


@pytest.mark.parametrize(
    "name",
    [
        "s3:ObjectCreated:PutTagging",
        "s3:ObjectCreated:DeleteTagging",
        "s3:ObjectCreated:PutRetention",
        "s3:ObjectCreated:PutLegalHold",
        "s3:ObjectRemoved:Delete",
        "s3:ObjectAccessed:Get",
    ],
)
def test_other_events_are_ignored_by_name(name: str) -> None:
    [ignored] = parse(event(name=name))
    assert isinstance(ignored, Ignored)
    assert (ignored.event, ignored.key) == (name, "calls/0612345678_20261118-093000.wav")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: not is_hidden(key)))
def test_any_key_comes_back_as_it_was_stored(key: str) -> None:
    [seen] = parse(event(key=quote_plus(key)))
    assert isinstance(seen, ObjectSeen)
    assert seen.key == key


#: What breaks names on their way: signs of URLs, percent signs that look like escapes, accents in both forms, emoji.
_ODD = st.sampled_from(
    [" ", "  ", "+", "%", "%2F", "%20", "%2B", "%zz", "&", "=", "?", "#", ";", ":", "@", "'", '"', "<", ">", "|", "~",
     "\\", "[", "]", "{", "}", "é", "e\u0301", "ç", "ß", "نداء", "\u901a\u8a71", "\U0001f600",
     "\U0001f469\u200d\U0001f467", "\u00a0", "\u200f", "..", "a", "Z", "0"]
)  # fmt: skip
_PART = st.lists(_ODD, min_size=1, max_size=6).map("".join).filter(lambda part: not part.startswith("."))
_NAMES = st.builds(
    lambda parts, suffix: "/".join(parts) + suffix,
    st.lists(_PART, min_size=1, max_size=4),
    st.sampled_from([".wav", ".JSON", ".csv", ".flac", ".opus"]),
)


@settings(max_examples=200, deadline=None)
@given(_NAMES)
def test_an_odd_name_comes_back_from_what_minio_sends_of_it(name: str) -> None:
    """The form of MinIO's message, field by field; its `Key` is raw, its `s3.object.key` is Go's `url.QueryEscape`."""
    message = {
        "EventName": "s3:ObjectCreated:Put",
        "Key": f"recordings/{name}",
        "Records": [
            {
                "eventVersion": "2.0",
                "eventSource": "minio:s3",
                "awsRegion": "",
                "eventTime": "2026-11-18T09:32:00.250Z",
                "eventName": "s3:ObjectCreated:Put",
                "userIdentity": {"principalId": "ringtrue"},
                "requestParameters": {"principalId": "ringtrue", "region": "", "sourceIPAddress": "127.0.0.1"},
                "responseElements": {"x-amz-request-id": "1879D5A5A0B1D9F2"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "Config",
                    "bucket": {
                        "name": "recordings",
                        "ownerIdentity": {"principalId": "ringtrue"},
                        "arn": "arn:aws:s3:::recordings",
                    },
                    "object": {
                        "key": quote_plus(name, safe="~"),
                        "size": 4044,
                        "eTag": "b1946ac92492d2347c6235b4d2611184",
                        "contentType": "audio/x-wav",
                        "userMetadata": {"content-type": "audio/x-wav"},
                        "sequencer": "1879D5A5A0DF0A2C",
                    },
                },
                "source": {"host": "127.0.0.1", "port": "", "userAgent": "MinIO (Linux; x86_64) minio-py/7.2.20"},
            }
        ],
    }
    [seen] = parse(message)
    assert isinstance(seen, ObjectSeen)
    assert f"{seen.bucket}/{seen.key}" == message["Key"]
    assert (seen.kind == "manifest") == (seen.call_id is None)
    assert seen.call_id is None or seen.call_id == f"recordings/{name.rpartition('.')[0]}"


def test_spaces_pluses_and_accents_are_decoded() -> None:
    [seen] = parse(event(key="appels%2Fappel+du+19h+%C3%A0+F%C3%A8s+%2B+suite.ogg"))
    assert isinstance(seen, ObjectSeen)
    assert seen.key == "appels/appel du 19h à Fès + suite.ogg"


def test_an_empty_object_comes_without_a_size() -> None:
    [seen] = parse(event(size=None, eTag=None))
    assert isinstance(seen, ObjectSeen)
    assert (seen.size, seen.etag) == (0, "")


@pytest.mark.parametrize("key", ["calls%2F", ".well-known%2Fa.wav", "calls%2F._a.wav"])
def test_directory_markers_and_hidden_files_are_ignored(key: str) -> None:
    assert isinstance(parse(event(key=key))[0], Ignored)


def test_a_stores_test_event_announces_nothing() -> None:
    assert parse({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "recordings"}) == []


def broken(*path: str | int, value: Any = None) -> Any:
    """An event in which the field at `path` is missing, or has another value."""
    document = event()
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "no list of Records"),
        ({"Records": {}}, "no list of Records"),
        ({"Records": ["x"]}, r"Records\[0\].eventName"),
        (broken("Records", 0, "eventName"), r"Records\[0\].eventName"),
        (broken("Records", 0, "s3", value="x"), r"Records\[0\].s3.bucket.name"),
        (broken("Records", 0, "s3", "object", "key"), r"Records\[0\].s3.object.key"),
        (broken("Records", 0, "s3", "object", "key", value="%FF"), "not URL-encoded UTF-8"),
        (broken("Records", 0, "s3", "object", "size", value="4 KB"), r"size '4 KB'"),
        (broken("Records", 0, "eventTime", value="hier"), "eventTime 'hier'"),
    ],
)
def test_a_malformed_event_names_the_field(document: Any, said: str) -> None:
    with pytest.raises(MalformedNotification, match=said):
        parse(document)


@pytest.mark.parametrize("data", [b"", b"\xff", b"{", b"[" * 100_000])
def test_what_is_not_json_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedNotification, match="not JSON"):
        parse_notification(data)


@pytest.mark.parametrize(
    ("key", "kind", "call_id"),
    [
        ("a/b.ogg", "audio", "box/a/b"),
        ("a/b.WAV", "audio", "box/a/b"),
        ("a/b.c.mp3", "audio", "box/a/b.c"),
        ("b.flac", "audio", "box/b"),
        ("b.opus", "audio", "box/b"),
        ("a/b.json", "sidecar", "box/a/b"),
        ("a/b.Json", "sidecar", "box/a/b"),
        ("m/CRC_ADSL.csv", "manifest", None),
        ("m/CRC_ADSL.XLSX", "manifest", None),
        ("a/b.docx", "unknown", None),
        ("a/wav", "unknown", None),
        ("a/.wav", "unknown", None),
    ],
)
def test_the_suffix_says_what_an_object_is(key: str, kind: str, call_id: str | None) -> None:
    seen = object_seen("box", key, '"e1"', 3, 1000, "scan")
    assert (seen.kind, seen.call_id) == (kind, call_id)
    assert (seen.bucket, seen.key, seen.etag, seen.size, seen.event_time_ms, seen.origin) == (
        "box",
        key,
        "e1",
        3,
        1000,
        "scan",
    )


def test_audio_and_sidecar_share_their_stem() -> None:
    assert classify("2026/appel é.ogg")[1] == classify("2026/appel é.JSON")[1] == "2026/appel é"
