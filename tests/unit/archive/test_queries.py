"""The books, the story of an order, dead letters, and the JSON forms of it all."""

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from ringtrue.database import reading
from ringtrue.errors import WrongUse
from ringtrue.messages import CallCommand, CallRegistered, Failure, Word
from ringtrue.results.calls import calls_by_id, count_calls, find_calls
from ringtrue.results.cases import count_cases, find_cases
from ringtrue.results.documents import case_document, failures_document, letter_document, results_document
from ringtrue.results.queries import Books, books, excerpt_of, find_letters, letter, stories
from ringtrue.streaming.codec import Codec
from tests.unit.archive import made
from tests.unit.archive.made import at, attempt, finding, store


def count(engine: sa.Engine) -> Books:
    with reading(engine) as connection:
        return books(connection)


def states(engine: sa.Engine) -> dict[str, str]:
    with reading(engine) as connection:
        return {call.call_id.removeprefix("recordings/"): call.state for call in find_calls(connection)}


def test_an_empty_database_has_empty_books(engine: sa.Engine) -> None:
    nothing = count(engine)
    assert (nothing.seen, nothing.registered, nothing.finished, nothing.verdicts) == (0, 0, 0, {})


def test_the_books_balance(engine: sa.Engine) -> None:
    for name in ("done", "partial", "broken", "waiting", "again", "nobody", "resting"):
        store(engine, made.registered(f"recordings/{name}", requested=name != "resting"))
    for name in ("done", "again"):
        store(engine, made.classified(f"recordings/{name}"))
    store(engine, made.classified("recordings/partial", status="partial"), made.failed("recordings/broken"))
    store(engine, made.registered("recordings/again", run=2))
    store(engine, made.registered("recordings/nobody", revision=2, client_number=None))
    assert states(engine) == {
        "again": "in_flight",
        "broken": "failed",
        "done": "finished",
        "nobody": "in_flight",
        "partial": "finished",
        "resting": "not_wanted",
        "waiting": "in_flight",
    }
    now = count(engine)
    assert now.registered == now.finished + now.failed + now.in_flight + now.not_wanted == 7
    assert (now.finished, now.partial, now.failed, now.in_flight, now.not_wanted) == (2, 1, 1, 3, 1)
    assert (now.unassigned, now.unknown) == (1, 0)


def test_what_became_no_call_is_seen_all_the_same_and_once(engine: sa.Engine) -> None:
    twice = made.dead_letter("recordings/readme.txt")
    duplicates = [
        made.dead_letter("recordings/a", "duplicate_recording", call_id="recordings/a", message=f"a.{suffix} again")
        for suffix in ("mp3", "ogg", "ogg")
    ]
    sidecar = made.dead_letter("recordings/a", "broken_sidecar", call_id="recordings/a")
    segment = made.dead_letter("recordings/a", "undecodable", worker="ingest-segment", call_id="recordings/a")
    came_back = made.dead_letter("recordings/b", "object_gone", call_id="recordings/b")
    store(engine, twice, twice, *duplicates, sidecar, segment, came_back)
    store(engine, made.registered("recordings/a"), made.registered("recordings/b"))
    now = count(engine)
    assert (now.registered, now.duplicates, now.refused) == (2, 2, 1)
    assert now.seen == now.registered + now.duplicates + now.refused
    assert now.dead_letters["duplicate_recording"] == 3


def test_a_wanted_call_that_nobody_has_seen_is_not_registered(engine: sa.Engine) -> None:
    failure = Failure(stage="ingest-register", reason="unknown_call", message="run `ringtrue reconcile`")
    unknown = CallRegistered(
        **{name: getattr(made.registered("recordings/ghost"), name) for name in CallRegistered.__dataclass_fields__}
        | {"run": 0, "status": "failed", "failure": failure, "bucket": "", "key": "", "client_number": None}
    )
    store(engine, unknown)
    now = count(engine)
    assert (now.registered, now.unknown, now.unassigned) == (0, 1, 0)
    store(engine, made.registered("recordings/ghost"))
    assert (count(engine).registered, count(engine).unknown) == (1, 0)


def test_the_previous_result_stands_until_a_new_run_has_ended(engine: sa.Engine) -> None:
    store(engine, made.registered(), made.transcribed(), made.classified(outcome=1))
    store(engine, made.registered(run=2, etag="e2"))
    with reading(engine) as connection:
        (call,) = find_calls(connection)
    assert (call.state, call.run, call.result_run, call.acquisition, call.status) == ("in_flight", 2, 1, 1, "complete")
    store(engine, made.classified(run=2, outcome=2), made.transcribed(run=2, text="demain"))
    with reading(engine) as connection:
        (call,) = find_calls(connection)
    assert (call.state, call.result_run, call.acquisition, call.text) == ("finished", 2, 2, "demain")


