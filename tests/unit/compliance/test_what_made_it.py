"""A verdict names what made it by hashes, so that a year later it can be told whether anything was another."""

from dataclasses import replace

import pytest

from ringtrue.manifests.layouts import DEFAULT_LAYOUTS, Layouts, load_layouts
from ringtrue.messages import CallFacts
from services.compliance.verdict import Knowledge, pending
from tests.unit.compliance.cases import COMPLETE, RULES, a_call, an_order, at, judged

THREE = a_call("09:00"), a_call("11:00"), a_call("13:00")
ASKED = "embedded 1-ab; asr 7f"


def inputs(*calls: CallFacts, knowledge: Knowledge = COMPLETE) -> str | None:
    return judged(an_order(), *calls, knowledge=knowledge).inputs_hash


def test_equal_inputs_have_equal_hashes_in_whatever_order_they_came() -> None:
    assert inputs(*THREE) == inputs(*reversed(THREE))


@pytest.mark.parametrize(
    "other",
    [
        replace(THREE[2], ring_count=6),
        replace(THREE[2], started_at_ms=at("13:01")),
        replace(THREE[2], models=ASKED),
        replace(THREE[2], status="partial"),
    ],
    ids=["rings", "start", "models", "status"],
)
def test_another_fact_has_another_hash(other: CallFacts) -> None:
    assert inputs(*THREE[:2], other) != inputs(*THREE)


def test_another_order_or_knowledge_of_its_window_has_another_hash() -> None:
    assert judged(an_order(suspended="20:01"), *THREE).inputs_hash != inputs(*THREE)
    assert inputs(*THREE, knowledge=Knowledge(registered=9, unassigned=1)) != inputs(*THREE)


def test_when_a_fact_became_known_is_no_input() -> None:
    again = [replace(call, run=7, revision=9, event_time_ms=5) for call in THREE]
    assert inputs(*again) == inputs(*THREE)


def test_calls_outside_of_the_window_are_no_input() -> None:
    assert inputs(*THREE, a_call("21:00")) == inputs(*THREE)


def test_the_models_have_a_hash_of_their_own() -> None:
    known = [replace(call, models=ASKED) for call in THREE]
    hashes = [judged(an_order(), *calls).models_hash for calls in (THREE, known, known[:2], (*known[:2], THREE[2]))]
    assert hashes[1] == hashes[2]
    assert len({*hashes}) == 3


def test_what_is_pending_was_made_of_nothing_yet() -> None:
    waiting = pending(an_order(), THREE, ("something",), RULES, "fr")
    assert (waiting.models_hash, waiting.inputs_hash) == (None, None)


def test_layouts_are_named_by_their_content() -> None:
    shipped = load_layouts()
    assert shipped.hash == load_layouts(DEFAULT_LAYOUTS).hash
    assert len(shipped.hash) == 16
    others = Layouts.model_validate({**shipped.model_dump(), "date_forms": ("%d.%m.%Y",)})
    assert others.hash != shipped.hash


def test_recordings_of_others_in_the_same_hours_are_no_input() -> None:
    assert inputs(*THREE, knowledge=Knowledge(registered=9)) == inputs(*THREE, knowledge=Knowledge(registered=10))
