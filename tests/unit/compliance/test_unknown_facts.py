"""What is missing makes a rule undetermined, exactly where the result depends on it."""

import pytest

from services.compliance.verdict import Knowledge
from tests.unit.compliance.cases import a_call, an_order, finding, judged, results

THREE = a_call("09:00"), a_call("11:00"), a_call("13:00")
BEFORE_COVERAGE = Knowledge(covered_from_start=False)


def test_a_failed_last_call_is_never_held_against_anyone() -> None:
    evaluation = judged(an_order(), *THREE, a_call("15:00", None, status="failed"))
    assert results(evaluation)["last_call"] == "undetermined call_failed"
    assert evaluation.verdict == "to_review"
    assert evaluation.comment == "Dernier appel à vérifier : enregistrement non exploitable"


def test_a_partial_transcript_leaves_the_outcome_open_though_one_was_answered() -> None:
    evaluation = judged(an_order(1), a_call("09:00", 1, status="partial"))
    assert results(evaluation)["declaration"] == "undetermined transcript_partial"


@pytest.mark.parametrize("outcome", [9, None])
def test_a_call_that_was_not_classified_leaves_the_outcome_open(outcome: int | None) -> None:
    assert results(judged(an_order(1), a_call("09:00", outcome)))["declaration"] == "undetermined outcome_unknown"


def test_an_unknown_outcome_that_changes_nothing_is_no_matter() -> None:
    evaluation = judged(an_order(), a_call("08:30", None, status="failed"), *THREE)
    assert evaluation.verdict == "compliant"


def test_a_triple_that_needs_an_unknown_outcome_is_undetermined() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("11:00", None, status="failed"), a_call("13:00"))
    assert results(evaluation)["interval"] == "undetermined call_failed"
    assert results(evaluation)["rings"] == "undetermined call_failed"
    assert [fact.call_id for fact in finding(evaluation, "interval").evidence] == ["bucket/11:00"]
    assert "no audio in it" in finding(evaluation, "interval").evidence[0].fact


def test_too_few_rings_of_another_attempt_fail_although_an_outcome_is_unknown() -> None:
    calls = a_call("09:00", rings=2), a_call("11:00", None, status="failed"), a_call("13:00")
    assert results(judged(an_order(), *calls))["interval"] == "undetermined call_failed"
    assert results(judged(an_order(), *calls))["rings"] == "failed too_few_rings"


@pytest.mark.parametrize(("rings", "confidence"), [(None, None), (None, 0.99), (3, 0.89), (7, 0.5)])
def test_a_count_that_is_absent_or_unsure_is_unknown(rings: int | None, confidence: float | None) -> None:
    calls = a_call("09:00"), a_call("11:00", rings=rings, confidence=confidence), a_call("13:00")
    assert results(judged(an_order(), *calls))["rings"] == "undetermined rings_unknown"


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_a_count_without_a_confidence_or_at_the_limit_is_known(confidence: float | None) -> None:
    calls = a_call("09:00"), a_call("11:00", rings=3, confidence=confidence), a_call("13:00")
    assert results(judged(an_order(), *calls))["rings"] == "failed too_few_rings"


def test_a_voicemail_tone_that_nobody_listened_for_may_have_been_there() -> None:
    calls = a_call("09:00"), a_call("11:00", rings=2, voicemail=None), a_call("13:00")
    assert results(judged(an_order(), *calls))["rings"] == "undetermined rings_unknown"
    enough = a_call("09:00"), a_call("11:00", rings=5, voicemail=None), a_call("13:00")
    assert results(judged(an_order(), *enough))["rings"] == "passed"


def test_an_unsure_count_of_an_announced_call_is_no_matter() -> None:
    calls = a_call("09:00"), a_call("11:00", 3, rings=None), a_call("13:00")
    assert results(judged(an_order(), *calls))["rings"] == "passed"


def test_an_unknown_branch_of_the_last_call_is_undetermined() -> None:
    assert results(judged(an_order(1), a_call("09:00", 1, branch=None)))["branch"] == "undetermined branch_unknown"


def test_an_unknown_branch_cannot_mend_a_last_call_of_another_branch() -> None:
    calls = a_call("09:00", branch=None), a_call("11:00"), a_call("13:00", branch="ADSL_SAV")
    assert results(judged(an_order(), *calls))["branch"] == "failed other_branch"


def test_an_unknown_branch_that_may_be_the_third_is_undetermined() -> None:
    calls = a_call("08:30", branch="ADSL_SAV"), a_call("09:00", branch=None), a_call("11:00"), a_call("13:00")
    assert results(judged(an_order(), *calls))["branch"] == "undetermined branch_unknown"


def test_behaviour_of_a_call_that_was_not_heard_out_is_undetermined() -> None:
    assert results(judged(an_order(), a_call("09:00", behaviour=2)))["behaviour"] == "undetermined outcome_unknown"
    partial = a_call("09:00", behaviour=0, status="partial")
    assert results(judged(an_order(), partial))["behaviour"] == "undetermined transcript_partial"


def test_an_undated_call_may_have_been_the_last() -> None:
    evaluation = judged(an_order(), *THREE, a_call(None, 1, call_id="undated"))
    assert results(evaluation)["last_call"] == "undetermined date_unknown"
    assert finding(evaluation, "last_call").evidence[0].call_id == "undated"
    assert results(evaluation)["attempts"] == "passed"
    assert evaluation.verdict == "to_review"


