"""Messages as the services send them, people and numbers synthetic; what a test does not care about is filled in."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ringtrue import times
from ringtrue.database import writing
from ringtrue.messages import (
    Answer,
    Attempt,
    CallClassified,
    CallRegistered,
    CallTranscribed,
    DeadLetter,
    Evidence,
    Failure,
    Finding,
    Heard,
    ManifestRead,
    Order,
    OrderCurrent,
    OrderRow,
    OrderVerdict,
    Ring,
    Span,
    Word,
)
from ringtrue.streaming.port import Record
from services.archive.rows import rows_of

ZONE = ZoneInfo("Africa/Casablanca")
CLIENT = "212600000001"
MANIFEST = "recordings/manifests/crc_adsl_2026-11-18.csv"


def at(text: str) -> int:
    """UTC milliseconds of a local time."""
    return times.to_utc_ms(datetime.fromisoformat(text), ZONE)


def record(topic: str = "calls.registered", offset: int = 0, partition: int = 0) -> Record:
    return Record(topic, partition, offset, None, None, {}, 0)


def store(engine: sa.Engine, *messages: object) -> None:
    """Writes messages as the archive would, each from the next offset."""
    with writing(engine) as connection:
        for offset, message in enumerate(messages):
            for write in rows_of(message, record("ingest.dead-letters", offset)):
                write.run(connection)


def registered(call_id: str = "recordings/a", **changes: Any) -> CallRegistered:
    bucket, _, stem = call_id.partition("/")
    call = CallRegistered(
        call_id=call_id,
        run=1,
        revision=1,
        status="registered",
        bucket=bucket,
        key=f"{stem}.wav",
        etag="e1",
        size=100,
        requested=True,
        client_number=CLIENT,
        agent_number="212600000099",
        branch="ADSL_INSTALL",
        started_at_ms=at("2026-11-18 09:00"),
        warnings=(),
        event_time_ms=1,
    )
    return replace(call, **changes)


def heard(rings: int | None = 5, **changes: Any) -> Heard:
    made = Heard(
        duration_ms=30_500,
        codec="pcm_mulaw",
        rate_hz=8000,
        channels=1,
        rings=(Ring(start_ms=1000, end_ms=2500, frequency_hz=425.0, confidence=0.99),),
        ring_count=rings,
        ring_confidence=0.97,
        voicemail_tone=False,
        last_ring_end_ms=20_250,
        tones=(),
        speech_ms=1500,
        warnings=(),
    )
    return replace(made, **changes)


def transcribed(call_id: str = "recordings/a", text: str = "allô oui", **changes: Any) -> CallTranscribed:
    words = tuple(
        Word(text=word, start_ms=1000 * n, end_ms=1000 * n + 500, confidence=0.9, channel=0)
        for n, word in enumerate(text.split(), 21)
    )
    call = CallTranscribed(
        call_id=call_id,
        run=1,
        status="complete",
        heard=heard(),
        text=text,
        words=words,
        parts_total=1,
        parts_failed=0,
        model="demo",
        model_revision="m1",
        event_time_ms=2,
    )
    return replace(call, **changes)


def classified(call_id: str = "recordings/a", outcome: int = 3, **changes: Any) -> CallClassified:
    cited = (Span(start_ms=21_000, end_ms=21_500, text="allô"),)
    call = CallClassified(
        call_id=call_id,
        run=1,
        status="complete",
        heard=heard(),
        acquisition=Answer(outcome=outcome, score=0.9, cited=cited),
        sav=Answer(outcome=outcome, score=0.8, cited=cited),
        behaviour=1,
        engine="embedded",
        engine_version="1",
        model_revision="m1",
        event_time_ms=3,
    )
    return replace(call, **changes)


def failed(call_id: str, reason: str = "undecodable") -> CallClassified:
    nothing = Answer(outcome=9, score=0.0, cited=())
    failure = Failure(stage="ingest-segment", reason=reason, message=f"{call_id}.wav is broken: send it again")
    return classified(
        call_id, status="failed", failure=failure, heard=None, acquisition=nothing, sav=nothing, behaviour=2
    )


def order(number: str = "C-1", **changes: Any) -> Order:
    made = Order(
        number=number,
        case_id=f"{number}@20261118T150000Z",
        kind="ACQUISITION",
        category="ADSL",
        client_number=CLIENT,
        motif="Client injoignable",
        motif_outcome=3,
        ordered_at_ms=at("2026-11-17 10:00"),
        suspended_at_ms=at("2026-11-18 16:00"),
        window_start_ms=at("2026-11-17 10:00"),
        work_order="W-1",
        line_number="0522000001",
        city="Fès",
    )
    return replace(made, **changes)


def row(declared: Order | None = None, line: int = 2, manifest: str = MANIFEST, **changes: Any) -> OrderRow:
    declared = declared or order()
    made = OrderRow(
        order_number=declared.number,
        case_id=declared.case_id,
        manifest=manifest,
        row=line,
        revision=1,
        status="present",
        order=declared,
        event_time_ms=4,
    )
    return replace(made, **changes)


def current(declared: Order | None = None, line: int = 2, **changes: Any) -> OrderCurrent:
    declared = declared or order()
    made = OrderCurrent(
        client_number=declared.client_number,
        case_id=declared.case_id,
        revision=1,
        evaluation=0,
        status="current",
        order=declared,
        manifest=MANIFEST,
        row=line,
        event_time_ms=5,
    )
    return replace(made, **changes)


def attempt(call_id: str, start: str, outcome: int | None = 3, rings: int | None = 5, **changes: Any) -> Attempt:
    made = Attempt(
        call_id=call_id,
        started_at_ms=at(start),
        status="complete",
        outcome=outcome,
        behaviour=1,
        ring_count=rings,
        ring_confidence=0.97,
        voicemail_tone=False,
        branch="ADSL_INSTALL",
    )
    return replace(made, **changes)


def finding(rule: str, result: str = "passed", *cited: str, reason: str | None = None) -> Finding:
    evidence = tuple(Evidence(call_id=call, start_ms=1000, end_ms=20_250, fact="5 tonalité(s)") for call in cited)
    comment = f"{rule} {result}"
    return Finding(
        rule=rule, version=1, result=result, reason=reason, comment=comment, parameters={}, evidence=evidence
    )


def verdict(declared: Order | None = None, said: str = "compliant", **changes: Any) -> OrderVerdict:
    declared = declared or order()
    made = OrderVerdict(
        case_id=declared.case_id,
        order_number=declared.number,
        client_number=declared.client_number,
        revision=1,
        evaluation=1,
        verdict=said,
        findings=(),
        waiting_for=(),
        attempts=(),
        comment="",
        unassigned=0,
        rules_hash="r1",
        order=declared,
        manifest=MANIFEST,
        row=2,
        event_time_ms=at("2026-11-19 00:30"),
    )
    return replace(made, **changes)


def manifest(key: str = MANIFEST, **changes: Any) -> ManifestRead:
    made = ManifestRead(
        manifest=key,
        revision=1,
        etag="e1",
        status="ok",
        kind="ACQUISITION",
        category="ADSL",
        day="2026-11-18",
        rows=1,
        orders=1,
        skipped=0,
        rejected=0,
        event_time_ms=6,
    )
    return replace(made, **changes)


def dead_letter(subject: str = "recordings/x", error: str = "unknown_suffix", **changes: Any) -> DeadLetter:
    made = DeadLetter(
        service="ingest",
        worker="ingest-register",
        service_version="0.1.0",
        topic="recordings.seen",
        partition=0,
        offset=7,
        key=b"recordings/x",
        value=b"not a message",
        headers={"origin": "scan"},
        timestamp_ms=1,
        error=error,
        message=f"{subject} is refused: {error}",
        subject=subject,
        call_id=None,
        attempt=1,
        event_time_ms=7,
    )
    return replace(made, **changes)