def test_calls_can_be_searched(engine: sa.Engine) -> None:
    for name, start in {"a": "09:00", "b_1": "11:00", "b%1": "10:00"}.items():
        call = made.registered(f"recordings/{name}", external_id=f"X-{name}", started_at_ms=at(f"2026-11-18 {start}"))
        store(engine, call)
    store(engine, made.registered("recordings/nobody", client_number=None, started_at_ms=None))
    store(engine, made.classified("recordings/a"))

    def found(**chosen: Any) -> list[str]:
        with reading(engine) as connection:
            calls = find_calls(connection, **chosen)
        return [call.call_id.removeprefix("recordings/") for call in calls]

    assert found() == ["b_1", "b%1", "a", "nobody"]
    assert found(limit=2) == ["b_1", "b%1"]
    assert found(search="X-b") == ["b_1", "b%1"]
    assert found(search="b%") == ["b%1"]
    assert found(search="2600000001") == ["b_1", "b%1", "a"]
    assert found(states=["finished"]) == ["a"]
    assert found(unassigned=True) == ["nobody"]
    with reading(engine) as connection:
        assert count_calls(connection, search="X-b") == 2
        assert list(calls_by_id(connection, ["recordings/nobody", "no", "recordings/a"])) == [
            "recordings/nobody",
            "recordings/a",
        ]


def test_many_calls_can_be_asked_for_at_once(engine: sa.Engine) -> None:
    store(engine, made.registered())
    with reading(engine) as connection:
        assert list(calls_by_id(connection, [f"no/{n}" for n in range(70_000)] + ["recordings/a"])) == ["recordings/a"]


def test_orders_can_be_chosen_by_number_verdict_and_manifest(engine: sa.Engine) -> None:
    again = made.order("C-1", case_id="C-1@20261119T150000Z", suspended_at_ms=at("2026-11-19 16:00"))
    other, fresh = made.order("C-2"), made.order("C-3")
    store(engine, made.verdict(), made.verdict(again, "non_compliant"), made.verdict(other, "pending"))
    store(engine, made.current(fresh), made.row(other), made.row(fresh, manifest="recordings/b.csv"))

    def found(**chosen: Any) -> list[str]:
        with reading(engine) as connection:
            cases = find_cases(connection, **chosen)
            assert len(cases) == sum(count_cases(connection, **chosen).values())
        return [case.order.case_id for case in cases]

    first, second, third = (order.case_id for order in (made.order(), other, fresh))
    assert found() == [again.case_id, first, second, third]
    assert found(numbers=["C-1"]) == [again.case_id, first]
    assert found(numbers=[first]) == [first]
    assert found(standing=["pending"]) == [second, third]
    assert found(manifest="recordings/b.csv") == [third]


def test_a_withdrawn_order_says_so_before_its_judge_does(engine: sa.Engine) -> None:
    store(engine, made.verdict(), made.current(revision=2, status="withdrawn"))
    with reading(engine) as connection:
        (case,) = find_cases(connection)
    assert case.verdict == "withdrawn"


def test_the_story_of_an_order_has_what_was_said_and_every_verdict(engine: sa.Engine) -> None:
    tried = attempt("recordings/a", "2026-11-18 09:00")
    gone = attempt("recordings/gone", "2026-11-18 12:00")
    store(engine, made.registered(), made.transcribed(text="هاتف مخاطبكم غير مشغل"), made.classified())
    store(engine, made.verdict(said="pending", evaluation=1, comment="waits"))
    judged = made.verdict(evaluation=2, attempts=(tried, gone), findings=(finding("rings", "passed", "recordings/a"),))
    store(engine, judged)
    with reading(engine) as connection:
        (told,) = stories(connection, "C-1")
    first, second = told.attempts
    assert (first.excerpt, first.start_ms, first.end_ms) == ("هاتف مخاطبكم غير مشغل", 21_000, 24_500)
    assert first.call is not None
    assert first.call.acquisition == 3
    assert (second.call, second.excerpt, second.start_ms) == (None, "", None)
    assert [(past.evaluation, past.verdict) for past in told.history] == [(2, "compliant"), (1, "pending")]
    assert told.case.findings[0].evidence[0].end_ms == 20_250


def test_an_excerpt_ends_at_a_whole_word() -> None:
    words = [Word(text="mot" * 9, start_ms=n, end_ms=n + 5, confidence=1.0, channel=n % 2) for n in range(20)]
    text, start_ms, end_ms = excerpt_of(words)
    assert text.endswith("mot …")
    assert len(text) <= 242
    assert (start_ms, end_ms) == (0, len(text.split()) - 2 + 5)
    assert excerpt_of(words[:1]) == ("mot" * 9, 0, 5)
    assert excerpt_of([]) == ("", None, None)


