"""Which rows a message becomes: pure, one function per message, put together in `rows_of`.

Each write is guarded by the version that the message carries, so that duplicates and stragglers change nothing.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from ringtrue.database import Update, Upsert, Write
from ringtrue.database import tables as t
from ringtrue.errors import BadRecord
from ringtrue.messages import (
    REGISTRY,
    CallClassified,
    CallRegistered,
    CallTranscribed,
    CoverageMark,
    DeadLetter,
    ManifestRead,
    Order,
    OrderCurrent,
    OrderRow,
    OrderVerdict,
)
from ringtrue.streaming.port import Record


def rows_of(message: object, record: Record) -> tuple[Write, ...]:
    """The writes that a message asks for, in this order.

    Raises:
        BadRecord: `unexpected`; the archive keeps nothing of this kind.
    """
    if isinstance(message, DeadLetter):
        return (_dead_letter(message, record),)
    make = _MAKERS.get(type(message))
    if make is None:
        raise BadRecord("unexpected", f"the archive does not expect a {type(message).__name__} on {record.topic}")
    return make(message)


def _registered(call: CallRegistered) -> tuple[Write, ...]:
    values = _fields(call, event_time_ms="registered_at_ms")
    return (Upsert(t.calls, values, ("run", "revision")),)


def _transcribed(call: CallTranscribed) -> tuple[Write, ...]:
    values = _fields(call, event_time_ms="transcribed_at_ms")
    del values["heard"]  # it comes again with the classification, which is the call's final result
    return (Upsert(t.transcripts, values, ("run",)),)


def _classified(call: CallClassified) -> tuple[Write, ...]:
    heard = call.heard
    values = _fields(call, event_time_ms="classified_at_ms")
    del values["transcript"]  # it stands in the table of transcripts, with its words
    values |= {
        "duration_ms": heard and heard.duration_ms,
        "ring_count": heard and heard.ring_count,
        "ring_confidence": heard and heard.ring_confidence,
        "voicemail_tone": heard and heard.voicemail_tone,
        "acquisition_outcome": call.acquisition.outcome,
        "sav_outcome": call.sav.outcome,
        # It has a column of its own: what was heard is kept as JSON, which has no bytes.
        "fingerprint": heard and values["heard"].pop("fingerprint"),
    }
    return (Upsert(t.classifications, values, ("run",)),)


def _manifest(manifest: ManifestRead) -> tuple[Write, ...]:
    return (Upsert(t.manifests, _fields(manifest, event_time_ms="read_at_ms"), ("revision",)),)


def _row(row: OrderRow) -> tuple[Write, ...]:
    values = {column.name: getattr(row, column.name) for column in t.manifest_rows.columns}
    return (Upsert(t.manifest_rows, values, ("revision",)),)


def _current(current: OrderCurrent) -> tuple[Write, ...]:
    if current.status == "moved":
        return ()  # said to the former client's judge; the new client's message says how the order stands
    values = _declared(current.order) | {
        "manifest": current.manifest,
        "row": current.row,
        "revision": current.revision,
        "evaluation": current.evaluation,
        "status": current.status,
        "changed_at_ms": current.event_time_ms,
    }
    return (Upsert(t.orders, values, ("revision", "evaluation")),)


def _verdict(verdict: OrderVerdict) -> tuple[Write, ...]:
    history = _fields(verdict, event_time_ms="judged_at_ms", order="declared")
    # The verdict may come before the order that it judges. It says the same of it, so the order's row can begin here.
    order = _declared(verdict.order) | {
        "manifest": verdict.manifest,
        "row": verdict.row,
        "revision": verdict.revision,
        "evaluation": -1,  # less than that of any message of the order itself, which replaces it
        "status": "withdrawn" if verdict.verdict == "withdrawn" else "current",
        "changed_at_ms": verdict.event_time_ms,
    }
    newest = {
        "verdict": verdict.verdict,
        "verdict_revision": verdict.revision,
        "verdict_evaluation": verdict.evaluation,
    }
    return (
        Upsert(t.verdicts, history),
        Upsert(t.orders, order, ("revision",)),
        Update(t.orders, {"case_id": verdict.case_id}, newest, ("verdict_revision", "verdict_evaluation")),
    )


def _dead_letter(letter: DeadLetter, record: Record) -> Write:
    values = _fields(letter, event_time_ms="refused_at_ms") | {
        "source_topic": letter.topic,
        "source_partition": letter.partition,
        "source_offset": letter.offset,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
    }
    return Upsert(t.dead_letters, values)


def _coverage(_: CoverageMark) -> tuple[Write, ...]:
    return ()


def _declared(order: Order) -> dict[str, Any]:
    return _fields(order, number="order_number")


def _fields(message: Any, **renamed: str) -> dict[str, Any]:
    plain = _adapter(type(message).__name__).dump_python(message)
    return {renamed.get(name, name): value for name, value in plain.items()}


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(REGISTRY[name])  # makes plain values of nested messages ten times faster than `asdict`


_MAKERS: dict[type[Any], Callable[[Any], tuple[Write, ...]]] = {
    CallRegistered: _registered,
    CallTranscribed: _transcribed,
    CallClassified: _classified,
    CoverageMark: _coverage,
    ManifestRead: _manifest,
    OrderRow: _row,
    OrderCurrent: _current,
    OrderVerdict: _verdict,
}
