"""What is done again: which calls and orders are meant, what cannot be, and the records that ask for it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from ringtrue.database import reading
from ringtrue.messages import CallCommand, CallTranscribed, OrderCommand
from ringtrue.results.reprocessing import (
    Plan,
    plan,
    records,
    scope_of_calls,
    scope_of_orders,
    scope_since,
)
from tests.unit.archive import made
from tests.unit.archive.made import at, store

NOW_MS = at("2026-11-20 08:00")


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Two orders of two clients: the first has calls a (finished) and b (failed), the second c (in flight)."""
    other = made.order("C-2", client_number="212600000002")
    withdrawn = made.order("C-3")
    store(engine, made.manifest(), made.row(), made.row(other, 3))
    store(engine, made.verdict(said="non_compliant"), made.verdict(other, row=3))
    store(engine, made.row(withdrawn, 4), made.row(withdrawn, 4, status="withdrawn", revision=2))
    store(engine, made.verdict(withdrawn, "withdrawn", revision=2))
    store(engine, made.registered("recordings/a"), made.transcribed("recordings/a"), made.classified("recordings/a"))
    store(
        engine,
        made.registered("recordings/b"),
        made.transcribed("recordings/b", "", status="failed", heard=None, failure=made.failed("b").failure),
        made.failed("recordings/b"),
    )
    store(engine, made.registered("recordings/c", client_number="212600000002"))
    store(engine, made.registered("recordings/late", started_at_ms=at("2026-11-19 09:00")))
    with reading(engine) as connection:
        yield connection


def ids(planned: Plan) -> list[str]:
    return [call.call_id.removeprefix("recordings/") for call in planned.calls]


def test_an_order_is_judged_again_by_a_command(connection: sa.Connection) -> None:
    planned = plan(connection, scope_of_orders(connection, numbers=["C-1"]), "compliance")
    assert (planned.calls, planned.orders, planned.audio_hours) == ((), ("C-1",), 0.0)
    (asked,) = records(connection, planned, "new rules", NOW_MS)
    assert (asked.topic.name, asked.key) == ("orders.commands", "C-1")
    assert asked.message == OrderCommand(
        order_number="C-1", command="evaluate", reason="new rules", event_time_ms=NOW_MS
    )


def test_the_calls_of_an_orders_window_are_run_again_with_their_cost(connection: sa.Connection) -> None:
    planned = plan(connection, scope_of_orders(connection, numbers=["C-1"]), "ingest")
    assert ids(planned) == ["a", "b"]
    assert planned.audio_hours == pytest.approx(30.5 / 3600)
    asked = list(records(connection, planned, "a better model", NOW_MS))
    assert [(one.topic.name, one.key) for one in asked] == [
        ("calls.commands", "recordings/a"),
        ("calls.commands", "recordings/b"),
    ]
    assert asked[0].message == CallCommand(
        call_id="recordings/a", command="reprocess", stage="segment", reason="a better model", event_time_ms=NOW_MS
    )


def test_an_archived_transcript_is_classified_again_as_the_next_run_word_for_word(connection: sa.Connection) -> None:
    planned = plan(connection, scope_of_calls(connection, ["recordings/a"]), "classifier")
    assert planned.orders == ("C-1",)
    assert planned.audio_hours == 0
    (asked,) = records(connection, planned, "", NOW_MS)
    assert asked.topic.name == "calls.transcribed"
    assert asked.headers["run"] == b"2"
    assert isinstance(asked.message, CallTranscribed)
    assert asked.message == replace(made.transcribed("recordings/a"), run=2, event_time_ms=NOW_MS)


def test_what_has_no_transcript_or_is_under_way_is_left_out_with_the_reason(connection: sa.Connection) -> None:
    scope = scope_of_calls(connection, ["recordings/a", "recordings/b", "recordings/c"])
    planned = plan(connection, scope, "classifier")
    assert ids(planned) == ["a"]
    assert dict(planned.left_out) == {
        "recordings/b": "it has no transcript; start from ingest",
        "recordings/c": "a newer run of it is under way",
    }
    assert ids(plan(connection, scope, "asr")) == ["a", "b", "c"]


def test_a_call_that_the_classifier_refused_has_lost_what_was_heard_and_starts_from_ingest(
    connection: sa.Connection, engine: sa.Engine
) -> None:
    refused = replace(made.failed("recordings/a"), run=2)
    store(engine, made.registered("recordings/a", run=2, revision=2), made.transcribed("recordings/a", run=2), refused)
    with reading(engine) as later:
        planned = plan(later, scope_of_calls(later, ["recordings/a"]), "classifier")
    assert (planned.calls, planned.left_out) == (
        (),
        (("recordings/a", "what was heard in it is not kept; start from ingest"),),
    )


def test_a_manifest_means_its_orders_that_stand(connection: sa.Connection) -> None:
    planned = plan(connection, scope_of_orders(connection, manifest=made.MANIFEST), "compliance")
    assert planned.orders == ("C-1", "C-2")


def test_since_a_day_means_its_calls_and_the_orders_that_they_may_concern(connection: sa.Connection) -> None:
    planned = plan(connection, scope_since(connection, at("2026-11-18 00:00")), "ingest")
    assert ids(planned) == ["a", "b", "c", "late"]
    assert planned.orders == ("C-1", "C-2")
    later = plan(connection, scope_since(connection, at("2026-11-19 00:00")), "ingest")
    assert (ids(later), later.orders) == (["late"], ())


def test_a_call_whose_start_is_not_known_may_lie_in_any_window_of_its_client(
    connection: sa.Connection, engine: sa.Engine
) -> None:
    store(engine, made.registered("recordings/undated", started_at_ms=None))
    with reading(engine) as later:
        assert "undated" in ids(plan(later, scope_of_orders(later, numbers=["C-1"]), "ingest"))


def test_what_nobody_knows_is_no_part_of_it(connection: sa.Connection) -> None:
    assert plan(connection, scope_of_calls(connection, ["recordings/z"]), "ingest") == Plan("ingest", (), (), ())
    assert plan(connection, scope_of_orders(connection, numbers=["C-9"]), "compliance").orders == ()
