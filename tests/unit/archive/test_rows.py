"""Messages become rows: newer replaces older, whatever the order in which they come."""

import random
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa

from ringtrue.database import reading, writing
from ringtrue.database import tables as t
from ringtrue.errors import BadRecord
from ringtrue.messages import CallFacts, CoverageMark
from services.archive.rows import rows_of
from tests.unit.archive import made
from tests.unit.archive.made import store


def all_rows(engine: sa.Engine, table: sa.Table) -> list[dict[str, Any]]:
    with reading(engine) as connection:
        rows = connection.execute(sa.select(table).order_by(*table.primary_key.columns))
        return [dict(row._mapping) for row in rows]


def test_every_kind_of_result_has_its_row(engine: sa.Engine) -> None:
    store(
        engine,
        made.registered(),
        made.transcribed(),
        made.classified(),
        made.manifest(),
        made.row(),
        made.current(),
        made.verdict(),
        made.dead_letter(),
    )
    counts = {table.name: len(all_rows(engine, table)) for table in t.metadata.sorted_tables}
    assert counts == dict.fromkeys(counts, 1) | {"positions": 0, "deliveries": 0}


def test_what_was_sent_is_what_is_kept(engine: sa.Engine) -> None:
    store(engine, made.registered(warnings=("no end",)), made.transcribed(text="آلو oui"), made.classified(outcome=1))
    (call,), (said,), (shown,) = (all_rows(engine, table) for table in (t.calls, t.transcripts, t.classifications))
    assert (call["client_number"], call["key"], call["warnings"]) == (made.CLIENT, "a.wav", ["no end"])
    assert (said["text"], said["words"][0]["text"]) == ("آلو oui", "آلو")
    assert (shown["acquisition_outcome"], shown["sav_outcome"], shown["ring_count"]) == (1, 1, 5)
    assert shown["heard"]["rings"][0]["frequency_hz"] == 425.0
    assert shown["acquisition"]["cited"] == [{"start_ms": 21_000, "end_ms": 21_500, "text": "allô"}]


def test_a_transcript_keeps_its_language_and_its_margin_where_the_engine_has_them(engine: sa.Engine) -> None:
    store(engine, made.transcribed(language="ar", margin=0.5), made.transcribed("recordings/b"))
    with_them, without = all_rows(engine, t.transcripts)
    assert (with_them["language"], with_them["margin"]) == ("ar", 0.5)
    assert (without["language"], without["margin"]) == (None, None)


def test_a_stage_that_died_leaves_nulls_not_zeros(engine: sa.Engine) -> None:
    store(engine, made.failed("recordings/a"))
    (shown,) = all_rows(engine, t.classifications)
    assert [shown[name] for name in ("duration_ms", "ring_count", "voicemail_tone", "heard")] == [None] * 4
    assert shown["failure"]["reason"] == "undecodable"


