"""Each rule by itself, on facts that are known."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ringtrue.times import utc_ms
from tests.unit.compliance.cases import a_call, an_order, at, changed, finding, judged, results


def test_three_silent_attempts_two_hours_apart_with_five_rings_are_compliant() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("11:00"), a_call("13:00"))
    assert evaluation.verdict == "compliant"
    assert evaluation.comment == ""
    assert results(evaluation) == {
        "last_call": "passed",
        "attempts": "passed",
        "interval": "passed",
        "rings": "passed",
        "declaration": "not_applicable",
        "branch": "passed",
        "behaviour": "passed",
    }


def test_a_last_call_that_reached_the_client_fails_and_names_what_was_found() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("11:00"), a_call("13:00"), a_call("15:00", 1))
    assert results(evaluation)["last_call"] == "failed reached_someone"
    assert evaluation.verdict == "non_compliant"
    assert evaluation.comment == "Dernier appel non conforme (client joint : Client refuse installation)"


@pytest.mark.parametrize("outcome", [0, 3])
def test_silence_and_unreachable_both_mean_that_nobody_was_reached(outcome: int) -> None:
    assert results(judged(an_order(), a_call("09:00", outcome)))["last_call"] == "passed"


@pytest.mark.parametrize("outcome", [1, 2, 4])
def test_any_other_outcome_means_that_someone_was_reached(outcome: int) -> None:
    assert results(judged(an_order(), a_call("09:00", outcome)))["last_call"] == "failed reached_someone"


def test_two_attempts_are_too_few() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("12:00"))
    assert results(evaluation)["attempts"] == "failed too_few_attempts"
    assert finding(evaluation, "attempts").comment == "Moins de 3 appels trouvés"


def test_every_call_in_the_window_is_an_attempt_whatever_it_showed() -> None:
    calls = a_call("09:00", 4, branch="ADSL_SAV"), a_call("10:00", status="failed"), a_call("11:00")
    assert results(judged(an_order(), *calls))["attempts"] == "passed"


def test_both_ends_of_the_window_belong_to_it() -> None:
    order = an_order(raised="08:00", suspended="20:00")
    evaluation = judged(order, a_call("08:00"), a_call("20:00"), a_call("07:59:59.999"), a_call("20:00:00.001"))
    assert [attempt.started_at_ms for attempt in evaluation.attempts] == [at("08:00"), at("20:00")]


def test_the_window_starts_with_the_latest_recycling_not_with_the_order() -> None:
    order = an_order(raised="2026-11-10 08:00", window="08:00")
    assert not judged(order, a_call("2026-11-17 10:00")).attempts


def test_attempts_stand_by_start_and_equal_starts_by_call_id() -> None:
    calls = [a_call("11:00", call_id="b"), a_call("09:00", call_id="z"), a_call("11:00", 4, call_id="a")]
    evaluation = judged(an_order(), *calls)
    assert [attempt.call_id for attempt in evaluation.attempts] == ["z", "a", "b"]
    assert results(evaluation)["last_call"] == "passed"


def test_calls_with_the_same_external_id_count_once_by_the_earliest_start() -> None:
    calls = (
        a_call("10:00", call_id="copy", external_id="X1"),
        a_call("09:00", call_id="first", external_id="X1"),
        a_call("09:00", call_id="same start", external_id="X1"),
    )
    assert [attempt.call_id for attempt in judged(an_order(), *calls).attempts] == ["first"]


def test_a_call_whose_earliest_recording_precedes_the_window_is_no_attempt() -> None:
    calls = a_call("07:00", call_id="a", external_id="X1"), a_call("09:00", call_id="b", external_id="X1")
    assert not judged(an_order(), *calls).attempts


def test_a_retracted_call_is_no_attempt() -> None:
    assert not judged(an_order(), a_call("09:00", retracted=True)).attempts


def test_attempts_too_close_have_no_spaced_triple_and_rings_do_not_apply() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("10:00"), a_call("11:00"))
    assert results(evaluation)["interval"] == "failed no_spaced_triple"
    assert results(evaluation)["rings"] == "not_applicable"
    assert evaluation.comment == "Pas de séquence de 3 appels avec 2h d'écart"


def test_exactly_two_hours_are_enough_and_a_millisecond_less_is_not() -> None:
    first, second = a_call("09:00"), a_call("11:00")
    assert results(judged(an_order(), first, second, a_call("13:00")))["interval"] == "passed"
    assert results(judged(an_order(), first, second, a_call("12:59:59.999")))["interval"].startswith("failed")


def test_the_three_attempts_need_not_be_neighbours() -> None:
    calls = [a_call(start) for start in ("09:00", "10:30", "11:30", "12:00", "13:45")]
    assert results(judged(an_order(), *calls))["interval"] == "passed"


def test_an_attempt_that_reached_someone_is_no_part_of_the_triple() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("11:00", 4), a_call("13:00"), a_call("14:00"))
    assert results(evaluation)["interval"] == "failed no_spaced_triple"


def test_a_silent_attempt_with_four_rings_is_not_valid() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("11:00", rings=4), a_call("13:00"))
    assert results(evaluation)["rings"] == "failed too_few_rings"
    assert evaluation.comment == "Moins de 5 tonalités"


def test_a_confident_count_of_zero_is_too_few() -> None:
    evaluation = judged(an_order(), a_call("09:00"), a_call("11:00", rings=0, confidence=1.0), a_call("13:00"))
    assert results(evaluation)["rings"] == "failed too_few_rings"


def test_a_voicemail_tone_stands_for_the_rings() -> None:
    calls = a_call("09:00"), a_call("11:00", rings=1, voicemail=True), a_call("13:00")
    assert results(judged(an_order(), *calls))["rings"] == "passed"


def test_an_announced_unreachable_attempt_needs_no_rings() -> None:
    calls = a_call("09:00"), a_call("11:00", 3, rings=0), a_call("13:00")
    assert results(judged(an_order(), *calls))["rings"] == "passed"


def test_zero_required_rings_turn_the_demand_off() -> None:
    calls = a_call("09:00", rings=0), a_call("11:00", rings=None), a_call("13:00", rings=0)
    assert results(judged(an_order(), *calls, rules=changed(min_rings=0)))["rings"] == "passed"


def test_valid_attempts_must_themselves_lie_well_apart() -> None:
    calls = a_call("09:00"), a_call("11:00", rings=2), a_call("12:00"), a_call("13:00")
    assert results(judged(an_order(), *calls))["interval"] == "passed"
    assert results(judged(an_order(), *calls))["rings"] == "failed too_few_rings"


def test_a_declared_refusal_that_the_last_call_shows_is_compliant() -> None:
    evaluation = judged(an_order(1), a_call("09:00", 4), a_call("11:00", 1))
    assert evaluation.verdict == "compliant"
    assert results(evaluation)["declaration"] == "passed"
    assert {results(evaluation)[rule] for rule in ("last_call", "attempts", "interval", "rings")} == {"not_applicable"}


def test_a_declared_refusal_that_the_last_call_does_not_show_is_not() -> None:
    evaluation = judged(an_order(1), a_call("09:00", 1), a_call("11:00", 2))
    assert results(evaluation)["declaration"] == "failed declaration_differs"
    assert evaluation.comment == "Déclaration non conforme (Client reporte RDV)"


def test_the_answer_of_the_orders_type_is_the_one_that_counts() -> None:
    call = a_call("09:00", 2, sav=6, branch="ADSL_SAV")
    assert results(judged(an_order(6, kind="SAV"), call))["declaration"] == "passed"
    assert results(judged(an_order(2, kind="SAV"), call))["declaration"] == "failed declaration_differs"


def test_the_last_call_must_come_from_the_orders_branch() -> None:
    calls = [a_call("09:00"), a_call("11:00"), a_call("13:00"), a_call("15:00", branch="ADSL_SAV")]
    evaluation = judged(an_order(), *calls)
    assert results(evaluation)["branch"] == "failed other_branch"
    assert evaluation.comment == "Branche non conforme"


def test_three_attempts_of_the_branch_are_enough() -> None:
    foreign = [a_call("09:00", branch="ADSL_SAV"), a_call("09:30", branch="FTTH_VULA_SAV")]
    own = [a_call("11:00"), a_call("13:00"), a_call("15:00")]
    assert results(judged(an_order(), *foreign, *own))["branch"] == "passed"
    assert results(judged(an_order(), *foreign, *own[1:]))["branch"] == "failed other_branch"


def test_for_another_motif_only_the_last_calls_branch_matters() -> None:
    calls = a_call("09:00", 4, branch="ADSL_SAV"), a_call("11:00", 1)
    assert results(judged(an_order(1), *calls))["branch"] == "passed"


@pytest.mark.parametrize(
    ("kind", "category", "branch"),
    [
        ("ACQUISITION", "ADSL", "ADSL_INSTALL"),
        ("ACQUISITION", "VULA", "FTTH_VULA_INSTALL"),
        ("SAV", "ADSL", "ADSL_SAV"),
        ("SAV", "VULA", "FTTH_VULA_SAV"),
    ],
)
def test_each_kind_of_order_has_its_branch(kind: str, category: str, branch: str) -> None:
    order = an_order(1, kind=kind, category=category)
    assert results(judged(order, a_call("09:00", 1, branch=branch)))["branch"] == "passed"


def test_rudeness_is_reported_but_does_not_decide() -> None:
    evaluation = judged(an_order(1), a_call("09:00", 1, behaviour=0))
    assert results(evaluation)["behaviour"] == "failed bad_behaviour"
    assert (evaluation.verdict, evaluation.comment) == ("compliant", "Communication non conforme")


def test_rudeness_decides_when_it_is_made_a_rule() -> None:
    rules = changed(behaviour_counts=True)
    assert judged(an_order(1), a_call("09:00", 1, behaviour=0), rules=rules).verdict == "non_compliant"
    assert judged(an_order(1), a_call("09:00", 1, behaviour=2), rules=rules).verdict == "to_review"
    assert judged(an_order(1), a_call("09:00", 1, behaviour=2)).verdict == "compliant"


def test_an_order_without_any_call_fails_only_for_that() -> None:
    unreachable, refused = judged(an_order()), judged(an_order(1))
    assert results(unreachable).pop("attempts") == results(refused).pop("declaration") == "failed no_call_found"
    assert unreachable.comment == refused.comment == "Aucun appel trouvé"
    assert [found.result for found in unreachable.findings].count("not_applicable") == 6
    assert [found.result for found in refused.findings].count("not_applicable") == 6


def test_a_late_order_needs_only_a_valid_last_call() -> None:
    order = an_order(raised="17:00:00", suspended="20:00")
    evaluation = judged(order, a_call("17:00:00"))
    assert results(evaluation) == {
        "last_call": "passed",
        "attempts": "not_applicable late_order",
        "interval": "not_applicable late_order",
        "rings": "passed",
        "declaration": "not_applicable",
        "branch": "passed",
        "behaviour": "passed",
    }
    assert finding(evaluation, "attempts").comment == "Dernier appel effectué après 17h"
    assert evaluation.verdict == "compliant"


def test_the_last_call_of_a_late_order_still_needs_its_rings() -> None:
    order = an_order(raised="17:30", suspended="20:00")
    assert results(judged(order, a_call("18:00", rings=4)))["rings"] == "failed too_few_rings"


def test_an_order_raised_a_second_before_five_is_not_late() -> None:
    order = an_order(raised="16:59:59", suspended="20:00")
    assert results(judged(order, a_call("18:00")))["attempts"] == "failed too_few_attempts"


def test_an_order_is_not_late_when_its_last_call_is_of_the_next_day() -> None:
    order = an_order(raised="2026-11-17 17:30")
    assert results(judged(order, a_call("2026-11-17 18:00")))["attempts"] == "not_applicable late_order"
    assert results(judged(order, a_call("2026-11-17 18:00"), a_call("18:30")))["attempts"] == "failed too_few_attempts"


def test_midnight_ends_the_evening() -> None:
    order = an_order(raised="2026-11-17 17:30")
    assert results(judged(order, a_call("2026-11-17 23:59:59.999")))["interval"] == "not_applicable late_order"
    assert results(judged(order, a_call("00:00")))["interval"] == "failed no_spaced_triple"


def test_late_is_meant_in_the_operators_time_zone() -> None:
    order = an_order(raised="17:30", suspended="20:00")
    elsewhere = changed(time_zone="America/Montreal")
    assert results(judged(order, a_call("18:00"), rules=elsewhere))["attempts"] == "failed too_few_attempts"


@pytest.mark.parametrize(("day", "five_o_clock_utc"), [("2026-02-20", 17), ("2026-11-18", 16)])
def test_the_evening_begins_an_hour_later_by_utc_during_ramadan(day: str, five_o_clock_utc: int) -> None:
    # Morocco leaves UTC+1 for UTC from 2026-02-15 to 2026-03-22.
    five_ms = utc_ms(datetime.fromisoformat(f"{day}T{five_o_clock_utc}:00:00+00:00"))
    order = replace(an_order(), ordered_at_ms=five_ms, window_start_ms=five_ms, suspended_at_ms=five_ms + 7_200_000)
    call = replace(a_call("09:00"), started_at_ms=five_ms)
    assert results(judged(order, call))["attempts"] == "not_applicable late_order"
    just_before = replace(order, ordered_at_ms=five_ms - 1)
    assert results(judged(just_before, call))["attempts"] == "failed too_few_attempts"


def test_parameters_change_the_rules_and_their_words() -> None:
    rules = changed(min_attempts=2, min_gap=timedelta(minutes=90), min_rings=3)
    calls = [a_call(start, rings=2) for start in ("09:00", "10:30", "12:00")]
    evaluation = judged(an_order(), *calls, rules=rules)
    assert finding(evaluation, "interval").comment == "Séquence de 3 appels avec 1h30 d'écart"
    assert evaluation.comment == "Moins de 3 tonalités"
    assert finding(evaluation, "rings").parameters["min_rings"] == "3"