def test_an_undated_call_that_shows_the_same_changes_nothing() -> None:
    assert judged(an_order(), *THREE, a_call(None, call_id="undated")).verdict == "compliant"
    assert judged(an_order(1), a_call("09:00", 1), a_call(None, 1, call_id="undated")).verdict == "compliant"


def test_an_undated_call_may_be_the_third_attempt_and_complete_the_triple() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("13:00"), a_call(None, call_id="undated"))
    assert results(evaluation)["attempts"] == "undetermined date_unknown"
    assert results(evaluation)["interval"] == "undetermined date_unknown"


def test_an_undated_call_cannot_complete_a_triple_where_there_is_no_room() -> None:
    order = an_order(raised="08:00", suspended="11:59")
    evaluation = judged(order, a_call("08:00"), a_call("10:00"), a_call(None, call_id="undated"))
    assert results(evaluation)["attempts"] == "undetermined date_unknown"
    assert results(evaluation)["interval"] == "failed no_spaced_triple"


def test_an_undated_call_may_come_long_after_the_last_dated_one() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("11:00"), a_call(None, call_id="undated"))
    assert results(evaluation)["interval"] == "undetermined date_unknown"


def test_an_undated_call_may_come_right_after_the_last_dated_one() -> None:
    order = an_order(raised="2026-11-17 17:30")
    evening = a_call("2026-11-17 21:30"), a_call("2026-11-17 23:30")
    assert results(judged(order, *evening, a_call(None, call_id="undated")))["interval"] == "undetermined date_unknown"


def test_two_undated_calls_may_both_precede_a_call_at_the_windows_end() -> None:
    undated = a_call(None, call_id="a"), a_call(None, call_id="b")
    until_three = an_order(raised="11:00", suspended="15:00")
    assert results(judged(until_three, a_call("15:00"), *undated))["interval"] == "undetermined date_unknown"
    a_second_less = an_order(raised="11:00:01", suspended="15:00")
    assert results(judged(a_second_less, a_call("15:00"), *undated))["interval"] == "failed no_spaced_triple"


def test_an_undated_call_at_the_windows_end_may_stand_before_the_last_by_its_id() -> None:
    order = an_order(raised="09:00", suspended="13:00")
    calls = a_call("09:00"), a_call("11:00"), a_call("13:00", 1), a_call(None, call_id="a")
    assert results(judged(order, *calls))["interval"] == "undetermined date_unknown"


def test_an_undated_call_of_another_branch_may_stand_before_the_last_by_its_id() -> None:
    order = an_order(raised="09:00", suspended="13:00")
    calls = a_call("09:00"), a_call("13:00"), a_call(None, call_id="a", branch="ADSL_SAV")
    assert results(judged(order, *calls))["branch"] == "undetermined date_unknown"


def test_a_single_undated_call_leaves_open_whether_there_is_any() -> None:
    evaluation = judged(an_order(1), a_call(None, 1))
    assert results(evaluation)["declaration"] == "undetermined date_unknown"
    evaluation = judged(an_order(1), a_call(None, 2))
    assert results(evaluation)["declaration"] == "failed declaration_differs"


def test_an_undated_copy_of_a_dated_call_is_that_call() -> None:
    copy = a_call(None, 1, call_id="copy", external_id="X1")
    first = a_call("13:00", call_id="first", external_id="X1")
    assert judged(an_order(), *THREE[:2], first, copy).verdict == "compliant"


def test_an_undated_call_may_make_the_order_late() -> None:
    order = an_order(raised="2026-11-17 17:30")
    evaluation = judged(order, a_call(None, 0, call_id="undated"))
    assert results(evaluation)["attempts"] == "undetermined date_unknown"


def test_want_of_calls_is_no_failure_when_the_window_began_before_coverage() -> None:
    evaluation = judged(an_order(), a_call("09:00"), knowledge=BEFORE_COVERAGE)
    assert results(evaluation)["attempts"] == "undetermined coverage_incomplete"
    assert results(evaluation)["interval"] == "undetermined coverage_incomplete"
    assert results(evaluation)["rings"] == "undetermined coverage_incomplete"
    assert evaluation.verdict == "to_review"


def test_no_call_at_all_is_no_failure_either() -> None:
    assert results(judged(an_order(), knowledge=BEFORE_COVERAGE))["attempts"] == "undetermined coverage_incomplete"
    refused = judged(an_order(1), knowledge=BEFORE_COVERAGE)
    assert results(refused)["declaration"] == "undetermined coverage_incomplete"


def test_rules_that_pass_or_fail_by_what_was_heard_do_not_ask_for_coverage() -> None:
    assert judged(an_order(), *THREE, knowledge=BEFORE_COVERAGE).verdict == "compliant"
    refused = judged(an_order(1), a_call("09:00", 2), knowledge=BEFORE_COVERAGE)
    assert results(refused)["declaration"] == "failed declaration_differs"


def test_unassigned_recordings_above_the_tolerance_may_be_the_missing_calls() -> None:
    over = Knowledge(registered=1999, unassigned=2)
    at_limit = Knowledge(registered=2000, unassigned=2)
    assert results(judged(an_order(), knowledge=over))["attempts"] == "undetermined recordings_unassigned"
    assert results(judged(an_order(), knowledge=at_limit))["attempts"] == "failed no_call_found"


def test_a_failed_rule_outweighs_an_undetermined_one() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("11:00", None, status="failed"), a_call("13:00", 4))
    assert evaluation.verdict == "non_compliant"
    assert evaluation.comment.startswith("Dernier appel non conforme (client joint : Autre); ")