@pytest.mark.parametrize(
    ("table", "versions", "newest"),
    [
        (
            t.calls,
            [
                made.registered(run=1, revision=5),
                made.registered(run=2, revision=2),
                made.registered(run=2, revision=3),
            ],
            (2, 3),
        ),
        (t.transcripts, [made.transcribed(run=run) for run in (1, 2, 3)], (3,)),
        (t.classifications, [made.classified(run=run) for run in (1, 2, 3)], (3,)),
        (t.manifests, [made.manifest(revision=revision) for revision in (1, 2, 3)], (3,)),
        (
            t.manifest_rows,
            [made.row(revision=1), made.row(revision=2, status="withdrawn"), made.row(revision=3)],
            (3,),
        ),
        (
            t.orders,
            [made.current(), made.current(revision=1, evaluation=9), made.current(revision=2, status="withdrawn")],
            (2, 0),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, sa.Table) else "",
)
def test_the_newest_stays_in_every_order_of_arrival(
    engine: sa.Engine, table: sa.Table, versions: list[object], newest: tuple[int, ...]
) -> None:
    columns = [name for name in ("run", "revision", "evaluation") if name in table.c]
    outcomes = list[list[dict[str, Any]]]()
    for order in permutations(versions):
        with writing(engine) as connection:
            connection.execute(sa.delete(table))
        store(engine, *order, *order)
        outcomes.append(all_rows(engine, table))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert [tuple(row[name] for name in columns) for row in outcomes[0]] == [newest]


def test_every_evaluation_is_kept_and_the_order_points_to_the_newest(engine: sa.Engine) -> None:
    verdicts = [
        made.verdict(said="pending", evaluation=1),
        made.verdict(said="non_compliant", evaluation=2),
        made.verdict(said="compliant", revision=2, evaluation=0),
    ]
    for order in permutations([*verdicts, made.current(revision=2)]):
        with writing(engine) as connection:
            connection.execute(sa.delete(t.orders))
            connection.execute(sa.delete(t.verdicts))
        store(engine, *order, verdicts[1])
        assert [row["verdict"] for row in all_rows(engine, t.verdicts)] == ["pending", "non_compliant", "compliant"]
        (standing,) = all_rows(engine, t.orders)
        pointer = tuple(standing[name] for name in ("verdict", "verdict_revision", "verdict_evaluation"))
        assert pointer == ("compliant", 2, 0)


def test_an_order_that_moved_stands_with_its_new_client_in_either_order(engine: sa.Engine) -> None:
    corrected = made.order(client_number="212600000002")
    former = made.current(revision=2, status="moved")
    present = made.current(corrected, revision=2)
    for order in permutations([made.current(), former, present]):
        with writing(engine) as connection:
            connection.execute(sa.delete(t.orders))
        store(engine, *order)
        (row,) = all_rows(engine, t.orders)
        assert (row["client_number"], row["status"]) == ("212600000002", "current")


def test_a_verdict_may_come_before_its_order(engine: sa.Engine) -> None:
    store(engine, made.verdict(revision=3, evaluation=7))
    (before,) = all_rows(engine, t.orders)
    assert (before["order_number"], before["verdict"], before["status"]) == ("C-1", "compliant", "current")
    store(engine, made.current(revision=3, evaluation=5, event_time_ms=99))
    store(engine, made.current(revision=4, status="withdrawn"))
    (after,) = all_rows(engine, t.orders)
    assert (after["status"], after["verdict"], after["verdict_evaluation"]) == ("withdrawn", "compliant", 7)


def test_duplicates_and_replays_in_any_order_leave_the_same_orders_and_the_whole_history(engine: sa.Engine) -> None:
    """Order and verdict come from two topics, and a replay may bring back everything of weeks ago."""
    said = [
        made.current(event_time_ms=1),
        made.current(revision=2, event_time_ms=2),
        made.current(revision=2, evaluation=20, event_time_ms=3),
        made.current(revision=3, status="withdrawn", event_time_ms=4),
        made.verdict(said="pending", evaluation=10, event_time_ms=5),
        made.verdict(said="non_compliant", evaluation=11, event_time_ms=6),
        made.verdict(said="compliant", revision=2, evaluation=12, event_time_ms=7),
        made.verdict(said="to_review", revision=2, evaluation=20, event_time_ms=8),
        made.verdict(said="withdrawn", revision=3, evaluation=21, event_time_ms=9),
    ]
    generator = random.Random(4711)
    outcomes = list[tuple[list[dict[str, Any]], ...]]()
    for _ in range(30):
        with writing(engine) as connection:
            connection.execute(sa.delete(t.orders))
            connection.execute(sa.delete(t.verdicts))
        arriving = [*said, *generator.sample(said, 4)]
        generator.shuffle(arriving)
        store(engine, *arriving)
        outcomes.append((all_rows(engine, t.orders), all_rows(engine, t.verdicts)))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    [order], history = outcomes[0]
    assert (order["revision"], order["status"], order["changed_at_ms"], order["verdict"]) == (
        3,
        "withdrawn",
        4,
        "withdrawn",
    )
    assert [row["verdict"] for row in history] == ["pending", "non_compliant", "compliant", "to_review", "withdrawn"]


def test_one_record_may_bring_several_dead_letters(engine: sa.Engine) -> None:
    rows = [made.dead_letter(f"manifest row {n}", "bad_date", topic="manifests.seen", offset=3) for n in (4, 9)]
    store(engine, *rows)
    kept = all_rows(engine, t.dead_letters)
    assert [(row["subject"], row["source_topic"], row["source_offset"]) for row in kept] == [
        ("manifest row 4", "manifests.seen", 3),
        ("manifest row 9", "manifests.seen", 3),
    ]
    assert [(row["topic"], row["offset"], row["value"]) for row in kept] == [
        ("ingest.dead-letters", 0, b"not a message"),
        ("ingest.dead-letters", 1, b"not a message"),
    ]


def test_coverage_marks_pass_by_and_a_stranger_is_refused(engine: sa.Engine) -> None:
    mark = CoverageMark(source_partition=0, scope="", since_ms=0, until_ms=1, hours=(), event_time_ms=1)
    assert rows_of(mark, made.record()) == ()
    facts = CallFacts.__new__(CallFacts)
    with pytest.raises(BadRecord, match="CallFacts") as refused:
        rows_of(facts, made.record("calls.facts"))
    assert refused.value.reason == "unexpected"


def test_nul_characters_of_a_sidecar_do_not_stop_the_archive(engine: sa.Engine) -> None:
    store(engine, replace(made.registered(), external_id="a\0b", warnings=("c\0d",)))
    (row,) = all_rows(engine, t.calls)
    assert (row["external_id"], row["warnings"]) == ("a\ufffdb", ["c\ufffdd"])
