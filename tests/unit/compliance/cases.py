"""Orders and calls for the tests, told in local clock times of one day (Africa/Casablanca)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from ringtrue.messages import Answer, CallFacts, Failure, Finding, Order, Span
from ringtrue.outcomes import Language
from ringtrue.times import to_utc_ms
from services.compliance.ruleset import Ruleset, load_ruleset
from services.compliance.verdict import Evaluation, Knowledge, evaluate

ZONE = ZoneInfo("Africa/Casablanca")
RULES = load_ruleset("Africa/Casablanca")
DAY = "2026-11-18"
COMPLETE = Knowledge()
CITED = Span(start_ms=2000, end_ms=4500, text="votre correspondant est injoignable")


def at(clock: str) -> int:
    """UTC milliseconds of `10:00`, `10:00:00.5`, or `2026-11-17 10:00` with a day."""
    return to_utc_ms(datetime.fromisoformat(clock if " " in clock else f"{DAY} {clock}"), ZONE)


def an_order(
    motif: int = 3,
    *,
    raised: str = "08:00",
    window: str | None = None,
    suspended: str = "20:00",
    kind: str = "ACQUISITION",
    category: str = "ADSL",
) -> Order:
    """An order that declares the outcome `motif`; its window begins when it was raised unless told otherwise."""
    return Order(
        number="CMD-1",
        case_id="CMD-1@20261118T190000Z",
        kind=kind,
        category=category,
        client_number="212600000001",
        motif="Client injoignable" if motif == 3 else "Client refuse installation",
        motif_outcome=motif,
        ordered_at_ms=at(raised),
        suspended_at_ms=at(suspended),
        window_start_ms=at(window or raised),
    )


def a_call(
    started: str | None,
    outcome: int | None = 0,
    rings: int | None = 5,
    *,
    call_id: str = "",
    sav: int | None = None,
    status: str = "complete",
    final: bool = True,
    confidence: float | None = 0.99,
    voicemail: bool | None = False,
    branch: str | None = "ADSL_INSTALL",
    behaviour: int | None = 1,
    external_id: str | None = None,
    retracted: bool = False,
    transcript: str | None = None,
    ended: str | None = None,
    arrived: str | None = None,
    duration_ms: int = 30_000,
    busy: bool | None = None,
    fingerprint: bytes | None = None,
    models: str | None = None,
) -> CallFacts:
    """A silent call with five rings, unless told otherwise; its id is its start."""
    cited = (CITED,) if outcome == 3 else ()
    other = outcome if sav is None else sav
    return CallFacts(
        call_id=call_id or f"bucket/{started}",
        client_number="212600000001",
        run=1,
        revision=1,
        retracted=retracted,
        final=final,
        status=status,
        failure=Failure(stage="ingest", reason="undecodable", message="no audio in it") if status == "failed" else None,
        external_id=external_id,
        started_at_ms=None if started is None else at(started),
        branch=branch,
        duration_ms=duration_ms,
        acquisition=None if outcome is None else Answer(outcome=outcome, score=0.9, cited=cited),
        sav=None if other is None else Answer(outcome=other, score=0.9, cited=cited),
        behaviour=behaviour,
        ring_count=rings,
        ring_confidence=confidence,
        voicemail_tone=voicemail,
        rings=tuple(
            Span(start_ms=5000 * ring, end_ms=5000 * ring + 1500, text=f"ring {ring + 1}") for ring in range(rings or 0)
        ),
        transcript=transcript,
        ended_at_ms=None if ended is None else at(ended),
        arrived_at_ms=None if arrived is None else at(arrived),
        busy_tone=busy,
        fingerprint=fingerprint,
        models=models,
        event_time_ms=0,
    )


def judged(
    order: Order,
    *calls: CallFacts,
    knowledge: Knowledge = COMPLETE,
    rules: Ruleset = RULES,
    language: Language = "fr",
) -> Evaluation:
    """The order's evaluation."""
    return evaluate(order, calls, knowledge, rules, language)


def finding(evaluation: Evaluation, rule: str) -> Finding:
    """The finding of one rule."""
    return next(found for found in evaluation.findings if found.rule == rule)


def results(evaluation: Evaluation) -> dict[str, str]:
    """Each rule's result, with its reason where there is one: `failed too_few_attempts`."""
    return {found.rule: " ".join(filter(None, (found.result, found.reason))) for found in evaluation.findings}


def changed(**settings: object) -> Ruleset:
    """The shipped rules with some settings changed."""
    return Ruleset.model_validate({**RULES.model_dump(), **settings})
