"""Calls as they stand: what was registered, heard, said and concluded, read from the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from ringtrue.database.tables import calls, classifications, orders, transcripts
from ringtrue.messages import Failure, Heard, Word

_HEARD = TypeAdapter(Heard)
_WORDS = TypeAdapter(tuple[Word, ...])
_FAILURE = TypeAdapter(Failure)
#: Ids asked for at once; databases bound how many values a statement may have.
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """A call and its newest final result.

    Attributes:
        call_id: The call: bucket/stem.
        state: finished, failed, in_flight, not_wanted; unknown: an order wants it and nobody has seen its recording.
        status: complete, partial or failed, of the newest final result; registered when there is none.
        key: The recording's object key, bucket first.
        run: The newest run.
        result_run: The run that the result is of; less than `run` while a newer one is in flight.
        acquisition: Outcome code for ACQUISITION orders; None without a result.
        sav: Outcome code for SAV orders; None without a result.
        behaviour: 1 good or neutral, 0 bad, 2 not classified; None without a result.
        model: Name of the model that transcribed it; empty where none did.
        language: ISO 639-1 code, where the engine knows it.
        margin: By how much, in logits, the text was not another one; None where the engine has no such thing.
        warnings: What was odd in its metadata and its audio.
    """

    call_id: str
    state: str
    status: str
    key: str
    run: int
    result_run: int | None
    failure: Failure | None
    client_number: str | None
    agent_number: str | None
    external_id: str | None
    branch: str | None
    started_at_ms: int | None
    heard: Heard | None
    acquisition: int | None
    sav: int | None
    behaviour: int | None
    text: str
    parts_total: int | None
    parts_failed: int | None
    model: str
    model_revision: str
    language: str | None
    margin: float | None
    warnings: tuple[str, ...]


#: Where a call stands. A result counts only when it is of the newest run.
STATE = sa.case(
    (calls.c.status == "failed", "unknown"),
    (sa.and_(classifications.c.run >= calls.c.run, classifications.c.status == "failed"), "failed"),
    (classifications.c.run >= calls.c.run, "finished"),
    (calls.c.requested, "in_flight"),
    else_="not_wanted",
).label("state")
STATES = ("finished", "failed", "in_flight", "not_wanted", "unknown")

_RESULT = (
    classifications.c.run.label("result_run"),
    classifications.c.status.label("result_status"),
    classifications.c.failure.label("result_failure"),
    classifications.c.heard,
    classifications.c.acquisition_outcome,
    classifications.c.sav_outcome,
    classifications.c.behaviour,
)
_SAID = (
    transcripts.c.text,
    transcripts.c.parts_total,
    transcripts.c.parts_failed,
    transcripts.c.model,
    transcripts.c.model_revision,
    transcripts.c.language,
    transcripts.c.margin,
)
JOINED = calls.outerjoin(classifications, classifications.c.call_id == calls.c.call_id)
_CALLS = sa.select(calls, STATE, *_RESULT, *_SAID).select_from(
    JOINED.outerjoin(transcripts, transcripts.c.call_id == calls.c.call_id)
)


def find_calls(
    connection: sa.Connection,
    *,
    states: Sequence[str] = (),
    search: str = "",
    unassigned: bool = False,
    with_failure: bool = False,
    limit: int | None = None,
) -> list[Call]:
    """Calls by start, the latest first, then by id.

    Args:
        connection: To the database.
        states: Only those that stand so (see `Call.state`).
        search: Only those whose call id, external id, client or technician number contains this.
        unassigned: Only those without a client number.
        with_failure: Only those that failed, wholly or in part.
        limit: At most so many.
    """
    query = _CALLS.where(*wanted_calls(states, search, unassigned=unassigned))
    if with_failure:
        query = query.where(sa.or_(calls.c.failure.is_not(None), classifications.c.failure.is_not(None)))
    query = query.order_by(calls.c.started_at_ms.desc().nulls_last(), calls.c.call_id).limit(limit)
    return [_call(row) for row in connection.execute(query)]


def count_calls(
    connection: sa.Connection, *, states: Sequence[str] = (), search: str = "", unassigned: bool = False
) -> int:
    """How many calls `find_calls` would find without a limit."""
    wanted = wanted_calls(states, search, unassigned=unassigned)
    return int(connection.scalar(sa.select(sa.func.count()).select_from(JOINED).where(*wanted)) or 0)


def calls_by_id(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Call]:
    """Those of these calls that are registered, in the order of `ids`."""
    found = dict[str, Call]()
    for chunk in (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)):
        found |= {row.call_id: _call(row) for row in connection.execute(_CALLS.where(calls.c.call_id.in_(chunk)))}
    return {call_id: found[call_id] for call_id in ids if call_id in found}


def calls_in_windows(connection: sa.Connection, case_ids: Sequence[str]) -> dict[str, list[str]]:
    """By case id: the calls of its client number that started in its window, by start.

    This is what registration alone shows. Calls of one client with the same `external_id` count once: the earliest.
    """
    same = calls.alias("same")
    earlier = sa.exists().where(
        same.c.client_number == calls.c.client_number,
        same.c.external_id == calls.c.external_id,
        sa.tuple_(same.c.started_at_ms, same.c.call_id) < sa.tuple_(calls.c.started_at_ms, calls.c.call_id),
    )
    in_window = sa.and_(
        calls.c.client_number == orders.c.client_number,
        calls.c.started_at_ms.between(orders.c.window_start_ms, orders.c.suspended_at_ms),
        ~earlier,
    )
    query = (
        sa.select(orders.c.case_id, calls.c.call_id, calls.c.started_at_ms)
        .select_from(orders)
        .join(calls, in_window)
        .where(orders.c.case_id.in_(case_ids))
    )
    found = dict[str, list[str]]()
    for row in sorted(connection.execute(query), key=lambda row: (row.started_at_ms, row.call_id)):
        found.setdefault(row.case_id, []).append(row.call_id)
    return found


def words_of(connection: sa.Connection, call_id: str) -> tuple[Word, ...]:
    """The words of a call's transcript with their times; none without a transcript."""
    words = connection.scalar(sa.select(transcripts.c.words).where(transcripts.c.call_id == call_id))
    return _WORDS.validate_python(words or ())


