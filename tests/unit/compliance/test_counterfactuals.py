"""What would have changed a verdict: each change that is listed was tried, and leads to the verdict that it says."""

from __future__ import annotations

from dataclasses import replace
from string import Formatter
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringtrue.fingerprint import Fingerprint
from ringtrue.messages import CallFacts, Order
from ringtrue.outcomes import Language
from services.compliance.counterfactuals.hypothetical import Given, in_order
from services.compliance.counterfactuals.placing import stretches
from services.compliance.counterfactuals.search import would_change
from services.compliance.counterfactuals.trial import Counterfactual
from services.compliance.counterfactuals.words import SUPPOSED
from services.compliance.ruleset import Ruleset
from services.compliance.verdict import Knowledge, evaluate
from tests.unit.compliance import naive
from tests.unit.compliance.cases import COMPLETE, RULES, a_call, an_order, at, changed
from tests.unit.compliance.naive import Parameters
from tests.unit.compliance.test_definition import EXAMPLES, LACKS, Small, parameters, ruleset, small_orders, tried

THREE = a_call("09:00"), a_call("11:00"), a_call("13:00")
VALID = "(5 tonalités ou messagerie)"
ONE_MORE = f"compliant: un appel de plus sans réponse {VALID}"
ANY_TIME = "à tout moment de la période (08:00 à 20:00)"
REFUSED, POSTPONED = "« Client refuse installation »", "« Client reporte RDV »"
UNKNOWN = ", dont le résultat n'est pas établi, montre"
OPEN: dict[str, Any] = {"status": "failed", "rings": None, "voicemail": None}
#: A sound of its own for each call.
A_SOUND = {
    at(clock): bytes(Fingerprint.of(30_000, b"\xff" * 20, b"\xff" * 20, [b"\xff" * 20] * 16, [rising * 20] * 16))
    for clock, rising in (("09:00", b"\x0f"), ("11:00", b"\x33"), ("13:00", b"\x55"))
}
ASKING = changed(
    required_phrases={"ACQUISITION": ("service technique",)}, forbidden_phrases={"ACQUISITION": ("tant pis",)}
)


def told(
    order: Order,
    *calls: CallFacts,
    rules: Ruleset = RULES,
    knowledge: Knowledge = COMPLETE,
    language: Language = "fr",
) -> list[str]:
    """Each change as a line: the verdict that it leads to, and its words."""
    found = would_change(order, calls, knowledge, rules, language)
    return [f"{one.verdict or '-'}: {one.text}" for one in found]


# Of an order that is not compliant


def test_one_more_call_and_when_it_would_have_served() -> None:
    order, calls = an_order(suspended="14:00"), (a_call("09:00"), a_call("11:05"))
    assert told(order, *calls) == [f"{ONE_MORE}, à 13:05 ou après (avant la suspension de 14:00)"]
    (english,) = told(order, *calls, language="en")
    assert english.startswith("compliant: one more unanswered call (5 rings or a voicemail), at 13:05 or later")


@pytest.mark.parametrize(
    ("suspended", "starts", "when"),
    [
        ("18:00", ("10:00", "14:00"), "à 08:00, ou à 12:00, ou à 16:00 ou après (avant la suspension de 18:00)"),
        ("15:59", ("10:30", "14:30"), "entre le début de la période (08:00) et 08:30, ou à 12:30"),
        ("20:00", ("09:00", "14:00"), "entre 11:00 et 12:00, ou à 16:00 ou après (avant la suspension de 20:00)"),
        ("14:00", ("09:00:30", "11:05:00.5"), "à 13:05:01 ou après (avant la suspension de 14:00)"),
    ],
)
def test_there_may_be_several_times_at_which_it_would(suspended: str, starts: tuple[str, ...], when: str) -> None:
    assert told(an_order(suspended=suspended), *map(a_call, starts)) == [f"{ONE_MORE}, {when}"]


def test_times_of_another_day_than_that_of_the_suspension_have_a_day() -> None:
    order = an_order(raised="2026-11-17 12:00", suspended="09:00")
    (line,) = told(order, a_call("2026-11-17 13:00"), a_call("2026-11-17 15:00"))
    assert line.endswith("à 17:00 le 2026-11-17 ou après (avant la suspension de 09:00)")


