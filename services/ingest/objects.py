"""What an object in the bucket is, and the one parser of the event JSON with which a store announces it.

`object_seen` names the kind of an object by its suffix and gives recordings and sidecars their call id; listings use it
directly. `parse_notification` reads the S3 event envelope as MinIO, RustFS, Ceph and AWS send it, and makes the same
records of it. A notification is only a hint: what is registered is what the store says of the object itself.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import unquote_plus

from ringtrue import times
from ringtrue.messages import ObjectSeen

#: Recordings without any header: A-law or mu-law, which of them is a setting (`RINGTRUE_INGEST__RAW_ENCODING`).
RAW_SUFFIXES = (".raw", ".al", ".alaw", ".ul", ".ulaw")
AUDIO_SUFFIXES = (
    *(".ogg", ".wav", ".mp3", ".flac", ".opus", ".m4a", ".mp4", ".aac", ".webm", ".mka", ".amr", ".3gp", ".wma"),
    *(".aif", ".aiff", ".au"),
    *RAW_SUFFIXES,
)
SIDECAR_SUFFIXES = (".json",)
MANIFEST_SUFFIXES = (".csv", ".xlsx")

#: The events that mean new content. `s3:ObjectCreated:*` also fires on tagging, retention and legal hold, which do not.
CREATIONS = frozenset(f"objectcreated:{how}" for how in ("put", "post", "copy", "completemultipartupload"))

Kind = Literal["audio", "sidecar", "manifest", "unknown"]
Origin = Literal["notification", "reconcile", "scan"]


class MalformedNotification(ValueError):
    """A notification that is not an S3 event: what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that announces no new recording, sidecar or manifest."""

    event: str
    bucket: str
    key: str
    reason: str


def parse_notification(data: bytes) -> list[ObjectSeen | Ignored]:
    """The objects that an S3 event announces, in its order.

    Raises:
        MalformedNotification: the bytes are not such an event; nothing of it is used.
    """
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedNotification(f"the notification is not JSON: {error}") from error
    if isinstance(event, dict) and event.get("Event") == "s3:TestEvent":
        return []
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise MalformedNotification("the notification has no list of Records; expected the S3 event form")
    return [_record(record, f"Records[{index}]") for index, record in enumerate(records)]


def object_seen(bucket: str, key: str, etag: str, size: int, modified_ms: int, origin: Origin) -> ObjectSeen:
    """The record of an object: its kind by suffix, and its call id when it is a recording or a sidecar."""
    kind, stem = classify(key)
    return ObjectSeen(
        call_id=f"{bucket}/{stem}" if kind in ("audio", "sidecar") else None,
        bucket=bucket,
        key=key,
        kind=kind,
        etag=etag.strip('"'),
        size=size,
        origin=origin,
        event_time_ms=modified_ms,
    )


def classify(key: str) -> tuple[Kind, str]:
    """The kind of an object and its key without the suffix (case-insensitive); an unknown one keeps its whole key."""
    lower = key.lower()
    kinds: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("audio", AUDIO_SUFFIXES),
        ("sidecar", SIDECAR_SUFFIXES),
        ("manifest", MANIFEST_SUFFIXES),
    )
    for kind, suffixes in kinds:
        for suffix in suffixes:
            if lower.endswith(suffix) and not lower.endswith("/" + suffix):
                return kind, key[: -len(suffix)]
    return "unknown", key


def is_hidden(key: str) -> bool:
    """Whether a key is a directory marker or lies under a dotted name: nobody's recording, and no lister's business."""
    return key.endswith("/") or any(part.startswith(".") for part in key.split("/"))


def _record(record: Any, place: str) -> ObjectSeen | Ignored:
    name = _text(record, place, "eventName")
    bucket = _text(record, place, "s3", "bucket", "name")
    raw_key = _text(record, place, "s3", "object", "key")
    try:
        key = unquote_plus(raw_key, errors="strict")
    except UnicodeDecodeError as error:
        raise MalformedNotification(f"{place}.s3.object.key {raw_key!r} is not URL-encoded UTF-8") from error
    if name.lower().removeprefix("s3:") not in CREATIONS:
        return Ignored(name, bucket, key, "the event announces no new content")
    if is_hidden(key):
        return Ignored(name, bucket, key, "a directory marker or a hidden file")
    described = record["s3"]["object"]
    # The store leaves the size of an empty object out.
    size = described.get("size", 0)
    if not isinstance(size, int) or size < 0:
        raise MalformedNotification(f"{place}.s3.object.size {size!r} is not a number of bytes")
    return object_seen(bucket, key, str(described.get("eTag", "")), size, _event_time_ms(record, place), "notification")


def _text(record: Any, place: str, *path: str) -> str:
    value = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise MalformedNotification(f"{place}.{'.'.join(path)} is missing or not a text")
    return value


def _event_time_ms(record: Any, place: str) -> int:
    written = _text(record, place, "eventTime")
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise MalformedNotification(f"{place}.eventTime {written!r} is not an ISO 8601 time") from error
    return times.utc_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
