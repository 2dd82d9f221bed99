"""What is to be done again, and the records that ask for it: calls from a stage on, orders by the rules in force.

A call's new run is greater than its last one, so its result replaces the last result; what an order's verdict was
before stays in its history. A stage whose input has left its topic starts from what is kept: `ingest` and `asr` from
the recording (the audio of parts is not kept), `classifier` from the archived transcript, `compliance` from the state
of the judge.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from pydantic import TypeAdapter

from ringtrue.database.tables import calls, orders, transcripts
from ringtrue.messages import CallCommand, CallTranscribed, Failure, OrderCommand
from ringtrue.results.calls import Call, calls_by_id, words_of
from ringtrue.results.cases import Case, cases_by_id, find_cases
from ringtrue.streaming.topics import CALLS_COMMANDS, CALLS_TRANSCRIBED, ORDERS_COMMANDS, Topic

#: In the order of the pipeline.
STAGES = ("ingest", "asr", "classifier", "compliance")
_CHUNK = 500
_FAILURE = TypeAdapter(Failure)


@dataclass(frozen=True, slots=True)
class Scope:
    """What was asked for: calls, and the orders whose windows they may lie in."""

    calls: tuple[Call, ...]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A record that asks for something."""

    topic: Topic
    key: str
    message: CallCommand | CallTranscribed | OrderCommand
    headers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done.

    Attributes:
        stage: Where it starts.
        calls: Calls that get a new run.
        orders: Numbers of the orders that are judged again, or will be should a call of theirs come out otherwise.
        left_out: Ids that cannot be done again from this stage, each with the reason.
    """

    stage: str
    calls: tuple[Call, ...]
    orders: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def audio_hours(self) -> float:
        """Hours of audio that are transcribed again, as far as their length is known."""
        if self.stage not in ("ingest", "asr"):
            return 0.0
        return sum(call.heard.duration_ms for call in self.calls if call.heard is not None) / 3_600_000


def scope_of_calls(connection: sa.Connection, ids: Sequence[str]) -> Scope:
    """These calls, as far as they are known, and the orders whose windows hold one of them."""
    found = tuple(calls_by_id(connection, ids).values())
    return Scope(found, _cases_around(connection, [call.call_id for call in found]))


def scope_of_orders(connection: sa.Connection, *, numbers: Sequence[str] = (), manifest: str = "") -> Scope:
    """These orders, or those of a manifest, and every call in their windows."""
    cases = _standing(find_cases(connection, numbers=numbers, manifest=manifest))
    return Scope(_calls_within(connection, [case.order.case_id for case in cases]), cases)


def scope_since(connection: sa.Connection, since_ms: int) -> Scope:
    """Calls that started since a moment, and the orders that were suspended since then or whose windows hold one."""
    ids = connection.scalars(sa.select(calls.c.call_id).where(calls.c.started_at_ms >= since_ms)).all()
    found = tuple(calls_by_id(connection, ids).values())
    suspended = connection.scalars(sa.select(orders.c.case_id).where(orders.c.suspended_at_ms >= since_ms)).all()
    around = {case.order.case_id: case for case in _cases_around(connection, ids)}
    recent = {case.order.case_id: case for case in _cases_by_id(connection, suspended)}
    return Scope(found, tuple((around | recent).values()))


def plan(connection: sa.Connection, scope: Scope, stage: str) -> Plan:
    """What doing it again from a stage on comes to."""
    numbers = tuple(sorted({case.order.number for case in scope.cases}))
    if stage == "compliance":
        return Plan(stage, (), numbers, ())
    said = _transcribed(connection, [call.call_id for call in scope.calls]) if stage == "classifier" else None
    reasons = {call.call_id: _why_not(call, said) for call in scope.calls}
    chosen = tuple(call for call in scope.calls if not reasons[call.call_id])
    left_out = tuple((call_id, reason) for call_id, reason in sorted(reasons.items()) if reason)
    return Plan(stage, chosen, numbers, left_out)


def records(connection: sa.Connection, planned: Plan, reason: str, now_ms: int) -> Iterator[Asked]:
    """The records that ask for it: commands, and transcripts that are to be classified again."""
    if planned.stage == "classifier":
        for call in planned.calls:
            yield _transcript(connection, call, now_ms)
    elif planned.stage == "compliance":
        for number in planned.orders:
            evaluate = OrderCommand(order_number=number, command="evaluate", reason=reason, event_time_ms=now_ms)
            yield Asked(ORDERS_COMMANDS, number, evaluate)
    else:
        for call in planned.calls:
            again = CallCommand(
                call_id=call.call_id, command="reprocess", stage="segment", reason=reason, event_time_ms=now_ms
            )
            yield Asked(CALLS_COMMANDS, call.call_id, again)


def _why_not(call: Call, said: Collection[str] | None) -> str:
    """Why a call cannot be done again; `said` are the calls with a transcript, where one is needed."""
    if call.state == "unknown":
        return "its recording was never seen; run `ringtrue reconcile`"
    if said is None:
        return ""
    if call.state == "in_flight":
        return "a newer run of it is under way"
    if call.call_id not in said:
        return "it has no transcript; start from ingest"
    return "" if call.heard is not None else "what was heard in it is not kept; start from ingest"


def _transcribed(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    query = sa.select(transcripts.c.call_id).where(transcripts.c.status != "failed")
    return {one for chunk in _chunks(ids) for one in connection.scalars(query.where(transcripts.c.call_id.in_(chunk)))}


def _transcript(connection: sa.Connection, call: Call, now_ms: int) -> Asked:
    """The archived transcript as the next run: the least that is greater, for the register counts by the clock."""
    run = max(call.run, call.result_run or 0) + 1
    query = sa.select(transcripts.c.status, transcripts.c.failure).where(transcripts.c.call_id == call.call_id)
    status, failure = connection.execute(query).one()
    message = CallTranscribed(
        call_id=call.call_id,
        run=run,
        status=status,
        failure=_FAILURE.validate_python(failure) if failure else None,
        heard=call.heard,
        text=call.text,
        words=words_of(connection, call.call_id),
        parts_total=call.parts_total or 0,
        parts_failed=call.parts_failed or 0,
        model=call.model,
        model_revision=call.model_revision,
        language=call.language,
        margin=call.margin,
        event_time_ms=now_ms,
    )
    headers = {"call_id": call.call_id.encode(), "run": str(run).encode(), "origin": b"reprocess"}
    return Asked(CALLS_TRANSCRIBED, call.call_id, message, headers)


def _calls_within(connection: sa.Connection, case_ids: Sequence[str]) -> tuple[Call, ...]:
    ids = dict[str, None]()
    for chunk in _chunks(case_ids):
        query = sa.select(calls.c.call_id).join(orders, _IN_WINDOW).where(orders.c.case_id.in_(chunk)).distinct()
        ids |= dict.fromkeys(connection.scalars(query.order_by(calls.c.call_id)))
    return tuple(calls_by_id(connection, list(ids)).values())


def _cases_around(connection: sa.Connection, call_ids: Sequence[str]) -> tuple[Case, ...]:
    ids = dict[str, None]()
    for chunk in _chunks(call_ids):
        query = sa.select(orders.c.case_id).join(calls, _IN_WINDOW).where(calls.c.call_id.in_(chunk)).distinct()
        ids |= dict.fromkeys(connection.scalars(query.order_by(orders.c.case_id)))
    return _cases_by_id(connection, list(ids))


def _cases_by_id(connection: sa.Connection, case_ids: Sequence[str]) -> tuple[Case, ...]:
    return _standing(case for chunk in _chunks(case_ids) for case in cases_by_id(connection, chunk).values())


def _standing(cases: Iterable[Case]) -> tuple[Case, ...]:
    return tuple(case for case in cases if case.verdict != "withdrawn")


def _chunks(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK)]


_IN_WINDOW = sa.and_(
    calls.c.client_number == orders.c.client_number,
    # The judge counts a call whose start is not known to each window that it may lie in.
    sa.or_(
        calls.c.started_at_ms.is_(None),
        calls.c.started_at_ms.between(orders.c.window_start_ms, orders.c.suspended_at_ms),
    ),
)
