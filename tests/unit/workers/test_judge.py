"""The judge: an order is judged once everything about it is known, and again whenever that changes."""

from dataclasses import replace

import pytest

from ringtrue.messages import CallWanted, OrderVerdict
from ringtrue.streaming.topics import CALLS_FACTS, CALLS_WANTED, ORDERS_CURRENT, ORDERS_VERDICTS
from ringtrue.times import now_ms
from services.compliance.judge import Judge
from tests.unit.compliance.cases import RULES, a_call, at, changed
from tests.unit.workers.bench import Bench, only
from tests.unit.workers.conftest import MakeBench
from tests.unit.workers.judging import (
    CALLS,
    CASE,
    CLIENT,
    HOUR_MS,
    ORDER,
    OTHER,
    a_judge,
    after,
    covered,
    current,
    hour,
    opened,
    verdicts,
)


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(a_judge())


def test_an_order_is_pending_until_the_recordings_are_covered_past_its_suspension(bench: Bench) -> None:
    first = after(bench, *CALLS, current())
    assert verdicts(first) == ["pending"]
    assert "2026-11-18 17:00" in only(first[0].waiting_for)
    assert not after(bench, covered("16:59"))
    judged = only(after(bench, covered("17:00")))
    assert (judged.verdict, judged.waiting_for) == ("compliant", ())
    assert (judged.case_id, judged.client_number, judged.revision) == (CASE, CLIENT, 1)
    assert [attempt.call_id for attempt in judged.attempts] == [call.call_id for call in CALLS]
    assert judged.evaluation > first[0].evaluation


def test_a_verdict_says_what_it_was_made_of_and_what_is_odd(bench: Bench) -> None:
    odd = replace(CALLS[0], ended_at_ms=0)
    judged = only(after(bench, covered(), *CALLS[1:], odd, replace(current(), layouts_hash="l1")))
    assert judged.layouts_hash == "l1"
    assert None not in (judged.models_hash, judged.inputs_hash)
    assert [one.rule for one in judged.warnings or ()] == ["start_times"]
    assert judged.verdict == "compliant"


def test_an_order_is_pending_until_each_of_its_calls_has_its_result(bench: Bench) -> None:
    found = after(bench, covered(), *CALLS[:2], opened(CALLS[2]), current())
    assert verdicts(found) == ["pending"]
    assert CALLS[2].call_id in only(found[0].waiting_for)
    assert verdicts(after(bench, CALLS[2])) == ["compliant"]


def test_an_order_that_is_already_covered_is_judged_at_once(bench: Bench) -> None:
    assert verdicts(after(bench, covered(), *CALLS, current())) == ["compliant"]


def test_an_order_without_calls_is_judged_too(bench: Bench) -> None:
    judged = only(after(bench, current(), covered())[-1:])
    assert judged.verdict == "non_compliant"
    assert "Aucun appel" in judged.comment


def test_coverage_is_what_every_source_partition_vouches_for(make_bench: MakeBench) -> None:
    bench = make_bench(a_judge(partitions=2), 2)
    bench.feed(ORDERS_CURRENT, current(), partition=1)
    for mark in (covered("18:00"), covered("16:59", source=1)):
        bench.feed(CALLS_FACTS, mark, partition=1)
    bench.run()
    assert verdicts(bench.news(ORDERS_VERDICTS, OrderVerdict)) == ["pending"]
    bench.feed(CALLS_FACTS, covered("17:00", source=1), partition=1)
    bench.run()
    assert verdicts(bench.news(ORDERS_VERDICTS, OrderVerdict)) == ["non_compliant"]


def test_a_late_call_that_changes_the_verdict_publishes_it_again(bench: Bench) -> None:
    first = only(after(bench, covered(), *CALLS[:2], current()))
    assert first.verdict == "non_compliant"
    late = after(bench, opened(CALLS[2]), CALLS[2])
    assert verdicts(late) == ["pending", "compliant"]
    assert first.evaluation < late[0].evaluation < late[1].evaluation