def test_further_calls_where_one_is_not_enough() -> None:
    assert told(an_order()) == [
        f"compliant: 3 appels de plus sans réponse {VALID}, par exemple à 10:00, à 12:00 et à 14:00"
    ]
    assert told(an_order(1)) == [f"compliant: un appel de plus qui montre {REFUSED}, {ANY_TIME}"]


def test_that_no_call_would_have_served_where_the_window_has_no_room() -> None:
    assert told(an_order(suspended="11:00"), a_call("09:00"), a_call("10:00")) == [
        "-: un appel de plus n'aurait suffi à aucun moment de la période (08:00 à 11:00)",
        "-: aucun petit changement trouvé qui aurait suffi : Moins de 3 appels trouvés",
        "-: aucun petit changement trouvé qui aurait suffi : Pas de séquence de 3 appels avec 2h d'écart",
    ]


def test_rings_that_were_wanting_and_how_many_there_were() -> None:
    lines = told(an_order(), a_call("09:00"), a_call("11:00", rings=3), a_call("13:00"))
    assert lines[1:] == ["compliant: si l'appel de 11:00 avait sonné 5 fois (au lieu de 3) ou mené à une messagerie"]


def test_a_last_call_that_reached_someone() -> None:
    assert told(an_order(), *THREE, a_call("15:00", 1)) == [
        f"{ONE_MORE}, après 15:00 (et avant la suspension de 20:00)",
        f"compliant: si le dernier appel (15:00) n'avait joint personne ({REFUSED} constaté)",
        f"compliant: si le motif déclaré avait été {REFUSED}",
    ]


def test_a_silent_call_that_hardly_rang_would_not_have_done_in_place_of_one_that_reached_someone() -> None:
    lines = told(an_order(suspended="13:00"), a_call("09:00"), a_call("11:00", 4, rings=2), a_call("13:00"))
    assert "compliant: si l'appel de 11:00 avait montré « Client injoignable » (« Autre » constaté)" in lines


def test_a_declaration_that_differs() -> None:
    assert told(an_order(1), a_call("09:12", 2)) == [
        f"compliant: un appel de plus qui montre {REFUSED}, après 09:12 (et avant la suspension de 20:00)",
        f"compliant: si le dernier appel (09:12) avait montré {REFUSED} ({POSTPONED} constaté)",
        f"compliant: si le motif déclaré avait été {POSTPONED}",
    ]


def test_another_branch() -> None:
    added, branch = told(an_order(1), a_call("09:12", 1, branch="ADSL_SAV"))
    assert f"{REFUSED} (branche ADSL_INSTALL), après 09:12" in added
    assert branch == "compliant: si le dernier appel (09:12) venait de la branche ADSL_INSTALL (ADSL_SAV constatée)"


def test_behaviour_and_phrases_where_they_are_rules() -> None:
    rude = a_call("09:00", 1, behaviour=0)
    assert told(an_order(1), rude, rules=changed(behaviour_counts=True))[1:] == [
        "compliant: si le technicien était resté correct pendant le dernier appel (09:00)"
    ]
    too_much = a_call("09:00", 1, transcript="tant tant pis pis, service technique")
    assert told(an_order(1), too_much, rules=ASKING)[1:] == [
        "compliant: si « tant pis » n'avait pas été prononcé pendant le dernier appel (09:00)"
    ]
    too_little = a_call("09:00", 1, transcript="allô")
    assert told(an_order(1), too_little, rules=ASKING)[1:] == [
        "compliant: si « service technique » avait été prononcé pendant le dernier appel (09:00)"
    ]


def test_two_changes_where_one_is_not_enough() -> None:
    calls = a_call("09:00"), a_call("11:00", rings=3), a_call("13:00", 4)
    last, rings = told(an_order(suspended="13:30"), *calls)[0].split(", et ")
    assert last == "compliant: si le dernier appel (13:00) n'avait joint personne (« Autre » constaté)"
    assert rings == "si l'appel de 11:00 avait sonné 5 fois (au lieu de 3) ou mené à une messagerie"


