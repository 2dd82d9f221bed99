"""Facts of calls as `ringtrue judge` reads them, one line per call, from the database."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ringtrue import times
from ringtrue.database.tables import calls, classifications, transcripts
from ringtrue.messages.audio import BUSY_TONES
from ringtrue.messages.calls import models_named
from ringtrue.results.calls import JOINED, wanted_calls

#: Rows held at once.
_ROWS = 1000

_COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    calls.c.call_id,
    calls.c.external_id,
    calls.c.client_number,
    calls.c.agent_number,
    calls.c.started_at_ms,
    calls.c.ended_at_ms,
    calls.c.branch,
    calls.c.status.label("registered_status"),
    classifications.c.status,
    classifications.c.acquisition_outcome,
    classifications.c.sav_outcome,
    classifications.c.behaviour,
    classifications.c.ring_count,
    classifications.c.ring_confidence,
    classifications.c.voicemail_tone,
    calls.c.arrived_at_ms,
    classifications.c.duration_ms,
    classifications.c.heard,
    classifications.c.fingerprint,
    classifications.c.engine,
    classifications.c.engine_version,
    classifications.c.model,
    classifications.c.prompt,
    classifications.c.model_revision,
    # Of the very run that was classified.
    sa.case(
        (
            sa.and_(transcripts.c.run == classifications.c.run, transcripts.c.status != "failed"),
            transcripts.c.text,
        )
    ).label("text"),
)
_FACTS = sa.select(*_COLUMNS).select_from(JOINED.outerjoin(transcripts, transcripts.c.call_id == calls.c.call_id))


def find_facts(
    connection: sa.Connection,
    zone: ZoneInfo,
    *,
    states: Sequence[str] = (),
    search: str = "",
    unassigned: bool = False,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """The facts of calls by client, start and id, chosen as in `find_calls`, one after the other as they are asked for.

    A call without a final result has no status. Times are ISO 8601 with the operator's offset.
    """
    query = _FACTS.where(*wanted_calls(states, search, unassigned=unassigned))
    query = query.order_by(calls.c.client_number.nulls_last(), calls.c.started_at_ms.nulls_last(), calls.c.call_id)
    rows = connection.execution_options(yield_per=_ROWS).execute(query.limit(limit))
    return (_facts(row, zone) for row in rows)


def _facts(row: sa.Row[Any], zone: ZoneInfo) -> dict[str, Any]:
    failed = row.status is None and row.registered_status == "failed"
    heard = row.heard
    models = models_named(row.engine, row.engine_version, row.model, row.prompt, row.model_revision)
    outcomes = {"ACQUISITION": row.acquisition_outcome, "SAV": row.sav_outcome}
    return {
        "call_id": row.call_id,
        "external_id": row.external_id,
        "client_number": row.client_number,
        "technician": row.agent_number,
        "started_at": _local(row.started_at_ms, zone),
        "ended_at": _local(row.ended_at_ms, zone),
        "branch": row.branch,
        "status": "failed" if failed else "ok" if row.status == "complete" else row.status,
        "outcomes": None if row.status is None else outcomes,
        "behaviour": row.behaviour,
        "ring_count": row.ring_count,
        "ring_confidence": row.ring_confidence,
        "voicemail_tone": row.voicemail_tone,
        "transcript": row.text,
        "arrived_at": _local(row.arrived_at_ms, zone),
        "duration_ms": row.duration_ms,
        "rings": None if heard is None else [[ring["start_ms"], ring["end_ms"]] for ring in heard["rings"]],
        "busy_tone": None if heard is None else any(tone["kind"] in BUSY_TONES for tone in heard["tones"]),
        "fingerprint": None if row.fingerprint is None else b64encode(row.fingerprint).decode(),
        "models": None if row.engine is None else models,
    }


def _local(utc_ms: int | None, zone: ZoneInfo) -> str | None:
    return None if utc_ms is None else times.local_iso(utc_ms, zone)
