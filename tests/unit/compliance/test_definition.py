"""The four results by their definition, held against the code over generated orders.

`naive.py` is the reference: it knows nothing of the code's shortcuts. 2,000 orders are held against it, and a quarter
as many against each other property; RINGTRUE_TEST_EXAMPLES sets another number.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringtrue.messages import Answer, CallFacts, Order
from services.compliance.ruleset import Ruleset
from services.compliance.verdict import Knowledge, evaluate
from tests.unit.compliance import naive
from tests.unit.compliance.cases import COMPLETE, RULES, a_call, an_order, at, changed
from tests.unit.compliance.naive import HOUR_MS, Parameters

EXAMPLES = int(os.environ.get("RINGTRUE_TEST_EXAMPLES", "2000"))


def tried(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )


thorough, usual = tried(EXAMPLES), tried(max(1, EXAMPLES // 4))

#: An ordinary day, and the days on which Morocco leaves UTC+1 and comes back.
AFTERNOONS = tuple(at(f"{day} 14:00") for day in ("2026-11-17", "2026-02-14", "2026-03-21"))
WINDOW_HOURS = 12
OUTCOMES = (0, 0, 0, 1, 2, 3, 3, 4, 9)
SAV_OUTCOMES = (*OUTCOMES, 5, 6, 7)
PHRASES = ("service technique", "tant pis")
BROKEN = "tant\npis service technique"
GAPS = ("outcome", "failed", "partial", "rings", "unsure", "tone", "branch", "behaviour", "transcript", "start")
LACKS: dict[str | None, Knowledge] = {
    None: COMPLETE,
    "coverage_incomplete": Knowledge(covered_from_start=False),
    "recordings_unassigned": Knowledge(registered=100, unassigned=1),
}


@dataclass(frozen=True)
class Small:
    """A small order: one of which every completion can be tried."""

    order: Order
    calls: tuple[CallFacts, ...]


@st.composite
def small_orders(draw: st.DrawFn) -> Small:
    """An order on whole hours, half of them raised in the evening, with up to six calls that lack a fact or a few.

    Calls with a known start may lie a millisecond beside the hour, unless another one's start is not known.
    """
    afternoon = draw(st.sampled_from(AFTERNOONS))
    kind = draw(st.sampled_from(("ACQUISITION", "ACQUISITION", "SAV")))
    motif = draw(st.sampled_from((3, 3, 3, 1, 2) if kind == "ACQUISITION" else (3, 3, 1, 2, 5, 6, 7)))
    order = replace(
        an_order(motif, kind=kind, category=draw(st.sampled_from(("ADSL", "VULA")))),
        ordered_at_ms=afternoon + HOUR_MS * draw(st.sampled_from((-20, 0, 3, 4))),
        window_start_ms=afternoon,
        suspended_at_ms=afternoon + draw(st.integers(1, WINDOW_HOURS)) * HOUR_MS,
    )
    calls = [draw(calls_of(order, number)) for number in range(draw(st.integers(0, 6)))]
    for _ in range(draw(st.integers(0, 3)) if calls else 0):
        number = draw(st.integers(0, len(calls) - 1))
        calls[number] = without(calls[number], draw(st.sampled_from(GAPS)))
    undated = [call for call in calls if call.started_at_ms is None]
    if undated:
        calls = [on_the_hour(call) for call in calls if call not in undated[2:]]
    elif len(calls) > 1 and draw(st.booleans()):
        calls[1] = replace(calls[1], external_id="X1")
        calls[0] = replace(calls[0], external_id="X1")
    return Small(order, tuple(draw(st.permutations(calls))))


@st.composite
def calls_of(draw: st.DrawFn, order: Order, number: int) -> CallFacts:
    """A call of which everything is known."""
    hour = draw(st.integers(-1, WINDOW_HOURS + 1))
    own = naive.own_branch(order)
    return replace(
        a_call("10:00", draw(st.sampled_from(OUTCOMES)), draw(st.sampled_from((0, 4, 5))), call_id=f"c{number}"),
        started_at_ms=order.window_start_ms + HOUR_MS * hour + draw(st.sampled_from((0, 0, 0, -1, 1))),
        sav=Answer(outcome=draw(st.sampled_from(SAV_OUTCOMES)), score=0.9, cited=()),
        branch=draw(st.sampled_from((own, own, own, "ADSL_SAV"))),
        ring_confidence=draw(st.sampled_from((0.9, 0.99, None))),
        voicemail_tone=draw(st.sampled_from((False, False, True))),
        behaviour=draw(st.sampled_from((0, 1))),
        transcript=draw(st.sampled_from(("", *PHRASES, "Tant pis, SERVICE technique !", "tant de pis", BROKEN))),
    )


def without(call: CallFacts, gap: str) -> CallFacts:
    """The call with something missing."""
    match gap:
        case "outcome":
            nothing = Answer(outcome=9, score=0.0, cited=())
            return replace(call, acquisition=nothing, sav=nothing)
        case "failed" | "partial":
            return replace(call, status=gap)
        case "rings":
            return replace(call, ring_count=None)
        case "unsure":
            return replace(call, ring_confidence=0.899)
        case "tone":
            return replace(call, voicemail_tone=None)
        case "branch":
            return replace(call, branch=None)
        case "behaviour":
            return replace(call, behaviour=2)
        case "transcript":
            return replace(call, transcript=None)
        case _:
            return replace(call, started_at_ms=None)


def on_the_hour(call: CallFacts) -> CallFacts:
    """The call at the nearest whole hour, if it has a start."""
    start_ms = call.started_at_ms
    return call if start_ms is None else replace(call, started_at_ms=(start_ms + 1) // HOUR_MS * HOUR_MS)


parameters = st.builds(
    Parameters,
    min_attempts=st.sampled_from((3, 3, 1, 2, 4)),
    min_gap=st.sampled_from((timedelta(hours=2), timedelta(hours=2), timedelta(hours=1), timedelta(hours=3))),
    min_rings=st.sampled_from((5, 5, 0, 1, 4)),
    min_branch_calls=st.sampled_from((3, 3, 1, 2)),
    behaviour_counts=st.booleans(),
    required_phrases=st.sampled_from(((), (), ("service technique",))),
    forbidden_phrases=st.sampled_from(((), (), ("tant pis",))),
)


def ruleset(p: Parameters) -> Ruleset:
    """The code's form of the parameters."""
    return changed(
        min_attempts=p.min_attempts,
        min_gap=p.min_gap,
        min_rings=p.min_rings,
        min_branch_calls=p.min_branch_calls,
        behaviour_counts=p.behaviour_counts,
        required_phrases={"ACQUISITION": p.required_phrases, "SAV": p.required_phrases},
        forbidden_phrases={"ACQUISITION": p.forbidden_phrases, "SAV": p.forbidden_phrases},
    )