def test_as_many_changes_as_it_takes_each_of_them_needed() -> None:
    calls = a_call("09:00", rings=1), a_call("11:00", rings=3), a_call("13:00", 4)
    found = would_change(an_order(suspended="13:30"), calls, COMPLETE, RULES, "fr")[0]
    assert (found.verdict, found.change) == ("compliant", "outcome+rings")
    assert len(found.text.split(", et ")) == 3


def test_a_further_call_and_a_change_together() -> None:
    calls = a_call("09:00"), a_call("11:00", branch="ADSL_SAV")
    found = would_change(an_order(), calls, COMPLETE, RULES, "fr")[0]
    assert (found.verdict, found.change) == ("compliant", "added_call+branch")


def test_calls_are_called_by_the_minute_unless_there_are_two_of_it() -> None:
    calls = a_call("09:00:12"), a_call("11:00:20"), a_call("13:00:40", 4), a_call("13:00:45", rings=2)
    rings = told(an_order(suspended="13:01"), *calls)[-1]
    assert (
        rings == "compliant: si le dernier appel (13:00:45) avait sonné 5 fois (au lieu de 2) ou mené à une messagerie"
    )
    assert told(an_order(), *calls[:2], a_call("13:00:40"))[0].endswith("(09:00, 11:00, 13:00)")


def test_calls_of_the_same_second_are_told_apart_by_their_ids() -> None:
    lines = told(an_order(suspended="13:00"), *THREE[:2], a_call("13:00", call_id="a"), a_call("13:00", 4, call_id="b"))
    assert "compliant: si le dernier appel (13:00, b) n'avait joint personne (« Autre » constaté)" in lines


# Of an order that is to be reviewed


def test_what_an_unknown_outcome_may_be_and_what_that_leads_to() -> None:
    assert told(an_order(2), a_call("09:12", None, status="failed")) == [
        f"compliant: si le dernier appel (09:12){UNKNOWN} {POSTPONED}",
        f"non_compliant: si le dernier appel (09:12){UNKNOWN} autre chose que {POSTPONED}",
    ]


def test_how_an_unknown_call_rang_matters_where_it_must_be_valid() -> None:
    valid = "« Client injoignable » ou « Silence » (5 tonalités ou plus, ou une messagerie)"
    assert told(an_order(), a_call("09:00"), a_call("11:00", None, **OPEN), a_call("13:00")) == [
        f"compliant: si l'appel de 11:00{UNKNOWN} {valid}",
        f"non_compliant: si l'appel de 11:00{UNKNOWN} autre chose que {valid}",
    ]


def test_unknown_rings() -> None:
    call = "si l'appel de 11:00, dont les tonalités ne sont pas établies, se révèle ainsi"
    assert told(an_order(), a_call("09:00"), a_call("11:00", rings=3, confidence=0.5), a_call("13:00")) == [
        f"compliant: {call} : 5 tonalités ou plus",
        f"non_compliant: {call} : moins de 5 tonalités",
    ]


def test_an_unknown_branch_and_an_unknown_date() -> None:
    assert told(an_order(1), a_call("09:00", 1, branch=None)) == [
        "compliant: si le dernier appel (09:00), de branche inconnue, vient de ADSL_INSTALL",
        "non_compliant: si le dernier appel (09:00), de branche inconnue, vient d'une autre branche que ADSL_INSTALL",
    ]
    assert told(an_order(), *THREE, a_call(None, 4, call_id="x")) == [
        "compliant: si l'appel x (date inconnue) a eu lieu hors de la période",
        "compliant: si l'appel x (date inconnue) a eu lieu entre le début de la période (08:00) et 12:59:59",
        "non_compliant: si l'appel x (date inconnue) a eu lieu à 13:00 ou après (avant la suspension de 20:00)",
    ]


def test_what_else_is_taken_on_trust_is_said() -> None:
    line = told(an_order(1), a_call("09:00", 1, status="partial", transcript="allô"), rules=ASKING)[0]
    assert line.endswith(f"montre {REFUSED}, sans autre reproche")


def test_words_that_are_missing_of_a_whole_call() -> None:
    missing = "si le dernier appel (09:00), dont la transcription manque,"
    assert told(an_order(1), a_call("09:00", 1), rules=ASKING) == [
        f"compliant: {missing} contient les formules demandées et aucune interdite",
        f"non_compliant: {missing} ne contient pas « service technique »",
    ]


