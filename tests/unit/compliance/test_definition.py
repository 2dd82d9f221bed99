"""The four results by their definition: every possible value of the unknown facts of small orders, tried one by one.

The reference here knows nothing of the code's shortcuts: it completes an order in every way, judges each completion by
brute force, and compares: a rule passes when it fails in none, fails when it holds in none and applies in all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringtrue.messages import Answer, CallFacts, Order
from services.compliance.verdict import evaluate
from tests.unit.compliance.cases import COMPLETE, RULES, ZONE, a_call, an_order, at

HOUR_MS = 3_600_000
START_MS = at("2026-11-17 14:00")
WINDOW_HOURS = 12
OUTSIDE_MS = START_MS - 10 * HOUR_MS

#: What each unknown fact may be: one value for each way in which the rules tell values apart.
OUTCOMES = (0, 1, 2, 3)
RINGS = (0, 5)
TONES = (True, False)
BRANCHES = ("ADSL_INSTALL", "ADSL_SAV")
BEHAVIOURS = (0, 1)


def completions(order: Order, calls: tuple[CallFacts, ...]) -> Iterator[tuple[CallFacts, ...]]:
    """The calls with every combination of possible values in place of what is not known."""
    return itertools.product(*[list(_completed(order, call)) for call in calls])


def _completed(order: Order, call: CallFacts) -> Iterator[CallFacts]:
    open_outcome = call.status != "complete" or call.acquisition is None or call.acquisition.outcome == 9
    outcomes = OUTCOMES if open_outcome or call.acquisition is None else (call.acquisition.outcome,)
    unsure = call.ring_count is None or (call.ring_confidence is not None and call.ring_confidence < 0.9)
    rings = RINGS if unsure else (call.ring_count,)
    tones = TONES if call.voicemail_tone is None else (call.voicemail_tone,)
    branches = BRANCHES if call.branch is None else (call.branch,)
    behaviours = BEHAVIOURS if call.status != "complete" or call.behaviour not in (0, 1) else (call.behaviour,)
    starts = (call.started_at_ms,) if call.started_at_ms is not None else _possible_starts(order)
    for outcome, ring, tone, branch, behaviour, start in itertools.product(
        outcomes, rings, tones, branches, behaviours, starts
    ):
        answer = Answer(outcome=outcome, score=1.0, cited=())
        yield replace(
            call,
            status="complete",
            acquisition=answer,
            ring_count=ring,
            ring_confidence=1.0,
            voicemail_tone=tone,
            branch=branch,
            behaviour=behaviour,
            started_at_ms=start,
        )


def _possible_starts(order: Order) -> tuple[int, ...]:
    """Calls and window lie on whole hours, so half hours cover every order of events; and a start outside."""
    half = HOUR_MS // 2
    return (OUTSIDE_MS, *range(order.window_start_ms, order.suspended_at_ms + 1, half))


def naive(order: Order, calls: tuple[CallFacts, ...]) -> dict[str, bool | None]:
    """Each rule on complete facts: holds, or not, or (None) does not apply."""
    inside = [c for c in calls if order.window_start_ms <= (c.started_at_ms or 0) <= order.suspended_at_ms]
    inside.sort(key=lambda c: (c.started_at_ms, c.call_id))
    declared = order.motif_outcome
    names = ("last_call", "attempts", "interval", "rings", "declaration", "branch", "behaviour")
    found: dict[str, bool | None] = dict.fromkeys(names)
    if not inside:
        found["attempts" if declared == 3 else "declaration"] = False
        return found
    last = inside[-1]
    found["branch"] = last.branch == "ADSL_INSTALL"
    found["behaviour"] = last.behaviour != 0
    if declared != 3:
        found["declaration"] = _outcome(last) == declared
        return found
    own = sum(c.branch == "ADSL_INSTALL" for c in inside)
    found["branch"] = found["branch"] and own >= min(3, len(inside))
    found["last_call"] = _outcome(last) in (0, 3)
    if _is_evening(order.ordered_at_ms) and _is_evening(last.started_at_ms) and _same_day(order, last):
        found["rings"] = _valid(last)
        return found
    found["attempts"] = len(inside) >= 3
    found["interval"] = _spaced([c for c in inside if _outcome(c) in (0, 3)])
    found["rings"] = _spaced([c for c in inside if _valid(c)])
    return found


def _outcome(call: CallFacts) -> int | None:
    return call.acquisition.outcome if call.acquisition else None


def _valid(call: CallFacts) -> bool:
    return _outcome(call) == 3 or (_outcome(call) == 0 and ((call.ring_count or 0) >= 5 or bool(call.voicemail_tone)))


def _spaced(calls: list[CallFacts]) -> bool:
    starts = [call.started_at_ms or 0 for call in calls]
    return any(b - a >= 2 * HOUR_MS and c - b >= 2 * HOUR_MS for a, b, c in itertools.combinations(starts, 3))


def _is_evening(utc_ms: int | None) -> bool:
    return _local(utc_ms or 0)[1] >= 17


def _same_day(order: Order, call: CallFacts) -> bool:
    return _local(order.ordered_at_ms)[0] == _local(call.started_at_ms or 0)[0]


def _local(utc_ms: int) -> tuple[str, int]:
    moment = datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(ZONE)
    return moment.date().isoformat(), moment.hour


def expected(order: Order, calls: tuple[CallFacts, ...]) -> dict[str, str]:
    """The results by the definition."""
    worlds = [naive(order, completed) for completed in completions(order, calls)]
    found = {rule: _result({world[rule] for world in worlds}) for rule in worlds[0]}
    if found["interval"] == "failed":
        found["rings"] = "not_applicable"
    return found


def _result(values: set[bool | None]) -> str:
    if values == {None}:
        return "not_applicable"
    if False not in values:
        return "passed"
    return "failed" if values == {False} else "undetermined"


@st.composite
def calls_with_gaps(draw: st.DrawFn) -> tuple[CallFacts, ...]:
    """Up to six calls on whole hours, of which a few lack a fact or two (so that all completions can be tried)."""
    count = draw(st.integers(0, 6))
    calls = [
        replace(
            a_call("10:00", draw(st.sampled_from(OUTCOMES)), draw(st.sampled_from((0, 4, 5))), call_id=f"c{number}"),
            started_at_ms=START_MS + HOUR_MS * draw(st.integers(-1, WINDOW_HOURS + 1)),
            branch=draw(st.sampled_from(("ADSL_INSTALL", "ADSL_INSTALL", "ADSL_SAV"))),
            voicemail_tone=draw(st.sampled_from((False, False, True))),
            behaviour=draw(st.sampled_from(BEHAVIOURS)),
        )
        for number in range(count)
    ]
    undated = 0
    for _ in range(draw(st.integers(0, 3))):
        if not calls:
            break
        number = draw(st.integers(0, count - 1))
        gap = draw(st.sampled_from(("outcome", "failed", "rings", "unsure", "tone", "branch", "behaviour", "start")))
        if gap == "start":
            undated += calls[number].started_at_ms is not None
            if undated > 2:
                continue
        calls[number] = _without(calls[number], gap)
    return tuple(draw(st.permutations(calls)))


def _without(call: CallFacts, gap: str) -> CallFacts:
    match gap:
        case "outcome":
            return replace(call, acquisition=Answer(outcome=9, score=0.0, cited=()))
        case "failed":
            return replace(call, status="failed")
        case "rings":
            return replace(call, ring_count=None)
        case "unsure":
            return replace(call, ring_confidence=0.5)
        case "tone":
            return replace(call, voicemail_tone=None)
        case "branch":
            return replace(call, branch=None)
        case "behaviour":
            return replace(call, behaviour=2)
        case _:
            return replace(call, started_at_ms=None)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """An order whose window lies on whole hours; half of them are raised in the evening."""
    raised = START_MS + HOUR_MS * draw(st.sampled_from((-20, 0, 4)))
    hours = draw(st.integers(1, WINDOW_HOURS))
    return replace(
        an_order(draw(st.sampled_from((3, 3, 1, 2)))),
        ordered_at_ms=raised,
        window_start_ms=START_MS,
        suspended_at_ms=START_MS + hours * HOUR_MS,
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(orders(), calls_with_gaps())
def test_every_result_is_what_the_completions_of_the_unknown_facts_say(
    order: Order, calls: tuple[CallFacts, ...]
) -> None:
    evaluation = evaluate(order, calls, COMPLETE, RULES, "fr")
    assert {found.rule: found.result for found in evaluation.findings} == expected(order, calls)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(orders(), calls_with_gaps())
def test_every_finding_explains_itself(order: Order, calls: tuple[CallFacts, ...]) -> None:
    ids = {call.call_id for call in calls}
    for found in evaluate(order, calls, COMPLETE, RULES, "en").findings:
        assert {fact.call_id for fact in found.evidence} <= ids
        if found.result in {"failed", "undetermined"}:
            assert found.reason
            assert found.comment
            assert found.evidence or found.reason == "no_call_found"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(orders(), calls_with_gaps(), st.data())
def test_a_failure_of_ours_makes_no_order_non_compliant(
    order: Order, calls: tuple[CallFacts, ...], data: st.DataObject
) -> None:
    before = evaluate(order, calls, COMPLETE, RULES, "fr").verdict
    gaps = st.sampled_from(("outcome", "failed", "rings", "unsure", "tone", "branch", "start"))
    damaged = tuple(_without(call, data.draw(gaps)) if data.draw(st.booleans()) else call for call in calls)
    after = evaluate(order, damaged, COMPLETE, RULES, "fr").verdict
    assert before == "non_compliant" or after != "non_compliant"