def wanted_calls(states: Sequence[str], search: str, *, unassigned: bool) -> Iterable[sa.ColumnElement[bool]]:
    """The conditions that `find_calls` puts on calls and classifications."""
    if states:
        yield STATE.in_(states)
    if search:
        names = (calls.c.call_id, calls.c.external_id, calls.c.client_number, calls.c.agent_number)
        yield sa.or_(*(name.contains(search, autoescape=True) for name in names))
    if unassigned:
        yield sa.and_(calls.c.client_number.is_(None), calls.c.status != "failed")


def _call(row: sa.Row[Any]) -> Call:
    failure = row.result_failure or row.failure
    heard = _HEARD.validate_python(row.heard) if row.heard else None
    return Call(
        call_id=row.call_id,
        state=row.state,
        status=row.result_status or row.status,
        key=f"{row.bucket}/{row.key}",
        run=row.run,
        result_run=row.result_run,
        failure=_FAILURE.validate_python(failure) if failure else None,
        client_number=row.client_number,
        agent_number=row.agent_number,
        external_id=row.external_id,
        branch=row.branch,
        started_at_ms=row.started_at_ms,
        heard=heard,
        acquisition=row.acquisition_outcome,
        sav=row.sav_outcome,
        behaviour=row.behaviour,
        text=row.text or "",
        parts_total=row.parts_total,
        parts_failed=row.parts_failed,
        model=row.model or "",
        model_revision=row.model_revision or "",
        language=row.language,
        margin=row.margin,
        warnings=(*row.warnings, *(heard.warnings if heard else ())),
    )