def test_two_unknown_facts_that_must_both_turn_out_well() -> None:
    calls = a_call("09:00"), a_call("11:00", None, **OPEN), a_call("13:00", None, **OPEN)
    better, *worse = told(an_order(), *calls)
    assert better.split(", et ") == [
        f"compliant: si l'appel de 11:00{UNKNOWN} « Client injoignable »",
        f"si le dernier appel (13:00){UNKNOWN} « Client injoignable »",
    ]
    assert [line.split(":")[0] for line in worse] == ["non_compliant", "non_compliant"]


def test_calls_that_may_not_have_been_found() -> None:
    lines = told(an_order(suspended="14:00"), *THREE[:2], knowledge=Knowledge(covered_from_start=False))
    found = f"si un appel de plus sans réponse {VALID} est retrouvé"
    assert lines == [
        f"compliant: {found}, à 13:00 ou après (avant la suspension de 14:00)",
        "non_compliant: si aucun autre appel n'est retrouvé dans la période",
    ]


@pytest.mark.parametrize(
    "call", [a_call("09:00", None, **OPEN), a_call("09:00", 2, status="partial"), a_call("09:00", 9)]
)
def test_of_what_was_lost_by_a_failure_of_ours_only_that_it_becomes_known_is_supposed(call: CallFacts) -> None:
    assert all(UNKNOWN in line for line in told(an_order(1), call))


# Where checks of the evidence are rules


@pytest.mark.parametrize("check", ["same_audio", "recording_length", "early_hang_up", "start_times"])
def test_a_further_call_and_one_that_becomes_known_are_in_order_by_every_check(check: str) -> None:
    rules = changed(checks_that_count=(check,))
    known = [replace(in_order(call), fingerprint=A_SOUND[call.started_at_ms or 0]) for call in THREE]
    assert told(an_order(), *known[:2], rules=rules) == [f"{ONE_MORE}, à 13:00 ou après (avant la suspension de 20:00)"]
    lost = replace(a_call("15:00", None, **OPEN), duration_ms=None)
    better, worse = told(an_order(), *known, lost, rules=rules)
    assert better.endswith(f"{UNKNOWN} « Silence » ou « Client injoignable », sans autre reproche")
    assert worse.startswith("non_compliant: si le dernier appel (15:00)")


def test_a_call_that_a_check_fails_by_left_out() -> None:
    hung_up = replace(in_order(a_call("10:00", rings=3)), duration_ms=13_000)
    calls = [*map(in_order, THREE), hung_up]
    changes = told(an_order(), *calls, rules=changed(checks_that_count=("early_hang_up",)))
    assert "compliant: sans l'appel de 10:00" in changes


def test_what_only_a_check_asks_for_and_is_not_known_is_named() -> None:
    (line,) = told(an_order(), *THREE, rules=changed(checks_that_count=("start_times",)))
    assert line.startswith("-: dépend de ce qui n'est pas établi : ")


def test_a_check_that_is_no_rule_changes_nothing() -> None:
    same = [replace(call, fingerprint=A_SOUND[at("09:00")]) for call in THREE]
    assert told(an_order(), *same) == told(an_order(), *THREE)


# Of a compliant order


def test_the_facts_that_it_hangs_on_those_of_a_kind_together() -> None:
    assert told(an_order(), *THREE) == [
        "non_compliant: sans l'un de ces appels (09:00, 11:00, 13:00)",
        "non_compliant: si l'un de ces appels (09:00, 11:00, 13:00) avait joint quelqu'un",
        "non_compliant: si l'un de ces appels (09:00, 11:00, 13:00) avait sonné moins de 5 fois",
        "non_compliant: si l'un de ces appels (09:00, 11:00, 13:00) venait d'une autre branche",
    ]


def test_an_attempt_that_is_not_needed_is_not_named() -> None:
    assert told(an_order(), a_call("08:30"), *THREE)[0] == "non_compliant: sans l'un de ces appels (11:00, 13:00)"


def test_a_call_is_left_out_with_its_other_recordings() -> None:
    copies = [a_call("11:00", call_id=name, external_id="X") for name in "ab"]
    assert told(an_order(), THREE[0], *copies, THREE[2])[0] == (
        "non_compliant: sans l'un de ces appels (09:00, 11:00, 13:00)"
    )