def test_what_changes_nothing_publishes_nothing(bench: Bench) -> None:
    after(bench, covered(), *CALLS, current())
    assert not after(bench, CALLS[1], replace(CALLS[1], revision=2), a_call("18:00"), covered("19:00"), current())
    outside = replace(a_call("10:00", 1), client_number=OTHER)
    assert not after(bench, outside)


def test_a_retracted_call_no_longer_counts(bench: Bench) -> None:
    after(bench, covered(), *CALLS, current())
    found = only(after(bench, replace(CALLS[1], retracted=True)))
    assert (found.verdict, len(found.attempts)) == ("non_compliant", 2)
    assert sum(key.startswith("call:") for key in bench.state()) == 2


def test_a_call_whose_start_is_corrected_leaves_the_window(bench: Bench) -> None:
    after(bench, covered(), *CALLS, current())
    found = only(after(bench, replace(CALLS[1], started_at_ms=at("18:00"), revision=2)))
    assert len(found.attempts) == 2


def test_a_correction_of_the_order_is_judged_and_an_older_one_ignored(bench: Bench) -> None:
    after(bench, covered(), *CALLS, current(revision=5))
    corrected = replace(ORDER, motif_outcome=1, motif="Client refuse installation")
    found = only(after(bench, current(corrected, revision=6)))
    assert (found.verdict, found.revision) == ("non_compliant", 6)
    assert not after(bench, current(revision=5), current(revision=6))


def test_a_command_publishes_the_same_verdict_again_as_a_greater_evaluation(bench: Bench) -> None:
    first = only(after(bench, covered(), *CALLS, current()))
    asked = now_ms() + HOUR_MS
    second = only(after(bench, current(evaluation=asked)))
    assert (second.verdict, second.evaluation) == ("compliant", asked)
    assert second.evaluation > first.evaluation
    assert not after(bench, current(evaluation=asked))


def test_changed_rules_apply_to_what_is_judged_from_then_on(bench: Bench) -> None:
    first = only(after(bench, covered(), *CALLS, current()))
    bench.worker = a_judge(rules=changed(min_rings=6))
    assert not after(bench)
    second = only(after(bench, current(evaluation=first.evaluation + 1)))
    assert second.verdict == "non_compliant"
    assert second.rules_hash != first.rules_hash


def test_an_order_that_moves_to_another_client_is_silent_here(bench: Bench) -> None:
    after(bench, covered(), *CALLS, current())
    assert not after(bench, current(revision=2, status="moved"))
    assert not after(bench, replace(CALLS[1], retracted=True), covered("19:00"))
    assert not [key for key in bench.state() if key.startswith(("order:", "waiting:"))]


def test_an_order_that_moves_while_it_waits_is_not_waited_for(bench: Bench) -> None:
    after(bench, current())
    assert not after(bench, current(revision=2, status="moved"), covered())


def test_a_withdrawn_order_says_so_once_and_is_forgotten(bench: Bench) -> None:
    after(bench, covered(), *CALLS, current())
    found = only(after(bench, current(revision=2, status="withdrawn")))
    assert (found.verdict, found.revision, found.findings) == ("withdrawn", 2, ())
    assert not after(bench, replace(CALLS[1], retracted=True), covered("19:00"))
    assert verdicts(after(bench, CALLS[1], current(revision=3))) == ["compliant"]


def test_an_order_of_another_client_with_these_calls_is_not_theirs(bench: Bench) -> None:
    other = replace(ORDER, client_number=OTHER, case_id="CMD-2@X", number="CMD-2")
    found = after(bench, covered(), *CALLS, current(other))
    assert [(one.verdict, len(one.attempts)) for one in found] == [("non_compliant", 0)]