@thorough
@given(small_orders(), parameters, st.sampled_from(list(LACKS)))
def test_every_result_is_what_the_completions_of_the_unknown_facts_say(
    small: Small, p: Parameters, lack: str | None
) -> None:
    evaluation = evaluate(small.order, small.calls, LACKS[lack], ruleset(p), "fr")
    found = {one.rule: one.result for one in evaluation.findings}
    off = {rule: "not_applicable" for rule in naive.RULES if rule not in found}
    assert found | off == naive.results(small.order, small.calls, p, lack)
    assert evaluation.verdict == naive.verdict(small.order, small.calls, p, lack)


@usual
@given(small_orders(), parameters)
def test_every_finding_explains_itself(small: Small, p: Parameters) -> None:
    ids = {call.call_id for call in small.calls}
    for found in evaluate(small.order, small.calls, COMPLETE, ruleset(p), "en").findings:
        assert {fact.call_id for fact in found.evidence} <= ids
        if found.result in {"failed", "undetermined"}:
            assert found.reason
            assert found.comment
            assert found.evidence or found.reason == "no_call_found"


@usual
@given(small_orders(), parameters, st.data())
def test_a_failure_of_ours_makes_no_order_non_compliant(small: Small, p: Parameters, data: st.DataObject) -> None:
    before = evaluate(small.order, small.calls, COMPLETE, ruleset(p), "fr").verdict
    gaps = st.sampled_from([gap for gap in GAPS if gap != "start" or not any(call.external_id for call in small.calls)])
    damaged = [without(call, data.draw(gaps)) if data.draw(st.booleans()) else call for call in small.calls]
    after = evaluate(small.order, damaged, COMPLETE, ruleset(p), "fr").verdict
    assert before == "non_compliant" or after != "non_compliant"


@usual
@given(small_orders(), st.data())
def test_the_order_of_arrival_changes_nothing(small: Small, data: st.DataObject) -> None:
    arrived = data.draw(st.permutations(small.calls))
    assert evaluate(small.order, arrived, COMPLETE, RULES, "fr") == evaluate(
        small.order, small.calls, COMPLETE, RULES, "fr"
    )