def test_a_voicemail_that_stands_for_the_rings() -> None:
    lines = told(an_order(), THREE[0], a_call("11:00", rings=2, voicemail=True), THREE[2])
    assert "non_compliant: si aucune messagerie n'avait suivi à l'appel de 11:00" in lines


# Of any order


@tried(max(1, EXAMPLES // 8))
@given(small_orders(), parameters, st.sampled_from(list(LACKS)), st.data())
def test_every_change_that_is_listed_leads_to_the_verdict_that_it_says(
    small: Small, p: Parameters, lack: str | None, data: st.DataObject
) -> None:
    rules, knowledge = ruleset(p), LACKS[lack]
    found = would_change(small.order, small.calls, knowledge, rules, "fr")
    now = evaluate(small.order, small.calls, knowledge, rules, "fr").verdict
    changes = [one for one in found if one.verdict is not None]
    assert len(changes) <= 5
    assert found
    for one in changes:
        assert one.verdict != now
        assert one.tried
        for case in one.tried:
            assert case != Given(small.order, small.calls, knowledge)
            assert judged(case, rules) == one.verdict
    assert all(one.text and "{" not in one.text for one in found)
    assert len({one.text for one in found}) == len(found)
    if changes:
        one = data.draw(st.sampled_from(changes))
        case = data.draw(st.sampled_from(one.tried))
        if all(call.started_at_ms is not None for call in case.calls):  # the reference tries half hours only
            lack_then = None if case.knowledge == COMPLETE else lack
            assert naive.verdict(case.order, case.calls, p, lack_then) == one.verdict


@tried(max(1, EXAMPLES // 40))
@given(small_orders(), parameters, st.data())
def test_neither_the_order_of_arrival_nor_the_language_changes_what_is_listed(
    small: Small, p: Parameters, data: st.DataObject
) -> None:
    found = would_change(small.order, small.calls, COMPLETE, ruleset(p), "fr")
    arrived = data.draw(st.permutations(small.calls))
    again = would_change(small.order, arrived, COMPLETE, ruleset(p), "fr")
    english = would_change(small.order, small.calls, COMPLETE, ruleset(p), "en")
    assert [words(one) for one in again] == [words(one) for one in found]
    assert [words(one)[:2] for one in english] == [words(one)[:2] for one in found]


@tried(max(1, EXAMPLES // 8))
@given(small_orders(), parameters, st.data())
def test_a_stretch_of_time_is_all_of_one_verdict(small: Small, p: Parameters, data: st.DataObject) -> None:
    order, rules = small.order, ruleset(p)
    starts = [call.started_at_ms for call in small.calls if call.started_at_ms is not None]
    assume(all(call.external_id is None for call in small.calls))

    def verdict_at(moment: int) -> str:
        added = replace(a_call("09:00", call_id="~"), started_at_ms=moment)
        return evaluate(order, (*small.calls, added), COMPLETE, rules, "fr").verdict

    inside = [start for start in starts if order.window_start_ms <= start <= order.suspended_at_ms]
    found = stretches(order, inside, rules, verdict_at)
    for verdict, times in found.items():
        one = data.draw(st.sampled_from(times))
        moment = data.draw(st.integers(one.first_ms // 1000, one.last_ms // 1000)) * 1000
        assert verdict_at(moment) == verdict


def test_both_languages_say_the_same_things_of_the_same_values() -> None:
    def asked(phrase: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(phrase)} - {None}

    french, english = SUPPOSED["fr"], SUPPOSED["en"]
    assert list(french) == list(english)
    assert {name: asked(text) for name, text in french.items()} == {name: asked(text) for name, text in english.items()}


def test_an_order_of_very_many_attempts_is_not_searched_for_long() -> None:
    calls = [
        replace(a_call("09:00", 4, call_id=f"c{number:03}"), started_at_ms=at("09:00") + 60_000 * number)
        for number in range(200)
    ]
    assert len(would_change(an_order(), calls, COMPLETE, RULES, "fr")) <= 5


def judged(case: Given, rules: Ruleset) -> str:
    return evaluate(case.order, case.calls, case.knowledge, rules, "en").verdict


def words(one: Counterfactual) -> tuple[str | None, str, str]:
    return one.verdict, one.change, one.text