def test_recordings_of_no_known_client_in_the_window_leave_a_want_of_calls_undetermined(bench: Bench) -> None:
    found = only(after(bench, covered("17:00", hour("10:00", 100, 1)), CALLS[0], current()))
    assert (found.verdict, found.unassigned) == ("to_review", 1)
    assert "recordings_unassigned" in {finding.reason for finding in found.findings}
    elsewhere = covered("18:00", hour("10:00", 100, 0), hour("17:00", 100, 9))
    found = only(after(bench, elsewhere))
    assert (found.verdict, found.unassigned) == ("non_compliant", 0)
    assert not [key for key in bench.state() if key.startswith("waiting:")]


def test_an_order_of_which_little_is_known_is_judged_again_only_when_more_is_known(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    after(bench, covered("17:00", hour("10:00", 100, 1)), CALLS[0], current())
    judged = list[str]()
    monkeypatch.setattr(Judge, "_judge", lambda *_: judged.append("again"))
    after(bench, covered("17:10", hour("10:00", 100, 1), hour("18:00", 5, 5)), covered("17:20", hour("10:00", 100, 1)))
    assert not judged
    after(bench, covered("17:30", hour("10:00", 2000, 1)))
    assert judged == ["again"]


def test_a_window_that_begins_before_coverage_leaves_a_want_of_calls_undetermined(bench: Bench) -> None:
    found = only(after(bench, covered("17:00", since="08:30"), CALLS[0], current()))
    assert found.verdict == "to_review"
    assert "coverage_incomplete" in {finding.reason for finding in found.findings}


def test_a_mark_that_reaches_less_far_than_one_before_takes_nothing_back(bench: Bench) -> None:
    after(bench, covered("18:00"), covered("16:00"), covered("16:30"))
    assert verdicts(after(bench, *CALLS, current())) == ["compliant"]


def test_a_recording_outside_of_the_window_that_is_the_same_call_stands_for_it_whenever_it_comes(bench: Bench) -> None:
    calls = [replace(call, external_id=str(number)) for number, call in enumerate(CALLS)]
    after(bench, covered(), *calls, current())
    earlier = replace(a_call("07:00", call_id="bucket/first half"), external_id="0")
    found = only(after(bench, earlier))
    assert (found.verdict, len(found.attempts)) == ("non_compliant", 2)
    assert verdicts(after(bench, replace(earlier, retracted=True))) == ["compliant"]


def test_a_judge_with_another_settling_time_finds_what_waits(bench: Bench) -> None:
    after(bench, *CALLS, current())
    bench.worker = Judge(RULES, "fr", settle_ms=2 * HOUR_MS, ask_for_calls=False, partitions=1)
    after(bench, covered("17:00"))
    assert verdicts(after(bench, covered("18:00"))) == ["compliant"]
    assert not [key for key in bench.state() if key.startswith("waiting:")]


def wanted(bench: Bench) -> list[tuple[str, str]]:
    return [(one.call_id, one.case_id) for one in bench.news(CALLS_WANTED, CallWanted)]


def test_an_order_asks_for_the_calls_of_its_window_when_they_are_transcribed_only_then(make_bench: MakeBench) -> None:
    bench = make_bench(a_judge(ask_for_calls=True))
    outside = opened(a_call("18:00"))
    after(bench, opened(CALLS[0]), CALLS[1], outside, current())
    assert wanted(bench) == [(CALLS[0].call_id, CASE)]
    after(bench, opened(CALLS[2]))
    assert set(wanted(bench)) >= {(CALLS[2].call_id, CASE)}
    assert verdicts(after(bench, covered(), CALLS[0], CALLS[2]))[-1] == "compliant"
    assert outside.call_id not in {call_id for call_id, _ in wanted(bench)}


def test_nothing_is_asked_for_when_every_call_is_transcribed_anyway(bench: Bench) -> None:
    after(bench, opened(CALLS[0]), current())
    assert not wanted(bench)


def test_bytes_that_are_no_message_are_refused_and_stop_nothing(bench: Bench) -> None:
    bench.feed(CALLS_FACTS, b"?")
    assert verdicts(after(bench, covered(), *CALLS, current())) == ["compliant"]
    assert bench.refusals() == ["undecodable"]