def test_the_results_document_has_the_form_that_programs_expect(engine: sa.Engine) -> None:
    evidence = finding("rings", "failed", "recordings/a", reason="too_few_rings")
    later = made.order("C-0")
    store(engine, made.verdict(later, "to_review", row=9))
    store(engine, made.verdict(said="non_compliant", findings=(evidence,), row=4))
    store(engine, made.registered(), made.transcribed(), made.classified())
    with reading(engine) as connection:
        document = json.loads(json.dumps(results_document(connection, "fr")))
    assert [order["order"] for order in document["orders"]] == ["C-1", "C-0"]
    first = document["orders"][0]
    assert (first["motif"], first["verdict"]) == ("Client injoignable", "non_compliant")
    (found,) = first["findings"]
    assert {name: found[name] for name in ("rule", "result", "reason")} == {
        "rule": "rings",
        "result": "failed",
        "reason": "too_few_rings",
    }
    (cited,) = found["evidence"]
    assert (cited["call_id"], cited["start_ms"], cited["end_ms"]) == ("recordings/a", 1000, 20_250)
    (call,) = document["calls"]
    assert call["acquisition"] == {"outcome": 3, "label": "Client injoignable"}
    assert call["heard"]["ring_count"] == 5
    assert document["failed"] == []


def test_what_failed_is_told_once_with_what_to_do(engine: sa.Engine) -> None:
    store(engine, made.registered("recordings/broken"), made.failed("recordings/broken"))
    store(engine, made.registered(), made.classified())
    store(
        engine,
        made.dead_letter(
            "recordings/broken", "undecodable", worker="ingest-segment", call_id="recordings/broken", run=1
        ),
        made.dead_letter("recordings/broken", "duplicate_recording", call_id="recordings/broken"),
        made.dead_letter("recordings/broken", "duplicate_recording", call_id="recordings/broken"),
        made.dead_letter("crc.csv row 7", "bad_date", worker="ingest-manifests"),
    )
    with reading(engine) as connection:
        failed = failures_document(connection)
    assert {(item["subject"], item["stage"], item["reason"]) for item in failed} == {
        ("recordings/broken.wav", "ingest-segment", "undecodable"),
        ("recordings/broken", "ingest-register", "duplicate_recording"),
        ("crc.csv row 7", "ingest-manifests", "bad_date"),
    }
    assert all(item["message"] for item in failed)
    assert len(failed) == 3


def test_what_a_newer_run_mended_is_no_failure_any_more(engine: sa.Engine) -> None:
    refused = made.dead_letter("recordings/a", "undecodable", worker="ingest-segment", call_id="recordings/a", run=1)
    store(engine, made.registered(), made.failed("recordings/a"), refused)
    store(engine, made.registered(run=2))
    with reading(engine) as connection:
        assert [item["reason"] for item in failures_document(connection)] == ["undecodable"]
    store(engine, made.classified(run=2))
    with reading(engine) as connection:
        assert failures_document(connection) == []


def test_a_case_that_nobody_judged_is_pending(engine: sa.Engine) -> None:
    store(engine, made.current())
    with reading(engine) as connection:
        (case,) = find_cases(connection)
    document = case_document(case)
    assert (document["verdict"], document["findings"], document["judged_at_ms"]) == ("pending", [], None)


def test_dead_letters_can_be_chosen_and_opened(engine: sa.Engine) -> None:
    command = CallCommand(call_id="recordings/a", command="reprocess", stage="segment", reason="test", event_time_ms=1)
    first = made.dead_letter("recordings/x", event_time_ms=1)
    second = replace(
        made.dead_letter("recordings/a", "unknown_call", worker="asr", service="asr", event_time_ms=2),
        value=Codec().encode(command),
    )
    store(engine, first, second)
    with reading(engine) as connection:
        assert [one.subject for one in find_letters(connection)] == ["recordings/a", "recordings/x"]
        assert [one.subject for one in find_letters(connection, worker="ingest")] == ["recordings/x"]
        assert [one.subject for one in find_letters(connection, error="unknown_call")] == ["recordings/a"]
        assert [one.subject for one in find_letters(connection, search="ings/x")] == ["recordings/x"]
        assert len(find_letters(connection, limit=1)) == 1
        opened = letter(connection, "ingest.dead-letters/0/1")
        assert opened is not None
        assert letter(connection, "ingest.dead-letters/0/9") is None
        plain = letter(connection, "ingest.dead-letters/0/0")
        assert plain is not None
    document = json.loads(json.dumps(letter_document(opened, Codec())))
    assert document["message_refused"]["CallCommand"]["reason"] == "test"
    assert document["source"] == "recordings.seen/0/7"
    whole = letter_document(plain, Codec())
    assert (whole["value_base64"], whole["message_refused"]) == ("bm90IGEgbWVzc2FnZQ==", None)
    assert "value_base64" not in letter_document(plain)


@pytest.mark.parametrize("name", ["7", "ingest.dead-letters", "ingest.dead-letters/0/x", "/0/1"])
def test_a_wrong_id_of_a_dead_letter_is_explained(engine: sa.Engine, name: str) -> None:
    with reading(engine) as connection, pytest.raises(WrongUse, match="TOPIC/PARTITION/OFFSET"):
        letter(connection, name)
